//! Protection of the whole process: how short it is of slots, memory or time, and what it gives up first. Pure, but for
//! the one shared cell that workers read.

use std::sync::atomic::{AtomicU8, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// What is given up, in this order. Each step includes those before it; the admin port is never touched.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Level {
    /// Nothing.
    #[default]
    Calm,
    /// New scans: policy says what becomes of what would have been scanned.
    ShedScans,
    /// New streams are refused.
    RefuseStreams,
    /// The longest silent streams are ended.
    EvictStreams,
    /// Clients that hold nothing yet are refused.
    RefuseSources,
}

impl Level {
    /// Every level, the calm one first.
    pub const ALL: [Level; 5] =
        [Level::Calm, Level::ShedScans, Level::RefuseStreams, Level::EvictStreams, Level::RefuseSources];

    /// The word in metrics, the API and the log.
    pub fn label(self) -> &'static str {
        match self {
            Level::Calm => "calm",
            Level::ShedScans => "shed_scans",
            Level::RefuseStreams => "refuse_streams",
            Level::EvictStreams => "evict_streams",
            Level::RefuseSources => "refuse_sources",
        }
    }

    fn from_u8(number: u8) -> Level {
        Self::ALL.get(usize::from(number)).copied().unwrap_or_default()
    }
}

/// How short the process is of what it needs.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Readings {
    /// Share of the sockets it may hold, 0 to 1.
    pub slots: f64,
    /// Share of the memory it may hold, 0 to 1.
    pub memory: f64,
    /// Share of the bytes that spooled bodies may hold, 0 to 1.
    pub spool: f64,
    /// How late the slowest worker comes back to its events.
    pub lag: Duration,
}

/// From which share of memory or spool each level above the calm one holds.
const SHARES: [f64; 4] = [0.80, 0.90, 0.95, 0.98];
/// From which share of slots. What listeners and pipes need is kept apart from them, so they can be used up nearly whole.
const SLOT_SHARES: [f64; 4] = [0.985, 0.99, 0.995, 1.0];
/// From which lag. Far above what a busy machine shows for a moment: lag alone refuses nobody unless it stays.
const LAGS: [Duration; 4] =
    [Duration::from_millis(500), Duration::from_secs(2), Duration::from_secs(4), Duration::from_secs(8)];
/// A level is left only when its reason is this much smaller.
const EASED: f64 = 0.95;

/// The level after `before`, one step at most: a moment's peak passes before it is answered with the last resort.
pub fn next_level(before: Level, readings: &Readings) -> Level {
    let (rising, falling) = (wanted(readings, 1.0), wanted(readings, EASED));
    let step = |by: i8| Level::from_u8((before as u8).saturating_add_signed(by));
    if rising > before {
        step(1)
    } else if falling < before {
        step(-1)
    } else {
        before
    }
}

/// The level that `readings` call for, each threshold taken times `scale`.
fn wanted(readings: &Readings, scale: f64) -> Level {
    let reached = |thresholds: &[f64; 4], share: f64| thresholds.iter().filter(|one| share >= **one * scale).count();
    let by_share = reached(&SHARES, readings.memory.max(readings.spool)).max(reached(&SLOT_SHARES, readings.slots));
    let by_lag = LAGS.iter().filter(|threshold| readings.lag >= threshold.mul_f64(scale)).count();
    Level::from_u8(by_share.max(by_lag) as u8)
}

/// The level now, for every worker to see, and how often each step was taken.
#[derive(Debug, Default)]
pub struct Overload {
    level: AtomicU8,
    taken: [AtomicU64; Level::ALL.len()],
}

impl Overload {
    /// The level now.
    pub fn level(&self) -> Level {
        Level::from_u8(self.level.load(Relaxed))
    }

    /// Sets the level.
    pub fn set_level(&self, level: Level) {
        self.level.store(level as u8, Relaxed);
    }

    /// Counts `times` that something was given up because of `step`.
    pub fn count(&self, step: Level, times: u64) {
        self.taken[step as usize].fetch_add(times, Relaxed);
    }

    /// How often each step was taken, the calm level left out.
    pub fn taken(&self) -> impl Iterator<Item = (&'static str, u64)> {
        Level::ALL.into_iter().skip(1).map(|step| (step.label(), self.taken[step as usize].load(Relaxed)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn memory(share: f64) -> Readings {
        Readings { memory: share, ..Readings::default() }
    }

    #[test]
    fn levels_come_one_by_one_and_go_when_it_has_eased() {
        let mut level = Level::Calm;
        let mut seen = Vec::new();
        for _ in 0..5 {
            level = next_level(level, &memory(0.99));
            seen.push(level);
        }
        assert_eq!(
            seen,
            [Level::ShedScans, Level::RefuseStreams, Level::EvictStreams, Level::RefuseSources, Level::RefuseSources]
        );
        assert_eq!(next_level(Level::RefuseStreams, &memory(0.88)), Level::RefuseStreams, "not eased yet");
        assert_eq!(next_level(Level::RefuseStreams, &memory(0.84)), Level::ShedScans);
        assert_eq!(next_level(Level::Calm, &memory(0.1)), Level::Calm);
    }

    #[test]
    fn any_shortage_counts() {
        let calm = Level::Calm;
        assert_eq!(next_level(calm, &Readings { slots: 0.99, ..Readings::default() }), Level::ShedScans);
        assert_eq!(next_level(calm, &Readings { slots: 0.98, ..Readings::default() }), calm);
        assert_eq!(next_level(calm, &Readings { spool: 0.9, ..Readings::default() }), Level::ShedScans);
        assert_eq!(
            next_level(calm, &Readings { lag: Duration::from_secs(1), ..Readings::default() }),
            Level::ShedScans
        );
    }

    #[test]
    fn what_was_given_up_is_counted() {
        let overload = Overload::default();
        overload.set_level(Level::EvictStreams);
        overload.count(Level::EvictStreams, 3);
        assert_eq!(overload.level(), Level::EvictStreams);
        assert_eq!(overload.taken().find(|(step, _)| *step == "evict_streams"), Some(("evict_streams", 3)));
    }
}
