//! Whom a rule speaks of, and what it adds up.

use std::ops::Range;
use std::sync::Arc;

use super::named::{Groups, Kind, Known, unknown};
use super::shape::ScopeTexts;
use crate::config::check::{Words, word};
use crate::config::problem::{Place, Problems};
use crate::config::shape::Text;
use crate::config::value::{self, Destination, Wrong};
use crate::limits::settings::{CountBy, Per, PrefixLengths, RuleMode, RuleScope};
use crate::policy::pattern::DestinationMatch;

/// `per`.
const PER: Words<Per> = &[
    (Per::Source.label(), Per::Source),
    (Per::Prefix.label(), Per::Prefix),
    (Per::Destination.label(), Per::Destination),
    (Per::Pair.label(), Per::Pair),
    (Per::Listener.label(), Per::Listener),
    (Per::Global.label(), Per::Global),
];

/// `count_by`.
const COUNT_BY: Words<CountBy> = &[
    ("rule", CountBy::Rule),
    ("host", CountBy::Host),
    ("host_port", CountBy::HostPort),
    ("domain", CountBy::Domain),
    ("address", CountBy::Address),
];

/// `mode`.
const MODES: Words<RuleMode> = &[("enforce", RuleMode::Enforce), ("simulate", RuleMode::Simulate)];

/// The listeners that rules may name.
#[derive(Clone, Copy, Debug)]
pub(in crate::config) enum Listeners<'n> {
    /// Exactly these.
    Named(&'n [Arc<str>]),
    /// They could not all be read, or are not known yet: every name is believed.
    Unknown,
}

/// What the shared keys of a rule of `kind` say; `section` is where it stands.
pub(super) fn check(
    kind: Kind,
    texts: ScopeTexts<'_>,
    section: Range<usize>,
    known: &Known<'_>,
    problems: &mut Problems,
) -> RuleScope {
    let (destination, default_count) = destination(texts.destination, &known.groups, problems);
    let per = per(kind, texts.per, section.clone(), known, problems);
    let count_by = texts.count_by.and_then(|text| problems.value(text, word(COUNT_BY)));
    if let Some(text) = texts.count_by.filter(|_| !matches!(per, None | Some(Per::Destination | Per::Pair))) {
        let help = "it goes with `per = \"destination\"` and `per = \"pair\"`; delete the line";
        problems.add(Place::Text(text.span()), "`count_by` says nothing here", help);
    }
    RuleScope {
        name: known.name(kind, texts.name, section, problems),
        source: texts.source.and_then(|text| problems.value(text, value::source)).flatten(),
        listener: texts.listener.and_then(|text| problems.value(text, |text| listener(text, known.listeners))),
        destination,
        per: per.unwrap_or(Per::Global),
        count_by: count_by.unwrap_or(default_count),
        prefix: prefix(&texts, per, problems),
        instead_of: texts.instead_of.and_then(|text| {
            problems.value(text, |name| replaced(kind, name, texts.name.map(|own| own.get_ref().as_str()), known))
        }),
        mode: texts.mode.and_then(|text| problems.value(text, word(MODES))).unwrap_or_default(),
    }
}

/// The destinations of a rule, and what counts as one of them unless the rule says so.
pub(super) fn destination(
    written: Option<&Text>,
    groups: &Groups,
    problems: &mut Problems,
) -> (DestinationMatch, CountBy) {
    let read = written.and_then(|text| problems.value(text, |text| matched(value::destination(text)?, groups)));
    read.unwrap_or((DestinationMatch::Any, CountBy::Domain))
}

fn matched(destination: Destination, groups: &Groups) -> Result<(DestinationMatch, CountBy), Wrong> {
    Ok(match destination {
        Destination::Any => (DestinationMatch::Any, CountBy::Domain),
        Destination::Network(net) => (DestinationMatch::Network(net), CountBy::Rule),
        Destination::Host(pattern, None) => (DestinationMatch::Host { pattern, port: None }, CountBy::Host),
        Destination::Host(pattern, port) => (DestinationMatch::Host { pattern, port }, CountBy::HostPort),
        Destination::Pattern(pattern, port) => (DestinationMatch::Host { pattern, port }, CountBy::Rule),
        Destination::Group(name) => match groups.find(&name)? {
            Some(group) => (DestinationMatch::Group(group), CountBy::Rule),
            None => (DestinationMatch::Any, CountBy::Rule),
        },
    })
}

fn per(
    kind: Kind,
    written: Option<&Text>,
    section: Range<usize>,
    known: &Known<'_>,
    problems: &mut Problems,
) -> Option<Per> {
    let Some(text) = written else {
        let message = format!("this {} does not say whose use is added up", kind.label());
        let known_words: Vec<String> = PER.iter().map(|(word, _)| format!("`per = \"{word}\"`")).collect();
        let help = format!("add one of {}", known_words.join(", "));
        known.missing(kind, section, (&message, &help), problems);
        return None;
    };
    problems.value(text, word(PER))
}

fn listener(name: &str, listeners: Listeners<'_>) -> Result<Arc<str>, Wrong> {
    let Listeners::Named(names) = listeners else { return Ok(name.into()) };
    if let Some(known) = names.iter().find(|known| ***known == *name) {
        return Ok(known.clone());
    }
    let known: Vec<&str> = names.iter().map(|name| &**name).collect();
    let otherwise = format!("write the `name` of a `[[forward]]` of the configuration: `{}`", known.join("`, `"));
    Err(unknown("listener", name, "", &known, otherwise))
}

fn replaced(kind: Kind, name: &str, own: Option<&str>, known: &Known<'_>) -> Result<Arc<str>, Wrong> {
    if own == Some(name) {
        return Err(Wrong::new("a rule cannot take its own place", "write the name of another rule"));
    }
    known.replaced(kind, name)
}

fn prefix(texts: &ScopeTexts<'_>, per: Option<Per>, problems: &mut Problems) -> PrefixLengths {
    let default = PrefixLengths::default();
    let mut length = |key: &str, written: Option<&_>, longest: u8, or: u8| {
        let Some(written) = written else { return or };
        if !matches!(per, None | Some(Per::Prefix)) {
            let help = "it goes with `per = \"prefix\"`; delete the line";
            problems.add(
                Place::Text(serde_spanned::Spanned::span(written)),
                format!("`{key}` says nothing here"),
                help,
            );
        }
        let help = format!("write 1 to {longest}, such as {or}");
        let bits = problems.number(written, 1..=longest.into(), ("there is no such range of addresses", &help));
        bits.and_then(|bits| u8::try_from(bits).ok()).unwrap_or(or)
    };
    PrefixLengths {
        v4: length("prefix_v4", texts.prefix_v4, 32, default.v4),
        v6: length("prefix_v6", texts.prefix_v6, 128, default.v6),
    }
}
