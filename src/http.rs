//! The HTTP/1 engine (RFC 9110, 9112): strict, sans-io, the same for clients, origins and, later, ICAP. Pure.
//!
//! Bytes become a typed head and exactly one [`framing::BodyFraming`]; a typed head becomes bytes again. No byte of a
//! framing, Host, Connection or Upgrade field is ever copied.

pub mod body;
pub mod chunked;
pub mod content;
pub mod field;
pub mod framing;
pub mod head;
mod lines;
pub mod method;
pub mod push;
pub mod reply;
pub mod request;
pub mod response;
pub mod rewrite;
pub mod target;
