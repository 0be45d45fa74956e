//! Lookups by `getaddrinfo`, on a bounded number of threads because a stuck call cannot be cut.

use std::io;
use std::net::{IpAddr, ToSocketAddrs};
use std::sync::Arc;

use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;

use super::super::{Addresses, ResolveError};
use super::Found;

/// Most calls at once, stuck ones included.
pub(in super::super) const MOST_THREADS: usize = 64;

type Call = dyn Fn(&str) -> io::Result<Vec<IpAddr>> + Send + Sync;

/// The system's own resolver: follows nsswitch, `/etc/hosts` and mDNS, and asks for both families.
pub(in super::super) struct SystemBackend {
    call: Arc<Call>,
    threads: Arc<Semaphore>,
}

impl SystemBackend {
    pub(super) fn getaddrinfo() -> Self {
        Self::calling(|name| Ok((name, 0).to_socket_addrs()?.map(|found| found.ip()).collect()))
    }

    pub(in super::super) fn calling(call: impl Fn(&str) -> io::Result<Vec<IpAddr>> + Send + Sync + 'static) -> Self {
        Self { call: Arc::new(call), threads: Arc::new(Semaphore::new(MOST_THREADS)) }
    }

    pub(super) async fn look_up(&self, name: &str) -> Found {
        let Ok(permit) = Arc::clone(&self.threads).acquire_owned().await else {
            return Found::nothing(ResolveError::Failed);
        };
        let (call, name) = (Arc::clone(&self.call), Box::<str>::from(name));
        let called = spawn_blocking(move || {
            // The permit leaves with the call and not with the lookup, which may end long before a stuck call does.
            let _permit = permit;
            call(&name)
        });
        let outcome = match called.await {
            Ok(Ok(found)) => Addresses::of(found).ok_or(ResolveError::NotFound),
            Ok(Err(error)) => Err(reading(&error.to_string())),
            Err(_panicked) => Err(ResolveError::Failed),
        };
        Found { outcome, ttl: None }
    }
}

/// The standard library keeps only the text of a `getaddrinfo` error; these are the words of glibc and musl for
/// `EAI_NONAME` and `EAI_NODATA`. All else counts as a failure, `EAI_AGAIN` among it.
fn reading(error: &str) -> ResolveError {
    const NO_SUCH_NAME: [&str; 5] = [
        "Name or service not known",
        "No address associated with hostname",
        "Name does not resolve",
        "Name has no usable address",
        "Address family for hostname not supported",
    ];
    match NO_SUCH_NAME.iter().any(|words| error.contains(words)) {
        true => ResolveError::NotFound,
        false => ResolveError::Failed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_missing_name_reads_as_not_found() {
        let lead = "failed to lookup address information";
        assert_eq!(reading(&format!("{lead}: Name or service not known")), ResolveError::NotFound);
        assert_eq!(reading(&format!("{lead}: Name does not resolve")), ResolveError::NotFound);
        assert_eq!(reading(&format!("{lead}: Temporary failure in name resolution")), ResolveError::Failed);
        assert_eq!(reading("Too many open files (os error 24)"), ResolveError::Failed);
    }

    #[tokio::test]
    async fn the_real_call_reads_addresses() {
        let found = SystemBackend::getaddrinfo().look_up("127.0.0.1").await;
        assert_eq!(found.outcome.unwrap().to_vec(), ["127.0.0.1".parse::<IpAddr>().unwrap()]);
        assert_eq!(found.ttl, None);
    }
}
