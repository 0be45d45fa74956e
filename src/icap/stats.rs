//! What is counted of one service, by all threads and over all its servers; and the transactions open now, with their age.

mod ended;

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use slab::Slab;
use tokio::time::Instant;

pub use self::ended::Ended;
use super::endpoint::EndpointState;
use super::settings::IcapMethod;
use crate::observe::counters::HistogramSum;

/// Upper bounds for the wait for a connection, in seconds.
const QUEUE_BOUNDS: [f64; 8] = [0.000_1, 0.001, 0.005, 0.025, 0.1, 0.25, 0.5, 1.0];

/// What one service has done, and how it stands.
#[derive(Debug)]
pub struct IcapStats {
    /// Its name.
    pub service: Arc<str>,
    /// Transactions by how they ended; all of them are there before they happen.
    pub transactions: Vec<(IcapMethod, Ended, u64)>,
    /// Transactions open now: from the beginning of the body being here to the end of the answer.
    pub open: usize,
    /// Age of the oldest of them.
    pub oldest_open: Option<Duration>,
    /// Waits for a connection, those that were none included.
    pub queue: HistogramSum,
    /// Tries after the first.
    pub retries: u64,
    /// How often a server told another service tag than before.
    pub istag_changes: u64,
    /// Its servers.
    pub servers: Vec<EndpointState>,
}

/// What is counted of one service. Outlives its settings: those that take their place go on counting here.
#[derive(Debug)]
pub(super) struct Counters {
    service: Arc<str>,
    ended: [[AtomicU64; Ended::COUNT]; IcapMethod::ALL.len()],
    /// When each open transaction began.
    open: Mutex<Slab<Instant>>,
    queue: [AtomicU64; QUEUE_BOUNDS.len() + 1],
    queue_nanos: AtomicU64,
    retries: AtomicU64,
    istag_changes: AtomicU64,
}

impl Counters {
    /// Those of a new service.
    pub fn new(service: &Arc<str>) -> Arc<Self> {
        Arc::new(Self {
            service: service.clone(),
            ended: Default::default(),
            open: Mutex::default(),
            queue: Default::default(),
            queue_nanos: AtomicU64::default(),
            retries: AtomicU64::default(),
            istag_changes: AtomicU64::default(),
        })
    }

    /// The name of the service.
    pub fn service(&self) -> &Arc<str> {
        &self.service
    }

    /// Counts a transaction that came to its end.
    pub fn ended(&self, method: IcapMethod, ended: Ended) {
        self.ended[method as usize][ended as usize].fetch_add(1, Relaxed);
    }

    /// Counts a wait for a connection.
    pub fn queued(&self, wait: Duration) {
        let seconds = wait.as_secs_f64();
        let at = QUEUE_BOUNDS.iter().position(|bound| seconds <= *bound).unwrap_or(QUEUE_BOUNDS.len());
        self.queue[at].fetch_add(1, Relaxed);
        self.queue_nanos.fetch_add(u64::try_from(wait.as_nanos()).unwrap_or(u64::MAX), Relaxed);
    }

    /// Counts a try after the first.
    pub fn retried(&self) {
        self.retries.fetch_add(1, Relaxed);
    }

    /// Counts another service tag.
    pub fn istag_changed(&self) {
        self.istag_changes.fetch_add(1, Relaxed);
    }

    /// Everything counted, with the servers as they stand.
    pub fn snapshot(&self, servers: Vec<EndpointState>) -> IcapStats {
        let transactions = IcapMethod::ALL.into_iter().flat_map(|method| {
            let of = move |ended: Ended| (method, ended, self.ended[method as usize][ended as usize].load(Relaxed));
            Ended::ALL.map(of)
        });
        let (open, oldest) = {
            let open = self.lock();
            (open.len(), open.iter().map(|(_, began)| *began).min())
        };
        IcapStats {
            service: self.service.clone(),
            transactions: transactions.collect(),
            open,
            oldest_open: oldest.map(|began| began.elapsed()),
            queue: HistogramSum {
                bounds: &QUEUE_BOUNDS,
                counts: self.queue.iter().map(|count| count.load(Relaxed)).collect(),
                seconds: self.queue_nanos.load(Relaxed) as f64 / 1e9,
            },
            retries: self.retries.load(Relaxed),
            istag_changes: self.istag_changes.load(Relaxed),
            servers,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Slab<Instant>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A transaction under way. Dropped before it has an end it counts as abandoned.
#[derive(Debug)]
pub(super) struct Underway {
    counters: Arc<Counters>,
    method: IcapMethod,
    /// Its place among those open; `None` once it is over.
    place: Option<usize>,
    counted: Option<Ended>,
}

impl Underway {
    /// Begins one now.
    pub fn begin(counters: &Arc<Counters>, method: IcapMethod) -> Self {
        let place = counters.lock().insert(Instant::now());
        Self { counters: counters.clone(), method, place: Some(place), counted: None }
    }

    /// The name of the service.
    pub fn service(&self) -> &Arc<str> {
        &self.counters.service
    }

    /// Whom it is asked for.
    pub fn method(&self) -> IcapMethod {
        self.method
    }

    /// Counts what it came to; what was counted first holds. It stays open, for its answer is still on its way.
    pub fn count(&mut self, ended: Ended) {
        if self.counted.is_none() {
            self.counted = Some(ended);
            self.counters.ended(self.method, ended);
        }
    }

    /// It is over.
    pub fn end(&mut self, ended: Ended) {
        if let Some(place) = self.place.take() {
            self.count(ended);
            self.counters.lock().try_remove(place);
        }
    }
}

impl Drop for Underway {
    fn drop(&mut self) {
        self.end(Ended::Abandoned);
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    fn counts(stats: &IcapStats) -> Vec<(&'static str, &'static str, u64)> {
        let counted = stats.transactions.iter().filter(|(.., count)| *count > 0);
        counted.map(|(method, ended, count)| (method.label(), ended.label(), *count)).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn the_oldest_open_is_told_exactly() {
        let counters = Counters::new(&"av".into());
        let mut first = Underway::begin(&counters, IcapMethod::Respmod);
        advance(Duration::from_secs(2)).await;
        let second = Underway::begin(&counters, IcapMethod::Reqmod);
        advance(Duration::from_secs(1)).await;
        let stats = counters.snapshot(Vec::new());
        assert_eq!((stats.open, stats.oldest_open), (2, Some(Duration::from_secs(3))));
        first.end(Ended::Clean);
        let stats = counters.snapshot(Vec::new());
        assert_eq!((stats.open, stats.oldest_open), (1, Some(Duration::from_secs(1))));
        drop(second);
        drop(first);
        let stats = counters.snapshot(Vec::new());
        assert_eq!((stats.open, stats.oldest_open), (0, None));
        assert_eq!(counts(&stats), [("REQMOD", "abandoned", 1), ("RESPMOD", "clean", 1)]);
    }

    #[test]
    fn each_is_counted_once_and_the_first_word_holds() {
        let counters = Counters::new(&"av".into());
        let mut underway = Underway::begin(&counters, IcapMethod::Respmod);
        underway.count(Ended::Blocked);
        assert_eq!(counters.snapshot(Vec::new()).open, 1, "its page is still coming");
        underway.end(Ended::Closed);
        underway.end(Ended::Clean);
        drop(underway);
        let stats = counters.snapshot(Vec::new());
        assert_eq!((stats.open, counts(&stats)), (0, vec![("RESPMOD", "blocked", 1)]));
    }

    #[test]
    fn waits_are_sorted_by_length() {
        let counters = Counters::new(&"av".into());
        for wait in [0, 100, 101, 1_000_000, 9_000_000] {
            counters.queued(Duration::from_micros(wait));
        }
        let queue = counters.snapshot(Vec::new()).queue;
        assert_eq!(queue.counts, [2, 1, 0, 0, 0, 0, 0, 1, 1]);
        assert!((queue.seconds - 10.000_201).abs() < 1e-9, "{}", queue.seconds);
    }
}
