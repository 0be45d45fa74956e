//! `[limits]`: the switch over all limits, what a stream is, how much streams may have.

use super::{Words, word};
use crate::config::problem::Problems;
use crate::config::shape::LimitsShape;
use crate::config::value::{Zero, duration};
use crate::limits::settings::{LimitMode, LimitSettings};

/// `mode`.
pub(in crate::config) const LIMIT_MODES: Words<LimitMode> =
    &[("enforce", LimitMode::Enforce), ("simulate", LimitMode::Simulate), ("off", LimitMode::Off)];

/// Nothing that is faster is waiting for something to happen.
const HIGHEST_RATE: u64 = 1_000_000_000;

/// Below this the process is under pressure before its first client.
const LEAST_MEMORY: u64 = 16 << 20;

/// The settings; what is missing or bad is as by default.
pub(super) fn check(shape: &LimitsShape, problems: &mut Problems) -> LimitSettings {
    let default = LimitSettings::default();
    let mode = shape.mode.as_ref().and_then(|text| problems.value(text, word(LIMIT_MODES)));
    let after = shape.stream_after.as_ref();
    let after = after.and_then(|text| problems.value(text, |text| duration(text, Zero::Refused)));
    let help = "the unit is bytes per second; write 1 to 1000000000";
    let rate = shape.stream_rate.as_ref();
    let rate = rate.and_then(|rate| problems.number(rate, 1..=HIGHEST_RATE, ("no stream is as slow or as fast", help)));
    let help = "write 1 to 100; 100 lets streams take every slot";
    let lane = shape.stream_lane.as_ref();
    let lane = lane.and_then(|lane| problems.number(lane, 1..=100, ("the lane is a share in percent", help)));
    LimitSettings {
        mode: mode.unwrap_or(default.mode),
        stream_after: after.unwrap_or(default.stream_after),
        stream_rate: rate.unwrap_or(default.stream_rate),
        stream_lane: lane.and_then(|lane| u8::try_from(lane).ok()).unwrap_or(default.stream_lane),
        memory: shape.memory.as_ref().and_then(|size| problems.size(size, LEAST_MEMORY)).or(default.memory),
    }
}
