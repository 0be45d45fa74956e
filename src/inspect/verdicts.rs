//! What services said of bodies they have seen: a body that comes again is not sent to them again.
//!
//! A verdict counts for the service that gave it, the same bytes, what the head says of them, and for as long as the service
//! is in the state it was in: its ISTag (RFC 3507 section 4.7) is compared with what its servers said last.

mod flight;
mod subject;
mod tags;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use lru::LruCache;
use tokio::sync::oneshot;

pub use self::flight::{Flight, Followed, Follower};
use self::flight::{Told, Waiting};
use self::subject::Key;
pub use self::subject::{BodyDigest, BodyHash, Subject};
use self::tags::{TagId, Tags};

/// How long a body counts as clean.
pub const CLEAN_FOR: Duration = Duration::from_hours(1);
/// How long it counts as infected: not so long, as a false alarm is mended sooner than it is found.
pub const INFECTED_FOR: Duration = Duration::from_mins(10);
/// Most verdicts that are kept; beyond that the one not asked for longest goes.
pub const MOST_VERDICTS: usize = 100_000;
/// Parts of the table, so that workers seldom wait for each other.
const SHARDS: usize = 16;

/// What a service said of a body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is to stay as it is.
    Clean,
    /// It must not pass; the name of what was found.
    Infected(Arc<str>),
}

impl Verdict {
    fn lifetime(&self) -> Duration {
        match self {
            Verdict::Clean => CLEAN_FOR,
            Verdict::Infected(_) => INFECTED_FOR,
        }
    }
}

/// Whose verdict it is.
#[derive(Clone, Copy, Debug)]
pub struct GivenBy<'a> {
    /// The server that answered.
    pub server: &'a Arc<str>,
    /// The ISTag of its answer.
    pub tag: Option<&'a str>,
}

/// What becomes of a question.
#[derive(Debug)]
pub enum Lookup {
    /// This is known.
    Hit(Verdict),
    /// Nothing is known, nobody asks: ask the service, and tell the flight.
    Lead(Flight),
    /// The service is being asked about the same body: wait for that, or leave.
    Follow(Follower),
    /// Nothing is kept for this service now: ask it.
    Off,
}

/// How questions were answered, since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct VerdictCounts {
    /// By a verdict that was kept, or that another request got meanwhile.
    pub hit: u64,
    /// By nothing: the service had to be asked.
    pub miss: u64,
    /// By nothing, as nothing is kept for the service.
    pub off: u64,
}

/// The verdicts that are kept. Shared by all threads.
#[derive(Debug)]
pub struct Verdicts {
    tags: Mutex<HashMap<Arc<str>, Tags>>,
    shards: [Mutex<Shard>; SHARDS],
    hit: AtomicU64,
    miss: AtomicU64,
    off: AtomicU64,
}

#[derive(Debug)]
struct Shard {
    kept: LruCache<Key, Kept>,
    /// Who waits for each question that is being asked.
    flights: HashMap<Key, Waiting>,
}

#[derive(Debug)]
struct Kept {
    verdict: Verdict,
    tag: TagId,
    until: Instant,
}

impl Default for Verdicts {
    fn default() -> Self {
        let shard = |_| Mutex::new(Shard { kept: LruCache::unbounded(), flights: HashMap::new() });
        let counter = AtomicU64::default;
        Self {
            tags: Mutex::default(),
            shards: std::array::from_fn(shard),
            hit: counter(),
            miss: counter(),
            off: counter(),
        }
    }
}

impl Verdicts {
    /// Notes what `server` of `service` said its ISTag is, if it said any. To be called for each answer, to OPTIONS too:
    /// a new tag makes what was kept under the old one worthless. More than 10 new tags in 10 minutes, or none at all,
    /// switch the service's part off: such tags say nothing.
    pub fn tagged(&self, service: &Arc<str>, server: &Arc<str>, tag: Option<&str>, now: Instant) {
        lock(&self.tags).entry(service.clone()).or_default().say(server, tag, now);
    }

    /// What is known of a body.
    pub fn look_up(self: &Arc<Self>, subject: &Subject<'_>, now: Instant) -> Lookup {
        if lock(&self.tags).get(&**subject.service).is_some_and(|tags| tags.are_useless(now)) {
            self.off.fetch_add(1, Relaxed);
            return Lookup::Off;
        }
        let key = subject.key();
        let mut shard = self.shard(&key);
        if let Some(verdict) = self.kept(&mut shard, subject, &key, now) {
            self.hit.fetch_add(1, Relaxed);
            return Lookup::Hit(verdict);
        }
        match shard.flights.entry(key) {
            Entry::Occupied(mut waiting) => return Lookup::Follow(flight::follow(self.clone(), waiting.get_mut())),
            Entry::Vacant(nobody) => _ = nobody.insert(Waiting::new()),
        }
        drop(shard);
        self.miss.fetch_add(1, Relaxed);
        Lookup::Lead(Flight::new(self.clone(), subject.service.clone(), key))
    }

    /// Verdicts that are kept, those among them that nobody will get any more.
    pub fn len(&self) -> usize {
        self.shards.iter().map(|shard| lock(shard).kept.len()).sum()
    }

    /// Whether none is kept.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How questions were answered.
    pub fn counts(&self) -> VerdictCounts {
        VerdictCounts { hit: self.hit.load(Relaxed), miss: self.miss.load(Relaxed), off: self.off.load(Relaxed) }
    }

    fn kept(&self, shard: &mut Shard, subject: &Subject<'_>, key: &Key, now: Instant) -> Option<Verdict> {
        let kept = shard.kept.get(key)?;
        let counts = now < kept.until
            && lock(&self.tags).get(&**subject.service).is_some_and(|tags| tags.are_in_force(kept.tag));
        if counts {
            return Some(kept.verdict.clone());
        }
        shard.kept.pop(key);
        None
    }

    /// Keeps a verdict; `None` where the tag it was given under says nothing.
    fn keep(&self, service: &Arc<str>, key: Key, by: GivenBy<'_>, verdict: &Verdict, now: Instant) -> Option<()> {
        let tag = {
            let mut tags = lock(&self.tags);
            let tags = tags.entry(service.clone()).or_default();
            tags.say(by.server, by.tag, now);
            tags.id(by.tag).filter(|_| !tags.are_useless(now))?
        };
        let mut shard = self.shard(&key);
        shard.kept.put(key, Kept { verdict: verdict.clone(), tag, until: now + verdict.lifetime() });
        if shard.kept.len() > MOST_VERDICTS / SHARDS {
            shard.kept.pop_lru();
        }
        Some(())
    }

    /// Those who wait for an answer about `key`, for which nobody asks any more.
    fn end_flight(&self, key: &Key) -> Waiting {
        self.shard(key).flights.remove(key).unwrap_or_default()
    }

    /// Who has waited longest; where nobody does, nobody asks any more either.
    fn next_waiting(&self, key: &Key) -> Option<oneshot::Sender<Told>> {
        let mut shard = self.shard(key);
        let next = shard.flights.get_mut(key)?.pop_front();
        if next.is_none() {
            shard.flights.remove(key);
        }
        next
    }

    fn shard(&self, key: &Key) -> MutexGuard<'_, Shard> {
        lock(&self.shards[key.shard(SHARDS)])
    }
}

fn lock<T>(part: &Mutex<T>) -> MutexGuard<'_, T> {
    part.lock().unwrap_or_else(PoisonError::into_inner)
}
