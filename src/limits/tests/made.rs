//! Rules, subjects and wakers for the tests.

use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, LazyLock, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use crate::base::authority::Authority;
use crate::limits::Limits;
use crate::limits::guard::{Admit, Guard};
use crate::limits::refusal::{Lane, Refusal};
pub use crate::limits::settings::Per;
use crate::limits::settings::{CountBy, LimitRule, Over, QueueBounds, Rate, RateRule, RuleScope, RuleSet};
use crate::limits::subject::Subject;
use crate::limits::ticket::Ticket;

pub fn scope(name: &str, per: Per) -> RuleScope {
    RuleScope { count_by: CountBy::Host, ..RuleScope::of_all(name, per) }
}

/// So many exchanges and as many streams at once; over that, 429.
pub fn limit(name: &str, per: Per, most: u32) -> LimitRule {
    let (exchanges, streams) = (Some(most), Some(most));
    LimitRule { scope: scope(name, per), exchanges, streams, over: Over::Reject, queue: QueueBounds::default() }
}

/// The same; over that, wait.
pub fn queue(name: &str, per: Per, most: u32) -> LimitRule {
    let queue = QueueBounds { max: 64, wait: Duration::from_secs(60) };
    LimitRule { over: Over::Queue, queue, ..limit(name, per, most) }
}

/// The same; over that, the longest silent stream makes room.
pub fn evict(name: &str, per: Per, most: u32) -> LimitRule {
    LimitRule { over: Over::EvictOldestIdle, ..queue(name, per, most) }
}

/// So many requests in each second, and at once.
pub fn rate(name: &str, per: Per, most: u64) -> Arc<RateRule> {
    let requests = Some(Rate { per_second: most, burst: most });
    Arc::new(RateRule { scope: scope(name, per), requests, bytes: None })
}

pub fn rules(limits: impl IntoIterator<Item = LimitRule>) -> RuleSet {
    RuleSet { limits: limits.into_iter().map(Arc::new).collect(), rates: Vec::new() }
}

pub fn address(last: u8) -> IpAddr {
    [192, 0, 2, last].into()
}

/// The client with that last number, on its way to `host`.
pub fn subject(source: u8, host: &str) -> Subject<'static> {
    Subject::new(address(source), "office", authority(host))
}

/// An authority for good: there are only a few in the tests.
pub fn authority(host: &str) -> &'static Authority {
    static KNOWN: LazyLock<Mutex<Vec<&'static Authority>>> = LazyLock::new(Mutex::default);
    let mut known = KNOWN.lock().expect("nobody panics here");
    let parsed = Authority::parse(host.as_bytes(), Some(80)).expect("authority");
    if let Some(same) = known.iter().find(|one| one.text() == parsed.text()) {
        return same;
    }
    known.push(Box::leak(Box::new(parsed)));
    known[known.len() - 1]
}

#[track_caller]
pub fn granted(admit: Admit) -> Guard {
    match admit {
        Admit::Granted(guard) => guard,
        other => panic!("not granted: {other:?}"),
    }
}

#[track_caller]
pub fn refused(admit: Admit) -> Refusal {
    match admit {
        Admit::Refused(refusal) => refusal,
        other => panic!("not refused: {other:?}"),
    }
}

#[track_caller]
pub fn waits(admit: Admit) -> Ticket {
    match admit {
        Admit::Wait(ticket) => ticket,
        other => panic!("does not wait: {other:?}"),
    }
}

/// Asks for an exchange of the client `source` to `host`.
pub fn ask(limits: &Arc<Limits>, source: u8, host: &str) -> Admit {
    limits.admit(&limits.plan(&subject(source, host), None), Lane::Exchange, None)
}

pub fn poll(ticket: &mut Ticket) -> Poll<Result<Guard, Refusal>> {
    ticket.poll(&mut Context::from_waker(Waker::noop()))
}

/// Whether the ticket has its guard now; the guard.
#[track_caller]
pub fn ready(ticket: &mut Ticket) -> Guard {
    match poll(ticket) {
        Poll::Ready(Ok(guard)) => guard,
        other => panic!("no guard: {other:?}"),
    }
}

/// The exchanges in use under each rule, by its name.
pub fn in_use(limits: &Limits) -> Vec<(&'static str, u32)> {
    const NAMES: [&str; 6] = ["last", "narrow", "wide", "first", "second", "one"];
    let name = |rule: &str| NAMES.iter().find(|name| **name == rule).copied().expect("a known name");
    let mut all: Vec<_> = limits.usage().iter().map(|entry| (name(&entry.rule), entry.exchanges.in_use)).collect();
    all.sort_unstable();
    all
}

/// Counts how often it is woken.
#[derive(Debug, Default)]
pub struct Bell(AtomicUsize);

impl Bell {
    pub fn rung(&self) -> usize {
        self.0.load(SeqCst)
    }
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, SeqCst);
    }
}
