//! `tether explain-close ID`, also `tether streams why ID`: who closed first, with what, after how long.

use std::fmt::Write as _;

use serde::Deserialize;

use super::arguments::{Format, WhyOptions};
use super::environment::Environment;
use super::outcome::{Exit, Failure};
use super::table::printable;
use super::{Console, admin_address, admin_client};

/// All exchanges of one connection that can be held.
const MOST: usize = 100_000;

/// What the admin port answers.
#[derive(Debug, Deserialize)]
struct Page {
    ends: Vec<End>,
    holds: Holds,
}

#[derive(Debug, Deserialize)]
struct Holds {
    telling: usize,
    plain: usize,
}

#[derive(Debug, Deserialize)]
struct End {
    id: String,
    at: String,
    destination: String,
    reason: Option<String>,
    kind: Option<String>,
    client: Option<String>,
    listener: Option<String>,
    told: Vec<String>,
}

/// Prints why what has this id ended.
pub(super) fn explain(
    options: &WhyOptions,
    environment: &Environment,
    console: &mut Console<'_>,
) -> Result<Exit, Failure> {
    let address = admin_address(&options.admin, environment)?;
    let path = format!("/api/v1/ends?id={}&limit={MOST}", options.id.text());
    let (page, body) = admin_client::read::<Page>(address, &path, "that is no list of ends").map_err(Failure::Admin)?;
    match options.output.format() {
        Format::Json => writeln!(console.out, "{body}")?,
        Format::Text if page.ends.is_empty() => writeln!(console.err, "{}", unknown(options.id.text(), &page.holds))?,
        Format::Text => console.out.write_all(sentences(&page.ends).as_bytes())?,
    }
    Ok(if page.ends.is_empty() { Exit::Failed } else { Exit::Done })
}

fn unknown(id: &str, holds: &Holds) -> String {
    let Holds { telling, plain } = holds;
    format!(
        "nothing with the id {id} has ended lately: the ring holds the last {telling} ends, and of requests that were \
         simply answered the last {plain}; what is still open is in `tether streams`"
    )
}

/// The ends, oldest first, as a connection went through them.
fn sentences(ends: &[End]) -> String {
    ends.iter().rev().map(paragraph).collect::<Vec<_>>().join("\n")
}

fn paragraph(end: &End) -> String {
    let destination = if end.destination.is_empty() { "-" } else { &end.destination };
    let what = match (&end.kind, &end.client, &end.listener, &end.reason) {
        (Some(kind), Some(client), Some(listener), Some(reason)) => {
            format!("{kind} from {client} by {listener} to {destination}: {reason}")
        }
        _ => format!("idle connection to {destination}, used last by that exchange"),
    };
    let mut text = printable(&format!("{}  {}  {what}", end.id, end.at)) + "\n";
    for sentence in &end.told {
        // Writing to a string does not fail.
        let _ = writeln!(text, "  {}", printable(sentence));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_are_told_in_the_order_they_came() {
        let page: Page = serde_json::from_str(
            r#"{"ends":[
                {"id":"17-2","entry":"kept","at":"2026-11-21T12:00:40.000Z","destination":"a.example:80",
                 "closed_by":"upstream","manner":"fin","idle_ms":30000,"upstream":{"served":2,"idle_ms":30000},
                 "told":["The origin closed first (FIN) after 30.0 s idle; the connection had served 2 requests; nothing was lost."]},
                {"id":"17-2","entry":"exchange","at":"2026-11-21T12:00:10.000Z","destination":"",
                 "closed_by":"client","manner":"fin","idle_ms":3,"upstream":null,"client":"192.0.2.7:50123",
                 "listener":"off\u001bice","kind":"http","reason":"client_fin","phase":"response_body","dur_ms":7,
                 "bytes_in":1,"bytes_out":2,"retried":false,"timer":null,"limit":null,
                 "told":["The client closed first (FIN), after 3 ms without a byte.","It had run."]}
            ],"total":2,"holds":{"telling":10000,"plain":1000,"kept":1000}}"#,
        )
        .expect("page");
        let expected = "\
17-2  2026-11-21T12:00:10.000Z  http from 192.0.2.7:50123 by off\u{fffd}ice to -: client_fin
  The client closed first (FIN), after 3 ms without a byte.
  It had run.

17-2  2026-11-21T12:00:40.000Z  idle connection to a.example:80, used last by that exchange
  The origin closed first (FIN) after 30.0 s idle; the connection had served 2 requests; nothing was lost.
";
        assert_eq!(sentences(&page.ends), expected);
    }
}
