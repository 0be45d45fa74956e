//! `/healthz` and `/readyz`: does the process serve, and does it want traffic.

use std::convert::Infallible;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

use super::routes::Site;
use super::state::Serving;

/// A shortage of descriptors is told for this long.
const RECENT: Duration = Duration::from_secs(10);

/// How often it is looked for.
const SAMPLE: Duration = Duration::from_secs(1);

/// When `accept` last failed for want of descriptors, seen from a counter that only grows.
#[derive(Debug, Default)]
pub(super) struct Shortage(Mutex<Seen>);

#[derive(Debug, Default)]
struct Seen {
    count: u64,
    at: Option<Instant>,
}

impl Shortage {
    /// Notes the counter at `now`; says whether it has grown within [`RECENT`].
    fn note(&self, count: u64, now: Instant) -> Supply {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if count != seen.count {
            *seen = Seen { count, at: Some(now) };
        }
        match seen.at {
            Some(at) if now.saturating_duration_since(at) < RECENT => Supply::Short,
            _ => Supply::Enough,
        }
    }
}

/// Whether there were descriptors for every client lately.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Supply {
    Enough,
    Short,
}

impl Site {
    fn supply(&self) -> Supply {
        self.shortage.note(self.view.sum(|counters| counters.accept_exhausted.get()), Instant::now())
    }
}

/// Looks for a shortage each second, so that `/healthz` knows when it was and not only that there was one.
pub(super) async fn watch(site: &Site) -> Infallible {
    let mut tick = tokio::time::interval(SAMPLE);
    loop {
        tick.tick().await;
        site.supply();
    }
}

/// 200 as long as the process serves; the text says when it does so badly.
pub(super) fn live(site: &Site) -> Response {
    match site.supply() {
        Supply::Enough => "ok\n".into_response(),
        Supply::Short => "degraded: no descriptors for new connections in the last 10 s\n".into_response(),
    }
}

/// 200 only when traffic is wanted.
pub(super) fn ready(site: &Site) -> Response {
    let serving = site.view.state.get();
    let status = match serving {
        Serving::Ready => StatusCode::OK,
        Serving::Starting | Serving::Draining => StatusCode::SERVICE_UNAVAILABLE,
    };
    (status, format!("{}\n", serving.label())).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shortage_is_told_for_ten_seconds() {
        let shortage = Shortage::default();
        let begun = Instant::now();
        let after = |seconds| begun + Duration::from_secs(seconds);
        assert_eq!(shortage.note(0, begun), Supply::Enough);
        assert_eq!(shortage.note(3, after(5)), Supply::Short);
        assert_eq!(shortage.note(3, after(14)), Supply::Short);
        assert_eq!(shortage.note(3, after(15)), Supply::Enough);
        assert_eq!(shortage.note(4, after(16)), Supply::Short);
    }
}
