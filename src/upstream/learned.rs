//! What origins taught us about their idle connections: when they close them, and whether they can be used again at all.
//! Pure: the clock is passed in.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use lru::LruCache;

/// Origins remembered; the one not heard of for longest makes room.
const MOST_ORIGINS: usize = 4096;
/// What an origin taught is forgotten this long after it was last confirmed.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(600);
/// So many failures of reused connections ...
const MOST_FAILURES: usize = 3;
/// ... within this time ...
const FAILURE_WINDOW: Duration = Duration::from_secs(60);
/// ... switch the reuse of an origin's connections off for so long.
const QUARANTINE: Duration = Duration::from_secs(300);
/// An origin that closes sooner than this after a response does not keep connections at all.
const AT_ONCE: Duration = Duration::from_millis(10);
/// So many connections closed at once are a habit: one alone may have been its last for some other reason.
const HABIT: u8 = 3;

/// An idle connection that its origin ended, by FIN, by RST, or by speaking unasked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IdleEnd {
    /// How long it had been idle.
    pub idle: Duration,
    /// Responses it had delivered.
    pub served: u64,
}

/// How long a connection to an origin may be kept, as far as was learned.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Keeping {
    /// As the settings say: nothing is known.
    #[default]
    AsSet,
    /// No longer than this.
    AtMost(Duration),
    /// Not at all.
    Never,
}

/// What came of a failure of a reused connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// It was noted.
    Noted,
    /// It was one too many: reuse is off for a while from now on.
    Quarantined,
}

/// An origin as the API shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OriginView {
    /// Canonical `host:port`.
    pub authority: Arc<str>,
    /// The shortest idle time after which it closed a connection.
    pub closes_after: Option<Duration>,
    /// Reused connections that died unanswered within the last minute.
    pub stale_failures: usize,
    /// For how long its connections are not used again.
    pub quarantined_for: Option<Duration>,
    /// Since it last taught us something.
    pub heard_ago: Duration,
}

/// What was learned of one origin.
#[derive(Debug)]
struct Origin {
    closes_after: Option<Duration>,
    closed_at_once: u8,
    failures: Vec<Instant>,
    quarantined_until: Option<Instant>,
    /// When what is known of its idle time was last confirmed.
    confirmed: Instant,
}

/// What all workers have learned. The lock is taken when an idle connection ends by its origin's doing, when a reused
/// one fails, and when a connection asks for news; [`Learned::generation`] tells it without the lock whether there are any.
#[derive(Debug)]
pub struct Learned {
    generation: AtomicU64,
    origins: Mutex<LruCache<Arc<str>, Origin>>,
}

impl Default for Learned {
    fn default() -> Self {
        Self { generation: AtomicU64::new(0), origins: Mutex::new(LruCache::unbounded()) }
    }
}

impl Learned {
    /// Grows whenever an origin teaches us something new; 0 while nothing is known of any.
    pub fn generation(&self) -> u64 {
        self.generation.load(Relaxed)
    }

    /// How long a connection to `authority` may be kept at `now`.
    pub fn keeping(&self, authority: &str, now: Instant) -> Keeping {
        self.lock().peek(authority).map_or(Keeping::AsSet, |origin| origin.keeping(now))
    }

    /// Notes that `authority` ended an idle connection.
    pub fn idle_ended(&self, authority: &Arc<str>, end: IdleEnd, now: Instant) {
        self.change(authority, now, |origin| origin.idle_ended(end, now));
    }

    /// Notes that a reused connection to `authority` died unanswered, `idle` after its last response.
    pub fn failed(&self, authority: &Arc<str>, idle: Duration, now: Instant) -> Failure {
        self.change(authority, now, |origin| origin.failed(idle, now))
    }

    /// Every origin of which something is known at `now`.
    pub fn snapshot(&self, now: Instant) -> Vec<OriginView> {
        let view = |(authority, origin): (&Arc<str>, &Origin)| origin.view(authority, now);
        self.lock().iter().filter_map(view).collect()
    }

    fn change<T>(&self, authority: &Arc<str>, now: Instant, change: impl FnOnce(&mut Origin) -> T) -> T {
        let mut origins = self.lock();
        let origin = origins.get_or_insert_mut(authority.clone(), || Origin::new(now));
        let before = origin.keeping(now);
        let changed = change(origin);
        if origin.keeping(now) != before {
            self.generation.fetch_add(1, Relaxed);
        }
        if origins.len() > MOST_ORIGINS {
            origins.pop_lru();
        }
        changed
    }

    fn lock(&self) -> MutexGuard<'_, LruCache<Arc<str>, Origin>> {
        self.origins.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Origin {
    fn new(now: Instant) -> Self {
        Self { closes_after: None, closed_at_once: 0, failures: Vec::new(), quarantined_until: None, confirmed: now }
    }

    fn keeping(&self, now: Instant) -> Keeping {
        if self.quarantined_for(now).is_some() {
            return Keeping::Never;
        }
        match self.closes_after.filter(|_| !self.is_forgotten(now)) {
            None => Keeping::AsSet,
            Some(idle) if idle < AT_ONCE => Keeping::Never,
            // Four fifths: the origin's clock began when it sent, and ours when we read.
            Some(idle) => Keeping::AtMost(idle * 4 / 5),
        }
    }

    fn idle_ended(&mut self, end: IdleEnd, now: Instant) {
        self.forget_old(now);
        if end.idle < AT_ONCE {
            // The first response on its connection: an end behind a later one may be a limit of requests.
            if end.served <= 1 {
                self.closed_at_once = self.closed_at_once.saturating_add(1);
            }
            if self.closed_at_once < HABIT {
                return;
            }
        }
        self.learn(end.idle, now);
    }

    fn failed(&mut self, idle: Duration, now: Instant) -> Failure {
        self.forget_old(now);
        // The origin may have closed just as we sent. Sooner than that, it is our use that it does not survive.
        if idle >= AT_ONCE {
            self.learn(idle, now);
        }
        self.failures.retain(|at| now.saturating_duration_since(*at) < FAILURE_WINDOW);
        self.failures.push(now);
        if self.failures.len() < MOST_FAILURES || self.quarantined_for(now).is_some() {
            // More of them come from connections that were on their way already.
            self.failures.truncate(MOST_FAILURES);
            return Failure::Noted;
        }
        self.quarantined_until = Some(now + QUARANTINE);
        Failure::Quarantined
    }

    /// The shortest holds; one about as long confirms it.
    fn learn(&mut self, idle: Duration, now: Instant) {
        match self.closes_after {
            Some(known) if idle > known * 5 / 4 => {}
            Some(known) => (self.closes_after, self.confirmed) = (Some(known.min(idle)), now),
            None => (self.closes_after, self.confirmed) = (Some(idle), now),
        }
    }

    fn forget_old(&mut self, now: Instant) {
        if self.is_forgotten(now) {
            (self.closes_after, self.closed_at_once, self.confirmed) = (None, 0, now);
        }
    }

    fn is_forgotten(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.confirmed) >= FORGOTTEN_AFTER
    }

    fn quarantined_for(&self, now: Instant) -> Option<Duration> {
        self.quarantined_until.map(|until| until.saturating_duration_since(now)).filter(|left| !left.is_zero())
    }

    fn view(&self, authority: &Arc<str>, now: Instant) -> Option<OriginView> {
        let recent = |at: &&Instant| now.saturating_duration_since(**at) < FAILURE_WINDOW;
        let view = OriginView {
            authority: authority.clone(),
            closes_after: self.closes_after.filter(|_| !self.is_forgotten(now)),
            stale_failures: self.failures.iter().filter(recent).count(),
            quarantined_for: self.quarantined_for(now),
            heard_ago: now
                .saturating_duration_since(self.failures.last().map_or(self.confirmed, |at| *at.max(&self.confirmed))),
        };
        let empty = view.closes_after.is_none() && view.stale_failures == 0 && view.quarantined_for.is_none();
        if empty { None } else { Some(view) }
    }
}

#[cfg(test)]
mod tests;
