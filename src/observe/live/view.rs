//! A row of the live table at one moment.

use std::net::SocketAddr;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use super::{Kind, ORPHAN_AFTER, Row};
use crate::base::inspection::ScanMode;
use crate::base::phase::Phase;

/// One row as the API shows it.
#[derive(Clone, Debug)]
pub struct StreamView {
    /// Connection id.
    pub id: u64,
    /// Client address.
    pub client: SocketAddr,
    /// Name of the listener it came in by.
    pub listener: Arc<str>,
    /// `host:port`; empty before the first request.
    pub destination: Arc<str>,
    /// What it waits for.
    pub phase: Phase,
    /// What kind of exchange.
    pub kind: Kind,
    /// Since the exchange began (or the connection, before the first).
    pub age: Duration,
    /// Since a byte moved.
    pub idle: Duration,
    /// Bytes read from the client in this exchange.
    pub bytes_in: u64,
    /// Bytes written to the client in this exchange.
    pub bytes_out: u64,
    /// The exchange goes on as a stream.
    pub stream: bool,
    /// How its bodies are inspected; `None` while nobody does.
    pub scan: Option<ScanMode>,
    /// What made the response flow on before its end was known.
    pub evidence: Option<&'static str>,
    /// Upstream sockets held.
    pub upstreams: u32,
    /// The client is gone for more than [`ORPHAN_AFTER`] and upstream sockets are left.
    pub orphaned: bool,
}

impl Row {
    pub(super) fn snapshot(&self, now: u64) -> StreamView {
        let since = self.since.load(Relaxed);
        let gone = self.gone.load(Relaxed);
        let orphaned = gone != 0 && Duration::from_millis(now.saturating_sub(gone)) > ORPHAN_AFTER;
        let (scan, evidence) = self.scan();
        StreamView {
            id: self.id,
            client: self.client,
            listener: self.listener.clone(),
            destination: self.destination.lock().unwrap_or_else(PoisonError::into_inner).clone(),
            phase: self.phase(),
            kind: Kind::from_u8(self.kind.load(Relaxed)),
            age: Duration::from_millis(now.saturating_sub(since)),
            idle: Duration::from_millis(now.saturating_sub(self.active.load(Relaxed))),
            bytes_in: self.bytes_in.load(Relaxed),
            bytes_out: self.bytes_out.load(Relaxed),
            stream: self.stream.load(Relaxed),
            scan,
            evidence,
            upstreams: self.upstreams.load(Relaxed),
            orphaned,
        }
    }
}
