//! Client connections that carry many requests, and the upstream connections kept for them.

mod reuse;

use tether::base::reason::Reason;

use crate::support::answer::{answer, answer_head, try_answer};
use crate::support::client::{asking, get};
use crate::support::proxy::{Proxy, settings};
use crate::support::script::{Scripted, ok, path};
use crate::support::wire::How;

#[test]
fn pipelined_requests_are_answered_in_order() {
    let proxy = Proxy::start();
    let [one, two, three] = [0; 3].map(|_| Scripted::echoing_paths());
    let post = |origin: &Scripted| {
        format!("POST http://{0}/posted HTTP/1.1\r\nHost: {0}\r\nContent-Length: 0\r\n\r\n", origin.address())
    };
    let own = "GET /own HTTP/1.1\r\nHost: h\r\n\r\n".to_owned();
    let rows = [
        ("three to one origin", ["/a", "/b", "/c"].map(|path| get(one.address(), path)), ["/a", "/b", "/c"]),
        (
            "three to three origins",
            [get(one.address(), "/d"), get(two.address(), "/e"), get(three.address(), "/f")],
            ["/d", "/e", "/f"],
        ),
        ("of other methods", [get(one.address(), "/g"), post(&two), get(one.address(), "/h")], ["/g", "/posted", "/h"]),
        ("one of them for us", [get(one.address(), "/i"), own, get(one.address(), "/j")], ["/i", "404", "/j"]),
    ];
    for (name, requests, texts) in rows {
        println!("{name}");
        let mut client = asking(&proxy, requests.concat());
        for text in texts {
            let got = answer(&mut client);
            assert!(got.text().starts_with(text), "{name}: {got:?} is no answer to {text}");
        }
    }
}

#[test]
fn four_hundred_pipelined_requests_wait_for_their_turn() {
    let proxy = Proxy::start();
    let origin = Scripted::echoing_paths();
    let requests: Vec<String> = (0..400).map(|number| get(origin.address(), &format!("/{number:04}"))).collect();
    assert!((24 * 1024..60 * 1024).contains(&requests.concat().len()), "more than a segment, less than the read-ahead");
    let mut client = asking(&proxy, requests.concat());
    for number in 0..400 {
        assert_eq!(answer(&mut client).text(), format!("/{number:04}"));
    }
    assert_eq!(origin.seen().len(), 1);
}

#[test]
fn a_client_that_pipelines_without_measure_is_closed() {
    let proxy = Proxy::start();
    for (name, piece) in [
        ("while the origin thinks", ""),
        ("while the body comes", "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello"),
        ("while the last chunk is missing", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"),
    ] {
        println!("{name}");
        let origin = Scripted::start(move |visit| {
            visit.head();
            visit.send(piece);
        });
        let request = get(origin.address(), "/");
        let mut client = asking(&proxy, &request);
        origin.wait_for("the request", |seen| seen.iter().any(|one| one.bytes.ends_with(b"\r\n\r\n")));
        if !piece.is_empty() {
            assert_eq!(answer_head(&mut client).expect("the head").status, 200, "{name}");
        }
        // The refusal may come before the last byte is out.
        let _ = client.try_send(request.repeat(200_000 / request.len()));
        let seen = origin.ended(0);
        assert_eq!((seen.end, seen.text().matches("GET ").count()), (Some(How::Reset), 1), "{name}");
        assert_eq!(origin.seen().len(), 1, "{name}: requests behind the bound were run");
        drop(client);
    }
    let full = |proxy: &Proxy| {
        proxy.app().counters().iter().map(|worker| worker.closed[Reason::ReadAheadFull as usize].get()).sum::<u64>()
    };
    proxy.wait_until("three times full", |proxy| full(proxy) == 3);
}

#[test]
fn one_empty_line_between_requests_is_forgiven() {
    let proxy = Proxy::start();
    let origin = Scripted::start(|visit| {
        while let Some((head, _)) = visit.request() {
            visit.send(ok(path(&head)));
        }
    });
    let post =
        format!("POST http://{0}/posted HTTP/1.1\r\nHost: {0}\r\nContent-Length: 5\r\n\r\nhello", origin.address());
    let second = get(origin.address(), "/second");
    for (name, first, text) in
        [("behind a GET", get(origin.address(), "/first"), "/first"), ("behind a body", post, "/posted")]
    {
        println!("{name}");
        let mut client = asking(&proxy, format!("{first}\r\n{second}"));
        assert_eq!(answer(&mut client).text(), text, "{name}");
        assert_eq!(answer(&mut client).text(), "/second", "{name}");
        // The line alone, then the request.
        client.send(format!("{first}\r\n"));
        assert_eq!(answer(&mut client).text(), text, "{name}");
        client.send(&second);
        assert_eq!(answer(&mut client).text(), "/second", "{name}");
        // And in the middle of the line.
        client.send(format!("{first}\r"));
        assert_eq!(answer(&mut client).text(), text, "{name}");
        client.send(format!("\n{second}"));
        assert_eq!(answer(&mut client).text(), "/second", "{name}");
    }
}

#[test]
fn requests_that_come_back_to_us_are_refused() {
    let proxy = Proxy::start();
    let origin = Scripted::echoing_paths();
    answer(&mut asking(&proxy, get(origin.address(), "/")));
    let heard = origin.seen()[0].text();
    let us = heard.split_once("Via: 1.1 ").and_then(|(_, rest)| rest.split_once("\r\n")).expect("a Via").0.to_owned();
    let to = origin.address();
    for (name, fields, status) in [
        ("our name", format!("Via: 1.1 {us}\r\n"), 502),
        ("our name among others", format!("Via: 1.0 a, HTTP/1.1 {us} (x), 1.1 b\r\n"), 502),
        ("our name in the second field", format!("Via: 1.1 a\r\nvia: 1.1 {us}\r\n"), 502),
        ("a name like ours", format!("Via: 1.1 {us}9\r\n"), 200),
        ("another proxy", "Via: 1.1 tether-00000000\r\n".into(), 200),
    ] {
        println!("{name}");
        let mut client = asking(&proxy, format!("GET http://{to}/ HTTP/1.1\r\nHost: {to}\r\n{fields}\r\n"));
        let got = answer(&mut client);
        assert_eq!(got.status, status, "{name}: {got:?}");
        if status == 502 {
            assert!(got.field("Proxy-Status").expect("a reason").contains("proxy_loop_detected"), "{name}: {got:?}");
        }
    }
    let own = asking(&proxy, get(proxy.address(), "/"));
    assert_eq!(answer(&mut { own }).status, 502, "our own address");
    assert_eq!(origin.seen().len(), 3);
}

#[test]
fn a_client_that_wants_its_connection_closed_gets_that() {
    let proxy = Proxy::start();
    let origin = Scripted::echoing_paths();
    for (version, fields) in [
        ("1.1", "Connection: close\r\n"),
        ("1.1", "Connection: keep-alive, CLOSE\r\n"),
        ("1.1", "Connection: close\r\nConnection: keep-alive\r\n"),
        ("1.0", ""),
        ("1.0", "Connection: close\r\n"),
        // `close` wins over whatever else is said (RFC 9112 section 9.3).
        ("1.0", "Connection: keep-alive, close\r\n"),
        ("1.0", "Connection: close\r\nConnection: keep-alive\r\n"),
    ] {
        println!("{version} {fields:?}");
        let request = format!("GET http://{0}/ HTTP/{version}\r\nHost: {0}\r\n{fields}\r\n", origin.address());
        let mut client = asking(&proxy, request.repeat(2));
        let got = answer(&mut client);
        assert_eq!(
            (got.text().as_str(), got.field("Connection")),
            ("/", Some("close")),
            "{version} {fields:?}: {got:?}"
        );
        assert_eq!(client.rest(), (Vec::new(), How::Fin), "{version} {fields:?}");
    }
    assert_eq!(origin.seen().len(), 7);
}

#[test]
fn one_proxy_behind_another_is_no_loop() {
    let (near, far) = (Proxy::start(), Proxy::start());
    // `near` asks `far` as an origin, in origin form: there is no such page, but it was understood.
    let got = answer(&mut asking(&near, get(far.address(), "/page")));
    assert_eq!(got.status, 404, "{got:?}");
    assert!(got.field("Via").is_some_and(|via| via.starts_with("1.1 tether-")), "{got:?}");
}

#[test]
fn an_idle_client_is_closed_without_a_word() {
    let patient = settings().timeouts.client_idle;
    let proxy = Proxy::with(|settings| settings.timeouts.client_idle = patient / 600);
    let origin = Scripted::echoing_paths();
    let mut client = asking(&proxy, get(origin.address(), "/"));
    assert_eq!(answer(&mut client).text(), "/");
    let none = try_answer(&mut client).expect_err("nobody asked");
    assert_eq!((none.bytes.len(), none.end), (0, How::Fin));
    assert_eq!(origin.ended(0).end, Some(How::Fin), "nothing was under way");
}
