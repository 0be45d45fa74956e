//! `/api/v1/bypass`: what passes unscanned or unlimited, how often it was used, changes of it, and what is suggested.

use std::sync::Arc;
use std::time::SystemTime;

use axum::Router;
use axum::body::Bytes;
use axum::extract::rejection::{BytesRejection, QueryRejection};
use axum::extract::{Extension, Path, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use axum::routing::{delete, get};
use serde::Serialize;

use super::answers::{json, problem, refusal};
use super::bypass_record::BypassRecord;
use super::operations::{BypassRefused, Who};
use super::routes::{Site, is_json};
use crate::observe::access_log::clock::Rfc3339;
use crate::policy::bypass::Learn;
use crate::policy::bypass::entry::BypassEntry;

mod asked;

use asked::BypassQuery;

/// Most entries that one change may add.
const MOST_AT_ONCE: usize = 256;

/// An entry, and what became of it.
#[derive(Serialize)]
struct Shown {
    id: String,
    #[serde(flatten)]
    says: BypassRecord,
    origin: &'static str,
    created: Option<String>,
    hits: u64,
    last_hit: Option<String>,
    expired: bool,
}

#[derive(Serialize)]
struct Page {
    entries: Vec<Shown>,
    /// Whether the host that was asked about is never bypassed.
    #[serde(skip_serializing_if = "Option::is_none")]
    never: Option<bool>,
    learn: &'static str,
    /// Whether edits survive the end of the process.
    kept: bool,
}

#[derive(Serialize)]
struct Suggestion {
    #[serde(rename = "match")]
    matched: String,
    evidence: Vec<&'static str>,
    clients: u64,
    seen: u64,
    last: String,
}

/// The routes, to be put behind the guard.
pub(super) fn routes() -> Router<Arc<Site>> {
    Router::new()
        .route("/api/v1/bypass", get(list).post(add))
        .route("/api/v1/bypass/suggestions", get(suggestions))
        .route("/api/v1/bypass/{id}", delete(remove))
}

async fn list(State(site): State<Arc<Site>>, query: Result<Query<BypassQuery>, QueryRejection>) -> Response {
    let access = &site.view.operations.bypass;
    let (list, now) = ((access.list)(), SystemTime::now());
    let asked = match query.map(|Query(query)| query.read()) {
        Ok(Ok(asked)) => asked,
        Ok(Err(wrong)) => return refusal(&wrong),
        Err(_) => return refusal("the query is not understood"),
    };
    let (entries, never) = match &asked {
        None => (list.entries().to_vec(), None),
        Some(asked) => (asked.matching(&list, now), Some(asked.is_never(&list))),
    };
    let entries = entries.iter().map(|entry| shown(entry, now)).collect();
    let page = Page { entries, never, learn: word((access.learn)()), kept: access.kept_in.is_some() };
    json(StatusCode::OK, &page)
}

async fn add(
    State(site): State<Arc<Site>>,
    Extension(who): Extension<Who>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    if !is_json(&headers) {
        return problem(StatusCode::UNSUPPORTED_MEDIA_TYPE, "a change is sent as Content-Type: application/json");
    }
    let Ok(body) = body else {
        return problem(StatusCode::PAYLOAD_TOO_LARGE, "a change is shorter than that");
    };
    let now = SystemTime::now();
    let rules = match asked::records(&body).and_then(|records| asked::rules(&records, MOST_AT_ONCE, now)) {
        Ok(rules) => rules,
        Err(wrong) => return refusal(&wrong),
    };
    let add = site.view.operations.bypass.add.clone();
    done(&site, now, move || add(rules, &who)).await
}

async fn remove(State(site): State<Arc<Site>>, Extension(who): Extension<Who>, Path(id): Path<String>) -> Response {
    let remove = site.view.operations.bypass.remove.clone();
    done(&site, SystemTime::now(), move || remove(&id, &who).map(|entry| vec![entry])).await
}

async fn suggestions(State(site): State<Arc<Site>>) -> Response {
    let rows = (site.view.operations.suggestions)().into_iter().map(|view| Suggestion {
        matched: view.pattern,
        evidence: view.evidence,
        clients: view.clients,
        seen: view.seen,
        last: Rfc3339(view.last).to_string(),
    });
    json(StatusCode::OK, &serde_json::json!({ "suggestions": rows.collect::<Vec<_>>() }))
}

/// Does the change, and tells what it left.
async fn done(
    site: &Site,
    now: SystemTime,
    change: impl FnOnce() -> Result<Vec<Arc<BypassEntry>>, BypassRefused> + Send + 'static,
) -> Response {
    let access = &site.view.operations.bypass;
    // It waits for the disk, and health checks must not.
    match tokio::task::spawn_blocking(change).await {
        Ok(Ok(entries)) => {
            let entries = entries.iter().map(|entry| shown(entry, now)).collect();
            let page = Page { entries, never: None, learn: word((access.learn)()), kept: access.kept_in.is_some() };
            json(StatusCode::OK, &page)
        }
        Ok(Err(refused)) => told(&refused),
        Err(error) => {
            tracing::error!(%error, "a change of the bypass list broke down");
            problem(StatusCode::INTERNAL_SERVER_ERROR, "the change broke down; the log says more")
        }
    }
}

fn told(refused: &BypassRefused) -> Response {
    match refused {
        BypassRefused::Unknown => problem(StatusCode::NOT_FOUND, "no entry has that id"),
        BypassRefused::InFile => {
            problem(StatusCode::CONFLICT, "the entry stands in bypass.toml: take it away there and reload")
        }
        BypassRefused::Invalid(why) => refusal(why),
        BypassRefused::Full => problem(StatusCode::CONFLICT, "the list is full: take entries away first"),
        BypassRefused::NotKept(why) => problem(StatusCode::INTERNAL_SERVER_ERROR, why),
    }
}

fn shown(entry: &BypassEntry, now: SystemTime) -> Shown {
    let time = |time: SystemTime| Rfc3339(time).to_string();
    Shown {
        id: entry.id.to_string(),
        says: BypassRecord::of(&entry.rule),
        origin: entry.origin.label(),
        created: entry.created.map(time),
        hits: entry.uses.hits(),
        last_hit: entry.uses.last().map(time),
        expired: !entry.rule.is_live(now),
    }
}

fn word(learn: Learn) -> &'static str {
    match learn {
        Learn::Off => "off",
        Learn::Suggest => "suggest",
        Learn::On => "on",
    }
}
