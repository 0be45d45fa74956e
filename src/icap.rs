//! ICAP (RFC 3507): asking scanners that may be slow, broken or hostile, and being one for other proxies.
//!
//! | part | what it is |
//! |---|---|
//! | [`settings`], [`url`] | what is set for a service |
//! | [`message`], [`body`], [`opening`] | what is sent to be judged, and how |
//! | [`conversation`] | one request and its answer, without io and without a clock |
//! | [`options`], [`findings`], [`adapted`] | what answers mean |
//! | [`breaker`], [`wire`], [`pool`], [`endpoint`] | one server: whether it works, its connections, what it told of itself |
//! | [`exchange`] | the one driver: a conversation on a socket, under deadlines |
//! | [`client`] | one call for one message: chooses a server, tries, fails over |
//! | [`server`] | the other side: requests of other proxies, and what we answer |
//! | [`services`], [`stats`] | the clients of all services, and what they count |
//!
//! Whatever fails closes its connection; the end of a body is never made up.

pub mod adapted;
pub mod body;
pub mod breaker;
mod chunks;
pub mod client;
pub mod conversation;
mod encapsulated;
pub mod endpoint;
pub mod error;
pub mod exchange;
pub mod findings;
pub mod head;
pub mod message;
pub mod opening;
pub mod options;
pub mod outcome;
pub mod pool;
mod request;
pub mod server;
pub mod services;
pub mod settings;
pub mod shares;
pub mod stats;
pub mod url;
pub mod wire;
