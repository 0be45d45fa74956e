//! A socket to somewhere: receiving, sending, splicing, resolving.

pub mod pipe;
pub mod resolver;
pub mod scratch;
pub mod socket;
