//! The second attempt: a request that a reused connection took and did not answer goes on where it was on another.

use tokio::time::Instant;

use super::{Transfer, UploadState};
use crate::flow::floor::RateFloor;
use crate::flow::inspection::held::Held;
use crate::flow::pump::Pump;

/// A request that was sent and not answered.
pub struct Attempt {
    upload: Pump,
    from: Option<Box<Held>>,
    floor: RateFloor,
    moved: u64,
    told: (u64, u64),
    active: Instant,
    sent_at: Option<Instant>,
}

impl Transfer<'_> {
    /// Holds what is sent until a byte of the answer comes, up to `most` bytes of the body: see [`Self::into_attempt`].
    pub fn retain_request(&mut self, most: usize) {
        self.upload.retain(most);
    }

    /// What another connection needs to go on where this one died unanswered: all of the request that was read so far.
    /// `None` when part of it is no longer held.
    pub fn into_attempt(mut self) -> Option<Box<Attempt>> {
        let sent_at = if self.upload_state == UploadState::Sent { Some(self.sent_at) } else { None };
        let whole = self.upload.rewind();
        let Self { upload, upload_from: from, floor, moved, told, active, .. } = self;
        if whole { Some(Box::new(Attempt { upload, from, floor, moved, told, active, sent_at })) } else { None }
    }

    /// Sends the request of the attempt before. Its time goes on: the clocks that ran are not set anew.
    pub fn resume(&mut self, before: Attempt) {
        let Attempt { mut upload, from, floor, moved, told, active, sent_at } = before;
        upload.forget(self.services);
        (self.upload, self.upload_from) = (upload, from);
        (self.floor, self.moved, self.told) = (floor, moved, told);
        (self.active, self.first_sent) = (active, sent_at);
    }
}
