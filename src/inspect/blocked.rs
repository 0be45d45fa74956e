//! Addresses in whose streams something was found: blocked for a while, since browsers ask for a cut stream again at once.

use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use lru::LruCache;

/// How long an address is blocked after the last finding.
pub const BLOCKED_FOR: Duration = Duration::from_mins(10);

/// Most addresses that are blocked; beyond that the one blocked longest ago is let go.
pub const MOST_BLOCKED: usize = 4096;

/// The blocked addresses. Shared by all threads; empty almost always, and then asking takes no lock.
#[derive(Debug)]
pub struct Blocked {
    hasher: RandomState,
    count: AtomicUsize,
    // The one blocked longest ago is the least recent, and the first to end: all are blocked equally long.
    addresses: Mutex<LruCache<u64, Entry>>,
}

#[derive(Debug)]
struct Entry {
    rule: Arc<str>,
    until: Instant,
}

impl Default for Blocked {
    fn default() -> Self {
        let (hasher, count) = (RandomState::new(), AtomicUsize::new(0));
        Self { hasher, count, addresses: Mutex::new(LruCache::unbounded()) }
    }
}

impl Blocked {
    /// Blocks `url` because `rule` holds in what it sends.
    pub fn block(&self, url: &str, rule: Arc<str>, now: Instant) {
        let mut addresses = self.lock();
        // A keyed hash of 64 bits: nobody can aim at another address, and none is met by chance among so few.
        addresses.put(self.hasher.hash_one(url), Entry { rule, until: now + BLOCKED_FOR });
        if addresses.len() > MOST_BLOCKED {
            addresses.pop_lru();
        }
        self.end_old(&mut addresses, now);
    }

    /// The rule for which `url` is blocked; `None` where it is not.
    pub fn find(&self, url: &str, now: Instant) -> Option<Arc<str>> {
        if self.count() == 0 {
            return None;
        }
        let mut addresses = self.lock();
        self.end_old(&mut addresses, now);
        addresses.peek(&self.hasher.hash_one(url)).map(|entry| entry.rule.clone())
    }

    /// Blocks none of them any longer: what they were blocked for may hold no more.
    pub fn forget_all(&self) {
        let mut addresses = self.lock();
        addresses.clear();
        self.count.store(0, Ordering::Release);
    }

    /// How many addresses are blocked. Those whose time is over count until somebody asks for any.
    pub fn count(&self) -> usize {
        self.count.load(Ordering::Acquire)
    }

    fn end_old(&self, addresses: &mut LruCache<u64, Entry>, now: Instant) {
        while addresses.peek_lru().is_some_and(|(_, oldest)| oldest.until <= now) {
            addresses.pop_lru();
        }
        self.count.store(addresses.len(), Ordering::Release);
    }

    fn lock(&self) -> MutexGuard<'_, LruCache<u64, Entry>> {
        self.addresses.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find(blocked: &Blocked, url: &str, now: Instant) -> Option<String> {
        blocked.find(url, now).map(|rule| rule.to_string())
    }

    #[test]
    fn an_address_is_blocked_for_ten_minutes_after_its_last_finding() {
        let (blocked, start) = (Blocked::default(), Instant::now());
        assert_eq!(find(&blocked, "http://a.example/", start), None);
        blocked.block("http://a.example/", "eicar".into(), start);
        blocked.block("http://b.example/", "eicar".into(), start);
        let later = start + BLOCKED_FOR / 2;
        blocked.block("http://a.example/", "worm".into(), later);
        assert_eq!(find(&blocked, "http://a.example/", later).as_deref(), Some("worm"));
        assert_eq!(find(&blocked, "http://b.example/", later).as_deref(), Some("eicar"));
        assert_eq!(find(&blocked, "http://a.example/?", later), None);
        let first_end = start + BLOCKED_FOR;
        assert_eq!(find(&blocked, "http://b.example/", first_end - Duration::from_nanos(1)).as_deref(), Some("eicar"));
        assert_eq!(find(&blocked, "http://b.example/", first_end), None);
        assert_eq!((find(&blocked, "http://a.example/", first_end).as_deref(), blocked.count()), (Some("worm"), 1));
        assert_eq!((find(&blocked, "http://a.example/", later + BLOCKED_FOR), blocked.count()), (None, 0));
        blocked.block("http://a.example/", "eicar".into(), later);
        blocked.forget_all();
        assert_eq!((find(&blocked, "http://a.example/", later), blocked.count()), (None, 0));
    }

    #[test]
    fn the_oldest_make_room() {
        let (blocked, now) = (Blocked::default(), Instant::now());
        for number in 0..MOST_BLOCKED {
            blocked.block(&format!("http://a.example/{number}"), "eicar".into(), now);
        }
        blocked.block("http://a.example/0", "eicar".into(), now);
        blocked.block("http://a.example/one-more", "eicar".into(), now);
        assert_eq!(blocked.count(), MOST_BLOCKED);
        let found: Vec<bool> = ["0", "1", "2", "one-more"]
            .iter()
            .map(|n| find(&blocked, &format!("http://a.example/{n}"), now).is_some())
            .collect();
        assert_eq!(found, [true, false, true, true]);
    }
}
