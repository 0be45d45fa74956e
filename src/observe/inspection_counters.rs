//! What one worker counts of inspections.

use crate::base::inspection::{ScanMode, Verdict};
use crate::observe::counters::Counter;

/// How many words there are for why a body flows on; they are those of the flow.
pub const FLOWS: usize = 11;

/// How many words there are for why bytes were not scanned.
pub const UNSCANNED: usize = 12;

/// Counts of inspections.
#[derive(Debug, Default)]
pub struct InspectionCounters {
    /// Responses by how much of them was seen before they went on, in the order of [`ScanMode::ALL`].
    pub scans: [Counter; ScanMode::ALL.len()],
    /// Exchanges by what came of it, in the order of [`Verdict::ALL`].
    pub verdicts: [Counter; Verdict::ALL.len()],
    /// Bodies that flowed on before their end was known, by why.
    pub flows: [Counter; FLOWS],
    /// Of them, those that ended within two seconds and a MiB: they were pages.
    pub regrets: Counter,
    /// Pieces of streams that ICAP services have seen.
    pub windows: Counter,
    /// Bytes to clients, and of uploads, that were not scanned, by why.
    pub unscanned_bytes: [Counter; UNSCANNED],
}
