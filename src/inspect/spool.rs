//! Where a body is held until it has its verdict: in memory while it is short, in a nameless file beyond that, within budgets.

mod body;
mod budget;
mod file;
#[cfg(test)]
mod tests;

use std::fmt;
use std::io;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use arc_swap::ArcSwap;

pub use self::body::Spool;
use self::budget::Budgets;
use crate::inspect::course::SpoolSettings;

/// Why a body cannot be held any further. What was held before stays, and can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SpoolFault {
    /// The bodies of this client are as many bytes as one client's may be.
    ClientBudget,
    /// The bodies of all clients are as many bytes as all may be.
    TotalBudget,
    /// The file cannot be made or written; [`io::ErrorKind::StorageFull`] where the disk is full.
    Disk(io::ErrorKind),
}

impl fmt::Display for SpoolFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SpoolFault::ClientBudget => f.write_str("the bodies held for this client are as large as they may be"),
            SpoolFault::TotalBudget => f.write_str("the bodies held for all clients are as large as they may be"),
            SpoolFault::Disk(kind) => write!(f, "the body cannot be held on disk: {kind}"),
        }
    }
}

impl std::error::Error for SpoolFault {}

/// How many bodies could not be held, by reason; each counts once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Refused {
    /// For [`SpoolFault::ClientBudget`].
    pub per_client: u64,
    /// For [`SpoolFault::TotalBudget`].
    pub total: u64,
    /// For [`SpoolFault::Disk`].
    pub disk: u64,
}

/// All bodies that are held, and the room there is for them. Shared by all threads.
#[derive(Debug)]
pub struct Spools {
    settings: ArcSwap<SpoolSettings>,
    budgets: Budgets,
    open: AtomicU64,
    on_disk: AtomicU64,
    refused_per_client: AtomicU64,
    refused_total: AtomicU64,
    refused_disk: AtomicU64,
}

impl Spools {
    /// Holds nothing yet.
    pub fn new(settings: SpoolSettings) -> Self {
        Self {
            settings: ArcSwap::from_pointee(settings),
            budgets: Budgets::default(),
            open: AtomicU64::new(0),
            on_disk: AtomicU64::new(0),
            refused_per_client: AtomicU64::new(0),
            refused_total: AtomicU64::new(0),
            refused_disk: AtomicU64::new(0),
        }
    }

    /// Puts other settings in force. Budgets hold from the next byte on, and take nothing away; the directory is that of
    /// files made from now on; the share of memory is that of bodies opened from now on.
    pub fn replace(&self, settings: SpoolSettings) {
        self.settings.store(Arc::new(settings));
    }

    /// A place for one body of `client`, whose address counts alone and as IPv4 where it is mapped. Takes no memory and
    /// no budget yet.
    pub fn open(self: &Arc<Self>, client: IpAddr) -> Spool {
        self.open.fetch_add(1, Relaxed);
        let memory = usize::try_from(self.settings.load().memory).unwrap_or(usize::MAX);
        Spool::new(self.clone(), client.to_canonical(), memory)
    }

    /// Bodies that are held.
    pub fn open_count(&self) -> u64 {
        self.open.load(Relaxed)
    }

    /// Bytes that are set aside for bodies in memory: up to one step of 64 KiB, or a quarter, ahead of what has come.
    pub fn bytes_in_memory(&self) -> u64 {
        self.budgets.total().saturating_sub(self.bytes_on_disk())
    }

    /// Bytes of bodies in files, or being written there.
    pub fn bytes_on_disk(&self) -> u64 {
        self.on_disk.load(Relaxed)
    }

    /// How much of the room for all bodies is taken, from 0 to 1.
    pub fn fullness(&self) -> f64 {
        self.budgets.total() as f64 / self.settings.load().total.max(1) as f64
    }

    /// Bodies that could not be held, since the start.
    pub fn refused(&self) -> Refused {
        Refused {
            per_client: self.refused_per_client.load(Relaxed),
            total: self.refused_total.load(Relaxed),
            disk: self.refused_disk.load(Relaxed),
        }
    }

    fn count_refusal(&self, fault: SpoolFault) {
        let counter = match fault {
            SpoolFault::ClientBudget => &self.refused_per_client,
            SpoolFault::TotalBudget => &self.refused_total,
            SpoolFault::Disk(_) => &self.refused_disk,
        };
        counter.fetch_add(1, Relaxed);
    }

    fn count_closed(&self) {
        self.open.fetch_sub(1, Relaxed);
    }

    fn directory(&self) -> PathBuf {
        self.settings.load().dir.clone().unwrap_or_else(std::env::temp_dir)
    }
}
