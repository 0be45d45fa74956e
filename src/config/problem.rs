//! The list of everything found wrong so far, and where.

use std::ops::Range;

use serde_spanned::Spanned;

use super::value::Wrong;

/// Where something is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// These bytes of the file.
    Text(Range<usize>),
    /// The file as a whole.
    File,
    /// A flag or an environment variable of this name.
    Outside(&'static str),
}

/// One thing that is wrong.
#[derive(Clone, Debug)]
pub(super) struct Problem {
    pub place: Place,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub help: String,
    /// The earlier place this one is at odds with.
    pub first: Option<Range<usize>>,
}

/// Everything wrong so far, in the order it was found.
#[derive(Debug, Default)]
pub(super) struct Problems(Vec<Problem>);

impl Problems {
    /// Notes a problem.
    pub fn add(&mut self, place: Place, message: impl Into<String>, help: impl Into<String>) {
        self.push(Problem { place, message: message.into(), help: help.into(), first: None });
    }

    /// Notes a problem that may point at an earlier place as well.
    pub fn push(&mut self, problem: Problem) {
        self.0.push(problem);
    }

    /// Reads a value written in the file; a bad one is noted and `None`.
    pub fn value<T>(&mut self, text: &Spanned<String>, read: impl FnOnce(&str) -> Result<T, Wrong>) -> Option<T> {
        match read(text.get_ref()) {
            Ok(value) => Some(value),
            Err(wrong) => {
                self.add(Place::Text(text.span()), wrong.message, wrong.help);
                None
            }
        }
    }

    /// Takes away what `keep` does not want.
    pub fn retain(&mut self, keep: impl Fn(&Problem) -> bool) {
        self.0.retain(keep);
    }

    /// Whether nothing is wrong.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The problems in the order of the file; those outside it come last.
    pub fn into_sorted(mut self) -> Vec<Problem> {
        self.0.sort_by_key(|problem| match &problem.place {
            Place::File => 0,
            Place::Text(span) => span.start.saturating_add(1),
            Place::Outside(_) => usize::MAX,
        });
        self.0
    }
}
