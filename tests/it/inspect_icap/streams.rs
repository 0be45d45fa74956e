//! Streams before services: each piece is a message of its own, and what is found in one stops the rest.

use std::io::Write;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::json;
use tether::inspect::book::InspectRule;
use tether::inspect::course::{Over, StreamScan};

use super::*;
use crate::icap::server::replace;
use crate::support::answer::{BodyEnd, answer_head};
use crate::support::origin::Origin;
use crate::support::wire::{How, find};

/// Head of an event stream.
pub const EVENTS: &str = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n";
/// Bytes of a batch.
const BATCH: usize = 64 * 1024;

/// Services see streams in this way.
pub fn seen(streams: StreamScan) -> impl FnOnce(&mut Settings) {
    move |settings| settings.inspect_rules = vec![InspectRule { streams: Some(streams), ..InspectRule::new("streams") }]
}

/// An event of `length` bytes.
fn event(length: usize, word: &str) -> String {
    format!("data: {word}{}\n\n", "x".repeat(length - word.len() - 8))
}

/// A client to whom the first event of a stream has come, and the origin's end of the connection.
fn flowing(scene: &Scene, origin: &Origin) -> (Wire, Wire) {
    let mut client = scene.asks(get(origin.address(), "/live"));
    let mut served = origin.accept();
    served.head();
    served.send([EVENTS, "data: one\n\n"].concat());
    assert_eq!(answer_head(&mut client).expect("a head").status, 200);
    let got = client.exactly("data: one\n\n".len());
    assert_eq!(got, b"data: one\n\n");
    (client, served)
}

/// Whatever is left of a body that ends with its connection, and whether it came to its end.
fn remains(client: &mut Wire) -> (Vec<u8>, How) {
    client.rest()
}

#[test]
fn what_is_found_in_a_batch_cuts_the_stream_there() {
    let scanner = Scanner::finding("virus");
    let scene = Scene::of(vec![scanner.named("av")]);
    let origin = Origin::bind();
    let (mut client, mut served) = flowing(&scene, &origin);
    let (clean, bad) = (event(BATCH, "clean"), event(BATCH, "virus"));
    served.send(&clean);
    assert_eq!(client.exactly(clean.len()), clean.as_bytes());
    scene.proxy.wait_until("seen", |_| scanner.shown().len() == 2);
    served.send(&bad);
    let (rest, end) = remains(&mut client);
    assert!(end == How::Reset, "{end:?}");
    assert!(rest.len() <= bad.len(), "{} bytes went on", rest.len());
    let line = scene.line(0);
    assert_eq!(told(&line), ["content_cut", "window", "cut", "av"]);
    assert_eq!(line["threat"], "Test.Virus");
    served.ending();
    // Its client comes back at once, as event sources do: not to the origin.
    let again = answer(&mut scene.asks(get(origin.address(), "/live")));
    assert_eq!(again.status, 403);
    assert_eq!(told(&scene.line(1))[0], "url_blocked");
    scene.wait_until_empty();
}

#[test]
fn what_lies_over_the_border_of_two_batches_is_seen_in_one_piece() {
    let scanner = Scanner::finding("virus");
    let scene = Scene::of(vec![scanner.named("av")]);
    let origin = Origin::bind();
    let (mut client, mut served) = flowing(&scene, &origin);
    let first = event(BATCH, "clean").trim_end().to_owned() + "vir";
    served.send(&first);
    scene.proxy.wait_until("seen", |_| scanner.shown().len() == 2);
    served.send(format!("us\n\n{}", event(BATCH, "clean")));
    assert!(remains(&mut client).1 == How::Reset);
    assert_eq!(told(&scene.line(0)), ["content_cut", "window", "cut", "av"]);
}

#[test]
fn what_lies_over_the_border_of_the_first_piece_and_the_next_is_too() {
    let scanner = Scanner::finding("one\n\ndata: two");
    for streams in [StreamScan::Async, StreamScan::Sync] {
        let scene = Scene::with(vec![scanner.named("av")], seen(streams));
        let origin = Origin::bind();
        let (mut client, mut served) = flowing(&scene, &origin);
        served.send("data: two\n\n");
        served.finish();
        assert_eq!(remains(&mut client).1, How::Reset, "{streams:?}");
        assert_eq!(told(&scene.line(0)), ["content_cut", "window", "cut", "av"], "{streams:?}");
        drop(client);
        scene.wait_until_empty();
    }
}

#[test]
fn what_is_found_in_the_first_piece_is_a_page() {
    let scanner = Scanner::finding("virus");
    for streams in [StreamScan::Async, StreamScan::Sync] {
        let scene = Scene::with(vec![scanner.named("av")], seen(streams));
        let origin = Origin::bind();
        let mut client = scene.asks(get(origin.address(), "/live"));
        let mut served = origin.accept();
        served.head();
        served.send([EVENTS, "data: virus\n\n"].concat());
        let got = answer(&mut client);
        assert_eq!((got.status, got.text().as_str(), got.end), (403, PAGE, BodyEnd::Framed), "{streams:?}");
        served.ending();
        assert_eq!(told(&scene.line(0))[2..], ["blocked", "av"], "{streams:?}");
        drop(client);
        scene.wait_until_empty();
    }
}

#[test]
fn nothing_goes_on_before_its_verdict_where_that_is_set() {
    let (say, said) = mpsc::channel::<Vec<u8>>();
    let said = Mutex::new(said);
    let scanner = Scanner::answering(PREVIEW, move |visit, _| {
        visit.send(said.lock().expect("said").recv_timeout(SOON).expect("a verdict"));
    });
    let scene = Scene::with(vec![scanner.named("av")], seen(StreamScan::Sync));
    let origin = Origin::bind();
    say.send(UNCHANGED.into()).expect("told");
    let (mut client, mut served) = flowing(&scene, &origin);
    for number in 0..3 {
        served.send("data: more\n\n");
        scene.proxy.wait_until("shown", |_| scanner.shown().len() == number + 2);
        assert!(!client.has_more(), "before the verdict");
        assert!(scanner.shown()[number + 1].text().ends_with("data: more\n\n"));
        say.send(UNCHANGED.into()).expect("told");
        assert_eq!(client.exactly(12), b"data: more\n\n");
    }
    served.send("data: virus\n\n");
    scene.proxy.wait_until("shown", |_| scanner.shown().len() == 5);
    say.send(blocked(PAGE)).expect("told");
    let (rest, end) = remains(&mut client);
    assert!(rest.is_empty() && end == How::Reset, "{rest:?} {end:?}");
    assert_eq!(told(&scene.line(0)), ["content_cut", "window", "cut", "av"]);
}

#[test]
fn the_last_piece_is_scanned_before_the_end_is_told() {
    for streams in [StreamScan::Async, StreamScan::Sync] {
        let scanner = Scanner::finding("virus");
        let scene = Scene::with(vec![scanner.named("av")], seen(streams));
        for (last, whole) in [("data: good\n\n", true), ("data: virus\n\n", false)] {
            let origin = Origin::bind();
            let (mut client, mut served) = flowing(&scene, &origin);
            served.send(last);
            served.finish();
            let (rest, end) = remains(&mut client);
            assert_eq!(end == How::Fin, whole, "{streams:?} {last:?}: {end:?}");
            assert_eq!(rest == last.as_bytes(), whole || streams == StreamScan::Async, "{streams:?} {last:?}");
        }
        scene.wait_until_empty();
    }
}

#[test]
fn a_body_of_known_length_has_its_end_once_all_of_it_is_scanned() {
    let clean = "x".repeat(3 * BATCH);
    for (last, whole) in [("good", true), ("virus", false)] {
        let scanner = Scanner::finding("virus");
        let scene = Scene::with(vec![scanner.named("av")], |settings| {
            settings.inspect_rules = vec![InspectRule { max_body: Some(1000), ..InspectRule::new("large") }];
        });
        let body = [&clean, last].concat();
        let got = scene.get(&page(&body), "/large");
        assert_eq!(got.end == BodyEnd::Framed, whole, "{last}: {} bytes came of {}", got.body.len(), body.len());
        assert_eq!(told(&scene.line(0))[0], if whole { "done" } else { "content_cut" });
        scene.wait_until_empty();
    }
}

#[test]
fn a_stream_that_services_do_not_see_is_counted() {
    let scanner = Scanner::clean();
    for with_ours in [false, true] {
        let scene = Scene::with(vec![scanner.named("av")], |settings| {
            seen(StreamScan::Off)(settings);
            if with_ours {
                settings.inspect.default.insert(0, ScannerName::BuiltIn);
            }
        });
        let origin = Origin::bind();
        let (mut client, mut served) = flowing(&scene, &origin);
        served.send("data: two\n\n");
        served.finish();
        assert_eq!(remains(&mut client), (b"data: two\n\n".to_vec(), How::Fin));
        let line = scene.line(0);
        assert_eq!((&line["reason"], &line["unscanned"]), (&"done".into(), &"stream".into()), "{line}");
        assert_eq!(line["verdict"] == "unscanned", !with_ours, "{line}");
        assert!(scene.unscanned(Unscanned::Stream) > 0);
    }
    assert!(scanner.visits().is_empty());
}

#[test]
fn parts_that_nobody_can_decode_count_as_not_scanned() {
    let scanner = Scanner::clean();
    let mut packed = GzEncoder::new(Vec::new(), Compression::none());
    packed.write_all(&noise(3 * BATCH)).expect("in memory");
    let packed = packed.finish().expect("in memory");
    for (fields, body, with_ours, verdict) in [
        ("Content-Encoding: gzip\r\n", &packed[..], false, ("unscanned", json!("coding"))),
        ("", &packed, false, ("unscanned", json!("coding"))),
        ("Content-Encoding: gzip\r\n", &packed, true, ("clean", Value::Null)),
        ("", &noise(3 * BATCH), false, ("clean", Value::Null)),
    ] {
        let scene = Scene::with(vec![scanner.named("av")], |settings| {
            let (max_body, over) = (Some(1000), Some(Over::Window));
            settings.inspect_rules = vec![InspectRule { max_body, over, ..InspectRule::new("large") }];
            if with_ours {
                settings.inspect.default.insert(0, ScannerName::BuiltIn);
            }
        });
        let head = format!("HTTP/1.1 200 OK\r\n{fields}Content-Length: {}\r\n\r\n", body.len());
        let got = scene.get(&Scripted::answering([head.as_bytes(), body].concat()), "/a");
        assert!(got.body == body, "{fields:?}");
        let line = scene.line(0);
        assert_eq!((told(&line)[2], line["unscanned"].clone()), verdict, "{fields:?} {with_ours}: {line}");
        assert_eq!(scene.unscanned(Unscanned::Coding) > 0, verdict.0 == "unscanned", "{fields:?} {with_ours}");
    }
}

/// A service that says that the first message is clean, and answers the others so.
fn failing_later(answer: String) -> Scanner {
    Scanner::answering(PREVIEW, move |visit, shown| {
        let first = shown.field("X-Scan-Window") == Some("0");
        visit.send(if first { UNCHANGED } else { &answer });
    })
}

/// An error, and a body that is broken off: some servers do so where they find something in it.
fn failures() -> [String; 2] {
    let broken_off = replace("HTTP/1.1 200 OK\r\nContent-Length: 65536\r\n\r\n", "5\r\ndata:\r\n0\r\n\r\n");
    ["ICAP/1.0 500 Server error\r\n\r\n".to_owned(), broken_off]
}

#[test]
fn a_service_that_fails_in_the_middle_cuts_or_is_passed_by() {
    for (streams, fails) in [StreamScan::Async, StreamScan::Sync].into_iter().zip(failures()) {
        for on_failure in [OnFailure::Block, OnFailure::Pass] {
            let scanner = failing_later(fails.clone());
            let service = IcapService { on_failure, ..scanner.named("av") };
            let scene = Scene::with(vec![service], seen(streams));
            let origin = Origin::bind();
            let (mut client, mut served) = flowing(&scene, &origin);
            let more = event(BATCH, "more");
            served.send(&more);
            if on_failure == OnFailure::Block {
                let (rest, end) = remains(&mut client);
                assert!(end == How::Reset, "{streams:?}: {end:?}");
                assert!(streams == StreamScan::Async || rest.is_empty());
                let line = scene.line(0);
                assert_eq!((told(&line)[0], told(&line)[3]), ("scanner_cut", "av"), "{line}");
                served.ending();
            } else {
                assert_eq!(client.exactly(more.len()), more.as_bytes());
                served.send("data: end\n\n");
                served.finish();
                assert_eq!(remains(&mut client), (b"data: end\n\n".to_vec(), How::Fin));
                let line = scene.line(0);
                assert_eq!((told(&line)[0], told(&line)[3]), ("done", "av"), "{line}");
                assert_eq!(line["unscanned"], "scanner_down", "{line}");
                assert!(scene.unscanned(Unscanned::ScannerDown) > 0);
            }
            drop(client);
            scene.wait_until_empty();
        }
    }
}

#[test]
fn a_service_that_asks_to_be_left_alone_for_a_while_cuts_nothing() {
    for streams in [StreamScan::Async, StreamScan::Sync] {
        let refused = AtomicBool::new(false);
        let scanner = Scanner::answering(PREVIEW, move |visit, shown| {
            let full = shown.field("X-Scan-Window") != Some("0") && !refused.swap(true, Ordering::Relaxed);
            visit.send(if full { "ICAP/1.0 503 Overloaded\r\nRetry-After: 1\r\n\r\n" } else { UNCHANGED });
        });
        let scene = Scene::with(vec![scanner.named("av")], seen(streams));
        let origin = Origin::bind();
        let (mut client, mut served) = flowing(&scene, &origin);
        let more = event(BATCH, "more");
        served.send(&more);
        assert_eq!(client.exactly(more.len()), more.as_bytes());
        served.finish();
        assert_eq!(remains(&mut client), (Vec::new(), How::Fin), "{streams:?}");
        assert_eq!((told(&scene.line(0))[0], scene.ended(Ended::Overload)), ("done", 1), "{streams:?}");
        drop(client);
        scene.wait_until_empty();
    }
}

#[test]
fn what_a_service_makes_of_a_piece_does_not_change_the_stream() {
    let scanner = Scanner::judging(|_| crate::icap::server::replace_by(b"other"));
    let scene = Scene::of(vec![scanner.named("av")]);
    let origin = Origin::bind();
    let (mut client, mut served) = flowing(&scene, &origin);
    served.send("data: two\n\n");
    served.finish();
    let (rest, end) = remains(&mut client);
    assert_eq!((rest, end), (b"data: two\n\n".to_vec(), How::Fin));
    assert!(find(&scanner.shown()[1].body, b"data: two\n\n").is_some());
}
