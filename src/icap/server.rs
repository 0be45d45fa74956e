//! The server's side of ICAP (RFC 3507): requests of other proxies read strictly, and what we answer. No io, no clock.
//!
//! [`conversation`] takes bytes and tells what they ask; its answers are calls, and bytes again. Everything that real
//! clients get wrong and that does no harm is accepted: line feeds alone, missing `Host`, previews of any size, heads in
//! any selection. What could be read in two ways is refused.

pub mod conversation;
mod parts;
pub mod refusal;
mod request;
pub mod settings;
pub mod subject;
