//! `/api/v1/ends`: the last ends, newest first: who closed first, with what, after how long.

use std::time::{Instant, SystemTime};

use axum::http::StatusCode;
use axum::response::Response;
use serde::{Deserialize, Serialize};

use super::answers::{json, refusal};
use super::view::AdminView;
use crate::base::reason::Reason;
use crate::observe::access_log::clock::Rfc3339;
use crate::observe::ends::sentence::tell;
use crate::observe::ends::{Entry, ExchangeEnd, Holds};

/// Rows shown when the query does not say.
const DEFAULT_LIMIT: usize = 100;

/// `?id=ID&limit=N&reason=R&destination=HOST[:PORT]`.
#[derive(Debug, Default, Deserialize)]
pub(super) struct EndsQuery {
    /// `CONNECTION` or `CONNECTION-NUMBER`.
    id: Option<String>,
    /// Rows shown at most.
    limit: Option<usize>,
    /// Only ends for this reason.
    reason: Option<String>,
    /// Only this destination, with its port or on any.
    destination: Option<String>,
}

/// A query that is understood.
struct Wanted<'q> {
    connection: Option<u64>,
    number: Option<u32>,
    reason: Option<Reason>,
    destination: Option<&'q str>,
}

#[derive(Serialize)]
struct Page<'a> {
    ends: Vec<End<'a>>,
    /// Ends that match, shown or not.
    total: usize,
    holds: Held,
}

/// How many ends can be held.
#[derive(Serialize)]
struct Held {
    telling: usize,
    plain: usize,
    kept: usize,
}

#[derive(Serialize)]
struct End<'a> {
    id: String,
    /// `exchange`, or `kept` for an idle connection that its origin closed; its id is that of the last exchange on it.
    entry: &'static str,
    at: String,
    destination: &'a str,
    closed_by: &'static str,
    manner: &'static str,
    idle_ms: u64,
    /// The upstream connection: how often it had served, how long it had been idle.
    upstream: Option<Upstream>,
    #[serde(flatten)]
    exchange: Option<Exchange<'a>>,
    /// The same in sentences.
    told: Vec<String>,
}

#[derive(Serialize)]
struct Upstream {
    served: u64,
    idle_ms: u64,
}

#[derive(Serialize)]
struct Exchange<'a> {
    client: std::net::SocketAddr,
    listener: &'a str,
    kind: &'static str,
    reason: &'static str,
    phase: &'static str,
    dur_ms: u64,
    bytes_in: u64,
    bytes_out: u64,
    retried: bool,
    timer: Option<&'a str>,
    limit: Option<&'a str>,
}

/// The ends that `query` asks for, newest first.
pub(super) fn answer(view: &AdminView, query: &EndsQuery) -> Response {
    let wanted = match Wanted::of(query) {
        Ok(wanted) => wanted,
        Err(error) => return refusal(error),
    };
    let mut found: Vec<Entry> = view.ends.iter().flat_map(|ring| ring.select(|entry| wanted.takes(entry))).collect();
    found.sort_by_key(|entry| std::cmp::Reverse(entry.at()));
    let clocks = (Instant::now(), SystemTime::now());
    let shown = found.iter().take(query.limit.unwrap_or(DEFAULT_LIMIT));
    let ends = shown.map(|entry| end(entry, clocks)).collect();
    json(StatusCode::OK, &Page { ends, total: found.len(), holds: holds(view) })
}

impl<'q> Wanted<'q> {
    fn of(query: &'q EndsQuery) -> Result<Self, &'static str> {
        let (connection, number) = match query.id.as_deref().map(read_id) {
            None => (None, None),
            Some(Some((connection, number))) => (Some(connection), number),
            Some(None) => return Err("an id is a connection, such as 17, or an exchange on it, such as 17-1"),
        };
        let reason = match query.reason.as_deref() {
            None => None,
            Some(label) => Some(Reason::all().find(|one| one.label() == label).ok_or("no reason has that name")?),
        };
        Ok(Self { connection, number, reason, destination: query.destination.as_deref() })
    }

    fn takes(&self, entry: &Entry) -> bool {
        let reason = || matches!(entry, Entry::Exchange(end) if Some(end.reason) == self.reason);
        self.connection.is_none_or(|connection| entry.connection() == connection)
            && self.number.is_none_or(|number| entry.number() == number)
            && (self.reason.is_none() || reason())
            && self.destination.is_none_or(|wanted| is_at(entry.destination(), wanted))
    }
}

/// `17` or `17-1`.
fn read_id(text: &str) -> Option<(u64, Option<u32>)> {
    match text.split_once('-') {
        None => Some((text.parse().ok()?, None)),
        Some((connection, number)) => Some((connection.parse().ok()?, Some(number.parse().ok()?))),
    }
}

/// Whether `destination`, which has a port, is what was asked for, which may have none.
fn is_at(destination: &str, wanted: &str) -> bool {
    let host = destination.rsplit_once(':').map_or(destination, |(host, _)| host);
    destination.eq_ignore_ascii_case(wanted) || host.eq_ignore_ascii_case(wanted)
}

fn holds(view: &AdminView) -> Held {
    let add = |sum: Held, more: Holds| Held {
        telling: sum.telling + more.telling,
        plain: sum.plain + more.plain,
        kept: sum.kept + more.kept,
    };
    view.ends.iter().map(|ring| ring.holds()).fold(Held { telling: 0, plain: 0, kept: 0 }, add)
}

fn end(entry: &Entry, (now, wall): (Instant, SystemTime)) -> End<'_> {
    let how = entry.how();
    let ago = now.saturating_duration_since(entry.at());
    let (name, idle, upstream, exchange) = match entry {
        Entry::Exchange(end) => {
            let upstream = end.reused.map(|reused| (reused.served, reused.idle));
            ("exchange", end.idle, upstream, Some(exchange(end)))
        }
        Entry::Kept(end) => ("kept", end.idle, Some((end.served, end.idle)), None),
    };
    End {
        id: format!("{}-{}", entry.connection(), entry.number()),
        entry: name,
        at: Rfc3339(wall.checked_sub(ago).unwrap_or(wall)).to_string(),
        destination: entry.destination(),
        closed_by: how.closer.label(),
        manner: how.manner.label(),
        idle_ms: idle.as_millis() as u64,
        upstream: upstream.map(|(served, idle)| Upstream { served, idle_ms: idle.as_millis() as u64 }),
        exchange,
        told: tell(entry),
    }
}

fn exchange(end: &ExchangeEnd) -> Exchange<'_> {
    Exchange {
        client: end.client,
        listener: &end.listener,
        kind: end.kind.label(),
        reason: end.reason.label(),
        phase: end.phase.label(),
        dur_ms: end.took.as_millis() as u64,
        bytes_in: end.bytes_in,
        bytes_out: end.bytes_out,
        retried: end.retried,
        timer: end.timer,
        limit: end.limit.as_deref(),
    }
}
