//! The routes of the admin port.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::Query;
use axum::extract::State;
use axum::extract::rejection::QueryRejection;
use axum::http::header::{ACCEPT, CONTENT_TYPE};
use axum::http::{HeaderMap, StatusCode};
use axum::middleware::from_fn_with_state;
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use prometheus_client::registry::Registry;

use super::exposition::Exposition;
use super::guard::{AllowedHosts, guard};
use super::health::{self, Shortage};
use super::metrics::Scrape;
use super::streams::{self, StreamsQuery};
use super::view::AdminView;

const INDEX: &str = include_str!("index.html");

/// What the handlers share.
#[derive(Debug)]
pub(super) struct Site {
    pub(super) view: AdminView,
    pub(super) hosts: AllowedHosts,
    pub(super) shortage: Shortage,
    registry: Registry,
}

impl Site {
    pub(super) fn new(view: AdminView, bound: SocketAddr) -> Self {
        let mut registry = Registry::default();
        registry.register_collector(Box::new(Scrape(view.clone())));
        Self { view, hosts: AllowedHosts::new(bound), shortage: Shortage::default(), registry }
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
        Err(_) => streams::refusal("limit is a number"),
    }
}
