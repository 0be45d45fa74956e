//! Upstream connections by rule: what reuse may cost (nothing), who may share, and what is learned of origins.

mod learned;
mod replay;
mod shared;
mod stale;

use tether::policy::pattern::DestinationMatch;
use tether::upstream::settings::{DestinationRule, Reuse};

use crate::support::script::Scripted;

/// A rule for every destination.
pub fn rule(reuse: Reuse) -> DestinationRule {
    DestinationRule {
        name: "test".into(),
        destination: DestinationMatch::Any,
        reuse,
        preopen: 0,
        idle: None,
        max_requests: None,
        half_close: Default::default(),
        response_head: None,
        stream_idle: None,
    }
}

/// A request with an identity of its own, and perhaps a body.
pub fn request(method: &str, origin: &Scripted, id: usize, body: &str) -> String {
    let length = if body.is_empty() { String::new() } else { format!("Content-Length: {}\r\n", body.len()) };
    format!("{method} http://{0}/id-{id}- HTTP/1.1\r\nHost: {0}\r\n{length}\r\n{body}", origin.address())
}

/// How often an origin heard a request.
pub fn times_seen(origin: &Scripted, id: usize) -> usize {
    origin.seen().iter().map(|seen| seen.text().matches(&format!("/id-{id}- ")).count()).sum()
}
