//! What a transaction counts for: it is counted once, also when it is dropped in the middle.

use std::sync::Arc;

use crate::observe::counters::WorkerCounters;
use crate::observe::icap_server::{Asked, Outcome};

/// Most bytes that the bodies held on one worker may take; what comes beyond is sent back as it is scanned.
const WORKER_HELD: u64 = 64 << 20;

/// One transaction in the counters. Dropped without an outcome it counts as aborted by the peer.
#[derive(Debug)]
pub(super) struct Account {
    counters: Arc<WorkerCounters>,
    asked: Asked,
    stream: Stream,
    outcome: Outcome,
}

/// Whether the transaction is counted among those of streams.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stream {
    No,
    Counted,
}

impl Account {
    pub fn open(counters: &Arc<WorkerCounters>, asked: Asked) -> Self {
        Self { counters: counters.clone(), asked, stream: Stream::No, outcome: Outcome::Aborted }
    }

    /// It sends back a stream from now on.
    pub fn is_stream(&mut self) {
        if self.stream == Stream::No {
            self.counters.icap_server.streams.add(1);
            self.stream = Stream::Counted;
        }
    }

    /// It is over.
    pub fn close(mut self, outcome: Outcome) {
        self.outcome = outcome;
    }
}

impl Drop for Account {
    fn drop(&mut self) {
        if self.stream == Stream::Counted {
            self.counters.icap_server.streams.sub(1);
        }
        self.counters.icap_server.ended(self.asked, self.outcome);
    }
}

/// The bytes of a body that are held, counted.
#[derive(Debug)]
pub(super) struct Held {
    bytes: Vec<u8>,
    counters: Arc<WorkerCounters>,
}

impl Held {
    pub fn new(counters: &Arc<WorkerCounters>) -> Self {
        Self { bytes: Vec::new(), counters: counters.clone() }
    }

    pub fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
        self.counters.icap_server.held.add(bytes.len() as u64);
    }

    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Whether all bodies of the worker together are too much.
    pub fn is_over_budget(&self) -> bool {
        self.counters.icap_server.held.get() > WORKER_HELD
    }

    /// Lets go of everything.
    pub fn clear(&mut self) {
        self.counters.icap_server.held.sub(self.bytes.len() as u64);
        self.bytes = Vec::new();
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.clear();
    }
}
