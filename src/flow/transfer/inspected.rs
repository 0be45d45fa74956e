//! A transfer whose bodies are looked at: taken instead of sent, replaced, or sent through a tap.

use std::task::{Context, Poll};

use tokio::time::Instant;

use super::{Transfer, TransferFault};
use crate::base::phase::Phase;
use crate::base::reason::Reason;
use crate::flow::holding::{Event, in_answer};
use crate::flow::inspection::held::Held;
use crate::flow::inspection::reading::Found;
use crate::flow::pump::Pump;
use crate::flow::tap::Tap;
use crate::http::body::BodyFormat;
use crate::http::framing::BodyFraming;
use crate::inspect::plan::Unscanned;

/// When the beginning of a response body goes on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Began {
    /// As soon as it comes.
    #[default]
    AtOnce,
    /// When it was decided what is done with it.
    Judged,
}

/// What was taken of a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Took {
    /// Some bytes.
    Some,
    /// All there was: it is over.
    End,
    /// Nothing came until the time given.
    Nothing,
}

impl Transfer<'_> {
    /// Has the response body wait until it is decided what is done with it.
    pub fn judge_response(&mut self) {
        self.began = Began::Judged;
    }

    /// Sends the request body by `upload`, which may have read part of it already; behind it what `held` holds, where that
    /// is given.
    pub fn send_by(&mut self, upload: Pump, held: Option<Box<Held>>) {
        (self.upload, self.upload_from) = (upload, held);
        // What was read before was told by whoever read it.
        self.moved = self.upload.received;
        self.told.0 = self.upload.received;
    }

    /// Head of the final response, as the client is to get it, or has got it once bytes of the body trickle.
    pub fn response_head(&mut self) -> &[u8] {
        if let Some(head) = &self.trickles_behind {
            return head;
        }
        let queued = self.download.head_buffer(self.services);
        &queued[queued.len() - self.head_length..]
    }

    /// Puts another head in its place, and the body that it tells of: `held`.
    pub fn replace_response(&mut self, head: &[u8], held: Held) {
        let queued = self.download.head_buffer(self.services);
        queued.truncate(queued.len() - self.head_length);
        queued.extend_from_slice(head);
        self.download.set_body(BodyFraming::None, BodyFormat::Plain);
        self.deliver_from(held);
    }

    /// Delivers `held` instead of what comes from the origin, or before it.
    pub fn deliver_from(&mut self, held: Held) {
        self.download_from = Some(Box::new(held));
    }

    /// Sends what is still to come of the response body through `tap`.
    pub fn tap_response(&mut self, tap: Box<Tap>) {
        self.download.set_tap(tap);
    }

    /// Queues bytes of the response body that were taken, behind its head.
    pub fn trickle(&mut self, bytes: &[u8]) {
        if self.trickles_behind.is_none() {
            self.trickles_behind = Some(self.response_head().into());
        }
        self.download.push_body(bytes, self.services);
    }

    /// Puts a page in the place of the response: `head`, which says that it comes in chunks, and behind it what
    /// [trickles](Self::trickle). The body of the response can still be taken.
    pub fn begin_page(&mut self, head: &[u8]) {
        self.trickles_behind = Some(self.response_head().into());
        let queued = self.download.head_buffer(self.services);
        queued.truncate(queued.len() - self.head_length);
        queued.extend_from_slice(head);
        self.download.set_format(BodyFormat::Chunked);
    }

    /// Queues the end of that page; nothing of the body is taken any more.
    pub fn end_page(&mut self, bytes: &[u8]) {
        self.trickle(bytes);
        self.download.head_buffer(self.services).extend_from_slice(b"0\r\n\r\n");
        self.download.set_body(BodyFraming::None, BodyFormat::Plain);
    }

    /// Sends what trickles, as far as the client takes it, while something else is waited for.
    ///
    /// # Errors
    /// The [`Reason`] for which the client does not get it.
    pub fn poll_trickled(&mut self, cx: &mut Context<'_>) -> Result<(), Reason> {
        if self.trickles_behind.is_some() {
            let queued = self.download.poll_queued(self.client, self.services, cx);
            let _ = queued.map_err(|fault| fault.of_download())?;
            self.note_moved();
        }
        Ok(())
    }

    /// Whether anything of the final response may be on its way to the client.
    pub fn has_begun(&self) -> bool {
        self.trickles_behind.is_some() || self.download.sent > self.head_from
    }

    /// What was found in the response on its way.
    pub fn found(&self) -> Option<&Found> {
        self.download.tap().and_then(Tap::found)
    }

    /// As what the response counts although it was looked at on its way.
    pub fn doubt(&self) -> Option<Unscanned> {
        self.download.tap().and_then(Tap::doubt)
    }

    /// What was found in the request on its way.
    pub fn found_in_request(&self) -> Option<&Found> {
        self.upload.tap().and_then(Tap::found)
    }

    /// Takes what comes of the response body to the end of `into`, and moves the rest of the request meanwhile. Waits
    /// until `until` at most.
    ///
    /// # Errors
    /// The [`Reason`]; the answer may have begun.
    pub async fn take(&mut self, ahead: &mut Vec<u8>, until: Instant, into: &mut Vec<u8>) -> Result<Took, Reason> {
        let tether = self.tether;
        match tether.until(|cx| self.poll_take(ahead, until, into, cx)).await {
            Ok(took) => took,
            Err(_) if Instant::now() < self.active + self.patience.stream_idle => Ok(Took::Nothing),
            Err(_) => Err(Reason::ResponseBodyTimeout),
        }
    }

    fn poll_take(
        &mut self,
        ahead: &mut Vec<u8>,
        until: Instant,
        into: &mut Vec<u8>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Took, Reason>> {
        if let Err(reason) = self.holding.poll(Event::Between, cx) {
            return Poll::Ready(Err(if self.has_begun() { in_answer(reason) } else { reason }));
        }
        if self.is_throttled() {
            return Poll::Pending;
        }
        self.poll_trickled(cx)?;
        let taken = self.download.poll_take(self.upstream, &mut self.surplus, into, self.services, cx);
        let taken = taken.map_err(|fault| fault.of_download())?;
        self.poll_upload(ahead, cx).map_err(|fault| match fault {
            TransferFault::Failed(reason) | TransferFault::Unanswered(reason) => reason,
        })?;
        self.note_moved();
        if taken.is_ready() {
            return Poll::Ready(Ok(if into.is_empty() { Took::End } else { Took::Some }));
        }
        self.tether.waits(Phase::ResponseBody, until.min(self.active + self.patience.stream_idle));
        Poll::Pending
    }
}
