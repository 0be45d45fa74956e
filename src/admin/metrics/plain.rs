//! The metrics without labels that are one number of each worker, added up.

use crate::observe::counters::WorkerCounters;

/// One metric: its full name, its help text, and where it is read.
pub(super) struct Plain {
    pub name: &'static str,
    pub help: &'static str,
    pub read: fn(&WorkerCounters) -> u64,
}

const fn plain(name: &'static str, help: &'static str, read: fn(&WorkerCounters) -> u64) -> Plain {
    Plain { name, help, read }
}

/// Numbers that only grow.
pub(super) const COUNTERS: [Plain; 12] = [
    plain("tether_client_accepts_total", "Client connections accepted", |w| w.accepted.get()),
    plain("tether_client_handed_over_total", "Accepted clients passed to a less loaded worker", |w| {
        w.handed_over.get()
    }),
    plain("tether_spliced_bytes_total", "Bytes moved by the kernel without a copy", |w| w.bytes_spliced.get()),
    plain("tether_upstream_connections_opened_total", "Upstream connections opened", |w| w.upstream_opened.get()),
    plain("tether_upstream_reused_total", "Requests sent on a kept upstream connection", |w| w.upstream_reused.get()),
    plain("tether_upstream_stale_total", "Kept upstream connections found unusable", |w| w.upstream_stale.get()),
    plain("tether_stale_retries_total", "Requests sent again after a kept connection died", |w| w.stale_retries.get()),
    plain("tether_stale_failures_total", "Reused upstream connections that died unanswered", |w| {
        w.stale_failures.get()
    }),
    plain("tether_upstream_idle_ended_total", "Idle upstream connections ended by their origin", |w| {
        w.upstream_idle_ended.get()
    }),
    plain("tether_upstream_quarantines_total", "Origins whose reuse was switched off for a while", |w| {
        w.quarantines.get()
    }),
    plain("tether_upstream_preopened_total", "Upstream connections made ahead of need", |w| w.upstream_preopened.get()),
    plain("tether_task_panics_total", "Tasks that ended by a panic", |w| w.panics.get()),
];

/// Numbers that rise and fall.
pub(super) const GAUGES: [Plain; 4] = [
    plain("tether_client_connections", "Client connections open", |w| w.client_connections.get()),
    plain("tether_client_requests_in_flight", "Exchanges under way, tunnels included", |w| w.in_flight.get()),
    plain("tether_upstream_connections", "Upstream connections open", |w| w.upstream_open.get()),
    plain("tether_upstream_pooled", "Idle upstream connections that any client may use", |w| w.upstream_pooled.get()),
];
