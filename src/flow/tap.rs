//! What stands in the way of a body that is scanned as it flows: nothing passes it that was not looked at.

use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::Instant;

use super::inspection::batches::Batches;
use super::inspection::reading::{Found, Reading, Turn};
use super::services::Services;
use crate::base::reason::Reason;
use crate::inspect::events::Events;
use crate::inspect::plan::Unscanned;
use crate::net::scratch::BufferPool;

/// Most bytes that wait for the rest of their event.
const WINDOW: usize = 64 * 1024;
/// How long they wait at most.
const LONGEST_EVENT: Duration = Duration::from_millis(500);

/// What looks at a body on its way. Dropped with it.
pub struct Tap {
    reading: Option<Reading>,
    /// Scanners that see the body in batches.
    batches: Option<Rc<Batches>>,
    events: Events,
    /// Bytes that came, of which so many were read.
    came: Vec<u8>,
    read: usize,
    /// Bytes that were read and have not gone on, of which so many may.
    held: Vec<u8>,
    free: usize,
    /// Of them, those of whole events.
    whole: usize,
    /// Since when there are any.
    since: Option<Instant>,
    ended: bool,
    finished: bool,
    passed: u64,
    /// Bytes that pass before scanners have seen all of the body.
    unseen: u64,
    /// Most bytes that may come, of which so many have.
    most: u64,
    taken: u64,
    found: Option<Found>,
    /// What the scanner could not make out of a body that is over.
    doubt: Option<Unscanned>,
}

impl Tap {
    /// A tap for a body that comes as `events`.
    pub fn new(reading: Option<Reading>, batches: Option<Rc<Batches>>, events: Events) -> Self {
        Self {
            reading,
            batches,
            events,
            came: Vec::new(),
            read: 0,
            held: Vec::new(),
            free: 0,
            whole: 0,
            since: None,
            ended: false,
            finished: false,
            passed: 0,
            unseen: u64::MAX,
            most: u64::MAX,
            taken: 0,
            found: None,
            doubt: None,
        }
    }

    /// Stops a request body that is longer than this.
    pub fn set_most(&mut self, bytes: u64) {
        self.most = bytes;
    }

    /// Says that so many bytes come. Whoever gets the last of them takes the body for whole, so it waits until all of them
    /// are seen.
    pub fn expect(&mut self, length: u64) {
        self.unseen = length.saturating_sub(1);
    }

    /// Where bytes of the body are to be put.
    pub fn input(&mut self, pool: &BufferPool) -> &mut Vec<u8> {
        if self.came.capacity() == 0 {
            self.came = pool.take();
        }
        &mut self.came
    }

    /// Says that no more come.
    pub fn note_end(&mut self) {
        self.ended = true;
    }

    /// Whether there is room for more.
    pub fn takes_more(&self) -> bool {
        let batches = self.batches.as_ref().is_none_or(|batches| batches.takes_more());
        self.came.is_empty() && self.held.len() - self.free < WINDOW && batches
    }

    /// Bytes that passed.
    pub fn passed(&self) -> u64 {
        self.passed
    }

    /// What was found.
    pub fn found(&self) -> Option<&Found> {
        self.found.as_ref()
    }

    /// As what the body counts although it was read, as far as it has come.
    pub fn doubt(&self) -> Option<Unscanned> {
        self.reading.as_ref().and_then(Reading::doubt).or(self.doubt)
    }

    /// Says that the end of the body was queued behind all of it: there is nothing left to look at.
    pub fn finish(&mut self) {
        self.finished = true;
    }

    /// Whether that was said.
    pub fn is_finished(&self) -> bool {
        self.finished
    }

    /// When the tap is to be looked at again though nothing comes.
    pub fn attention(&self, now: Instant) -> Option<Instant> {
        self.since.map(|since| since + LONGEST_EVENT).filter(|until| now < *until)
    }

    /// Looks at what came. Ready when there is room for more; at the end, when everything has passed.
    ///
    /// # Errors
    /// The [`Reason`] to cut the body for.
    pub fn poll(&mut self, services: &Services, cx: &mut Context<'_>) -> Result<Poll<()>, Reason> {
        if self.look(services)? == Turn::More {
            cx.waker().wake_by_ref();
            return Ok(Poll::Pending);
        }
        self.taken += self.came.len() as u64;
        if self.taken > self.most {
            return Err(Reason::RequestTooLarge);
        }
        self.keep(services);
        if self.ended {
            self.end()?;
        }
        self.free = self.passable(Instant::now());
        let through = self.free == self.held.len() && self.is_seen();
        let ready = if self.ended { through } else { self.takes_more() };
        Ok(if ready { Poll::Ready(()) } else { Poll::Pending })
    }

    /// Bytes that may go on.
    pub fn released(&self) -> &[u8] {
        &self.held[..self.free]
    }

    /// Forgets the bytes that may go on: they have.
    pub fn forget_released(&mut self, pool: &BufferPool) {
        self.passed += self.free as u64;
        self.held.drain(..self.free);
        self.whole = self.whole.saturating_sub(self.free);
        self.free = 0;
        if self.held.is_empty() {
            self.since = None;
            pool.put(&mut self.held);
        }
    }

    fn look(&mut self, services: &Services) -> Result<Turn, Reason> {
        let Some(reading) = &mut self.reading else {
            self.read = self.came.len();
            return Ok(Turn::Done);
        };
        if self.read == self.came.len() {
            return Ok(Turn::Done);
        }
        let turn = services.decoded.with(|out| reading.turn(&self.came, &mut self.read, out));
        match turn {
            Turn::Found(found) => Err(self.stop(found)),
            turn => Ok(turn),
        }
    }

    fn stop(&mut self, found: Found) -> Reason {
        self.found = Some(found);
        Reason::ContentCut
    }

    /// Keeps what was read until it may go on.
    fn keep(&mut self, services: &Services) {
        if self.came.is_empty() {
            return;
        }
        if let Some(batches) = &self.batches {
            batches.push(&self.came);
        }
        self.since.get_or_insert_with(Instant::now);
        match self.events.boundary(&self.came) {
            0 => {}
            end => self.whole = self.held.len() + end,
        }
        if self.held.is_empty() {
            std::mem::swap(&mut self.held, &mut self.came);
        } else {
            self.held.extend_from_slice(&self.came);
        }
        self.read = 0;
        self.came.clear();
        services.buffers.put(&mut self.came);
    }

    fn end(&mut self) -> Result<(), Reason> {
        if let Some(batches) = &self.batches {
            batches.end();
        }
        let Some(mut reading) = self.reading.take() else { return Ok(()) };
        let found = reading.end();
        self.doubt = reading.doubt();
        found.map_or(Ok(()), |found| Err(self.stop(found)))
    }

    /// Whether those who see the body in batches have seen what came of it.
    fn is_seen(&self) -> bool {
        self.batches.as_ref().is_none_or(|batches| batches.is_through())
    }

    /// How many of the bytes held may go on: whole events, or all of them where they have waited long enough; and none
    /// that scanners must see first.
    fn passable(&self, now: Instant) -> usize {
        let waited = self.since.is_some_and(|since| now >= since + LONGEST_EVENT);
        let by_event = if self.ended || waited || self.held.len() >= WINDOW { self.held.len() } else { self.whole };
        let cleared = self.batches.as_ref().map_or(u64::MAX, |batches| batches.cleared());
        let most = if self.ended && self.is_seen() { cleared } else { cleared.min(self.unseen) };
        by_event.min(usize::try_from(most.saturating_sub(self.passed)).unwrap_or(usize::MAX))
    }
}
