//! How the API answers: JSON in printable ASCII, and errors with a sentence.

use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use crate::observe::access_log::escape::write_ascii_json;

#[derive(Serialize)]
struct Problem<'a> {
    error: &'a str,
}

/// `value` as the answer.
pub(super) fn json(status: StatusCode, value: &impl Serialize) -> Response {
    let mut body = Vec::new();
    match write_ascii_json(&mut body, value) {
        Ok(()) => (status, [(CONTENT_TYPE, "application/json")], body).into_response(),
        Err(error) => {
            tracing::error!(%error, "an answer cannot be encoded");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

/// `{"error": "…"}`.
pub(super) fn problem(status: StatusCode, error: &str) -> Response {
    json(status, &Problem { error })
}

/// 400 with a reason.
pub(super) fn refusal(error: &str) -> Response {
    problem(StatusCode::BAD_REQUEST, error)
}
