//! Waiting for slots: a place in the queue of one entry after the other, until all slots are in hand.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use super::guard::Guard;
use super::lane::now;
use super::refusal::Refusal;
use super::waiter::Waiter;

/// A place in a queue. Nothing is held while it waits.
///
/// Dropping it leaves the queue at once; slots that were granted meanwhile pass to the next waiters.
#[derive(Debug)]
#[must_use = "dropping it leaves the queue"]
pub struct Ticket {
    waiter: Arc<Waiter>,
    deadline: Instant,
}

impl Ticket {
    /// For `waiter`, who stands in a queue and waits for at most `wait`.
    pub(super) fn new(waiter: Arc<Waiter>, wait: Duration) -> Self {
        Self { waiter, deadline: now() + wait }
    }

    /// Until when to wait, over all queues. The ticket has no timer: whoever polls it keeps the time, and calls
    /// [`Ticket::give_up`] when it is over.
    pub fn deadline(&self) -> Instant {
        self.deadline
    }

    /// Ready with all slots, or with the refusal of a rule that lets nobody wait. Not to be polled after that.
    pub fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<Guard, Refusal>> {
        let waiter = &self.waiter;
        let guard = |()| Guard::of(waiter.plan().clone(), waiter.lane(), waiter.seat().cloned());
        waiter.poll(cx).map(|answer| answer.map(guard))
    }

    /// The same as a future; it may be dropped and made anew.
    ///
    /// # Errors
    /// The [`Refusal`] of a rule that lets nobody wait.
    pub async fn granted(&mut self) -> Result<Guard, Refusal> {
        poll_fn(|cx| self.poll(cx)).await
    }

    /// Leaves the queue because the time is over.
    pub fn give_up(self) -> Refusal {
        let at = self.waiter.leave();
        self.waiter.plan().entries[at].out_of_time(self.waiter.lane())
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.waiter.leave();
    }
}

#[cfg(test)]
impl Ticket {
    /// The one who waits.
    pub(super) fn waiter(&self) -> &Waiter {
        &self.waiter
    }
}
