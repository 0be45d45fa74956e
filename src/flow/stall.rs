//! How long a socket has taken nothing of what waits for it. Pure.

use tokio::time::Instant;

/// Watches one socket that bytes wait for; what the other side does meanwhile is no excuse.
#[derive(Clone, Copy, Debug, Default)]
pub struct Stall {
    since: Option<Instant>,
    taken: u64,
}

impl Stall {
    /// Bytes wait, and the socket has taken `taken` of them so far: since when has it taken none?
    pub fn since(&mut self, taken: u64, now: Instant) -> Instant {
        match self.since {
            Some(since) if self.taken == taken => since,
            _ => {
                *self = Stall { since: Some(now), taken };
                now
            }
        }
    }

    /// Nothing waits for the socket.
    pub fn clear(&mut self) {
        self.since = None;
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn begins_when_bytes_wait_and_anew_with_each_that_is_taken() {
        let (now, second) = (Instant::now(), Duration::from_secs(1));
        let mut stall = Stall::default();
        assert_eq!(stall.since(5, now), now);
        assert_eq!(stall.since(5, now + second), now);
        assert_eq!(stall.since(6, now + second), now + second);
        stall.clear();
        assert_eq!(stall.since(6, now + 9 * second), now + 9 * second, "an idle socket was not stalled");
    }
}
