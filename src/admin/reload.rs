//! `POST /api/v1/reload`: reads configuration and rule files again.

use axum::http::StatusCode;
use axum::response::Response;
use serde::Serialize;

use super::answers::{json, problem};
use super::operations::ReloadDone;
use super::view::AdminView;

#[derive(Serialize)]
struct Done<'a> {
    generation: u64,
    needs_restart: &'a [String],
}

/// 200 when it was done; 422 with file, line and reason when the files are not good and the old settings stay.
pub(super) async fn answer(view: &AdminView) -> Response {
    let reload = view.operations.reload.clone();
    // Files are read: health checks must not wait for a slow disk.
    match tokio::task::spawn_blocking(move || reload()).await {
        Ok(Ok(ReloadDone { generation, needs_restart })) => {
            json(StatusCode::OK, &Done { generation, needs_restart: &needs_restart })
        }
        Ok(Err(diagnostic)) => problem(StatusCode::UNPROCESSABLE_ENTITY, &diagnostic),
        Err(error) => {
            tracing::error!(%error, "a reload broke down");
            problem(StatusCode::INTERNAL_SERVER_ERROR, "the reload broke down; the log says more")
        }
    }
}
