//! Everything wrong with a configuration, told to people (line, caret, what to do) and to programs (data).

use std::fmt;
use std::ops::Range;

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet, normalize_untrusted_str};
use serde::Serialize;

use super::document::Document;
use super::problem::{Place, Problem};

/// Why there are no settings: every problem found in every file, at least one.
#[derive(Debug)]
pub struct ConfigError(Vec<Report>);

/// What is wrong in one file.
#[derive(Debug)]
struct Report {
    /// The file's name as it was given.
    file: String,
    /// What is in it.
    text: String,
    problems: Vec<Problem>,
}

/// One problem as data.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Diagnostic {
    /// The file, or the flag or environment variable.
    pub file: String,
    /// Line in the file from 1; `None` when the problem is not in a line of it.
    pub line: Option<usize>,
    /// Column in characters from 1; `None` with `line`.
    pub column: Option<usize>,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub help: String,
}

/// Whether to write ANSI colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Colour {
    /// Text alone.
    Plain,
    /// Colours for a terminal.
    Ansi,
}

impl ConfigError {
    /// Nothing, when nothing is wrong in any of `documents`.
    ///
    /// # Errors
    /// Everything that is wrong in them.
    pub(super) fn unless_good(documents: impl IntoIterator<Item = Document>) -> Result<(), ConfigError> {
        let bad = documents.into_iter().filter(|document| !document.problems.is_empty());
        let reports: Vec<Report> = bad.map(Report::new).collect();
        if reports.is_empty() { Ok(()) } else { Err(ConfigError(reports)) }
    }

    /// What is wrong in `document`, which is more than nothing.
    pub(super) fn of(document: Document) -> ConfigError {
        ConfigError(vec![Report::new(document)])
    }

    /// Every problem as data, file by file, in the order of each file.
    pub fn diagnostics(&self) -> Vec<Diagnostic> {
        let all = self.0.iter().flat_map(|report| report.problems.iter().map(|problem| report.diagnostic(problem)));
        all.collect()
    }

    /// Every problem with its line and a caret, one after the other.
    pub fn render(&self, colour: Colour) -> String {
        let renderer = match colour {
            Colour::Plain => Renderer::plain(),
            Colour::Ansi => Renderer::styled(),
        };
        let groups = self.0.iter().flat_map(|report| report.problems.iter().map(|problem| report.group(problem)));
        let shown: Vec<String> = groups.map(|group| renderer.render(&[group])).collect();
        shown.join("\n\n")
    }
}

impl Report {
    fn new(document: Document) -> Self {
        Self { file: document.name, text: document.text, problems: document.problems.into_sorted() }
    }

    fn diagnostic(&self, problem: &Problem) -> Diagnostic {
        let (file, position) = match &problem.place {
            Place::Text(span) => (self.file.as_str(), Some(self.position(span))),
            Place::File => (self.file.as_str(), None),
            Place::Outside(name) => (*name, None),
        };
        Diagnostic {
            file: file.to_owned(),
            line: position.map(|(line, _)| line),
            column: position.map(|(_, column)| column),
            message: problem.message.clone(),
            help: problem.help.clone(),
        }
    }

    fn group<'a>(&'a self, problem: &'a Problem) -> Group<'a> {
        let help = Level::HELP.message(normalize_untrusted_str(&problem.help));
        let span = match &problem.place {
            Place::Text(span) => self.shown(span),
            Place::File => return self.titled(&self.file, problem).element(help),
            Place::Outside(name) => return self.titled(name, problem).element(help),
        };
        let first =
            problem.first.iter().map(|first| AnnotationKind::Context.span(self.shown(first)).label("first here"));
        let snippet = Snippet::source(&self.text)
            .path(&self.file)
            .annotation(AnnotationKind::Primary.span(span))
            .annotations(first);
        Level::ERROR.primary_title(&problem.message).element(snippet).element(help)
    }

    fn titled<'a>(&self, origin: &str, problem: &Problem) -> Group<'a> {
        Group::with_title(Level::ERROR.primary_title(format!("{origin}: {}", problem.message)))
    }

    /// The part of `span` that a caret can stand under: of one line, on character boundaries, not behind the last line.
    fn shown(&self, span: &Range<usize>) -> Range<usize> {
        let last = self.text.strip_suffix('\n').unwrap_or(&self.text).len();
        let start = self.text.floor_char_boundary(span.start.min(last));
        let line_end = self.text[start..].find(['\r', '\n']).map_or(self.text.len(), |length| start + length);
        start..self.text.ceil_char_boundary(span.end.min(line_end)).max(start)
    }

    fn position(&self, span: &Range<usize>) -> (usize, usize) {
        let before = &self.text[..self.shown(span).start];
        let line = before.rsplit('\n').next().unwrap_or(before);
        (before.matches('\n').count() + 1, line.chars().count() + 1)
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(Colour::Plain))
    }
}

impl std::error::Error for ConfigError {}
