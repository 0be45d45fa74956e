//! The ports of our ICAP server, and the rules behind them.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

use anyhow::{Context, Result};
use arc_swap::ArcSwap;

use super::bind_shared;
use crate::config::settings::Settings;
use crate::flow::icap_server::IcapPort;
use crate::flow::icap_server::filter::Filter;
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

/// The rules, compiled; none where there is no port that would ask for them.
///
/// # Errors
/// When they cannot be compiled.
pub(super) fn filter(settings: &Settings) -> Result<Option<Arc<ArcSwap<Filter>>>> {
    if settings.icap_server.is_empty() {
        return Ok(None);
    }
    Ok(Some(Arc::new(ArcSwap::from_pointee(compiled(settings)?))))
}

/// The rules of these settings, compiled.
///
/// # Errors
/// When they cannot be.
pub(super) fn compiled(settings: &Settings) -> Result<Filter> {
    Filter::new(settings.scan_rules.rules.clone(), settings.inspect.hold).context("the scan rules cannot be compiled")
}

/// Binds the ports.
///
/// # Errors
/// With the port that could not be had.
pub(super) fn bind(
    ports: &[IcapServerSettings],
    filter: Option<&Arc<ArcSwap<Filter>>>,
    workers: usize,
) -> Result<Vec<OpenIcapPort>> {
    let Some(filter) = filter else { return Ok(Vec::new()) };
    let open = |settings: &IcapServerSettings| {
        let (address, listeners) = bind_shared(&settings.name, settings.bind, workers)?;
        Ok(OpenIcapPort { address, port: Arc::new(IcapPort::new(settings.clone(), filter.clone())), listeners })
    };
    ports.iter().map(open).collect()
}
