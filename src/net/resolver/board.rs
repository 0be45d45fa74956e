//! What the resolver thread and those who ask it share: kept answers and counts.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::cache::NameCache;
use super::stats::ResolverStats;
use super::{Outcome, ResolveError};

/// Kept answers behind one lock, held for one look each, and the counts.
pub(super) struct Board {
    names: Mutex<NameCache>,
    lookups: AtomicU64,
    failures: AtomicU64,
    in_flight: AtomicU64,
}

impl Board {
    pub(super) fn new() -> Self {
        Self {
            names: Mutex::new(NameCache::new()),
            lookups: AtomicU64::new(0),
            failures: AtomicU64::new(0),
            in_flight: AtomicU64::new(0),
        }
    }

    /// The kept answer to `name`.
    pub(super) fn recall(&self, name: &str) -> Option<Outcome> {
        self.names().get(name, Instant::now())
    }

    /// Keeps what a lookup came to.
    pub(super) fn keep(&self, name: &str, outcome: &Outcome, ttl: Option<Duration>) {
        if matches!(outcome, Err(ResolveError::Failed | ResolveError::Timeout)) {
            self.count_failure();
        }
        self.names().put(name.into(), outcome.clone(), ttl, Instant::now());
    }

    pub(super) fn count_lookup(&self) {
        self.lookups.fetch_add(1, Relaxed);
    }

    pub(super) fn count_failure(&self) {
        self.failures.fetch_add(1, Relaxed);
    }

    pub(super) fn set_in_flight(&self, flights: usize) {
        self.in_flight.store(flights as u64, Relaxed);
    }

    pub(super) fn stats(&self) -> ResolverStats {
        ResolverStats {
            lookups: self.lookups.load(Relaxed),
            cache_hits: self.names().hits(),
            failures: self.failures.load(Relaxed),
            in_flight: self.in_flight.load(Relaxed),
        }
    }

    /// No one panics while holding the lock, and a cache is whole between any two of its steps.
    fn names(&self) -> MutexGuard<'_, NameCache> {
        self.names.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
