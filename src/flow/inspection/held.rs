//! A body that is at hand, on its way out of its spool.

use std::future::poll_fn;
use std::io;
use std::task::{Context, Poll, ready};

use crate::base::reason::Reason;
use crate::flow::services::Services;
use crate::icap::body::{BodyLength, BodySource, InMemory};
use crate::inspect::spool::Spool;

/// Bytes read back at once.
const SLICE: usize = 64 * 1024;

/// What follows the bytes that are at hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// The end of the body.
    Whole,
    /// Nothing: the rest never came, and whoever is given the beginning must see that.
    Cut(Reason),
    /// The rest, as it comes.
    GoesOn,
}

/// A body, or the beginning of one, at hand. Dropping it frees what it holds.
#[derive(Debug)]
pub struct Held {
    spool: Spool,
    at: u64,
    /// What stands behind the spool's bytes.
    tail: Vec<u8>,
    slice: Vec<u8>,
    ending: Ending,
    over: bool,
}

impl Held {
    /// What `spool` holds from `at` on, and `tail` behind it.
    pub fn new(spool: Spool, at: u64, tail: Vec<u8>, ending: Ending) -> Self {
        Self { spool, at, tail, slice: Vec::new(), ending, over: false }
    }

    /// What follows.
    pub fn ending(&self) -> Ending {
        self.ending
    }

    /// Whether everything was given out.
    pub fn is_over(&self) -> bool {
        self.over
    }

    /// The next bytes; none at the end.
    ///
    /// # Errors
    /// When they cannot be read back.
    pub fn poll_next(&mut self, services: &Services, cx: &mut Context<'_>) -> Poll<io::Result<&[u8]>> {
        let left = usize::try_from(self.spool.len().saturating_sub(self.at)).unwrap_or(usize::MAX);
        if left == 0 {
            services.buffers.put(&mut self.slice);
            self.slice = std::mem::take(&mut self.tail);
            self.over = self.slice.is_empty();
            return Poll::Ready(Ok(&self.slice));
        }
        if self.slice.capacity() == 0 {
            self.slice = services.buffers.take();
        }
        self.slice.resize(left.min(SLICE), 0);
        let count = ready!(self.spool.poll_read_at(cx, self.at, &mut self.slice))?;
        if count == 0 {
            return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into()));
        }
        self.at += count as u64;
        Poll::Ready(Ok(&self.slice[..count]))
    }
}

/// What has come of a body so far, whole for whoever is shown it: what its spool took, and behind it what had no room there.
pub struct AtHand<'a> {
    /// What it took, whether or not it takes more.
    pub spool: &'a mut Spool,
    /// What it did not take.
    pub rest: &'a [u8],
}

impl AtHand<'_> {
    /// Bytes of both.
    pub fn bytes(&self) -> u64 {
        self.spool.len() + self.rest.len() as u64
    }

    /// The last bytes, at most `most` of them.
    ///
    /// # Errors
    /// When they cannot be read back.
    pub async fn last(&mut self, most: usize) -> io::Result<Vec<u8>> {
        let mut at = self.bytes().saturating_sub(most as u64);
        let mut last = Vec::with_capacity(most);
        while at < self.bytes() {
            let begin = last.len();
            last.resize(most, 0);
            let count = poll_fn(|cx| self.poll_read_at(cx, at, &mut last[begin..])).await?;
            last.truncate(begin + count);
            at += count as u64;
        }
        Ok(last)
    }
}

impl BodySource for AtHand<'_> {
    fn length(&self) -> BodyLength {
        BodyLength::Known(self.bytes())
    }

    fn poll_read_at(&mut self, cx: &mut Context<'_>, at: u64, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        let Some(behind) = at.checked_sub(self.spool.len()) else {
            return self.spool.poll_read_at(cx, at, buffer);
        };
        InMemory(self.rest).poll_read_at(cx, behind, buffer)
    }
}
