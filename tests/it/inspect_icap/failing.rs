//! Services that fail: what they are set to decides whether the message goes on, and the log says who it was.

use super::*;
use crate::icap::server::replace;

/// How a service fails.
type Failure = (&'static str, fn(&mut Visit));

/// Every way to fail, as the server does it once it has the whole message.
const FAILURES: &[Failure] = &[
    ("closes", Visit::finish),
    ("resets", Visit::reset),
    ("never answers", |_| {}),
    ("has an error", |visit| say(visit, "ICAP/1.0 500 Server error\r\n\r\n")),
    ("has too much to do", |visit| say(visit, "ICAP/1.0 503 Overloaded\r\n\r\n")),
    ("does not know us", |visit| say(visit, "ICAP/1.0 403 Forbidden\r\nConnection: close\r\n\r\n")),
    ("does not know itself", |visit| say(visit, "ICAP/1.0 404 Service not found\r\n\r\n")),
    ("finds our request bad", |visit| say(visit, "ICAP/1.0 400 Bad request\r\n\r\n")),
    ("speaks HTTP", |visit| say(visit, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")),
    ("talks nonsense", |visit| say(visit, "nonsense\r\n\r\n")),
    ("has no parts", |visit| say(visit, "ICAP/1.0 200 OK\r\n\r\n")),
    ("points outside", |visit| say(visit, "ICAP/1.0 200 OK\r\nEncapsulated: res-hdr=0, res-body=999999999\r\n\r\n")),
    ("says what was not asked", |visit| say(visit, &replace("HTTP/1.1 101 Switching Protocols\r\n\r\n", "0\r\n\r\n"))),
    ("ends in the body", |visit| {
        say(visit, &replace("HTTP/1.1 200 OK\r\n\r\n", "5\r\nhel"));
        visit.finish();
    }),
    ("ends before the length", |visit| {
        say(visit, &replace("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n", "5\r\nadapt\r\n0\r\n\r\n"));
    }),
    ("stops in the body", |visit| say(visit, &replace("HTTP/1.1 200 OK\r\n\r\n", "5\r\nadapt\r\n"))),
    ("breaks its chunks", |visit| say(visit, &replace("HTTP/1.1 200 OK\r\n\r\n", "zz\r\nadapt\r\n0\r\n\r\n"))),
    ("could not scan", |visit| say(visit, &replace("HTTP/1.1 500 Scan error\r\n\r\n", "5\r\nadapt\r\n0\r\n\r\n"))),
];

/// Those of them that are, in answer to a request, a page that does not come to its end.
const BROKEN_PAGES: &[&str] = &["ends in the body", "ends before the length", "stops in the body", "breaks its chunks"];

fn say(visit: &mut Visit, words: &str) {
    visit.send(words);
}

/// A service whose server does this, with limits that do not last.
fn broken(fails: fn(&mut Visit), on_failure: OnFailure, method: IcapMethod) -> (Scanner, IcapService) {
    let scanner = Scanner::answering(PREVIEW, move |visit, _| fails(visit));
    let mut service = IcapService { on_failure, on_overload: on_failure, methods: vec![method], ..scanner.named("av") };
    (service.timeouts.first_reply, service.timeouts.idle) = (SHORT, SHORT);
    (scanner, service)
}

/// The reason of a message that is refused for it, and why one passes unscanned.
fn words(how: &str) -> (&'static str, Unscanned) {
    match how {
        "has too much to do" => ("scan_overload", Unscanned::Overload),
        _ => ("scanner_failed", Unscanned::ScannerDown),
    }
}

#[test]
fn what_fails_and_what_has_too_much_to_do_are_apart() {
    let origin = page("hello");
    for (status, on_failure, on_overload) in [
        (503, OnFailure::Pass, OnFailure::Block),
        (503, OnFailure::Block, OnFailure::Pass),
        (500, OnFailure::Pass, OnFailure::Block),
        (500, OnFailure::Block, OnFailure::Pass),
    ] {
        let scanner = Scanner::judging(move |_| format!("ICAP/1.0 {status} No\r\n\r\n").into_bytes());
        let scene = Scene::of(vec![IcapService { on_failure, on_overload, ..scanner.named("av") }]);
        let passes = if status == 503 { on_overload } else { on_failure } == OnFailure::Pass;
        let got = scene.get(&origin, "/a");
        assert_eq!(got.status, if passes { 200 } else { 503 }, "{status} {on_failure:?} {on_overload:?}");
    }
}

#[test]
fn a_response_that_could_not_be_judged() {
    let body = String::from_utf8(vec![b'o'; 5000]).expect("text");
    let origin = page(&body);
    for (how, fails) in FAILURES {
        let (_scanner, service) = broken(*fails, OnFailure::Block, IcapMethod::Respmod);
        let scene = Scene::of(vec![service]);
        let mut client = scene.asks(get(origin.address(), "/a"));
        let got = answer(&mut client);
        assert_eq!(got.status, 503, "it {how}: {}", got.head);
        assert!(!got.text().contains("ooo") && !got.text().contains("adapt"), "it {how}: {}", got.text());
        let line = scene.line(0);
        let (reason, unscanned) = words(how);
        assert_eq!((told(&line)[0], told(&line)[3]), (reason, "av"), "it {how}: {line}");
        assert!(line["threat"].as_str().is_some_and(|why| !why.is_empty()), "it {how}: {line}");
        drop(client);
        scene.wait_until_empty();

        let (_scanner, service) = broken(*fails, OnFailure::Pass, IcapMethod::Respmod);
        let scene = Scene::of(vec![service]);
        let got = scene.get(&origin, "/a");
        assert!(got.status == 200 && got.text() == body, "it {how}: {}", got.head);
        let line = scene.line(0);
        assert_eq!(told(&line), ["done", "whole", "unscanned", "av"], "it {how}: {line}");
        assert_eq!(line["unscanned"], unscanned.label(), "it {how}: {line}");
        assert!(scene.unscanned(unscanned) >= body.len() as u64, "it {how}");
        scene.wait_until_empty();
    }
}

#[test]
fn a_request_that_could_not_be_judged() {
    for (how, fails) in FAILURES.iter().filter(|(how, _)| *how != "could not scan") {
        let origin = page("hello");
        let post =
            format!("POST http://{0}/a HTTP/1.1\r\nHost: {0}\r\nContent-Length: 4\r\n\r\nbody", origin.address());
        for request in [get(origin.address(), "/a"), post] {
            let (_scanner, service) = broken(*fails, OnFailure::Block, IcapMethod::Reqmod);
            let scene = Scene::of(vec![service]);
            if BROKEN_PAGES.contains(how) {
                // It is not to go on, that much is known.
                let got = answer(&mut scene.asks(&request));
                assert!(got.status == 403 && !got.text().contains("adapt"), "it {how}: {}", got.head);
            } else {
                assert_eq!(answer(&mut scene.asks(&request)).status, 503, "it {how}");
                let line = scene.line(0);
                assert_eq!((told(&line)[0], told(&line)[3]), (words(how).0, "av"), "it {how}: {line}");
            }
            assert!(origin.seen().is_empty(), "it {how}");
        }
    }
}

#[test]
fn a_request_passes_a_service_that_fails_where_that_is_set() {
    for (how, fails) in &FAILURES[..13] {
        let origin = page("hello");
        let (_scanner, service) = broken(*fails, OnFailure::Pass, IcapMethod::Reqmod);
        let scene = Scene::of(vec![service]);
        let post =
            format!("POST http://{0}/a HTTP/1.1\r\nHost: {0}\r\nContent-Length: 4\r\n\r\nbody", origin.address());
        assert_eq!(answer(&mut scene.asks(&post)).text(), "hello", "it {how}");
        assert!(origin.seen()[0].text().ends_with("\r\n\r\nbody"), "it {how}");
        assert_eq!(scene.line(0)["upload_unscanned"], words(how).1.label(), "it {how}");
    }
}

#[test]
fn nobody_listens() {
    let gone = Scanner::clean().named("av");
    let origin = page("hello");
    let scene = Scene::of(vec![gone.clone()]);
    for number in 0..8 {
        // First nobody answers there, then nobody is asked any more.
        assert_eq!(scene.get(&origin, "/a").status, 503, "{number}");
        assert_eq!(told(&scene.line(number))[3], "av");
    }
    assert_eq!(scene.stats()[0].servers[0].breaker.label(), "open");
    assert!(scene.ended(Ended::Unavailable) > 0);
    let scene = Scene::of(vec![IcapService { on_failure: OnFailure::Pass, ..gone }]);
    for _ in 0..8 {
        assert_eq!(scene.get(&origin, "/a").text(), "hello");
    }
}

#[test]
fn the_next_service_is_asked_all_the_same() {
    let second = Scanner::finding("virus");
    let (_scanner, first) = broken(Visit::reset, OnFailure::Pass, IcapMethod::Respmod);
    let scene = Scene::of(vec![first, second.named("second")]);
    assert_eq!(scene.get(&page("fine"), "/a").text(), "fine");
    assert_eq!(scene.line(0)["unscanned"], "scanner_down");
    assert_eq!(scene.get(&page("a virus"), "/a").text(), PAGE);
    let line = scene.line(1);
    assert_eq!(told(&line)[2..], ["blocked", "second"]);
}
