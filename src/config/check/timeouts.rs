//! `[timeouts]`: every wait, each with what zero would mean for it.

use std::time::Duration;

use serde_spanned::Spanned;

use crate::config::problem::Problems;
use crate::config::shape::{Text, TimeoutsShape, Whole};
use crate::config::value::{Zero, duration};
use crate::flow::settings::Timeouts;

/// A floor above this is a slip: no client sends its bodies that fast for long.
const HIGHEST_FLOOR: u64 = 1_000_000_000;

/// The waits; a zero is refused where it would end everything at once.
pub(super) fn check(shape: &TimeoutsShape, problems: &mut Problems) -> Timeouts {
    let or = Timeouts::default();
    let mut wait = |text: &Option<Text>, default: Duration, zero: Zero| {
        text.as_ref().and_then(|text| problems.value(text, |text| duration(text, zero))).unwrap_or(default)
    };
    let mut timeouts = Timeouts {
        client_idle: wait(&shape.client_idle, or.client_idle, Zero::Refused),
        request_head: wait(&shape.request_head, or.request_head, Zero::Refused),
        body_window: wait(&shape.body_window, or.body_window, Zero::Refused),
        body_floor: or.body_floor,
        connect: wait(&shape.connect, or.connect, Zero::Refused),
        connect_total: wait(&shape.connect_total, or.connect_total, Zero::Refused),
        // All addresses of a name at once.
        connect_head_start: wait(&shape.connect_head_start, or.connect_head_start, Zero::Allowed),
        response_head: wait(&shape.response_head, or.response_head, Zero::Refused),
        stream_idle: wait(&shape.stream_idle, or.stream_idle, Zero::Refused),
        upstream_write: wait(&shape.upstream_write, or.upstream_write, Zero::Refused),
        client_write: wait(&shape.client_write, or.client_write, Zero::Refused),
        half_close_http: wait(&shape.half_close_http, or.half_close_http, Zero::Refused),
        half_close_tunnel: wait(&shape.half_close_tunnel, or.half_close_tunnel, Zero::Refused),
        // No upstream connection is kept.
        upstream_idle: wait(&shape.upstream_idle, or.upstream_idle, Zero::Allowed),
        resolve: wait(&shape.resolve, or.resolve, Zero::Refused),
        // Whatever is under way at shutdown is cut.
        drain: wait(&shape.drain, or.drain, Zero::Allowed),
    };
    if let Some(floor) = floor(shape.body_floor.as_ref(), problems) {
        timeouts.body_floor = floor;
    }
    timeouts
}

fn floor(written: Option<&Spanned<Whole>>, problems: &mut Problems) -> Option<u64> {
    let help = "the unit is bytes per second; write 1000000000 or less, 0 turns the floor off";
    problems.number(written?, 0..=HIGHEST_FLOOR, ("no client sends that fast", help))
}
