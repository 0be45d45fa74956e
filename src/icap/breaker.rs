//! Whether a server is asked at all: a breaker that opens when it fails and tries again with care. Pure.

use std::time::{Duration, Instant};

/// Failures in a row that open it.
const IN_A_ROW: u32 = 5;
/// Seconds that are looked back on.
const WINDOW: usize = 10;
/// Fewer outcomes in the window than this prove nothing.
const ENOUGH_OUTCOMES: u32 = 20;
/// First pause.
const FIRST_PAUSE: Duration = Duration::from_secs(5);
/// Longest pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// Whether a transaction may go out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// It may.
    Normal,
    /// It may, as the one that shows whether the server works again.
    Trial,
    /// It may not.
    No,
}

/// What a breaker looks like from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BreakerState {
    /// The server works.
    Closed,
    /// It does not, and is left alone.
    Open,
    /// One transaction is finding out.
    HalfOpen,
}

impl BreakerState {
    /// All of them.
    pub const ALL: [BreakerState; 3] = [BreakerState::Closed, BreakerState::HalfOpen, BreakerState::Open];

    /// The word in metrics and the API.
    pub const fn label(self) -> &'static str {
        match self {
            BreakerState::Closed => "closed",
            BreakerState::Open => "open",
            BreakerState::HalfOpen => "half_open",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Closed,
    Open { until: Instant },
    Trial,
}

#[derive(Clone, Copy, Debug, Default)]
struct Bucket {
    second: u64,
    good: u32,
    bad: u32,
}

/// The breaker of one server.
#[derive(Debug)]
pub struct Breaker {
    began: Instant,
    state: State,
    in_a_row: u32,
    opened_in_a_row: u32,
    window: [Bucket; WINDOW],
}

impl Breaker {
    /// A closed one.
    pub fn new(now: Instant) -> Self {
        Self { began: now, state: State::Closed, in_a_row: 0, opened_in_a_row: 0, window: [Bucket::default(); WINDOW] }
    }

    /// Whether a transaction would be let through, without letting it.
    pub fn would_admit(&self, now: Instant) -> bool {
        match self.state {
            State::Closed => true,
            State::Open { until } => until <= now,
            State::Trial => false,
        }
    }

    /// Lets a transaction through, or not. A [`Admission::Trial`] must end in one of the other calls.
    pub fn admit(&mut self, now: Instant) -> Admission {
        match self.state {
            State::Closed => Admission::Normal,
            State::Open { until } if until <= now => {
                self.state = State::Trial;
                Admission::Trial
            }
            State::Open { .. } | State::Trial => Admission::No,
        }
    }

    /// The server did what it was asked to. One that was asked before the breaker opened does not close it.
    pub fn succeeded(&mut self, now: Instant) {
        self.bucket(now).good += 1;
        self.in_a_row = 0;
        if self.state == State::Trial {
            *self = Self::new(now);
        }
    }

    /// The server failed. `spread`, 0 to 255, makes the pauses of several of us differ by up to a tenth each way.
    pub fn failed(&mut self, now: Instant, spread: u8) {
        self.bucket(now).bad += 1;
        self.in_a_row += 1;
        let enough = match self.state {
            State::Closed => self.in_a_row >= IN_A_ROW || self.mostly_bad(now),
            State::Trial => true,
            State::Open { .. } => false,
        };
        if enough {
            self.open(now, spread);
        }
    }

    /// The server cannot work until somebody changes a configuration.
    pub fn misconfigured(&mut self, now: Instant, spread: u8) {
        if !matches!(self.state, State::Open { .. }) {
            self.open(now, spread);
        }
    }

    /// A trial was given up without an outcome: the next transaction may be one.
    pub fn abandoned(&mut self, now: Instant) {
        if self.state == State::Trial {
            self.state = State::Open { until: now };
        }
    }

    /// What it looks like.
    pub fn state(&self) -> BreakerState {
        match self.state {
            State::Closed => BreakerState::Closed,
            State::Open { .. } => BreakerState::Open,
            State::Trial => BreakerState::HalfOpen,
        }
    }

    fn open(&mut self, now: Instant, spread: u8) {
        let doubled = FIRST_PAUSE * (1 << self.opened_in_a_row.min(8));
        let pause = doubled.min(LONGEST_PAUSE);
        let spread = pause * u32::from(spread) / (5 * 255);
        self.state = State::Open { until: now + pause - pause / 10 + spread };
        self.opened_in_a_row += 1;
        self.in_a_row = 0;
        self.window = [Bucket::default(); WINDOW];
    }

    fn bucket(&mut self, now: Instant) -> &mut Bucket {
        let second = now.saturating_duration_since(self.began).as_secs();
        let bucket = &mut self.window[(second % WINDOW as u64) as usize];
        if bucket.second != second {
            *bucket = Bucket { second, ..Bucket::default() };
        }
        bucket
    }

    fn mostly_bad(&self, now: Instant) -> bool {
        let second = now.saturating_duration_since(self.began).as_secs();
        let recent = self.window.iter().filter(|bucket| bucket.second + WINDOW as u64 > second);
        let (good, bad) = recent.fold((0, 0), |(good, bad), bucket| (good + bucket.good, bad + bucket.bad));
        good + bad >= ENOUGH_OUTCOMES && bad >= good
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIDDLE: u8 = 127;

    fn seconds(count: u64) -> Duration {
        Duration::from_secs(count)
    }

    fn opened(now: Instant) -> Breaker {
        let mut breaker = Breaker::new(now);
        (0..IN_A_ROW).for_each(|_| breaker.failed(now, MIDDLE));
        breaker
    }

    #[test]
    fn opens_after_five_in_a_row() {
        let now = Instant::now();
        let mut breaker = Breaker::new(now);
        for _ in 0..3 {
            (0..IN_A_ROW - 1).for_each(|_| breaker.failed(now, MIDDLE));
            assert_eq!(breaker.admit(now), Admission::Normal);
            breaker.succeeded(now);
        }
        assert_eq!(opened(now).admit(now), Admission::No);
    }

    #[test]
    fn opens_when_half_of_many_fail() {
        let now = Instant::now();
        let mut breaker = Breaker::new(now);
        for _ in 0..9 {
            breaker.succeeded(now);
            breaker.failed(now, MIDDLE);
        }
        breaker.succeeded(now);
        assert_eq!(breaker.state(), BreakerState::Closed);
        breaker.failed(now, MIDDLE);
        assert_eq!(breaker.state(), BreakerState::Open);
    }

    #[test]
    fn what_is_long_ago_does_not_count() {
        let now = Instant::now();
        let mut breaker = Breaker::new(now);
        let round = |breaker: &mut Breaker, second| {
            breaker.failed(now + seconds(second), MIDDLE);
            breaker.failed(now + seconds(second), MIDDLE);
            breaker.succeeded(now + seconds(second));
        };
        (0..9).for_each(|second| round(&mut breaker, second));
        assert_eq!(breaker.state(), BreakerState::Open, "three a second are more than twenty in ten seconds");
        let mut breaker = Breaker::new(now);
        (0..40).for_each(|count| round(&mut breaker, count * 2));
        assert_eq!(breaker.state(), BreakerState::Closed);
    }

    #[test]
    fn one_trial_decides() {
        let now = Instant::now();
        let mut breaker = opened(now);
        let later = now + seconds(6);
        assert!(!breaker.would_admit(now) && breaker.would_admit(later));
        assert_eq!(breaker.admit(later), Admission::Trial);
        assert_eq!((breaker.admit(later), breaker.state()), (Admission::No, BreakerState::HalfOpen));
        breaker.succeeded(later);
        assert_eq!(breaker.admit(later), Admission::Normal);
    }

    #[test]
    fn pauses_grow_to_a_minute() {
        let mut now = Instant::now();
        let mut breaker = opened(now);
        for pause in [5, 10, 20, 40, 60, 60] {
            assert_eq!(breaker.admit(now + seconds(pause) * 8 / 10), Admission::No, "{pause}");
            now += seconds(pause);
            assert_eq!(breaker.admit(now), Admission::Trial, "{pause}");
            breaker.failed(now, MIDDLE);
        }
    }

    #[test]
    fn a_trial_that_was_given_up_is_nobodys_fault() {
        let now = Instant::now();
        let mut breaker = opened(now);
        let later = now + seconds(6);
        assert_eq!(breaker.admit(later), Admission::Trial);
        breaker.abandoned(later);
        assert_eq!(breaker.admit(later), Admission::Trial);
    }

    #[test]
    fn late_outcomes_change_nothing_while_it_is_open() {
        let now = Instant::now();
        let mut breaker = opened(now);
        breaker.succeeded(now);
        breaker.failed(now, MIDDLE);
        breaker.misconfigured(now, MIDDLE);
        assert_eq!(breaker.state(), BreakerState::Open);
        assert_eq!(breaker.admit(now + seconds(6)), Admission::Trial);
    }

    #[test]
    fn a_wrong_configuration_opens_at_once() {
        let now = Instant::now();
        let mut breaker = Breaker::new(now);
        breaker.misconfigured(now, MIDDLE);
        assert_eq!(breaker.admit(now), Admission::No);
    }
}
