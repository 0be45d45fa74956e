//! One entry of the table: what one holder has taken under one rule, and who waits for it.
//!
//! Its lock is held for a few loads and stores. Nobody is woken and nothing of a task is dropped under it: both may
//! run a task's code, and with it a guard that wants the same lock.

use std::fmt;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::key::Key;
use super::lane::{Peak, Slots, UNLIMITED};
use super::plan::Plan;
use super::refusal::{Lane, Refusal, Why};
use super::seat::{Seat, Seats};
use super::settings::{LimitRule, Over};
use super::table::Table;
use super::usage::{RuleCounters, Usage};
use super::waiter::{Place, Presence, Waiter, serve};

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
    pub(super) plan: &'a Arc<Plan>,
    pub(super) lane: Lane,
    pub(super) seat: Option<&'a Arc<Seat>>,
    /// One who has waited already, and would go on waiting as the same one.
    pub(super) waiter: Option<&'a Arc<Waiter>>,
}

/// The answer of one entry.
#[derive(Debug)]
pub(super) enum Answer {
    /// A slot is taken.
    Taken,
    /// None is, and there is no waiting.
    Refused(Refusal),
    /// None is; the asker waits, for at most this long. One that has left meanwhile does not, and nobody asks.
    Waits(Arc<Waiter>, Duration),
}

#[derive(Debug)]
struct State {
    terms: Terms,
    slots: [Slots; 2],
    seats: Seats,
}

/// One entry. It leaves the table when the last handle is dropped.
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

    /// Takes a slot; at the limit, does what the rule says. `at` is this entry's place in the asker's plan.
    pub(super) fn take(&self, asker: Asker<'_>, at: usize) -> Answer {
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
        let (answer, victim) = state.at_limit(asker, at);
        drop(state);
        if let Some(victim) = victim {
            victim.evict(&self.key.rule);
        }
        answer
    }

    /// Gives a slot back. It goes straight to the next waiter, who is to be served.
    pub(super) fn give_back(&self, asker: Asker<'_>) -> Option<Arc<Waiter>> {
        let mut state = self.lock();
        let seat = state.leave_seat(asker);
        state.slots[asker.lane as usize].give_back();
        let next = state.next_waiter(asker.lane);
        drop(state);
        drop(seat);
        next
    }

    /// Takes `waiter` out of the queue, if it is still there under `number`.
    pub(super) fn unqueue(&self, waiter: &Waiter, number: u64) {
        let mut state = self.lock();
        let slots = &mut state.slots[waiter.lane() as usize];
        let held = slots.queue_if_any().and_then(|queue| queue.remove(waiter.source(), number));
        drop(state);
        drop(held);
    }

    /// The refusal of one who has waited in vain and has left the queue.
    pub(super) fn out_of_time(&self, lane: Lane) -> Refusal {
        self.lock().refusal(lane, Why::QueueTimeout)
    }

    /// Goes by other terms from now on. Slots that this frees are not handed on yet: those who wait need slots of other
    /// entries too, which have to know their terms first.
    pub(super) fn set_terms(&self, terms: Terms) {
        let mut state = self.lock();
        Lane::ALL.iter().for_each(|&lane| state.slots[lane as usize].set_limit(terms.bound(lane)));
        let before = std::mem::replace(&mut state.terms, terms);
        drop(state);
        drop(before);
    }

    /// Hands on all slots that are free.
    pub(super) fn hand_on(&self) {
        for lane in Lane::ALL {
            loop {
                let next = self.lock().next_waiter(lane);
                let Some(waiter) = next else { break };
                serve(waiter);
            }
        }
    }

    /// Its terms once its rule is gone.
    pub(super) fn lifted(&self) -> Terms {
        Terms::lifted(self.lock().terms.rule.clone())
    }

    /// Asks the longest silent stream to make room; false when there is none to ask.
    pub(super) fn evict_longest_silent(&self) -> bool {
        let victim = self.lock().seats.take_longest_silent();
        victim.inspect(|seat| seat.evict(&self.key.rule)).is_some()
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

impl fmt::Debug for Entry {
    /// Its key alone: those who wait in it refer to it again.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.key.fmt(f)
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
    fn at_limit(&mut self, asker: Asker<'_>, at: usize) -> (Answer, Option<Arc<Seat>>) {
        let bounds = self.terms.rule.queue;
        let waiting = self.slots.iter().fold(0_u32, |sum, slots| sum.saturating_add(slots.queued()));
        match self.terms.rule.over {
            Over::Reject => return (Answer::Refused(self.refusal(asker.lane, Why::Full)), None),
            _ if waiting >= bounds.max => return (Answer::Refused(self.refusal(asker.lane, Why::QueueFull)), None),
            Over::Queue | Over::EvictOldestIdle => {}
        }
        let waiter = asker.waiter.map_or_else(|| Waiter::new(asker), Arc::clone);
        let queue = self.slots[asker.lane as usize].queue();
        if waiter.stand(Place { at, number: queue.next_number() }) == Presence::Left {
            return (Answer::Waits(waiter, bounds.wait), None);
        }
        let victim = match self.terms.rule.over {
            Over::EvictOldestIdle => match self.seats.take_longest_silent() {
                None => return (Answer::Refused(self.refusal(asker.lane, Why::Full)), None),
                victim => victim,
            },
            Over::Queue | Over::Reject => None,
        };
        self.terms.counters.queued.fetch_add(1, Relaxed);
        self.terms.counters.evictions.fetch_add(u64::from(victim.is_some()), Relaxed);
        self.slots[asker.lane as usize].queue().push(waiter.source(), waiter.clone());
        (Answer::Waits(waiter, bounds.wait), victim)
    }

    /// Takes a slot for the next waiter, if there is one of each.
    fn next_waiter(&mut self, lane: Lane) -> Option<Arc<Waiter>> {
        let slots = &mut self.slots[lane as usize];
        if self.terms.force == Force::Kept && slots.is_full() {
            return None;
        }
        let (waiter, peak) = slots.next_waiter()?;
        if let Peak::New(peak) = peak {
            self.terms.counters.note_peak(lane, peak);
        }
        if let (Lane::Stream, Some(seat)) = (lane, waiter.seat()) {
            self.seats.add(seat);
        }
        self.terms.counters.granted.fetch_add(1, Relaxed);
        Some(waiter)
    }

    fn refusal(&mut self, lane: Lane, why: Why) -> Refusal {
        self.terms.counters.note_refusal(why);
        let retry_after = self.slots[lane as usize].retry_after();
        Refusal { rule: self.terms.rule.clone(), why, lane, retry_after }
    }
}
