//! The table of entries: sharded, keyed, and holding nothing but what somebody else holds.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use super::entry::Entry;
use super::key::Key;

/// Shards, a power of two.
const SHARDS: usize = 64;

/// Below this, room that is not used any more is kept.
const SMALL: usize = 64;

type Shard = HashMap<Key, Weak<Entry>>;

/// Every entry that somebody refers to.
#[derive(Debug)]
pub(super) struct Table {
    /// Keyed anew in each process, so that no client can choose keys that meet in one shard.
    hasher: RandomState,
    shards: Box<[Mutex<Shard>]>,
}

impl Table {
    pub(super) fn new() -> Self {
        let hasher = RandomState::new();
        let shards = (0..SHARDS).map(|_| Mutex::new(Shard::with_hasher(hasher.clone()))).collect();
        Self { hasher, shards }
    }

    /// The entry of `key`; `make` makes it where there is none, under the lock of its shard.
    pub(super) fn entry(&self, key: &Key, make: impl FnOnce(Key) -> Entry) -> Arc<Entry> {
        let mut shard = self.shard(key);
        if let Some(entry) = shard.get(key).and_then(Weak::upgrade) {
            return entry;
        }
        // An entry whose last handle was dropped a moment ago may still be filed here. Nothing is counted in it, and it
        // takes away only itself.
        let entry = Arc::new(make(key.clone()));
        shard.insert(key.clone(), Arc::downgrade(&entry));
        entry
    }

    /// Takes out `entry`, whose last handle is being dropped.
    pub(super) fn forget(&self, entry: &Entry) {
        let mut shard = self.shard(entry.key());
        // As long as the weak handle is filed, no other entry can lie at the same address.
        if shard.get(entry.key()).is_some_and(|held| std::ptr::eq(held.as_ptr(), entry)) {
            shard.remove(entry.key());
        }
        if shard.capacity() > SMALL && shard.len() < shard.capacity() / 8 {
            let room = shard.len() * 2;
            shard.shrink_to(room);
        }
    }

    /// Every entry, shard by shard.
    pub(super) fn entries(&self) -> impl Iterator<Item = Arc<Entry>> + '_ {
        self.shards.iter().flat_map(|shard| {
            // Handles are dropped outside of the lock: the last one takes it.
            lock(shard).values().filter_map(Weak::upgrade).collect::<Vec<_>>()
        })
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.shards.iter().map(|shard| lock(shard).len()).sum()
    }

    fn shard(&self, key: &Key) -> MutexGuard<'_, Shard> {
        // The upper half: the map inside goes by the lower bits of the same hash.
        let at = (self.hasher.hash_one(key) >> 32) as usize % SHARDS;
        lock(&self.shards[at])
    }
}

fn lock(shard: &Mutex<Shard>) -> MutexGuard<'_, Shard> {
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
impl Table {
    /// For how many entries memory is held.
    pub(super) fn room(&self) -> usize {
        self.shards.iter().map(|shard| lock(shard).capacity()).sum()
    }
}
