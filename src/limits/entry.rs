//! One entry of the table: what one holder has taken under one rule, and who waits for it.
//!
//! Its lock is held for a few loads and stores. Nobody is woken and no waker is dropped under it: both may run a task's
//! code, and with it a guard that wants the same lock.

use std::net::IpAddr;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Waker};
use std::time::Duration;

use super::key::Key;
use super::lane::{Peak, Slots, UNLIMITED};
use super::queue::Watch;
use super::refusal::{Lane, Refusal, Why};
use super::seat::{Seat, Seats};
use super::settings::{LimitRule, Over};
use super::table::Table;
use super::usage::{RuleCounters, Usage};

/// Whether an entry's rule is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Force {
    /// It is.
    Kept,
    /// It only counts what it would refuse.
    Watched,
    /// There is no such rule any more.
    Lifted,
}

/// What an entry goes by.
#[derive(Clone, Debug)]
pub(super) struct Terms {
    pub(super) rule: Arc<LimitRule>,
    pub(super) force: Force,
    pub(super) counters: Arc<RuleCounters>,
}

impl Terms {
    /// Those of a rule that is gone.
    pub(super) fn lifted(rule: Arc<LimitRule>) -> Self {
        Self { rule, force: Force::Lifted, counters: Arc::default() }
    }

    fn limit(&self, lane: Lane) -> Option<u32> {
        match lane {
            Lane::Exchange => self.rule.exchanges,
            Lane::Stream => self.rule.streams,
        }
    }

    /// The limit as the slots know it.
    fn bound(&self, lane: Lane) -> u32 {
        if self.force == Force::Lifted { UNLIMITED } else { self.limit(lane).unwrap_or(UNLIMITED) }
    }
}

/// Who asks for slots.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asker<'a> {
    pub(super) lane: Lane,
    pub(super) source: IpAddr,
    pub(super) seat: Option<&'a Arc<Seat>>,
}

/// The answer of one entry.
#[derive(Debug)]
pub(super) enum Answer {
    /// A slot is taken.
    Taken,
    /// None is, and there is no waiting.
    Refused(Refusal),
    /// None is; the asker waits under this number, for at most this long.
    Waits(u64, Duration),
}

#[derive(Debug)]
struct State {
    terms: Terms,
    slots: [Slots; 2],
    seats: Seats,
}

/// One entry. It leaves the table when the last handle is dropped.
#[derive(Debug)]
pub(super) struct Entry {
    key: Key,
    table: Arc<Table>,
    state: Mutex<State>,
}

impl Entry {
    pub(super) fn new(key: Key, terms: Terms, table: Arc<Table>) -> Self {
        let slots = Lane::ALL.map(|lane| Slots::new(lane, terms.bound(lane)));
        Self { key, table, state: Mutex::new(State { terms, slots, seats: Seats::default() }) }
    }

    pub(super) fn key(&self) -> &Key {
        &self.key
    }

    /// Takes a slot; at the limit, does what the rule says.
    pub(super) fn take(&self, asker: Asker<'_>) -> Answer {
        let mut state = self.lock();
        if !state.slots[asker.lane as usize].is_full() {
            state.seize(asker);
            return Answer::Taken;
        }
        if state.terms.force == Force::Watched {
            state.terms.counters.simulated.fetch_add(1, Relaxed);
            state.seize(asker);
            return Answer::Taken;
        }
        let (answer, victim) = state.at_limit(asker);
        drop(state);
        if let Some(victim) = victim {
            victim.evict();
        }
        answer
    }

    /// Gives a slot back; it goes straight to the next waiter.
    pub(super) fn give_back(&self, asker: Asker<'_>) {
        let mut state = self.lock();
        let seat = state.leave_seat(asker);
        state.slots[asker.lane as usize].give_back();
        let woken = state.hand_on(asker.lane);
        drop(state);
        drop(seat);
        if let Some(waker) = woken.flatten() {
            waker.wake();
        }
    }

    /// Looks after the waiter `number`: [`Watch::Gone`] when it holds its slot, otherwise it will be woken.
    pub(super) fn watch(&self, asker: Asker<'_>, number: u64, cx: &Context<'_>) -> Watch {
        let mut state = self.lock();
        let slots = &mut state.slots[asker.lane as usize];
        slots.queue_if_any().map_or(Watch::Gone, |queue| queue.watch(asker.source, number, cx))
    }

    /// Takes the waiter `number` out of the queue. One that was granted its slot gives it back.
    pub(super) fn leave(&self, asker: Asker<'_>, number: u64) {
        let mut state = self.lock();
        let slots = &mut state.slots[asker.lane as usize];
        let waiter = slots.queue_if_any().and_then(|queue| queue.remove(asker.source, number));
        drop(state);
        if waiter.is_none() {
            self.give_back(asker);
        }
    }

    /// The refusal of one who has waited in vain and has left the queue.
    pub(super) fn out_of_time(&self, lane: Lane) -> Refusal {
        self.lock().refusal(lane, Why::QueueTimeout)
    }

    /// Goes by other terms from now on; those for whom there is a slot now get it.
    pub(super) fn set_terms(&self, terms: Terms) {
        let mut woken = Vec::new();
        let mut state = self.lock();
        for lane in Lane::ALL {
            let bound = if terms.force == Force::Kept { terms.bound(lane) } else { UNLIMITED };
            state.slots[lane as usize].set_limit(bound);
            while let Some(waker) = state.hand_on(lane) {
                woken.extend(waker);
            }
            state.slots[lane as usize].set_limit(terms.bound(lane));
        }
        let before = std::mem::replace(&mut state.terms, terms);
        drop(state);
        drop(before);
        woken.into_iter().for_each(Waker::wake);
    }

    /// Its terms once its rule is gone.
    pub(super) fn lifted(&self) -> Terms {
        Terms::lifted(self.lock().terms.rule.clone())
    }

    /// Asks the longest silent stream to make room; false when there is none to ask.
    pub(super) fn evict_longest_silent(&self) -> bool {
        let victim = self.lock().seats.take_longest_silent();
        victim.inspect(|seat| seat.evict()).is_some()
    }

    /// What is held now.
    pub(super) fn usage(&self) -> Usage {
        let state = self.lock();
        let usage = |lane: Lane| state.slots[lane as usize].usage(state.terms.limit(lane));
        Usage {
            rule: self.key.rule.clone(),
            scope: state.terms.rule.scope.per.label(),
            holder: self.key.holder.to_string(),
            exchanges: usage(Lane::Exchange),
            streams: usage(Lane::Stream),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.table.forget(self);
    }
}

impl State {
    fn seize(&mut self, asker: Asker<'_>) {
        if let Peak::New(peak) = self.slots[asker.lane as usize].take() {
            self.terms.counters.note_peak(asker.lane, peak);
        }
        if let (Lane::Stream, Some(seat)) = (asker.lane, asker.seat) {
            self.seats.add(seat);
        }
    }

    fn leave_seat(&mut self, asker: Asker<'_>) -> Option<Arc<Seat>> {
        match (asker.lane, asker.seat) {
            (Lane::Stream, Some(seat)) => self.seats.remove(seat),
            _ => None,
        }
    }

    /// What the rule says for one who finds all slots taken, and the stream that has to make room.
    fn at_limit(&mut self, asker: Asker<'_>) -> (Answer, Option<Arc<Seat>>) {
        let bounds = self.terms.rule.queue;
        let waiting = self.slots.iter().fold(0_u32, |sum, slots| sum.saturating_add(slots.queued()));
        let victim = match self.terms.rule.over {
            Over::Reject => return (Answer::Refused(self.refusal(asker.lane, Why::Full)), None),
            _ if waiting >= bounds.max => {
                return (Answer::Refused(self.refusal(asker.lane, Why::QueueFull)), None);
            }
            Over::Queue => None,
            Over::EvictOldestIdle => match self.seats.take_longest_silent() {
                None => return (Answer::Refused(self.refusal(asker.lane, Why::Full)), None),
                victim => victim,
            },
        };
        self.terms.counters.queued.fetch_add(1, Relaxed);
        self.terms.counters.evictions.fetch_add(u64::from(victim.is_some()), Relaxed);
        let number = self.slots[asker.lane as usize].queue().push(asker.source, asker.seat.cloned());
        (Answer::Waits(number, bounds.wait), victim)
    }

    /// Grants the next waiter its slot, if there is one of each, and says whom to wake for it.
    fn hand_on(&mut self, lane: Lane) -> Option<Option<Waker>> {
        let (waiter, peak) = self.slots[lane as usize].next_waiter()?;
        if let Peak::New(peak) = peak {
            self.terms.counters.note_peak(lane, peak);
        }
        if let (Lane::Stream, Some(seat)) = (lane, &waiter.seat) {
            self.seats.add(seat);
        }
        self.terms.counters.granted.fetch_add(1, Relaxed);
        Some(waiter.waker)
    }

    fn refusal(&mut self, lane: Lane, why: Why) -> Refusal {
        self.terms.counters.note_refusal(why);
        let retry_after = self.slots[lane as usize].retry_after();
        Refusal { rule: self.terms.rule.clone(), why, lane, retry_after }
    }
}
