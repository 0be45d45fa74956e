//! `[[limit]]`: how much at once.

use serde_spanned::Spanned;

use super::named::{Kind, Known};
use super::scope;
use super::shape::{LimitShape, QueueShape};
use crate::config::check::{Words, word};
use crate::config::problem::{Place, Problems};
use crate::config::settings::LaneShare;
use crate::config::shape::{Amount, Section, Whole};
use crate::config::value::{self, Zero, duration};
use crate::limits::settings::{LimitRule, Over, QueueBounds};

/// `over`.
const OVER: Words<Over> =
    &[("reject", Over::Reject), ("queue", Over::Queue), ("evict_oldest_idle", Over::EvictOldestIdle)];

/// No process holds more at once.
const MOST: u64 = 100_000_000;

/// A longer queue is not a queue.
const LONGEST_QUEUE: u64 = 65_536;

/// How many streams one holder may have, as written.
enum Streams {
    Count(u32),
    LanePercent(u8),
}

/// The rule, and its share of the stream lane where it has one instead of a number of streams.
pub(super) fn check(
    section: &Spanned<Section<LimitShape>>,
    known: &Known<'_>,
    problems: &mut Problems,
) -> (LimitRule, Option<LaneShare>) {
    let shape = section.get_ref();
    if shape.exchanges.is_none() && shape.streams.is_none() {
        let help = "add a line `exchanges = 32` or `streams = 6`";
        known.missing(Kind::Limit, section.span(), ("this limit limits nothing", help), problems);
    }
    let scope = scope::check(Kind::Limit, shape.scope(), section.span(), known, problems);
    let (streams, share) = match shape.streams.as_ref().and_then(|written| streams(written, problems)) {
        Some(Streams::Count(count)) => (Some(count), None),
        Some(Streams::LanePercent(percent)) => (None, Some(LaneShare { limit: scope.name.clone(), percent })),
        None => (None, None),
    };
    let rule = LimitRule {
        scope,
        exchanges: shape.exchanges.as_ref().and_then(|written| count(written, problems)),
        streams,
        over: shape.over.as_ref().and_then(|text| problems.value(text, word(OVER))).unwrap_or(Over::Reject),
        // Bounds say nothing while `over` is something else, and are kept: changing one word back and forth is enough.
        queue: shape.queue.as_ref().map_or_else(QueueBounds::default, |shape| queue(shape.get_ref(), problems)),
    };
    (rule, share)
}

fn count(written: &Spanned<Whole>, problems: &mut Problems) -> Option<u32> {
    let help = "write 1 or more; leave the key out for no limit";
    let count = problems.number(written, 1..=MOST, ("this limit would let nobody or everybody through", help))?;
    u32::try_from(count).ok()
}

fn streams(written: &Spanned<Amount>, problems: &mut Problems) -> Option<Streams> {
    match written.get_ref() {
        Amount::Number(number) => count(&Spanned::new(written.span(), Whole(*number)), problems).map(Streams::Count),
        Amount::Text(text) => match value::percent(text) {
            Ok(percent) => Some(Streams::LanePercent(percent)),
            Err(wrong) => {
                let help = "write a number such as `6`, or a share of the stream lane from `\"1%\"` to `\"100%\"`";
                problems.add(Place::Text(written.span()), wrong.message, help);
                None
            }
        },
    }
}

fn queue(shape: &QueueShape, problems: &mut Problems) -> QueueBounds {
    let default = QueueBounds::default();
    let help = "write 1 to 65536";
    let max = shape.max.as_ref();
    let max = max.and_then(|max| problems.number(max, 1..=LONGEST_QUEUE, ("there is no such queue", help)));
    let wait = shape.wait.as_ref();
    let wait = wait.and_then(|text| problems.value(text, |text| duration(text, Zero::Refused)));
    QueueBounds {
        max: max.and_then(|max| u32::try_from(max).ok()).unwrap_or(default.max),
        wait: wait.unwrap_or(default.wait),
    }
}
