//! `tether streams`: the open client connections as a table.

use std::fmt::Write as _;

use serde::Deserialize;

use super::admin_client;
use super::arguments::{Format, ListingOptions};
use super::environment::Environment;
use super::outcome::{Exit, Failure};
use super::table::{Table, age, size};
use super::{Console, admin_address};

const PATH: &str = "/api/v1/streams";

const HEADINGS: [&str; 12] =
    ["ID", "CLIENT", "LISTENER", "DESTINATION", "KIND", "PHASE", "SCAN", "AGE", "IDLE", "IN", "OUT", "UPSTREAMS"];

/// Columns from this one on are numbers and stand to the right.
const FIRST_NUMBER: usize = 7;

/// What the admin port answers.
#[derive(Debug, Deserialize)]
struct Page {
    streams: Vec<Stream>,
    /// How many there are, shown or not.
    total: Option<usize>,
}

#[derive(Debug, Deserialize)]
struct Stream {
    id: u64,
    client: String,
    listener: String,
    destination: String,
    phase: String,
    kind: String,
    age_ms: u64,
    idle_ms: u64,
    bytes_in: u64,
    bytes_out: u64,
    scan: Option<String>,
    stream_kind: Option<String>,
    upstreams: u32,
}

/// Prints what a running proxy holds.
pub(super) fn print(
    options: &ListingOptions,
    environment: &Environment,
    console: &mut Console<'_>,
) -> Result<Exit, Failure> {
    let address = admin_address(&options.admin, environment)?;
    let (page, body) =
        admin_client::read::<Page>(address, PATH, "that is no list of streams").map_err(Failure::Admin)?;
    match options.output.format() {
        Format::Json => writeln!(console.out, "{body}")?,
        Format::Text => console.out.write_all(table(&page).as_bytes())?,
    }
    Ok(Exit::Done)
}

fn table(page: &Page) -> String {
    if page.streams.is_empty() {
        return "no open connections\n".to_owned();
    }
    let mut table = Table::new(HEADINGS, FIRST_NUMBER);
    page.streams.iter().for_each(|stream| table.push(cells(stream)));
    let mut text = table.text();
    let shown = page.streams.len();
    if let Some(total) = page.total.filter(|total| *total > shown) {
        // Writing to a string does not fail.
        let _ = writeln!(text, "{shown} of {total} shown; {PATH}?limit={total} has them all");
    }
    text
}

fn cells(stream: &Stream) -> [String; HEADINGS.len()] {
    let destination = if stream.destination.is_empty() { "-" } else { &stream.destination };
    [
        stream.id.to_string(),
        stream.client.clone(),
        stream.listener.clone(),
        destination.to_owned(),
        stream.kind.clone(),
        stream.phase.clone(),
        scan(stream),
        age(stream.age_ms),
        age(stream.idle_ms),
        size(stream.bytes_in),
        size(stream.bytes_out),
        stream.upstreams.to_string(),
    ]
}

/// How it is inspected and, where it flows, why.
fn scan(stream: &Stream) -> String {
    let words: Vec<&str> = [&stream.scan, &stream.stream_kind].into_iter().flatten().map(String::as_str).collect();
    if words.is_empty() { "-".to_owned() } else { words.join(" ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_and_the_rest_is_mentioned() {
        let page: Page = serde_json::from_str(
            r#"{"streams":[
                {"id":1,"client":"127.0.0.1:5000","listener":"office","destination":"h:80","phase":"response_body",
                 "kind":"http","age_ms":12,"idle_ms":3,"bytes_in":1,"bytes_out":2048,"scan":"window","stream_kind":"idle_gap","upstreams":1},
                {"id":12,"client":"[::1]:6","listener":"a\u001b[2J","destination":"","phase":"idle",
                 "kind":"http","age_ms":61000,"idle_ms":60000,"bytes_in":0,"bytes_out":0,"upstreams":0,"new":true}
            ],"total":9500}"#,
        )
        .expect("page");
        let expected = "\
ID  CLIENT          LISTENER  DESTINATION  KIND  PHASE          SCAN               AGE   IDLE  IN     OUT  UPSTREAMS
1   127.0.0.1:5000  office    h:80         http  response_body  window idle_gap   12ms    3ms  1B  2.0KiB          1
12  [::1]:6         a\u{fffd}[2J     -            http  idle           -                1m01s  1m00s  0B      0B          0
2 of 9500 shown; /api/v1/streams?limit=9500 has them all
";
        assert_eq!(table(&page), expected);
    }
}
