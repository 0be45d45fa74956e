//! Who answers a lookup: DNS by hickory, or the system's own `getaddrinfo`.

mod dns;
pub(super) mod system;

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use self::dns::DnsBackend;
use self::system::SystemBackend;
use super::settings::{ResolverKind, ResolverSettings};
use super::{Outcome, ResolveError};

/// What one lookup came to, and for how long the source says that it holds.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Found {
    pub(super) outcome: Outcome,
    /// `None` when the source does not say.
    pub(super) ttl: Option<Duration>,
}

impl Found {
    /// No addresses, and no word for how long.
    pub(super) fn nothing(error: ResolveError) -> Self {
        Self { outcome: Err(error), ttl: None }
    }
}

/// One of the two sources of answers.
pub(super) enum Backend {
    Dns(Box<DnsBackend>),
    System(SystemBackend),
}

impl Backend {
    pub(super) fn from_settings(settings: &ResolverSettings) -> io::Result<Self> {
        Ok(match settings.kind {
            ResolverKind::Hickory => Backend::Dns(Box::new(DnsBackend::from_system(settings.deadline)?)),
            ResolverKind::System => Backend::System(SystemBackend::getaddrinfo()),
        })
    }

    pub(super) fn with_name_servers(servers: &[SocketAddr], deadline: Duration) -> io::Result<Self> {
        Ok(Backend::Dns(Box::new(DnsBackend::with_name_servers(servers, deadline)?)))
    }

    /// How many lookups may run at once.
    pub(super) fn at_once(&self) -> usize {
        match self {
            Backend::Dns(_) => dns::lookups_at_once(),
            Backend::System(_) => system::MOST_THREADS,
        }
    }

    /// Asks for the addresses of `name`, both families. Has no deadline of its own that can be relied upon.
    pub(super) async fn look_up(&self, name: &str) -> Found {
        match self {
            Backend::Dns(dns) => dns.look_up(name).await,
            Backend::System(system) => system.look_up(name).await,
        }
    }
}
