//! How much at once, and how much in a second: rules, exact counters, fair queues, guards.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;

mod dialled;
mod entry;
pub mod guard;
pub mod key;
mod lane;
pub mod overload;
mod pace;
pub mod plan;
mod queue;
pub mod rate;
pub mod rates;
pub mod refusal;
pub mod seat;
pub mod settings;
mod shed;
pub mod sources;
pub mod subject;
mod table;
pub mod ticket;
pub mod usage;
mod waiter;

use entry::{Asker, Entry, Force, Terms};
use guard::{Admit, Guard};
use key::{Key, keys};
use plan::{Blocked, Identity, Plan};
use rates::{RatePlan, RateStats, Rates};
use refusal::Lane;
use seat::Seat;
use settings::{LimitMode, LimitRule, RuleMode, RuleSet};
use subject::Subject;
use table::Table;
use ticket::Ticket;
use usage::{RuleCounters, RuleStats, Usage};
use waiter::serve;

/// All limits of the process: the rules, and what is held under them. Shared by all threads.
#[derive(Debug)]
pub struct Limits {
    current: ArcSwap<Snapshot>,
    /// Of the newest rules, apart from them so that asking is one load.
    generation: AtomicU64,
    table: Arc<Table>,
    rates: Rates,
    /// Taken while the rules are replaced.
    replacing: Mutex<()>,
}

/// The rules at one time.
#[derive(Debug)]
struct Snapshot {
    generation: u64,
    mode: LimitMode,
    rules: Arc<RuleSet>,
    counters: HashMap<Arc<str>, Arc<RuleCounters>>,
}

impl Limits {
    /// Limits that nothing is held under yet.
    pub fn new(mode: LimitMode, rules: RuleSet) -> Arc<Self> {
        let rules = Arc::new(rules);
        let snapshot = Snapshot::new(mode, rules.clone(), None);
        Arc::new(Self {
            current: ArcSwap::from_pointee(snapshot),
            generation: AtomicU64::new(0),
            table: Arc::new(Table::new()),
            rates: Rates::new(mode, rules),
            replacing: Mutex::new(()),
        })
    }

    /// Goes by other rules from now on. What is held and who waits stays, by the name of the rule and in whose name it
    /// counts; waiters for whom there is a slot now get it, those of a rule that is gone too.
    pub fn replace(&self, mode: LimitMode, rules: RuleSet) {
        let _one_at_a_time = self.replacing.lock().unwrap_or_else(PoisonError::into_inner);
        let rules = Arc::new(rules);
        let snapshot = Arc::new(Snapshot::new(mode, rules.clone(), Some(&self.current.load())));
        let generation = snapshot.generation;
        // Before the entries are told: who makes one after that goes by the new rules.
        self.current.store(snapshot.clone());
        self.rates.replace(generation, mode, rules);
        self.generation.store(generation, Relaxed);
        let entries: Vec<Arc<Entry>> = self.table.entries().collect();
        for entry in &entries {
            entry.set_terms(snapshot.terms(&entry.key().rule).unwrap_or_else(|| entry.lifted()));
        }
        entries.iter().for_each(|entry| entry.hand_on());
    }

    /// The newest rules.
    pub fn rules(&self) -> Arc<RuleSet> {
        self.current.load().rules.clone()
    }

    /// Whether limits are kept.
    pub fn mode(&self) -> LimitMode {
        self.current.load().mode
    }

    /// The entries that `subject` counts in. `previous`, a plan of the same connection, is given back as it is when it
    /// is still right, and saves look-ups otherwise.
    pub fn plan(&self, subject: &Subject, previous: Option<&Arc<Plan>>) -> Arc<Plan> {
        let snapshot = self.current.load();
        if let Some(plan) = previous
            && plan.generation == snapshot.generation
            && plan.identity.is(subject)
        {
            return plan.clone();
        }
        let known = |key: &Key| previous.and_then(|plan| plan.entry(key)).cloned();
        let entries = snapshot
            .keys(subject)
            .into_iter()
            .map(|(rule, key)| known(&key).unwrap_or_else(|| self.entry(rule, &key)))
            .collect();
        Arc::new(Plan { generation: snapshot.generation, identity: Identity::of(subject), entries })
    }

    /// Whether `plan` was made from the newest rules.
    pub fn is_current(&self, plan: &Plan) -> bool {
        plan.generation == self.generation.load(Relaxed)
    }

    /// Takes a slot of every entry of `plan`, or none. A stream with a `seat` may be asked to make room for others.
    pub fn admit(&self, plan: &Arc<Plan>, lane: Lane, seat: Option<&Arc<Seat>>) -> Admit {
        let asker = Asker { plan, lane, seat, waiter: None };
        let mut next = Vec::new();
        let taken = plan.take(asker, None, &mut next);
        next.into_iter().for_each(serve);
        match taken {
            Ok(()) => Admit::Granted(Guard::of(plan.clone(), lane, seat.cloned())),
            Err(Blocked::Refused(refusal)) => Admit::Refused(refusal),
            Err(Blocked::Waits { waiter, wait }) => Admit::Wait(Ticket::new(waiter, wait)),
        }
    }

    /// The rates that `subject` counts in, as [`Limits::plan`].
    pub fn rate_plan(&self, subject: &Subject, previous: Option<&Arc<RatePlan>>) -> Arc<RatePlan> {
        self.rates.plan(subject, previous)
    }

    /// Whether `plan` was made from the newest rules.
    pub fn is_rate_current(&self, plan: &RatePlan) -> bool {
        plan.generation() == self.generation.load(Relaxed)
    }

    /// What each holder holds now, in no order.
    pub fn usage(&self) -> Vec<Usage> {
        self.table.entries().map(|entry| entry.usage()).collect()
    }

    /// What each rule has done and what is held under it, in the order of the rules.
    pub fn stats(&self) -> Vec<RuleStats> {
        let snapshot = self.current.load();
        let mut stats: Vec<RuleStats> = snapshot.stats();
        let places: HashMap<Arc<str>, usize> =
            stats.iter().enumerate().map(|(at, rule)| (rule.rule.clone(), at)).collect();
        for entry in self.usage() {
            if let Some(&at) = places.get(&entry.rule) {
                stats[at].add(&entry);
            }
        }
        stats
    }

    /// What each rate has done, in the order of the rules.
    pub fn rate_stats(&self) -> Vec<RateStats> {
        self.rates.stats()
    }

    /// Entries in the table: as many as plans, guards and tickets refer to.
    pub fn entries(&self) -> usize {
        self.table.len()
    }

    fn entry(&self, rule: &Arc<LimitRule>, key: &Key) -> Arc<Entry> {
        self.table.entry(key, |key| {
            // Under the lock of the shard the newest rules are known, or their author has yet to come by.
            let snapshot = self.current.load();
            let terms = snapshot.terms(&key.rule).unwrap_or_else(|| Terms::lifted(rule.clone()));
            Entry::new(key, terms, self.table.clone())
        })
    }
}

impl Snapshot {
    /// `rules`, with what those of the same names have done.
    fn new(mode: LimitMode, rules: Arc<RuleSet>, before: Option<&Snapshot>) -> Self {
        let counters = rules
            .limits
            .iter()
            .map(|rule| &rule.scope.name)
            .map(|name| {
                let kept = before.and_then(|before| before.counters.get(name)).cloned();
                (name.clone(), kept.unwrap_or_default())
            })
            .collect();
        Self { generation: before.map_or(0, |before| before.generation + 1), mode, rules, counters }
    }

    fn keys(&self, subject: &Subject) -> Vec<(&Arc<LimitRule>, Key)> {
        match self.mode {
            LimitMode::Off => Vec::new(),
            LimitMode::Enforce | LimitMode::Simulate => keys(&self.rules.limits, |rule| &rule.scope, subject),
        }
    }

    /// What the entries of the rule `name` go by; `None` when there is no such rule.
    fn terms(&self, name: &Arc<str>) -> Option<Terms> {
        let rule = self.rules.limits.iter().find(|rule| rule.scope.name == *name)?;
        let force = match (self.mode, rule.scope.mode) {
            (LimitMode::Off, _) => Force::Lifted,
            (LimitMode::Enforce, RuleMode::Enforce) => Force::Kept,
            (LimitMode::Simulate, _) | (_, RuleMode::Simulate) => Force::Watched,
        };
        Some(Terms { rule: rule.clone(), force, counters: self.counters.get(name)?.clone() })
    }

    fn stats(&self) -> Vec<RuleStats> {
        let of = |rule: &Arc<LimitRule>| {
            let counters = self.counters.get(&rule.scope.name)?;
            Some(counters.snapshot(&rule.scope.name, rule.scope.per.label()))
        };
        self.rules.limits.iter().filter_map(of).collect()
    }
}

#[cfg(test)]
mod tests;
