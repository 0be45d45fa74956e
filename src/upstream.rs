//! HTTP to the origin: dialling a checked address, and keeping a connection for the client it was made for, or for all.

pub mod connection;
pub mod dial;
pub mod kept;
pub mod learned;
pub mod pool;
pub mod rules;
pub mod settings;
pub mod socket;
