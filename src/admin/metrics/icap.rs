//! The metrics of ICAP services. Names of services are configured, so they may be labels; addresses of servers are none.

use std::fmt;
use std::time::Duration;

use super::page::Page;
use crate::icap::breaker::BreakerState;
use crate::icap::endpoint::EndpointState;
use crate::icap::stats::IcapStats;

/// Writes all of them, in one reading.
pub(super) fn write(services: &[IcapStats], page: &mut Page<'_>) -> fmt::Result {
    transactions(services, page)?;
    let queues = services.iter().map(|one| (&*one.service, &one.queue));
    page.histograms("tether_icap_queue_seconds", "Waits for a connection to a service", "service", queues)?;
    servers(services, page)?;
    let retries = services.iter().map(|one| (&*one.service, one.retries));
    page.counters("tether_icap_retries_total", "Tries after the first", "service", retries)?;
    let changes = services.iter().map(|one| (&*one.service, one.istag_changes));
    let help = "How often a server told another service tag than before";
    page.counters("tether_icap_istag_changes_total", help, "service", changes)
}

fn transactions(services: &[IcapStats], page: &mut Page<'_>) -> fmt::Result {
    let ended = services.iter().flat_map(|one| {
        one.transactions.iter().map(|(method, ended, count)| {
            ([("service", &*one.service), ("method", method.label()), ("outcome", ended.label())], *count)
        })
    });
    page.counters_of("tether_icap_transactions_total", "Messages shown to a service, by what came of it", ended)?;
    let open = services.iter().map(|one| (&*one.service, one.open as u64));
    page.gauges("tether_icap_open", "Transactions under way", "service", open)?;
    let oldest = services.iter().filter_map(|one| one.oldest_open).max().unwrap_or(Duration::ZERO);
    let help = "Age of the oldest transaction under way, of all services; 0 when there is none";
    page.gauge("tether_icap_oldest_open_seconds", help, oldest.as_secs_f64())
}

fn servers(services: &[IcapStats], page: &mut Page<'_>) -> fmt::Result {
    let sum = |one: &IcapStats, read: fn(&EndpointState) -> u32| one.servers.iter().map(read).map(u64::from).sum();
    let connections = services.iter().flat_map(|one| {
        let idle: u64 = sum(one, |server| server.connections.idle);
        let open: u64 = sum(one, |server| server.connections.open);
        let states = [("busy", open.saturating_sub(idle)), ("idle", idle)];
        states.map(|(state, count)| ([("service", &*one.service), ("state", state)], count))
    });
    page.gauges_of("tether_icap_connections", "Connections to the servers of a service, by state", connections)?;
    let queued = services.iter().map(|one| (&*one.service, sum(one, |server| server.connections.waiting)));
    page.gauges("tether_icap_queued", "Transactions that wait for a connection", "service", queued)?;
    let breakers = services.iter().flat_map(|one| {
        BreakerState::ALL.map(|state| {
            let count = one.servers.iter().filter(|server| server.breaker == state).count();
            ([("service", &*one.service), ("state", state.label())], count as u64)
        })
    });
    page.gauges_of("tether_icap_breaker_state", "Servers of a service, by what their breaker lets through", breakers)
}
