//! What an operator is told of a server in the log of the process: each change once, whatever the traffic.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use tracing::warn;

use super::Endpoint;
use crate::icap::breaker::BreakerState;
use crate::icap::error::{Blame, ErrorKind};
use crate::icap::options::{OptionsSource, ServiceOptions};

/// Of requests that a server finds bad, one in so long is told.
const BETWEEN_BAD_REQUESTS: Duration = Duration::from_mins(1);

/// What was told already.
#[derive(Debug, Default)]
pub(super) struct Told {
    /// Why the server is left alone.
    trouble: Option<ErrorKind>,
    /// When a request that it found bad was told.
    bad_request: Option<Instant>,
}

impl Endpoint {
    /// Tells that the server is left alone from now on, or works again. A trial that fails is no news, but for one that
    /// shows that it is a matter of configuration now.
    pub(super) fn tell_breaker(&self, before: BreakerState, after: BreakerState, kind: Option<ErrorKind>) {
        let (service, server) = (self.counters.service(), self.url.text());
        match (before, after, kind) {
            (BreakerState::HalfOpen, BreakerState::Closed, _) => {
                self.known().told.trouble = None;
                warn!(%service, %server, "an ICAP server works again");
            }
            (BreakerState::Closed | BreakerState::HalfOpen, BreakerState::Open, Some(kind)) => {
                let is_configuration = kind.blame() == Blame::Configuration;
                let told = self.known().told.trouble.replace(kind);
                if before == BreakerState::HalfOpen && (!is_configuration || told == Some(kind)) {
                    return;
                }
                match is_configuration {
                    true => warn!(%service, %server, why = %kind, "an ICAP server cannot be used as it is configured"),
                    false => warn!(%service, %server, why = %kind, "an ICAP server failed too often and is left alone"),
                }
            }
            _ => {}
        }
    }

    /// Tells what a server leaves out that it has to say of itself (RFC 3507 section 4.10.2).
    pub(super) fn tell_options(&self, before: Option<&Arc<ServiceOptions>>, now: &ServiceOptions) {
        let said = before.filter(|before| before.source == OptionsSource::Told).and_then(|before| lacking(before));
        if let Some(lacking) = lacking(now).filter(|lacking| said != Some(*lacking)) {
            let (service, server) = (self.counters.service(), self.url.text());
            warn!(%service, %server, lacking, "an ICAP server does not tell in OPTIONS what it has to");
        }
    }

    /// Tells what the server finds bad: the ICAP head that it was sent.
    pub fn tell_bad_request(&self, head: &[u8]) {
        let now = Instant::now();
        let told = &mut self.known().told;
        if told.bad_request.is_some_and(|told| now < told + BETWEEN_BAD_REQUESTS) {
            return;
        }
        told.bad_request = Some(now);
        let (service, server, head) = (self.counters.service(), self.url.text(), String::from_utf8_lossy(head));
        warn!(%service, %server, ?head, "an ICAP server finds a request bad (400)");
    }
}

fn lacking(options: &ServiceOptions) -> Option<&'static str> {
    match (options.methods.is_empty(), &options.istag) {
        (true, None) => Some("Methods, ISTag"),
        (true, Some(_)) => Some("Methods"),
        (false, None) => Some("ISTag"),
        (false, Some(_)) => None,
    }
}
