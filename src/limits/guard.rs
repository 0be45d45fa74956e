//! Slots in hand: the guard that gives them back.

use std::sync::Arc;

use super::entry::Asker;
use super::plan::Plan;
use super::refusal::{Lane, Refusal};
use super::seat::Seat;
use super::ticket::Ticket;

/// The answer to one who asks for slots.
#[derive(Debug)]
#[must_use = "dropping it gives the slots back"]
pub enum Admit {
    /// All slots are taken.
    Granted(Guard),
    /// None is.
    Refused(Refusal),
    /// None is yet.
    Wait(Ticket),
}

/// One slot of every entry of a plan. Dropping it, in whatever thread, gives them back and hands them on to waiters.
#[derive(Debug)]
#[must_use = "dropping it gives the slots back"]
pub struct Guard {
    plan: Arc<Plan>,
    lane: Lane,
    seat: Option<Arc<Seat>>,
}

impl Guard {
    /// For slots that are taken already.
    pub(super) fn of(plan: Arc<Plan>, lane: Lane, seat: Option<Arc<Seat>>) -> Self {
        Self { plan, lane, seat }
    }

    /// Which slots these are.
    pub fn lane(&self) -> Lane {
        self.lane
    }

    /// The plan that they were taken by.
    pub fn plan(&self) -> &Arc<Plan> {
        &self.plan
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        let asker = Asker { plan: &self.plan, lane: self.lane, seat: self.seat.as_ref(), waiter: None };
        self.plan.give_back(asker);
    }
}
