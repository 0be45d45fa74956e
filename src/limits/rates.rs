//! The rates: buckets by rule and holder, of which those used last are kept.

use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use arc_swap::ArcSwap;
use lru::LruCache;

use super::key::{Key, keys};
use super::lane::now;
use super::plan::Identity;
use super::settings::{LimitMode, RateRule, RuleMode, RuleSet};
use super::subject::Subject;

mod meter;

pub use meter::RateRefusal;
use meter::{Counters, Meter, Terms};

/// Buckets that are kept. One that is lost and comes again is full.
const KEPT: usize = 65_536;

/// Buckets in use that are passed over to find one that may go.
const PASSED_OVER: usize = 16;

/// What one rate has done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RateStats {
    /// Name of the rule.
    pub rule: Arc<str>,
    /// Its `per`, as text.
    pub scope: &'static str,
    /// Requests refused.
    pub refused: u64,
    /// How often bytes had to wait.
    pub delayed: u64,
    /// How often a request would have been refused or bytes would have waited, if the rule were not only watched.
    pub simulated: u64,
}

/// The buckets that one client and destination count in, in the order of the rules.
#[derive(Debug)]
pub struct RatePlan {
    generation: u64,
    identity: Identity,
    requests: Box<[Arc<Meter>]>,
    bytes: Box<[Arc<Meter>]>,
}

impl RatePlan {
    /// Which rules it was made from.
    pub(super) fn generation(&self) -> u64 {
        self.generation
    }

    /// Whether nothing is counted.
    pub fn is_empty(&self) -> bool {
        self.requests.is_empty() && self.bytes.is_empty()
    }

    /// Whether bytes are counted.
    pub fn counts_bytes(&self) -> bool {
        !self.bytes.is_empty()
    }

    /// Counts one request under every rule, or under none.
    ///
    /// # Errors
    /// The [`RateRefusal`] of the first rule whose rate it is over.
    pub fn take_request(&self, now: Instant) -> Result<(), RateRefusal> {
        for (at, meter) in self.requests.iter().enumerate() {
            let Err(mut refusal) = meter.take_request(now) else { continue };
            self.requests[..at].iter().for_each(|meter| meter.put_request_back());
            let others = self.requests[at + 1..].iter().map(|meter| meter.request_wait(now)).max();
            refusal.retry_after = refusal.retry_after.max(others.unwrap_or_default());
            meter.note_refusal();
            return Err(refusal);
        }
        Ok(())
    }

    /// Counts `bytes` that have been moved, whichever way.
    pub fn spend(&self, bytes: u64, now: Instant) {
        self.bytes.iter().for_each(|meter| meter.spend(bytes, now));
    }

    /// Bytes that may be moved now without owing any under any rule.
    pub fn available(&self, now: Instant) -> u64 {
        self.bytes.iter().map(|meter| meter.available(now)).min().unwrap_or(u64::MAX)
    }

    /// Until when no more bytes may be moved; `None` to go on. Each time it says to wait counts as one delay.
    pub fn ready_at(&self, now: Instant) -> Option<Instant> {
        self.bytes.iter().filter_map(|meter| meter.byte_wait(now)).max().map(|wait| now + wait)
    }
}

/// The rules at one time.
#[derive(Debug)]
struct Snapshot {
    generation: u64,
    mode: LimitMode,
    rules: Arc<RuleSet>,
    counters: HashMap<Arc<str>, Arc<Counters>>,
}

/// All rates of the process.
#[derive(Debug)]
pub(super) struct Rates {
    current: ArcSwap<Snapshot>,
    /// Looked into when a plan is made, not for every request.
    table: Mutex<LruCache<Key, Arc<Meter>>>,
    kept: NonZeroUsize,
}

impl Rates {
    pub(super) fn new(mode: LimitMode, rules: Arc<RuleSet>) -> Self {
        Self::keeping(NonZeroUsize::new(KEPT).unwrap_or(NonZeroUsize::MIN), mode, rules)
    }

    /// The same with another number of buckets that are kept.
    fn keeping(kept: NonZeroUsize, mode: LimitMode, rules: Arc<RuleSet>) -> Self {
        let snapshot = Snapshot::new(0, mode, rules, &HashMap::new());
        Self { current: ArcSwap::from_pointee(snapshot), table: Mutex::new(LruCache::unbounded()), kept }
    }

    /// Goes by other rules from now on; what buckets hold or owe stays.
    pub(super) fn replace(&self, generation: u64, mode: LimitMode, rules: Arc<RuleSet>) {
        let snapshot = Arc::new(Snapshot::new(generation, mode, rules, &self.current.load().counters));
        // Before the buckets are told: who makes one after that goes by the new rules.
        self.current.store(snapshot.clone());
        let now = now();
        for (key, meter) in self.lock().iter() {
            if let Some(terms) = snapshot.terms(&key.rule) {
                meter.set_terms(terms, now);
            }
        }
    }

    pub(super) fn plan(&self, subject: &Subject, previous: Option<&Arc<RatePlan>>) -> Arc<RatePlan> {
        let snapshot = self.current.load();
        if let Some(plan) = previous
            && plan.generation == snapshot.generation
            && plan.identity.is(subject)
        {
            return plan.clone();
        }
        let (mut requests, mut bytes) = (Vec::new(), Vec::new());
        for (rule, key) in snapshot.keys(subject) {
            let meter = self.meter(key);
            if rule.requests.is_some() {
                requests.extend(meter.clone());
            }
            if rule.bytes.is_some() {
                bytes.extend(meter);
            }
        }
        let (requests, bytes) = (requests.into(), bytes.into());
        Arc::new(RatePlan { generation: snapshot.generation, identity: Identity::of(subject), requests, bytes })
    }

    pub(super) fn stats(&self) -> Vec<RateStats> {
        let snapshot = self.current.load();
        let of = |rule: &Arc<RateRule>| {
            let counters = snapshot.counters.get(&rule.scope.name)?;
            Some(RateStats {
                rule: rule.scope.name.clone(),
                scope: rule.scope.per.label(),
                refused: counters.refused.load(Relaxed),
                delayed: counters.delayed.load(Relaxed),
                simulated: counters.simulated.load(Relaxed),
            })
        };
        snapshot.rules.rates.iter().filter_map(of).collect()
    }

    /// The buckets of `key`; `None` when its rule is gone since.
    fn meter(&self, key: Key) -> Option<Arc<Meter>> {
        let mut table = self.lock();
        if let Some(meter) = table.get(&key) {
            return Some(meter.clone());
        }
        // Under the lock the newest rules are known, or their author has yet to come by.
        let meter = Arc::new(Meter::new(self.current.load().terms(&key.rule)?, now()));
        table.put(key, meter.clone());
        self.make_room(&mut table);
        Some(meter)
    }

    /// Lets go of the bucket that was used longest ago. One that a plan refers to stays: with a new one its holder would
    /// have twice the rate.
    fn make_room(&self, table: &mut LruCache<Key, Arc<Meter>>) {
        for _ in 0..PASSED_OVER {
            if table.len() <= self.kept.get() {
                return;
            }
            let Some((key, meter)) = table.pop_lru() else { return };
            if Arc::strong_count(&meter) > 1 {
                table.put(key, meter);
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, LruCache<Key, Arc<Meter>>> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Snapshot {
    /// `rules`, with what those of the same names have done.
    fn new(generation: u64, mode: LimitMode, rules: Arc<RuleSet>, before: &HashMap<Arc<str>, Arc<Counters>>) -> Self {
        let names = rules.rates.iter().map(|rule| &rule.scope.name);
        let counters = names.map(|name| (name.clone(), before.get(name).cloned().unwrap_or_default())).collect();
        Self { generation, mode, rules, counters }
    }

    fn keys(&self, subject: &Subject) -> Vec<(&Arc<RateRule>, Key)> {
        match self.mode {
            LimitMode::Off => Vec::new(),
            LimitMode::Enforce | LimitMode::Simulate => keys(&self.rules.rates, |rule| &rule.scope, subject),
        }
    }

    /// What the buckets of the rule `name` go by; `None` when there is no such rule.
    fn terms(&self, name: &Arc<str>) -> Option<Terms> {
        let rule = self.rules.rates.iter().find(|rule| rule.scope.name == *name)?;
        let mode = if self.mode == LimitMode::Enforce { rule.scope.mode } else { RuleMode::Simulate };
        Some(Terms { rule: rule.clone(), mode, counters: self.counters.get(name)?.clone() })
    }
}

#[cfg(test)]
mod tests;
