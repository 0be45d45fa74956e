//! One holder's buckets under one rate rule.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::limits::rate::Bucket;
use crate::limits::settings::{Rate, RateRule, RuleMode};

/// What one rate has done. Survives a reload by the rule's name.
#[derive(Debug, Default)]
pub(super) struct Counters {
    pub(super) refused: AtomicU64,
    pub(super) delayed: AtomicU64,
    pub(super) simulated: AtomicU64,
}

/// A request over the rate; nothing was taken.
#[derive(Clone, Debug)]
pub struct RateRefusal {
    /// The rule that refused.
    pub rule: Arc<RateRule>,
    /// After which time the same request would pass, if no other comes before it.
    pub retry_after: Duration,
}

/// What a bucket goes by.
#[derive(Clone, Debug)]
pub(super) struct Terms {
    pub(super) rule: Arc<RateRule>,
    pub(super) mode: RuleMode,
    pub(super) counters: Arc<Counters>,
}

#[derive(Debug)]
struct State {
    terms: Terms,
    requests: Option<Bucket>,
    bytes: Option<Bucket>,
}

/// The buckets of one holder under one rule.
#[derive(Debug)]
pub(super) struct Meter {
    state: Mutex<State>,
}

impl Meter {
    pub(super) fn new(terms: Terms, now: Instant) -> Self {
        let bucket = |rate: Option<Rate>| rate.map(|rate| Bucket::new(rate, now));
        let (requests, bytes) = (bucket(terms.rule.requests), bucket(terms.rule.bytes));
        Self { state: Mutex::new(State { terms, requests, bytes }) }
    }

    /// Counts a refusal of the rule.
    pub(super) fn note_refusal(&self) {
        self.lock().terms.counters.refused.fetch_add(1, Relaxed);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn set_terms(&self, terms: Terms, now: Instant) {
        let mut state = self.lock();
        set_rate(&mut state.requests, terms.rule.requests, now);
        set_rate(&mut state.bytes, terms.rule.bytes, now);
        state.terms = terms;
    }

    /// Takes one request, or says how long it takes until there is one. A rule that is only watched takes what is there.
    pub(super) fn take_request(&self, now: Instant) -> Result<(), RateRefusal> {
        let state = &mut *self.lock();
        let Some(Err(retry_after)) = state.requests.as_mut().map(|bucket| bucket.take(now)) else { return Ok(()) };
        if state.terms.mode == RuleMode::Simulate {
            state.terms.counters.simulated.fetch_add(1, Relaxed);
            return Ok(());
        }
        Err(RateRefusal { rule: state.terms.rule.clone(), retry_after })
    }

    pub(super) fn put_request_back(&self) {
        if let Some(bucket) = &mut self.lock().requests {
            bucket.put_back(1);
        }
    }

    /// How long it takes until a request would pass.
    pub(super) fn request_wait(&self, now: Instant) -> Duration {
        let state = &mut *self.lock();
        match (state.terms.mode, &mut state.requests) {
            (RuleMode::Enforce, Some(bucket)) => bucket.lacks(now).unwrap_or_default(),
            _ => Duration::ZERO,
        }
    }

    /// Bytes that may be moved without owing any. A rule that is only watched allows all there are.
    pub(super) fn available(&self, now: Instant) -> u64 {
        let state = &mut *self.lock();
        match (state.terms.mode, &mut state.bytes) {
            (RuleMode::Enforce, Some(bucket)) => bucket.available(now),
            _ => u64::MAX,
        }
    }

    pub(super) fn spend(&self, bytes: u64, now: Instant) {
        if let Some(bucket) = &mut self.lock().bytes {
            bucket.spend(bytes, now);
        }
    }

    /// How long bytes have to wait.
    pub(super) fn byte_wait(&self, now: Instant) -> Option<Duration> {
        let state = &mut *self.lock();
        let wait = state.bytes.as_mut()?.owes(now)?;
        match state.terms.mode {
            RuleMode::Enforce => {
                state.terms.counters.delayed.fetch_add(1, Relaxed);
                Some(wait)
            }
            RuleMode::Simulate => {
                state.terms.counters.simulated.fetch_add(1, Relaxed);
                // Had it waited, the debt would be paid; and one that only grows would count every byte from now on.
                if let Some(bucket) = &mut state.bytes {
                    bucket.forgive();
                }
                None
            }
        }
    }
}

fn set_rate(bucket: &mut Option<Bucket>, rate: Option<Rate>, now: Instant) {
    match (bucket.as_mut(), rate) {
        (Some(bucket), Some(rate)) => bucket.set_rate(rate, now),
        (None, Some(rate)) => *bucket = Some(Bucket::new(rate, now)),
        (_, None) => *bucket = None,
    }
}
