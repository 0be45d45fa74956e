//! Answers kept for as long as their TTL says. Pure: the time is passed in.

use std::num::NonZeroUsize;
use std::time::{Duration, Instant};

use lru::LruCache;

use super::{Outcome, ResolveError};

/// Names kept; the one longest unused makes room.
const MOST_NAMES: NonZeroUsize = NonZeroUsize::new(8_192).unwrap();

/// A TTL of zero would mean one lookup per request.
const SHORTEST: Duration = Duration::from_secs(1);
const LONGEST_FOUND: Duration = Duration::from_secs(3_600);
const LONGEST_NOT_FOUND: Duration = Duration::from_secs(60);
/// For a negative answer without an SOA record.
const USUAL_NOT_FOUND: Duration = Duration::from_secs(5);
/// For addresses from a source that knows no TTL (`getaddrinfo`).
const USUAL_FOUND: Duration = Duration::from_secs(30);
/// Long enough to spare dead name servers a storm, short enough that nobody waits for their recovery.
const FAILURE: Duration = Duration::from_secs(1);

/// Kept answers, good and bad.
pub(super) struct NameCache {
    entries: LruCache<Box<str>, Entry>,
    hits: u64,
}

struct Entry {
    outcome: Outcome,
    until: Instant,
}

impl NameCache {
    pub(super) fn new() -> Self {
        Self { entries: LruCache::new(MOST_NAMES), hits: 0 }
    }

    /// The kept answer, unless its time is over. Counts the hit.
    pub(super) fn get(&mut self, name: &str, now: Instant) -> Option<Outcome> {
        let entry = self.entries.get(name)?;
        if now < entry.until {
            self.hits += 1;
            return Some(entry.outcome.clone());
        }
        self.entries.pop(name);
        None
    }

    /// Keeps an answer. `ttl` is what the name server said, if it said anything.
    pub(super) fn put(&mut self, name: Box<str>, outcome: Outcome, ttl: Option<Duration>, now: Instant) {
        let until = now + kept_for(&outcome, ttl);
        self.entries.put(name, Entry { outcome, until });
    }

    /// How many questions were answered from here.
    pub(super) fn hits(&self) -> u64 {
        self.hits
    }
}

fn kept_for(outcome: &Outcome, ttl: Option<Duration>) -> Duration {
    match outcome {
        Ok(_) => ttl.unwrap_or(USUAL_FOUND).clamp(SHORTEST, LONGEST_FOUND),
        Err(ResolveError::NotFound) => ttl.unwrap_or(USUAL_NOT_FOUND).clamp(SHORTEST, LONGEST_NOT_FOUND),
        Err(ResolveError::Failed | ResolveError::Timeout) => FAILURE,
    }
}

#[cfg(test)]
mod tests {
    use super::super::Addresses;
    use super::*;

    fn found() -> Outcome {
        Ok(Addresses::of(["192.0.2.1".parse().unwrap()]).unwrap())
    }

    /// The whole seconds for which an answer is kept.
    fn kept_seconds(outcome: Outcome, ttl: Option<u64>) -> u64 {
        let (mut cache, now) = (NameCache::new(), Instant::now());
        cache.put("a.example".into(), outcome.clone(), ttl.map(Duration::from_secs), now);
        let gone = (1..=100_000).find(|&second| {
            let just_before = now + Duration::from_secs(second) - Duration::from_nanos(1);
            assert_eq!(cache.get("a.example", just_before), Some(outcome.clone()));
            cache.get("a.example", now + Duration::from_secs(second)).is_none()
        });
        gone.unwrap()
    }

    #[test]
    fn addresses_live_for_their_ttl_within_bounds() {
        assert_eq!(kept_seconds(found(), Some(0)), 1);
        assert_eq!(kept_seconds(found(), Some(300)), 300);
        assert_eq!(kept_seconds(found(), Some(86_400)), 3_600);
        assert_eq!(kept_seconds(found(), None), 30);
    }

    #[test]
    fn bad_answers_live_shortly() {
        assert_eq!(kept_seconds(Err(ResolveError::NotFound), None), 5);
        assert_eq!(kept_seconds(Err(ResolveError::NotFound), Some(0)), 1);
        assert_eq!(kept_seconds(Err(ResolveError::NotFound), Some(900)), 60);
        assert_eq!(kept_seconds(Err(ResolveError::Failed), Some(900)), 1);
        assert_eq!(kept_seconds(Err(ResolveError::Timeout), None), 1);
    }

    #[test]
    fn the_longest_unused_name_makes_room() {
        let (mut cache, now) = (NameCache::new(), Instant::now());
        cache.put("first".into(), found(), None, now);
        for number in 1..MOST_NAMES.get() {
            cache.put(number.to_string().into(), found(), None, now);
        }
        assert!(cache.get("first", now).is_some(), "a full cache holds all its names");
        cache.put("one more".into(), found(), None, now);
        assert!(cache.get("first", now).is_some(), "it was used last");
        assert!(cache.get("1", now).is_none(), "it was unused for longest");
    }

    #[test]
    fn only_answers_count_as_hits() {
        let (mut cache, now) = (NameCache::new(), Instant::now());
        assert_eq!(cache.get("a", now), None);
        cache.put("a".into(), found(), None, now);
        assert!(cache.get("a", now).is_some());
        assert!(cache.get("a", now + Duration::from_secs(31)).is_none());
        assert_eq!(cache.hits(), 1);
    }
}
