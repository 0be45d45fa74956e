//! One who waits for slots, and how a slot that came free is used for it.
//!
//! Whoever gives a slot back does the work for the waiter: takes the other slots it needs, or moves it to the queue of
//! the entry that is full now. So a waiter that is woken has all it asked for, and no slot lies in the hands of one that
//! cannot use it; two waiters that each hold what the other needs would pass slots to each other for ever.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use super::entry::Asker;
use super::plan::{Blocked, Plan};
use super::refusal::{Lane, Refusal};
use super::seat::Seat;

/// Where a waiter stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// Which entry of its plan.
    pub(super) at: usize,
    /// Its number in the queue there.
    pub(super) number: u64,
}

/// How the waiting has ended, if it has.
#[derive(Debug)]
enum Outcome {
    Open,
    /// All slots are taken for it.
    Granted,
    Refused(Refusal),
    /// It has its answer, or does not want one any more.
    Left,
}

#[derive(Debug)]
struct State {
    outcome: Outcome,
    place: Place,
    waker: Option<Waker>,
}

/// One who waits. Its lock may be taken under the lock of an entry, never the other way round.
#[derive(Debug)]
pub(super) struct Waiter {
    plan: Arc<Plan>,
    lane: Lane,
    seat: Option<Arc<Seat>>,
    state: Mutex<State>,
}

/// Whether one who waits is still there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Presence {
    Here,
    Left,
}

impl Waiter {
    /// One that stands nowhere yet.
    pub(super) fn new(asker: Asker<'_>) -> Arc<Self> {
        let place = Place { at: 0, number: 0 };
        let state = Mutex::new(State { outcome: Outcome::Open, place, waker: None });
        Arc::new(Self { plan: asker.plan.clone(), lane: asker.lane, seat: asker.seat.cloned(), state })
    }

    pub(super) fn plan(&self) -> &Arc<Plan> {
        &self.plan
    }

    pub(super) fn lane(&self) -> Lane {
        self.lane
    }

    pub(super) fn seat(&self) -> Option<&Arc<Seat>> {
        self.seat.as_ref()
    }

    pub(super) fn source(&self) -> IpAddr {
        self.plan.identity.source
    }

    /// Notes where it stands; called under the lock of the entry there. One that has left must not be queued.
    pub(super) fn stand(&self, place: Place) -> Presence {
        let mut state = self.lock();
        if matches!(state.outcome, Outcome::Left) {
            return Presence::Left;
        }
        state.place = place;
        Presence::Here
    }

    /// Ready with the answer, once.
    pub(super) fn poll(&self, cx: &Context<'_>) -> Poll<Result<(), Refusal>> {
        let mut state = self.lock();
        match std::mem::replace(&mut state.outcome, Outcome::Left) {
            Outcome::Granted => return Poll::Ready(Ok(())),
            Outcome::Refused(refusal) => return Poll::Ready(Err(refusal)),
            still => state.outcome = still,
        }
        if !state.waker.as_ref().is_some_and(|held| held.will_wake(cx.waker())) {
            let replaced = state.waker.replace(cx.waker().clone());
            drop(state);
            // Outside of the lock: the last waker of a task may drop it, and with it what it holds.
            drop(replaced);
        }
        Poll::Pending
    }

    /// Leaves the queue; what was taken for it is given back. Says in which entry of the plan it stood last.
    pub(super) fn leave(&self) -> usize {
        let mut state = self.lock();
        let before = std::mem::replace(&mut state.outcome, Outcome::Left);
        let (place, waker) = (state.place, state.waker.take());
        drop(state);
        drop(waker);
        match before {
            // When it is not in the queue, somebody is about to take slots for it and will see that it has left.
            Outcome::Open => self.plan.entries[place.at].unqueue(self, place.number),
            Outcome::Granted => self.plan.give_back(self.asker()),
            Outcome::Refused(_) | Outcome::Left => {}
        }
        place.at
    }

    fn asker(&self) -> Asker<'_> {
        Asker { plan: &self.plan, lane: self.lane, seat: self.seat.as_ref(), waiter: None }
    }

    /// Tells it the outcome, unless it has left.
    fn answer(&self, outcome: Outcome) -> Presence {
        let mut state = self.lock();
        if matches!(state.outcome, Outcome::Left) {
            return Presence::Left;
        }
        state.outcome = outcome;
        let waker = state.waker.take();
        drop(state);
        if let Some(waker) = waker {
            waker.wake();
        }
        Presence::Here
    }

    fn place(&self) -> Place {
        self.lock().place
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Goes on for `first`, who was just given the slot that it stood in the queue for; and for those who are given what it
/// cannot use, one after the other.
pub(super) fn serve(first: Arc<Waiter>) {
    let mut next = vec![first];
    while let Some(waiter) = next.pop() {
        let asker = Asker { waiter: Some(&waiter), ..waiter.asker() };
        match waiter.plan.take(asker, Some(waiter.place().at), &mut next) {
            Ok(()) if waiter.answer(Outcome::Granted) == Presence::Left => {
                waiter.plan.give_back_to(waiter.asker(), &mut next);
            }
            Err(Blocked::Refused(refusal)) => {
                waiter.answer(Outcome::Refused(refusal));
            }
            Ok(()) | Err(Blocked::Waits { .. }) => {}
        }
    }
}

#[cfg(test)]
impl Waiter {
    /// Whether slots are taken for it that it has not come for yet.
    pub(super) fn is_granted(&self) -> bool {
        matches!(self.lock().outcome, Outcome::Granted)
    }
}
