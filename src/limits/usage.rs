//! What is shown of the limits: who holds what now, and what each rule has done so far.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};

use super::refusal::{Lane, Why};

/// The slots of one kind in one entry.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LaneUsage {
    /// Slots taken now.
    pub in_use: u32,
    /// Most that were taken at once since the entry exists.
    pub peak: u32,
    /// How many wait.
    pub queued: u32,
    /// The limit, if the rule has one.
    pub limit: Option<u32>,
}

/// One entry: a rule and in whose name it counts.
#[derive(Clone, Debug)]
pub struct Usage {
    /// Name of the rule.
    pub rule: Arc<str>,
    /// Its `per`, as text.
    pub scope: &'static str,
    /// In whose name: an address, a range, a destination, a listener, `all`.
    pub holder: String,
    /// Exchanges.
    pub exchanges: LaneUsage,
    /// Streams.
    pub streams: LaneUsage,
}

/// What one rule has done since it exists, and what is held under it now.
#[derive(Clone, Debug)]
pub struct RuleStats {
    /// Its name.
    pub rule: Arc<str>,
    /// Its `per`, as text.
    pub scope: &'static str,
    /// Holders with an entry now.
    pub holders: u64,
    /// Slots of exchanges taken now, by all holders together.
    pub exchanges: u64,
    /// Slots of streams taken now, by all holders together.
    pub streams: u64,
    /// Waiters now.
    pub waiting: u64,
    /// Most exchanges that any one holder had at once.
    pub exchanges_peak: u32,
    /// Most streams that any one holder had at once.
    pub streams_peak: u32,
    /// Refusals by cause.
    pub refused: [(Why, u64); 3],
    /// How often a slot was given over the limit because the rule is only watched.
    pub simulated: u64,
    /// How often someone began to wait.
    pub queued: u64,
    /// How often a waiter was given its slot.
    pub granted: u64,
    /// Streams that were asked to make room.
    pub evictions: u64,
}

/// What one rule has done. Survives a reload by the rule's name.
#[derive(Debug, Default)]
pub(super) struct RuleCounters {
    peaks: [AtomicU32; 2],
    refused: [AtomicU64; 3],
    pub(super) simulated: AtomicU64,
    pub(super) queued: AtomicU64,
    pub(super) granted: AtomicU64,
    pub(super) evictions: AtomicU64,
}

impl RuleCounters {
    pub(super) fn note_peak(&self, lane: Lane, in_use: u32) {
        self.peaks[lane as usize].fetch_max(in_use, Relaxed);
    }

    pub(super) fn note_refusal(&self, why: Why) {
        self.refused[why as usize].fetch_add(1, Relaxed);
    }

    /// What is shown of the rule `rule`, apart from what is held now.
    pub(super) fn snapshot(&self, rule: &Arc<str>, scope: &'static str) -> RuleStats {
        RuleStats {
            rule: rule.clone(),
            scope,
            holders: 0,
            exchanges: 0,
            streams: 0,
            waiting: 0,
            exchanges_peak: self.peaks[Lane::Exchange as usize].load(Relaxed),
            streams_peak: self.peaks[Lane::Stream as usize].load(Relaxed),
            refused: Why::ALL.map(|why| (why, self.refused[why as usize].load(Relaxed))),
            simulated: self.simulated.load(Relaxed),
            queued: self.queued.load(Relaxed),
            granted: self.granted.load(Relaxed),
            evictions: self.evictions.load(Relaxed),
        }
    }
}

impl RuleStats {
    /// Adds what one of the rule's entries holds now.
    pub(super) fn add(&mut self, entry: &Usage) {
        self.holders += 1;
        self.exchanges += u64::from(entry.exchanges.in_use);
        self.streams += u64::from(entry.streams.in_use);
        self.waiting += u64::from(entry.exchanges.queued) + u64::from(entry.streams.queued);
    }
}
