//! Upstream connections that stay with the client connection they were made for, up to two of them.

use std::sync::Arc;
use std::task::Context;
use std::time::Duration;

use tokio::time::Instant;

use super::socket::{OnDrop, UpstreamSocket};
use crate::base::authority::Authority;
use crate::net::socket::{is_quiet, poll_disturbed};

/// Most connections kept for one client connection.
const SLOTS: usize = 2;
/// A request that must not be sent twice goes out on a connection that proved itself this recently, or on a fresh one.
const JUST_PROVEN: Duration = Duration::from_secs(1);
/// Kept for less than this, a connection is as the event loop saw it last; the kernel is asked about older ones.
const STILL_WATCHED: Duration = Duration::from_millis(20);

/// A connection to an origin that has been answered to its end.
#[derive(Debug)]
pub struct KeptUpstream {
    /// The connection.
    pub socket: UpstreamSocket,
    /// Whose it is.
    pub authority: Arc<Authority>,
    idle_since: Instant,
    expires: Instant,
}

/// How old a kept connection may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Freshness {
    /// Until its idle deadline.
    Any,
    /// It ended its last response within the last second.
    JustProven,
}

/// What became of the search for a kept connection.
#[derive(Debug)]
pub enum Found {
    /// Open, quiet and young enough.
    Ready(UpstreamSocket),
    /// There was one, but it is closed, dirty or too old; it has been closed.
    Stale,
    /// There is none.
    Nothing,
}

/// The kept connections of one client connection.
#[derive(Debug, Default)]
pub struct Kept {
    slots: [Option<Box<KeptUpstream>>; SLOTS],
}

impl Kept {
    /// Takes the connection to `authority`, if it is as fresh as wanted, and quiet: an origin that closed it or said
    /// something unasked is not spoken to again (RFC 9112 section 9.3).
    pub fn take(&mut self, authority: &Authority, freshness: Freshness, now: Instant) -> Found {
        let Some(slot) = self.slots.iter_mut().find(|slot| is_of(slot, authority)) else { return Found::Nothing };
        // One that is merely too old for this request may serve the next.
        match slot.take_if(|kept| kept.is_fresh_enough(freshness, now)) {
            Some(kept) if now < kept.expires && kept.seems_quiet(freshness, now) => Found::Ready(kept.socket),
            Some(_) => Found::Stale,
            None => Found::Nothing,
        }
    }

    /// Keeps a connection that may be used until `expires`. An older one to the same origin makes room, or else the one
    /// idle for longest.
    pub fn put(&mut self, socket: UpstreamSocket, authority: Arc<Authority>, now: Instant, expires: Instant) {
        socket.set_on_drop(OnDrop::Close);
        let first_to_go = |slot: &&mut Option<Box<KeptUpstream>>| {
            let other_origin = !is_of(slot, &authority);
            (other_origin, slot.as_ref().map(|kept| kept.idle_since))
        };
        if let Some(slot) = self.slots.iter_mut().min_by_key(first_to_go) {
            *slot = Some(Box::new(KeptUpstream { socket, authority, idle_since: now, expires }));
        }
    }

    /// Closes kept connections that the origin has closed or spoken on, and registers for the rest to do so.
    pub fn poll_closed(&mut self, cx: &mut Context<'_>) {
        for slot in &mut self.slots {
            if slot.as_ref().is_some_and(|kept| poll_disturbed(kept.socket.stream(), cx).is_ready()) {
                *slot = None;
            }
        }
    }

    /// When the first kept connection runs out.
    pub fn next_expiry(&self) -> Option<Instant> {
        self.slots.iter().flatten().map(|kept| kept.expires).min()
    }

    /// Closes the connections that have run out by `now`.
    pub fn close_expired(&mut self, now: Instant) {
        for slot in &mut self.slots {
            if slot.as_ref().is_some_and(|kept| kept.expires <= now) {
                *slot = None;
            }
        }
    }
}

impl KeptUpstream {
    /// Whether the origin has neither closed nor spoken. A request that may be repeated needs no system call to be
    /// sure of a connection that was busy a moment ago: should it be wrong, the request is sent again unseen.
    fn seems_quiet(&self, freshness: Freshness, now: Instant) -> bool {
        let just_now = now.saturating_duration_since(self.idle_since) < STILL_WATCHED;
        (just_now && freshness == Freshness::Any) || is_quiet(self.socket.stream())
    }

    fn is_fresh_enough(&self, freshness: Freshness, now: Instant) -> bool {
        freshness == Freshness::Any || now.saturating_duration_since(self.idle_since) < JUST_PROVEN
    }
}

fn is_of(slot: &Option<Box<KeptUpstream>>, authority: &Authority) -> bool {
    slot.as_ref().is_some_and(|kept| kept.authority.text() == authority.text())
}

/// How long a connection may be kept after a response: our setting, or a second less than the origin promises
/// (`Keep-Alive: timeout`, where 2 s and less are not worth the race).
pub fn keep_for(setting: Duration, origin_seconds: Option<u64>) -> Option<Duration> {
    match origin_seconds {
        None => Some(setting),
        Some(0..=2) => None,
        Some(seconds) => Some(setting.min(Duration::from_secs(seconds - 1))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_origin_may_shorten_the_idle_time() {
        let setting = Duration::from_secs(30);
        assert_eq!(keep_for(setting, None), Some(setting));
        assert_eq!(keep_for(setting, Some(5)), Some(Duration::from_secs(4)));
        assert_eq!(keep_for(setting, Some(300)), Some(setting));
        assert_eq!(keep_for(setting, Some(2)), None);
    }
}
