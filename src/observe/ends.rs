//! The last ends of this process: who closed first, with what, after how long; kept so that nobody needs a packet
//! capture to find out.
//!
//! Each worker writes its own ring and the admin thread reads them all. What is written is facts; sentences are made of
//! them only when somebody asks.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::base::phase::Phase;
use crate::base::reason::Reason;
use crate::observe::live::{Kind, Row};
use crate::observe::record::Record;

mod closer;
mod ring;
pub mod sentence;
#[cfg(test)]
mod tests;

pub use closer::{Closer, How, Manner, how, timer_of};
pub use ring::{EndRing, Holds};

/// The end of one exchange or tunnel.
#[derive(Clone, Debug, PartialEq)]
pub struct ExchangeEnd {
    /// Id of the client's connection.
    pub connection: u64,
    /// Number of the exchange on it, from 1.
    pub number: u32,
    /// When it ended.
    pub at: Instant,
    /// The client's address.
    pub client: SocketAddr,
    /// Name of the listener it came in by.
    pub listener: Arc<str>,
    /// `host:port`; empty when the target was not understood.
    pub destination: Arc<str>,
    /// What kind of exchange it was at its end.
    pub kind: Kind,
    /// Why it ended.
    pub reason: Reason,
    /// What it was doing when it ended.
    pub phase: Phase,
    /// Who closed first, and how.
    pub how: How,
    /// Since a byte moved.
    pub idle: Duration,
    /// First byte of the request head to the end.
    pub took: Duration,
    /// Bytes read from the client.
    pub bytes_in: u64,
    /// Bytes written to the client.
    pub bytes_out: u64,
    /// What the upstream connection had behind it; `None` when it was a fresh one, or there was none.
    pub reused: Option<Reused>,
    /// The request was sent a second time on a fresh connection.
    pub retried: bool,
    /// The time-out that ended it, or the profile that set it.
    pub timer: Option<&'static str>,
    /// The rule that refused or evicted it.
    pub limit: Option<Arc<str>>,
}

/// What an upstream connection had behind it when a request was sent on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reused {
    /// Requests it had served.
    pub served: u64,
    /// How long it had been idle.
    pub idle: Duration,
}

/// The end of an idle kept connection that its origin closed.
#[derive(Clone, Debug, PartialEq)]
pub struct KeptEnd {
    /// `host:port` of the origin.
    pub authority: Arc<str>,
    /// When the close was seen.
    pub at: Instant,
    /// How long it had been idle.
    pub idle: Duration,
    /// [`Manner::Fin`] or [`Manner::Reset`].
    pub manner: Manner,
    /// Requests it had served.
    pub served: u64,
    /// Id of the client connection whose exchange used it last.
    pub connection: u64,
    /// Number of that exchange.
    pub number: u32,
}

/// One end of either kind.
#[derive(Clone, Debug, PartialEq)]
pub enum Entry {
    /// An exchange or tunnel.
    Exchange(ExchangeEnd),
    /// An idle kept connection.
    Kept(KeptEnd),
}

impl ExchangeEnd {
    /// The end of the exchange of `row` and `record` at `now`. Who closed and which time-out ran out is what `reason`
    /// says of it, unless the record knows better.
    /// Copies numbers and shares names; formats nothing.
    pub fn of(row: &Row, record: &Record, (reason, phase): (Reason, Phase), now: Instant) -> Self {
        let (bytes_in, bytes_out) = row.bytes();
        Self {
            connection: row.id(),
            number: record.number,
            at: now,
            client: row.client(),
            listener: row.shared_listener().clone(),
            destination: record.destination.clone(),
            kind: row.kind(),
            reason,
            phase: record.stopped.map_or(phase, |stopped| stopped.phase),
            how: record.first_close.unwrap_or_else(|| how(reason)),
            idle: record.stopped.map_or_else(|| row.silence(now), |stopped| stopped.idle),
            took: now.saturating_duration_since(record.began),
            bytes_in,
            bytes_out,
            reused: record.reused,
            retried: record.retried,
            timer: record.profiles.that_ended(reason).or_else(|| timer_of(reason)),
            limit: record.limit.as_ref().map(|limit| limit.rule.clone()),
        }
    }

    /// Whether nobody will ever ask about it: a request and its whole response, at the first attempt.
    fn is_plain(&self) -> bool {
        self.reason == Reason::Done && self.kind == Kind::Http && !self.retried
    }
}

impl Entry {
    /// Id of the client connection it belongs to, or belonged to last.
    pub fn connection(&self) -> u64 {
        match self {
            Entry::Exchange(end) => end.connection,
            Entry::Kept(end) => end.connection,
        }
    }

    /// Number of the exchange on that connection.
    pub fn number(&self) -> u32 {
        match self {
            Entry::Exchange(end) => end.number,
            Entry::Kept(end) => end.number,
        }
    }

    /// When it ended.
    pub fn at(&self) -> Instant {
        match self {
            Entry::Exchange(end) => end.at,
            Entry::Kept(end) => end.at,
        }
    }

    /// `host:port` of the origin.
    pub fn destination(&self) -> &Arc<str> {
        match self {
            Entry::Exchange(end) => &end.destination,
            Entry::Kept(end) => &end.authority,
        }
    }

    /// Who closed first, and how.
    pub fn how(&self) -> How {
        match self {
            Entry::Exchange(end) => end.how,
            Entry::Kept(end) => How { closer: Closer::Upstream, manner: end.manner },
        }
    }
}
