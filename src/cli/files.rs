//! `tether check` and `tether config`: configuration files without a proxy.

use std::time::SystemTime;

use serde::Serialize;

use super::arguments::{CheckOptions, FileOptions, Format};
use super::environment::Environment;
use super::outcome::{Exit, Failure};
use super::{Console, config_file};
use crate::config::settings::Settings;
use crate::config::{self, ConfigError, DEFAULT_TOML, Diagnostic, Loaded, Overrides};
use crate::inspect::course::ScannerName;
use crate::inspect::rules::Notice;
use crate::inspect::rules::grams::SHORTEST;
use crate::inspect::rules::window::OVERLAP;
use crate::limits::settings::LimitMode;

/// What `check --json` prints.
#[derive(Serialize)]
struct Verdict {
    ok: bool,
    errors: Vec<Diagnostic>,
    notices: Vec<String>,
}

/// Reports everything that is wrong, or says in a few lines what would be served.
pub(super) fn check(
    options: &CheckOptions,
    environment: &Environment,
    console: &mut Console<'_>,
) -> Result<Exit, Failure> {
    let loaded = load(&options.file, environment);
    match options.output.format() {
        Format::Json => print_verdict(&loaded, console),
        Format::Text => {
            let loaded = loaded.map_err(Failure::Config)?;
            writeln!(console.out, "{}: ok\n{}", loaded.source, summary(&loaded.settings))?;
            writeln!(console.out, "{}: ok\n{}", loaded.settings.policies.limits, rules(&loaded.settings))?;
            writeln!(console.out, "{}: ok\n{}", loaded.settings.policies.bypass, bypassing(&loaded.settings))?;
            let scan_rules = count(loaded.settings.scan_rules.rules.len(), "scan rule");
            writeln!(console.out, "{}: ok\n{scan_rules}", loaded.settings.policies.scan)?;
            writeln!(console.out, "{}: ok\n{}", loaded.settings.policies.inspect, inspection(&loaded.settings))?;
            for notice in notices(&loaded.settings) {
                writeln!(console.out, "note: {notice}")?;
            }
            Ok(Exit::Done)
        }
    }
}

fn print_verdict(loaded: &Result<Loaded, ConfigError>, console: &mut Console<'_>) -> Result<Exit, Failure> {
    let errors = loaded.as_ref().err().map(ConfigError::diagnostics).unwrap_or_default();
    let notices = loaded.as_ref().map(|loaded| notices(&loaded.settings)).unwrap_or_default();
    let verdict = Verdict { ok: loaded.is_ok(), errors, notices };
    let text = serde_json::to_string_pretty(&verdict).map_err(std::io::Error::from)?;
    writeln!(console.out, "{text}")?;
    Ok(if verdict.ok { Exit::Done } else { Exit::BadConfig })
}

/// Prints the commented defaults.
pub(super) fn print_default(console: &mut Console<'_>) -> Result<Exit, Failure> {
    console.out.write_all(DEFAULT_TOML.as_bytes())?;
    Ok(Exit::Done)
}

/// Prints the settings that `run` would use.
pub(super) fn show(file: &FileOptions, environment: &Environment, console: &mut Console<'_>) -> Result<Exit, Failure> {
    let loaded = load(file, environment).map_err(Failure::Config)?;
    // A line of its own whatever the file is called.
    let line = |name: String| name.replace(char::is_control, "?");
    writeln!(console.out, "# From {}, and the environment.", line(loaded.source.to_string()))?;
    writeln!(console.out, "# Limits from {}.", line(loaded.settings.policies.limits.to_string()))?;
    writeln!(console.out, "# What is scanned for from {}.", line(loaded.settings.policies.scan.to_string()))?;
    writeln!(console.out, "# Who scans what from {}.", line(loaded.settings.policies.inspect.to_string()))?;
    writeln!(console.out, "# What is bypassed from {}.", line(loaded.settings.policies.bypass.to_string()))?;
    writeln!(console.out, "{}", config::render(&loaded.settings).trim_end())?;
    Ok(Exit::Done)
}

/// The configuration that `file` and the environment name.
pub(super) fn load(file: &FileOptions, environment: &Environment) -> Result<Loaded, ConfigError> {
    config::load(config_file(&file.config, environment), &environment.overrides(&Overrides::default()))
}

fn summary(settings: &Settings) -> String {
    let ports: Vec<String> = settings.forward.iter().map(|port| format!("{} on {}", port.name, port.bind)).collect();
    format!("{}; {}; admin on {}", count(settings.workers, "worker"), ports.join(", "), settings.admin.bind)
}

fn rules(settings: &Settings) -> String {
    let rules = settings.rules.written();
    let kept = match settings.limits.mode {
        LimitMode::Enforce => "",
        LimitMode::Simulate => "; nothing is refused: `[limits] mode` is \"simulate\"",
        LimitMode::Off => "; nothing is counted: `[limits] mode` is \"off\"",
    };
    let (limits, rates) = (count(rules.limits.len(), "limit"), count(rules.rates.len(), "rate"));
    format!("{limits}, {rates}, {}{kept}", count(settings.destination_rules.len(), "destination rule"))
}

fn inspection(settings: &Settings) -> String {
    let rules = count(settings.inspect_rules.len(), "inspection rule");
    let order: Vec<&str> = settings.inspect.default.iter().map(ScannerName::text).collect();
    let asked = if order.is_empty() { "nobody".to_owned() } else { order.join(", then ") };
    format!("{rules}; what none speaks of is scanned by {asked}")
}

fn bypassing(settings: &Settings) -> String {
    let (book, now) = (&settings.bypass_book, SystemTime::now());
    let over = match book.entries.iter().filter(|rule| !rule.is_live(now)).count() {
        0 => String::new(),
        over => format!(" ({over} of them over)"),
    };
    let entries = book.entries.len();
    let entries = format!("{entries} bypass {}", if entries == 1 { "entry" } else { "entries" });
    let kept = match &settings.state.dir {
        Some(dir) => format!("edits are kept in {}", dir.display()),
        None => "edits end with the process".to_owned(),
    };
    format!("{entries}{over}, {} never bypassed; {kept}", count(book.never.len(), "pattern"))
}

/// What an operator should know of rules that are otherwise good.
fn notices(settings: &Settings) -> Vec<String> {
    let book = &settings.scan_rules;
    let name = |rule: &usize| book.rules.get(*rule).map_or("", |rule| &*rule.name);
    let text = |notice: &Notice| match notice {
        Notice::Windowed { rule, regex } => format!(
            "rule `{}`: expression {} is too large for a table, so it is slow, and finds no match of more than {OVERLAP} bytes \
             that comes in several pieces",
            name(rule),
            regex + 1
        ),
        Notice::ShortLiteral { rule } => format!(
            "rule `{}`: something shorter than {SHORTEST} bytes makes looking for all literals of its `case` several times slower",
            name(rule)
        ),
    };
    book.notices.iter().map(text).collect()
}

fn count(number: usize, what: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {what}{plural}")
}
