//! The routes of the admin port.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::rejection::{BytesRejection, QueryRejection};
use axum::extract::{DefaultBodyLimit, Query, State};
use axum::http::header::{ACCEPT, CONTENT_TYPE};
use axum::http::{HeaderMap, StatusCode};
use axum::middleware::from_fn_with_state;
use axum::response::{Html, IntoResponse, Response};
use axum::routing::{get, post};
use prometheus_client::registry::Registry;

use super::answers::{problem, refusal};
use super::bypass;
use super::changes::Changes;
use super::ends::{self, EndsQuery};
use super::exposition::Exposition;
use super::guard::{AllowedHosts, guard};
use super::health::{self, Shortage};
use super::icap;
use super::limits::{self, LimitsQuery};
use super::metrics::Scrape;
use super::origins::{self, OriginsQuery};
use super::reload;
use super::streams::{self, StreamsQuery};
use super::view::AdminView;

/// Longest body of a change.
const BODY_LIMIT: usize = 16 * 1024;

const INDEX: &str = include_str!("index.html");

/// What the handlers share.
#[derive(Debug)]
pub(super) struct Site {
    pub(super) view: AdminView,
    pub(super) hosts: AllowedHosts,
    pub(super) changes: Changes,
    pub(super) shortage: Shortage,
    registry: Registry,
}

impl Site {
    pub(super) fn new(view: AdminView, bound: SocketAddr) -> Self {
        let mut registry = Registry::default();
        registry.register_collector(Box::new(Scrape(view.clone())));
        let (hosts, changes) = (AllowedHosts::new(bound), Changes::new(bound));
        Self { view, hosts, changes, shortage: Shortage::default(), registry }
    }
}

/// Every route, behind the guard.
pub(super) fn router(site: Arc<Site>) -> Router {
    Router::new()
        .route("/", get(|| async { Html(INDEX) }))
        .route("/metrics", get(metrics))
        .route("/healthz", get(|State(site): State<Arc<Site>>| async move { health::live(&site) }))
        .route("/readyz", get(|State(site): State<Arc<Site>>| async move { health::ready(&site) }))
        .route("/api/v1/streams", get(stream_list))
        .route("/api/v1/ends", get(end_list))
        .route("/api/v1/limits", get(limit_list).put(limit_change))
        .route("/api/v1/origins", get(origin_list))
        .route("/api/v1/icap", get(|State(site): State<Arc<Site>>| async move { icap::answer(&site.view) }))
        .route("/api/v1/reload", post(|State(site): State<Arc<Site>>| async move { reload::answer(&site.view).await }))
        .merge(bypass::routes())
        .layer(DefaultBodyLimit::max(BODY_LIMIT))
        .layer(from_fn_with_state(site.clone(), guard))
        .with_state(site)
}

async fn metrics(State(site): State<Arc<Site>>, headers: HeaderMap) -> Response {
    let accepted = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
    let exposition = Exposition::choose(accepted);
    match exposition.encode(&site.registry) {
        Ok(text) => ([(CONTENT_TYPE, exposition.content_type())], text).into_response(),
        Err(error) => {
            tracing::error!(%error, "the metrics cannot be encoded");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

async fn stream_list(State(site): State<Arc<Site>>, query: Result<Query<StreamsQuery>, QueryRejection>) -> Response {
    match query {
        Ok(Query(query)) => streams::answer(&site.view, &query),
        Err(_) => refusal("limit is a number"),
    }
}

async fn end_list(State(site): State<Arc<Site>>, query: Result<Query<EndsQuery>, QueryRejection>) -> Response {
    match query {
        Ok(Query(query)) => ends::answer(&site.view, &query),
        Err(_) => refusal("limit is a number"),
    }
}

async fn origin_list(State(site): State<Arc<Site>>, query: Result<Query<OriginsQuery>, QueryRejection>) -> Response {
    match query {
        Ok(Query(query)) => origins::answer(&site.view, &query),
        Err(_) => refusal("limit is a number"),
    }
}

async fn limit_list(State(site): State<Arc<Site>>, query: Result<Query<LimitsQuery>, QueryRejection>) -> Response {
    match query {
        Ok(Query(query)) => limits::answer(&site.view.operations.limits, &query),
        Err(_) => refusal("top is a number"),
    }
}

async fn limit_change(
    State(site): State<Arc<Site>>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    if !is_json(&headers) {
        return problem(StatusCode::UNSUPPORTED_MEDIA_TYPE, "a change is sent as Content-Type: application/json");
    }
    match body {
        Ok(body) => limits::change(&site.view.operations.limits, &body),
        Err(_) => problem(StatusCode::PAYLOAD_TOO_LARGE, "a change is shorter than that"),
    }
}

/// Whether the body is said to be JSON. No form of a foreign page can say so.
pub(super) fn is_json(headers: &HeaderMap) -> bool {
    let said = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    said.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case("application/json")
}
