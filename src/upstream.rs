//! HTTP to the origin: dialling a checked address, and keeping a connection for the client it was made for.

pub mod dial;
pub mod kept;
pub mod settings;
pub mod socket;
