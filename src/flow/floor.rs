//! The least rate of a request body: never one clock over a whole upload, but a floor over each window of it. Pure.

use std::time::Duration;

use tokio::time::Instant;

/// Watches how much of a body came in each window in which we waited for the client.
#[derive(Clone, Copy, Debug, Default)]
pub struct RateFloor {
    window: Option<Window>,
}

#[derive(Clone, Copy, Debug)]
struct Window {
    ends: Instant,
    received_before: u64,
}

impl RateFloor {
    /// The window that is open, or a new one from `now`; gives its end.
    pub fn window(&mut self, now: Instant, received: u64, length: Duration) -> Instant {
        self.window.get_or_insert(Window { ends: now + length, received_before: received }).ends
    }

    /// The origin is the slow one now: time that passes is not the client's.
    pub fn pause(&mut self) {
        self.window = None;
    }

    /// At a window's end: whether the body kept `floor` bytes per second in it. The next wait opens a new window.
    pub fn is_kept(&mut self, received: u64, floor: u64, length: Duration) -> bool {
        let Some(window) = self.window.take() else { return true };
        let needed = floor.saturating_mul(length.as_millis() as u64) / 1000;
        received - window.received_before >= needed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WINDOW: Duration = Duration::from_secs(30);

    #[test]
    fn a_steady_body_is_kept_and_a_dripping_one_is_not() {
        let now = Instant::now();
        let mut floor = RateFloor::default();
        assert_eq!(floor.window(now, 0, WINDOW), now + WINDOW);
        assert_eq!(floor.window(now + WINDOW / 2, 9, WINDOW), now + WINDOW, "one window until it ends");
        assert!(floor.is_kept(15_000, 500, WINDOW));
        floor.window(now, 15_000, WINDOW);
        assert!(!floor.is_kept(29_999, 500, WINDOW));
    }

    #[test]
    fn waiting_for_the_origin_is_not_counted() {
        let now = Instant::now();
        let mut floor = RateFloor::default();
        floor.window(now, 0, WINDOW);
        floor.pause();
        assert!(floor.is_kept(0, 500, WINDOW));
        assert_eq!(floor.window(now + WINDOW, 0, WINDOW), now + WINDOW * 2);
    }

    #[test]
    fn a_floor_of_nothing_is_always_kept() {
        let mut floor = RateFloor::default();
        floor.window(Instant::now(), 0, WINDOW);
        assert!(floor.is_kept(0, 0, WINDOW));
    }
}
