//! A token bucket, exact to the nanosecond. No clock of its own.

use std::time::{Duration, Instant};

use super::settings::Rate;

/// Parts of a token: what one token per second brings in a nanosecond is one.
const PARTS: i128 = 1_000_000_000;

/// Tokens that come at a rate and are kept up to a burst. It may owe tokens.
#[derive(Clone, Debug)]
pub struct Bucket {
    rate: Rate,
    /// In parts of a token; below 0 it owes.
    level: i128,
    at: Instant,
}

impl Bucket {
    /// A full one.
    pub fn new(rate: Rate, now: Instant) -> Self {
        let mut bucket = Self { rate, level: 0, at: now };
        bucket.level = bucket.most();
        bucket
    }

    /// Goes by another rate from `now` on. What it holds or owes stays, up to the new burst.
    pub fn set_rate(&mut self, rate: Rate, now: Instant) {
        self.fill(now);
        self.rate = rate;
        self.level = self.level.min(self.most());
    }

    /// Takes one token.
    ///
    /// # Errors
    /// How long it takes until there is one; nothing is taken.
    pub fn take(&mut self, now: Instant) -> Result<(), Duration> {
        self.fill(now);
        match self.wait_for(PARTS, now) {
            None => {
                self.level -= PARTS;
                Ok(())
            }
            Some(wait) => Err(wait),
        }
    }

    /// Whole tokens that are there.
    pub fn available(&mut self, now: Instant) -> u64 {
        self.fill(now);
        u64::try_from(self.level.max(0) / PARTS).unwrap_or(u64::MAX)
    }

    /// Takes `tokens`, owing those that are not there.
    pub fn spend(&mut self, tokens: u64, now: Instant) {
        self.fill(now);
        self.level = self.level.saturating_sub(i128::from(tokens) * PARTS);
    }

    /// Puts `tokens` back that were taken and not used.
    pub fn put_back(&mut self, tokens: u64) {
        self.level = self.level.saturating_add(i128::from(tokens) * PARTS).min(self.most());
    }

    /// Nothing is owed any more.
    pub fn forgive(&mut self) {
        self.level = self.level.max(0);
    }

    /// How long it takes until nothing is owed; `None` when nothing is.
    pub fn owes(&mut self, now: Instant) -> Option<Duration> {
        self.fill(now);
        self.wait_for(0, now)
    }

    /// How long it takes until there is one token; `None` when there is.
    pub fn lacks(&mut self, now: Instant) -> Option<Duration> {
        self.fill(now);
        self.wait_for(PARTS, now)
    }

    fn most(&self) -> i128 {
        i128::from(self.rate.burst.max(1)) * PARTS
    }

    fn fill(&mut self, now: Instant) {
        let elapsed = now.saturating_duration_since(self.at);
        // The clock of another thread may be a moment behind: what was given once is not given again.
        self.at = self.at.max(now);
        let came = i128::try_from(elapsed.as_nanos()).unwrap_or(i128::MAX).saturating_mul(self.per_nanosecond());
        self.level = self.level.saturating_add(came).min(self.most());
    }

    fn wait_for(&self, level: i128, now: Instant) -> Option<Duration> {
        let missing = level.saturating_sub(self.level);
        let nanoseconds = (missing > 0).then(|| (missing - 1) / self.per_nanosecond() + 1)?;
        let wait = Duration::from_nanos(u64::try_from(nanoseconds).unwrap_or(u64::MAX));
        // Tokens come from the last filling on, which another thread's clock may put after `now`.
        Some(wait.saturating_add(self.at.saturating_duration_since(now)))
    }

    fn per_nanosecond(&self) -> i128 {
        i128::from(self.rate.per_second.max(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: Rate = Rate { per_second: 3, burst: 5 };

    fn nanoseconds(count: u64) -> Duration {
        Duration::from_nanos(count)
    }

    #[test]
    fn a_burst_and_then_the_rate() {
        let start = Instant::now();
        let mut bucket = Bucket::new(RATE, start);
        for _ in 0..5 {
            assert_eq!(bucket.take(start), Ok(()));
        }
        assert_eq!(bucket.take(start), Err(nanoseconds(333_333_334)), "a third of a second, rounded up");
        assert_eq!(bucket.take(start + nanoseconds(333_333_333)), Err(nanoseconds(1)));
        assert_eq!(bucket.take(start + nanoseconds(333_333_334)), Ok(()), "exactly when it said");
        assert!(bucket.take(start + nanoseconds(333_333_335)).is_err());
        let late = start + Duration::from_secs(1_000_000);
        assert_eq!((0..10).filter(|_| bucket.take(late).is_ok()).count(), 5, "never more than the burst");
    }

    #[test]
    fn what_is_owed_delays() {
        let start = Instant::now();
        let mut bucket = Bucket::new(Rate { per_second: 1_000_000, burst: 1000 }, start);
        bucket.spend(1000, start);
        assert_eq!(bucket.owes(start), None);
        bucket.spend(500_000, start);
        assert_eq!(bucket.owes(start), Some(Duration::from_millis(500)));
        assert_eq!(bucket.owes(start + Duration::from_millis(499)), Some(Duration::from_millis(1)));
        assert_eq!(bucket.owes(start + Duration::from_millis(500)), None);
        bucket.spend(u64::MAX, start);
        bucket.spend(u64::MAX, start);
        assert!(bucket.owes(start).is_some());
    }

    #[test]
    fn a_clock_that_goes_back_gives_nothing_twice() {
        let start = Instant::now() + Duration::from_secs(10);
        let mut bucket = Bucket::new(RATE, start);
        bucket.spend(5, start);
        let third = nanoseconds(333_333_334);
        assert_eq!(bucket.take(start - Duration::from_secs(10)), Err(Duration::from_secs(10) + third));
        assert!(bucket.take(start).is_err());
    }

    #[test]
    fn a_new_rate_keeps_what_is_owed_and_cuts_what_is_held() {
        let start = Instant::now();
        let mut bucket = Bucket::new(RATE, start);
        bucket.set_rate(Rate { per_second: 1, burst: 2 }, start);
        assert_eq!((0..10).filter(|_| bucket.take(start).is_ok()).count(), 2);
        bucket.spend(10, start);
        bucket.set_rate(Rate { per_second: 10, burst: 2 }, start);
        assert_eq!(bucket.owes(start), Some(Duration::from_secs(1)));
        bucket.put_back(9);
        assert_eq!(bucket.owes(start), Some(Duration::from_millis(100)));
    }

    #[test]
    fn the_long_run_is_the_rate() {
        let start = Instant::now();
        let mut bucket = Bucket::new(Rate { per_second: 7, burst: 1 }, start);
        let taken = (0..100_000_u64).filter(|tick| bucket.take(start + Duration::from_micros(tick * 997)).is_ok());
        // 99.7 s: the first at once, then seven a second, each up to one tick late.
        let count = taken.count();
        assert!((690..=698).contains(&count), "{count}");
    }
}
