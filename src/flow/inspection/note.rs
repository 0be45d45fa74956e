//! What is remembered of an inspection, for the log and the counters.

use std::net::IpAddr;

use super::reading::Found;
use crate::base::inspection::Verdict;
use crate::base::reason::Reason;
use crate::flow::session::Session;
use crate::inspect::plan::{Unscannable, Unscanned};
use crate::inspect::scan::Scanner;
use crate::inspect::spool::Spool;
pub use crate::observe::record::Inspected as Noted;
use crate::policy::bypass::skips::Skip;

impl Session<'_> {
    /// The client's address.
    pub fn source(&self) -> IpAddr {
        self.tether.row().client().ip()
    }

    /// A place for one body.
    pub fn spool(&self) -> Spool {
        self.services.inspection.spools.open(self.source())
    }

    /// Notes something about how the exchange under way was inspected.
    pub fn note_scan(&self, note: impl FnOnce(&mut Noted)) {
        self.ledger.note_scan(note);
    }

    /// Notes that neither the request nor its response is scanned.
    pub fn note_nothing_scanned(&self, why: Unscanned) {
        self.note_unscanned_upload(why);
        self.note_unscanned(why);
    }

    /// Notes that what comes from the client behind the head of the request is not scanned, or was not understood.
    pub fn note_unscanned_upload(&self, why: Unscanned) {
        self.note_scan(|noted| {
            noted.upload_unscanned.get_or_insert(why.label());
        });
    }

    /// Notes that bytes go both ways that are no messages, where anything is scanned at all.
    pub fn note_switched(&self, why: Unscanned) {
        if self.services.policy.load().inspect.book.is_off() {
            return;
        }
        let why = if self.skips.contains(Skip::Scan) { Unscanned::Bypassed } else { why };
        self.note_unscanned_upload(why);
        self.note_scan(|noted| {
            noted.unscanned.get_or_insert(why.label());
            if noted.verdict != Verdict::Modified {
                noted.verdict = Verdict::Unscanned;
            }
        });
    }

    /// Notes that the response passes and is not scanned.
    pub fn note_unscanned(&self, why: Unscanned) {
        self.note_scan(|noted| {
            noted.verdict = Verdict::Unscanned;
            noted.unscanned.get_or_insert(why.label());
        });
    }

    /// Notes that part of what was scanned was not understood; what was noted before is not forgotten.
    pub fn note_doubt(&self, why: Unscanned) {
        self.note_scan(|noted| {
            noted.unscanned.get_or_insert(why.label());
        });
    }

    /// Notes why a body is refused that is not scanned to its end; gives the reason, `too_large` where it is that.
    pub fn refusal_of(&self, why: Unscannable, too_large: Reason) -> Reason {
        match why {
            Unscannable::TooLarge => too_large,
            Unscannable::Layers | Unscannable::Coding | Unscannable::Part => {
                self.note_scan(|noted| noted.threat = Some(why.label().into()));
                Reason::ContentBlocked
            }
        }
    }

    /// Notes what a scanner found.
    pub fn note_found(&self, found: &Found) {
        self.note_scan(|noted| {
            noted.verdict = Verdict::Blocked;
            noted.scanner = Some(found.by.clone());
            noted.threat = Some(found.what.clone());
        });
    }

    /// Notes that a rule of the built-in scanner holds for what is said of a body.
    pub fn note_rule(&self, scanner: &Scanner, rule: usize) {
        if let Some(rule) = scanner.rules().list().get(rule) {
            self.note_found(&Found { what: rule.name.clone(), by: crate::inspect::course::BUILT_IN.into() });
        }
    }
}
