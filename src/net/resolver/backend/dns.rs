//! Lookups by DNS: hickory carries the questions; which names to ask for and how A and AAAA make one answer is here.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::pin::pin;
use std::time::{Duration, Instant};

use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolveHosts, ResolverConfig, ResolverOpts};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::net::{DnsError, NetError};
use hickory_resolver::proto::op::Query;
use hickory_resolver::proto::rr::{Name, RecordType};
use hickory_resolver::{Hosts, TokioResolver, lookup::Lookup, system_conf};
use rustix::process::{Resource, getrlimit};
use tokio::time::timeout;

use super::super::{Addresses, ResolveError};
use super::Found;

/// How long an answer of one family waits for the other family: long enough for one lost packet to be sent again
/// (after 333 ms), short enough for networks that swallow AAAA questions.
const OTHER_FAMILY: Duration = Duration::from_millis(400);

/// For how long an answer is kept that lacks one family for want of an answer.
const HALF_AN_ANSWER: Duration = Duration::from_secs(10);

/// A lookup may hold this many sockets: two families, two servers in parallel, three transmissions of a question.
const SOCKETS_PER_LOOKUP: u64 = 12;

/// How many lookups may run at once: so many that all their sockets take a fifth of the descriptors at most.
pub(super) fn lookups_at_once() -> usize {
    let descriptors = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    (descriptors / 5 / SOCKETS_PER_LOOKUP).clamp(16, 1_024) as usize
}

/// DNS by UDP, and by TCP for long answers. DNSSEC is left to the name servers.
pub(in super::super) struct DnsBackend {
    resolver: TokioResolver,
    hosts: Hosts,
    search: Vec<Name>,
}

impl DnsBackend {
    /// Asks the name servers of `/etc/resolv.conf`; without any, the one on this machine. Never a public one.
    pub(super) fn from_system(deadline: Duration) -> io::Result<Self> {
        let (config, options) = system_conf::read_system_conf().unwrap_or_else(|error| {
            tracing::warn!(%error, "no name servers in /etc/resolv.conf; asking 127.0.0.1");
            let here = NameServerConfig::udp_and_tcp(IpAddr::V4(Ipv4Addr::LOCALHOST));
            (ResolverConfig::from_name_servers(vec![here]), ResolverOpts::default())
        });
        Self::build(config, options, deadline)
    }

    /// Asks these name servers, and knows no search list.
    pub(super) fn with_name_servers(servers: &[SocketAddr], deadline: Duration) -> io::Result<Self> {
        let servers = servers.iter().map(|server| {
            let mut connections = vec![ConnectionConfig::udp(), ConnectionConfig::tcp()];
            connections.iter_mut().for_each(|connection| connection.port = server.port());
            NameServerConfig::new(server.ip(), true, connections)
        });
        Self::build(ResolverConfig::from_name_servers(servers.collect()), ResolverOpts::default(), deadline)
    }

    fn build(config: ResolverConfig, options: ResolverOpts, deadline: Duration) -> io::Result<Self> {
        let (domain, mut search, servers) = config.into_parts();
        if search.is_empty() {
            search.extend(domain);
        }
        let mut builder = TokioResolver::builder_with_config(
            ResolverConfig::from_name_servers(servers),
            TokioRuntimeProvider::default(),
        );
        *builder.options_mut() = tuned(options, deadline);
        let resolver = builder.build().map_err(io::Error::other)?;
        Ok(Self { resolver, hosts: Hosts::from_system().unwrap_or_default(), search })
    }

    pub(super) async fn look_up(&self, name: &str) -> Found {
        let mut found = Found::nothing(ResolveError::NotFound);
        let Ok(name) = Name::from_ascii(name) else { return found };
        if let Some(listed) = in_hosts(&self.hosts, &name) {
            return listed;
        }
        for candidate in candidates(name, &self.search) {
            found = self.ask(candidate).await;
            if found.outcome != Err(ResolveError::NotFound) {
                break;
            }
        }
        found
    }

    /// Asks for both families at once.
    async fn ask(&self, name: Name) -> Found {
        let mut asking_v6 = pin!(self.question(&name, RecordType::AAAA));
        let mut asking_v4 = pin!(self.question(&name, RecordType::A));
        tokio::select! {
            v6 = &mut asking_v6 => {
                let v4 = beside(&v6, asking_v4).await;
                combine(v6, v4)
            }
            v4 = &mut asking_v4 => {
                let v6 = beside(&v4, asking_v6).await;
                combine(v6, v4)
            }
        }
    }

    async fn question(&self, name: &Name, family: RecordType) -> Answer {
        match self.resolver.lookup(name.clone(), family).await {
            Ok(lookup) => Answer::read(&lookup),
            Err(NetError::Dns(DnsError::NoRecordsFound(none))) => Answer::None(none.negative_ttl.map(seconds)),
            Err(NetError::Timeout) => Answer::Missing(ResolveError::Timeout),
            Err(_) => Answer::Missing(ResolveError::Failed),
        }
    }
}

/// Our cache replaces hickory's, our reading of `/etc/hosts` its own; and its tries end before our deadline does, so
/// that lookups end by themselves and are not cut.
fn tuned(mut options: ResolverOpts, deadline: Duration) -> ResolverOpts {
    options.cache_size = 0;
    options.use_hosts_file = ResolveHosts::Never;
    options.attempts = options.attempts.clamp(1, 4);
    let tries = options.attempts as u32 + 1;
    options.timeout = options.timeout.min(deadline / tries);
    // TCP carries only long answers here, but many at once; beyond this bound hickory calls the server busy.
    options.max_active_requests = 1_024;
    options
}

/// A name with a dot is asked for as it stands: a typo must not wander through the search list. A single label goes
/// through the list first.
fn candidates(mut name: Name, search: &[Name]) -> Vec<Name> {
    let searched = if name.num_labels() == 1 { search } else { &[] };
    let absolute = |mut candidate: Name| {
        candidate.set_fqdn(true);
        candidate
    };
    let mut names: Vec<Name> =
        searched.iter().filter_map(|domain| name.clone().append_domain(domain).ok().map(absolute)).collect();
    name.set_fqdn(true);
    names.push(name);
    names
}

/// A name in `/etc/hosts` has the addresses that stand there and no others, as with `files dns` in nsswitch.
fn in_hosts(hosts: &Hosts, name: &Name) -> Option<Found> {
    let of_family = |family| hosts.lookup_static_host(&Query::query(name.clone(), family));
    let lookups = [RecordType::AAAA, RecordType::A].into_iter().filter_map(of_family);
    let found: Vec<IpAddr> = lookups.flat_map(|lookup| addresses_in(&lookup)).collect();
    Some(Found { outcome: Ok(Addresses::of(found)?), ttl: None })
}

// === Answer ===

/// The answer for one family.
#[derive(Clone, Debug, PartialEq)]
enum Answer {
    Some(Vec<IpAddr>, Duration),
    /// The name servers say that there is none, and for how long that holds.
    None(Option<Duration>),
    /// The name servers did not say.
    Missing(ResolveError),
}

impl Answer {
    fn read(lookup: &Lookup) -> Self {
        let found = addresses_in(lookup);
        match found.is_empty() {
            true => Answer::None(None),
            false => Answer::Some(found, lookup.valid_until().saturating_duration_since(Instant::now())),
        }
    }
}

fn addresses_in(lookup: &Lookup) -> Vec<IpAddr> {
    lookup.answers().iter().filter_map(|record| record.data.ip_addr()).collect()
}

fn seconds(ttl: u32) -> Duration {
    Duration::from_secs(u64::from(ttl))
}

/// Waits for the other family: for its end when this one has no address, for a moment when it has.
async fn beside(first: &Answer, other: impl Future<Output = Answer>) -> Answer {
    match first {
        Answer::Some(..) => timeout(OTHER_FAMILY, other).await.unwrap_or(Answer::Missing(ResolveError::Timeout)),
        Answer::None(_) | Answer::Missing(_) => other.await,
    }
}

/// One answer out of two.
fn combine(v6: Answer, v4: Answer) -> Found {
    match (v6, v4) {
        (Answer::Some(mut found, one), Answer::Some(more, other)) => {
            found.extend(more);
            some(found, one.min(other))
        }
        (Answer::Some(found, ttl), Answer::None(_)) | (Answer::None(_), Answer::Some(found, ttl)) => some(found, ttl),
        (Answer::Some(found, ttl), Answer::Missing(_)) | (Answer::Missing(_), Answer::Some(found, ttl)) => {
            some(found, ttl.min(HALF_AN_ANSWER))
        }
        (Answer::None(one), Answer::None(other)) => {
            let ttl = one.into_iter().chain(other).min();
            Found { outcome: Err(ResolveError::NotFound), ttl }
        }
        (Answer::Missing(error), Answer::None(_)) | (Answer::None(_), Answer::Missing(error)) => Found::nothing(error),
        (Answer::Missing(_), Answer::Missing(v4)) => Found::nothing(v4),
    }
}

fn some(found: Vec<IpAddr>, ttl: Duration) -> Found {
    Found { outcome: Addresses::of(found).ok_or(ResolveError::NotFound), ttl: Some(ttl) }
}

#[cfg(test)]
mod tests;
