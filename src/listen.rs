//! Ports: what is bound, and how accepted sockets reach a worker.

pub mod accept;
pub mod icap;
pub mod settings;
