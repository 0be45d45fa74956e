//! Everything the admin port may look at. It changes nothing but through [`Operations`].

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use super::operations::Operations;
use super::state::ServingState;
use crate::flow::inspection::shared::InspectionShared;
use crate::net::resolver::stats::ResolverStats;
use crate::observe::access_log::AccessLog;
use crate::observe::counters::WorkerCounters;
use crate::observe::ends::EndRing;
use crate::observe::live::LiveTable;

/// What the admin port shows.
#[derive(Clone)]
pub struct AdminView {
    /// The counters of each worker.
    pub workers: Vec<Arc<WorkerCounters>>,
    /// The live table of each worker.
    pub tables: Vec<Arc<LiveTable>>,
    /// The last ends of each worker.
    pub ends: Vec<Arc<EndRing>>,
    /// The access log, for its drop counter. Keeps the log open.
    pub access_log: AccessLog,
    /// When the process started.
    pub started: SystemTime,
    /// Reads the resolver's counters; called at each scrape, must not block.
    pub resolver_stats: Arc<dyn Fn() -> ResolverStats + Send + Sync>,
    /// Limits, reloads and what was learned of origins.
    pub operations: Operations,
    /// What inspections of all workers share.
    pub inspection: Arc<InspectionShared>,
    /// Whether the process wants traffic.
    pub state: Arc<ServingState>,
    /// The version of this program.
    pub version: &'static str,
}

impl AdminView {
    /// One counter or gauge, added up over the workers.
    pub(super) fn sum(&self, read: impl Fn(&WorkerCounters) -> u64) -> u64 {
        // Wraps on purpose: a gauge that one worker raises and another lowers is right only as a sum.
        self.workers.iter().map(|counters| read(counters)).fold(0, u64::wrapping_add)
    }
}

impl fmt::Debug for AdminView {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AdminView").field("workers", &self.workers.len()).finish_non_exhaustive()
    }
}
