//! Counters of one worker: plain relaxed atomics with a single writer each, read by the admin thread.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use crate::base::phase::Phase;
use crate::base::reason::Reason;
use crate::http::method::METHODS;
use crate::observe::icap_server::IcapServerCounters;
use crate::observe::inspection_counters::InspectionCounters;

/// A number only one thread adds to, so that no locked instruction is needed.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Adds `n`. Only the owning worker may call this.
    pub fn add(&self, n: u64) {
        self.0.store(self.0.load(Relaxed).wrapping_add(n), Relaxed);
    }

    /// Takes one off (gauges). Only the owning worker may call this.
    pub fn sub(&self, n: u64) {
        self.0.store(self.0.load(Relaxed).wrapping_sub(n), Relaxed);
    }

    /// Sets a reading. Only the owning worker may call this.
    pub fn set(&self, n: u64) {
        self.0.store(n, Relaxed);
    }

    /// The value now; any thread may ask.
    pub fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// A histogram of durations with fixed upper bounds in seconds.
#[derive(Debug)]
pub struct Histogram<const N: usize> {
    bounds: &'static [f64; N],
    buckets: [Counter; N],
    over: Counter,
    sum_nanos: Counter,
}

impl<const N: usize> Histogram<N> {
    fn new(bounds: &'static [f64; N]) -> Self {
        Self {
            bounds,
            buckets: std::array::from_fn(|_| Counter::default()),
            over: Counter::default(),
            sum_nanos: Counter::default(),
        }
    }

    /// Counts one duration. Only the owning worker may call this.
    pub fn observe(&self, took: Duration) {
        let seconds = took.as_secs_f64();
        self.sum_nanos.add(took.as_nanos() as u64);
        match self.bounds.iter().position(|bound| seconds <= *bound) {
            Some(at) => self.buckets[at].add(1),
            None => self.over.add(1),
        }
    }

    /// Adds this histogram to a sum over workers: counts per bucket (not cumulative, the last one is `+Inf`).
    pub fn add_to(&self, sum: &mut HistogramSum) {
        if sum.counts.is_empty() {
            sum.bounds = self.bounds;
            sum.counts = vec![0; N + 1];
        }
        for (at, bucket) in self.buckets.iter().chain([&self.over]).enumerate() {
            sum.counts[at] += bucket.get();
        }
        sum.seconds += self.sum_nanos.get() as f64 / 1e9;
    }
}

/// Histograms of several workers added up.
#[derive(Debug, Default)]
pub struct HistogramSum {
    /// Upper bounds in seconds; one fewer than `counts`.
    pub bounds: &'static [f64],
    /// Observations per bucket, not cumulative; the last is above every bound.
    pub counts: Vec<u64>,
    /// Sum of all observations in seconds.
    pub seconds: f64,
}

/// Bounds for the time from a client's hang-up to the last upstream closed: the promise is 5 ms.
const CANCEL_BOUNDS: [f64; 10] = [0.000_01, 0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.0025, 0.005, 0.025, 0.1];
/// Bounds for exchanges, from a cached page to a held stream of an hour.
const REQUEST_BOUNDS: [f64; 14] =
    [0.000_25, 0.000_5, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 0.25, 1.0, 5.0, 30.0, 300.0, 3600.0];
/// Bounds for a TCP connect.
const CONNECT_BOUNDS: [f64; 8] = [0.000_25, 0.001, 0.005, 0.025, 0.1, 0.25, 1.0, 5.0];

/// Everything one worker counts.
#[derive(Debug)]
pub struct WorkerCounters {
    /// Client connections open now.
    pub client_connections: Counter,
    /// Client connections accepted.
    pub accepted: Counter,
    /// Accepted sockets passed to a less loaded worker.
    pub handed_over: Counter,
    /// `accept` failures for want of descriptors or memory.
    pub accept_exhausted: Counter,
    /// Other `accept` failures.
    pub accept_failed: Counter,
    /// Exchanges under way, tunnels included.
    pub in_flight: Counter,
    /// Requests by method, in the order of [`METHODS`].
    pub requests: [Counter; METHODS.len()],
    /// Answers by hundreds of their status; the first is "none sent".
    pub responses: [Counter; 6],
    /// Exchanges and tunnels by how they ended.
    pub closed: [Counter; Reason::COUNT],
    /// Bytes read from clients and written to clients.
    pub bytes_from_clients: Counter,
    /// Bytes written to clients.
    pub bytes_to_clients: Counter,
    /// Bytes that went through a pipe and never through our memory.
    pub bytes_spliced: Counter,
    /// Upstream connections opened.
    pub upstream_opened: Counter,
    /// Upstream connections open now.
    pub upstream_open: Counter,
    /// Requests sent on a connection that had served one before.
    pub upstream_reused: Counter,
    /// Kept connections found closed or dirty when they were wanted again.
    pub upstream_stale: Counter,
    /// Requests sent again on a fresh connection after a kept one died unanswered.
    pub stale_retries: Counter,
    /// Reused connections that died before a byte of the answer, whether the request could be sent again or not.
    pub stale_failures: Counter,
    /// Kept connections that their origin ended while they were idle.
    pub upstream_idle_ended: Counter,
    /// Origins whose reuse was switched off for a while.
    pub quarantines: Counter,
    /// Connections made ahead of need.
    pub upstream_preopened: Counter,
    /// Idle connections of the worker that any client may use.
    pub upstream_pooled: Counter,
    /// Splice pipes in use now.
    pub pipes_in_use: Counter,
    /// Splice pipes open, in use or pooled.
    pub pipes_open: Counter,
    /// How late the worker last came back to its events, in microseconds.
    pub loop_lag_micros: Counter,
    /// Tasks that ended by a panic.
    pub panics: Counter,
    /// What came of inspections.
    pub inspection: InspectionCounters,
    /// Our ICAP server.
    pub icap_server: IcapServerCounters,
    /// Hang-up seen to last upstream closed, by the phase it was seen in.
    pub cancel_latency: [Histogram<10>; Phase::COUNT],
    /// First byte of the request head to the end of the exchange.
    pub request_duration: Histogram<14>,
    /// TCP connects that succeeded.
    pub connect_duration: Histogram<8>,
}

impl Default for WorkerCounters {
    fn default() -> Self {
        fn row<const N: usize>() -> [Counter; N] {
            std::array::from_fn(|_| Counter::default())
        }
        Self {
            client_connections: Counter::default(),
            accepted: Counter::default(),
            handed_over: Counter::default(),
            accept_exhausted: Counter::default(),
            accept_failed: Counter::default(),
            in_flight: Counter::default(),
            requests: row(),
            responses: row(),
            closed: row(),
            bytes_from_clients: Counter::default(),
            bytes_to_clients: Counter::default(),
            bytes_spliced: Counter::default(),
            upstream_opened: Counter::default(),
            upstream_open: Counter::default(),
            upstream_reused: Counter::default(),
            upstream_stale: Counter::default(),
            stale_retries: Counter::default(),
            stale_failures: Counter::default(),
            upstream_idle_ended: Counter::default(),
            quarantines: Counter::default(),
            upstream_preopened: Counter::default(),
            upstream_pooled: Counter::default(),
            pipes_in_use: Counter::default(),
            pipes_open: Counter::default(),
            loop_lag_micros: Counter::default(),
            panics: Counter::default(),
            inspection: InspectionCounters::default(),
            icap_server: IcapServerCounters::default(),
            cancel_latency: std::array::from_fn(|_| Histogram::new(&CANCEL_BOUNDS)),
            request_duration: Histogram::new(&REQUEST_BOUNDS),
            connect_duration: Histogram::new(&CONNECT_BOUNDS),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn histogram_counts_every_observation_once() {
        let counters = WorkerCounters::default();
        for micros in [1, 10, 60, 4_000, 9_000_000] {
            counters.cancel_latency[0].observe(Duration::from_micros(micros));
        }
        let mut sum = HistogramSum::default();
        counters.cancel_latency[0].add_to(&mut sum);
        assert_eq!(sum.counts.iter().sum::<u64>(), 5);
        assert_eq!(sum.counts[0], 2);
        assert_eq!(*sum.counts.last().expect("has +Inf"), 1);
        assert!((sum.seconds - 9.004_071).abs() < 1e-6);
    }
}
