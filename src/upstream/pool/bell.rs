//! Tells the watcher of a pool which of its connections an event came for, so that it need not look at all of them.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Wake, Waker};

/// The slots that something happened in, and who is to be woken.
#[derive(Debug, Default)]
pub(super) struct Bell(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    rung: Vec<usize>,
    watcher: Option<Waker>,
    /// One for each slot, made once.
    wakers: Vec<Waker>,
}

/// Rings for one slot.
struct Slot {
    bell: std::sync::Weak<Bell>,
    slot: usize,
}

impl Wake for Slot {
    fn wake(self: Arc<Self>) {
        if let Some(bell) = self.bell.upgrade() {
            bell.lock().rung.push(self.slot);
            bell.wake_watcher();
        }
    }
}

impl Bell {
    /// The waker of a slot.
    pub(super) fn waker(self: &Arc<Self>, slot: usize) -> Waker {
        let mut state = self.lock();
        while state.wakers.len() <= slot {
            let slot = Slot { bell: Arc::downgrade(self), slot: state.wakers.len() };
            state.wakers.push(Waker::from(Arc::new(slot)));
        }
        state.wakers[slot].clone()
    }

    /// Whom to wake from now on.
    pub(super) fn set_watcher(&self, waker: &Waker) {
        let mut state = self.lock();
        if !state.watcher.as_ref().is_some_and(|known| known.will_wake(waker)) {
            state.watcher = Some(waker.clone());
        }
    }

    /// Wakes the watcher, for a slot that rang or for an earlier deadline.
    pub(super) fn wake_watcher(&self) {
        let watcher = self.lock().watcher.clone();
        if let Some(watcher) = watcher {
            watcher.wake();
        }
    }

    /// The slots that rang since last time. One may be empty by now, or hold another connection: looking does no harm.
    pub(super) fn rung(&self) -> Vec<usize> {
        std::mem::take(&mut self.lock().rung)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

    use super::*;

    #[derive(Default)]
    struct Count(AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Relaxed);
        }
    }

    #[test]
    fn a_slot_that_rings_is_named_once() {
        let (bell, count) = (Arc::new(Bell::default()), Arc::new(Count::default()));
        bell.set_watcher(&count.clone().into());
        let waker = bell.waker(3);
        waker.wake_by_ref();
        assert_eq!((bell.rung(), count.0.load(Relaxed)), (vec![3], 1));
        assert!(bell.rung().is_empty());
        assert!(bell.waker(3).will_wake(&waker), "a slot keeps its waker");
        drop(bell);
        waker.wake();
        assert_eq!(count.0.load(Relaxed), 1, "a bell that is gone wakes nobody");
    }
}
