//! What one forward-proxy port is set to.

use std::net::SocketAddr;
use std::sync::Arc;

/// What a client's FIN means while its answer is under way. RST always cancels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FinPolicy {
    /// The client is gone: cancel everything done for it.
    #[default]
    Cancel,
    /// The client only stopped sending: it gets its answer, within the half-close limit.
    Finish,
}

/// One `[[forward]]` section.
#[derive(Clone, Debug, PartialEq)]
pub struct ForwardSettings {
    /// Name in metrics, logs and the API.
    pub name: Arc<str>,
    /// Where it listens.
    pub bind: SocketAddr,
    /// What a client's FIN means.
    pub on_client_fin: FinPolicy,
}
