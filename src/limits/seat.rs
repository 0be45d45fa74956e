//! A held stream that may be asked to make room, and the streams of one entry by how long they have been silent.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use crate::observe::live::Row;

/// One held stream. Dropping it changes nothing; its place in the entries goes with the stream's guard.
#[derive(Debug)]
pub struct Seat {
    row: Arc<Row>,
    /// The rule that asked it to make room.
    evicted_by: OnceLock<Arc<str>>,
    waker: Mutex<Option<Waker>>,
}

impl Seat {
    /// A seat for the stream of the connection `row`.
    pub fn new(row: Arc<Row>) -> Arc<Self> {
        Arc::new(Self { row, evicted_by: OnceLock::new(), waker: Mutex::new(None) })
    }

    /// The connection.
    pub fn row(&self) -> &Arc<Row> {
        &self.row
    }

    /// Asks the stream to make room in the name of `rule`, and wakes who polls. Later calls change nothing.
    pub fn evict(&self, rule: &Arc<str>) {
        let _ = self.evicted_by.set(rule.clone());
        let waker = self.waker.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Whether the stream was asked to make room.
    pub fn is_evicted(&self) -> bool {
        self.evicted_by.get().is_some()
    }

    /// The rule that asked it to make room; `None` while none did.
    pub fn evicted_by(&self) -> Option<&Arc<str>> {
        self.evicted_by.get()
    }

    /// Ready once the stream is asked to make room; until then, the one who polled last is woken.
    pub fn poll_evicted(&self, cx: &mut Context<'_>) -> Poll<()> {
        if self.is_evicted() {
            return Poll::Ready(());
        }
        let replaced = {
            let mut held = self.waker.lock().unwrap_or_else(PoisonError::into_inner);
            if held.as_ref().is_some_and(|held| held.will_wake(cx.waker())) {
                None
            } else {
                held.replace(cx.waker().clone())
            }
        };
        drop(replaced);
        // It may have come between the first look and the waker.
        if self.is_evicted() { Poll::Ready(()) } else { Poll::Pending }
    }
}

/// How many streams that have moved meanwhile are passed over in one search.
const PASSED_OVER: usize = 64;

/// When a stream was last known to move, and which it is.
type Place = (Instant, usize);

/// The streams that hold slots of one entry.
///
/// Each is filed under the time it was last known to move. That time only grows, so the first one whose time is still
/// true is the longest silent; those that moved are filed anew on the way.
#[derive(Debug, Default)]
pub(super) struct Seats {
    filed: HashMap<usize, Instant>,
    order: BTreeMap<Place, Arc<Seat>>,
}

impl Seats {
    /// Adds the stream at `seat`.
    pub(super) fn add(&mut self, seat: &Arc<Seat>) {
        let number = number(seat);
        let moved = seat.row.last_active();
        if let Some(before) = self.filed.insert(number, moved) {
            self.order.remove(&(before, number));
        }
        self.order.insert((moved, number), seat.clone());
    }

    /// Removes the stream at `seat`, if it is here.
    pub(super) fn remove(&mut self, seat: &Arc<Seat>) -> Option<Arc<Seat>> {
        let number = number(seat);
        let moved = self.filed.remove(&number)?;
        self.order.remove(&(moved, number))
    }

    /// Takes out the longest silent stream that was not asked to make room yet. Where more than a few dozen have moved
    /// since the last search, the longest silent of those looked at.
    pub(super) fn take_longest_silent(&mut self) -> Option<Arc<Seat>> {
        let mut passed_over = 0;
        while let Some(((filed, number), seat)) = self.order.pop_first() {
            let moved = seat.row.last_active();
            if moved > filed && passed_over < PASSED_OVER {
                passed_over += 1;
                self.filed.insert(number, moved);
                self.order.insert((moved, number), seat);
                continue;
            }
            self.filed.remove(&number);
            if !seat.is_evicted() {
                return Some(seat);
            }
        }
        None
    }
}

fn number(seat: &Arc<Seat>) -> usize {
    Arc::as_ptr(seat) as usize
}

#[cfg(test)]
mod tests;
