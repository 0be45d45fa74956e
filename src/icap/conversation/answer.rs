//! What a conversation comes to, piece by piece.

use super::super::adapted::AdaptedHead;
use super::super::error::ErrorKind;
use super::super::head::IcapHead;

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
