//! Nouns that every other module uses: authorities, inspections, media ranges, phases, reasons, subscribers. Pure.

pub mod authority;
pub mod inspection;
pub mod media_range;
pub mod phase;
pub mod reason;
pub mod subscriber;
