//! Whether this process wants traffic: starting, ready or draining.

use std::sync::atomic::{AtomicU8, Ordering::Relaxed};

/// Where the process is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Serving {
    /// Not every port is bound yet.
    Starting,
    /// Takes traffic.
    Ready,
    /// Finishes what it has and takes nothing new.
    Draining,
}

impl Serving {
    /// The word in `/readyz`.
    pub fn label(self) -> &'static str {
        match self {
            Serving::Starting => "starting",
            Serving::Ready => "ready",
            Serving::Draining => "draining",
        }
    }
}

/// The state, set by whoever starts and stops the workers and read by the admin thread.
#[derive(Debug)]
pub struct ServingState(AtomicU8);

impl ServingState {
    /// Notes the state.
    pub fn set(&self, serving: Serving) {
        self.0.store(serving as u8, Relaxed);
    }

    /// The state noted last.
    pub fn get(&self) -> Serving {
        match self.0.load(Relaxed) {
            0 => Serving::Starting,
            1 => Serving::Ready,
            _ => Serving::Draining,
        }
    }
}

impl Default for ServingState {
    /// [`Serving::Starting`].
    fn default() -> Self {
        Self(AtomicU8::new(Serving::Starting as u8))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_set_is_read_back() {
        let state = ServingState::default();
        assert_eq!(state.get(), Serving::Starting);
        for serving in [Serving::Ready, Serving::Draining, Serving::Starting] {
            state.set(serving);
            assert_eq!(state.get(), serving);
        }
    }
}
