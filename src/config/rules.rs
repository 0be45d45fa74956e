//! The rule files: limits, destinations, who scans what, what for and what not, checked as strictly as the configuration itself.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};

mod bypass;
mod destination;
mod inspect;
mod limit;
mod named;
mod rate;
mod scan;
mod scope;
mod shape;

pub(super) use bypass::read as read_bypass;
#[cfg(test)]
pub(super) use inspect::read as read_inspect;
pub(super) use named::Groups;
#[cfg(test)]
pub(super) use scan::read as read_scan;
pub(super) use scope::Listeners;

use super::LIMITS_TOML;
use super::catalogue::RULES;
use super::check::Scanners;
use super::document::{Document, read_file};
use super::problem::Problems;
use super::read::{self, Draft};
use super::settings::{RuleBook, RuleSource, ScanBook};
use crate::inspect::book::InspectRule;
use crate::limits::settings::RuleSet;
use crate::policy::bypass::BypassBook;
use crate::upstream::settings::DestinationRule;
use named::Known;
use shape::RulesShape;

/// The name of the file in the directory of the rule files.
const LIMITS_FILE: &str = "limits.toml";

/// The name of the file of the built-in scanner's rules.
const SCAN_FILE: &str = "scan.toml";

/// The name of the file of the rules of inspection.
const INSPECT_FILE: &str = "inspect.toml";

/// The name of the file of the bypass list.
const BYPASS_FILE: &str = "bypass.toml";

/// What a rule file says.
#[derive(Clone, Debug)]
pub(super) struct Rules {
    /// Limits and rates.
    pub book: RuleBook,
    /// Rules for single destinations.
    pub destinations: Vec<Arc<DestinationRule>>,
    /// What rules call `group:NAME`.
    pub groups: Groups,
}

/// The rules that hold where there is no rule file.
pub(super) fn built_in() -> Rules {
    // A test reads them for problems; here there are none.
    static RULES: LazyLock<Rules> =
        LazyLock::new(|| read(&mut Document::new(LIMITS_FILE, LIMITS_TOML.into()), Listeners::Unknown));
    RULES.clone()
}

/// The rule file of `dir`; `None` where there is none. What is wrong is noted in the document.
pub(super) fn load(dir: &Path, listeners: Listeners<'_>) -> Option<(Rules, RuleSource, Document)> {
    let (path, mut document) = open(dir, LIMITS_FILE)?;
    let rules = read(&mut document, listeners);
    Some((rules, RuleSource::File(path), document))
}

/// The rules of the built-in scanner in `dir`; `None` where there is no such file. What is wrong is noted in the document.
pub(super) fn load_scan(dir: &Path) -> Option<(ScanBook, RuleSource, Document)> {
    let (path, mut document) = open(dir, SCAN_FILE)?;
    let book = scan::read(&mut document);
    Some((book, RuleSource::File(path), document))
}

/// The rules of inspection in `dir`; `None` where there is no such file. What is wrong is noted in the document.
pub(super) fn load_inspect(
    dir: &Path,
    groups: &Groups,
    scanners: Scanners<'_>,
) -> Option<(Vec<InspectRule>, RuleSource, Document)> {
    let (path, mut document) = open(dir, INSPECT_FILE)?;
    let rules = inspect::read(&mut document, groups, scanners);
    Some((rules, RuleSource::File(path), document))
}

/// The bypass list in `dir`; `None` where there is no such file. What is wrong is noted in the document.
pub(super) fn load_bypass(dir: &Path) -> Option<(BypassBook, RuleSource, Document)> {
    let (path, mut document) = open(dir, BYPASS_FILE)?;
    let book = bypass::read(&mut document);
    Some((book, RuleSource::File(path), document))
}

/// A rule file of `dir`; `None` where it is not there.
fn open(dir: &Path, file: &str) -> Option<(PathBuf, Document)> {
    let path = dir.join(file);
    let name = path.display().to_string();
    let document = match read_file(&path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return None,
        Err(error) => Document::unreadable(&name, &error, "rules", "put a text file there, or take it away"),
        Ok(bytes) => Document::new(&name, bytes),
    };
    Some((path, document))
}

/// The rules of `document`; what is wrong is noted there.
pub(super) fn read(document: &mut Document, listeners: Listeners<'_>) -> Rules {
    let Document { text, problems, .. } = document;
    let readable = problems.is_empty();
    let draft: Draft<'_, RulesShape> = read::read(text, RULES, problems);
    let rules = check(&draft, listeners, problems);
    draft.settle(problems);
    if readable { rules } else { Rules { groups: rules.groups.cut(), ..rules } }
}

fn check(draft: &Draft<'_, RulesShape>, listeners: Listeners<'_>, problems: &mut Problems) -> Rules {
    let known = Known::new(draft, listeners, problems);
    let shape = &draft.shape;
    let mut shares = Vec::new();
    let limits = shape.limit.iter().flatten().map(|section| {
        let (rule, share) = limit::check(section, &known, problems);
        shares.extend(share);
        Arc::new(rule)
    });
    let limits = limits.collect();
    let rates = shape.rate.iter().flatten().map(|section| Arc::new(rate::check(section, &known, problems))).collect();
    let destinations = shape.destination.iter().flatten();
    let destinations = destinations.map(|section| Arc::new(destination::check(section, &known, problems))).collect();
    Rules { book: RuleBook::new(RuleSet { limits, rates }, shares), destinations, groups: known.groups }
}
