//! Idle connections of a worker that any of its clients may use (`reuse = "shared"`): bounded, watched, and tied to nobody.

mod bell;
mod preopen;

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use slab::Slab;
use tokio::time::{Instant, Sleep, sleep_until};

use self::bell::Bell;
use self::preopen::Spares;
pub use self::preopen::Ways;
use super::connection::{Fitness, IdleNews, Upstream, Wants};
use super::kept::Found;
use crate::base::authority::Authority;
use crate::net::socket::poll_disturbed;
use crate::observe::counters::WorkerCounters;

/// Most idle connections of one origin.
const MOST_PER_ORIGIN: usize = 8;
/// Most idle connections in all.
const MOST: usize = 512;
/// When nothing is watched, the clock stands this far ahead.
const FAR_AHEAD: Duration = Duration::from_secs(24 * 3600);

/// The idle connections of one worker. Dropping it closes them all.
#[derive(Debug)]
pub struct Pool {
    idle: RefCell<Idle>,
    spares: RefCell<Spares>,
    bell: Arc<Bell>,
    /// When the watcher looks next for connections that have run out; `None` before there is a watcher.
    next_look: Cell<Option<Instant>>,
    news: IdleNews,
    counters: Arc<WorkerCounters>,
}

/// The connections themselves: by slot, and by origin with the newest last.
#[derive(Debug, Default)]
struct Idle {
    slots: Slab<Box<Upstream>>,
    by_origin: HashMap<Arc<str>, Vec<usize>>,
}

impl Pool {
    /// An empty pool.
    pub fn new(news: IdleNews, counters: Arc<WorkerCounters>) -> Rc<Self> {
        let (idle, spares) = (RefCell::default(), RefCell::default());
        Rc::new(Self { idle, spares, bell: Arc::default(), next_look: Cell::new(None), news, counters })
    }

    /// Takes the newest connection to `authority` that is fit for a request that wants this of it. It is tied to nobody.
    pub fn take(&self, authority: &Authority, wants: Wants, now: Instant) -> Found {
        let mut idle = self.idle.borrow_mut();
        let mut found = Found::Nothing;
        let mut at = idle.of(authority.text()).len();
        while at > 0 {
            at -= 1;
            let slot = idle.of(authority.text())[at];
            let fitness = idle.slots.get_mut(slot).map_or(Fitness::Dead, |one| one.fitness(wants, &self.news, now));
            match fitness {
                Fitness::Unfit => {}
                Fitness::Dead => {
                    drop(self.remove(&mut idle, slot));
                    found = Found::Stale;
                }
                Fitness::Fit => return self.remove(&mut idle, slot).map_or(found, Found::Ready),
            }
        }
        found
    }

    /// Keeps a connection that was laid aside, tied to nobody. The oldest makes room where there is none.
    ///
    /// # Panics
    /// Outside of a worker: somebody must watch the connection.
    pub fn put(self: &Rc<Self>, mut upstream: Box<Upstream>) {
        upstream.socket.tie(None);
        let mut idle = self.idle.borrow_mut();
        while let Some(slot) = idle.first_to_go(upstream.authority().text()) {
            drop(self.remove(&mut idle, slot));
        }
        let expires = upstream.expires();
        let slot = idle.insert(upstream);
        self.counters.upstream_pooled.add(1);
        self.look_at(&mut idle, slot);
        drop(idle);
        self.watch_until(expires);
    }

    /// Connections that lie idle.
    pub fn len(&self) -> usize {
        self.idle.borrow().slots.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Closes the connection in `slot` if its origin has closed it or spoken, and registers for it to do so.
    fn look_at(&self, idle: &mut Idle, slot: usize) {
        let Some(upstream) = idle.slots.get(slot) else { return };
        let waker = self.bell.waker(slot);
        if let Poll::Ready(seen) = poll_disturbed(upstream.socket.stream(), &mut Context::from_waker(&waker)) {
            upstream.was_ended(seen, &self.news, Instant::now());
            drop(self.remove(idle, slot));
        }
    }

    fn remove(&self, idle: &mut Idle, slot: usize) -> Option<Box<Upstream>> {
        let removed = idle.remove(slot)?;
        self.counters.upstream_pooled.sub(1);
        Some(removed)
    }

    /// Sees to it that the watcher looks by `expires` at the latest.
    fn watch_until(self: &Rc<Self>, expires: Instant) {
        match self.next_look.get() {
            Some(next) if next <= expires => {}
            Some(_) => self.bell.wake_watcher(),
            None => {
                self.next_look.set(Some(expires));
                // The worker's runtime owns the task; it ends with the worker.
                drop(tokio::task::spawn_local(watch(Rc::downgrade(self))));
            }
        }
    }

    /// One turn of the watcher: those that rang, and those that have run out.
    fn poll_watch(self: &Rc<Self>, mut clock: Pin<&mut Sleep>, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            self.bell.set_watcher(cx.waker());
            let mut idle = self.idle.borrow_mut();
            for slot in self.bell.rung() {
                self.look_at(&mut idle, slot);
            }
            let expired = self.close_expired(&mut idle, Instant::now());
            let next = idle.slots.iter().map(|(_, one)| one.expires()).min();
            let next = next.unwrap_or_else(|| Instant::now() + FAR_AHEAD);
            drop(idle);
            expired.iter().for_each(|origin| self.top_up(origin));
            self.next_look.set(Some(next));
            clock.as_mut().reset(next);
            if clock.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
        }
    }

    /// Gives the origins whose connections were closed.
    fn close_expired(&self, idle: &mut Idle, now: Instant) -> Vec<Arc<str>> {
        let expired: Vec<usize> =
            idle.slots.iter().filter(|(_, one)| one.expires() <= now).map(|(slot, _)| slot).collect();
        let closed = expired.into_iter().filter_map(|slot| self.remove(idle, slot));
        closed.map(|one| one.authority().text().clone()).collect()
    }
}

/// Watches the idle connections for as long as the pool is there.
async fn watch(pool: Weak<Pool>) {
    let mut clock = std::pin::pin!(sleep_until(Instant::now()));
    poll_fn(|cx| match pool.upgrade() {
        Some(pool) => pool.poll_watch(clock.as_mut(), cx),
        None => Poll::Ready(()),
    })
    .await;
}

impl Idle {
    fn of(&self, origin: &str) -> &[usize] {
        self.by_origin.get(origin).map_or(&[], Vec::as_slice)
    }

    fn insert(&mut self, upstream: Box<Upstream>) -> usize {
        if self.by_origin.len() > 2 * MOST {
            self.by_origin.retain(|_, slots| !slots.is_empty());
        }
        let origin = upstream.authority().text().clone();
        let slot = self.slots.insert(upstream);
        self.by_origin.entry(origin).or_default().push(slot);
        slot
    }

    fn remove(&mut self, slot: usize) -> Option<Box<Upstream>> {
        let removed = self.slots.try_remove(slot)?;
        if let Some(slots) = self.by_origin.get_mut(removed.authority().text()) {
            slots.retain(|own| *own != slot);
        }
        Some(removed)
    }

    /// Who must go so that one more of `origin` finds room.
    fn first_to_go(&self, origin: &str) -> Option<usize> {
        let own = self.of(origin);
        if own.len() >= MOST_PER_ORIGIN {
            return own.first().copied();
        }
        let oldest = || self.slots.iter().min_by_key(|(_, one)| one.idle_since()).map(|(slot, _)| slot);
        if self.slots.len() >= MOST { oldest() } else { None }
    }
}
