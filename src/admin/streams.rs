//! `/api/v1/streams`: the client connections that are open now and what each is busy with.

use axum::http::StatusCode;
use axum::response::Response;
use serde::{Deserialize, Serialize};

use super::answers::{json, refusal};
use super::view::AdminView;
use crate::base::inspection::ScanMode;
use crate::base::phase::Phase;
use crate::observe::live::StreamView;

/// Rows shown when the query does not say.
const DEFAULT_LIMIT: usize = 1000;

/// `?limit=N&phase=P`.
#[derive(Debug, Default, Deserialize)]
pub(super) struct StreamsQuery {
    /// Rows shown at most.
    limit: Option<usize>,
    /// Only rows in this phase.
    phase: Option<String>,
}

#[derive(Serialize)]
struct Page<'a> {
    streams: Vec<Stream<'a>>,
    /// Rows that match, shown or not.
    total: usize,
}

#[derive(Serialize)]
struct Stream<'a> {
    id: u64,
    client: std::net::SocketAddr,
    listener: &'a str,
    destination: &'a str,
    phase: &'static str,
    kind: &'static str,
    age_ms: u64,
    idle_ms: u64,
    bytes_in: u64,
    bytes_out: u64,
    stream: bool,
    /// As in the access log.
    scan: Option<&'static str>,
    stream_kind: Option<&'static str>,
    upstreams: u32,
}

/// The rows that `query` asks for, oldest first.
pub(super) fn answer(view: &AdminView, query: &StreamsQuery) -> Response {
    let wanted = match query.phase.as_deref().map(phase_named) {
        None => None,
        Some(Some(phase)) => Some(phase),
        Some(None) => return refusal("no phase has that name"),
    };
    let mut rows: Vec<StreamView> = view.tables.iter().flat_map(|table| table.snapshot()).collect();
    rows.retain(|row| wanted.is_none_or(|phase| row.phase == phase));
    rows.sort_unstable_by(|a, b| b.age.cmp(&a.age).then(a.id.cmp(&b.id)));
    let shown = rows.iter().take(query.limit.unwrap_or(DEFAULT_LIMIT));
    json(StatusCode::OK, &Page { streams: shown.map(stream).collect(), total: rows.len() })
}

fn phase_named(label: &str) -> Option<Phase> {
    Phase::ALL.into_iter().find(|phase| phase.label() == label)
}

fn stream(row: &StreamView) -> Stream<'_> {
    Stream {
        id: row.id,
        client: row.client,
        listener: &row.listener,
        destination: &row.destination,
        phase: row.phase.label(),
        kind: row.kind.label(),
        age_ms: row.age.as_millis() as u64,
        idle_ms: row.idle.as_millis() as u64,
        bytes_in: row.bytes_in,
        bytes_out: row.bytes_out,
        stream: row.stream,
        scan: row.scan.map(ScanMode::label),
        stream_kind: row.evidence,
        upstreams: row.upstreams,
    }
}
