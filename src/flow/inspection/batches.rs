//! A stream in the batches in which ICAP services see it: each is a message of its own, and finite.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tokio::time::Instant;

use crate::inspect::course::StreamScan;
use crate::inspect::sampling::{Run, Sampling};

/// Bytes of a batch.
const BATCH: usize = 64 * 1024;
/// Age at which a smaller one is sent all the same.
const OLDEST: Duration = Duration::from_secs(5);
/// Bytes of the batch before that stand in front of each, so that what lies over the border is seen.
pub const OVERLAP: usize = 4 * 1024;

/// One piece of a stream to be scanned.
#[derive(Debug, PartialEq, Eq)]
pub struct Batch {
    /// Its bytes, those of the overlap first.
    pub bytes: Vec<u8>,
    /// Bytes of the stream up to its end, without those that are left out.
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
    /// What is left out, where anything is.
    sampling: Option<Sampling>,
    /// Batches that end where bytes were left out.
    closed: VecDeque<Batch>,
    gathered: Vec<u8>,
    /// Bytes at its front that were seen before.
    overlap: usize,
    since: Option<Instant>,
    pushed: u64,
    skipped: u64,
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

    /// Batches of a stream of which only a sample is seen, and nothing waits for its verdict.
    pub fn sampled(sampling: Sampling) -> Self {
        let state = State { sampling: Some(sampling), ..State::default() };
        Self { state: RefCell::new(state), ..Self::new(StreamScan::Async) }
    }

    /// Says what stands right before the stream: at most [`OVERLAP`] bytes, which were seen with all that is before them.
    /// To be called before anything is pushed.
    pub fn follow(&self, seen: Vec<u8>) {
        let mut state = self.state.borrow_mut();
        (state.overlap, state.gathered) = (seen.len(), seen);
    }

    /// Takes more of the stream.
    pub fn push(&self, bytes: &[u8]) {
        let mut state = self.state.borrow_mut();
        let mut rest = bytes;
        while !rest.is_empty() {
            let run = state.sampling.as_mut().map_or(Run::Shown(rest.len()), |sampling| sampling.next(rest.len()));
            let count = match run {
                Run::Shown(count) => state.gather(&rest[..count]),
                Run::Skipped(count) => state.skip(count),
            };
            rest = &rest[count..];
        }
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
        let state = self.state.borrow();
        let closed: usize = state.closed.iter().map(|batch| batch.bytes.len()).sum();
        closed + state.gathered.len() <= BATCH + OVERLAP
    }

    /// Bytes that were left out so far.
    pub fn skipped(&self) -> u64 {
        self.state.borrow().skipped
    }

    /// Bytes of the stream, from its beginning, that may go on.
    pub fn cleared(&self) -> u64 {
        match self.mode {
            StreamScan::Sync => self.state.borrow().cleared,
            StreamScan::Async | StreamScan::Off => u64::MAX,
        }
    }

    /// Whether everything that is to be seen of what was pushed is scanned.
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
        if let Some(batch) = state.closed.pop_front() {
            return Poll::Ready(Some(batch));
        }
        let fresh = state.fresh();
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
        let batch = state.close();
        if !state.ended {
            state.overlap = batch.bytes.len().min(OVERLAP);
            state.gathered = batch.bytes[batch.bytes.len() - state.overlap..].to_vec();
        }
        Poll::Ready(Some(batch))
    }
}

impl State {
    /// Bytes gathered that nobody has seen.
    fn fresh(&self) -> usize {
        self.gathered.len() - self.overlap
    }

    fn gather(&mut self, bytes: &[u8]) -> usize {
        self.gathered.extend_from_slice(bytes);
        self.pushed += bytes.len() as u64;
        self.since.get_or_insert_with(Instant::now);
        bytes.len()
    }

    /// Leaves bytes out. What was gathered before them is a batch, and none of it is the overlap of the next: what stands
    /// far from each other in the stream is not to be seen side by side.
    fn skip(&mut self, count: usize) -> usize {
        self.skipped += count as u64;
        let fresh = self.fresh();
        let batch = self.close();
        if fresh > 0 {
            self.closed.push_back(batch);
        }
        count
    }

    /// Ends the batch that gathers; the next has nothing in front of it.
    fn close(&mut self) -> Batch {
        (self.overlap, self.since) = (0, None);
        Batch { bytes: std::mem::take(&mut self.gathered), end: self.pushed }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inspect::decode::coding::Coded;
    use crate::inspect::magic::Sight;

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
    fn what_was_seen_before_the_stream_stands_in_front_of_its_first_batch_and_is_none_by_itself() {
        let (batches, now) = (Batches::new(StreamScan::Sync), Instant::now());
        batches.follow(b"seen".to_vec());
        assert!(batches.is_through() && batches.due().is_none());
        assert_eq!(next(&batches, now), Poll::Pending);
        batches.push(b"new");
        assert_eq!(next(&batches, now), Poll::Ready(Some(Batch { bytes: b"seennew".to_vec(), end: 3 })));
        let batches = Batches::new(StreamScan::Async);
        batches.follow(b"seen".to_vec());
        batches.end();
        assert_eq!(next(&batches, now), Poll::Ready(None));
    }

    #[test]
    fn what_was_seen_before_the_stream_does_not_reach_over_what_is_left_out() {
        let (batches, now) = (sampled(256 << 10), Instant::now());
        batches.follow(b"seen".to_vec());
        batches.push(&vec![b'-'; (4 << 20) - (256 << 10)]);
        batches.push(b"new");
        batches.end();
        assert_eq!(next(&batches, now), Poll::Ready(Some(Batch { bytes: b"new".to_vec(), end: 3 })));
    }

    fn sampled(at: u64) -> Batches {
        let sampling = Sampling::of(Sight::Unknown, Coded::No, at).expect("it is sampled");
        Batches::sampled(sampling)
    }

    #[test]
    fn a_batch_ends_where_bytes_are_left_out_and_is_due_at_once() {
        const MIB: usize = 1 << 20;
        let (batches, now) = (sampled((256 << 10) - 3), Instant::now());
        batches.push(b"abcdef");
        assert_eq!(batches.skipped(), 3);
        assert!(!batches.is_through());
        assert_eq!(next(&batches, now), Poll::Ready(Some(Batch { bytes: b"abc".to_vec(), end: 3 })));
        batches.clear(3);
        assert!(batches.is_through(), "what is left out is not waited for");
        assert_eq!(next(&batches, now), Poll::Pending);
        let left_out = 4 * MIB - (256 << 10) - 3;
        batches.push(&vec![b'-'; left_out]);
        assert_eq!((next(&batches, now), batches.due()), (Poll::Pending, None));
        batches.push(b"sample");
        batches.end();
        assert_eq!(batches.skipped(), left_out as u64 + 3);
        let last = Batch { bytes: b"sample".to_vec(), end: 9 };
        assert_eq!(next(&batches, now), Poll::Ready(Some(last)), "nothing from before the gap stands in front");
        assert_eq!(next(&batches, now), Poll::Ready(None));
    }

    #[test]
    fn the_overlap_of_a_batch_does_not_reach_over_what_is_left_out() {
        let (batches, now) = (sampled(0), Instant::now());
        batches.push(&[b'a'; BATCH]);
        let Poll::Ready(Some(first)) = next(&batches, now) else { panic!("a full batch waits") };
        batches.push(&vec![b'a'; (4 << 20) - BATCH]);
        batches.push(&[b'b'; 10]);
        let Poll::Ready(Some(second)) = next(&batches, now) else { panic!("a batch that is closed waits") };
        assert_eq!((first.bytes.len(), second.bytes.len()), (BATCH, OVERLAP + (256 << 10) - BATCH));
        assert_eq!(next(&batches, now), Poll::Pending, "the sample gathers");
        batches.end();
        assert_eq!(next(&batches, now), Poll::Ready(Some(Batch { bytes: vec![b'b'; 10], end: (256 << 10) + 10 })));
    }

    #[test]
    fn what_is_left_out_flows_while_a_batch_waits_and_the_next_sample_does_not() {
        let batches = sampled(4 << 20);
        batches.push(&[b'x'; BATCH]);
        for _ in 1..64 {
            assert!(batches.takes_more());
            batches.push(&[b'-'; BATCH]);
        }
        assert!(batches.takes_more());
        batches.push(&[b'x'; BATCH]);
        assert!(!batches.takes_more());
        assert!(next(&batches, Instant::now()).is_ready());
        assert!(batches.takes_more());
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
