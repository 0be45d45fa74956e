//! What is said of a file, for people and for programs.

use std::time::Duration;

use serde_json::json;

use crate::cli::table::printable;
use crate::inspect::course::ScannerName;

/// What became of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Every scanner that was asked saw all of it, and none found anything.
    Clean,
    /// It would not be delivered.
    Blocked {
        /// The rule or the threat.
        what: String,
        /// How it was found.
        how: String,
        /// By whom.
        by: ScannerName,
    },
    /// Something was found in it, and the scanner sends it without.
    Cleaned {
        /// The threat.
        what: String,
        /// Who took it out.
        by: ScannerName,
    },
    /// Nobody knows: no scanner found anything, and at least one could not do its work.
    NotScanned {
        /// Why not.
        why: String,
        /// Who could not, where it was a scanner.
        by: Option<ScannerName>,
    },
}

impl Verdict {
    /// Why a file could not be scanned.
    pub fn not_scanned(by: Option<ScannerName>, why: String) -> Self {
        Verdict::NotScanned { why, by }
    }

    fn word(&self) -> &'static str {
        match self {
            Verdict::Clean => "clean",
            Verdict::Blocked { .. } => "blocked",
            Verdict::Cleaned { .. } => "cleaned",
            Verdict::NotScanned { .. } => "not_scanned",
        }
    }

    fn text(&self) -> String {
        match self {
            Verdict::Clean => "clean".to_owned(),
            Verdict::Blocked { what, how, by: by @ ScannerName::BuiltIn } => {
                format!("blocked: rule `{what}`, by {by} ({how})")
            }
            Verdict::Blocked { what, how, by } => format!("blocked: {what}, by {by} ({how})"),
            Verdict::Cleaned { what, by } => format!("not clean: {what}, which {by} takes out"),
            Verdict::NotScanned { why, by: Some(by) } => format!("not scanned: {by}: {why}"),
            Verdict::NotScanned { why, by: None } => format!("not scanned: {why}"),
        }
    }
}

/// One file, done.
#[derive(Clone, Debug)]
pub(super) struct Line {
    /// The file as it was named.
    pub path: String,
    pub verdict: Verdict,
    /// How long it is.
    pub bytes: u64,
    /// How long all scanners took together.
    pub took: Duration,
}

impl Line {
    /// One line, without its end; nothing in it moves a terminal's cursor.
    pub fn text(&self) -> String {
        let ms = self.took.as_secs_f64() * 1000.0;
        let line = format!("{}: {}; {} bytes, {ms:.1} ms", self.path, self.verdict.text(), self.bytes);
        printable(&line)
    }

    /// The same as an object on one line.
    pub fn json(&self) -> serde_json::Value {
        let (what, how, by) = match &self.verdict {
            Verdict::Clean => (None, None, None),
            Verdict::Blocked { what, how, by } => (Some(what), Some(how), Some(by)),
            Verdict::Cleaned { what, by } => (Some(what), None, Some(by)),
            Verdict::NotScanned { why, by } => (None, Some(why), by.as_ref()),
        };
        let us = u64::try_from(self.took.as_micros()).unwrap_or(u64::MAX);
        json!({
            "path": self.path,
            "verdict": self.verdict.word(),
            "found": what,
            "why": how,
            "scanner": by.map(ScannerName::text),
            "bytes": self.bytes,
            "ms": us as f64 / 1000.0,
        })
    }
}
