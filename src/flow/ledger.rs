//! The account of one connection's exchanges: opened with a request, closed once, by whichever end comes first.

use std::cell::{Cell, RefCell};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::net::TcpStream;

use super::services::Services;
use crate::base::inspection::{ScanMode, Verdict};
use crate::base::reason::Reason;
use crate::http::method::Method;
use crate::inspect::plan::Unscanned;
use crate::net::socket::reset_on_drop;
use crate::observe::ends::ExchangeEnd;
use crate::observe::live::Row;
use crate::observe::record::{End, Inspected, Limited, Record, Stopped};
use crate::tether::tie::Cancelled;

/// A body that was taken for a stream and ended within this time, and this size, was a page.
const PAGE_TIME: Duration = Duration::from_secs(2);
/// Bytes of such a body.
const PAGE_BYTES: u64 = 1 << 20;

/// Counts and logs the exchanges of one connection.
pub struct Ledger<'a> {
    services: &'a Services,
    client: &'a TcpStream,
    row: &'a Arc<Row>,
    record: RefCell<Box<Record>>,
    open: Cell<bool>,
}

impl<'a> Ledger<'a> {
    /// The ledger of the connection of `row`.
    pub fn new(services: &'a Services, client: &'a TcpStream, row: &'a Arc<Row>) -> Self {
        let record = Box::new(Record::new(Instant::now(), services.nothing.clone()));
        Self { services, client, row, record: RefCell::new(record), open: Cell::new(false) }
    }

    /// What the connection's worker offers.
    pub fn services(&self) -> &'a Services {
        self.services
    }

    /// Opens an exchange: its head began to arrive at `now` and took `head_bytes`.
    pub fn begin(&self, now: Instant, method: (Method, &str), url: &str, head_bytes: usize) {
        let mut record = self.record.borrow_mut();
        record.begin(now, &self.services.nothing);
        record.head_bytes = head_bytes as u64;
        if self.services.log.is_on() {
            record.began_at = std::time::SystemTime::now();
            record.method.push_str(method.1);
            record.url.push_str(url);
        }
        self.row.begin(now);
        self.row.moved(now, head_bytes as u64, 0);
        self.services.counters.requests[method.0.index()].add(1);
        self.services.counters.bytes_from_clients.add(head_bytes as u64);
        self.services.counters.in_flight.add(1);
        self.open.set(true);
    }

    /// Notes something about the exchange under way.
    pub fn note(&self, note: impl FnOnce(&mut Record)) {
        note(&mut self.record.borrow_mut());
    }

    /// Notes something about how the exchange under way was inspected, which the live table shows as well.
    pub fn note_scan(&self, note: impl FnOnce(&mut Inspected)) {
        self.note(|record| {
            let inspected = record.inspected.get_or_insert_default();
            note(inspected);
            self.row.set_scan(inspected.mode, inspected.evidence);
        });
    }

    /// Notes that the first byte of an answer goes out, if none did before.
    pub fn note_first_byte(&self) {
        let mut record = self.record.borrow_mut();
        let now = record.began.elapsed();
        record.first_byte.get_or_insert(now);
    }

    /// The limit that the exchange under way met.
    pub fn limit(&self) -> Option<Limited> {
        self.record.borrow().limit.clone()
    }

    /// What was found in a body that flowed on.
    pub fn found_in_stream(&self) -> Option<Arc<str>> {
        let record = self.record.borrow();
        let inspected = record.inspected.as_ref()?;
        let found = inspected.mode == ScanMode::Window && inspected.verdict == Verdict::Blocked;
        inspected.threat.clone().filter(|_| found)
    }

    /// Whether something was found in the exchange under way.
    pub fn has_found(&self) -> bool {
        let record = self.record.borrow();
        record.inspected.as_ref().is_some_and(|inspected| matches!(inspected.verdict, Verdict::Blocked | Verdict::Cut))
    }

    /// Whether what flowed on as a stream would have been a page, were it over now.
    pub fn is_like_a_page(&self, now: Instant) -> bool {
        let record = self.record.borrow();
        record.inspected.as_ref().is_some_and(|inspected| is_like_a_page(inspected, self.row.bytes().1, now))
    }

    /// The exchange under way is over, though an answer of our own is still to be given: what it was doing, and since when
    /// nothing had moved.
    pub fn stop(&self) {
        let stopped = Stopped { phase: self.row.phase(), idle: self.row.silence(Instant::now()) };
        self.record.borrow_mut().stopped = Some(stopped);
    }

    /// The exchange under way: the id of the connection, and the number of the exchange on it.
    pub fn exchange(&self) -> (u64, u32) {
        (self.row.id(), self.record.borrow().number)
    }

    /// The id of the exchange under way, for pages and logs.
    pub fn exchange_id(&self) -> String {
        format!("{}-{}", self.row.id(), self.record.borrow().number)
    }

    /// Closes the exchange under way. A second call changes nothing: the first cause wins.
    pub fn end(&self, reason: Reason) {
        self.close(reason, None);
    }

    /// Closes the exchange under way because the client went.
    pub fn cancelled(&self, cancelled: &Cancelled) {
        self.services.counters.cancel_latency[cancelled.phase as usize].observe(cancelled.took);
        self.cut_client();
        self.close(cancelled.reason, Some(cancelled));
    }

    /// An answer that was begun and not finished must not look finished: behind a FIN, a body that ends with its
    /// connection would.
    fn cut_client(&self) {
        if self.open.get() {
            reset_on_drop(self.client);
        }
    }

    fn close(&self, reason: Reason, cancelled: Option<&Cancelled>) {
        if !self.open.replace(false) {
            return;
        }
        let counters = &self.services.counters;
        let mut record = self.record.borrow_mut();
        counters.in_flight.sub(1);
        counters.closed[reason as usize].add(1);
        counters.responses[usize::from(record.status / 100).min(counters.responses.len() - 1)].add(1);
        let now = Instant::now();
        counters.request_duration.observe(now.saturating_duration_since(record.began));
        self.count_inspected(&mut record, reason, now);
        let phase = cancelled.map_or_else(|| self.row.phase(), |cancelled| cancelled.phase);
        self.services.news.ends.exchange(ExchangeEnd::of(self.row, &record, (reason, phase), now));
        if self.services.log.is_on() {
            let (bytes_in, bytes_out) = self.row.bytes();
            let cancel_latency = cancelled.map(|cancelled| cancelled.took);
            self.services.log.write(self.row, &record, &End { reason, phase, cancel_latency, bytes_in, bytes_out });
        }
    }
}

impl Ledger<'_> {
    /// Counts what came of an inspection.
    fn count_inspected(&self, record: &mut Record, reason: Reason, now: Instant) {
        let Some(inspected) = &mut record.inspected else { return };
        let counters = &self.services.counters.inspection;
        if reason == Reason::ContentCut {
            inspected.verdict = Verdict::Cut;
        }
        counters.scans[inspected.mode as usize].add(1);
        counters.verdicts[inspected.verdict as usize].add(1);
        let (came, bytes) = self.row.bytes();
        let upload = came.saturating_sub(record.head_bytes);
        // Of those that came, some may never have gone on.
        let skipped = inspected.skipped.min(bytes);
        for (why, counter) in Unscanned::ALL.into_iter().zip(&counters.unscanned_bytes) {
            match why {
                Unscanned::Media => counter.add(skipped),
                why if Some(why.label()) == inspected.unscanned => counter.add(bytes - skipped),
                _ => {}
            }
            if Some(why.label()) == inspected.upload_unscanned {
                counter.add(upload);
            }
        }
        if is_like_a_page(inspected, bytes, now) && reason == Reason::Done {
            counters.regrets.add(1);
        }
    }
}

/// Whether a body of which so many bytes went out, and which flowed on, was over so soon that it could have been held.
fn is_like_a_page(inspected: &Inspected, bytes: u64, now: Instant) -> bool {
    inspected.flowed.is_some_and(|flowed| now < flowed + PAGE_TIME) && bytes < PAGE_BYTES
}

impl Drop for Ledger<'_> {
    /// A session that is dropped in the middle ends with its process or by a panic: the gauge must be right all the same.
    fn drop(&mut self) {
        self.cut_client();
        self.end(Reason::Drained);
    }
}
