//! Those who wait for a slot: first come first served within a source, in turns between the sources.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::Arc;

use super::waiter::Waiter;

/// The waiters of one source.
#[derive(Debug)]
struct Line {
    turn: u64,
    waiters: BTreeMap<u64, Arc<Waiter>>,
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

    /// The number that the next waiter has here. No number comes twice.
    pub(super) fn next_number(&self) -> u64 {
        self.next
    }

    /// Adds `waiter`, of `source`.
    pub(super) fn push(&mut self, source: IpAddr, waiter: Arc<Waiter>) {
        let number = self.next;
        self.next += 1;
        self.len += 1;
        let line = self.lines.entry(source).or_insert_with(|| {
            self.turns.insert(number, source);
            Line { turn: number, waiters: BTreeMap::new() }
        });
        line.waiters.insert(number, waiter);
    }

    /// Takes out whose turn it is; its source's next turn comes after those of all other sources.
    pub(super) fn pop(&mut self) -> Option<Arc<Waiter>> {
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
    pub(super) fn remove(&mut self, source: IpAddr, number: u64) -> Option<Arc<Waiter>> {
        let line = self.lines.get_mut(&source)?;
        let waiter = line.waiters.remove(&number)?;
        self.len -= 1;
        if line.waiters.is_empty() {
            self.turns.remove(&line.turn);
            self.lines.remove(&source);
        }
        Some(waiter)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::Limits;
    use crate::limits::entry::Asker;
    use crate::limits::refusal::Lane;
    use crate::limits::settings::{LimitMode, RuleSet};
    use crate::limits::tests::made::{address, subject};

    fn push(queue: &mut Queue, source: u8) -> (u64, Arc<Waiter>) {
        let plan = Limits::new(LimitMode::Enforce, RuleSet::default()).plan(&subject(source, "a.example"), None);
        let waiter = Waiter::new(Asker { plan: &plan, lane: Lane::Exchange, seat: None, waiter: None });
        let number = queue.next_number();
        queue.push(address(source), waiter.clone());
        (number, waiter)
    }

    #[test]
    fn sources_take_turns_and_each_is_served_in_order() {
        let mut queue = Queue::default();
        let all = [1, 1, 1, 1, 2, 3, 3].map(|source| push(&mut queue, source).1);
        assert_eq!(queue.len(), 7);
        for at in [0, 4, 5, 1, 6, 2, 3] {
            let next = queue.pop().expect("one of them");
            assert!(Arc::ptr_eq(&next, &all[at]), "not the turn of {at}");
        }
        assert_eq!(queue.len(), 0);
        assert!(queue.lines.is_empty() && queue.turns.is_empty());
    }

    #[test]
    fn who_leaves_leaves_nothing_behind() {
        let mut queue = Queue::default();
        let (first, _) = push(&mut queue, 1);
        let (second, _) = push(&mut queue, 2);
        assert!(queue.remove(address(2), first).is_none(), "another one's");
        assert!(queue.remove(address(1), first).is_some());
        assert!(queue.remove(address(1), first).is_none(), "twice");
        assert!(push(&mut queue, 1).0 > second, "a number comes once");
        assert!(queue.pop().is_some() && queue.pop().is_some());
        assert!(queue.lines.is_empty() && queue.turns.is_empty() && queue.pop().is_none());
    }
}
