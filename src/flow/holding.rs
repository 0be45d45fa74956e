//! What one client connection holds of the limits: the slot of its exchange, and that of the stream it may have become.

mod pace;

use std::cell::{Cell, RefCell};
use std::net::IpAddr;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::Instant;

pub use self::pace::Pace;
use super::ledger::Ledger;
use super::services::Services;
use crate::base::authority::Authority;
use crate::base::reason::Reason;
use crate::limits::guard::{Admit, Guard};
use crate::limits::overload::Level;
use crate::limits::plan::Plan;
use crate::limits::rates::RatePlan;
use crate::limits::refusal::{Lane, Refusal};
use crate::limits::seat::Seat;
use crate::limits::settings::Per;
use crate::limits::sources::Present;
use crate::limits::subject::{Bound, Subject};
use crate::limits::ticket::Ticket;
use crate::observe::record::Limited;
use crate::tether::tie::Tether;

/// How long a stream that is to go may finish the event it is in.
const LAST_WORDS: Duration = Duration::from_millis(250);

/// Whether bytes of an event are still on their way to the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// Everything that came has gone out.
    Between,
    /// Something waits to be sent.
    Within,
}

/// The limits' view of one client connection. Dropped with it, and every slot with that.
pub struct Holding<'a> {
    services: &'a Services,
    tether: &'a Tether,
    ledger: &'a Ledger<'a>,
    present: Present,
    bound: Cell<Bound>,
    state: RefCell<Box<State>>,
}

#[derive(Default)]
struct State {
    planned: Option<Planned>,
    exchange: Option<Guard>,
    /// What the address dialled is counted in, beyond the rest.
    dialled: Option<Guard>,
    /// What a stream is counted in once the address is known, where rules go by it.
    whole_plan: Option<Arc<Plan>>,
    stream: Stream,
    watch: Option<Watch>,
}

/// What requests to one destination are counted in.
struct Planned {
    authority: Arc<Authority>,
    plan: Arc<Plan>,
    rates: Arc<RatePlan>,
    /// With the address dialled, where rules go by it.
    counts_addresses: bool,
}

/// Whether the exchange is a stream.
#[derive(Default)]
enum Stream {
    #[default]
    No,
    /// It is one, and waits for its slot while it goes on.
    Waiting(Ticket, Arc<Seat>),
    /// It has its slot.
    Held { _guard: Guard, seat: Arc<Seat>, leaves_by: Option<Instant> },
}

/// A look at how fast an exchange moves.
#[derive(Clone, Copy)]
struct Watch {
    since: Instant,
    bytes: u64,
}

impl<'a> Holding<'a> {
    /// Nothing is held yet.
    pub fn new(services: &'a Services, tether: &'a Tether, ledger: &'a Ledger<'a>, present: Present) -> Self {
        Self { services, tether, ledger, present, bound: Cell::default(), state: RefCell::default() }
    }

    /// The account of the connection's exchanges.
    pub fn ledger(&self) -> &'a Ledger<'a> {
        self.ledger
    }

    /// What ties the work to the client.
    pub fn tether(&self) -> &'a Tether {
        self.tether
    }

    /// Says which rules speak of the requests to come.
    pub fn set_bound(&self, bound: Bound) {
        if self.bound.replace(bound) != bound {
            self.state.borrow_mut().planned = None;
        }
    }

    /// Gives back what the exchange held.
    pub fn release(&self) {
        let mut state = self.state.borrow_mut();
        (state.exchange, state.dialled, state.whole_plan) = (None, None, None);
        state.stream = Stream::No;
        self.tether.row().stream_ended();
        state.watch = None;
    }

    /// Judges a request to `authority` by rates and limits, and takes its slot.
    ///
    /// # Errors
    /// The [`Reason`] to refuse it, noted with its rule.
    pub fn admit(&self, authority: &Arc<Authority>, began: Instant) -> Result<Option<Ticket>, Reason> {
        if self.services.overload.level() == Level::RefuseSources && self.present.connections() == 1 {
            self.services.overload.count(Level::RefuseSources, 1);
            return Err(Reason::Overloaded);
        }
        let plan = self.plan(authority)?;
        self.watch_from(began, 0);
        self.take(&plan, Holding::keep_exchange)
    }

    /// Takes the slots of `plan` for an exchange and gives them to `keep`, or says what to wait for.
    fn take(&self, plan: &Arc<Plan>, keep: fn(&Self, Guard)) -> Result<Option<Ticket>, Reason> {
        match self.services.limits.admit(plan, Lane::Exchange, None) {
            Admit::Granted(guard) => {
                keep(self, guard);
                Ok(None)
            }
            Admit::Refused(refusal) => Err(self.refused(&refusal)),
            Admit::Wait(ticket) => Ok(Some(ticket)),
        }
    }

    /// Looks at the pace of the exchange from `since` on, when `bytes` had moved.
    fn watch_from(&self, since: Instant, bytes: u64) {
        self.state.borrow_mut().watch = Some(Watch { since, bytes });
        self.tether.attend(since + self.services.tuning.limits.stream_after);
    }

    /// Keeps the slot that a ticket was given.
    pub fn keep_exchange(&self, guard: Guard) {
        self.state.borrow_mut().exchange = Some(guard);
    }

    /// Whether rules go by the address that is dialled.
    pub fn counts_addresses(&self) -> bool {
        self.state.borrow().planned.as_ref().is_some_and(|planned| planned.counts_addresses)
    }

    /// Judges the connection to `address` by the rules that go by it, and takes their slots.
    ///
    /// # Errors
    /// The [`Reason`] to refuse the request, noted with its rule.
    pub fn admit_address(&self, address: IpAddr) -> Result<Option<Ticket>, Reason> {
        let state = self.state.borrow();
        let Some(planned) = &state.planned else { return Ok(None) };
        let row = self.tether.row();
        let subject = Subject::new(self.present.source(), row.listener(), &planned.authority);
        let subject = subject.bound(self.bound.get()).dialled(address);
        let Some(plan) = self.services.limits.plan_dialled(&subject, &planned.plan) else { return Ok(None) };
        let whole_plan = self.services.limits.plan(&subject, Some(&planned.plan));
        drop(state);
        self.state.borrow_mut().whole_plan = Some(whole_plan);
        self.take(&plan, Holding::keep_address)
    }

    /// Keeps the slot of the address dialled that a ticket was given.
    pub fn keep_address(&self, guard: Guard) {
        self.state.borrow_mut().dialled = Some(guard);
    }

    /// The plan for `authority`: the one of the request before where nothing has changed.
    fn plan(&self, authority: &Arc<Authority>) -> Result<Arc<Plan>, Reason> {
        let mut state = self.state.borrow_mut();
        let limits = &self.services.limits;
        let known = state
            .planned
            .as_ref()
            .filter(|planned| Arc::ptr_eq(&planned.authority, authority) && limits.is_current(&planned.plan));
        if known.is_none() {
            let row = self.tether.row();
            let subject = Subject::new(self.present.source(), row.listener(), authority).bound(self.bound.get());
            let plan = limits.plan(&subject, state.planned.as_ref().map(|planned| &planned.plan));
            let rates = limits.rate_plan(&subject, state.planned.as_ref().map(|planned| &planned.rates));
            let (authority, counts_addresses) = (authority.clone(), limits.counts_addresses());
            state.planned = Some(Planned { authority, plan, rates, counts_addresses });
        }
        let Some(planned) = &state.planned else { return Err(Reason::ProxyLimit) };
        if !planned.rates.is_empty()
            && let Err(refusal) = planned.rates.take_request(std::time::Instant::now())
        {
            let reason = rate_reason(refusal.rule.scope.per);
            drop(state);
            return Err(self.note(reason, &refusal.rule.scope.name, refusal.retry_after));
        }
        Ok(planned.plan.clone())
    }

    /// The exchange is a push stream by its own account: takes the slot of a stream.
    ///
    /// # Errors
    /// The [`Reason`] to refuse it.
    pub fn admit_stream(&self) -> Result<(), Reason> {
        let mut state = self.state.borrow_mut();
        if !matches!(state.stream, Stream::No) {
            return Ok(());
        }
        let planned = state.planned.as_ref().map(|planned| &planned.plan);
        let Some(plan) = state.whole_plan.as_ref().or(planned).cloned() else { return Ok(()) };
        if self.services.overload.level() >= Level::RefuseStreams {
            self.services.overload.count(Level::RefuseStreams, 1);
            return Err(Reason::Overloaded);
        }
        let row = self.tether.row();
        let seat = Seat::new(row.clone());
        match self.services.limits.admit(&plan, Lane::Stream, Some(&seat)) {
            Admit::Granted(guard) => state.stream = Stream::Held { _guard: guard, seat, leaves_by: None },
            Admit::Wait(ticket) => state.stream = Stream::Waiting(ticket, seat),
            Admit::Refused(refusal) => {
                drop(state);
                return Err(self.refused(&refusal));
            }
        }
        state.watch = None;
        row.stream_began();
        Ok(())
    }

    /// The answer is no push stream after all.
    pub fn release_stream(&self, began: Instant) {
        self.state.borrow_mut().stream = Stream::No;
        self.tether.row().stream_ended();
        self.watch_from(began, 0);
    }

    /// Until when a stream still waits for its slot; `None` when it does not.
    pub fn waits_until(&self) -> Option<Instant> {
        match &self.state.borrow().stream {
            Stream::Waiting(ticket, _) => Some(ticket.deadline().into()),
            _ => None,
        }
    }

    /// Looks after the exchange: whether it has become a stream, has its slot, or must make room for another. Cheap to
    /// call with every poll.
    ///
    /// # Errors
    /// The [`Reason`] to end it.
    pub fn poll(&self, event: Event, cx: &mut Context<'_>) -> Result<(), Reason> {
        let attended = self.tether.was_attended();
        let mut state = self.state.borrow_mut();
        match &mut state.stream {
            Stream::No if !attended => Ok(()),
            Stream::No => {
                drop(state);
                self.judge_pace()?;
                self.poll_new_stream(event, cx)
            }
            Stream::Waiting(ticket, _) => {
                let polled = ticket.poll(cx);
                let deadline = ticket.deadline();
                if polled.is_pending() && std::time::Instant::now() < deadline {
                    self.tether.attend(deadline.into());
                    return Ok(());
                }
                let waited = std::mem::take(&mut state.stream);
                drop(state);
                self.end_wait(waited, polled)?;
                self.poll_new_stream(event, cx)
            }
            Stream::Held { seat, leaves_by, .. } => {
                if !seat.poll_evicted(cx).is_ready() {
                    return Ok(());
                }
                let now = Instant::now();
                let by = *leaves_by.get_or_insert(now + LAST_WORDS);
                if event == Event::Between || now >= by {
                    let rule = seat.evicted_by().cloned();
                    let limit = rule.map(|rule| Limited { rule, retry_after: 0 });
                    self.ledger.note(|record| record.limit = limit);
                    return Err(Reason::StreamEvicted);
                }
                self.tether.attend(by);
                Ok(())
            }
        }
    }

    /// What has just become a stream, or got its slot, is to be woken for other things from now on.
    fn poll_new_stream(&self, event: Event, cx: &mut Context<'_>) -> Result<(), Reason> {
        let is_stream = !matches!(self.state.borrow().stream, Stream::No);
        if is_stream { self.poll(event, cx) } else { Ok(()) }
    }

    /// The wait of a stream is over: it has its slot, or it will not get one.
    fn end_wait(&self, waited: Stream, polled: Poll<Result<Guard, Refusal>>) -> Result<(), Reason> {
        let Stream::Waiting(ticket, seat) = waited else { return Ok(()) };
        let done = match polled {
            Poll::Ready(done) => done,
            Poll::Pending => Err(ticket.give_up()),
        };
        match done {
            Ok(guard) => {
                self.state.borrow_mut().stream = Stream::Held { _guard: guard, seat, leaves_by: None };
                Ok(())
            }
            Err(refusal) => Err(self.refused(&refusal)),
        }
    }

    /// Whether the exchange has been so slow for so long that it is a stream.
    fn judge_pace(&self) -> Result<(), Reason> {
        let settings = &self.services.tuning.limits;
        let Some(watch) = self.state.borrow().watch else { return Ok(()) };
        let now = Instant::now();
        let due = watch.since + settings.stream_after;
        if now < due {
            self.tether.attend(due);
            return Ok(());
        }
        let (from_client, to_client) = self.tether.row().bytes();
        let bytes = from_client + to_client;
        let elapsed = now.saturating_duration_since(watch.since).as_millis() as u64;
        if (bytes.saturating_sub(watch.bytes)).saturating_mul(1000) < settings.stream_rate.saturating_mul(elapsed) {
            return self.admit_stream();
        }
        self.watch_from(now, bytes);
        Ok(())
    }

    /// Notes the rule that was met, for the page and the log; gives the reason.
    pub fn refused(&self, refusal: &Refusal) -> Reason {
        let scope = &refusal.rule.scope;
        self.note(limit_reason(scope.per), &scope.name, refusal.retry_after)
    }

    fn note(&self, reason: Reason, rule: &Arc<str>, retry_after: Duration) -> Reason {
        let retry_after = retry_after.as_secs() + u64::from(retry_after.subsec_nanos() > 0);
        self.ledger.note(|record| record.limit = Some(Limited { rule: rule.clone(), retry_after }));
        reason
    }
}

/// The reason once the answer has begun, when no other answer can be given.
pub fn in_answer(reason: Reason) -> Reason {
    if reason.status().is_some() { Reason::StreamLimit } else { reason }
}

/// Who is told that it holds too much: the one client, or everybody who asks for what is full.
fn limit_reason(per: Per) -> Reason {
    match per {
        Per::Source | Per::Prefix => Reason::SourceLimit,
        Per::Pair => Reason::PairLimit,
        Per::Destination => Reason::DestinationLimit,
        Per::Listener | Per::Global => Reason::ProxyLimit,
    }
}

fn rate_reason(per: Per) -> Reason {
    match per {
        Per::Source | Per::Prefix | Per::Pair => Reason::SourceRate,
        Per::Destination | Per::Listener | Per::Global => Reason::DestinationRate,
    }
}
