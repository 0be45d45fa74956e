//! The rules of inspection in force, ready to be used.

use std::sync::Arc;

use crate::flow::icap_server::filter::Filter;
use crate::icap::services::IcapServices;
use crate::inspect::book::InspectBook;
use crate::inspect::course::{Course, HoldSettings, ScannerName};
use crate::inspect::scan::Scanner;

/// Everything that a reload replaces. Shared by all workers.
#[derive(Debug)]
pub struct InspectPolicy {
    /// Who scans what.
    pub book: InspectBook,
    /// The built-in scanner, and how long what is held: what our ICAP server judges by as well.
    pub filter: Arc<Filter>,
    /// The ICAP services.
    pub services: Arc<IcapServices>,
}

impl InspectPolicy {
    /// The built-in scanner, where it is on `course`.
    pub fn built_in(&self, course: &Course) -> Option<&Scanner> {
        course.scanners.contains(&ScannerName::BuiltIn).then_some(&self.filter.scanner)
    }

    /// How long what is held.
    pub fn hold(&self) -> &HoldSettings {
        &self.filter.hold
    }
}
