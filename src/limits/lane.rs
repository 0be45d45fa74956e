//! The slots of one kind in one entry: how many are taken, and who waits for one.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::pace::Pace;
use super::queue::Queue;
use super::refusal::Lane;
use super::usage::LaneUsage;
use super::waiter::Waiter;

/// Stands for no limit.
pub(super) const UNLIMITED: u32 = u32::MAX;

/// Slots of one kind. Whenever someone waits, all are taken: a slot that comes free is handed on at once.
#[derive(Debug)]
pub(super) struct Slots {
    lane: Lane,
    limit: u32,
    in_use: u32,
    peak: u32,
    /// Made when the first one has to wait. It stays with the entry: the numbers it gives out must not come again.
    queue: Option<Box<Queue>>,
    pace: Pace,
}

/// Whether a slot that was taken set a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Peak {
    /// More are taken than ever before.
    New(u32),
    /// Not more than before.
    Old,
}

impl Slots {
    pub(super) fn new(lane: Lane, limit: u32) -> Self {
        Self { lane, limit, in_use: 0, peak: 0, queue: None, pace: Pace::default() }
    }

    /// Whether there is no slot for a newcomer.
    pub(super) fn is_full(&self) -> bool {
        self.in_use >= self.limit
    }

    /// Takes a slot; over the limit too, which is the caller's business.
    pub(super) fn take(&mut self) -> Peak {
        self.in_use += 1;
        if self.in_use == self.limit {
            self.pace.full(now());
        }
        if self.in_use <= self.peak {
            return Peak::Old;
        }
        self.peak = self.in_use;
        Peak::New(self.peak)
    }

    /// Gives a slot back. The caller hands it on.
    pub(super) fn give_back(&mut self) {
        debug_assert!(self.in_use > 0, "more given back than taken");
        if self.in_use >= self.limit {
            let now = now();
            self.pace.freed(now);
            if self.in_use > self.limit {
                self.pace.full(now);
            }
        }
        self.in_use = self.in_use.saturating_sub(1);
    }

    /// The next waiter; a slot is taken for it, over the limit too.
    pub(super) fn next_waiter(&mut self) -> Option<(Arc<Waiter>, Peak)> {
        let waiter = self.queue.as_mut()?.pop()?;
        Some((waiter, self.take()))
    }

    /// Sets another limit. The caller hands on the slots that it frees.
    pub(super) fn set_limit(&mut self, limit: u32) {
        self.limit = limit;
        if self.is_full() {
            self.pace.full(now());
        } else {
            self.pace.lapse();
        }
    }

    /// The queue, to wait in.
    pub(super) fn queue(&mut self) -> &mut Queue {
        self.queue.get_or_insert_default()
    }

    /// The queue, if ever someone had to wait.
    pub(super) fn queue_if_any(&mut self) -> Option<&mut Queue> {
        self.queue.as_deref_mut()
    }

    /// How many wait.
    pub(super) fn queued(&self) -> u32 {
        self.queue.as_ref().map_or(0, |queue| queue.len())
    }

    /// When it is worth for a newcomer to come again.
    pub(super) fn retry_after(&self) -> Duration {
        let over = self.in_use.saturating_sub(self.limit);
        let turn = over.saturating_add(self.queued()).saturating_add(1);
        self.pace.retry_after(turn, self.lane.guess(), now())
    }

    pub(super) fn usage(&self, limit: Option<u32>) -> LaneUsage {
        LaneUsage { in_use: self.in_use, peak: self.peak, queued: self.queued(), limit }
    }
}

/// The clock that the timers of the workers go by.
pub(super) fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}
