//! What a conversation comes to, piece by piece.

use std::time::Duration;

use super::super::adapted::AdaptedHead;
use super::super::encapsulated::{Encapsulated, InnerHead};
use super::super::error::{ErrorKind, Fault};
use super::super::head::IcapHead;
use crate::http::framing::decimal;

/// Longest wait that a server may ask for, in seconds.
const LONGEST_RETRY: u64 = 60;

/// What an answer comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The message is to stay as it is.
    Unchanged,
    /// This message is to take its place; the body follows.
    Adapted(AdaptedHead),
    /// As adapted, and after its body that of the original may go on.
    Partial(AdaptedHead),
    /// To OPTIONS: what the head says.
    Options,
    /// The server did not do what it was asked to.
    Refused(ErrorKind),
}

/// The final answer of a server, without the body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Its own head.
    pub head: IcapHead,
    /// What it comes to.
    pub verdict: Verdict,
}

/// What comes next.
#[derive(Debug, PartialEq, Eq)]
pub enum Event<'a> {
    /// More input is needed.
    Wait,
    /// The answer. Comes once, before data and end.
    Answer(Box<Answer>),
    /// Bytes of the adapted body, never none.
    Data(&'a [u8]),
    /// The answer is over; of the original body, what begins at this byte is to follow.
    End {
        /// From where.
        original_from: Option<u64>,
    },
}

/// The head inside an answer, which is exactly `inner`.
pub(super) fn read_inner(inner: &[u8], parts: Encapsulated) -> Result<AdaptedHead, Fault> {
    match parts.head {
        Some(InnerHead::Request) => AdaptedHead::request(inner),
        Some(InnerHead::Response) => AdaptedHead::response(inner),
        None => Err(Fault::Encapsulated),
    }
}

/// How long the server asks to be left alone.
pub(super) fn retry_after(head: &IcapHead) -> Option<Duration> {
    let seconds = decimal(head.field("Retry-After")?.trim_ascii())?;
    Some(Duration::from_secs(seconds.min(LONGEST_RETRY)))
}
