//! Who is here: how many connections each client address has, for as long as it has any.

use std::collections::HashMap;
use std::collections::hash_map::{Entry, RandomState};
use std::hash::BuildHasher;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Parts of the table, so that workers seldom wait for each other.
const SHARDS: usize = 16;

/// The client addresses that have connections open.
#[derive(Debug)]
pub struct Sources {
    hasher: RandomState,
    shards: [Mutex<HashMap<IpAddr, u32>>; SHARDS],
}

impl Default for Sources {
    fn default() -> Self {
        Self { hasher: RandomState::new(), shards: std::array::from_fn(|_| Mutex::default()) }
    }
}

impl Sources {
    /// Counts a connection of `source` until the guard is dropped.
    pub fn enter(self: &Arc<Self>, source: IpAddr) -> Present {
        let source = source.to_canonical();
        *self.shard(source).entry(source).or_default() += 1;
        Present { sources: self.clone(), source }
    }

    /// Addresses that have connections open.
    pub fn len(&self) -> usize {
        self.shards.iter().map(|shard| lock(shard).len()).sum()
    }

    /// Whether nobody is here.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn shard(&self, source: IpAddr) -> MutexGuard<'_, HashMap<IpAddr, u32>> {
        lock(&self.shards[self.hasher.hash_one(source) as usize % SHARDS])
    }
}

fn lock(shard: &Mutex<HashMap<IpAddr, u32>>) -> MutexGuard<'_, HashMap<IpAddr, u32>> {
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}

/// One connection of a client address; dropped with it.
#[derive(Debug)]
pub struct Present {
    sources: Arc<Sources>,
    source: IpAddr,
}

impl Present {
    /// The client's address, an IPv4 address in IPv6 clothes undressed.
    pub fn source(&self) -> IpAddr {
        self.source
    }

    /// Connections of this client address, this one included.
    pub fn connections(&self) -> u32 {
        self.sources.shard(self.source).get(&self.source).copied().unwrap_or_default()
    }
}

impl Drop for Present {
    fn drop(&mut self) {
        if let Entry::Occupied(mut held) = self.sources.shard(self.source).entry(self.source) {
            *held.get_mut() -= 1;
            if *held.get() == 0 {
                held.remove();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_there_for_as_long_as_it_has_connections() {
        let sources = Arc::new(Sources::default());
        let first = sources.enter("192.0.2.1".parse().expect("address"));
        let mapped = sources.enter("::ffff:192.0.2.1".parse().expect("address"));
        assert_eq!((first.connections(), sources.len()), (2, 1));
        drop(first);
        assert_eq!(mapped.connections(), 1);
        drop(mapped);
        assert!(sources.is_empty());
    }
}
