//! What a proxy counts, added up over its workers.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tether::base::phase::Phase;
use tether::base::reason::Reason;
use tether::observe::counters::{HistogramSum, WorkerCounters};
use tether::observe::live::{LiveTable, StreamView};

use super::proxy::{Open, SOON};

/// Between two looks at what is waited for.
const LOOK_AGAIN: Duration = Duration::from_micros(100);

/// A view of the counters and live tables of a proxy.
#[derive(Clone)]
pub struct Tally {
    /// The counters of each worker.
    pub counters: Vec<Arc<WorkerCounters>>,
    /// The live table of each worker.
    pub live: Vec<Arc<LiveTable>>,
}

impl Tally {
    /// One number of each worker, added up.
    pub fn sum(&self, read: impl Fn(&WorkerCounters) -> u64) -> u64 {
        self.counters.iter().map(|worker| read(worker)).sum()
    }

    /// Exchanges that ended for this reason.
    pub fn closed(&self, reason: Reason) -> u64 {
        self.sum(|worker| worker.closed[reason as usize].get())
    }

    /// Exchanges that ended for any reason.
    pub fn closed_at_all(&self) -> u64 {
        Reason::all().map(|reason| self.closed(reason)).sum()
    }

    /// Cancels seen in this phase.
    pub fn cancels(&self, phase: Phase) -> u64 {
        let mut sum = HistogramSum::default();
        self.counters.iter().for_each(|worker| worker.cancel_latency[phase as usize].add_to(&mut sum));
        sum.counts.iter().sum()
    }

    /// Upstream connections whose client is gone for longer than the promise.
    pub fn orphans(&self) -> u64 {
        self.live.iter().map(|table| table.orphan_upstreams()).sum()
    }

    /// Every row of the live tables.
    pub fn streams(&self) -> Vec<StreamView> {
        self.live.iter().flat_map(|table| table.snapshot()).collect()
    }

    /// What is open now.
    pub fn open(&self) -> Open {
        Open {
            clients: self.sum(|worker| worker.client_connections.get()),
            exchanges: self.sum(|worker| worker.in_flight.get()),
            upstreams: self.sum(|worker| worker.upstream_open.get()),
            pipes: self.sum(|worker| worker.pipes_in_use.get()),
            rows: self.live.iter().map(|table| table.len() as u64).sum(),
        }
    }

    /// Waits until nothing is open any more.
    pub fn wait_until_empty(&self) {
        self.wait_until("empty", |tally| tally.open() == Open::default());
    }

    /// Waits until some connection is in this phase.
    pub fn wait_for_phase(&self, phase: Phase) {
        self.wait_until(phase.label(), |tally| tally.streams().iter().any(|row| row.phase == phase));
    }

    /// Waits until `holds`.
    ///
    /// # Panics
    /// When it does not hold after [`SOON`].
    pub fn wait_until(&self, what: &str, mut holds: impl FnMut(&Tally) -> bool) {
        let began = Instant::now();
        while !holds(self) {
            assert!(began.elapsed() < SOON, "not {what}: {:?} {:?}", self.open(), self.streams());
            // Between two looks the worker that is waited for gets the core.
            std::thread::park_timeout(LOOK_AGAIN);
        }
    }
}
