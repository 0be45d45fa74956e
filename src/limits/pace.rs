//! How often slots come free while all are taken: what `Retry-After` is made of. No clock of its own.

use std::time::{Duration, Instant};

/// Longest time that is ever named.
const LONGEST: Duration = Duration::from_secs(3600);

/// Weight of what was known before, against the newest observation.
const MEMORY: u32 = 7;

/// The observed time between two slots that came free at the limit.
#[derive(Debug, Default)]
pub(super) struct Pace {
    /// All slots have been taken since then, and none came free.
    full_since: Option<Instant>,
    mean: Option<Duration>,
}

impl Pace {
    /// The last slot was taken at `now`.
    pub(super) fn full(&mut self, now: Instant) {
        self.full_since = Some(now);
    }

    /// There are slots again, although none came free.
    pub(super) fn lapse(&mut self) {
        self.full_since = None;
    }

    /// A slot came free at `now`, while all were taken.
    pub(super) fn freed(&mut self, now: Instant) {
        let Some(since) = self.full_since.take() else { return };
        let seen = now.saturating_duration_since(since);
        self.mean = Some(match self.mean {
            Some(mean) => (mean.saturating_mul(MEMORY).saturating_add(seen)) / (MEMORY + 1),
            None => seen,
        });
    }

    /// When it is worth to come again, for one who needs the `turn`-th slot to come free, in whole seconds; `unknown`
    /// stands for the time between two while none has been seen.
    pub(super) fn retry_after(&self, turn: u32, unknown: Duration, now: Instant) -> Duration {
        let waited = self.full_since.map(|since| now.saturating_duration_since(since)).unwrap_or_default();
        // Nothing came free for longer than usual: the usual time says too little.
        let each = self.mean.unwrap_or(unknown).max(waited);
        let wait = each.saturating_mul(turn.max(1)).min(LONGEST);
        let whole = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
        Duration::from_secs(whole.max(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const UNKNOWN: Duration = Duration::from_secs(30);

    fn seconds(count: u64) -> Duration {
        Duration::from_secs(count)
    }

    #[test]
    fn what_was_never_seen_is_guessed() {
        let (pace, now) = (Pace::default(), Instant::now());
        assert_eq!(pace.retry_after(1, UNKNOWN, now), UNKNOWN);
        assert_eq!(pace.retry_after(3, UNKNOWN, now), seconds(90));
        assert_eq!(pace.retry_after(u32::MAX, UNKNOWN, now), LONGEST);
    }

    #[test]
    fn what_was_seen_is_multiplied_by_the_place_in_the_queue() {
        let (mut pace, start) = (Pace::default(), Instant::now());
        for turn in 0..10 {
            pace.full(start + seconds(4 * turn));
            pace.freed(start + seconds(4 * turn) + Duration::from_millis(2500));
        }
        let now = start + seconds(100);
        assert_eq!(pace.retry_after(1, UNKNOWN, now), seconds(3), "rounded up");
        assert_eq!(pace.retry_after(4, UNKNOWN, now), seconds(10));
        pace.full(now);
        assert_eq!(pace.retry_after(1, UNKNOWN, now + seconds(9)), seconds(9), "longer than usual already");
    }

    #[test]
    fn it_is_at_least_one_second_and_follows_a_change_slowly() {
        let (mut pace, start) = (Pace::default(), Instant::now());
        pace.full(start);
        pace.freed(start + Duration::from_millis(1));
        assert_eq!(pace.retry_after(1, UNKNOWN, start), seconds(1));
        pace.full(start);
        pace.freed(start + seconds(80));
        assert_eq!(pace.retry_after(1, UNKNOWN, start), seconds(11), "an eighth of 80 s and a little");
        pace.freed(start + seconds(500));
        assert_eq!(pace.retry_after(1, UNKNOWN, start), seconds(11), "it was not full in between");
    }
}
