//! The ports of our ICAP server.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

use anyhow::Result;

use super::bind_shared;
use crate::flow::icap_server::IcapPort;
use crate::icap::server::settings::IcapServerSettings;

/// One ICAP port, bound once for every worker.
pub(super) struct OpenIcapPort {
    pub address: SocketAddr,
    port: Arc<IcapPort>,
    listeners: Vec<TcpListener>,
}

impl OpenIcapPort {
    /// What one more worker serves.
    pub fn take(&mut self) -> Option<(TcpListener, Arc<IcapPort>)> {
        Some((self.listeners.pop()?, self.port.clone()))
    }
}

/// Binds the ports.
///
/// # Errors
/// With the port that could not be had.
pub(super) fn bind(ports: &[IcapServerSettings], workers: usize) -> Result<Vec<OpenIcapPort>> {
    let open = |settings: &IcapServerSettings| {
        let (address, listeners) = bind_shared(&settings.name, settings.bind, workers)?;
        Ok(OpenIcapPort { address, port: Arc::new(IcapPort::new(settings.clone())), listeners })
    };
    ports.iter().map(open).collect()
}
