//! Those who wait for a slot: first come first served within a source, in turns between the sources.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::Arc;
use std::task::{Context, Waker};

use super::seat::Seat;

/// One who waits.
#[derive(Debug)]
pub(super) struct Waiter {
    /// Whom to wake; `None` before the first poll.
    pub(super) waker: Option<Waker>,
    /// The stream that will hold the slot.
    pub(super) seat: Option<Arc<Seat>>,
}

/// The waiters of one source.
#[derive(Debug)]
struct Line {
    turn: u64,
    waiters: BTreeMap<u64, Waiter>,
}

/// Everyone who waits for one kind of slot of one entry.
#[derive(Debug, Default)]
pub(super) struct Queue {
    lines: HashMap<IpAddr, Line>,
    /// Whose turn it is: the sources that wait, in the order in which they are served.
    turns: BTreeMap<u64, IpAddr>,
    next: u64,
    len: u32,
}

impl Queue {
    /// How many wait.
    pub(super) fn len(&self) -> u32 {
        self.len
    }

    /// Adds a waiter of `source`; the number is its name here.
    pub(super) fn push(&mut self, source: IpAddr, seat: Option<Arc<Seat>>) -> u64 {
        let number = self.next;
        self.next += 1;
        self.len += 1;
        let line = self.lines.entry(source).or_insert_with(|| {
            self.turns.insert(number, source);
            Line { turn: number, waiters: BTreeMap::new() }
        });
        line.waiters.insert(number, Waiter { waker: None, seat });
        number
    }

    /// Takes out whose turn it is; its source's next turn comes after those of all other sources.
    pub(super) fn pop(&mut self) -> Option<Waiter> {
        let (_, source) = self.turns.pop_first()?;
        let line = self.lines.get_mut(&source)?;
        let (_, waiter) = line.waiters.pop_first()?;
        self.len -= 1;
        if line.waiters.is_empty() {
            self.lines.remove(&source);
        } else {
            line.turn = self.next;
            self.turns.insert(self.next, source);
            self.next += 1;
        }
        Some(waiter)
    }

    /// Takes out the waiter `number` of `source`; `None` when it is not here any more.
    pub(super) fn remove(&mut self, source: IpAddr, number: u64) -> Option<Waiter> {
        let line = self.lines.get_mut(&source)?;
        let waiter = line.waiters.remove(&number)?;
        self.len -= 1;
        if line.waiters.is_empty() {
            self.turns.remove(&line.turn);
            self.lines.remove(&source);
        }
        Some(waiter)
    }

    /// Notes whom to wake for the waiter `number` of `source`.
    pub(super) fn watch(&mut self, source: IpAddr, number: u64, cx: &Context<'_>) -> Watch {
        let waiter = self.lines.get_mut(&source).and_then(|line| line.waiters.get_mut(&number));
        match waiter {
            None => Watch::Gone,
            Some(waiter) if waiter.waker.as_ref().is_some_and(|held| held.will_wake(cx.waker())) => {
                Watch::Waits { replaced: None }
            }
            Some(waiter) => Watch::Waits { replaced: waiter.waker.replace(cx.waker().clone()) },
        }
    }
}

/// What has become of a waiter.
#[derive(Debug)]
pub(super) enum Watch {
    /// It still waits.
    Waits {
        /// Its waker until now. To be dropped outside of any lock: that may drop a task, and a guard with it.
        replaced: Option<Waker>,
    },
    /// It is not here: it was granted its slot.
    Gone,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(last: u8) -> IpAddr {
        [192, 0, 2, last].into()
    }

    /// Takes everyone out and says in which order.
    fn order(queue: &mut Queue, all: &[(u8, u64)]) -> Vec<(u8, u64)> {
        let mut left = all.to_vec();
        let mut order = Vec::new();
        while queue.pop().is_some() {
            let gone = left.iter().position(|&(from, number)| {
                !queue.lines.get(&source(from)).is_some_and(|line| line.waiters.contains_key(&number))
            });
            order.push(left.remove(gone.expect("one of them")));
        }
        order
    }

    #[test]
    fn sources_take_turns_and_each_is_served_in_order() {
        let mut queue = Queue::default();
        let all: Vec<(u8, u64)> =
            [1, 1, 1, 1, 2, 3, 3].iter().map(|&from| (from, queue.push(source(from), None))).collect();
        assert_eq!(queue.len(), 7);
        assert_eq!(order(&mut queue, &all), [(1, 0), (2, 4), (3, 5), (1, 1), (3, 6), (1, 2), (1, 3)]);
        assert_eq!(queue.len(), 0);
        assert!(queue.lines.is_empty() && queue.turns.is_empty());
    }

    #[test]
    fn who_leaves_leaves_nothing_behind() {
        let mut queue = Queue::default();
        let first = queue.push(source(1), None);
        let second = queue.push(source(2), None);
        assert!(queue.remove(source(2), first).is_none(), "another one's");
        assert!(queue.remove(source(1), first).is_some());
        assert!(queue.remove(source(1), first).is_none(), "twice");
        let cx = Context::from_waker(Waker::noop());
        assert!(matches!(queue.watch(source(1), first, &cx), Watch::Gone));
        assert!(matches!(queue.watch(source(2), second, &cx), Watch::Waits { replaced: None }));
        assert!(queue.pop().is_some());
        assert!(queue.lines.is_empty() && queue.turns.is_empty() && queue.pop().is_none());
    }
}
