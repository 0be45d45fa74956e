//! The configuration: the file as written, the settings as used, and every error in one go with line and caret.
//!
//! Text becomes a `shape` (what is written), the shape becomes checked [`settings`] (what the program uses). Nothing
//! behind this module looks at a configuration value and wonders whether it is valid.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

mod catalogue;
mod check;
mod defaults;
mod diagnostic;
mod document;
mod overrides;
mod problem;
mod read;
mod render;
mod restart;
mod rules;
pub mod settings;
mod shape;
mod suggest;
#[cfg(test)]
mod tests;
mod value;

pub use diagnostic::{Colour, ConfigError, Diagnostic};
pub use overrides::{Given, Overrides};
pub use render::render;
pub use restart::changes_needing_restart;
pub use value::{Wrong, address};

use crate::policy::bypass::BypassBook;
use check::Scanners;
use document::{Document, read_file};
use problem::Problems;
use read::{Completeness, Draft};
use rules::Listeners;
use settings::Settings;
use shape::Shape;

/// Where the file is looked for when neither the command line nor the environment names one.
pub const SYSTEM_FILE: &str = "/etc/tether/tether.toml";

/// The commented default configuration: every key, its default and what it means.
pub const DEFAULT_TOML: &str = include_str!("config/default.toml");

/// The commented default rules: limits, rates, destinations.
pub const LIMITS_TOML: &str = include_str!("../policies/limits.toml");

/// The commented rules of the built-in scanner.
pub const SCAN_TOML: &str = include_str!("../policies/scan.toml");

/// The commented rules of inspection.
pub const INSPECT_TOML: &str = include_str!("../policies/inspect.toml");
/// The commented example of a bypass list, which is empty.
pub const BYPASS_TOML: &str = include_str!("../policies/bypass.toml");

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

impl Source {
    /// Where relative paths begin.
    fn base(&self) -> &Path {
        match self {
            Source::File(path) => path.parent().unwrap_or(path),
            Source::BuiltIn => Path::new(""),
        }
    }
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
/// over all of them. Then the rule files of its `[policies] dir`. Nothing is kept from one call to the next, so a reload
/// is a second call.
///
/// # Errors
/// Everything that is wrong, in every file, at once: a file that cannot be read, TOML syntax, unknown keys, wrong types,
/// bad values in the files, the flags or the environment.
pub fn load(path: Option<&Path>, overrides: &Overrides) -> Result<Loaded, ConfigError> {
    load_or(path, Path::new(SYSTEM_FILE), overrides)
}

/// Where the admin port of a process with this configuration is. Faults elsewhere do not matter: they are for that
/// process to find, which may be running with what the files said before.
///
/// # Errors
/// When the file cannot be read, or what it, a flag or the environment says of the admin port is wrong.
pub fn admin_address(path: Option<&Path>, overrides: &Overrides) -> Result<SocketAddr, ConfigError> {
    let (source, bytes) = find(path, Path::new(SYSTEM_FILE));
    let label = source.to_string();
    let mut main = Document::new(&label, bytes.map_err(|error| unreadable(&label, &error))?);
    let draft: Draft<'_, Shape> = read::read(&main.text, catalogue::MAIN, &mut Problems::default());
    let address = check::admin_address(&draft, overrides, &mut main.problems);
    ConfigError::unless_good(vec![main]).map(|()| address)
}

/// The file of admin tokens that the configuration names, for commands which ask a running proxy for a change; `None` where
/// the configuration names none or cannot be read.
pub fn admin_token_file(path: Option<&Path>) -> Option<PathBuf> {
    let (source, bytes) = find(path, Path::new(SYSTEM_FILE));
    let main = Document::new("", bytes.ok()?);
    let draft: Draft<'_, Shape> = read::read(&main.text, catalogue::MAIN, &mut Problems::default());
    let name = draft.shape.admin.token_file.as_ref()?;
    Some(source.base().join(name.get_ref()))
}

/// The bypass list in this file.
///
/// # Errors
/// When it cannot be read, and everything that is wrong in it.
pub fn bypass_file(path: &Path) -> Result<BypassBook, ConfigError> {
    let name = path.display().to_string();
    let mut document = match read_file(path) {
        Ok(bytes) => Document::new(&name, bytes),
        Err(error) => Document::unreadable(&name, &error, "bypass list", "name a file that is there"),
    };
    let book = rules::read_bypass(&mut document);
    ConfigError::unless_good([document]).map(|()| book)
}

/// The file to read, and what is in it.
fn find(path: Option<&Path>, system: &Path) -> (Source, std::io::Result<Vec<u8>>) {
    match path {
        Some(path) => (Source::File(path.to_owned()), read_file(path)),
        None => match read_file(system) {
            Err(error) if error.kind() == ErrorKind::NotFound => (Source::BuiltIn, Ok(Vec::new())),
            read => (Source::File(system.to_owned()), read),
        },
    }
}

fn load_or(path: Option<&Path>, system: &Path, overrides: &Overrides) -> Result<Loaded, ConfigError> {
    let (source, bytes) = find(path, system);
    let label = source.to_string();
    let bytes = bytes.map_err(|error| unreadable(&label, &error))?;
    let settings = parse(&label, source.base(), bytes, overrides)?;
    Ok(Loaded { settings, source })
}

fn unreadable(label: &str, error: &std::io::Error) -> ConfigError {
    let help = match error.kind() {
        ErrorKind::NotFound => format!("`tether config default > {label}` writes one to start from"),
        _ => "name a configuration file with `-c FILE`".to_owned(),
    };
    ConfigError::of(Document::unreadable(label, error, "configuration", &help))
}

/// The settings of the file called `label` with these bytes in it, and of the rule files that it names. Relative paths
/// begin at `base`.
fn parse(label: &str, base: &Path, bytes: Vec<u8>, overrides: &Overrides) -> Result<Settings, ConfigError> {
    let mut main = Document::new(label, bytes);
    let Main { mut settings, ports, services } = parse_main(&mut main, base, overrides);
    let mut documents = vec![main];
    if let Some(dir) = settings.policies.dir.clone() {
        let names: Vec<Arc<str>> = settings.forward.iter().map(|port| port.name.clone()).collect();
        let listeners = match ports {
            Completeness::Whole => Listeners::Named(&names),
            Completeness::Cut => Listeners::Unknown,
        };
        documents.extend(read_rules(&dir, listeners, services, &mut settings));
    }
    if let Some((book, source, document)) = settings.policies.dir.as_deref().and_then(rules::load_bypass) {
        documents.push(document);
        settings.policies.bypass = source;
        settings.bypass_book = book;
    }
    ConfigError::unless_good(documents).map(|()| settings)
}

/// Reads the rule files of `dir` into `settings`.
fn read_rules(dir: &Path, listeners: Listeners<'_>, services: Completeness, settings: &mut Settings) -> Vec<Document> {
    let mut documents = Vec::new();
    let mut groups = rules::built_in().groups;
    if let Some((rules, source, document)) = rules::load(dir, listeners) {
        documents.push(document);
        groups = rules.groups;
        settings.policies.limits = source;
        settings.rules = rules.book;
        settings.destination_rules = rules.destinations;
    }
    if let Some((book, source, document)) = rules::load_scan(dir) {
        documents.push(document);
        settings.policies.scan = source;
        settings.scan_rules = book;
    }
    let scanners = match services {
        Completeness::Whole => Scanners::Named(&settings.icap),
        Completeness::Cut => Scanners::Unknown,
    };
    if let Some((rules, source, document)) = rules::load_inspect(dir, &groups, scanners) {
        documents.push(document);
        settings.policies.inspect = source;
        settings.inspect_rules = rules;
    }
    documents
}

/// What the configuration file says, with the built-in rules.
struct Main {
    settings: Settings,
    /// Whether every port of it could be read.
    ports: Completeness,
    /// Whether every ICAP service of it could.
    services: Completeness,
}

fn parse_main(main: &mut Document, base: &Path, overrides: &Overrides) -> Main {
    let Document { text, problems, .. } = main;
    let draft: Draft<'_, Shape> = read::read(text, catalogue::MAIN, problems);
    let settings = check::check(&draft, overrides, base, problems);
    let (ports, services) = (draft.completeness("forward"), draft.completeness(check::ICAP));
    draft.settle(problems);
    Main { settings, ports, services }
}
