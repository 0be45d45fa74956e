//! A body that is at hand, on its way out of its spool.

use std::io;
use std::task::{Context, Poll, ready};

use crate::base::reason::Reason;
use crate::flow::services::Services;
use crate::icap::body::BodySource;
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
