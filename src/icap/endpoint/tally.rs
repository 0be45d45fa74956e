//! The servers of a service, and which of them is asked next: of two at random, the one with less to do.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use tokio::time::Instant;

use super::super::breaker::Admission;
use super::super::error::ErrorKind;
use super::super::settings::IcapService;
use super::super::stats::Counters;
use super::super::url::ServiceUrl;
use super::dial::Dialler;
use super::{Endpoint, Rank};

/// The servers of a service.
#[derive(Debug)]
pub struct Endpoints {
    all: Vec<Arc<Endpoint>>,
    random: Arc<AtomicU64>,
}

impl Endpoints {
    /// Those of `settings`.
    pub(in crate::icap) fn new(settings: &IcapService, counters: &Arc<Counters>) -> Self {
        let dialler = Dialler::new(settings);
        let endpoint = |url: &ServiceUrl, rank| {
            Endpoint::new(url.clone(), rank, (settings.max_connections, dialler.clone()), counters)
        };
        let first = settings.urls.iter().map(|url| endpoint(url, Rank::First));
        let all = first.chain(settings.standby_urls.iter().map(|url| endpoint(url, Rank::StandBy))).collect();
        let seed = RandomState::new().build_hasher().finish();
        Self { all, random: Arc::new(AtomicU64::new(seed)) }
    }

    /// All of them.
    pub fn all(&self) -> &[Arc<Endpoint>] {
        &self.all
    }

    /// Begins a transaction at a server that works, other than `not`; `None` when there is none. One that stands by is
    /// chosen only where there is no other.
    pub fn begin(&self, not: Option<&Arc<Endpoint>>) -> Option<Transaction> {
        Rank::ALL.into_iter().find_map(|rank| self.begin_among(rank, not))
    }

    /// Why there is no server to begin at: it is load and no failure where one that works has asked to be left alone.
    pub fn why_none(&self) -> ErrorKind {
        let now = Instant::now();
        let works = |one: &&Arc<Endpoint>| one.breaker().would_admit(now.into_std());
        let waits = self.all.iter().filter(works).filter_map(|one| one.held_for(now));
        waits.min().map_or(ErrorKind::Unavailable, |retry_after| ErrorKind::HeldOff { retry_after })
    }

    fn begin_among(&self, rank: Rank, not: Option<&Arc<Endpoint>>) -> Option<Transaction> {
        let now = Instant::now();
        let is_fit = |one: &&Arc<Endpoint>| {
            one.rank == rank && not.is_none_or(|not| !Arc::ptr_eq(one, not)) && one.is_available(now)
        };
        let mut fit: Vec<&Arc<Endpoint>> = self.all.iter().filter(is_fit).collect();
        while !fit.is_empty() {
            let chosen = fit.swap_remove(self.choose(&fit));
            if let Some(transaction) = self.admitted(chosen, now) {
                return Some(transaction);
            }
        }
        None
    }

    fn choose(&self, fit: &[&Arc<Endpoint>]) -> usize {
        if fit.len() < 2 {
            return 0;
        }
        let random = next_random(&self.random) as usize;
        let one = random % fit.len();
        let other = (one + 1 + (random >> 32) % (fit.len() - 1)) % fit.len();
        if fit[other].open() < fit[one].open() { other } else { one }
    }

    fn admitted(&self, endpoint: &Arc<Endpoint>, now: Instant) -> Option<Transaction> {
        let admission = endpoint.breaker().admit(now.into_std());
        match admission {
            Admission::No => return None,
            // It is asked what it is like before anything is entrusted to it.
            Admission::Trial => endpoint.forget_options(),
            Admission::Normal => {}
        }
        endpoint.open.fetch_add(1, Relaxed);
        Some(Transaction {
            endpoint: endpoint.clone(),
            admission,
            given_up: GivenUp::Nothing,
            random: self.random.clone(),
        })
    }
}

/// A transaction at a server, counted there as long as this lives. Dropped without an outcome or a verdict it counts neither
/// for nor against the server.
#[derive(Debug)]
pub struct Transaction {
    endpoint: Arc<Endpoint>,
    admission: Admission,
    given_up: GivenUp,
    random: Arc<AtomicU64>,
}

/// What it means for the server when a transaction is dropped without an outcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum GivenUp {
    /// Nothing.
    Nothing,
    /// That it did what it was asked to.
    Success,
}

impl Transaction {
    /// The server.
    pub fn endpoint(&self) -> &Arc<Endpoint> {
        &self.endpoint
    }

    /// Notes an outcome.
    pub fn settle(&mut self, outcome: Result<(), ErrorKind>) {
        self.endpoint.settle(outcome, next_random(&self.random).to_le_bytes()[0]);
        (self.admission, self.given_up) = (Admission::Normal, GivenUp::Nothing);
    }

    /// Notes that the verdict is here, whatever becomes of the page that comes with it: not everybody cares for that.
    pub fn has_verdict(&mut self) {
        self.given_up = GivenUp::Success;
    }
}

impl Drop for Transaction {
    fn drop(&mut self) {
        self.endpoint.open.fetch_sub(1, Relaxed);
        if self.given_up == GivenUp::Success {
            return self.settle(Ok(()));
        }
        if self.admission == Admission::Trial {
            self.endpoint.breaker().abandoned(Instant::now().into_std());
        }
    }
}

/// SplitMix64: good enough to choose by.
fn next_random(state: &AtomicU64) -> u64 {
    let mut number = state.fetch_add(0x9e37_79b9_7f4a_7c15, Relaxed);
    number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}
