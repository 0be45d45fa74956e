//! What inspections of all workers share, and what no reload replaces: spools, blocked URLs, the history of streams.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Instant, SystemTime};

use arc_swap::ArcSwap;

use super::Inspection;
use super::flow::Flow;
use super::offers::Offers;
use crate::base::authority::Authority;
use crate::flow::session::Session;
use crate::inspect::blocked::Blocked;
use crate::inspect::course::SpoolSettings;
use crate::inspect::history::{History, Kind, Suggestion};
use crate::inspect::spool::Spools;
use crate::inspect::verdicts::Verdicts;
use crate::limits::subject::Bound;
use crate::policy::bypass::list::{BypassList, BypassSubject};
use crate::policy::bypass::skips::{Skip, Skips};

/// Shared by all workers.
pub struct InspectionShared {
    /// Where bodies are held.
    pub spools: Arc<Spools>,
    /// URLs in whose streams something was found.
    pub blocked: Blocked,
    /// What services have said of whole bodies.
    pub verdicts: Arc<Verdicts>,
    /// Addresses that gave streams.
    pub history: Mutex<History>,
    /// Files that wait behind progress pages.
    pub offers: Arc<Offers>,
    /// What is left out for whom.
    pub bypass: Arc<ArcSwap<BypassList>>,
}

impl InspectionShared {
    /// Nothing is held, blocked or remembered.
    pub fn new(spools: SpoolSettings, bypass: Arc<ArcSwap<BypassList>>) -> Self {
        let spools = Arc::new(Spools::new(spools));
        let (blocked, verdicts, history, offers) =
            (Blocked::default(), Arc::default(), Mutex::default(), Arc::default());
        Self { spools, blocked, verdicts, history, offers, bypass }
    }

    /// How often such addresses gave streams lately, as far as that counts for this client.
    pub fn hand_overs(&self, inspection: &Inspection, session: &Session<'_>, media_type: &str) -> u32 {
        let kind = inspection.kind.get_or_init(|| Kind::of(inspection.authority.text(), inspection.path(), media_type));
        let history = self.history.lock().unwrap_or_else(PoisonError::into_inner);
        history.hand_overs(kind, session.source(), Instant::now())
    }

    /// Remembers that a body flows on: what time has told shortens the wait for the next of its kind.
    pub fn note_flow(&self, inspection: &Inspection, session: &Session<'_>, flow: Flow) {
        session.services.counters.inspection.flows[flow.index()].add(1);
        if let (Flow::Stream(evidence), Some(kind)) = (flow, inspection.kind.get()) {
            let mut history = self.history.lock().unwrap_or_else(PoisonError::into_inner);
            history.note_stream(kind, session.source(), evidence, Instant::now());
        }
    }

    /// Forgets that such addresses gave streams: something was found in what one gave, or it was no stream.
    pub fn forget_streams(&self, inspection: &Inspection) {
        if let Some(kind) = inspection.kind.get() {
            self.history.lock().unwrap_or_else(PoisonError::into_inner).forget(kind);
        }
    }

    /// Addresses that gave streams to several clients: what might stand in the bypass list.
    pub fn suggestions(&self) -> Vec<Suggestion> {
        let history = self.history.lock().unwrap_or_else(PoisonError::into_inner);
        history.suggestions(Instant::now())
    }
}

impl Session<'_> {
    /// Finds what the bypass list leaves out for a request. `head` is its head as the origin gets it; empty for a tunnel.
    pub fn find_skips(&mut self, authority: &Authority, head: &[u8]) {
        let bypass = self.services.inspection.bypass.load();
        self.skips = if bypass.entries().is_empty() {
            Skips::NONE
        } else {
            let url = super::url(authority, head);
            let source = self.source();
            let subject = BypassSubject { authority, url: url.as_bytes(), source, address: None };
            bypass.find(&subject, SystemTime::now())
        };
        let exempt = self.skips.contains(Skip::Limits);
        self.holding.set_bound(if exempt { Bound::ByProcess } else { Bound::ByAll });
    }
}

impl Inspection {
    /// Says which address was dialled: entries of the bypass list may go by it, and services are told.
    pub fn dialled(&mut self, session: &Session<'_>, address: IpAddr) {
        self.server = Some(address);
        let bypass = session.services.inspection.bypass.load();
        if !bypass.entries().is_empty() {
            let subject = self.subject(session, Some(address));
            self.skips = bypass.find_by_address(&subject, SystemTime::now());
        }
    }

    /// Whether the bypass list leaves out scanning for responses of this type, or from the address dialled.
    pub fn is_bypassed(&self, session: &Session<'_>, media_type: &str) -> bool {
        let bypass = session.services.inspection.bypass.load();
        if bypass.entries().is_empty() {
            return false;
        }
        let subject = self.subject(session, None);
        let skips = bypass.find_by_type(&subject, media_type.as_bytes(), SystemTime::now());
        skips.and(self.skips).contains(Skip::Scan)
    }

    fn subject(&self, session: &Session<'_>, address: Option<IpAddr>) -> BypassSubject<'_> {
        let source = session.source();
        BypassSubject { authority: &self.authority, url: self.url.as_bytes(), source, address }
    }
}
