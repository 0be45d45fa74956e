//! What is remembered of an exchange while it runs, so that one line can tell it at its end, however it ends.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use crate::base::inspection::{ScanMode, Verdict};
use crate::base::phase::Phase;
use crate::base::reason::Reason;
use crate::observe::ends::{How, Reused};

/// One exchange or tunnel. The box is used again for the next request of the connection.
#[derive(Debug)]
pub struct Record {
    /// Wall clock at the first byte of the request head.
    pub began_at: SystemTime,
    /// Monotonic clock at the first byte of the request head.
    pub began: Instant,
    /// Number of the exchange on its connection, from 1.
    pub number: u32,
    /// Bytes of the request head: what comes behind it is an upload, or goes into a tunnel.
    pub head_bytes: u64,
    /// Request method as sent.
    pub method: String,
    /// Absolute URL, or `host:port` for CONNECT; as sent by the client.
    pub url: String,
    /// `host:port` of the destination; empty when the target was not understood.
    pub destination: Arc<str>,
    /// Status sent to the client; 0 when none was.
    pub status: u16,
    /// Time spent on the name; `None` when none was resolved.
    pub dns: Option<Duration>,
    /// Time spent on TCP connect; `None` when a kept connection was used.
    pub connect: Option<Duration>,
    /// First byte of the request head to the head of the final response.
    pub first_byte: Option<Duration>,
    /// What the upstream connection had behind it, where it had served a request before.
    pub reused: Option<Reused>,
    /// The request was sent a second time on a fresh connection.
    pub retried: bool,
    /// The limit it met, kept or only watched; the last one where there were more.
    pub limit: Option<Limited>,
    /// The profiles whose timers would end it.
    pub profiles: Profiles,
    /// What it did when it was over, where an answer of our own still had to be given.
    pub stopped: Option<Stopped>,
    /// Who closed its direction of a tunnel first, and how.
    pub first_close: Option<How>,
    /// How its bodies were inspected, where somebody was to.
    pub inspected: Option<Inspected>,
}

/// How the bodies of an exchange were inspected, and what came of it.
#[derive(Clone, Debug, Default)]
pub struct Inspected {
    /// How much of the response was seen before it went on.
    pub mode: ScanMode,
    /// How much of the request body was; `None` where there was none, or nobody was to look at it.
    pub upload: Option<ScanMode>,
    /// What came of it.
    pub verdict: Verdict,
    /// Why part of what went to the client was not scanned.
    pub unscanned: Option<&'static str>,
    /// Why part of what came from it behind the head was not.
    pub upload_unscanned: Option<&'static str>,
    /// Bytes of sound or film that nobody was shown.
    pub skipped: u64,
    /// What made it flow on before its end was known.
    pub evidence: Option<&'static str>,
    /// When it began to.
    pub flowed: Option<Instant>,
    /// The scanner that found something, or could not be asked.
    pub scanner: Option<Arc<str>>,
    /// What it found, or what was wrong with it.
    pub threat: Option<Arc<str>>,
}

/// The profiles that set the timers of an exchange; `None` where a setting of ours does.
#[derive(Clone, Copy, Debug, Default)]
pub struct Profiles {
    /// Of the half-close limit.
    pub half_close: Option<&'static str>,
    /// Of silence.
    pub idle: Option<&'static str>,
}

impl Profiles {
    /// The profile whose timer ended an exchange for `reason`.
    pub fn that_ended(&self, reason: Reason) -> Option<&'static str> {
        match reason {
            Reason::TunnelHalfClose | Reason::HalfCloseLimit => self.half_close,
            Reason::TunnelIdle | Reason::ResponseBodyTimeout => self.idle,
            _ => None,
        }
    }
}

/// The state of an exchange at the moment it was over.
#[derive(Clone, Copy, Debug)]
pub struct Stopped {
    /// What it was doing.
    pub phase: Phase,
    /// Since a byte had moved.
    pub idle: Duration,
}

/// A limit that an exchange met.
#[derive(Clone, Debug)]
pub struct Limited {
    /// The rule's name.
    pub rule: Arc<str>,
    /// Seconds after which another try may do better.
    pub retry_after: u64,
}

impl Record {
    /// An empty record.
    pub fn new(now: Instant, nothing: Arc<str>) -> Self {
        Self {
            began_at: SystemTime::now(),
            began: now,
            number: 0,
            head_bytes: 0,
            method: String::new(),
            url: String::new(),
            destination: nothing,
            status: 0,
            dns: None,
            connect: None,
            first_byte: None,
            reused: None,
            retried: false,
            limit: None,
            profiles: Profiles::default(),
            stopped: None,
            first_close: None,
            inspected: None,
        }
    }
}

impl Record {
    /// Begins the account of the next exchange of the connection; the memory of the last one is used again.
    pub fn begin(&mut self, now: Instant, nothing: &Arc<str>) {
        self.began = now;
        self.number += 1;
        self.head_bytes = 0;
        self.method.clear();
        self.url.clear();
        self.destination = nothing.clone();
        self.status = 0;
        (self.dns, self.connect, self.first_byte) = (None, None, None);
        (self.reused, self.retried) = (None, false);
        (self.limit, self.stopped, self.first_close) = (None, None, None);
        self.inspected = None;
        self.profiles = Profiles::default();
    }
}

/// How an exchange ended; goes to the log beside its [`Record`].
#[derive(Clone, Copy, Debug)]
pub struct End {
    /// Why.
    pub reason: Reason,
    /// What the connection was doing when it ended.
    pub phase: Phase,
    /// Hang-up seen to last upstream closed; `None` when the client did not hang up.
    pub cancel_latency: Option<Duration>,
    /// Bytes read from the client.
    pub bytes_in: u64,
    /// Bytes written to the client.
    pub bytes_out: u64,
}
