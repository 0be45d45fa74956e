//! Files of patterns, read and checked before anything is sent.

use std::io::{self, Read};
use std::path::Path;
use std::time::SystemTime;

use crate::admin::bypass_record::BypassRecord;
use crate::cli::arguments::EntryOptions;
use crate::cli::outcome::Failure;
use crate::config;

/// Larger files are no lists of patterns.
const LARGEST: u64 = 64 << 20;

/// What a file holds.
#[derive(Debug)]
pub enum Imported {
    /// Entries, all of them good.
    Good(Vec<BypassRecord>),
    /// Sentences on what is wrong, each with its line.
    Bad(Vec<String>),
}

/// The entries of `file`; lines of patterns are all meant as `options` say.
///
/// # Errors
/// When it cannot be read, or is a bad bypass.toml.
pub fn read(file: &Path, options: &EntryOptions) -> Result<Imported, Failure> {
    if file.extension().is_some_and(|end| end == "toml") {
        return toml(file, options);
    }
    let text = text(file).map_err(|error| Failure::Run(anyhow::anyhow!("cannot read {}: {error}", file.display())))?;
    Ok(lines(&file.display().to_string(), &text, options))
}

fn toml(file: &Path, options: &EntryOptions) -> Result<Imported, Failure> {
    if options.says_something() {
        let text = "a bypass.toml says itself what is skipped, for whom and until when: leave the options out";
        return Err(Failure::Usage(text.to_owned()));
    }
    let book = config::bypass_file(file).map_err(Failure::Config)?;
    if !book.never.is_empty() {
        let wrong = "[[never]] holds only in the bypass.toml of the proxy itself: copy it there and reload";
        return Ok(Imported::Bad(vec![format!("{}: {wrong}", file.display())]));
    }
    let now = SystemTime::now();
    // What has ended would be refused.
    Ok(Imported::Good(book.entries.iter().filter(|rule| rule.is_live(now)).map(BypassRecord::of).collect()))
}

fn text(file: &Path) -> io::Result<String> {
    let mut text = String::new();
    let reader: Box<dyn Read> = match file.to_str() {
        Some("-") => Box::new(io::stdin()),
        _ => Box::new(std::fs::File::open(file)?),
    };
    reader.take(LARGEST).read_to_string(&mut text)?;
    Ok(text)
}

/// One pattern in each line; empty lines and what is behind `#` do not count.
fn lines(name: &str, text: &str, options: &EntryOptions) -> Imported {
    let now = SystemTime::now();
    let (mut records, mut wrongs) = (Vec::new(), Vec::new());
    for (at, line) in text.lines().enumerate() {
        let pattern = line.split('#').next().unwrap_or_default().trim();
        if pattern.is_empty() {
            continue;
        }
        let record = options.record(pattern);
        match record.rule(now) {
            Ok(_) => records.push(record),
            Err(wrong) => wrongs.push(format!("{name}:{}: {wrong}", at + 1)),
        }
    }
    if wrongs.is_empty() { Imported::Good(records) } else { Imported::Bad(wrongs) }
}
