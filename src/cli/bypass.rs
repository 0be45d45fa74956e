//! `tether bypass`: what a running proxy lets pass unscanned or unlimited.

use std::net::IpAddr;
use std::time::SystemTime;

use serde_json::json;
use url::form_urlencoded::Serializer;

use super::admin_client::{self, AdminPort, PATIENCE};
use super::arguments::{
    BypassAddOptions, BypassCommand, BypassImportOptions, BypassListOptions, BypassRemoveOptions, BypassTestOptions,
    EntryOptions, Format, Listed,
};
use super::environment::Environment;
use super::outcome::{Exit, Failure};
use super::table::printable;
use super::{Console, admin_address, admin_port};
use crate::admin::bypass_record::BypassRecord;
use crate::policy::bypass::pattern::Pattern;

mod import;
mod listing;

use import::Imported;
use listing::{Entry, Page, Suggestions};

const PATH: &str = "/api/v1/bypass";

/// What the admin port does not answer with, if it answers with something else.
const NO_LIST: &str = "that is no bypass list";

/// Entries sent at once, and bytes of them: fewer than the admin port takes.
const BATCH: usize = 200;
const BATCH_BYTES: usize = 12 << 10;

/// Does what `command` says.
pub(super) fn bypass(
    command: &BypassCommand,
    environment: &Environment,
    console: &mut Console<'_>,
) -> Result<Exit, Failure> {
    match command {
        BypassCommand::Add(options) => add(options, environment, console),
        BypassCommand::Remove(options) => remove(options, environment, console),
        BypassCommand::List(options) => list(options, environment, console),
        BypassCommand::Import(options) => import(options, environment, console),
        BypassCommand::Test(options) => test(options, environment, console),
    }
}

impl EntryOptions {
    /// The entry for `pattern`, not checked yet.
    fn record(&self, pattern: &str) -> BypassRecord {
        BypassRecord {
            matched: pattern.to_owned(),
            source: self.source.clone(),
            skip: self.skip.clone(),
            until: self.until.clone(),
            owner: self.owner.clone(),
            note: self.note.clone(),
            ticket: self.ticket.clone(),
        }
    }

    /// Whether any of them is given.
    fn says_something(&self) -> bool {
        self.record("") != BypassRecord::default()
    }
}

fn add(options: &BypassAddOptions, environment: &Environment, console: &mut Console<'_>) -> Result<Exit, Failure> {
    let record = options.entry.record(&options.pattern);
    record.rule(SystemTime::now()).map_err(Failure::Usage)?;
    let port = admin_port(&options.change, environment)?;
    let page = send(&port, &[record])?;
    tell(&page.entries, console)?;
    tell_how_long(&page, console)?;
    Ok(Exit::Done)
}

fn send(port: &AdminPort, records: &[BypassRecord]) -> Result<Page, Failure> {
    let body = json!({ "entries": records });
    let answer = admin_client::post(port, PATH, Some(&body), PATIENCE);
    answer.and_then(|answer| answer.read(NO_LIST)).map_err(Failure::Admin)
}

fn tell(entries: &[Entry], console: &mut Console<'_>) -> Result<(), Failure> {
    for entry in entries {
        writeln!(console.out, "{}", entry.sentence())?;
    }
    Ok(())
}

fn tell_how_long(page: &Page, console: &mut Console<'_>) -> Result<(), Failure> {
    if !page.kept {
        writeln!(console.out, "this holds until the proxy ends: its configuration has no `[state] dir`")?;
    }
    Ok(())
}

fn remove(
    options: &BypassRemoveOptions,
    environment: &Environment,
    console: &mut Console<'_>,
) -> Result<Exit, Failure> {
    let port = admin_port(&options.change, environment)?;
    let (page, _) = admin_client::read::<Page>(port.address, PATH, NO_LIST).map_err(Failure::Admin)?;
    let spelt = Pattern::parse(&options.what).map(|pattern| pattern.to_string()).ok();
    let is_meant = |entry: &&Entry| entry.id == options.what || spelt.as_ref() == Some(&entry.matched);
    let (in_file, others): (Vec<&Entry>, Vec<&Entry>) =
        page.entries.iter().filter(is_meant).partition(|entry| entry.origin == "file");
    if in_file.is_empty() && others.is_empty() {
        writeln!(console.err, "error: no entry has the id or the pattern `{}`", printable(&options.what))?;
        return Ok(Exit::Failed);
    }
    for entry in &others {
        let answer = admin_client::delete(&port, &format!("{PATH}/{}", encoded(&entry.id)), PATIENCE);
        let gone: Page = answer.and_then(|answer| answer.read(NO_LIST)).map_err(Failure::Admin)?;
        gone.entries.iter().try_for_each(|entry| writeln!(console.out, "removed {}", entry.sentence()))?;
    }
    for entry in &in_file {
        let sentence = entry.sentence();
        writeln!(console.err, "error: {sentence}: this stands in bypass.toml; take it away there and reload")?;
    }
    Ok(if in_file.is_empty() { Exit::Done } else { Exit::Failed })
}

fn encoded(id: &str) -> String {
    url::form_urlencoded::byte_serialize(id.as_bytes()).collect()
}

fn list(options: &BypassListOptions, environment: &Environment, console: &mut Console<'_>) -> Result<Exit, Failure> {
    let address = admin_address(&options.admin, environment)?;
    let (text, body) = match options.listed() {
        Listed::Entries => admin_client::read::<Page>(address, PATH, NO_LIST).map(|(page, body)| (page.text(), body)),
        Listed::Suggestions => {
            let path = format!("{PATH}/suggestions");
            let read = admin_client::read::<Suggestions>(address, &path, "those are no suggestions");
            read.map(|(page, body)| (page.text(), body))
        }
    }
    .map_err(Failure::Admin)?;
    print(options.output.format(), &text, &body, console)
}

fn print(format: Format, text: &str, body: &str, console: &mut Console<'_>) -> Result<Exit, Failure> {
    match format {
        Format::Json => writeln!(console.out, "{body}")?,
        Format::Text => console.out.write_all(text.as_bytes())?,
    }
    Ok(Exit::Done)
}

fn import(
    options: &BypassImportOptions,
    environment: &Environment,
    console: &mut Console<'_>,
) -> Result<Exit, Failure> {
    let records = match import::read(&options.file, &options.entry)? {
        Imported::Good(records) => records,
        Imported::Bad(wrongs) => {
            wrongs.iter().try_for_each(|wrong| writeln!(console.err, "error: {}", printable(wrong)))?;
            writeln!(console.err, "Nothing was imported.")?;
            return Ok(Exit::BadConfig);
        }
    };
    let port = admin_port(&options.change, environment)?;
    let mut added = 0;
    let mut last = None;
    for batch in batches(&records) {
        let page = send(&port, batch).inspect_err(|_| {
            // The batches before are on the list.
            let _ = writeln!(console.err, "{added} of {} entries were imported before this:", records.len());
        })?;
        added += page.entries.len();
        last = Some(page);
    }
    writeln!(console.out, "imported {added}")?;
    last.iter().try_for_each(|page| tell_how_long(page, console))?;
    Ok(Exit::Done)
}

/// `records` in parts that the admin port takes.
fn batches(records: &[BypassRecord]) -> Vec<&[BypassRecord]> {
    let mut batches = Vec::new();
    let mut rest = records;
    while !rest.is_empty() {
        let mut bytes = 0;
        let fits = |record: &&BypassRecord| {
            bytes += json!(record).to_string().len() + 1;
            bytes <= BATCH_BYTES
        };
        // One is always sent: the admin port says what is wrong with it.
        let count = rest.iter().take(BATCH).take_while(fits).count().max(1);
        let (batch, behind) = rest.split_at(count);
        batches.push(batch);
        rest = behind;
    }
    batches
}

fn test(options: &BypassTestOptions, environment: &Environment, console: &mut Console<'_>) -> Result<Exit, Failure> {
    let address = admin_address(&options.admin, environment)?;
    let mut query = Serializer::new(String::new());
    query.append_pair("url", &options.url);
    let ip = |key, ip: Option<IpAddr>| ip.map(|ip| (key, ip.to_string()));
    query.extend_pairs(ip("source", options.source));
    query.extend_pairs(ip("address", options.address));
    query.extend_pairs(options.media_type.as_deref().map(|text| ("type", text)));
    let path = format!("{PATH}?{}", query.finish());
    let (page, body) = admin_client::read::<Page>(address, &path, NO_LIST).map_err(Failure::Admin)?;
    print(options.output.format(), &page.verdict(), &body, console)
}
