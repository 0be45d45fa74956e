//! `[[rate]]`: how much in a second.

use serde_spanned::Spanned;

use super::named::{Kind, Known};
use super::scope;
use super::shape::RateShape;
use crate::config::problem::Problems;
use crate::config::shape::{Amount, Section, Whole};
use crate::limits::settings::{Rate, RateRule};

/// More is no limit.
const MOST_REQUESTS: u64 = 1_000_000_000;

/// The rule.
pub(super) fn check(section: &Spanned<Section<RateShape>>, known: &Known<'_>, problems: &mut Problems) -> RateRule {
    let shape = section.get_ref();
    if shape.requests.is_none() && shape.bytes.is_none() {
        let help = "add a line `requests = 50` or `bytes = \"2MiB\"`";
        known.missing(Kind::Rate, section.span(), ("this rate limits nothing", help), problems);
    }
    RateRule {
        scope: scope::check(Kind::Rate, shape.scope(), section.span(), known, problems),
        requests: requests(shape, known, problems),
        bytes: bytes(shape, known, problems),
    }
}

fn requests(shape: &RateShape, known: &Known<'_>, problems: &mut Problems) -> Option<Rate> {
    let mut number = |written: &Spanned<Whole>| {
        let help = "write 1 to 1000000000; leave the key out for no limit";
        problems.number(written, 1..=MOST_REQUESTS, ("this rate would let nobody or everybody through", help))
    };
    let burst = shape.requests_burst.as_ref().map(|written| (written.span(), number(written)));
    let per_second = shape.requests.as_ref().map(number);
    rate("requests", per_second, burst, known, problems)
}

fn bytes(shape: &RateShape, known: &Known<'_>, problems: &mut Problems) -> Option<Rate> {
    let mut size = |written: &Spanned<Amount>| problems.size(written, 1);
    let burst = shape.bytes_burst.as_ref().map(|written| (written.span(), size(written)));
    let per_second = shape.bytes.as_ref().map(size);
    rate("bytes", per_second, burst, known, problems)
}

/// The outer `None` stands for what is not written, the inner one for what is bad and noted.
fn rate(
    key: &str,
    per_second: Option<Option<u64>>,
    burst: Option<(std::ops::Range<usize>, Option<u64>)>,
    known: &Known<'_>,
    problems: &mut Problems,
) -> Option<Rate> {
    match (per_second, burst) {
        (None, Some((span, _))) => {
            let message = format!("a burst without a rate: `{key}` is not set");
            let help = format!("add a line `{key} = ...`: so many in each second");
            known.missing(Kind::Rate, span, (&message, &help), problems);
            None
        }
        (per_second, burst) => {
            let per_second = per_second??;
            let burst = burst.and_then(|(_, burst)| burst).unwrap_or(per_second);
            Some(Rate { per_second, burst })
        }
    }
}
