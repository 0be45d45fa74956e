//! What is set for the connections to one destination: `[[destination]]` of `policies/limits.toml`.

use std::sync::Arc;
use std::time::Duration;

use crate::policy::half_close::HalfClose;
use crate::policy::pattern::DestinationMatch;

/// Who may use a connection again once its response is complete.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reuse {
    /// The same client connection.
    #[default]
    Sticky,
    /// Any client connection of the same worker.
    Shared,
    /// Nobody: one connection for each request.
    Off,
}

impl Reuse {
    /// The word in rule files and the API.
    pub const fn label(self) -> &'static str {
        match self {
            Reuse::Sticky => "sticky",
            Reuse::Shared => "shared",
            Reuse::Off => "off",
        }
    }
}

/// A `[[destination]]`. The first one that matches holds; what it leaves out is as for all others.
#[derive(Clone, Debug, PartialEq)]
pub struct DestinationRule {
    /// Its name, unique in the file.
    pub name: Arc<str>,
    /// Whom it speaks of.
    pub destination: DestinationMatch,
    /// Who may use a connection again.
    pub reuse: Reuse,
    /// Connections made ahead of need by each worker, once the destination has been used; only with [`Reuse::Shared`].
    pub preopen: u32,
    /// How long an idle connection may be kept.
    pub idle: Option<Duration>,
    /// Requests on one connection.
    pub max_requests: Option<u64>,
    /// What FINs mean there.
    pub half_close: HalfClose,
    /// Request sent to response head.
    pub response_head: Option<Duration>,
    /// Silence in a response body or tunnel.
    pub stream_idle: Option<Duration>,
}
