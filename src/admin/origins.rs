//! `/api/v1/origins`: what has been learned of origins: when they close, and whose connections are not used again.

use axum::http::StatusCode;
use axum::response::Response;
use serde::{Deserialize, Serialize};

use super::answers::json;
use super::operations::OriginView;
use super::view::AdminView;

/// Rows shown when the query does not say.
const DEFAULT_LIMIT: usize = 1000;

/// `?limit=N`.
#[derive(Debug, Default, Deserialize)]
pub(super) struct OriginsQuery {
    /// Rows shown at most.
    limit: Option<usize>,
}

#[derive(Serialize)]
struct Page<'a> {
    origins: Vec<Origin<'a>>,
    /// Origins that are known, shown or not.
    total: usize,
}

#[derive(Serialize)]
struct Origin<'a> {
    authority: &'a str,
    closes_after_ms: Option<u64>,
    stale_failures: u32,
    quarantined_for_ms: Option<u64>,
}

/// The origins, those in quarantine first.
pub(super) fn answer(view: &AdminView, query: &OriginsQuery) -> Response {
    let mut known = (view.operations.origins)();
    known.sort_unstable_by(|a, b| {
        let calm = |origin: &OriginView| origin.quarantined_for_ms.is_none();
        calm(a).cmp(&calm(b)).then_with(|| a.authority.cmp(&b.authority))
    });
    let shown = known.iter().take(query.limit.unwrap_or(DEFAULT_LIMIT));
    json(StatusCode::OK, &Page { origins: shown.map(row).collect(), total: known.len() })
}

fn row(origin: &OriginView) -> Origin<'_> {
    let OriginView { authority, closes_after_ms, stale_failures, quarantined_for_ms } = origin;
    Origin {
        authority,
        closes_after_ms: *closes_after_ms,
        stale_failures: *stale_failures,
        quarantined_for_ms: *quarantined_for_ms,
    }
}
