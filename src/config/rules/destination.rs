//! `[[destination]]`: what is set for the connections to one destination.

use std::time::Duration;

use serde_spanned::Spanned;

use super::named::{Kind, Known};
use super::scope;
use super::shape::DestinationShape;
use crate::config::check::{HalfCloseTexts, Words, half_close, word};
use crate::config::problem::{Place, Problems};
use crate::config::shape::{Section, Text, Whole};
use crate::config::value::{Zero, duration};
use crate::upstream::settings::{DestinationRule, Reuse};

/// `reuse`.
const REUSE: Words<Reuse> =
    &[(Reuse::Sticky.label(), Reuse::Sticky), (Reuse::Shared.label(), Reuse::Shared), (Reuse::Off.label(), Reuse::Off)];

/// Each worker makes so many, so this is a great many.
const MOST_PREOPENED: u64 = 64;

/// More requests than any connection sees.
const MOST_REQUESTS: u64 = 1_000_000_000;

/// The rule.
pub(super) fn check(
    section: &Spanned<Section<DestinationShape>>,
    known: &Known<'_>,
    problems: &mut Problems,
) -> DestinationRule {
    let shape = section.get_ref();
    if shape.destination.is_none() {
        let help = "add a line such as `destination = \"api.example\"`";
        known.missing(Kind::Destination, section.span(), ("this rule does not say whom it speaks of", help), problems);
    }
    let reuse = shape.reuse.as_ref().map(|text| problems.value(text, word(REUSE)));
    let mut wait = |text: &Option<Text>, zero: Zero| -> Option<Duration> {
        text.as_ref().and_then(|text| problems.value(text, |text| duration(text, zero)))
    };
    let (idle, response_head) = (wait(&shape.idle, Zero::Allowed), wait(&shape.response_head, Zero::Refused));
    let stream_idle = wait(&shape.stream_idle, Zero::Refused);
    DestinationRule {
        name: known.name(Kind::Destination, shape.name.as_ref(), section.span(), problems),
        destination: scope::destination(shape.destination.as_ref(), &known.groups, problems).0,
        preopen: shape.preopen.as_ref().and_then(|written| preopen(written, reuse, problems)).unwrap_or(0),
        reuse: reuse.flatten().unwrap_or_default(),
        idle,
        max_requests: shape.max_requests.as_ref().and_then(|written| max_requests(written, problems)),
        half_close: half_close(fins(shape), problems),
        response_head,
        stream_idle,
    }
}

/// `reuse` is `Some(None)` where it is written and bad.
fn preopen(written: &Spanned<Whole>, reuse: Option<Option<Reuse>>, problems: &mut Problems) -> Option<u32> {
    let help = "write 0 to 64; each worker makes so many";
    let count = problems.number(written, 0..=MOST_PREOPENED, ("nobody needs so many connections ahead", help))?;
    if count > 0 && !matches!(reuse, Some(None | Some(Reuse::Shared))) {
        let help = "add a line `reuse = \"shared\"`, or delete this one";
        problems.add(Place::Text(written.span()), "a connection made ahead belongs to nobody yet", help);
    }
    u32::try_from(count).ok()
}

fn max_requests(written: &Spanned<Whole>, problems: &mut Problems) -> Option<u64> {
    let help = "write 1 to 1000000000; leave the key out for no limit, 1 is the same as `reuse = \"off\"`";
    problems.number(written, 1..=MOST_REQUESTS, ("no connection is for so many requests", help))
}

fn fins(shape: &DestinationShape) -> HalfCloseTexts<'_> {
    HalfCloseTexts {
        on_client_fin: shape.on_client_fin.as_ref(),
        on_server_fin: shape.on_server_fin.as_ref(),
        half_close: shape.half_close.as_ref(),
        profile: shape.profile.as_ref(),
    }
}
