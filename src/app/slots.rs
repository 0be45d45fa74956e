//! How many exchanges this process has room for: every one may need two descriptors.

use std::sync::Arc;

use crate::limits::settings::{LimitRule, Over, Per, QueueBounds, RuleScope};

/// Descriptors kept for listeners, logs, event queues and pipes, where there are enough.
const RESERVE: u64 = 640;

/// The rule that keeps the process within its means.
pub const RULE: &str = "proxy";

/// Exchanges at once that the descriptors allow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slots(u32);

impl Slots {
    /// The slots of a process that may open `descriptors` files; a quarter is kept where there are few.
    pub fn of(descriptors: u64) -> Slots {
        let slots = descriptors.saturating_sub(RESERVE.min(descriptors / 4)) / 2;
        Slots(u32::try_from(slots).unwrap_or(u32::MAX).max(1))
    }

    /// How many there are.
    pub fn count(self) -> u32 {
        self.0
    }

    /// How many of them streams may hold, at `percent`.
    pub fn stream_lane(self, percent: u8) -> u32 {
        let lane = u64::from(self.0) * u64::from(percent) / 100;
        u32::try_from(lane).unwrap_or(u32::MAX).max(1)
    }

    /// The rule that keeps all clients together within the slots, and streams within their lane.
    pub fn rule(self, lane: u32) -> Arc<LimitRule> {
        Arc::new(LimitRule {
            scope: RuleScope::of_all(RULE, Per::Global),
            exchanges: Some(self.0),
            streams: Some(lane),
            over: Over::Reject,
            queue: QueueBounds::default(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn descriptors_become_slots() {
        assert_eq!(Slots::of(20_000).count(), 9_680);
        assert_eq!(Slots::of(256).count(), 96);
        assert_eq!(Slots::of(0).count(), 1);
        assert_eq!(Slots::of(20_000).stream_lane(50), 4_840);
        assert_eq!(Slots::of(20_000).stream_lane(100), 9_680);
    }
}
