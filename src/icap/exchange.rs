//! The driver: a conversation on a connection, both ways at once, under idle timers and one absolute deadline.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep_until};

use super::body::BodySource;
use super::conversation::{Answer, Conversation, Event};
use super::error::ErrorKind;
use super::pool::{Link, Pool};
use super::settings::IcapTimeouts;

/// Bytes read at a time, from the server and from the body.
const READ: usize = 16 * 1024;
/// Once the answer has begun, writing that stands still for this long is given up.
const COURTESY: Duration = Duration::from_secs(1);
/// Bytes for which the absolute deadline is one second later.
const BYTES_PER_SECOND: u64 = 1024 * 1024;

/// What an answer brought.
#[derive(Debug)]
pub enum Turn {
    /// The answer.
    Answer(Box<Answer>),
    /// Bytes of the adapted body.
    Data(Vec<u8>),
    /// The answer is over; of the original body, what begins at this byte is to follow.
    End {
        /// From where.
        original_from: Option<u64>,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Moved {
    Something,
    Nothing,
}

/// What happens when nothing moves until then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Due {
    Fail(ErrorKind),
    StopWriting,
}

/// A transaction under way. Dropping it resets the connection.
#[derive(Debug)]
pub struct Exchange<B> {
    link: Link,
    talk: Conversation,
    body: B,
    timeouts: IcapTimeouts,
    began: Instant,
    moved: Instant,
    heard: Heard,
    timer: Pin<Box<Sleep>>,
    buffer: Box<[u8]>,
}

/// Whether the server has said anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heard {
    /// Not a byte.
    Nothing,
    /// At least one byte.
    Something,
}

impl<B: BodySource> Exchange<B> {
    /// Begins `talk` on `link`; nothing is written before [`Exchange::turn`] is awaited.
    pub fn new(mut link: Link, talk: Conversation, body: B, timeouts: IcapTimeouts) -> Self {
        let now = Instant::now();
        link.begin();
        Self {
            link,
            talk,
            body,
            timeouts,
            began: now,
            moved: now,
            heard: Heard::Nothing,
            timer: Box::pin(sleep_until(now)),
            buffer: vec![0; READ].into(),
        }
    }

    /// What comes next of the answer, while the request goes on being written.
    ///
    /// # Errors
    /// [`ErrorKind`]; then nothing more comes, and the exchange must be dropped.
    pub async fn turn(&mut self) -> Result<Turn, ErrorKind> {
        poll_fn(|cx| self.poll_turn(cx)).await
    }

    /// Whether the server has said anything.
    pub fn heard(&self) -> Heard {
        self.heard
    }

    /// Bytes of the body that were given to the server, or stand ready to be.
    pub fn body_given(&self) -> u64 {
        self.talk.body_given()
    }

    /// Bytes of the adapted body that came.
    pub fn received(&self) -> u64 {
        self.talk.received()
    }

    /// What stands at `at` of the original body, `expected` or something else. Does not wait: what has not come yet is
    /// something else.
    pub async fn is_original(&mut self, at: u64, expected: &[u8]) -> bool {
        let mut compared = 0;
        while compared < expected.len() {
            let rest = &expected[compared..];
            let most = rest.len().min(self.buffer.len());
            let (body, buffer) = (&mut self.body, &mut self.buffer[..most]);
            let read = poll_fn(|cx| match body.poll_read_at(cx, at + compared as u64, buffer) {
                Poll::Ready(read) => Poll::Ready(read.unwrap_or(0)),
                Poll::Pending => Poll::Ready(0),
            });
            let count = read.await;
            if count == 0 || self.buffer[..count] != rest[..count] {
                return false;
            }
            compared += count;
        }
        true
    }

    /// Gives the body back; the connection is reset.
    pub fn into_body(self) -> B {
        self.body
    }

    /// Gives the body back after the end of the answer; the connection goes back to `pool` if it is clean, and is closed
    /// otherwise.
    pub fn finish(self, pool: &Pool) -> B {
        let Self { mut link, talk, body, .. } = self;
        link.finish();
        if talk.leaves_connection_clean() {
            pool.put_back(link);
        }
        body
    }

    fn poll_turn(&mut self, cx: &mut Context<'_>) -> Poll<Result<Turn, ErrorKind>> {
        loop {
            match self.talk.advance().map_err(ErrorKind::Protocol)? {
                Event::Answer(answer) => return Poll::Ready(Ok(Turn::Answer(answer))),
                Event::Data(bytes) => return Poll::Ready(Ok(Turn::Data(bytes.to_vec()))),
                Event::End { original_from } => return Poll::Ready(Ok(Turn::End { original_from })),
                Event::Wait => {}
            }
            let moved = [self.poll_body(cx)?, self.poll_write(cx), self.poll_read(cx)?];
            if moved.contains(&Moved::Something) {
                self.moved = Instant::now();
            }
            // However busy it is, the deadline holds.
            let due = self.poll_due(cx);
            match due {
                Poll::Ready(Due::Fail(kind)) => return Poll::Ready(Err(kind)),
                Poll::Ready(Due::StopWriting) => self.talk.stop_writing(),
                Poll::Pending if moved.contains(&Moved::Something) => {}
                Poll::Pending => return Poll::Pending,
            }
        }
    }

    fn poll_body(&mut self, cx: &mut Context<'_>) -> Result<Moved, ErrorKind> {
        let Some(at) = self.talk.wants_body() else { return Ok(Moved::Nothing) };
        match self.body.poll_read_at(cx, at, &mut self.buffer) {
            Poll::Pending => Ok(Moved::Nothing),
            Poll::Ready(Err(_)) => Err(ErrorKind::BodyFailed),
            Poll::Ready(Ok(count)) => {
                self.talk.give_body(&self.buffer[..count])?;
                Ok(Moved::Something)
            }
        }
    }

    fn poll_write(&mut self, cx: &mut Context<'_>) -> Moved {
        let pending = self.talk.pending();
        if pending.is_empty() {
            if let Poll::Ready(Err(_)) = self.link.wire().poll_flush(cx) {
                self.talk.stop_writing();
            }
            return Moved::Nothing;
        }
        match self.link.wire().poll_send(cx, pending) {
            Poll::Pending => return Moved::Nothing,
            Poll::Ready(Ok(count)) => self.talk.written(count),
            // What the server said before it closed may still be read.
            Poll::Ready(Err(_)) => self.talk.stop_writing(),
        }
        Moved::Something
    }

    fn poll_read(&mut self, cx: &mut Context<'_>) -> Result<Moved, ErrorKind> {
        match self.link.wire().poll_recv(cx, &mut self.buffer) {
            Poll::Pending => Ok(Moved::Nothing),
            Poll::Ready(Ok(0) | Err(_)) => Err(ErrorKind::Closed),
            Poll::Ready(Ok(count)) => {
                self.heard = Heard::Something;
                self.talk.feed(&self.buffer[..count]).map_err(ErrorKind::Protocol)?;
                Ok(Moved::Something)
            }
        }
    }

    fn poll_due(&mut self, cx: &mut Context<'_>) -> Poll<Due> {
        let (at, due) = self.next_due();
        if self.timer.deadline() != at {
            self.timer.as_mut().reset(at);
        }
        ready!(self.timer.as_mut().poll(cx));
        Poll::Ready(due)
    }

    /// When nothing may go on as it is, and what happens then.
    fn next_due(&self) -> (Instant, Due) {
        let size = self.body.length().known().unwrap_or(0).max(self.talk.body_given());
        let more = Duration::from_secs(size.saturating_add(self.talk.received()) / BYTES_PER_SECOND);
        let whole = (self.began + self.timeouts.whole + more, Due::Fail(ErrorKind::Deadline));
        let writing = !self.talk.pending().is_empty();
        let (quiet, due) = match (self.talk.is_answered(), writing) {
            (true, true) => (self.timeouts.idle.min(COURTESY), Due::StopWriting),
            (true, false) => (self.timeouts.idle, Due::Fail(ErrorKind::Idle)),
            (false, true) => (self.timeouts.write_stall, Due::Fail(ErrorKind::WriteStalled)),
            (false, false) if self.talk.is_up_to_server() => (self.timeouts.first_reply, Due::Fail(ErrorKind::NoReply)),
            // It is our own body that has not come yet.
            (false, false) => return whole,
        };
        let quiet = (self.moved + quiet, due);
        if quiet.0 < whole.0 { quiet } else { whole }
    }
}
