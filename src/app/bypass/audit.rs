//! What the audit log says: who changed what, when, and what it was before.

use std::sync::Arc;
use std::time::SystemTime;

use serde::Serialize;

use crate::admin::bypass_record::BypassRecord;
use crate::admin::operations::Who;
use crate::observe::access_log::clock::Rfc3339;
use crate::observe::access_log::escape::write_ascii_json;
use crate::policy::bypass::entry::BypassEntry;

/// Who makes a change.
#[derive(Clone, Copy, Debug)]
pub enum By<'w> {
    /// Somebody at the admin port.
    Admin(&'w Who),
    /// The detector of live streams, with what it saw.
    Detector(&'w str),
}

/// A change of one entry.
#[derive(Debug)]
pub struct Change {
    /// As it was; `None` where it is new.
    pub before: Option<Arc<BypassEntry>>,
    /// As it is; `None` where it is gone.
    pub after: Option<Arc<BypassEntry>>,
}

#[derive(Serialize)]
struct Line<'l> {
    ts: String,
    what: &'static str,
    by: &'static str,
    remote: Option<String>,
    token: Option<&'l str>,
    evidence: Option<&'l str>,
    id: Option<&'l str>,
    before: Option<BypassRecord>,
    after: Option<BypassRecord>,
}

impl Change {
    fn what(&self) -> &'static str {
        match (&self.before, &self.after) {
            (None, _) => "bypass_add",
            (Some(_), Some(_)) => "bypass_change",
            (Some(_), None) => "bypass_remove",
        }
    }

    /// The line of the log, in JSON, printable ASCII, with its end.
    fn line(&self, by: By<'_>, now: SystemTime) -> Vec<u8> {
        let record = |entry: &Option<Arc<BypassEntry>>| entry.as_ref().map(|entry| BypassRecord::of(&entry.rule));
        let who = match by {
            By::Admin(who) => Some(who),
            By::Detector(_) => None,
        };
        let line = Line {
            ts: Rfc3339(now).to_string(),
            what: self.what(),
            by: if who.is_some() { "admin" } else { "detector" },
            remote: who.map(|who| who.remote.to_string()),
            token: who.and_then(|who| who.token.as_deref()),
            evidence: match by {
                By::Admin(_) => None,
                By::Detector(evidence) => Some(evidence),
            },
            id: self.after.as_ref().or(self.before.as_ref()).map(|entry| &*entry.id),
            before: record(&self.before),
            after: record(&self.after),
        };
        let mut text = Vec::new();
        if let Err(error) = write_ascii_json(&mut text, &line) {
            tracing::error!(%error, "a line of the audit log cannot be encoded");
        }
        text.push(b'\n');
        text
    }
}

/// The lines for `changes`, one after the other.
pub fn lines(changes: &[Change], by: By<'_>, now: SystemTime) -> Vec<u8> {
    changes.iter().flat_map(|change| change.line(by, now)).collect()
}
