//! One worker's ring of ends, in parts, so that ordinary ends never push out those that somebody will ask about.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::{Entry, ExchangeEnd, KeptEnd};

/// Ends of exchanges that are more than a request and its response, in the whole process.
const TELLING: usize = 10_000;

/// Plain exchanges, in the whole process.
const PLAIN: usize = 1_000;

/// Closed kept connections, in the whole process: an origin that closes early makes one for every request.
const KEPT: usize = 1_000;

/// Ends copied under one hold of the lock, which the worker may be waiting for.
const COPIED_AT_ONCE: usize = 128;

/// How many ends of each part can be held.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Holds {
    /// Ends that are not plain.
    pub telling: usize,
    /// Requests and their whole responses.
    pub plain: usize,
    /// Idle kept connections that the origin closed.
    pub kept: usize,
}

/// The last ends of one worker. Its memory grows with the first ends and stays. The worker takes the lock once for each
/// end; the admin thread, when it is asked, for a hundred at a time.
#[derive(Debug)]
pub struct EndRing(Mutex<Parts>);

#[derive(Debug)]
struct Parts {
    telling: Part<ExchangeEnd>,
    plain: Part<ExchangeEnd>,
    kept: Part<KeptEnd>,
}

/// A bounded queue that forgets its oldest.
#[derive(Debug)]
struct Part<T> {
    held: VecDeque<T>,
    capacity: usize,
    /// How many there ever were; the last of them is the newest held.
    pushed: u64,
}

impl EndRing {
    /// Rings for this many workers, which together hold what a process holds.
    pub fn for_workers(workers: usize) -> Vec<Arc<EndRing>> {
        let share = |whole: usize| whole.div_ceil(workers.max(1));
        let holds = Holds { telling: share(TELLING), plain: share(PLAIN), kept: share(KEPT) };
        (0..workers).map(|_| Arc::new(EndRing::new(holds))).collect()
    }

    /// An empty ring; each part holds one end at least.
    pub fn new(holds: Holds) -> Self {
        let (telling, plain) = (Part::new(holds.telling), Part::new(holds.plain));
        Self(Mutex::new(Parts { telling, plain, kept: Part::new(holds.kept) }))
    }

    /// Notes the end of an exchange or tunnel.
    pub fn exchange(&self, end: ExchangeEnd) {
        let forgotten = {
            let mut parts = self.lock();
            if end.is_plain() { parts.plain.push(end) } else { parts.telling.push(end) }
        };
        // Dropped without the lock: the names it shares may be freed with it.
        drop(forgotten);
    }

    /// Notes that an origin closed an idle kept connection.
    pub fn kept(&self, end: KeptEnd) {
        let forgotten = self.lock().kept.push(end);
        drop(forgotten);
    }

    /// Everything held that `wanted` accepts, in no order.
    pub fn select(&self, mut wanted: impl FnMut(&Entry) -> bool) -> Vec<Entry> {
        let mut chosen = Vec::new();
        let mut choose = |entry: Entry| chosen.extend(wanted(&entry).then_some(entry));
        self.read(|parts| &parts.telling, |end| choose(Entry::Exchange(end)));
        self.read(|parts| &parts.plain, |end| choose(Entry::Exchange(end)));
        self.read(|parts| &parts.kept, |end| choose(Entry::Kept(end)));
        chosen
    }

    /// How many it can hold.
    pub fn holds(&self) -> Holds {
        let parts = self.lock();
        Holds { telling: parts.telling.capacity, plain: parts.plain.capacity, kept: parts.kept.capacity }
    }

    /// Copies a part, oldest first, without keeping the worker waiting for long.
    fn read<T: Clone>(&self, part: impl Fn(&Parts) -> &Part<T>, mut take: impl FnMut(T)) {
        let mut next = 0;
        loop {
            let copied = part(&self.lock()).copy_from(&mut next);
            let last = copied.len() < COPIED_AT_ONCE;
            copied.into_iter().for_each(&mut take);
            if last {
                return;
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Parts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T: Clone> Part<T> {
    fn new(capacity: usize) -> Self {
        Self { held: VecDeque::new(), capacity: capacity.max(1), pushed: 0 }
    }

    /// Adds `end`; gives back what had to make room for it.
    fn push(&mut self, end: T) -> Option<T> {
        let forgotten = if self.held.len() < self.capacity { None } else { self.held.pop_front() };
        self.held.push_back(end);
        self.pushed += 1;
        forgotten
    }

    /// Copies a few from the one with the number `next` on, and moves `next` behind them.
    fn copy_from(&self, next: &mut u64) -> Vec<T> {
        let oldest = self.pushed - self.held.len() as u64;
        let skipped = next.saturating_sub(oldest) as usize;
        let copied: Vec<T> = self.held.iter().skip(skipped).take(COPIED_AT_ONCE).cloned().collect();
        *next = oldest + skipped as u64 + copied.len() as u64;
        copied
    }
}
