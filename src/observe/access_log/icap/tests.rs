//! Golden lines about messages that our ICAP server judged.

use std::sync::Arc;
use std::time::{Instant, UNIX_EPOCH};

use super::*;
use crate::observe::live::LiveTable;

/// A response of 70 bytes that was blocked after 1.5 s.
fn blocked() -> IcapMessage {
    IcapMessage {
        number: 3,
        took: Duration::from_millis(1500),
        asked: Asked::Respmod,
        client: Some("192.0.2.7".parse().expect("an address")),
        method: "GET".into(),
        url: "http://www.example.com:8080/a?b=c".into(),
        status: 200,
        body_bytes: 70,
        outcome: Outcome::Blocked,
        found: Some(("eicar".into(), "content")),
    }
}

fn line(message: &IcapMessage, format: AccessFormat) -> String {
    let table = LiveTable::new(Instant::now());
    let row = table.insert(42, "127.0.0.1:50123".parse().expect("an address"), "filter".into(), &"".into());
    row.set_destination(&Arc::from("www.example.com:8080"));
    let mut line = Vec::new();
    let ended_at = UNIX_EPOCH + Duration::from_millis(1_795_230_247_178);
    Line { row: &row, message, ended_at }.render(format, &mut line).expect("rendered");
    String::from_utf8(line).expect("UTF-8")
}

#[test]
fn the_json_line() {
    let common = concat!(
        r#"{"ts":"2026-11-21T03:04:07.178Z","id":"42-3","client":"192.0.2.7","peer":"127.0.0.1:50123","#,
        r#""listener":"filter","mode":"icap","icap_method":"RESPMOD","icap_status":200,"method":"GET","#,
        r#""url":"http://www.example.com:8080/a?b=c","host":"www.example.com","port":8080,"bytes_in":70,"#,
        r#""dur_ms":1500.0,"outcome":"#,
    );
    let found = r#""blocked","threat":"eicar","found_in":"content"}"#;
    assert_eq!(line(&blocked(), AccessFormat::Json), format!("{common}{found}\n"));
    let clean = IcapMessage { found: None, outcome: Outcome::Echoed, ..blocked() };
    assert_eq!(line(&clean, AccessFormat::Json), format!("{common}\"echoed\"}}\n"));
}

#[test]
fn the_lines_of_the_other_formats() {
    let unsaid = IcapMessage { client: None, status: 204, outcome: Outcome::StreamPassed, ..blocked() };
    for (message, squid, combined) in [
        (
            blocked(),
            "1795230247.178   1500 192.0.2.7 ICAP_BLOCKED/200 70 GET http://www.example.com:8080/a?b=c - HIER_NONE/- -\n",
            "192.0.2.7 - - [21/Nov/2026:03:04:05 +0000] \"GET http://www.example.com:8080/a?b=c ICAP/1.0\" 200 70 \"-\" \"-\"\n",
        ),
        (
            unsaid,
            "1795230247.178   1500 127.0.0.1 ICAP_STREAM_PASSED/204 70 GET http://www.example.com:8080/a?b=c - HIER_NONE/- -\n",
            "127.0.0.1 - - [21/Nov/2026:03:04:05 +0000] \"GET http://www.example.com:8080/a?b=c ICAP/1.0\" 204 70 \"-\" \"-\"\n",
        ),
    ] {
        assert_eq!(line(&message, AccessFormat::Squid), squid);
        assert_eq!(line(&message, AccessFormat::Combined), combined);
    }
}

#[test]
fn what_a_peer_sends_stays_in_its_field() {
    let hostile = "x\r\n192.0.2.1 \"GET\" \u{1b}[2J \u{202e}";
    let message = IcapMessage {
        method: hostile.into(),
        url: hostile.into(),
        found: Some((hostile.into(), "content")),
        ..blocked()
    };
    for (format, fields) in [(AccessFormat::Squid, 10), (AccessFormat::Combined, 12)] {
        let line = line(&message, format);
        assert!(line.trim_end().bytes().all(|byte| (b' '..=b'~').contains(&byte)), "{line:?}");
        assert_eq!(line.split_whitespace().count(), fields, "{line:?}");
    }
    let line: serde_json::Value = serde_json::from_str(&line(&message, AccessFormat::Json)).expect("JSON");
    assert_eq!((&line["method"], &line["url"], &line["threat"]), (&hostile.into(), &hostile.into(), &hostile.into()));
}
