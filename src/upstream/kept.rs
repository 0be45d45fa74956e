//! Upstream connections that stay with the client connection they were made for, up to two of them.

use std::task::{Context, Poll};

use tokio::time::Instant;

use super::connection::{Fitness, IdleNews, Upstream, Wants};
use crate::base::authority::Authority;
use crate::net::socket::poll_disturbed;

/// Most connections kept for one client connection.
const SLOTS: usize = 2;

/// What became of the search for a kept connection.
#[derive(Debug)]
pub enum Found {
    /// Open, quiet and young enough.
    Ready(Box<Upstream>),
    /// There was one, but it is closed, dirty or too old; it has been closed.
    Stale,
    /// There is none.
    Nothing,
}

/// The kept connections of one client connection.
#[derive(Debug, Default)]
pub struct Kept {
    slots: [Option<Box<Upstream>>; SLOTS],
}

impl Kept {
    /// Takes the connection to `authority`, if it is fit for a request that wants this of it. One that is not is closed:
    /// a fresh one takes its place, and an origin that serves one connection at a time would not look at that.
    pub fn take(&mut self, authority: &Authority, wants: Wants, news: &IdleNews, now: Instant) -> Found {
        let Some(slot) = self.slots.iter_mut().find(|slot| is_of(slot, authority)) else { return Found::Nothing };
        let Some(mut kept) = slot.take() else { return Found::Nothing };
        match kept.fitness(wants, news, now) {
            Fitness::Fit => Found::Ready(kept),
            Fitness::Unfit => Found::Nothing,
            Fitness::Dead => Found::Stale,
        }
    }

    /// Keeps a connection that was laid aside. An older one to the same origin makes room, or else the one idle for
    /// longest.
    pub fn put(&mut self, upstream: Box<Upstream>) {
        let first_to_go = |slot: &&mut Option<Box<Upstream>>| {
            let other_origin = !is_of(slot, upstream.authority());
            (other_origin, slot.as_ref().map(|kept| kept.idle_since()))
        };
        if let Some(slot) = self.slots.iter_mut().min_by_key(first_to_go) {
            *slot = Some(upstream);
        }
    }

    /// Closes kept connections that the origin has closed or spoken on, and registers for the rest to do so.
    pub fn poll_closed(&mut self, news: &IdleNews, cx: &mut Context<'_>) {
        for slot in &mut self.slots {
            let Some(kept) = slot.as_ref() else { continue };
            if let Poll::Ready(seen) = poll_disturbed(kept.socket.stream(), cx) {
                kept.was_ended(seen, news, Instant::now());
                *slot = None;
            }
        }
    }

    /// When the first kept connection runs out.
    pub fn next_expiry(&self) -> Option<Instant> {
        self.slots.iter().flatten().map(|kept| kept.expires()).min()
    }

    /// Closes the connections that have run out by `now`.
    pub fn close_expired(&mut self, now: Instant) {
        for slot in &mut self.slots {
            slot.take_if(|kept| kept.expires() <= now);
        }
    }
}

fn is_of(slot: &Option<Box<Upstream>>, authority: &Authority) -> bool {
    slot.as_ref().is_some_and(|kept| kept.authority().text() == authority.text())
}
