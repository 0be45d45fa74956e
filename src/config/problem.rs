//! The list of everything found wrong so far, and where.

use std::ops::{Range, RangeInclusive};

use serde_spanned::Spanned;

use super::shape::{Amount, Whole};
use super::value::{self, Wrong};

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

    /// Reads a number written in the file; one that is out of `bounds` is noted with `message` and `help`, and `None`.
    pub fn number(
        &mut self,
        written: &Spanned<Whole>,
        bounds: RangeInclusive<u64>,
        (message, help): (&str, &str),
    ) -> Option<u64> {
        let number = written.get_ref().0;
        if !bounds.contains(&number) {
            self.add(Place::Text(written.span()), message, help);
        }
        bounds.contains(&number).then_some(number)
    }

    /// Reads a size in bytes written in the file; one that is not understood or below `least` is noted and `None`.
    pub fn size(&mut self, written: &Spanned<Amount>, least: u64) -> Option<u64> {
        let size = match written.get_ref() {
            Amount::Number(bytes) => value::size(&bytes.to_string()),
            Amount::Text(text) => value::size(text),
        };
        let enough = size.and_then(|size| if size < least { Err(too_small(least)) } else { Ok(size) });
        enough.map_err(|wrong| self.add(Place::Text(written.span()), wrong.message, wrong.help)).ok()
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

fn too_small(least: u64) -> Wrong {
    let least = value::spell_size(least);
    Wrong::new(format!("this is less than {least}"), format!("write `\"{least}\"` or more"))
}
