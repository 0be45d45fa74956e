//! The two formats other programs made common: Squid's native one and NCSA combined.

use std::fmt::{self, Display};
use std::io::{self, Write};

use super::clock::{Epoch, Ncsa};
use super::escape::Percent;
use super::exchange::Exchange;
use crate::base::reason::Fault;
use crate::observe::live::Kind;

/// Appends `time elapsed client result/status bytes method url user hierarchy/host type`. The time is that of the end.
pub(super) fn write_squid(exchange: &Exchange<'_>, line: &mut Vec<u8>) -> io::Result<()> {
    write!(
        line,
        "{} {:6} {} {}/{:03} {} {} {} - {} -",
        Epoch(exchange.ended_at()),
        exchange.took.as_millis(),
        exchange.row.client().ip(),
        SquidResult(exchange),
        exchange.record.status,
        exchange.end.bytes_out,
        Percent(&exchange.record.method),
        SquidUrl(exchange),
        SquidHierarchy(exchange),
    )
}

/// Appends `client - user [time] "request" status bytes "referer" "agent"`. The time is that of the beginning.
///
/// The version is the one our answer has, whatever the client asked in.
pub(super) fn write_combined(exchange: &Exchange<'_>, line: &mut Vec<u8>) -> io::Result<()> {
    write!(
        line,
        r#"{} - - [{}] "{} {} HTTP/1.1" {:03} {} "-" "-""#,
        exchange.row.client().ip(),
        Ncsa(exchange.record.began_at),
        Percent(&exchange.record.method),
        Percent(&exchange.record.url),
        exchange.record.status,
        exchange.end.bytes_out,
    )
}

/// Squid's result code: how the request was served.
struct SquidResult<'a>(&'a Exchange<'a>);

impl Display for SquidResult<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match (self.0.fault(), self.0.reached_origin(), self.0.row.kind()) {
            (Fault::Policy, _, _) => "TCP_DENIED",
            (Fault::Upstream, false, Kind::Http) => "TCP_MISS",
            (_, false, _) => "NONE_NONE",
            (_, true, Kind::Http | Kind::Upgrade) => "TCP_MISS",
            (_, true, Kind::Tunnel) => "TCP_TUNNEL",
        })?;
        match self.0.fault() {
            Fault::Client if self.0.reached_origin() => f.write_str("_ABORTED"),
            _ => Ok(()),
        }
    }
}

/// The URL, or the words Squid has for a request without one.
struct SquidUrl<'a>(&'a Exchange<'a>);

impl Display for SquidUrl<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.record.url.as_str() {
            "" => f.write_str("error:invalid-request"),
            url => Percent(url).fmt(f),
        }
    }
}

/// Where the answer came from.
struct SquidHierarchy<'a>(&'a Exchange<'a>);

impl Display for SquidHierarchy<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.reached_origin() {
            write!(f, "HIER_DIRECT/{}", Percent(self.0.destination().0))
        } else {
            f.write_str("HIER_NONE/-")
        }
    }
}
