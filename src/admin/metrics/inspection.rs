//! The metrics of inspection: what was scanned, how, what came of it, and what is held for it.

use std::fmt;

use super::page::Page;
use crate::admin::view::AdminView;
use crate::base::inspection::{ScanMode, Verdict};
use crate::flow::inspection::flow::FLOWS;
use crate::inspect::plan::Unscanned;

/// Writes them.
pub(super) fn write(view: &AdminView, page: &mut Page<'_>) -> fmt::Result {
    let scans =
        ScanMode::ALL.map(|mode| (mode.label(), view.sum(|worker| worker.inspection.scans[mode as usize].get())));
    let help = "Exchanges that somebody was to inspect, by how much of the response was seen before it went on";
    page.counters("tether_scans_total", help, "mode", scans)?;

    let verdicts = Verdict::ALL
        .map(|verdict| (verdict.label(), view.sum(|worker| worker.inspection.verdicts[verdict as usize].get())));
    page.counters("tether_scan_verdicts_total", "The same, by what came of it", "verdict", verdicts)?;

    let flows = FLOWS.iter().enumerate();
    let flows = flows.map(|(at, why)| (*why, view.sum(|worker| worker.inspection.flows[at].get())));
    let help = "Bodies that went on before their end was known, scanned as they flow, by why";
    page.counters("tether_scan_handovers_total", help, "reason", flows)?;

    let regrets = view.sum(|worker| worker.inspection.regrets.get());
    let help = "Of them, those that ended within 2 seconds and 1 MiB: they could have been scanned whole";
    page.counter("tether_scan_handover_regrets_total", help, regrets)?;

    let windows = view.sum(|worker| worker.inspection.windows.get());
    page.counter("tether_scan_windows_total", "Pieces of streams that were sent to ICAP services", windows)?;

    let unscanned = Unscanned::ALL.iter().enumerate();
    let unscanned =
        unscanned.map(|(at, why)| (why.label(), view.sum(|worker| worker.inspection.unscanned_bytes[at].get())));
    let help = "Bytes to clients, and of uploads, of which part was not scanned, by why";
    page.counters("tether_unscanned_bytes_total", help, "reason", unscanned)?;
    let known = view.inspection.verdicts.counts();
    let known = [("hit", known.hit), ("miss", known.miss), ("off", known.off)];
    let help = "Bodies looked up among the verdicts that services gave before";
    page.counters("tether_verdict_cache_total", help, "result", known)?;
    held(view, page)
}

fn held(view: &AdminView, page: &mut Page<'_>) -> fmt::Result {
    let spools = &view.inspection.spools;
    let bytes = [("memory", spools.bytes_in_memory()), ("disk", spools.bytes_on_disk())];
    page.gauges("tether_scan_bytes_held", "Bytes of bodies that are held to be scanned", "where", bytes)?;
    page.gauge("tether_scan_bodies_held", "Bodies that are held to be scanned", spools.open_count())?;
    let refused = spools.refused();
    let refused = [("per_client", refused.per_client), ("total", refused.total), ("disk", refused.disk)];
    let help = "Bodies for which there was no room, by what was used up";
    page.counters("tether_scan_spool_refusals_total", help, "why", refused)?;
    let help = "Addresses that are blocked for a while because something was found in a stream from there";
    page.gauge("tether_scan_blocked_urls", help, view.inspection.blocked.count())
}
