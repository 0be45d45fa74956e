//! Text to shape, going on after each error: what cannot be read is noted, cut out of the parsed tree, and the rest read.

use std::collections::BTreeSet;
use std::ops::Range;

use serde::de::DeserializeOwned;
use serde_spanned::Spanned;
use toml::de::{DeArray, DeTable, DeValue, Deserializer};

use super::catalogue::Catalogue;
use super::problem::{Place, Problem, Problems};
use super::suggest::nearest;

mod syntax;

/// Longer values are not repeated in messages; the line is shown anyway.
const LONGEST_QUOTE: usize = 60;

/// What could be read, and how much of it can be relied on.
pub(super) struct Draft<'t, S> {
    /// Everything that could be read.
    pub shape: S,
    /// Sections of the top of the file out of which something was cut.
    cut: BTreeSet<String>,
    syntax: syntax::Report<'t>,
}

impl<S> Draft<'_, S> {
    /// Whether `section` is all that was written. What is missing in one that is not is no error of its own.
    pub fn completeness(&self, section: &str) -> Completeness {
        let whole = self.syntax.is_empty() && !self.cut.contains(section);
        if whole { Completeness::Whole } else { Completeness::Cut }
    }

    /// Adds the syntax errors to what was found since, and takes away what is only an echo of them.
    pub fn settle(self, problems: &mut Problems) {
        problems.retain(|problem| self.syntax.leaves(&problem.place));
        self.syntax.into_problems().for_each(|problem| problems.push(problem));
    }
}

/// Whether a part of the shape is all that was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Completeness {
    /// Nothing was cut out.
    Whole,
    /// Something was.
    Cut,
}

/// Reads `text` as far as it can be read. Keys and types that are wrong are noted in `problems`, with help from
/// `catalogue`; syntax errors are kept for [`Draft::settle`].
pub(super) fn read<'t, S: DeserializeOwned>(
    text: &'t str,
    catalogue: Catalogue,
    problems: &mut Problems,
) -> Draft<'t, S> {
    let (table, errors) = DeTable::parse_recoverable(text);
    let mut sections = BTreeSet::new();
    let shape = read_all(table, |cut, message| {
        sections.extend(cut.path.first().cloned());
        problems.push(cut.explain(text, message, catalogue));
    });
    Draft { shape, cut: sections, syntax: syntax::Report::new(text, catalogue, &errors) }
}

/// serde stops at its first error. So what it stumbles over is cut out and it starts again; every round makes the tree
/// smaller, so this ends.
fn read_all<'i, S: DeserializeOwned>(mut table: Spanned<DeTable<'i>>, mut note: impl FnMut(&Cut<'i>, &str)) -> S {
    loop {
        let error = match S::deserialize(Deserializer::from(table.clone())) {
            Ok(shape) => return shape,
            Err(error) => error,
        };
        let cut = error.span().and_then(|span| cut_from_table(table.get_mut(), &span)).unwrap_or_else(|| {
            // Never seen: an error that points at no key and no value. Nothing is lost but the errors after it.
            let whole = DeValue::Table(std::mem::take(table.get_mut()));
            Cut {
                path: Vec::new(),
                value: Spanned::new(0..0, whole),
                span: error.span().unwrap_or(0..0),
                part: Part::Entry,
            }
        });
        note(&cut, error.message());
    }
}

/// What was cut out of the tree.
struct Cut<'i> {
    /// Keys from the root to the cut; the last is the key of `value`.
    path: Vec<String>,
    value: Spanned<DeValue<'i>>,
    /// Where serde stumbled.
    span: Range<usize>,
    part: Part,
}

/// What part of the tree was cut out.
#[derive(Clone, Copy)]
enum Part {
    /// A key with its value.
    Entry,
    /// One element of the array that the last key of the path names.
    Element,
}

fn cut_from_table<'i>(table: &mut DeTable<'i>, span: &Range<usize>) -> Option<Cut<'i>> {
    let hit = table.iter().find(|(key, value)| key.span() == *span || value.span() == *span);
    if let Some(key) = hit.map(|(key, _)| key.clone()) {
        let (key, value) = table.remove_entry(&key)?;
        return Some(Cut { path: vec![key.into_inner().into_owned()], value, span: span.clone(), part: Part::Entry });
    }
    table.iter_mut().find_map(|(key, value)| {
        let mut cut = cut_from_value(value.get_mut(), span)?;
        cut.path.insert(0, key.get_ref().to_string());
        Some(cut)
    })
}

fn cut_from_value<'i>(value: &mut DeValue<'i>, span: &Range<usize>) -> Option<Cut<'i>> {
    match value {
        DeValue::Table(table) => cut_from_table(table, span),
        DeValue::Array(array) => cut_from_array(array, span),
        _ => None,
    }
}

fn cut_from_array<'i>(array: &mut DeArray<'i>, span: &Range<usize>) -> Option<Cut<'i>> {
    let Some(at) = array.iter().position(|element| element.span() == *span) else {
        return array.iter_mut().find_map(|element| cut_from_value(element.get_mut(), span));
    };
    let mut elements: Vec<_> = std::mem::replace(array, DeArray::new()).into_iter().collect();
    let value = elements.remove(at);
    *array = elements.into_iter().collect();
    Some(Cut { path: Vec::new(), value, span: span.clone(), part: Part::Element })
}

impl Cut<'_> {
    fn key(&self) -> &str {
        self.path.last().map_or("", String::as_str)
    }

    /// The section the key stands in, as in its header; empty at the top of the file.
    fn section(&self) -> String {
        self.path[..self.path.len().saturating_sub(1)].join(".")
    }

    fn explain(&self, text: &str, message: &str, catalogue: Catalogue) -> Problem {
        let place = Place::Text(self.span.clone());
        let unknown = format!("unknown field `{}`, ", self.key());
        let (message, help) = match message.strip_prefix(&unknown) {
            Some(expected) => (self.unknown_message(catalogue), self.unknown_help(&words(expected), catalogue)),
            None => (self.type_message(text, message), self.type_help(catalogue)),
        };
        Problem { place, message, help, first: None }
    }

    fn unknown_message(&self, catalogue: Catalogue) -> String {
        let kind = if self.value.get_ref().is_table() { "section" } else { "key" };
        match self.section() {
            section if section.is_empty() => format!("unknown {kind} `{}`", self.key()),
            section => {
                format!("unknown {kind} `{}` in `{}`", self.key(), catalogue.header(&section).unwrap_or(&section))
            }
        }
    }

    fn unknown_help(&self, known: &[&str], catalogue: Catalogue) -> String {
        if let Some(meant) = nearest(self.key(), known.iter().copied()) {
            return format!("did you mean `{meant}`?");
        }
        let homes = catalogue.homes(self.key()).into_iter().map(|section| match catalogue.header(section) {
            Some(header) => format!("`{header}`"),
            None => "the top of the file, before the first section".to_owned(),
        });
        match homes.collect::<Vec<_>>().join(" or ") {
            homes if homes.is_empty() => format!("known here: `{}`", known.join("`, `")),
            homes => format!("`{}` belongs to {homes}", self.key()),
        }
    }

    /// serde says "invalid type: string "two", expected a whole number".
    fn type_message(&self, text: &str, message: &str) -> String {
        let Some((_, expected)) = message.rsplit_once(", expected ") else {
            return format!("`{}`: {message}", self.key());
        };
        let expected = match expected {
            "a sequence" => "an array",
            "a map" => "a section",
            "a boolean" => "`true` or `false`",
            expected => expected,
        };
        let found = match self.value.get_ref() {
            DeValue::Table(_) => "a section".to_owned(),
            DeValue::Array(_) => "an array".to_owned(),
            value => match text.get(self.value.span()) {
                Some(written) if written.len() <= LONGEST_QUOTE => format!("`{written}`"),
                _ => format!("a {}", value.type_str()),
            },
        };
        let element = match self.part {
            Part::Entry => "",
            Part::Element => "an element of ",
        };
        format!("{element}`{}` must be {expected}, not {found}", self.key())
    }

    fn type_help(&self, catalogue: Catalogue) -> String {
        if self.section() == "resolver.hosts" {
            return "write the host name in quotes: `\"www.example\" = \"192.0.2.7\"`".to_owned();
        }
        match self.example(catalogue).or_else(|| catalogue.header(&self.path.join("."))) {
            Some(example) => format!("write it like this: `{example}`"),
            None => format!("{} shows how it is written", catalogue.shown_by),
        }
    }

    /// A line that has the key, or the table that the key is in.
    fn example(&self, catalogue: Catalogue) -> Option<&'static str> {
        (0..self.path.len()).rev().find_map(|last| catalogue.example(&self.path[..last].join("."), &self.path[last]))
    }
}

/// The words between backticks.
fn words(text: &str) -> Vec<&str> {
    text.split('`').skip(1).step_by(2).collect()
}
