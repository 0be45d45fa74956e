//! What the admin port is set to.

use std::net::SocketAddr;

/// The `[admin]` section.
#[derive(Clone, Debug, PartialEq)]
pub struct AdminSettings {
    /// Where the admin port listens.
    pub bind: SocketAddr,
}
