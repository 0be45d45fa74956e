//! The metrics: read from the counters and the live table when somebody asks, in closed sets of labels.

use std::fmt;
use std::time::UNIX_EPOCH;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;

use super::process;
use super::view::AdminView;
use crate::base::phase::Phase;
use crate::base::reason::Reason;
use crate::http::method::METHODS;
use crate::observe::counters::{HistogramSum, WorkerCounters};
use crate::observe::live::Kind;

mod icap;
mod icap_server;
mod inspection;
mod operations;
mod page;
mod plain;

use page::Page;

/// Labels of `responses`, in its order.
const CODE_CLASSES: [&str; 6] = ["none", "1xx", "2xx", "3xx", "4xx", "5xx"];

/// One reading of everything.
#[derive(Debug)]
pub(super) struct Scrape(pub AdminView);

impl Collector for Scrape {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut page = Page(encoder);
        let view = &self.0;
        about(view, &mut page)?;
        for row in &plain::COUNTERS {
            page.counter(row.name, row.help, view.sum(row.read))?;
        }
        for row in &plain::GAUGES {
            page.gauge(row.name, row.help, view.sum(row.read))?;
        }
        labelled(view, &mut page)?;
        icap_server::write(view, &mut page)?;
        live(view, &mut page)?;
        durations(view, &mut page)?;
        names(view, &mut page)?;
        inspection::write(view, &mut page)?;
        operations::write(&view.operations, &mut page)?;
        icap::write(&(view.operations.icap)(), &mut page)?;
        kernel(&mut page)
    }
}

fn about(view: &AdminView, page: &mut Page<'_>) -> fmt::Result {
    // A gauge, not an info: the older text format has no such type and its readers refuse it.
    page.gauges("tether_build_info", "Always 1; the label is the version", "version", [(view.version, 1)])?;
    let started = view.started.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
    page.gauge("tether_start_time_seconds", "When the process started, seconds since 1970", started)?;
    page.gauge("tether_workers", "Worker threads", view.workers.len())?;
    let dropped = view.access_log.dropped();
    page.counter(
        "tether_access_log_dropped_total",
        "Lines of the access log lost because it could not keep up",
        dropped,
    )
}

fn labelled(view: &AdminView, page: &mut Page<'_>) -> fmt::Result {
    let sum = |read: fn(&WorkerCounters) -> u64| view.sum(read);
    let accept = [("exhausted", sum(|w| w.accept_exhausted.get())), ("other", sum(|w| w.accept_failed.get()))];
    page.counters("tether_accept_errors_total", "Failures to accept a client, by kind", "kind", accept)?;

    let methods = METHODS.iter().enumerate().map(|(at, method)| (*method, view.sum(|w| w.requests[at].get())));
    page.counters("tether_client_requests_total", "Requests, by method", "method", methods)?;

    let classes = CODE_CLASSES.iter().enumerate().map(|(at, class)| (*class, view.sum(|w| w.responses[at].get())));
    page.counters("tether_client_responses_total", "Answers to clients, by class of status", "code_class", classes)?;

    let bytes = [("in", sum(|w| w.bytes_from_clients.get())), ("out", sum(|w| w.bytes_to_clients.get()))];
    page.counters("tether_client_bytes_total", "Bytes read from and written to clients", "direction", bytes)?;

    let ends = Reason::all().map(|reason| (reason.label(), view.sum(|w| w.closed[reason as usize].get())));
    page.counters("tether_closed_total", "Exchanges and tunnels, by how they ended", "reason", ends)?;

    let in_use = sum(|w| w.pipes_in_use.get());
    let idle = sum(|w| w.pipes_open.get()).saturating_sub(in_use);
    page.gauges("tether_splice_pipes", "Splice pipes, by state", "state", [("in_use", in_use), ("idle", idle)])
}

/// What only the live table knows. Each table is locked once per scrape.
fn live(view: &AdminView, page: &mut Page<'_>) -> fmt::Result {
    let mut orphans = 0;
    let mut streams = [Kind::Http, Kind::Tunnel, Kind::Upgrade].map(|kind| (kind.label(), 0));
    for row in view.tables.iter().flat_map(|table| table.snapshot()) {
        if row.orphaned {
            orphans += u64::from(row.upstreams);
        }
        if row.stream {
            streams[row.kind as usize].1 += 1;
        }
    }
    page.gauge("tether_orphan_upstreams", "Upstream connections whose client has left; must be 0", orphans)?;
    page.gauges("tether_streams", "Exchanges that go on as streams, by kind", "kind", streams)
}

fn durations(view: &AdminView, page: &mut Page<'_>) -> fmt::Result {
    let sum = |add: &dyn Fn(&WorkerCounters, &mut HistogramSum)| {
        let mut sum = HistogramSum::default();
        view.workers.iter().for_each(|worker| add(worker, &mut sum));
        sum
    };
    let cancel =
        Phase::ALL.map(|phase| (phase.label(), sum(&|worker, sum| worker.cancel_latency[phase as usize].add_to(sum))));
    let help = "From a client's hang-up to its last upstream closed, by the phase it left in";
    let cancel = cancel.iter().map(|(phase, sum)| (*phase, sum));
    page.histograms("tether_cancel_latency_seconds", help, "phase", cancel)?;

    let request = sum(&|worker, sum| worker.request_duration.add_to(sum));
    let help = "From the first byte of a request to the end of the exchange";
    page.histogram("tether_request_duration_seconds", help, &request)?;

    let connect = sum(&|worker, sum| worker.connect_duration.add_to(sum));
    page.histogram("tether_upstream_connect_duration_seconds", "TCP connects that succeeded", &connect)
}

fn names(view: &AdminView, page: &mut Page<'_>) -> fmt::Result {
    let stats = (view.resolver_stats)();
    page.counter("tether_dns_lookups_total", "Lookups of names that were started", stats.lookups)?;
    page.counter("tether_dns_cache_hits_total", "Names answered from kept answers, good or bad", stats.cache_hits)?;
    page.counter("tether_dns_failures_total", "Lookups that failed, timed out or were refused", stats.failures)?;
    page.gauge("tether_dns_in_flight", "Lookups under way", stats.in_flight)
}

fn kernel(page: &mut Page<'_>) -> fmt::Result {
    if let Some(count) = process::open_fds() {
        page.gauge("process_open_fds", "Open file descriptors", count)?;
    }
    if let Some(bytes) = process::resident_bytes() {
        page.gauge("process_resident_memory_bytes", "Resident memory", bytes)?;
    }
    if let Some(seconds) = process::cpu_seconds() {
        page.counter("process_cpu_seconds_total", "Processor time in user and kernel mode", seconds)?;
    }
    Ok(())
}
