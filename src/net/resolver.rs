//! Names to addresses: one thread looks up for all workers, so that a client who leaves can neither stop nor spoil a lookup.

mod addresses;
mod backend;
mod board;
mod cache;
mod lookups;
pub mod settings;
pub mod stats;

use std::collections::HashMap;
use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::thread::JoinHandle;

use tokio::sync::{mpsc, oneshot};

pub use self::addresses::Addresses;
use self::backend::Backend;
use self::board::Board;
use self::lookups::{Ask, Bounds};
use self::settings::ResolverSettings;
use self::stats::ResolverStats;
use crate::base::reason::Reason;

/// Longest name that DNS can carry, in bytes.
const LONGEST_NAME: usize = 253;

/// Most lookups in flight; one more fails at once. Also the most asks under way to the thread.
const MOST_LOOKUPS: usize = 4_096;

/// Why a name has no addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ResolveError {
    /// The name does not exist, cannot exist, or has no address.
    NotFound,
    /// The name servers failed, or too many lookups are in flight.
    Failed,
    /// The name servers did not answer within the deadline.
    Timeout,
}

impl From<ResolveError> for Reason {
    fn from(error: ResolveError) -> Self {
        match error {
            ResolveError::NotFound => Reason::NameNotFound,
            ResolveError::Failed => Reason::NameFailed,
            ResolveError::Timeout => Reason::NameTimeout,
        }
    }
}

impl fmt::Display for ResolveError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(Reason::from(*self).text())
    }
}

impl std::error::Error for ResolveError {}

/// What a lookup came to.
pub type Outcome = Result<Addresses, ResolveError>;

/// A handle to the resolver thread, cheap to clone and usable from any thread.
///
/// When the last handle is dropped the thread ends and cuts the lookups that still run; nobody is left to want them.
#[derive(Clone)]
pub struct Resolver {
    shared: Arc<Shared>,
}

/// What all handles hold in common. The thread holds the board only, so that handles alone keep the thread alive.
struct Shared {
    asks: mpsc::Sender<Ask>,
    board: Arc<Board>,
    hosts: HashMap<Box<str>, Addresses>,
    loopback: Addresses,
}

impl Resolver {
    /// Starts the thread with the backend that the settings name. `/etc/resolv.conf` and `/etc/hosts` are read here, once.
    ///
    /// # Errors
    /// When the thread or its runtime cannot be made.
    pub fn start(settings: &ResolverSettings) -> io::Result<Self> {
        let backend = Backend::from_settings(settings)?;
        Self::with_backend(settings, backend).map(|(resolver, _detached)| resolver)
    }

    /// Starts the thread on these name servers (UDP, and TCP on the same port) in place of those of `/etc/resolv.conf`.
    ///
    /// # Errors
    /// When the thread or its runtime cannot be made.
    pub fn with_name_servers(settings: &ResolverSettings, servers: &[SocketAddr]) -> io::Result<Self> {
        let backend = Backend::with_name_servers(servers, settings.deadline)?;
        Self::with_backend(settings, backend).map(|(resolver, _detached)| resolver)
    }

    fn with_backend(settings: &ResolverSettings, backend: Backend) -> io::Result<(Self, JoinHandle<()>)> {
        let (asks, inbox) = mpsc::channel(MOST_LOOKUPS);
        let board = Arc::new(Board::new());
        let bounds = Bounds { in_flight: MOST_LOOKUPS, at_once: backend.at_once(), deadline: settings.deadline };
        let thread = lookups::start(backend, bounds, Arc::clone(&board), inbox)?;
        let shared = Shared { asks, board, hosts: fixed_names(settings), loopback: loopback() };
        Ok((Self { shared: Arc::new(shared) }, thread))
    }

    /// What is known of `name` without a lookup: a fixed name, a loopback name, a name that cannot exist, or a kept
    /// answer (good or bad). `None` means that [`Resolver::resolve`] has to ask. Does not wait.
    ///
    /// `name` is in lower case, is no IP address, and may end in a dot.
    pub fn cached(&self, name: &str) -> Option<Outcome> {
        self.known(bare(name))
    }

    /// The addresses of `name`, kept or looked up. All who ask for one name share one lookup.
    ///
    /// Dropping the future ends only the waiting: the lookup goes on, and its answer is kept for the next one who asks.
    ///
    /// # Errors
    /// [`ResolveError`], at the latest when the deadline of the lookup has passed.
    pub async fn resolve(&self, name: &str) -> Outcome {
        let name = bare(name);
        if let Some(known) = self.known(name) {
            return known;
        }
        let (waiter, answer) = oneshot::channel();
        if self.shared.asks.try_send(Ask { name: name.into(), waiter }).is_err() {
            self.shared.board.count_failure();
            return Err(ResolveError::Failed);
        }
        answer.await.unwrap_or(Err(ResolveError::Failed))
    }

    /// The counts since the start.
    pub fn stats(&self) -> ResolverStats {
        self.shared.board.stats()
    }

    fn known(&self, name: &str) -> Option<Outcome> {
        if let Some(fixed) = self.shared.hosts.get(name) {
            return Some(Ok(fixed.clone()));
        }
        if is_loopback_name(name) {
            return Some(Ok(self.shared.loopback.clone()));
        }
        if name.is_empty() || name.len() > LONGEST_NAME {
            return Some(Err(ResolveError::NotFound));
        }
        self.shared.board.recall(name)
    }
}

impl fmt::Debug for Resolver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Resolver").field("stats", &self.stats()).finish_non_exhaustive()
    }
}

/// The name without its trailing dot.
fn bare(name: &str) -> &str {
    name.strip_suffix('.').unwrap_or(name)
}

/// `localhost` and everything below it never goes to a name server (RFC 6761 section 6.3).
fn is_loopback_name(name: &str) -> bool {
    let last_label = name.rsplit('.').next().unwrap_or(name);
    last_label.eq_ignore_ascii_case("localhost")
}

fn loopback() -> Addresses {
    Addresses::pair(IpAddr::V6(Ipv6Addr::LOCALHOST), IpAddr::V4(Ipv4Addr::LOCALHOST))
}

/// The fixed names. One that is listed without an address counts as not listed.
fn fixed_names(settings: &ResolverSettings) -> HashMap<Box<str>, Addresses> {
    let hosts = settings.hosts.iter();
    hosts.filter_map(|(name, found)| Some((bare(name).into(), Addresses::of(found.iter().copied())?))).collect()
}

#[cfg(test)]
mod tests;
