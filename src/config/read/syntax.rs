//! TOML syntax errors in an administrator's words, and which other findings can be believed after them.

use std::ops::Range;

use toml::de::Error;

use crate::config::catalogue::Catalogue;
use crate::config::problem::{Place, Problem};

// What the parser says; the table of bad files in the tests notices when it says it differently.
const UNQUOTED: &str = "string values must be quoted";
const MISSING_COMMA: &str = "missing comma";
const DUPLICATE: &str = "duplicate key";

/// The syntax errors of a file, at most one a line: the second is nearly always an echo of the first.
pub(super) struct Report<'t> {
    text: &'t str,
    catalogue: Catalogue,
    errors: Vec<Found>,
}

struct Found {
    span: Range<usize>,
    line: Range<usize>,
    message: String,
}

impl<'t> Report<'t> {
    pub fn new(text: &'t str, catalogue: Catalogue, errors: &[Error]) -> Self {
        let mut found: Vec<Found> = errors.iter().map(|error| Found::new(text, error)).collect();
        found.sort_by_key(|found| found.span.start);
        found.dedup_by_key(|found| found.line.start);
        if let Some(open) = found.iter().position(|found| found.is_open_array(text)) {
            found.truncate(open + 1);
        }
        Self { text, catalogue, errors: found }
    }

    /// Whether there are no syntax errors.
    pub fn is_empty(&self) -> bool {
        self.errors.is_empty()
    }

    /// Whether a finding at `place` is more than an echo of a syntax error: not on its line, not in a value that it
    /// broke, and not after an error that may have moved lines into another section.
    pub fn leaves(&self, place: &Place) -> bool {
        let Place::Text(span) = place else { return true };
        let line = line_around(self.text, span.start);
        self.errors.iter().all(|error| {
            let apart = error.line != line && (error.span.end < span.start || span.end < error.span.start);
            apart && (span.start < error.span.start || error.is_local(self.text))
        })
    }

    pub fn into_problems(self) -> impl Iterator<Item = Problem> {
        let (text, catalogue) = (self.text, self.catalogue);
        self.errors.into_iter().map(move |found| found.explain(text, catalogue))
    }
}

impl Found {
    fn new(text: &str, error: &Error) -> Self {
        let span = error.span().unwrap_or(0..0);
        let line = line_around(text, span.start);
        let message = error.message();
        Self { span, line, message: message.strip_suffix(", expected nothing").unwrap_or(message).to_owned() }
    }

    /// Whether the damage ends with its line, as it does in the value of a `key = value` line.
    fn is_local(&self, text: &str) -> bool {
        let before = &text[self.line.start..self.span.start.clamp(self.line.start, self.line.end)];
        let in_value = before.contains('=') && !before.trim_start().starts_with('[');
        in_value && !self.message.starts_with("unclosed") || self.message == DUPLICATE
    }

    /// Whether an array or inline table was left open before this line, so that every line from here on is an error.
    fn is_open_array(&self, text: &str) -> bool {
        self.message.starts_with(MISSING_COMMA) && !self.is_local(text)
    }

    fn explain(self, text: &str, catalogue: Catalogue) -> Problem {
        let (message, help) = match self.message.as_str() {
            message if message.starts_with(UNQUOTED) => self.unquoted(text, catalogue),
            message if message.starts_with(MISSING_COMMA) => {
                (message.to_owned(), "separate the elements with commas, and close the array with `]`".to_owned())
            }
            DUPLICATE => {
                let repeatable = catalogue.repeatable().join("`, `");
                ("this is set twice".to_owned(), format!("keep one of them; only `{repeatable}` may be repeated"))
            }
            message => (message.to_owned(), self.help(text, catalogue)),
        };
        Problem { place: Place::Text(self.span), message, help, first: None }
    }

    fn unquoted(&self, text: &str, catalogue: Catalogue) -> (String, String) {
        match text.get(self.span.clone()).unwrap_or_default() {
            "" => ("a value is missing".to_owned(), self.help(text, catalogue)),
            bare => ("a string needs quotes".to_owned(), format!("write `\"{}\"`", bare.replace('"', ""))),
        }
    }

    /// How the line is written, when its key is one that is known.
    fn help(&self, text: &str, catalogue: Catalogue) -> String {
        let line = &text[self.line.clone()];
        let (key, value) = line.split_once(['=', ':']).unwrap_or((line, ""));
        let (key, value) = (key.trim(), value.trim());
        let example = catalogue.homes(key).into_iter().find_map(|section| catalogue.example(section, key));
        let header = || catalogue.header(key.trim_matches(['[', ']']));
        match example.or_else(header) {
            Some(example) if example.ends_with('"') && value.starts_with(|c: char| c.is_alphanumeric()) => {
                format!("a string needs quotes: `{key} = \"{}\"`", value.replace('"', ""))
            }
            Some(example) => format!("write it like this: `{example}`"),
            None => format!("{} shows how the file is written", catalogue.shown_by),
        }
    }
}

/// The line that byte `at` is in, without its end.
fn line_around(text: &str, at: usize) -> Range<usize> {
    let at = text.floor_char_boundary(at);
    let start = text[..at].rfind('\n').map_or(0, |end| end + 1);
    let end = text[at..].find('\n').map_or(text.len(), |length| at + length);
    start..end
}
