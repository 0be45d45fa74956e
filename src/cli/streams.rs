//! `tether streams`: the open client connections as a table.

use std::fmt::Write as _;

use serde::Deserialize;

use super::admin_client::{self, ClientError};
use super::arguments::{Format, StreamsOptions};
use super::environment::Environment;
use super::outcome::{Exit, Failure};
use super::{Console, admin_address};

const PATH: &str = "/api/v1/streams";

const HEADINGS: [&str; 11] =
    ["ID", "CLIENT", "LISTENER", "DESTINATION", "KIND", "PHASE", "AGE", "IDLE", "IN", "OUT", "UPSTREAMS"];

/// Columns from this one on are numbers and stand to the right.
const FIRST_NUMBER: usize = 6;

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
    upstreams: u32,
}

/// Prints what a running proxy holds.
pub(super) fn print(
    options: &StreamsOptions,
    environment: &Environment,
    console: &mut Console<'_>,
) -> Result<Exit, Failure> {
    let address = admin_address(&options.admin, environment)?;
    let answer = admin_client::get(address, PATH, admin_client::PATIENCE).map_err(Failure::Admin)?;
    let body = answer.ok().map_err(Failure::Admin)?;
    let page: Page = serde_json::from_slice(&body)
        .map_err(|_| Failure::Admin(ClientError::NotUnderstood { address, what: "that is no list of streams" }))?;
    match options.output.format() {
        Format::Json => writeln!(console.out, "{}", String::from_utf8_lossy(&body).trim_end())?,
        Format::Text => console.out.write_all(table(&page).as_bytes())?,
    }
    Ok(Exit::Done)
}

fn table(page: &Page) -> String {
    if page.streams.is_empty() {
        return "no open connections\n".to_owned();
    }
    let rows: Vec<[String; HEADINGS.len()]> =
        std::iter::once(HEADINGS.map(str::to_owned)).chain(page.streams.iter().map(cells)).collect();
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: [usize; HEADINGS.len()] = std::array::from_fn(width);
    let mut text: String = rows.iter().map(|row| line(row, &widths)).collect();
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
        printable(&stream.client),
        printable(&stream.listener),
        printable(destination),
        printable(&stream.kind),
        printable(&stream.phase),
        age(stream.age_ms),
        age(stream.idle_ms),
        size(stream.bytes_in),
        size(stream.bytes_out),
        stream.upstreams.to_string(),
    ]
}

fn line(row: &[String; HEADINGS.len()], widths: &[usize; HEADINGS.len()]) -> String {
    let cells = row.iter().zip(widths).enumerate().map(|(column, (cell, width))| {
        if column < FIRST_NUMBER { format!("{cell:<width$}") } else { format!("{cell:>width$}") }
    });
    cells.collect::<Vec<_>>().join("  ") + "\n"
}

/// `text` without characters that move a terminal's cursor or change its colours.
pub(super) fn printable(text: &str) -> String {
    text.replace(char::is_control, "\u{fffd}")
}

/// The two largest units of a time.
fn age(ms: u64) -> String {
    match (ms, ms / 1000) {
        (..1000, _) => format!("{ms}ms"),
        (_, seconds @ ..60) => format!("{seconds}.{}s", ms % 1000 / 100),
        (_, seconds @ ..3600) => format!("{}m{:02}s", seconds / 60, seconds % 60),
        (_, seconds @ ..86_400) => format!("{}h{:02}m", seconds / 3600, seconds % 3600 / 60),
        (_, seconds) => format!("{}d{:02}h", seconds / 86_400, seconds % 86_400 / 3600),
    }
}

/// A number of bytes in the largest unit that leaves something before the point.
fn size(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["KiB", "MiB", "GiB", "TiB", "PiB"];
    let mut rest = bytes as f64;
    let mut unit = "B";
    for larger in UNITS {
        if rest < 1024.0 {
            break;
        }
        (rest, unit) = (rest / 1024.0, larger);
    }
    if unit == "B" { format!("{bytes}B") } else { format!("{rest:.1}{unit}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_sizes_are_short() {
        for (ms, text) in [
            (0, "0ms"),
            (999, "999ms"),
            (1_000, "1.0s"),
            (59_999, "59.9s"),
            (60_000, "1m00s"),
            (3_599_999, "59m59s"),
            (3_660_000, "1h01m"),
            (90_000_000, "1d01h"),
        ] {
            assert_eq!(age(ms), text);
        }
        for (bytes, text) in
            [(0, "0B"), (1023, "1023B"), (1024, "1.0KiB"), (1_572_864, "1.5MiB"), (u64::MAX, "16384.0PiB")]
        {
            assert_eq!(size(bytes), text);
        }
    }

    #[test]
    fn columns_line_up_and_the_rest_is_mentioned() {
        let page: Page = serde_json::from_str(
            r#"{"streams":[
                {"id":1,"client":"127.0.0.1:5000","listener":"office","destination":"h:80","phase":"response_body",
                 "kind":"http","age_ms":12,"idle_ms":3,"bytes_in":1,"bytes_out":2048,"upstreams":1},
                {"id":12,"client":"[::1]:6","listener":"a\u001b[2J","destination":"","phase":"idle",
                 "kind":"http","age_ms":61000,"idle_ms":60000,"bytes_in":0,"bytes_out":0,"upstreams":0,"new":true}
            ],"total":9500}"#,
        )
        .expect("page");
        let expected = "\
ID  CLIENT          LISTENER  DESTINATION  KIND  PHASE            AGE   IDLE  IN     OUT  UPSTREAMS
1   127.0.0.1:5000  office    h:80         http  response_body   12ms    3ms  1B  2.0KiB          1
12  [::1]:6         a\u{fffd}[2J     -            http  idle           1m01s  1m00s  0B      0B          0
2 of 9500 shown; /api/v1/streams?limit=9500 has them all
";
        assert_eq!(table(&page), expected);
    }
}
