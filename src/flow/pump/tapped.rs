//! A body that is looked at on its way: through the tap, and never through a pipe.

use std::task::{Context, Poll};

use tokio::time::Instant;

use super::{Pump, PumpFault, ReadAhead};
use crate::base::reason::Reason;
use crate::flow::services::Services;
use crate::flow::tap::Tap;
use crate::http::body::BodyFormat;

impl Pump {
    /// Sends what is still to come of the body through `tap`.
    pub fn set_tap(&mut self, tap: Box<Tap>) {
        self.tap = Some(tap);
    }

    /// Stops a request body that is longer than so many bytes, where something looks at it.
    pub fn cap(&mut self, bytes: u64) {
        if let Some(tap) = &mut self.tap {
            tap.set_most(bytes);
        }
    }

    /// What looks at the body, to ask it what it has seen.
    pub fn tap(&self) -> Option<&Tap> {
        self.tap.as_deref()
    }

    /// When the pump is to be polled again though no socket has news.
    pub fn attention(&self) -> Option<Instant> {
        self.tap.as_ref().and_then(|tap| tap.attention(Instant::now()))
    }

    /// Whether more may be read while the sink takes nothing.
    pub(super) fn reads_ahead(&self) -> bool {
        self.read_ahead == ReadAhead::Bounded && self.tap.as_ref().is_none_or(|tap| tap.takes_more())
    }

    /// Takes body bytes from the front of `input` to the tap; gives how many bytes of it were used.
    pub(super) fn feed_tap(&mut self, input: &[u8], services: &Services) -> Result<usize, PumpFault> {
        let Some(tap) = &mut self.tap else { return Ok(0) };
        let taken = self.reader.read(input, BodyFormat::Plain, tap.input(&services.buffers));
        let taken = taken.map_err(|_| PumpFault::Malformed)?;
        self.received += taken.used as u64;
        Ok(taken.used)
    }

    /// Has the tap look at what came, and queues what it lets go. Ready when the tap takes more; at the end of the body,
    /// when it has let everything go and the end stands in the queue.
    pub(super) fn poll_tap(&mut self, services: &Services, cx: &mut Context<'_>) -> Result<Poll<()>, Reason> {
        let ended = self.is_received();
        let Some(tap) = self.tap.as_mut().filter(|tap| !tap.is_finished()) else { return Ok(Poll::Ready(())) };
        if ended {
            tap.note_end();
        }
        let looked = tap.poll(services, cx)?;
        let free = tap.released();
        if !free.is_empty() {
            self.format.write(free, self.outbox.buffer(&services.buffers));
            tap.forget_released(&services.buffers);
        }
        if ended && looked.is_ready() {
            tap.finish();
            self.reader.write_end(self.format, self.outbox.buffer(&services.buffers));
        }
        Ok(looked)
    }
}
