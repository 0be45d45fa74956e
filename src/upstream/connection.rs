//! A connection to an origin with its history, and the one rule for which request may go out on it.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::learned::{Failure, IdleEnd, Keeping, Learned};
use super::settings::DestinationRule;
use super::socket::{OnDrop, UpstreamSocket};
use crate::base::authority::Authority;
use crate::net::socket::{Idle, look, set_unacknowledged_limit};
use crate::observe::ends::{EndRing, KeptEnd, Manner, Reused};

/// A request on a kept connection that is not even acknowledged for this long has gone nowhere. Longer than any outage
/// worth waiting for: the request goes out again on a fresh connection.
const UNACKNOWLEDGED: Duration = Duration::from_secs(5);
/// A request that must not be lost goes out on a connection that proved itself this recently, or on a fresh one.
const JUST_PROVEN: Duration = Duration::from_secs(1);
/// Idle for less than this, a connection is as the event loop saw it last; the kernel is asked about older ones.
const STILL_WATCHED: Duration = Duration::from_millis(20);

/// What a request asks of a connection that has been used or idle before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wants {
    /// One that seems alive: should it be dead, the request is sent again unseen.
    Alive,
    /// One that is proven to survive its reuse: the request cannot be sent twice.
    Proven,
}

/// What a connection is to a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fitness {
    /// It may go out on it.
    Fit,
    /// Not this request; another, perhaps.
    Unfit,
    /// The connection is closed, dirty or too old: no request may.
    Dead,
}

/// What an answer said about the connection it came on.
#[derive(Clone, Copy, Debug, Default)]
pub struct Promise {
    /// `Keep-Alive: timeout=`, in seconds.
    pub idle_seconds: Option<u64>,
    /// `Keep-Alive: max=`.
    pub requests_left: Option<u64>,
}

/// A connection to an origin. Dropping it ends it, as its socket says.
#[derive(Debug)]
pub struct Upstream {
    /// The connection.
    pub socket: UpstreamSocket,
    authority: Arc<Authority>,
    /// Responses delivered whole.
    served: u64,
    /// Requests it may still carry, as the origin says.
    left: u64,
    /// It speaks for one client (NTLM, Negotiate).
    bound: bool,
    idle_since: Instant,
    expires: Instant,
    keeping: Keeping,
    /// What we send must be acknowledged soon: it may lead nowhere by now.
    guarded: bool,
    /// The exchange that used it last.
    last_exchange: (u64, u32),
    /// Which news of the origin `keeping` holds; 0 for none.
    generation: u64,
}

/// Where the ends of idle connections are told: to what is learned of origins, and to whoever asks later.
#[derive(Clone, Debug)]
pub struct IdleNews {
    /// What origins taught all workers.
    pub learned: Arc<Learned>,
    /// The last ends of this worker.
    pub ends: Arc<EndRing>,
}

impl Upstream {
    /// A connection just made to `authority`.
    pub fn fresh(socket: UpstreamSocket, authority: Arc<Authority>, now: Instant) -> Self {
        let (keeping, generation) = (Keeping::AsSet, 0);
        let (idle_since, expires) = (now, now);
        Self {
            socket,
            authority,
            served: 0,
            left: u64::MAX,
            bound: false,
            idle_since,
            expires,
            keeping,
            guarded: false,
            last_exchange: (0, 0),
            generation,
        }
    }

    /// Whose it is.
    pub fn authority(&self) -> &Arc<Authority> {
        &self.authority
    }

    /// Whether it has served a request before.
    pub fn is_used(&self) -> bool {
        self.served > 0
    }

    /// Whether it speaks for one client and is nobody else's to use.
    pub fn is_bound(&self) -> bool {
        self.bound
    }

    /// Since when it idles.
    pub fn idle_since(&self) -> Instant {
        self.idle_since
    }

    /// When its time is over.
    pub fn expires(&self) -> Instant {
        self.expires
    }

    /// From now on it speaks for the client that uses it.
    pub fn bind(&mut self) {
        self.bound = true;
    }

    /// Lays the connection aside at `now` for at most `setting`; false when it is not to be kept at all.
    pub fn lay_aside(&mut self, setting: Duration, promise: Promise, learned: &Learned, now: Instant) -> bool {
        self.refresh(learned, now);
        self.socket.set_on_drop(OnDrop::Close);
        if !self.guarded {
            set_unacknowledged_limit(self.socket.stream(), Some(UNACKNOWLEDGED));
            self.guarded = true;
        }
        let keep = keep_for(setting, promise.idle_seconds, self.keeping);
        (self.idle_since, self.expires) = (now, now + keep.unwrap_or_default());
        keep.is_some()
    }

    /// Notes a response delivered whole; false when the connection has served its time.
    pub fn has_served(&mut self, promise: Promise, rule: Option<&DestinationRule>) -> bool {
        self.served += 1;
        self.left = self.left.saturating_sub(1).min(promise.requests_left.unwrap_or(u64::MAX));
        let most = rule.and_then(|rule| rule.max_requests).unwrap_or(u64::MAX);
        self.left > 0 && self.served < most
    }

    /// The rule: which request may go out on a connection that lies aside.
    ///
    /// None on one that its origin has closed or spoken on (RFC 9112 section 9.3), or that is out of time. A request that
    /// can be sent again goes on any other: should it be dead all the same, nobody will know. A request that cannot
    /// (POST, a body too long to hold) goes only on one that is proven: it has answered a request on reuse before, so
    /// the origin does not die of that; its last response ended less than a second ago; and the kernel has just said
    /// that it is quiet. A connection that speaks for its client need not have been reused: elsewhere the request would
    /// have no identity.
    pub fn fitness(&mut self, wants: Wants, news: &IdleNews, now: Instant) -> Fitness {
        self.refresh(&news.learned, now);
        let idle = now.saturating_duration_since(self.idle_since);
        if now >= self.expires {
            return Fitness::Dead;
        }
        if wants == Wants::Proven && !((self.served >= 2 || self.bound) && idle < JUST_PROVEN) {
            return Fitness::Unfit;
        }
        let seen_just_now = wants == Wants::Alive && idle < STILL_WATCHED;
        if seen_just_now {
            return Fitness::Fit;
        }
        match look(self.socket.stream()) {
            Idle::Quiet => Fitness::Fit,
            seen => {
                self.was_ended(seen, news, now);
                Fitness::Dead
            }
        }
    }

    /// Notes that the origin ended this connection while it was idle, as was `seen`.
    pub fn was_ended(&self, seen: Idle, news: &IdleNews, now: Instant) {
        let idle = now.saturating_duration_since(self.idle_since);
        news.learned.idle_ended(self.authority.text(), IdleEnd { idle, served: self.served }, now.into_std());
        self.socket.counters().upstream_idle_ended.add(1);
        let manner = match seen {
            Idle::Reset => Manner::Reset,
            Idle::Spoken => Manner::Protocol,
            Idle::Fin | Idle::Quiet => Manner::Fin,
        };
        let (connection, number) = self.last_exchange;
        let (authority, at) = (self.authority.text().clone(), now.into_std());
        news.ends.kept(KeptEnd { authority, at, idle, manner, served: self.served, connection, number });
    }

    /// What is sent from now on may wait for an origin that does not read: uploads, tunnels.
    pub fn unguard(&mut self) {
        if std::mem::take(&mut self.guarded) {
            set_unacknowledged_limit(self.socket.stream(), None);
        }
    }

    /// Requests it has served, and how long it has been idle by `now`.
    pub fn history(&self, now: Instant) -> Reused {
        Reused { served: self.served, idle: now.saturating_duration_since(self.idle_since) }
    }

    /// Notes which exchange uses it: the id of the client's connection, and the number of the exchange on it.
    pub fn used_by(&mut self, exchange: (u64, u32)) {
        self.last_exchange = exchange;
    }

    /// Notes that this connection, sent a request at `sent` after it had been idle, died unanswered.
    pub fn has_failed(&self, learned: &Learned, sent: Instant) {
        let idle = sent.saturating_duration_since(self.idle_since);
        let counters = self.socket.counters();
        counters.stale_failures.add(1);
        if learned.failed(self.authority.text(), idle, Instant::now().into_std()) == Failure::Quarantined {
            counters.quarantines.add(1);
        }
    }

    /// Takes in what was learned of the origin since last time; without news this is one load.
    fn refresh(&mut self, learned: &Learned, now: Instant) {
        let generation = learned.generation();
        if generation == self.generation {
            return;
        }
        self.generation = generation;
        self.keeping = learned.keeping(self.authority.text(), now.into_std());
        self.expires = match self.keeping {
            Keeping::AsSet => self.expires,
            Keeping::AtMost(idle) => self.expires.min(self.idle_since + idle),
            Keeping::Never => self.idle_since,
        };
    }
}

/// How long a connection may be kept after a response: our setting, or a second less than the origin promises
/// (`Keep-Alive: timeout`, where 2 s and less are not worth the race), or what was learned; the shortest holds.
fn keep_for(setting: Duration, origin_seconds: Option<u64>, keeping: Keeping) -> Option<Duration> {
    let promised = match origin_seconds {
        None => setting,
        Some(0..=2) => return None,
        Some(seconds) => setting.min(Duration::from_secs(seconds - 1)),
    };
    match keeping {
        Keeping::AsSet => Some(promised),
        Keeping::AtMost(idle) => Some(promised.min(idle)),
        Keeping::Never => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shortest_idle_time_holds() {
        let seconds = Duration::from_secs;
        let setting = seconds(30);
        for (promised, keeping, kept) in [
            (None, Keeping::AsSet, Some(setting)),
            (Some(5), Keeping::AsSet, Some(seconds(4))),
            (Some(300), Keeping::AsSet, Some(setting)),
            (Some(2), Keeping::AsSet, None),
            (None, Keeping::AtMost(seconds(8)), Some(seconds(8))),
            (Some(5), Keeping::AtMost(seconds(8)), Some(seconds(4))),
            (None, Keeping::AtMost(seconds(60)), Some(setting)),
            (Some(300), Keeping::Never, None),
        ] {
            assert_eq!(keep_for(setting, promised, keeping), kept, "{promised:?} {keeping:?}");
        }
    }
}
