//! What one forward-proxy port is set to.

use std::net::SocketAddr;
use std::sync::Arc;

use crate::policy::half_close::HalfClose;

/// One `[[forward]]` section.
#[derive(Clone, Debug, PartialEq)]
pub struct ForwardSettings {
    /// Name in metrics, logs and the API.
    pub name: Arc<str>,
    /// Where it listens.
    pub bind: SocketAddr,
    /// What FINs mean, and how long a half-closed connection may last.
    pub half_close: HalfClose,
}
