//! The metrics of our ICAP server.

use std::fmt;

use super::page::Page;
use crate::admin::view::AdminView;
use crate::observe::icap_server::{Asked, Outcome};

/// Writes all of them.
pub(super) fn write(view: &AdminView, page: &mut Page<'_>) -> fmt::Result {
    let open = view.sum(|worker| worker.icap_server.open.get());
    page.gauge("tether_icap_server_open", "Connections of other proxies to our ICAP server", open)?;
    let streams = view.sum(|worker| worker.icap_server.streams.get());
    page.gauge("tether_icap_server_stream_transactions", "ICAP transactions that send back a live stream", streams)?;
    let held = view.sum(|worker| worker.icap_server.held.get());
    page.gauge("tether_icap_server_held_bytes", "Bytes held while nothing is decided about them", held)?;
    let pairs = Asked::ALL.into_iter().flat_map(|asked| Outcome::ALL.map(|outcome| (asked, outcome)));
    let ended = pairs
        .map(|(asked, outcome)| {
            let count = view.sum(|worker| worker.icap_server.transactions(asked, outcome));
            ([("method", asked.label()), ("outcome", outcome.label())], count)
        })
        .filter(|(_, count)| *count > 0);
    let help = "ICAP transactions that other proxies asked for, by how they ended";
    page.counters_of("tether_icap_server_transactions_total", help, ended)
}
