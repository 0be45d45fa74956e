//! Waiting for slots: a place in the queue of one entry after the other, until all slots are in hand.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use super::entry::Asker;
use super::guard::Guard;
use super::lane::now;
use super::plan::{Blocked, Plan};
use super::queue::Watch;
use super::refusal::{Lane, Refusal};
use super::seat::Seat;

/// A place in a queue. Nothing is held while it waits.
///
/// Dropping it leaves the queue at once; a slot that was granted meanwhile passes to the next waiter.
#[derive(Debug)]
#[must_use = "dropping it leaves the queue"]
pub struct Ticket {
    plan: Arc<Plan>,
    lane: Lane,
    seat: Option<Arc<Seat>>,
    deadline: Instant,
    place: Option<Place>,
}

#[derive(Clone, Copy, Debug)]
struct Place {
    /// Which entry of the plan.
    at: usize,
    number: u64,
}

impl Ticket {
    /// For one who waits in the entry `at` of `plan`, under `number`, for at most `wait`.
    pub(super) fn new(plan: Arc<Plan>, asker: Asker<'_>, (at, number): (usize, u64), wait: Duration) -> Self {
        let seat = asker.seat.cloned();
        Self { plan, lane: asker.lane, seat, deadline: now() + wait, place: Some(Place { at, number }) }
    }

    /// Until when to wait, over all queues. The ticket has no timer: whoever polls it keeps the time, and calls
    /// [`Ticket::give_up`] when it is over.
    pub fn deadline(&self) -> Instant {
        self.deadline
    }

    /// Ready with all slots, or with the refusal of a rule that lets nobody wait. Not to be polled after that.
    pub fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<Guard, Refusal>> {
        while let Some(Place { at, number }) = self.place {
            let watch = self.plan.entries[at].watch(self.asker(), number, cx);
            if let Watch::Waits { replaced } = watch {
                drop(replaced);
                return Poll::Pending;
            }
            self.place = None;
            match self.plan.take(self.asker(), Some(at)) {
                Ok(()) => return Poll::Ready(Ok(Guard::of(self.plan.clone(), self.lane, self.seat.clone()))),
                Err(Blocked::Refused(refusal)) => return Poll::Ready(Err(refusal)),
                Err(Blocked::Waits { at, number, .. }) => self.place = Some(Place { at, number }),
            }
        }
        Poll::Pending
    }

    /// The same as a future; it may be dropped and made anew.
    ///
    /// # Errors
    /// The [`Refusal`] of a rule that lets nobody wait.
    pub async fn granted(&mut self) -> Result<Guard, Refusal> {
        poll_fn(|cx| self.poll(cx)).await
    }

    /// Leaves the queue because the time is over.
    pub fn give_up(mut self) -> Refusal {
        let at = self.place.map_or(0, |place| place.at);
        self.leave();
        self.plan.entries[at].out_of_time(self.lane)
    }

    fn asker(&self) -> Asker<'_> {
        Asker { lane: self.lane, source: self.plan.identity.source, seat: self.seat.as_ref() }
    }

    fn leave(&mut self) {
        if let Some(Place { at, number }) = self.place.take() {
            self.plan.entries[at].leave(self.asker(), number);
        }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.leave();
    }
}
