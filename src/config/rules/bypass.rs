//! `bypass.toml`: what passes unscanned or unlimited, and what never does.

use std::ops::Range;

use serde::Deserialize;
use serde_spanned::Spanned;

use crate::config::catalogue::BYPASS;
use crate::config::check::word;
use crate::config::document::Document;
use crate::config::problem::{Place, Problem, Problems};
use crate::config::read::{self, Completeness, Draft};
use crate::config::shape::{Section, Strings, Text};
use crate::config::value::Wrong;
use crate::policy::bypass::entry::{About, BypassRule};
use crate::policy::bypass::pattern::{Pattern, source};
use crate::policy::bypass::skips::Skips;
use crate::policy::bypass::{BypassBook, Unclear, moment};

/// The names of the sections.
const ENTRY: &str = "bypass";
const NEVER: &str = "never";

/// The whole file as written.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct BypassShape {
    bypass: Option<Vec<Spanned<Section<EntryShape>>>>,
    never: Option<Vec<Spanned<Section<NeverShape>>>>,
}

/// One `[[bypass]]`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct EntryShape {
    #[serde(rename = "match")]
    matched: Option<Spanned<Strings>>,
    skip: Option<Spanned<Strings>>,
    source: Option<Text>,
    until: Option<Text>,
    owner: Option<Text>,
    note: Option<Text>,
    ticket: Option<Text>,
}

/// One `[[never]]`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct NeverShape {
    #[serde(rename = "match")]
    matched: Option<Spanned<Strings>>,
    note: Option<Text>,
}

impl From<Unclear> for Wrong {
    fn from(unclear: Unclear) -> Self {
        Wrong::new(unclear.message, unclear.help)
    }
}

/// The list in `document`; what is wrong is noted there.
pub(in crate::config) fn read(document: &mut Document) -> BypassBook {
    let Document { text, problems, .. } = document;
    let draft: Draft<'_, BypassShape> = read::read(text, BYPASS, problems);
    let mut entries = Vec::new();
    let whole = draft.completeness(ENTRY);
    for section in draft.shape.bypass.iter().flatten() {
        entries.extend(entry(section, whole, problems));
    }
    note_doubles(&entries, problems);
    let whole = draft.completeness(NEVER);
    let mut never = Vec::new();
    for section in draft.shape.never.iter().flatten() {
        let shape = section.get_ref();
        about(shape.note.as_ref(), problems);
        let texts = patterns(shape.matched.as_ref(), section.span(), whole, problems);
        never.extend(texts.iter().filter_map(|text| problems.value(text, |text| Ok(Pattern::parse_never(text)?))));
    }
    draft.settle(problems);
    BypassBook { entries: entries.into_iter().map(|(rule, _)| rule).collect(), never }
}

/// The rules of one section, one for each pattern, with the places of those.
fn entry(
    section: &Spanned<Section<EntryShape>>,
    whole: Completeness,
    problems: &mut Problems,
) -> Vec<(BypassRule, Range<usize>)> {
    let shape = section.get_ref();
    let skips = shape.skip.as_ref().map(|written| skips(written, problems));
    let source = shape.source.as_ref().map(|text| problems.value(text, |text| Ok(source(text)?)));
    let until = shape.until.as_ref().and_then(|text| problems.value(text, |text| Ok(moment::time(text)?)));
    let about = About {
        owner: about(shape.owner.as_ref(), problems),
        note: about(shape.note.as_ref(), problems),
        ticket: about(shape.ticket.as_ref(), problems),
    };
    let mut rules = Vec::new();
    for text in patterns(shape.matched.as_ref(), section.span(), whole, problems) {
        let Some(pattern) = problems.value(&text, |text| Ok(Pattern::parse(text)?)) else { continue };
        let plain = BypassRule::new(pattern);
        let source_known = source.flatten().flatten();
        let rule = BypassRule {
            source: source_known,
            until,
            about: about.clone(),
            skips: skips.unwrap_or(plain.skips),
            ..plain
        };
        // What was written and could not be read has been noted.
        let cut = whole == Completeness::Cut || source == Some(None) || skips.is_some_and(Skips::is_empty);
        if let (false, Err(unclear)) = (cut, rule.check()) {
            problems.add(Place::Text(text.span()), unclear.message, unclear.help);
        }
        rules.push((rule, text.span()));
    }
    rules
}

fn patterns(
    written: Option<&Spanned<Strings>>,
    section: Range<usize>,
    whole: Completeness,
    problems: &mut Problems,
) -> Vec<Text> {
    let texts = written.map(Strings::texts).unwrap_or_default();
    if texts.is_empty() && whole == Completeness::Whole {
        let help = "add a line such as `match = \"*.example\"`";
        problems.add(Place::Text(written.map_or(section, Spanned::span)), "this does not say what it speaks of", help);
    }
    texts
}

/// What is left out; nothing where that has been noted.
fn skips(written: &Spanned<Strings>, problems: &mut Problems) -> Skips {
    let texts = Strings::texts(written);
    if texts.is_empty() {
        let words: Vec<&str> = Skips::WORDS.iter().map(|(word, _)| *word).collect();
        let help = format!("write some of `{}`", words.join("`, `"));
        problems.add(Place::Text(written.span()), "this skips nothing", help);
    }
    let read = texts.iter().filter_map(|text| problems.value(text, word(Skips::WORDS)));
    read.fold(Skips::NONE, Skips::and)
}

fn about(text: Option<&Text>, problems: &mut Problems) -> Option<Box<str>> {
    problems.value(text?, |text| Ok(About::text(text)?)).flatten()
}

/// Notes entries that speak of the same and would be one in every listing.
fn note_doubles(entries: &[(BypassRule, Range<usize>)], problems: &mut Problems) {
    for (at, (rule, span)) in entries.iter().enumerate() {
        let same = |earlier: &&(BypassRule, Range<usize>)| {
            earlier.0.pattern == rule.pattern && earlier.0.source == rule.source
        };
        if let Some((_, first)) = entries[..at].iter().find(same) {
            problems.push(Problem {
                place: Place::Text(span.clone()),
                message: format!("`{}` has an entry already", rule.pattern),
                help: "keep one of them, or give them clients of their own with `source`".to_owned(),
                first: Some(first.clone()),
            });
        }
    }
}
