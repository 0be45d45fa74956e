//! Streams that do not say that they are: found by their silence, and scanned as they flow from there on.

use std::time::Duration;

use serde_json::Value;
use tether::base::reason::Reason;
use tether::config::settings::Settings;
use tether::inspect::settings::eicar;

use super::eicar::assert_cut;
use super::wrapped::{Framing, chunk, gzip_in_pieces};
use super::{impatient, logged, logging, metric, patient, scanning_with, wait_until_nothing_is_left};
use crate::support::admin;
use crate::support::answer::{answer, answer_body, answer_head, try_answer};
use crate::support::client::{asking, get};
use crate::support::origin::Origin;
use crate::support::proxy::Proxy;
use crate::support::wire::Wire;

/// A ticker whose head and first ticks are sent.
fn ticker(proxy: &Proxy, (path, fields): (&str, &str), first: &[u8]) -> (Wire, Wire) {
    let origin = Origin::bind();
    let client = asking(proxy, get(origin.address(), path));
    (client, tick_from(&origin, fields, first))
}

fn tick_from(origin: &Origin, fields: &str, first: &[u8]) -> Wire {
    let mut served = origin.accept();
    served.head();
    served.send(Framing::Chunked(1).head(fields, 0));
    if !first.is_empty() {
        served.send(chunk(first));
    }
    served
}

fn handed_over(proxy: &Proxy, reason: &str) -> u64 {
    metric(proxy, &format!("tether_scan_handovers_total{{reason=\"{reason}\"}}"))
}

/// Reads one chunk of this content.
#[track_caller]
fn comes(client: &mut Wire, expected: impl AsRef<[u8]>) {
    let expected = expected.as_ref();
    assert_eq!(usize::from_str_radix(&client.line(), 16), Ok(expected.len()));
    assert_eq!(client.exactly(expected.len()), expected);
    assert_eq!(client.line(), "");
}

#[test]
fn a_silence_lets_it_flow() {
    let proxy = scanning_with(impatient);
    for fields in ["", "Content-Type: text/html\r\n", "Content-Type: application/octet-stream\r\n"] {
        let (mut client, mut served) = ticker(&proxy, ("/ticks", fields), b"tick 1\n");
        let head = client.head();
        assert!(head.starts_with("HTTP/1.1 200"), "{head}");
        comes(&mut client, "tick 1\n");
        for number in 2..5 {
            let tick = format!("tick {number}\n");
            served.send(chunk(tick.as_bytes()));
            comes(&mut client, &tick);
        }
        served.send("0\r\n\r\n");
        assert_eq!(client.line(), "0");
    }
    assert_eq!(handed_over(&proxy, "idle_gap") + handed_over(&proxy, "history"), 3);
    wait_until_nothing_is_left(&proxy);
}

#[test]
fn the_log_and_the_api_say_why_it_flows() {
    let folder = tempfile::tempdir().expect("a folder");
    let proxy = scanning_with(|settings| {
        impatient(settings);
        logging(folder.path())(settings);
    });
    let (mut client, mut served) = ticker(&proxy, ("/ticks", ""), b"tick");
    client.head();
    comes(&mut client, "tick");
    let page: Value = serde_json::from_str(&admin::ask(&proxy, "/api/v1/streams").1).expect("JSON");
    let row = &page["streams"][0];
    assert_eq!((&row["scan"], &row["stream_kind"]), (&"window".into(), &"idle_gap".into()), "{row}");
    served.send("0\r\n\r\n");
    assert_eq!(client.line(), "0");
    let line = logged(&proxy, folder.path(), 1);
    assert_eq!((&line["scan"], &line["verdict"]), (&"window".into(), &"clean".into()), "{line}");
    assert!(line.to_string().contains("idle_gap"), "{line}");
    assert_eq!(metric(&proxy, "tether_scan_handover_regrets_total"), 1, "it could have been held");
}

#[test]
fn a_head_without_a_body_is_let_go() {
    let proxy = scanning_with(impatient);
    let (mut client, mut served) = ticker(&proxy, ("/ticks", ""), b"");
    client.head();
    assert_eq!(handed_over(&proxy, "first_byte"), 1);
    served.send(chunk(b"tick"));
    comes(&mut client, "tick");
}

#[test]
fn a_head_that_comes_late_is_waited_for_and_holds_nothing() {
    let proxy = scanning_with(impatient);
    let origin = Origin::bind();
    let mut client = asking(&proxy, get(origin.address(), "/poll"));
    let mut served = origin.accept();
    served.head();
    assert!(!client.comes_within(Duration::from_millis(300)), "nothing may be made up");
    assert_eq!(super::held(&proxy), [0; 3]);
    served.send("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nnews");
    assert_eq!(answer(&mut client).text(), "news");
    assert_eq!(handed_over(&proxy, "first_byte"), 0);
}

#[test]
fn a_known_length_is_held_through_any_silence() {
    let proxy = scanning_with(impatient);
    let origin = Origin::bind();
    let mut client = asking(&proxy, get(origin.address(), "/slow"));
    let mut served = origin.accept();
    served.head();
    served.send("HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nhalf");
    assert!(!client.comes_within(Duration::from_millis(300)), "it has an end to wait for");
    served.send("more");
    assert_eq!(answer(&mut client).text(), "halfmore");
}

#[test]
fn the_third_of_a_kind_need_not_wait() {
    let proxy = scanning_with(impatient);
    let origin = Origin::bind();
    for number in 1..=2 {
        let mut client = asking(&proxy, get(origin.address(), &format!("/room/{number}/ticks")));
        let _served = tick_from(&origin, "Content-Type: text/plain\r\n", b"tick");
        client.head();
        comes(&mut client, "tick");
    }
    assert_eq!((handed_over(&proxy, "idle_gap"), handed_over(&proxy, "history")), (2, 0));
    let mut client = asking(&proxy, get(origin.address(), "/room/3/ticks?from=7"));
    let mut served = tick_from(&origin, "Content-Type: text/plain\r\n", b"tick");
    client.head();
    comes(&mut client, "tick");
    assert_eq!((handed_over(&proxy, "idle_gap"), handed_over(&proxy, "history")), (2, 1));
    // It is scanned all the same.
    served.send(chunk(&eicar()));
    let (rest, _) = client.rest();
    assert!(rest.is_empty(), "{rest:?}");
    // Nor does it make a stream of a file.
    let mut client = asking(&proxy, get(origin.address(), "/room/4/ticks"));
    let mut served = tick_from(&origin, "Content-Type: text/plain\r\n", b"MZ\x90\0");
    assert!(!client.comes_within(Duration::from_millis(300)), "a program is a file");
    served.send([chunk(b"rest"), b"0\r\n\r\n".to_vec()].concat());
    assert_eq!(answer(&mut client).body, b"MZ\x90\0rest");
}

#[test]
fn a_coded_one_flows_too() {
    let proxy = scanning_with(impatient);
    let pieces = gzip_in_pieces(&[b"tick 1\n", b"tick 2\n", &eicar()]);
    let (mut client, mut served) = ticker(&proxy, ("/ticks", "Content-Encoding: gzip\r\n"), &pieces[0]);
    client.head();
    comes(&mut client, &pieces[0]);
    served.send(chunk(&pieces[1]));
    comes(&mut client, &pieces[1]);
    served.send(chunk(&pieces[2]));
    assert!(client.rest().0.is_empty(), "what is found in it is kept back");
}

#[test]
fn what_is_found_cuts_it_and_blocks_its_address() {
    let proxy = scanning_with(impatient);
    for (number, sent) in [eicar(), [b"tick ".to_vec(), eicar(), b" tick".to_vec()].concat()].into_iter().enumerate() {
        let path = format!("/ticks{number}");
        let (mut client, mut served) = ticker(&proxy, (&path, ""), b"tick 1\n");
        let answer = answer_head(&mut client).expect("a head");
        comes(&mut client, "tick 1\n");
        let _ = served.try_send([chunk(&sent), b"0\r\n\r\n".to_vec()].concat());
        assert_cut(&answer_body(&mut client, answer), &sent, &path);
        let again = try_answer(&mut asking(&proxy, get(served.local(), &path))).expect("a page");
        assert_eq!(again.status, 403);
    }
    proxy.wait_until("counted", |proxy| proxy.tally().closed(Reason::UrlBlocked) == 2);
    assert_eq!(proxy.tally().closed(Reason::ContentCut), 2);
    wait_until_nothing_is_left(&proxy);
}

#[test]
fn until_the_connection_closes_it_ends_by_reset() {
    let proxy = scanning_with(impatient);
    let origin = Origin::bind();
    let mut client = asking(&proxy, get(origin.address(), "/ticks"));
    let mut served = origin.accept();
    served.head();
    served.send("HTTP/1.1 200 OK\r\n\r\ntick 1\n");
    let answer = answer_head(&mut client).expect("a head");
    assert_eq!(client.exactly(7), b"tick 1\n");
    let _ = served.try_send(eicar());
    drop(served);
    assert_cut(&answer_body(&mut client, answer), &eicar(), "ended by its connection");
}

/// A body that comes too slowly to be a file, without any silence, flows once it has been watched.
#[test]
fn whatever_is_held_for_the_longest_time_goes_on() {
    let proxy = scanning_with(|settings: &mut Settings| {
        patient(settings);
        settings.inspect.hold.longest = Duration::from_millis(200);
    });
    let (mut client, mut served) = ticker(&proxy, ("/ticks", ""), b"tick 1\n");
    client.head();
    comes(&mut client, "tick 1\n");
    assert_eq!(handed_over(&proxy, "hold"), 1);
    served.send([chunk(b"tick 2\n"), b"0\r\n\r\n".to_vec()].concat());
    comes(&mut client, "tick 2\n");
    assert_eq!(client.line(), "0");
}
