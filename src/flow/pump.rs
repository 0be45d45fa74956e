//! One direction of a body or tunnel: from one socket to another, through the scratch, through a pipe, or from memory.

mod at_hand;
mod tapped;

use std::io;
use std::task::{Context, Poll, ready};

use tokio::net::TcpStream;

use super::outbox::Outbox;
use super::services::Services;
use super::tap::Tap;
use crate::base::reason::Reason;
use crate::http::body::{BodyFormat, BodyReader};
use crate::http::framing::BodyFraming;
use crate::net::pipe::LentPipe;
use crate::net::socket::poll_recv;

/// Bytes moved in one turn before others on the worker get theirs.
const TURN: u64 = 1024 * 1024;
/// A read this large is a sign of bulk; splicing pays from there on (performance.md D).
const BULK_READ: usize = 16 * 1024;
/// Less than this left is not worth a pipe.
const WORTH_A_PIPE: u64 = 32 * 1024;
/// Pieces smaller than this cost less to copy.
const SMALL_SPLICE: u64 = 4 * 1024;
/// Most bytes read ahead of a socket that does not take them.
pub const READ_AHEAD: usize = 64 * 1024;

/// Why a direction stopped before its end.
#[derive(Debug)]
pub enum PumpFault {
    /// The source failed.
    Source(io::Error),
    /// The source ended before the body did.
    SourceCut,
    /// The body breaks its framing.
    Malformed,
    /// The sink failed.
    Sink(io::Error),
    /// What looks at the body on its way says that it must not go on.
    Stopped(Reason),
}

impl PumpFault {
    /// What it means on the way from the client to the origin.
    pub fn of_upload(&self) -> Reason {
        match self {
            PumpFault::Malformed => Reason::BadRequestBody,
            PumpFault::SourceCut => Reason::RequestBodyCut,
            PumpFault::Source(_) => Reason::ClientReset,
            PumpFault::Sink(_) => Reason::UpstreamReset,
            PumpFault::Stopped(reason) => *reason,
        }
    }

    /// What it means on the way from the origin to the client.
    pub fn of_download(&self) -> Reason {
        match self {
            PumpFault::Malformed => Reason::BadResponseBody,
            PumpFault::Source(fault) if fault.kind() == io::ErrorKind::ConnectionReset => Reason::ResponseReset,
            PumpFault::SourceCut | PumpFault::Source(_) => Reason::ResponseCut,
            PumpFault::Sink(_) => Reason::ClientReset,
            PumpFault::Stopped(reason) => *reason,
        }
    }
}

/// Which side a pump waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WaitsFor {
    /// Bytes to come.
    Source,
    /// Room to put them.
    Sink,
}

/// Whether a pump goes on reading while its sink takes nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadAhead {
    /// It does not: the kernel's buffers push back.
    No,
    /// Up to [`READ_AHEAD`] bytes, so that the source's window stays open and its FIN can be seen (pitfall T3).
    Bounded,
}

/// One direction on its way.
pub struct Pump {
    reader: BodyReader,
    format: BodyFormat,
    read_ahead: ReadAhead,
    outbox: Outbox,
    pipe: Option<LentPipe>,
    /// What looks at the body on its way.
    tap: Option<Box<Tap>>,
    source_ended: bool,
    bulk: bool,
    /// Most bytes moved in one turn.
    turn: u64,
    /// Of them, those still to be moved in this one.
    turn_left: u64,
    /// Bytes taken from the source so far.
    pub received: u64,
    /// Bytes given to the sink so far.
    pub sent: u64,
}

/// The two sockets of a direction, and bytes of the source that were read before their time.
pub struct Ends<'a> {
    /// Where bytes come from.
    pub source: &'a TcpStream,
    /// Bytes of the source already read; what lies behind the body's end stays here.
    pub ahead: &'a mut Vec<u8>,
    /// Where they go.
    pub sink: &'a TcpStream,
}

impl Pump {
    /// A pump for a body framed as `framing` that goes out as `format`.
    pub fn new(framing: BodyFraming, format: BodyFormat, read_ahead: ReadAhead) -> Self {
        Self {
            reader: BodyReader::new(framing),
            format,
            read_ahead,
            outbox: Outbox::default(),
            pipe: None,
            tap: None,
            source_ended: false,
            bulk: false,
            turn: TURN,
            turn_left: TURN,
            received: 0,
            sent: 0,
        }
    }

    /// Changes the body that is still to come; what waits to be sent goes first.
    pub fn set_body(&mut self, framing: BodyFraming, format: BodyFormat) {
        self.reader = BodyReader::new(framing);
        self.format = format;
    }

    /// Moves at most so many bytes in one turn from now on.
    pub fn set_turn(&mut self, bytes: u64) {
        self.turn = bytes.min(TURN);
    }

    /// The buffer of bytes to send first, for a head.
    pub fn head_buffer(&mut self, services: &Services) -> &mut Vec<u8> {
        self.outbox.buffer(&services.buffers)
    }

    /// Holds what is sent, up to `most` bytes of a body, so that it can be sent again: see [`Outbox::retain`].
    pub fn retain(&mut self, most: usize) {
        self.outbox.retain(most);
    }

    /// Holds no longer what was sent.
    pub fn forget(&mut self, services: &Services) {
        self.outbox.forget(&services.buffers);
    }

    /// Begins to send again from the first byte, to whichever sink it is given next; false when not all of it is held.
    pub fn rewind(&mut self) -> bool {
        self.outbox.rewind()
    }

    /// Whether everything of the body has been taken from the source.
    pub fn is_received(&self) -> bool {
        self.source_ended || self.reader.is_done()
    }

    /// Which side the pump waits for after it was pending.
    pub fn waits_for(&self) -> WaitsFor {
        if self.outbox.is_empty() && self.pipe.as_ref().is_none_or(|pipe| pipe.bytes() == 0) {
            WaitsFor::Source
        } else {
            WaitsFor::Sink
        }
    }

    /// Takes body bytes from the front of `input`, which came with the head; gives how many were body.
    ///
    /// # Errors
    /// [`PumpFault`].
    pub fn feed(
        &mut self,
        input: &[u8],
        sink: &TcpStream,
        services: &Services,
        cx: &mut Context<'_>,
    ) -> Result<usize, PumpFault> {
        if input.is_empty() || self.is_received() {
            return Ok(0);
        }
        if self.tap.is_some() {
            return self.feed_tap(input, services);
        }
        if self.reader.plain_left() > 0 && self.format == BodyFormat::Plain {
            let count = usize::try_from(self.reader.plain_left()).unwrap_or(usize::MAX).min(input.len());
            self.received += count as u64;
            self.reader.moved_plain(count as u64);
            let data = &input[..count];
            if self.outbox.len() + count <= BULK_READ || self.outbox.is_retaining() {
                // A head and a small body leave in one call, not gathered from two places; and what may have to be sent
                // again must be held before the sink can fail.
                self.outbox.buffer(&services.buffers).extend_from_slice(data);
            } else {
                self.outbox
                    .poll_send_through(data, sink, &services.buffers, cx, &mut self.sent)
                    .map_err(PumpFault::Sink)?;
            }
            return Ok(count);
        }
        let out = self.outbox.buffer(&services.buffers);
        let taken = self.reader.read(input, self.format, out).map_err(|_| PumpFault::Malformed)?;
        self.received += taken.used as u64;
        Ok(taken.used)
    }

    /// Moves what can be moved. Ready when the body has been received to its end and sent.
    ///
    /// # Errors
    /// [`PumpFault`]; the pump must not be polled again.
    pub fn poll(
        &mut self,
        mut ends: Ends<'_>,
        services: &Services,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), PumpFault>> {
        self.turn_left = self.turn;
        loop {
            let tap = self.poll_tap(services, cx).map_err(PumpFault::Stopped)?;
            if self.poll_send(ends.sink, services, cx).map_err(PumpFault::Sink)?.is_pending() {
                return self.poll_read_ahead(&mut ends, services, cx);
            }
            if tap.is_pending() {
                return Poll::Pending;
            }
            if self.is_received() {
                self.pipe = None;
                return Poll::Ready(Ok(()));
            }
            if self.turn_left == 0 {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            let before = self.received;
            ready!(self.poll_receive(&mut ends, services, cx))?;
            self.turn_left = self.turn_left.saturating_sub(self.received - before);
        }
    }

    /// Sends what waits in memory, then what waits in the pipe.
    fn poll_send(&mut self, sink: &TcpStream, services: &Services, cx: &mut Context<'_>) -> io::Result<Poll<()>> {
        if !self.outbox.is_empty() && self.outbox.poll_flush(sink, &services.buffers, cx, &mut self.sent)?.is_pending()
        {
            return Ok(Poll::Pending);
        }
        while let Some(pipe) = self.pipe.as_mut().filter(|pipe| pipe.bytes() > 0) {
            let Poll::Ready(count) = pipe.poll_drain(sink, cx) else { return Ok(Poll::Pending) };
            let count = count? as u64;
            if count == 0 {
                return Err(io::ErrorKind::WriteZero.into());
            }
            self.sent += count;
            services.counters.bytes_spliced.add(count);
        }
        Ok(Poll::Ready(()))
    }

    /// The sink takes nothing: read on within bounds, where that is wanted.
    fn poll_read_ahead(
        &mut self,
        ends: &mut Ends<'_>,
        services: &Services,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), PumpFault>> {
        while self.reads_ahead() && self.outbox.len() < READ_AHEAD && !self.is_received() {
            if self.pipe.as_ref().is_some_and(|pipe| pipe.bytes() > 0) {
                break;
            }
            ready!(self.poll_receive_copy(ends, services, cx))?;
        }
        Poll::Pending
    }

    fn poll_receive(
        &mut self,
        ends: &mut Ends<'_>,
        services: &Services,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), PumpFault>> {
        let copied = !self.bulk || self.outbox.is_retaining() || self.tap.is_some();
        let spliceable = !copied && ends.ahead.is_empty() && self.format == BodyFormat::Plain;
        if !spliceable || self.reader.plain_left() < WORTH_A_PIPE {
            self.pipe = None;
            return self.poll_receive_copy(ends, services, cx);
        }
        // While no byte is in flight, somebody else may have the pipe.
        if ends.source.poll_read_ready(cx).map_err(PumpFault::Source)?.is_pending() {
            self.pipe = None;
            return Poll::Pending;
        }
        if self.pipe.is_none() {
            self.pipe = services.pipes.lend();
        }
        match self.pipe {
            Some(_) => self.poll_fill(ends.source, cx),
            None => self.poll_receive_copy(ends, services, cx),
        }
    }

    fn poll_fill(&mut self, source: &TcpStream, cx: &mut Context<'_>) -> Poll<Result<(), PumpFault>> {
        let limit = self.reader.plain_left().min(self.turn_left);
        let Some(pipe) = &mut self.pipe else { return Poll::Ready(Ok(())) };
        let Poll::Ready(count) = pipe.poll_fill(source, limit, cx) else {
            self.pipe = None;
            return Poll::Pending;
        };
        let count = count.map_err(PumpFault::Source)? as u64;
        self.bulk = count >= SMALL_SPLICE;
        self.received += count;
        self.reader.moved_plain(count);
        Poll::Ready(if count == 0 { self.end_of_source() } else { Ok(()) })
    }

    fn poll_receive_copy(
        &mut self,
        ends: &mut Ends<'_>,
        services: &Services,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), PumpFault>> {
        if !ends.ahead.is_empty() {
            let mut ahead = std::mem::take(ends.ahead);
            let used = self.feed(&ahead, ends.sink, services, cx)?;
            ahead.drain(..used);
            *ends.ahead = ahead;
            if ends.ahead.is_empty() {
                services.buffers.put(ends.ahead);
            }
            return Poll::Ready(Ok(()));
        }
        services.scratch.with(|scratch| {
            let room = usize::try_from(self.turn_left.max(1)).unwrap_or(usize::MAX).min(scratch.len());
            let count = ready!(poll_recv(ends.source, cx, &mut scratch[..room])).map_err(PumpFault::Source)?;
            if count == 0 {
                return Poll::Ready(self.end_of_source());
            }
            self.bulk = count >= BULK_READ;
            let used = self.feed(&scratch[..count], ends.sink, services, cx)?;
            if used < count {
                *ends.ahead = services.buffers.take();
                ends.ahead.extend_from_slice(&scratch[used..count]);
            }
            Poll::Ready(Ok(()))
        })
    }

    fn end_of_source(&mut self) -> Result<(), PumpFault> {
        if !self.reader.may_end_with_connection() {
            return Err(PumpFault::SourceCut);
        }
        self.source_ended = true;
        Ok(())
    }
}
