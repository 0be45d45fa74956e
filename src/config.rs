//! The configuration: the file as written, the settings as used, and every error in one go with line and caret.
//!
//! Text becomes a `shape` (what is written), the shape becomes checked [`settings`] (what the program uses). Nothing
//! behind this module looks at a configuration value and wonders whether it is valid.

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};

mod catalogue;
mod check;
mod defaults;
mod diagnostic;
mod overrides;
mod problem;
mod read;
mod render;
pub mod settings;
mod shape;
mod suggest;
#[cfg(test)]
mod tests;
mod value;

pub use diagnostic::{Colour, ConfigError, Diagnostic};
pub use overrides::{Given, Overrides};
pub use render::render;
pub use value::{Wrong, address};

use problem::{Place, Problems};
use settings::Settings;

/// Where the file is looked for when neither the command line nor the environment names one.
pub const SYSTEM_FILE: &str = "/etc/tether/tether.toml";

/// The commented default configuration: every key, its default and what it means.
pub const DEFAULT_TOML: &str = include_str!("config/default.toml");

/// A configuration file has a few kilobytes; this bound keeps a device or a log file named by mistake out of memory.
const FILE_LIMIT: u64 = 1 << 20;

/// Settings and where they came from.
#[derive(Clone, Debug, PartialEq)]
pub struct Loaded {
    /// The checked settings, with flags and environment applied.
    pub settings: Settings,
    /// Where they were read from.
    pub source: Source,
}

/// Where settings were read from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// This file.
    File(PathBuf),
    /// No file was named and [`SYSTEM_FILE`] is not there.
    BuiltIn,
}

impl std::fmt::Display for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Source::File(path) => path.display().fmt(f),
            Source::BuiltIn => f.write_str("built-in defaults"),
        }
    }
}

/// Reads and checks the configuration: `path`, else [`SYSTEM_FILE`] if it is there, else the defaults; `overrides` win
/// over all of them.
///
/// # Errors
/// Everything that is wrong, at once: a file that cannot be read, TOML syntax, unknown keys, wrong types, bad values in
/// the file, the flags or the environment.
pub fn load(path: Option<&Path>, overrides: &Overrides) -> Result<Loaded, ConfigError> {
    load_or(path, Path::new(SYSTEM_FILE), overrides)
}

fn load_or(path: Option<&Path>, system: &Path, overrides: &Overrides) -> Result<Loaded, ConfigError> {
    let (source, bytes) = match path {
        Some(path) => (Source::File(path.to_owned()), read_file(path)),
        None => match read_file(system) {
            Err(error) if error.kind() == ErrorKind::NotFound => (Source::BuiltIn, Ok(Vec::new())),
            read => (Source::File(system.to_owned()), read),
        },
    };
    let label = source.to_string();
    let bytes = bytes.map_err(|error| unreadable(&label, &error))?;
    let settings = parse(&label, bytes, overrides)?;
    Ok(Loaded { settings, source })
}

/// At most [`FILE_LIMIT`] bytes of the file at `path`.
fn read_file(path: &Path) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(FILE_LIMIT + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > FILE_LIMIT {
        return Err(std::io::Error::new(ErrorKind::FileTooLarge, "larger than 1 MiB"));
    }
    Ok(bytes)
}

fn unreadable(label: &str, error: &std::io::Error) -> ConfigError {
    let mut problems = Problems::default();
    let help = match error.kind() {
        ErrorKind::NotFound => format!("`tether config default > {label}` writes one to start from"),
        ErrorKind::PermissionDenied => "let the user that runs tether read it".to_owned(),
        _ => "name a configuration file with `-c FILE`".to_owned(),
    };
    problems.add(Place::File, format!("cannot read the configuration: {error}"), help);
    ConfigError::new(label, String::new(), problems)
}

fn parse(label: &str, bytes: Vec<u8>, overrides: &Overrides) -> Result<Settings, ConfigError> {
    let mut problems = Problems::default();
    let text = String::from_utf8(bytes).unwrap_or_else(|error| {
        let at = error.utf8_error().valid_up_to();
        problems.add(Place::Text(at..at), "this is not UTF-8 text", "save the file as UTF-8");
        String::from_utf8_lossy(error.as_bytes()).into_owned()
    });
    let draft = read::read(&text, &mut problems);
    let settings = check::check(&draft, overrides, &mut problems);
    draft.settle(&mut problems);
    if problems.is_empty() { Ok(settings) } else { Err(ConfigError::new(label, text, problems)) }
}
