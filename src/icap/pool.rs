//! The connections to one server: never more than it allows, idle ones included, whoever asks on whatever thread.

mod link;
mod queue;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, ThreadId};
use std::time::Duration;

use tokio::time::{Instant, timeout_at};

pub use self::link::{Link, Seat};
use self::queue::{Place, Queue};
use super::error::ErrorKind;
use crate::net::socket::Idle;

/// How long an idle connection is kept while nothing else is known.
const KEPT_AT_FIRST: Duration = Duration::from_secs(30);
/// However soon a server closes, an idle connection is tried for this long.
const KEPT_AT_LEAST: Duration = Duration::from_secs(2);
/// Most requests on one connection.
const MOST_REQUESTS: u32 = 100;
/// After a transaction that was given up, the server may still be busy with it for about this long: it has not seen yet that
/// the connection is reset. At most half of its connections are left alone for that: nobody waits for work because of those
/// who left, and what a server may have too much then stands in its backlog for a moment.
const COOLING: Duration = Duration::from_secs(1);
/// Successes after which one more connection is tried, once the server had too much to do.
const SUCCESSES_PER_STEP: u32 = 10;

#[derive(Debug)]
struct Kept {
    link: Link,
    since: Instant,
    /// The thread whose event loop the socket belongs to.
    home: ThreadId,
}

/// Whether connections are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Keeping {
    /// They are.
    On,
    /// Nobody will ask for them again.
    Over,
}

#[derive(Debug)]
struct State {
    /// What the server said it takes.
    told: Option<u32>,
    /// What it has proven to take since it last had too much to do.
    window: u32,
    successes: u32,
    used: u32,
    queue: Queue,
    cooling: Vec<Instant>,
    idle: Vec<Kept>,
    keep: Duration,
    keeping: Keeping,
}

/// The connections to one server.
#[derive(Debug)]
pub struct Pool {
    ceiling: u32,
    state: Mutex<State>,
}

/// What is given to who asks for a connection.
#[derive(Debug)]
pub enum Taken {
    /// One that was idle.
    Idle(Link),
    /// Leave to make one.
    Seat(Seat),
}

/// Which connections will do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// Any.
    Any,
    /// One that nothing was asked on.
    New,
}

/// How many connections there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PoolUsage {
    /// Open or being made, idle ones included.
    pub open: u32,
    /// Idle.
    pub idle: u32,
    /// Most there may be now.
    pub limit: u32,
    /// Waiting for one.
    pub waiting: u32,
}

enum Tried {
    Taken(Taken),
    /// What was dropped has to be dropped first.
    Again(Vec<Kept>),
    Wait(Option<Instant>),
}

impl Pool {
    /// An empty one, of at most `ceiling` connections and at least one.
    pub fn new(ceiling: u32) -> Arc<Self> {
        let state = State {
            told: None,
            window: u32::MAX,
            successes: 0,
            used: 0,
            queue: Queue::default(),
            cooling: Vec::new(),
            idle: Vec::new(),
            keep: KEPT_AT_FIRST,
            keeping: Keeping::On,
        };
        Arc::new(Self { ceiling: ceiling.max(1), state: Mutex::new(state) })
    }

    /// An idle connection, or leave to make one; who comes while others wait waits behind them. Dropping the future leaves
    /// the queue.
    ///
    /// # Errors
    /// [`ErrorKind::Busy`] when none becomes free within `limit`, or too many wait.
    pub async fn take(self: &Arc<Self>, wanted: Wanted, limit: Duration) -> Result<Taken, ErrorKind> {
        let deadline = Instant::now() + limit;
        let mut place = None;
        loop {
            let until = match self.try_take(wanted, place.as_ref(), Instant::now()) {
                Tried::Taken(taken) => return Ok(taken),
                Tried::Again(dropped) => {
                    drop(dropped);
                    continue;
                }
                Tried::Wait(cooled) => cooled.map_or(deadline, |cooled| cooled.min(deadline)),
            };
            let Some(queued) = &place else {
                // What became free before that has called nobody.
                place = Some(Place::queue(self)?);
                continue;
            };
            // A place that has cooled down calls nobody: its time does.
            let called = timeout_at(until, queued.called()).await;
            if called.is_err() && Instant::now() >= deadline {
                return Err(ErrorKind::Busy);
            }
        }
    }

    fn try_take(self: &Arc<Self>, wanted: Wanted, place: Option<&Place<'_>>, now: Instant) -> Tried {
        let mut state = self.lock();
        if !state.queue.lets(place) {
            return Tried::Wait(None);
        }
        let mut dropped = Vec::new();
        if wanted == Wanted::Any
            && let Some(link) = state.pop_idle(now, &mut dropped)
        {
            // Those that were found dead are dropped with the list, which needs the lock.
            drop(state);
            drop(dropped);
            return Tried::Taken(Taken::Idle(link));
        }
        if !dropped.is_empty() {
            return Tried::Again(dropped);
        }
        state.cooling.retain(|until| *until > now);
        let limit = state.limit(self.ceiling);
        if state.used + (state.cooling.len() as u32).min(limit / 2) < limit {
            state.used += 1;
            return Tried::Taken(Taken::Seat(Seat::new(self.clone())));
        }
        if !state.idle.is_empty() {
            // Another thread's, or not what is wanted: its place is worth more than the connection.
            return Tried::Again(vec![state.idle.remove(0)]);
        }
        Tried::Wait(state.cooling.iter().min().copied())
    }

    /// Keeps a connection that can carry another request.
    pub fn put_back(&self, link: Link) {
        if link.carried() >= MOST_REQUESTS {
            return drop(link);
        }
        let kept = Kept { link, since: Instant::now(), home: thread::current().id() };
        let mut state = self.lock();
        if state.keeping == Keeping::Over {
            drop(state);
            return drop(kept);
        }
        state.idle.push(kept);
        state.queue.call_first();
    }

    /// Closes what is idle, and from now on what comes back: a kept connection refers to its pool, which would keep both
    /// of them for ever.
    pub fn retire(&self) {
        let idle = {
            let mut state = self.lock();
            state.keeping = Keeping::Over;
            std::mem::take(&mut state.idle)
        };
        drop(idle);
    }

    /// Closes what has been idle for too long. To be called every second or so where nobody else asks.
    pub fn tidy(&self) {
        let now = Instant::now();
        let old = {
            let mut state = self.lock();
            let keep = state.keep;
            let (old, young) = std::mem::take(&mut state.idle).into_iter().partition(|kept| kept.since + keep <= now);
            state.idle = young;
            let old: Vec<Kept> = old;
            old
        };
        drop(old);
    }

    /// Notes how many connections the server says it takes.
    pub fn told(&self, most: Option<u32>) {
        self.lock().told = most;
    }

    /// Notes that a connection was closed by the server while it was idle.
    pub fn lost_idle(&self) {
        self.lock().learn_shorter();
    }

    /// Notes that the server had too much to do: half as many are tried from now on.
    pub fn overloaded(&self) {
        let mut state = self.lock();
        state.window = (state.used.min(state.limit(self.ceiling)) / 2).max(1);
        state.successes = 0;
    }

    /// Notes that the server did what it was asked to.
    pub fn succeeded(&self) {
        let mut state = self.lock();
        if state.window == u32::MAX {
            return;
        }
        state.successes += 1;
        if state.successes >= SUCCESSES_PER_STEP {
            state.successes = 0;
            state.window = if state.window >= self.ceiling { u32::MAX } else { state.window + 1 };
        }
    }

    /// How many connections there are.
    pub fn usage(&self) -> PoolUsage {
        let state = self.lock();
        PoolUsage {
            open: state.used,
            idle: state.idle.len() as u32,
            limit: state.limit(self.ceiling),
            waiting: state.queue.len() as u32,
        }
    }

    fn free(&self, end: link::SeatEnd) {
        let mut state = self.lock();
        state.used -= 1;
        if end == link::SeatEnd::Cooling {
            state.cooling.push(Instant::now() + COOLING);
            let over = state.cooling.len().saturating_sub(self.ceiling as usize / 2);
            state.cooling.drain(..over);
        }
        state.queue.call_first();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn limit(&self, ceiling: u32) -> u32 {
        ceiling.min(self.told.unwrap_or(u32::MAX)).min(self.window).max(1)
    }

    /// The idle connection of this thread that was used last; those found dead go to `dropped`.
    fn pop_idle(&mut self, now: Instant, dropped: &mut Vec<Kept>) -> Option<Link> {
        let here = thread::current().id();
        while let Some(at) = self.idle.iter().rposition(|kept| kept.home == here) {
            let mut kept = self.idle.remove(at);
            let seen = kept.link.wire().look();
            if seen == Idle::Quiet && kept.since + self.keep > now {
                return Some(kept.link);
            }
            if matches!(seen, Idle::Fin | Idle::Reset) {
                self.learn_shorter();
            }
            dropped.push(kept);
        }
        None
    }

    fn learn_shorter(&mut self) {
        self.keep = (self.keep / 2).max(KEPT_AT_LEAST);
    }
}

#[cfg(test)]
mod tests;
