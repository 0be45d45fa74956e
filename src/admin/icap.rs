//! `/api/v1/icap`: the services, what came of their transactions, and how their servers stand.

use axum::http::StatusCode;
use axum::response::Response;
use serde::Serialize;
use serde_json::{Map, Value};

use super::answers::json;
use super::view::AdminView;
use crate::icap::endpoint::EndpointState;
use crate::icap::settings::IcapMethod;
use crate::icap::stats::IcapStats;

#[derive(Serialize)]
struct Page<'a> {
    services: Vec<Service<'a>>,
}

#[derive(Serialize)]
struct Service<'a> {
    name: &'a str,
    open: usize,
    oldest_open_ms: Option<u64>,
    /// By method and outcome.
    transactions: Map<String, Value>,
    retries: u64,
    istag_changes: u64,
    servers: Vec<Server<'a>>,
}

#[derive(Serialize)]
struct Server<'a> {
    url: &'a str,
    rank: &'static str,
    breaker: &'static str,
    /// The word of the last failure, if nothing went right since.
    trouble: Option<&'static str>,
    open: u32,
    connections: Connections,
    /// What it calls itself.
    service: Option<&'a str>,
    istag: Option<&'a str>,
}

#[derive(Serialize)]
struct Connections {
    open: u32,
    idle: u32,
    limit: u32,
    waiting: u32,
}

/// All services, in the order of the settings.
pub(super) fn answer(view: &AdminView) -> Response {
    let known = (view.operations.icap)();
    json(StatusCode::OK, &Page { services: known.iter().map(service).collect() })
}

fn service(stats: &IcapStats) -> Service<'_> {
    let of = |method: IcapMethod| {
        let counted = stats.transactions.iter().filter(move |(one, ..)| *one == method);
        counted.map(|(_, ended, count)| (ended.label().to_owned(), (*count).into())).collect::<Map<_, _>>()
    };
    Service {
        name: &stats.service,
        open: stats.open,
        oldest_open_ms: stats.oldest_open.map(|age| age.as_millis() as u64),
        transactions: IcapMethod::ALL
            .map(|method| (method.label().to_owned(), of(method).into()))
            .into_iter()
            .collect(),
        retries: stats.retries,
        istag_changes: stats.istag_changes,
        servers: stats.servers.iter().map(server).collect(),
    }
}

fn server(state: &EndpointState) -> Server<'_> {
    let (options, used) = (state.options.as_deref(), state.connections);
    Server {
        url: &state.server,
        rank: state.rank.label(),
        breaker: state.breaker.label(),
        trouble: state.trouble.map(|kind| kind.label()),
        open: state.open,
        connections: Connections { open: used.open, idle: used.idle, limit: used.limit, waiting: used.waiting },
        service: options.and_then(|options| options.service.as_deref()),
        istag: options.and_then(|options| options.istag.as_deref()),
    }
}
