//! The table of client connections that are open now, and of the upstream sockets each of them holds.
//!
//! A row is made when a client connection is accepted. It stays until the client's socket **and** the last upstream
//! socket opened for it are dropped, so an upstream that outlives its client is seen here, not assumed away.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use slab::Slab;

use crate::base::inspection::ScanMode;
use crate::base::phase::Phase;

mod view;

pub use view::StreamView;

/// An upstream still open this long after its client's hang-up is an orphan.
pub const ORPHAN_AFTER: Duration = Duration::from_millis(100);

/// What kind of exchange a connection is busy with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    /// HTTP request and response.
    Http,
    /// CONNECT tunnel.
    Tunnel,
    /// Connection that changed protocol after `101`.
    Upgrade,
}

impl Kind {
    /// The label in metrics and the API.
    pub fn label(self) -> &'static str {
        match self {
            Kind::Http => "http",
            Kind::Tunnel => "tunnel",
            Kind::Upgrade => "upgrade",
        }
    }

    fn from_u8(number: u8) -> Kind {
        match number {
            1 => Kind::Tunnel,
            2 => Kind::Upgrade,
            _ => Kind::Http,
        }
    }
}

/// One client connection. Written by its worker, read by the admin thread.
#[derive(Debug)]
pub struct Row {
    id: u64,
    client: SocketAddr,
    listener: Arc<str>,
    table: Arc<LiveTable>,
    slot: AtomicU32,
    /// Milliseconds of the table's clock.
    since: AtomicU64,
    active: AtomicU64,
    bytes_in: AtomicU64,
    bytes_out: AtomicU64,
    /// Hang-up seen or client socket dropped, in ms of the table's clock; 0 while the client is here.
    gone: AtomicU64,
    upstreams: AtomicU32,
    phase: AtomicU8,
    kind: AtomicU8,
    stream: AtomicBool,
    /// 0 while nobody looks at the bodies of the exchange, else the mode behind it.
    scan: AtomicU8,
    /// Of the last exchange that was seen in windows.
    evidence: Mutex<Option<&'static str>>,
    destination: Mutex<Arc<str>>,
}

impl Row {
    /// The connection's id, unique in this process.
    pub fn id(&self) -> u64 {
        self.id
    }

    /// The client's address.
    pub fn client(&self) -> SocketAddr {
        self.client
    }

    /// Name of the listener it came in by.
    pub fn listener(&self) -> &str {
        &self.listener
    }

    /// The same name, to be kept beyond the row.
    pub fn shared_listener(&self) -> &Arc<str> {
        &self.listener
    }

    /// How long no byte has moved at `now`.
    pub fn silence(&self, now: Instant) -> Duration {
        Duration::from_millis(self.table.ms(now).saturating_sub(self.active.load(Relaxed)))
    }

    /// The kind of exchange noted last.
    pub fn kind(&self) -> Kind {
        Kind::from_u8(self.kind.load(Relaxed))
    }

    /// Notes the phase.
    pub fn set_phase(&self, phase: Phase) {
        self.phase.store(phase as u8, Relaxed);
    }

    /// The phase noted last.
    pub fn phase(&self) -> Phase {
        Phase::from_u8(self.phase.load(Relaxed))
    }

    /// A new exchange begins: its age counts from `now`, its bytes from 0.
    pub fn begin(&self, now: Instant) {
        let ms = self.table.ms(now);
        self.since.store(ms, Relaxed);
        self.active.store(ms, Relaxed);
        self.bytes_in.store(0, Relaxed);
        self.bytes_out.store(0, Relaxed);
        self.kind.store(Kind::Http as u8, Relaxed);
        self.scan.store(0, Relaxed);
    }

    /// Names the destination; cheap to repeat with the same one.
    pub fn set_destination(&self, destination: &Arc<str>) {
        let mut held = self.destination.lock().unwrap_or_else(PoisonError::into_inner);
        if !Arc::ptr_eq(&held, destination) {
            *held = destination.clone();
        }
    }

    /// The destination named last; empty before the first request.
    pub fn destination(&self) -> Arc<str> {
        self.destination.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Notes what kind of exchange this has become.
    pub fn set_kind(&self, kind: Kind) {
        self.kind.store(kind as u8, Relaxed);
    }

    /// Bytes moved at `now`: `from_client` were read from the client, `to_client` written to it.
    pub fn moved(&self, now: Instant, from_client: u64, to_client: u64) {
        self.active.store(self.table.ms(now), Relaxed);
        self.bytes_in.store(self.bytes_in.load(Relaxed) + from_client, Relaxed);
        self.bytes_out.store(self.bytes_out.load(Relaxed) + to_client, Relaxed);
    }

    /// Bytes of this exchange: read from the client, written to it.
    pub fn bytes(&self) -> (u64, u64) {
        (self.bytes_in.load(Relaxed), self.bytes_out.load(Relaxed))
    }

    /// When a byte moved last, or the exchange began if none has; to the millisecond.
    pub fn last_active(&self) -> Instant {
        self.table.epoch + Duration::from_millis(self.active.load(Relaxed))
    }

    /// For how long no byte has moved.
    pub fn idle(&self) -> Duration {
        Instant::now().saturating_duration_since(self.last_active())
    }

    /// The client hung up; the clock for orphans starts. Later calls change nothing.
    pub fn client_gone(&self) {
        let now = self.table.ms(Instant::now()).max(1);
        let _ = self.gone.compare_exchange(0, now, Relaxed, Relaxed);
    }

    /// Notes how the bodies of the exchange are inspected; for windows, by what evidence the response was let flow.
    pub fn set_scan(&self, mode: ScanMode, evidence: Option<&'static str>) {
        if mode == ScanMode::Window {
            *self.evidence.lock().unwrap_or_else(PoisonError::into_inner) = evidence;
        }
        self.scan.store(mode as u8 + 1, Relaxed);
    }

    fn scan(&self) -> (Option<ScanMode>, Option<&'static str>) {
        let number = usize::from(self.scan.load(Relaxed));
        let mode = number.checked_sub(1).and_then(|number| ScanMode::ALL.get(number)).copied();
        let flows = mode == Some(ScanMode::Window);
        (mode, flows.then(|| *self.evidence.lock().unwrap_or_else(PoisonError::into_inner)).flatten())
    }

    /// The exchange goes on as a stream.
    pub fn stream_began(&self) {
        self.stream.store(true, Relaxed);
    }

    /// The exchange is no stream, or none any more.
    pub fn stream_ended(&self) {
        self.stream.store(false, Relaxed);
    }

    /// An upstream socket was opened for this client.
    pub fn upstream_opened(&self) {
        self.upstreams.fetch_add(1, Relaxed);
    }

    /// An upstream socket of this client was dropped; the row goes with the last one if the client is gone.
    pub fn upstream_closed(&self) {
        if self.upstreams.fetch_sub(1, Relaxed) == 1 && self.gone.load(Relaxed) != 0 {
            self.table.remove(self);
        }
    }

    /// The client's socket was dropped; the row goes unless upstream sockets are left.
    pub fn client_closed(&self) {
        self.client_gone();
        if self.upstreams.load(Relaxed) == 0 {
            self.table.remove(self);
        }
    }

    /// Upstream sockets this client holds now.
    pub fn upstreams(&self) -> u32 {
        self.upstreams.load(Relaxed)
    }
}

/// The rows of one worker. The lock is taken at accept, at close and by the admin thread.
#[derive(Debug)]
pub struct LiveTable {
    epoch: Instant,
    rows: Mutex<Slab<Arc<Row>>>,
}

impl LiveTable {
    /// An empty table whose clock starts at `epoch`.
    pub fn new(epoch: Instant) -> Arc<Self> {
        Arc::new(Self { epoch, rows: Mutex::new(Slab::new()) })
    }

    /// Adds a client connection.
    pub fn insert(self: &Arc<Self>, id: u64, client: SocketAddr, listener: Arc<str>, empty: &Arc<str>) -> Arc<Row> {
        let now = self.ms(Instant::now());
        let row = Arc::new(Row {
            id,
            client,
            listener,
            table: self.clone(),
            slot: AtomicU32::new(0),
            since: AtomicU64::new(now),
            active: AtomicU64::new(now),
            bytes_in: AtomicU64::new(0),
            bytes_out: AtomicU64::new(0),
            gone: AtomicU64::new(0),
            upstreams: AtomicU32::new(0),
            phase: AtomicU8::new(Phase::Idle as u8),
            kind: AtomicU8::new(Kind::Http as u8),
            stream: AtomicBool::new(false),
            scan: AtomicU8::new(0),
            evidence: Mutex::new(None),
            destination: Mutex::new(empty.clone()),
        });
        let slot = self.lock().insert(row.clone());
        row.slot.store(slot as u32, Relaxed);
        row
    }

    /// Every row as it is now.
    pub fn snapshot(&self) -> Vec<StreamView> {
        let now = self.ms(Instant::now());
        self.lock().iter().map(|(_, row)| row.snapshot(now)).collect()
    }

    /// Upstream sockets whose client has been gone for longer than [`ORPHAN_AFTER`].
    pub fn orphan_upstreams(&self) -> u64 {
        self.snapshot().iter().filter(|row| row.orphaned).map(|row| u64::from(row.upstreams)).sum()
    }

    /// Rows in the table.
    pub fn len(&self) -> usize {
        self.lock().len()
    }

    /// Whether no connection is open.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn remove(&self, row: &Row) {
        let mut rows = self.lock();
        let slot = row.slot.load(Relaxed) as usize;
        if rows.get(slot).is_some_and(|held| held.id == row.id) {
            rows.remove(slot);
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Slab<Arc<Row>>> {
        self.rows.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn ms(&self, now: Instant) -> u64 {
        now.saturating_duration_since(self.epoch).as_millis() as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(table: &Arc<LiveTable>, id: u64) -> Arc<Row> {
        let nothing: Arc<str> = "".into();
        table.insert(id, "127.0.0.1:1".parse().expect("address"), "office".into(), &nothing)
    }

    #[test]
    fn how_an_exchange_is_inspected_is_forgotten_with_it() {
        let table = LiveTable::new(Instant::now());
        let row = row(&table, 1);
        let shown = || (table.snapshot()[0].scan, table.snapshot()[0].evidence);
        assert_eq!(shown(), (None, None));
        row.set_scan(ScanMode::Whole, None);
        assert_eq!(shown(), (Some(ScanMode::Whole), None));
        row.set_scan(ScanMode::Window, Some("idle_gap"));
        assert_eq!(shown(), (Some(ScanMode::Window), Some("idle_gap")));
        row.begin(Instant::now());
        assert_eq!(shown(), (None, None));
        row.set_scan(ScanMode::None, None);
        assert_eq!(shown(), (Some(ScanMode::None), None));
    }

    #[test]
    fn a_row_stays_until_client_and_upstreams_are_gone() {
        let table = LiveTable::new(Instant::now());
        let first = row(&table, 1);
        first.upstream_opened();
        first.upstream_opened();
        first.client_closed();
        assert_eq!(table.len(), 1);
        first.upstream_closed();
        assert_eq!(table.len(), 1);
        first.upstream_closed();
        assert!(table.is_empty());
    }

    #[test]
    fn an_upstream_left_behind_becomes_an_orphan() {
        let table = LiveTable::new(Instant::now() - Duration::from_secs(10));
        let left = row(&table, 1);
        left.upstream_opened();
        left.client_gone();
        assert_eq!(table.orphan_upstreams(), 0, "not before the time is over");
        left.gone.store(1, Relaxed);
        assert_eq!(table.orphan_upstreams(), 1);
        left.upstream_closed();
        assert_eq!(table.orphan_upstreams(), 0);
    }

    #[test]
    fn slots_are_used_again_without_mixing_rows() {
        let table = LiveTable::new(Instant::now());
        let first = row(&table, 1);
        first.client_closed();
        let second = row(&table, 2);
        first.client_closed();
        assert_eq!(table.len(), 1);
        second.client_closed();
        assert!(table.is_empty());
    }
}
