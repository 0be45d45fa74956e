//! What an exchange waits for, until when, and what it means when that time has come.

use tokio::time::Instant;

use super::{Transfer, TransferFault};
use crate::base::phase::Phase;
use crate::base::reason::Reason;
use crate::flow::holding::Pace;
use crate::flow::pump::WaitsFor;
use crate::http::request::Request;

impl Transfer<'_> {
    /// Whether a rate is used up; the next poll comes when there is something of it again. What there is bounds the turns
    /// of both directions.
    pub(super) fn is_throttled(&mut self) -> bool {
        match self.holding.pace() {
            Pace::Free => false,
            Pace::AtMost(bytes) => {
                self.upload.set_turn(bytes);
                self.download.set_turn(bytes);
                self.head_room = usize::try_from(bytes).unwrap_or(usize::MAX);
                false
            }
            Pace::NotBefore(until) => {
                self.active = Instant::now();
                self.tether.attend(until);
                self.tether.waits(Phase::Throttled, until + self.patience.stream_idle);
                true
            }
        }
    }

    /// The client has the turn: it must take what we hold for it.
    pub(super) fn waits_for_client(&mut self) {
        let since = self.client_stall.since(self.download.sent, self.active);
        self.tether.waits(Phase::ClientWrite, since + self.services.timeouts().client_write);
    }

    /// The request is on its way: which side has the turn, and for how long.
    pub(super) fn waits_for_upload(&mut self, request: &Request) {
        let timeouts = self.services.timeouts();
        if self.upload.waits_for() == WaitsFor::Sink {
            self.floor.pause();
            let since = self.upstream_stall.since(self.upload.sent, self.active);
            return self.tether.waits(Phase::RequestBody, since + timeouts.upstream_write);
        }
        self.upstream_stall.clear();
        if self.upload.received == 0 && request.expects_continue {
            return self.tether.waits(Phase::ContinueWait, self.active + self.patience.response_head);
        }
        let window_ends = self.floor.window(self.active, self.upload.received, timeouts.body_window);
        self.tether.waits(Phase::RequestBody, window_ends);
    }

    /// A wait ran out before the response came: which one, and is it an end?
    pub(super) fn expired_before_response(&mut self) -> Result<(), TransferFault> {
        let reason = match self.tether.row().phase() {
            Phase::ClientWrite => Reason::ClientWriteTimeout,
            Phase::RequestBody if self.upload.waits_for() == WaitsFor::Sink => Reason::UpstreamWriteTimeout,
            Phase::RequestBody => {
                let timeouts = self.services.timeouts();
                if self.floor.is_kept(self.upload.received, timeouts.body_floor, timeouts.body_window) {
                    return Ok(());
                }
                Reason::RequestBodyTimeout
            }
            _ => Reason::ResponseHeadTimeout,
        };
        Err(TransferFault::Failed(reason))
    }
}
