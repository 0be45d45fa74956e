//! Nouns that every other module uses: authorities, phases, reasons. Pure.

pub mod authority;
pub mod phase;
pub mod reason;
