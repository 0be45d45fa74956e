//! Waiting for the peer: to send, to take, to go.

use std::io::IoSlice;
use std::net::Shutdown;
use std::task::{Context, Poll};

use socket2::SockRef;
use tokio::time::Instant;

use super::session::{Came, Session};
use crate::base::phase::Phase;
use crate::icap::server::conversation::Waits;
use crate::icap::server::settings::IcapServerTimeouts;
use crate::net::socket::{poll_recv, poll_send};
use crate::observe::icap_server::Outcome;

/// The most that is read after the last answer.
const LINGER_BYTES: usize = 1 << 20;
/// Bytes read at once: one slice of work.
const READ: usize = 16 * 1024;

/// The peer cannot be served any more.
pub(super) struct Lost;

impl Session<'_> {
    fn limits(&self) -> &IcapServerTimeouts {
        &self.port.settings.timeouts
    }

    /// When the peer has been silent for too long.
    pub(super) fn deadline(&self) -> Instant {
        let limits = self.limits();
        match self.talk.waits() {
            Waits::Heads => self.head_began.unwrap_or(self.active) + limits.head,
            Waits::Body => {
                let preview_began = self.transaction.as_ref().and_then(|transaction| transaction.preview_began());
                let silence_ends = self.active + limits.body;
                preview_began.map_or(silence_ends, |began| silence_ends.min(Instant::from_std(began) + limits.preview))
            }
            Waits::Request | Waits::Answer | Waits::Nothing => self.active + limits.idle,
        }
    }

    /// Waits for bytes, or until it is time for something.
    pub(super) async fn receive(&mut self) -> Came {
        let now = Instant::now();
        let due = self.transaction.as_ref().and_then(|transaction| transaction.due(now.into_std()));
        let deadline = self.deadline();
        self.tether.waits(self.phase(), due.map_or(deadline, |due| deadline.min(Instant::from_std(due))));
        let tether = self.tether;
        match tether.until(|cx| self.poll_receive(cx)).await {
            Ok(came) => came,
            Err(_) => Came::Time,
        }
    }

    fn phase(&self) -> Phase {
        match self.talk.waits() {
            Waits::Request | Waits::Nothing => Phase::Idle,
            Waits::Heads => Phase::RequestHead,
            Waits::Body | Waits::Answer => match &self.transaction {
                Some(transaction) if transaction.is_going_back() => Phase::ResponseBody,
                _ => Phase::RequestBody,
            },
        }
    }

    fn poll_receive(&mut self, cx: &mut Context<'_>) -> Poll<Came> {
        let services = self.services;
        let got = services.scratch.with(|scratch| {
            poll_recv(self.peer, cx, &mut scratch[..READ]).map(|got| {
                let count = got.unwrap_or(0);
                if count > 0 {
                    self.ahead = services.buffers.take();
                    self.ahead.extend_from_slice(&scratch[..count]);
                }
                count
            })
        });
        match got {
            Poll::Ready(0) => Poll::Ready(Came::End),
            Poll::Ready(count) => {
                self.active = Instant::now();
                self.tether.row().moved(self.active.into_std(), count as u64, 0);
                Poll::Ready(Came::Bytes)
            }
            Poll::Pending if services.drain.is_draining() && self.talk.waits() == Waits::Request => {
                Poll::Ready(Came::End)
            }
            Poll::Pending => Poll::Pending,
        }
    }

    /// Sends everything that is to be sent.
    pub(super) async fn flush(&mut self) -> Result<(), Lost> {
        let (peer, tether) = (self.peer, self.tether);
        while !self.talk.pending().is_empty() {
            tether.waits(Phase::ClientWrite, Instant::now() + self.limits().write_stall);
            let slice = [IoSlice::new(self.talk.pending())];
            match tether.until(|cx| poll_send(peer, cx, &slice)).await {
                Ok(Ok(count)) => {
                    self.talk.sent(count);
                    self.active = Instant::now();
                    tether.row().moved(self.active.into_std(), 0, count as u64);
                }
                Ok(Err(_)) => return Err(Lost),
                Err(_) => {
                    self.close_transaction(Outcome::TimedOut);
                    return Err(Lost);
                }
            }
        }
        Ok(())
    }

    /// Says that nothing more comes and reads past what the peer still sends, for a moment.
    pub(super) async fn linger(&mut self) {
        // Fails only where the peer is gone, which the wait sees.
        let _ = SockRef::from(self.peer).shutdown(Shutdown::Write);
        self.tether.waits(Phase::OwnAnswer, Instant::now() + self.limits().linger);
        let (peer, scratch) = (self.peer, &self.services.scratch);
        let mut left = LINGER_BYTES;
        let read = |cx: &mut Context<'_>| {
            scratch.with(|scratch| {
                loop {
                    match poll_recv(peer, cx, scratch) {
                        Poll::Pending => return Poll::Pending,
                        Poll::Ready(Ok(count)) if count > 0 && left > count => left -= count,
                        Poll::Ready(_) => return Poll::Ready(()),
                    }
                }
            })
        };
        // Whether it came to an end or not, the connection does.
        let _ = self.tether.until(read).await;
    }
}
