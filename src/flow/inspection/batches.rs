//! A stream in the batches in which ICAP services see it: each is a message of its own, and finite.

use std::cell::{Cell, RefCell};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tokio::time::Instant;

use crate::inspect::course::StreamScan;

/// Bytes of a batch.
const BATCH: usize = 64 * 1024;
/// Age at which a smaller one is sent all the same.
const OLDEST: Duration = Duration::from_secs(5);
/// Bytes of the batch before that stand in front of each, so that what lies over the border is seen.
const OVERLAP: usize = 4 * 1024;

/// One piece of a stream to be scanned.
#[derive(Debug, PartialEq, Eq)]
pub struct Batch {
    /// Its bytes, those of the overlap first.
    pub bytes: Vec<u8>,
    /// Bytes of the stream up to its end.
    pub end: u64,
}

/// The batches of one stream: filled by its tap, emptied by whoever has them scanned.
#[derive(Debug)]
pub struct Batches {
    mode: StreamScan,
    state: RefCell<State>,
    news: Cell<News>,
}

#[derive(Debug, Default)]
struct State {
    gathered: Vec<u8>,
    /// Bytes at its front that were seen before.
    overlap: usize,
    since: Option<Instant>,
    pushed: u64,
    cleared: u64,
    ended: bool,
    waker: Option<Waker>,
}

/// Whether the other side has something to look at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum News {
    #[default]
    None,
    Some,
}

impl Batches {
    /// No batches yet. `mode` is not [`StreamScan::Off`], with which there are none.
    pub fn new(mode: StreamScan) -> Self {
        Self { mode, state: RefCell::default(), news: Cell::default() }
    }

    /// Takes more of the stream.
    pub fn push(&self, bytes: &[u8]) {
        let mut state = self.state.borrow_mut();
        state.gathered.extend_from_slice(bytes);
        state.pushed += bytes.len() as u64;
        state.since.get_or_insert_with(Instant::now);
        self.tell(&mut state);
    }

    /// Says that the stream is over.
    pub fn end(&self) {
        let mut state = self.state.borrow_mut();
        if !state.ended {
            state.ended = true;
            self.tell(&mut state);
        }
    }

    fn tell(&self, state: &mut State) {
        if let Some(waker) = state.waker.take() {
            waker.wake();
        }
        self.news.set(News::Some);
    }

    /// Whether something was pushed or ended since this was asked last.
    pub fn take_news(&self) -> bool {
        self.news.take() == News::Some
    }

    /// Whether there is room for more: no more than one batch waits while another is scanned.
    pub fn takes_more(&self) -> bool {
        self.state.borrow().gathered.len() < BATCH + OVERLAP
    }

    /// Bytes of the stream, from its beginning, that may go on.
    pub fn cleared(&self) -> u64 {
        match self.mode {
            StreamScan::Sync => self.state.borrow().cleared,
            StreamScan::Async | StreamScan::Off => u64::MAX,
        }
    }

    /// Whether everything that was pushed is scanned.
    pub fn is_through(&self) -> bool {
        let state = self.state.borrow();
        state.cleared == state.pushed
    }

    /// The scan of a batch is over, and found nothing.
    pub fn clear(&self, end: u64) {
        self.state.borrow_mut().cleared = end;
    }

    /// When the batch that gathers is due, whatever comes.
    pub fn due(&self) -> Option<Instant> {
        self.state.borrow().since.map(|since| since + OLDEST)
    }

    /// Ready with the next batch once it is full, old enough, or the last; with nothing behind the last one.
    pub fn poll_batch(&self, now: Instant, cx: &mut Context<'_>) -> Poll<Option<Batch>> {
        let mut state = self.state.borrow_mut();
        let fresh = state.gathered.len() - state.overlap;
        if fresh == 0 {
            if state.ended {
                return Poll::Ready(None);
            }
            state.waker = Some(cx.waker().clone());
            return Poll::Pending;
        }
        let old = state.since.is_some_and(|since| now >= since + OLDEST);
        if fresh < BATCH && !old && !state.ended && self.mode != StreamScan::Sync {
            state.waker = Some(cx.waker().clone());
            return Poll::Pending;
        }
        let bytes = std::mem::take(&mut state.gathered);
        state.overlap = bytes.len().min(OVERLAP);
        if !state.ended {
            state.gathered = bytes[bytes.len() - state.overlap..].to_vec();
        } else {
            state.overlap = 0;
        }
        state.since = None;
        Poll::Ready(Some(Batch { bytes, end: state.pushed }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn next(batches: &Batches, now: Instant) -> Poll<Option<Batch>> {
        batches.poll_batch(now, &mut Context::from_waker(Waker::noop()))
    }

    #[test]
    fn a_batch_is_due_when_it_is_full_or_old() {
        let batches = Batches::new(StreamScan::Async);
        let now = Instant::now();
        assert_eq!(next(&batches, now), Poll::Pending);
        batches.push(b"event");
        assert_eq!(next(&batches, now), Poll::Pending);
        let later = now + OLDEST + Duration::from_secs(1);
        assert_eq!(next(&batches, later), Poll::Ready(Some(Batch { bytes: b"event".to_vec(), end: 5 })));
        batches.push(&[b'x'; BATCH]);
        let Poll::Ready(Some(batch)) = next(&batches, now) else { panic!("a full batch waits") };
        assert_eq!((batch.bytes.len(), batch.end), (5 + BATCH, 5 + BATCH as u64));
        assert!(!batches.is_through());
        batches.clear(batch.end);
        assert!(batches.is_through());
        batches.end();
        assert_eq!(next(&batches, now), Poll::Ready(None));
    }

    #[test]
    fn what_has_to_be_scanned_first_is_due_at_once_and_waits() {
        let batches = Batches::new(StreamScan::Sync);
        batches.push(b"one");
        assert_eq!(batches.cleared(), 0);
        assert_eq!(next(&batches, Instant::now()), Poll::Ready(Some(Batch { bytes: b"one".to_vec(), end: 3 })));
        batches.clear(3);
        batches.push(b"two");
        assert_eq!(batches.cleared(), 3);
        assert_eq!(next(&batches, Instant::now()), Poll::Ready(Some(Batch { bytes: b"onetwo".to_vec(), end: 6 })));
    }

    #[test]
    fn no_more_than_two_batches_are_held() {
        let batches = Batches::new(StreamScan::Async);
        batches.push(&[b'x'; BATCH]);
        assert!(batches.takes_more());
        batches.push(&[b'x'; BATCH]);
        assert!(!batches.takes_more());
    }
}
