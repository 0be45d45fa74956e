//! No two things of a kind may have one name.

use std::ops::Range;

use crate::config::problem::{Place, Problem, Problems};

/// Notes every name that was used before. `kind` says in the plural what is called so.
pub(in crate::config) fn unique_names(kind: &str, named: &[(&str, Range<usize>)], problems: &mut Problems) {
    for (at, (name, span)) in named.iter().enumerate() {
        if let Some((_, first)) = named[..at].iter().find(|(earlier, _)| earlier == name) {
            problems.push(Problem {
                place: Place::Text(span.clone()),
                message: format!("two {kind} are called `{name}`"),
                help: "give each a `name` of its own".to_owned(),
                first: Some(first.clone()),
            });
        }
    }
}
