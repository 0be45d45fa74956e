//! How many bytes are held, by each client and by all: taken before the bytes are, given back exactly once.

use std::collections::HashMap;
use std::collections::hash_map::{Entry, RandomState};
use std::hash::BuildHasher;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::file::Backing;
use super::{SpoolFault, Spools};
use crate::inspect::course::SpoolSettings;

/// Bytes that a body of unknown length takes at a time.
pub(super) const STEP: u64 = 64 << 10;
/// Parts of the table, so that workers seldom wait for each other.
const SHARDS: usize = 16;

/// What is taken. A client is in the table for as long as it holds something.
#[derive(Debug)]
pub(super) struct Budgets {
    total: AtomicU64,
    hasher: RandomState,
    clients: [Mutex<HashMap<IpAddr, u64>>; SHARDS],
}

impl Default for Budgets {
    fn default() -> Self {
        Self {
            total: AtomicU64::new(0),
            hasher: RandomState::new(),
            clients: std::array::from_fn(|_| Mutex::default()),
        }
    }
}

impl Budgets {
    /// Bytes taken by all.
    pub(super) fn total(&self) -> u64 {
        self.total.load(Relaxed)
    }

    /// Clients that hold something.
    #[cfg(test)]
    pub(super) fn clients(&self) -> usize {
        self.clients.iter().map(|shard| shard.lock().unwrap_or_else(PoisonError::into_inner).len()).sum()
    }

    /// Whether `bytes` more would fit now. Takes nothing.
    fn fits(&self, client: IpAddr, bytes: u64, most: &SpoolSettings) -> Result<(), SpoolFault> {
        let held = self.shard(client).get(&client).copied().unwrap_or_default();
        more(held, bytes, most.per_client).ok_or(SpoolFault::ClientBudget)?;
        more(self.total(), bytes, most.total).ok_or(SpoolFault::TotalBudget)?;
        Ok(())
    }

    /// Takes `bytes`, which are not 0, of both budgets, or of none.
    fn take(&self, client: IpAddr, bytes: u64, most: &SpoolSettings) -> Result<(), SpoolFault> {
        let mut clients = self.shard(client);
        let held = clients.get(&client).copied().unwrap_or_default();
        let held = more(held, bytes, most.per_client).ok_or(SpoolFault::ClientBudget)?;
        let taken = self.total.fetch_update(Relaxed, Relaxed, |total| more(total, bytes, most.total));
        taken.map_err(|_| SpoolFault::TotalBudget)?;
        clients.insert(client, held);
        Ok(())
    }

    /// Gives `bytes` back that were taken before.
    pub(super) fn give_back(&self, client: IpAddr, bytes: u64) {
        if bytes == 0 {
            return;
        }
        if let Entry::Occupied(mut held) = self.shard(client).entry(client) {
            *held.get_mut() = held.get().saturating_sub(bytes);
            if *held.get() == 0 {
                held.remove();
            }
        }
        self.total.fetch_sub(bytes, Relaxed);
    }

    fn shard(&self, client: IpAddr) -> MutexGuard<'_, HashMap<IpAddr, u64>> {
        let shard = &self.clients[self.hasher.hash_one(client) as usize % SHARDS];
        shard.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn more(held: u64, bytes: u64, most: u64) -> Option<u64> {
    held.checked_add(bytes).filter(|sum| *sum <= most)
}

/// What one body has taken for its bytes in memory; given back when dropped.
#[derive(Debug)]
pub(super) struct Share {
    spools: Arc<Spools>,
    client: IpAddr,
    held: u64,
}

impl Share {
    /// Nothing is taken yet.
    pub(super) fn new(spools: Arc<Spools>, client: IpAddr) -> Self {
        Self { spools, client, held: 0 }
    }

    /// All bodies.
    pub(super) fn spools(&self) -> &Arc<Spools> {
        &self.spools
    }

    /// Bytes taken.
    pub(super) fn held(&self) -> u64 {
        self.held
    }

    /// Whether the whole of `bytes` would fit now. Takes nothing.
    pub(super) fn fits(&self, bytes: u64) -> Result<(), SpoolFault> {
        let most = self.spools.settings.load();
        self.spools.budgets.fits(self.client, bytes.saturating_sub(self.held), &most)
    }

    /// Takes enough for `needed` bytes, and in steps somewhat more, but not beyond `ceiling`: that is where the body is
    /// said to end. Where a step does not fit, to the byte.
    pub(super) fn cover(&mut self, needed: u64, ceiling: u64) -> Result<(), SpoolFault> {
        if needed <= self.held {
            return Ok(());
        }
        // A quarter, so that a body that is allowed much memory is not moved at each step of 64 KiB.
        let ahead = needed.next_multiple_of(STEP).max(self.held + self.held / 4);
        self.take_until(ahead.min(ceiling).max(needed)).or_else(|_| self.take_until(needed))
    }

    fn take_until(&mut self, bytes: u64) -> Result<(), SpoolFault> {
        self.spools.budgets.take(self.client, bytes - self.held, &self.spools.settings.load())?;
        self.held = bytes;
        Ok(())
    }

    /// Gives back what is more than `needed`.
    pub(super) fn trim(&mut self, needed: u64) {
        let spare = self.held.saturating_sub(needed);
        self.held -= spare;
        self.spools.budgets.give_back(self.client, spare);
    }

    /// What `bytes` of a body took goes on with them to their file.
    pub(super) fn hand_over(&mut self, bytes: u64, file: &Backing) {
        let bytes = bytes.min(self.held);
        self.held -= bytes;
        file.take_over(bytes);
    }

    /// A file for the body, not made yet.
    pub(super) fn backing(&self) -> Arc<Backing> {
        Arc::new(Backing::new(self.spools.clone(), self.client))
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.trim(0);
    }
}
