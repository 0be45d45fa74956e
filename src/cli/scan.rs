//! `tether scan`: files through the scanners of the configuration, one line for each.

use std::path::Path;
use std::time::Instant;

use anyhow::Context;

use super::arguments::{Format, ScanOptions};
use super::environment::Environment;
use super::outcome::{Exit, Failure};
use super::{Console, files};
use crate::config::settings::Settings;
use crate::icap::client::IcapClient;
use crate::icap::settings::OnFailure;
use crate::inspect::course::{BUILT_IN, ScannerName};

mod built_in;
mod service;
mod subject;
mod verdict;

use built_in::BuiltIn;
use service::Service;
use subject::Subject;
use verdict::{Line, Verdict};

/// A scanner, ready to be asked.
enum Scanner {
    BuiltIn(BuiltIn),
    Service(Service),
}

/// Scans each file and says what was found. A file that cannot be scanned keeps none of the others from it.
pub(super) fn scan(
    options: &ScanOptions,
    environment: &Environment,
    console: &mut Console<'_>,
) -> Result<Exit, Failure> {
    let settings = files::load(&options.file, environment).map_err(Failure::Config)?.settings;
    let scanners = scanners(&picked(&options.with, &settings)?, &settings)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.context("cannot start the timer and the sockets").map_err(Failure::Run)?;
    let mut exit = Exit::Done;
    for path in &options.files {
        let line = runtime.block_on(scan_one(path, &scanners, options));
        if line.verdict != Verdict::Clean {
            exit = Exit::Failed;
        }
        match options.output.format() {
            Format::Text => writeln!(console.out, "{}", line.text())?,
            Format::Json => writeln!(console.out, "{}", line.json())?,
        }
    }
    Ok(exit)
}

/// The scanners that were asked for, each once; those of the configuration where none was.
fn picked(with: &[String], settings: &Settings) -> Result<Vec<ScannerName>, Failure> {
    if with.is_empty() {
        return Ok(settings.inspect.default.clone());
    }
    let mut picked: Vec<ScannerName> = Vec::new();
    for name in with {
        let service = settings.icap.iter().find(|service| *service.name == **name);
        let scanner = match service {
            Some(service) => ScannerName::Icap(service.name.clone()),
            None if name == BUILT_IN => ScannerName::BuiltIn,
            None => {
                let known = settings.icap.iter().map(|service| &*service.name);
                let known: Vec<&str> = std::iter::once(BUILT_IN).chain(known).collect();
                let known = known.join("`, `");
                return Err(Failure::Usage(format!("there is no scanner `{name}`; the configuration has `{known}`")));
            }
        };
        if !picked.contains(&scanner) {
            picked.push(scanner);
        }
    }
    Ok(picked)
}

fn scanners(names: &[ScannerName], settings: &Settings) -> Result<Vec<Scanner>, Failure> {
    let mut scanners = Vec::new();
    for name in names {
        match name {
            ScannerName::BuiltIn => {
                let built_in = BuiltIn::new(settings.scan_rules.rules.clone());
                scanners.push(Scanner::BuiltIn(built_in.context("the rules cannot be used").map_err(Failure::Run)?));
            }
            ScannerName::Icap(name) => {
                let service = settings.icap.iter().find(|service| service.name == *name);
                scanners.extend(service.map(|service| Scanner::Service(Service(IcapClient::new(service.clone())))));
            }
        }
    }
    Ok(scanners)
}

async fn scan_one(path: &Path, scanners: &[Scanner], options: &ScanOptions) -> Line {
    let began = Instant::now();
    let (verdict, bytes) = match Subject::open(path) {
        Ok(subject) => (judge(&subject, scanners, options).await, subject.length()),
        Err(error) => (Verdict::not_scanned(None, error.to_string()), 0),
    };
    Line { path: path.display().to_string(), verdict, bytes, took: began.elapsed() }
}

/// Asks one scanner after the other. What one finds ends it, as does a failure of one without which nothing may pass.
async fn judge(subject: &Subject, scanners: &[Scanner], options: &ScanOptions) -> Verdict {
    if scanners.is_empty() {
        let why = "`[inspect] default` names no scanner; `--with NAME` picks one";
        return Verdict::not_scanned(None, why.to_owned());
    }
    let mut doubt = None;
    for scanner in scanners {
        let (verdict, on_failure) = match scanner {
            // What it cannot decode another may be able to.
            Scanner::BuiltIn(built_in) => (built_in.scan(subject, options), OnFailure::Pass),
            Scanner::Service(service) => service.scan(subject, options).await,
        };
        match verdict {
            Verdict::Clean => {}
            Verdict::NotScanned { .. } if on_failure == OnFailure::Pass => doubt = doubt.or(Some(verdict)),
            verdict => return verdict,
        }
    }
    doubt.unwrap_or(Verdict::Clean)
}
