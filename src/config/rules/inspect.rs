//! `inspect.toml`: who scans which traffic, and how much of it.

use std::ops::Range;

use serde::Deserialize;
use serde_spanned::Spanned;

use super::named::{Groups, names};
use super::scan::{class, each, media_type};
use super::scope;
use crate::config::catalogue::INSPECT;
use crate::config::check::{Scanners, UNDECODABLE, WHILE_HELD, Words, scanners, unique_names, word};
use crate::config::document::Document;
use crate::config::problem::{Place, Problems};
use crate::config::read::{self, Completeness, Draft};
use crate::config::shape::{Amount, Section, Strings, Text};
use crate::config::value::{self, Wrong};
use crate::icap::settings::IcapService;
use crate::inspect::book::InspectRule;
use crate::inspect::course::{Direction, OnOverload, Over, StreamScan};

/// The name of the sections.
const RULE: &str = "rule";

/// `direction`.
const DIRECTIONS: Words<Direction> = &[("request", Direction::Request), ("response", Direction::Response)];

/// `over`.
const OVER: Words<Over> = &[("block", Over::Block), ("pass_unscanned", Over::PassUnscanned), ("window", Over::Window)];

/// `on_overload`.
const ON_OVERLOAD: Words<OnOverload> =
    &[("block", OnOverload::Block), ("pass_unscanned", OnOverload::PassUnscanned), ("window", OnOverload::Window)];

/// `streams`.
const STREAMS: Words<StreamScan> =
    &[("async", StreamScan::Async), ("sync", StreamScan::Sync), ("off", StreamScan::Off)];

/// The whole file as written.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct InspectFileShape {
    rule: Option<Vec<Spanned<Section<RuleShape>>>>,
}

/// One `[[rule]]`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct RuleShape {
    name: Option<Text>,
    note: Option<Text>,
    destination: Option<Text>,
    source: Option<Text>,
    direction: Option<Text>,
    media_types: Option<Spanned<Strings>>,
    classes: Option<Spanned<Strings>>,
    scanners: Option<Spanned<Strings>>,
    max_body: Option<Spanned<Amount>>,
    over: Option<Text>,
    on_overload: Option<Text>,
    streams: Option<Text>,
    while_held: Option<Text>,
    undecodable: Option<Text>,
}

/// The rules of `document`; what is wrong is noted there.
pub(in crate::config) fn read(document: &mut Document, groups: &Groups, known: Scanners<'_>) -> Vec<InspectRule> {
    let Document { text, problems, .. } = document;
    let draft: Draft<'_, InspectFileShape> = read::read(text, INSPECT, problems);
    let sections: Vec<_> = draft.shape.rule.iter().flatten().collect();
    unique_names("rules", &names(sections.iter().map(|section| &section.get_ref().name)), problems);
    let whole = draft.completeness(RULE);
    let rules = sections.iter().map(|section| {
        missing(section, whole, problems);
        rule(section.get_ref(), groups, known, problems)
    });
    let rules = rules.collect();
    draft.settle(problems);
    rules
}

/// Notes what a rule has to say and does not, unless it may have been cut out.
fn missing(section: &Spanned<Section<RuleShape>>, whole: Completeness, problems: &mut Problems) {
    let shape = section.get_ref();
    let mut note = |message: &str, help: &str| {
        if whole == Completeness::Whole {
            problems.add(Place::Text(section.span()), message, help);
        }
    };
    if shape.name.is_none() {
        note("this rule has no name", "add a line `name = \"...\"`; it is told with everything that comes of it");
    }
    if shape.scanners.is_none() && shape.details().iter().all(|(_, place)| place.is_none()) {
        note("this rule changes nothing", "add a line such as `scanners = [\"builtin\"]` or `max_body = \"25MiB\"`");
    }
}

fn rule(shape: &RuleShape, groups: &Groups, known: Scanners<'_>, problems: &mut Problems) -> InspectRule {
    let name = shape.name.as_ref().and_then(|text| problems.value(text, |text| value::label(text).map(str::to_owned)));
    let direction = shape.direction.as_ref().and_then(|text| problems.value(text, word(DIRECTIONS)));
    note_idle(shape, problems);
    if let (Some(written), Some(direction), Scanners::Named(services)) = (&shape.scanners, direction, known) {
        note_unasked(written, direction, services, problems);
    }
    InspectRule {
        note: shape.note.as_ref().map(|text| text.get_ref().as_str()).unwrap_or_default().into(),
        destination: scope::destination(shape.destination.as_ref(), groups, problems).0,
        source: shape.source.as_ref().and_then(|text| problems.value(text, value::source)).flatten(),
        direction,
        media_types: list(shape.media_types.as_ref(), problems, media_type),
        classes: list(shape.classes.as_ref(), problems, class),
        scanners: shape.scanners.as_ref().map(|written| scanners(written, known, problems)),
        max_body: shape.max_body.as_ref().and_then(|size| problems.size(size, 1)),
        over: shape.over.as_ref().and_then(|text| problems.value(text, word(OVER))),
        on_overload: shape.on_overload.as_ref().and_then(|text| problems.value(text, word(ON_OVERLOAD))),
        streams: shape.streams.as_ref().and_then(|text| problems.value(text, word(STREAMS))),
        while_held: shape.while_held.as_ref().and_then(|text| problems.value(text, word(WHILE_HELD))),
        undecodable: shape.undecodable.as_ref().and_then(|text| problems.value(text, word(UNDECODABLE))),
        ..InspectRule::new(name.as_deref().unwrap_or(RULE))
    }
}

impl RuleShape {
    /// The keys that only count where something scans, and where they are written.
    fn details(&self) -> [(&'static str, Option<Range<usize>>); 6] {
        [
            ("max_body", self.max_body.as_ref().map(Spanned::span)),
            ("over", self.over.as_ref().map(Spanned::span)),
            ("on_overload", self.on_overload.as_ref().map(Spanned::span)),
            ("streams", self.streams.as_ref().map(Spanned::span)),
            ("while_held", self.while_held.as_ref().map(Spanned::span)),
            ("undecodable", self.undecodable.as_ref().map(Spanned::span)),
        ]
    }

    fn scanned_by_nobody(&self) -> bool {
        self.scanners.as_ref().is_some_and(|list| Strings::texts(list).is_empty())
    }
}

/// Kinds of bodies. An empty list would be read as all of them by some, as none by others.
fn list<T>(
    written: Option<&Spanned<Strings>>,
    problems: &mut Problems,
    read: impl Fn(&str) -> Result<T, Wrong>,
) -> Vec<T> {
    if let Some(empty) = written.filter(|list| Strings::texts(list).is_empty()) {
        let help = "write what is meant, or leave the key out for every kind";
        problems.add(Place::Text(empty.span()), "this list is empty", help);
    }
    each(written, problems, read)
}

/// Notes keys that would change nothing.
fn note_idle(shape: &RuleShape, problems: &mut Problems) {
    let mut note = |key: &str, place: Option<Range<usize>>, help: &str| {
        if let Some(place) = place {
            problems.add(Place::Text(place), format!("`{key}` says nothing here"), help);
        }
    };
    if shape.classes.is_some() {
        let help =
            "scanning has begun when the first bytes tell the class; give it a rule of its own, without `classes`";
        note("scanners", shape.scanners.as_ref().map(Spanned::span), help);
        note("streams", shape.streams.as_ref().map(Spanned::span), help);
        note("undecodable", shape.undecodable.as_ref().map(Spanned::span), help);
    } else if shape.scanned_by_nobody() {
        for (key, place) in shape.details() {
            note(key, place, "with an empty `scanners` nothing is scanned; delete the line");
        }
    }
}

/// Notes services that are never asked about messages of this direction.
fn note_unasked(written: &Spanned<Strings>, direction: Direction, services: &[IcapService], problems: &mut Problems) {
    let method = direction.method();
    let messages = match direction {
        Direction::Request => "requests",
        Direction::Response => "responses",
    };
    for text in Strings::texts(written) {
        let service = services.iter().find(|service| *service.name == **text.get_ref());
        // One without any method has been noted.
        let unasked = |service: &&IcapService| !service.methods.is_empty() && !service.methods.contains(&method);
        if let Some(service) = service.filter(unasked) {
            let message = format!("`{}` is not asked about {messages}", service.name);
            let help = format!("add `{}` to the `methods` of `[icap.{}]`", method.label(), service.name);
            problems.add(Place::Text(text.span()), message, help);
        }
    }
}
