//! Bodies that are taken before they go on, and bodies that are at hand and only have to be sent.

use std::task::{Context, Poll, ready};

use tokio::net::TcpStream;

use super::{Pump, PumpFault};
use crate::flow::inspection::held::{Ending, Held};
use crate::flow::services::Services;
use crate::http::body::{BodyFormat, BodyReader};
use crate::net::socket::poll_recv;

impl Pump {
    /// Takes what has come of the body to the end of `into` instead of sending it. Ready when something has, or the body
    /// is received.
    ///
    /// # Errors
    /// [`PumpFault`]; the pump must not be polled again.
    pub fn poll_take(
        &mut self,
        source: &TcpStream,
        ahead: &mut Vec<u8>,
        into: &mut Vec<u8>,
        services: &Services,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), PumpFault>> {
        while !self.is_received() {
            let before = into.len();
            if ahead.is_empty() {
                ready!(self.poll_take_from(source, ahead, into, services, cx))?;
            } else {
                let mut input = std::mem::take(ahead);
                let taken = self.take(&input, into)?;
                input.drain(..taken);
                *ahead = input;
            }
            if into.len() > before {
                break;
            }
        }
        Poll::Ready(Ok(()))
    }

    fn poll_take_from(
        &mut self,
        source: &TcpStream,
        ahead: &mut Vec<u8>,
        into: &mut Vec<u8>,
        services: &Services,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), PumpFault>> {
        services.scratch.with(|scratch| {
            let room = usize::try_from(self.turn).unwrap_or(usize::MAX).clamp(1, scratch.len());
            let count = ready!(poll_recv(source, cx, &mut scratch[..room])).map_err(PumpFault::Source)?;
            if count == 0 {
                return Poll::Ready(self.end_of_source());
            }
            let used = self.take(&scratch[..count], into)?;
            ahead.extend_from_slice(&scratch[used..count]);
            Poll::Ready(Ok(()))
        })
    }

    fn take(&mut self, input: &[u8], into: &mut Vec<u8>) -> Result<usize, PumpFault> {
        let taken = self.reader.read(input, BodyFormat::Plain, into).map_err(|_| PumpFault::Malformed)?;
        self.received += taken.used as u64;
        Ok(taken.used)
    }

    /// Whether nothing but its end tells how long the body is.
    pub fn has_no_length(&self) -> bool {
        !matches!(self.reader, BodyReader::Length(_))
    }

    /// Bytes that are queued.
    pub fn waiting(&self) -> usize {
        self.outbox.len()
    }

    /// Queues what comes next in this format, however the body is framed that is taken meanwhile.
    pub fn set_format(&mut self, format: BodyFormat) {
        self.format = format;
    }

    /// Queues bytes of the body that were taken.
    pub fn push_body(&mut self, bytes: &[u8], services: &Services) {
        self.format.write(bytes, self.outbox.buffer(&services.buffers));
    }

    /// Sends what is queued.
    ///
    /// # Errors
    /// [`PumpFault::Sink`].
    pub fn poll_queued(
        &mut self,
        sink: &TcpStream,
        services: &Services,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), PumpFault>> {
        match self.poll_send(sink, services, cx) {
            Ok(sent) => sent.map(Ok),
            Err(fault) => Poll::Ready(Err(PumpFault::Sink(fault))),
        }
    }

    /// Sends what is queued and then a body that is at hand. Ready when all of it was sent, with its end where it has one.
    ///
    /// # Errors
    /// [`PumpFault`]: the sink's, [`PumpFault::Source`] where the body cannot be read back, [`PumpFault::Stopped`] behind
    /// one that is cut.
    pub fn poll_from(
        &mut self,
        held: &mut Held,
        sink: &TcpStream,
        services: &Services,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), PumpFault>> {
        self.turn_left = self.turn;
        loop {
            // A small body leaves in one call with its head.
            if self.outbox.len() >= super::BULK_READ || held.is_over() {
                ready!(self.poll_queued(sink, services, cx))?;
            }
            if held.is_over() {
                return Poll::Ready(match held.ending() {
                    Ending::Cut(reason) => Err(PumpFault::Stopped(reason)),
                    Ending::Whole | Ending::GoesOn => Ok(()),
                });
            }
            if self.turn_left == 0 {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            if self.queue_next(held, services, cx)?.is_pending() {
                ready!(self.poll_queued(sink, services, cx))?;
                return Poll::Pending;
            }
        }
    }

    fn queue_next(
        &mut self,
        held: &mut Held,
        services: &Services,
        cx: &mut Context<'_>,
    ) -> Result<Poll<()>, PumpFault> {
        let ending = held.ending();
        let Poll::Ready(bytes) = held.poll_next(services, cx) else { return Ok(Poll::Pending) };
        let bytes = bytes.map_err(PumpFault::Source)?;
        self.turn_left = self.turn_left.saturating_sub(bytes.len() as u64);
        if !bytes.is_empty() {
            self.push_body(bytes, services);
        } else if ending == Ending::Whole {
            self.reader.write_end(self.format, self.outbox.buffer(&services.buffers));
        }
        Ok(Poll::Ready(()))
    }
}
