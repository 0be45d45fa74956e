//! The metrics of limits, rates, reloads, overload, reuse and the bypass list. Names of rules are configured, so they may be
//! labels.

use std::fmt;
use std::time::SystemTime;

use super::page::Page;
use crate::admin::operations::{LastReload, Operations, RateView, RuleView};
use crate::policy::bypass::entry::Origin;

/// Writes all of them, in one reading of each part.
pub(super) fn write(operations: &Operations, page: &mut Page<'_>) -> fmt::Result {
    limits(&(operations.limits.rules)(), page)?;
    rates(&(operations.limits.rates)(), page)?;
    overload(operations, page)?;
    reloads(operations, page)?;
    bypass(operations, page)?;
    let quarantined = (operations.origins)().iter().filter(|origin| origin.quarantined_for_ms.is_some()).count();
    page.gauge("tether_reuse_quarantined_origins", "Origins whose connections are not used again now", quarantined)
}

fn limits(rules: &[RuleView], page: &mut Page<'_>) -> fmt::Result {
    let in_use = rules.iter().flat_map(|rule| {
        [("exchange", rule.in_use_exchanges), ("stream", rule.in_use_streams)]
            .map(|(lane, count)| (of(rule, ("lane", lane)), count))
    });
    page.gauges_of("tether_limit_in_use", "Exchanges and streams that a limit counts now", in_use)?;

    let refused =
        rules.iter().flat_map(|rule| rule.rejections.iter().map(|(why, count)| (of(rule, ("why", *why)), *count)));
    page.counters_of("tether_limit_rejections_total", "Requests that a limit refused, by why", refused)?;

    let each = |read: fn(&RuleView) -> u64| rules.iter().map(move |rule| (named(rule), read(rule)));
    let help = "Requests that a limit would have refused if it were enforced";
    page.counters_of("tether_limit_would_reject_total", help, each(|rule| rule.would_reject))?;
    page.gauges_of("tether_limit_queued", "Requests that wait for room in a limit", each(|rule| rule.queued))?;
    let help = "Streams ended to make room in a limit";
    page.counters_of("tether_limit_evictions_total", help, each(|rule| rule.evictions))
}

fn rates(rates: &[RateView], page: &mut Page<'_>) -> fmt::Result {
    let each = |read: fn(&RateView) -> u64| {
        rates.iter().map(move |rate| ([("scope", rate.scope), ("name", &*rate.name)], read(rate)))
    };
    let help = "Requests refused because a rate was used up";
    page.counters_of("tether_rate_rejections_total", help, each(|rate| rate.refused))?;
    let help = "How often bytes had to wait because a rate was used up";
    page.counters_of("tether_rate_delays_total", help, each(|rate| rate.delayed))?;
    let help = "Refusals and delays there would have been if a rate were enforced";
    page.counters_of("tether_rate_simulated_total", help, each(|rate| rate.simulated))
}

fn named(rule: &RuleView) -> [(&'static str, &str); 2] {
    [("scope", rule.scope), ("name", &rule.name)]
}

fn of<'a>(rule: &'a RuleView, more: (&'static str, &'a str)) -> [(&'static str, &'a str); 3] {
    let [scope, name] = named(rule);
    [scope, name, more]
}

fn overload(operations: &Operations, page: &mut Page<'_>) -> fmt::Result {
    let now = (operations.limits.overload)();
    page.gauge("tether_overload_level", "How far the process protects itself; 0 is not at all", u64::from(now.level))?;
    let help = "What was turned away to protect the process, by step";
    page.counters("tether_overload_shed_total", help, "step", now.shed.iter().copied())
}

fn bypass(operations: &Operations, page: &mut Page<'_>) -> fmt::Result {
    let (list, now) = ((operations.bypass.list)(), SystemTime::now());
    let live = |origin| list.entries().iter().filter(|entry| entry.origin == origin && entry.rule.is_live(now)).count();
    let entries = Origin::ALL.map(|origin| (origin.label(), live(origin) as u64));
    page.gauges("tether_bypass_entries", "Entries of the bypass list that hold now, by origin", "origin", entries)?;
    page.counter("tether_bypass_hits_total", "Uses of entries of the bypass list", list.hits())
}

fn reloads(operations: &Operations, page: &mut Page<'_>) -> fmt::Result {
    let now = (operations.reloads)();
    let results = [("done", now.done), ("failed", now.failed)];
    page.counters("tether_config_reloads_total", "Reloads of the configuration, by result", "result", results)?;
    let help = "Whether the settings in use are those that were read last";
    page.gauge("tether_config_last_reload_successful", help, u64::from(now.last == LastReload::Done))?;
    page.gauge("tether_config_generation", "Number of the settings in use, from 1", now.generation)
}
