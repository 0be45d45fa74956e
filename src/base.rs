//! Nouns that every other module uses: authorities, inspections, phases, reasons. Pure.

pub mod authority;
pub mod inspection;
pub mod phase;
pub mod reason;
