//! `scan.toml`: what the built-in scanner looks for.

use std::sync::Arc;

use serde::Deserialize;
use serde_spanned::Spanned;

use super::named::names;
use crate::base::media_range::MediaRange;
use crate::config::catalogue::SCAN;
use crate::config::check::{Words, unique_names, word};
use crate::config::document::Document;
use crate::config::problem::{Place, Problems};
use crate::config::read::{self, Completeness, Draft};
use crate::config::settings::ScanBook;
use crate::config::shape::{Section, Strings, Text};
use crate::config::suggest::nearest;
use crate::config::value::{self, Wrong};
use crate::inspect::magic::Class;
use crate::inspect::rules::name::{Extension, UrlPattern};
use crate::inspect::rules::{RuleError, RuleFault, Rules, check_regex};
use crate::inspect::settings::{Action, LetterCase, Literal, ScanRule, SettingError};

/// The name of the sections.
const RULE: &str = "rule";

/// `action`.
const ACTIONS: Words<Action> = &[("block", Action::Block)];

/// `case`.
const CASES: Words<LetterCase> = &[("exact", LetterCase::Exact), ("either", LetterCase::Either)];

/// The whole file as written.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct ScanShape {
    rule: Option<Vec<Spanned<Section<RuleShape>>>>,
}

/// One `[[rule]]`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct RuleShape {
    name: Option<Text>,
    note: Option<Text>,
    case: Option<Text>,
    literals: Option<Spanned<Strings>>,
    hex: Option<Spanned<Strings>>,
    regexes: Option<Spanned<Strings>>,
    classes: Option<Spanned<Strings>>,
    media_types: Option<Spanned<Strings>>,
    extensions: Option<Spanned<Strings>>,
    urls: Option<Spanned<Strings>>,
    action: Option<Text>,
}

/// The rules of `document`; what is wrong is noted there. Rules that are right each by itself are compiled as well, so
/// that those which are too large together are found here and nowhere later.
pub(in crate::config) fn read(document: &mut Document) -> ScanBook {
    let Document { text, problems, .. } = document;
    let draft: Draft<'_, ScanShape> = read::read(text, SCAN, problems);
    let sections: Vec<_> = draft.shape.rule.iter().flatten().collect();
    unique_names("rules", &names(sections.iter().map(|section| &section.get_ref().name)), problems);
    let whole = draft.completeness(RULE);
    let rules: Vec<ScanRule> = sections.iter().map(|section| rule(section, whole, problems)).collect();
    let mut notices = Vec::new();
    if problems.is_empty() && whole == Completeness::Whole {
        match Rules::compile(rules.clone()) {
            Ok(compiled) => notices = compiled.notices,
            Err(error) => explain(&error, &sections, problems),
        }
    }
    draft.settle(problems);
    ScanBook { rules, notices }
}

fn rule(section: &Spanned<Section<RuleShape>>, whole: Completeness, problems: &mut Problems) -> ScanRule {
    let shape = section.get_ref();
    let mut note_missing = |message: &str, help: &str| {
        if whole == Completeness::Whole {
            problems.add(Place::Text(section.span()), message, help);
        }
    };
    if shape.name.is_none() {
        note_missing("this rule has no name", "add a line `name = \"...\"`; it is told with every finding");
    }
    if shape.looks_for_nothing() {
        note_missing(
            "this rule looks for nothing",
            "add a line such as `literals = [\"...\"]` or `extensions = [\"exe\"]`",
        );
    }
    let name = shape.name.as_ref().and_then(|text| problems.value(text, |text| value::label(text).map(Into::into)));
    let mut literals = each(shape.literals.as_ref(), problems, |text| Literal::text(text).map_err(wrong));
    literals.extend(each(shape.hex.as_ref(), problems, |text| Literal::hex(text).map_err(wrong_hex)));
    ScanRule {
        name: name.unwrap_or_else(|| RULE.into()),
        note: shape.note.as_ref().map(|text| text.get_ref().as_str()).unwrap_or_default().into(),
        action: shape.action.as_ref().and_then(|text| problems.value(text, word(ACTIONS))).unwrap_or_default(),
        letters: shape.case.as_ref().and_then(|text| problems.value(text, word(CASES))).unwrap_or_default(),
        literals,
        regexes: each(shape.regexes.as_ref(), problems, regex),
        classes: each(shape.classes.as_ref(), problems, class),
        media_types: each(shape.media_types.as_ref(), problems, media_type),
        extensions: each(shape.extensions.as_ref(), problems, extension),
        urls: each(shape.urls.as_ref(), problems, |text| UrlPattern::parse(text).map_err(wrong)),
    }
}

impl RuleShape {
    /// Whether every list is missing or empty; a list of bad values is not.
    fn looks_for_nothing(&self) -> bool {
        let lists =
            [&self.literals, &self.hex, &self.regexes, &self.classes, &self.media_types, &self.extensions, &self.urls];
        lists.into_iter().flatten().all(|list| Strings::texts(list).is_empty())
    }
}

/// The values of a list; bad ones are noted.
pub(super) fn each<T>(
    written: Option<&Spanned<Strings>>,
    problems: &mut Problems,
    read: impl Fn(&str) -> Result<T, Wrong>,
) -> Vec<T> {
    let texts = written.map(Strings::texts).unwrap_or_default();
    texts.iter().filter_map(|text| problems.value(text, &read)).collect()
}

fn wrong(error: SettingError) -> Wrong {
    let (message, help) = match error {
        SettingError::Empty => ("an empty text is found everywhere", "write what is to be found, or take it away"),
        SettingError::NotMediaType => {
            ("this is not a media type", "write it as `video/mp4`, or `video/*` for all of a kind")
        }
        SettingError::NotExtension => {
            ("this is not the extension of a file", "write letters and digits without the dot, such as `exe`")
        }
        SettingError::NotHex | SettingError::OddHex | SettingError::NotClass => {
            return Wrong::new(error.to_string(), "");
        }
    };
    Wrong::new(message, help)
}

fn wrong_hex(error: SettingError) -> Wrong {
    let help = "write pairs of hexadecimal digits, such as `4d 5a 90 00`";
    match error {
        SettingError::Empty => wrong(error),
        SettingError::OddHex => Wrong::new("a byte has only one hexadecimal digit", help),
        _ => Wrong::new("this is not hexadecimal", help),
    }
}

/// A media type, or all of one kind.
pub(super) fn media_type(text: &str) -> Result<MediaRange, Wrong> {
    MediaRange::parse(text).ok_or(SettingError::NotMediaType).map_err(wrong)
}

fn extension(text: &str) -> Result<Extension, Wrong> {
    Extension::parse(text).map_err(|error| {
        let bare = text.trim_start_matches(['*', '.']);
        let wrong = wrong(error);
        let help = if Extension::parse(bare).is_ok() { format!("write `{bare}`") } else { wrong.help };
        Wrong::new(format!("`{text}` is not the extension of a file"), help)
    })
}

/// A class of files.
pub(super) fn class(text: &str) -> Result<Class, Wrong> {
    Class::parse(text).map_err(|_| {
        let known = Class::ALL.map(Class::label);
        let help = match nearest(text, known) {
            Some(meant) => format!("did you mean `{meant}`?"),
            None => format!("write one of: `{}`", known.join("`, `")),
        };
        Wrong::new(format!("there is no class of files `{text}`"), help)
    })
}

fn regex(text: &str) -> Result<Arc<str>, Wrong> {
    check_regex(text).map(|()| text.into()).map_err(bad_regex)
}

fn bad_regex(fault: RuleFault) -> Wrong {
    let help = match &fault {
        // The parser draws a picture over several lines, which ends with the reason.
        RuleFault::Syntax(text) => {
            let reason = text.lines().last().unwrap_or_default().trim_start_matches("error: ");
            let help = "in single quotes ('...') TOML leaves backslashes alone; a literal needs no expression";
            return Wrong::new(format!("this expression cannot be read: {reason}"), help);
        }
        RuleFault::MatchesNothing => "let it ask for at least one byte: `+` instead of `*`",
        RuleFault::NeverMatches => "take it away, or correct it",
        RuleFault::TooLarge => "make its repetitions shorter, or divide it",
        RuleFault::TooMany => "take some away",
    };
    Wrong::new(fault.to_string(), help)
}

/// Points at the expression, or at the rule.
fn explain(error: &RuleError, sections: &[&Spanned<Section<RuleShape>>], problems: &mut Problems) {
    let wrong = bad_regex(error.why.clone());
    let section = sections.get(error.rule);
    let regex = section.zip(error.regex).and_then(|(section, place)| {
        let written = section.get_ref().regexes.as_ref().map(Strings::texts)?;
        written.get(place).map(Spanned::span)
    });
    let place = regex.or_else(|| section.map(|section| section.span())).map_or(Place::File, Place::Text);
    problems.add(place, wrong.message, wrong.help);
}
