//! The rules of inspection in force, ready to be used.

use std::sync::Arc;

use crate::icap::services::IcapServices;
use crate::inspect::book::InspectBook;
use crate::inspect::course::HoldSettings;
use crate::inspect::scan::Scanner;

/// Everything that a reload replaces. Shared by all workers.
#[derive(Debug)]
pub struct InspectPolicy {
    /// Who scans what.
    pub book: InspectBook,
    /// The built-in scanner with its rules compiled; `None` where it is on no course.
    pub scanner: Option<Scanner>,
    /// The ICAP services.
    pub services: Arc<IcapServices>,
    /// How long what is held.
    pub hold: HoldSettings,
}
