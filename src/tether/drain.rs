//! Going down gently: every connection of a worker is woken once and ends where it can.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::task::Waker;

use slab::Slab;
use tokio::sync::Notify;

/// The connections of one worker, to be woken when it begins to drain.
#[derive(Debug, Default)]
pub struct Drain {
    draining: Cell<bool>,
    wakers: RefCell<Slab<Waker>>,
    emptied: Notify,
}

impl Drain {
    /// Whether the worker is going down: no new request is begun on any connection.
    pub fn is_draining(&self) -> bool {
        self.draining.get()
    }

    /// Begins to drain and wakes every connection.
    pub fn begin(&self) {
        self.draining.set(true);
        self.wakers.borrow().iter().for_each(|(_, waker)| waker.wake_by_ref());
    }

    /// Connections open on this worker.
    pub fn connections(&self) -> usize {
        self.wakers.borrow().len()
    }

    /// Resolves when no connection is left. One caller at a time.
    pub async fn emptied(&self) {
        while self.connections() > 0 {
            self.emptied.notified().await;
        }
    }

    /// Enters the task behind `waker` until the guard is dropped.
    pub fn enter(self: &Rc<Self>, waker: Waker) -> Entered {
        Entered { slot: self.wakers.borrow_mut().insert(waker), drain: self.clone() }
    }
}

/// A connection's place in [`Drain`]; dropped with the connection.
#[derive(Debug)]
pub struct Entered {
    slot: usize,
    drain: Rc<Drain>,
}

impl Drop for Entered {
    fn drop(&mut self) {
        self.drain.wakers.borrow_mut().try_remove(self.slot);
        if self.drain.is_draining() && self.drain.connections() == 0 {
            self.drain.emptied.notify_one();
        }
    }
}
