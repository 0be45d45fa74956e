//! Tests of the configuration as a whole: bad files, the default file, what wins over what, and the way back to TOML.

mod bad_files;
mod good_files;
mod precedence;
mod rendering;
mod restart;
mod round_trip;
mod rules;

use std::path::Path;

use super::overrides::Overrides;
use super::settings::Settings;
use super::{ConfigError, Diagnostic, parse};

/// Line, column, part of the message, part of the help.
type Expected = (usize, usize, &'static str, &'static str);

/// Settings from the text of a file called `t.toml`, with no rule files beside it.
fn read(text: &str) -> Result<Settings, ConfigError> {
    parse("t.toml", Path::new("/nonexistent"), text.as_bytes().to_vec(), &Overrides::default())
}

/// Compares what was found in a `file` with what was expected.
#[track_caller]
fn assert_found(file: &str, text: &str, error: &ConfigError, expected: &[Expected]) {
    let found: Vec<Diagnostic> = error.diagnostics();
    let places: Vec<_> = found.iter().map(|one| (one.line.unwrap_or(0), one.column.unwrap_or(0))).collect();
    let wanted: Vec<_> = expected.iter().map(|(line, column, ..)| (*line, *column)).collect();
    assert_eq!(places, wanted, "{text}\n{error}");
    for (one, (_, _, message, help)) in found.iter().zip(expected) {
        assert_eq!(one.file, file);
        assert!(one.message.contains(message), "{:?} has no {message:?}\n{text}", one.message);
        assert!(one.help.contains(help), "{:?} has no {help:?}\n{text}", one.help);
    }
}

/// Settings from a file that is right.
fn good(text: &str) -> Settings {
    read(text).unwrap_or_else(|error| panic!("{text}\n{error}"))
}
