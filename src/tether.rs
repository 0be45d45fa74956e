//! The tie between a client and everything opened for it.

pub mod drain;
pub mod hangup;
pub mod tie;
