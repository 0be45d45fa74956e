//! Who waits for a connection: first come, first served.

use std::collections::VecDeque;
use std::sync::Arc;

use tokio::sync::Notify;

use super::Pool;
use crate::icap::error::ErrorKind;

/// Most that may wait for a connection.
pub(super) const LONGEST_QUEUE: usize = 64;

/// Those who wait, in the order in which they came. Only the first is called, and only it may take what is free.
#[derive(Debug, Default)]
pub(super) struct Queue(VecDeque<Arc<Notify>>);

impl Queue {
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether who has this place, or none, may take what is free.
    pub fn lets(&self, place: Option<&Place<'_>>) -> bool {
        self.0.front().is_none_or(|first| place.is_some_and(|place| Arc::ptr_eq(&place.call, first)))
    }

    /// Says that something may be free. A call that comes too early is not lost.
    pub fn call_first(&self) {
        if let Some(first) = self.0.front() {
            first.notify_one();
        }
    }
}

/// A place in the queue, left when it is dropped.
#[derive(Debug)]
pub(super) struct Place<'a> {
    pool: &'a Pool,
    call: Arc<Notify>,
}

impl<'a> Place<'a> {
    /// The last place.
    ///
    /// # Errors
    /// [`ErrorKind::Busy`] when too many wait.
    pub fn queue(pool: &'a Pool) -> Result<Self, ErrorKind> {
        let mut state = pool.lock();
        if state.queue.len() >= LONGEST_QUEUE {
            return Err(ErrorKind::Busy);
        }
        let call = Arc::new(Notify::new());
        state.queue.0.push_back(call.clone());
        Ok(Self { pool, call })
    }

    /// Waits to be called.
    pub async fn called(&self) {
        self.call.notified().await;
    }
}

impl Drop for Place<'_> {
    /// The next may find something: what this one was called for and did not take, or more than it took.
    fn drop(&mut self) {
        let mut state = self.pool.lock();
        state.queue.0.retain(|call| !Arc::ptr_eq(call, &self.call));
        state.queue.call_first();
    }
}
