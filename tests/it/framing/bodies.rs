//! Request bodies that break their framing, and bodies that nobody wants: neither completes a message, neither becomes one.

use std::time::{Duration, Instant};

use crate::support::answer::{BodyEnd, answer, try_answer};
use crate::support::client::asking;
use crate::support::proxy::Proxy;
use crate::support::script::{Scripted, ok};
use crate::support::wire::{How, Wire, find};

const HEAD: &str = "POST http://{o}/upload HTTP/1.1\r\nHost: {o}\r\nTransfer-Encoding: chunked\r\n\r\n";
const SMUGGLED: &str = "GET http://{o}/smuggled HTTP/1.1\r\nHost: {o}\r\n\r\n";

/// What comes after a good first chunk. Every row is a fault.
fn faults() -> Vec<(&'static str, String)> {
    let rows = [
        ("S5 0x", "0x5\r\nhello\r\n0\r\n\r\n"),
        ("S5 plus sign", "+5\r\nhello\r\n0\r\n\r\n"),
        ("S5 minus sign", "-5\r\nhello\r\n0\r\n\r\n"),
        ("S5 underscore", "0_5\r\nhello\r\n0\r\n\r\n"),
        ("S5 empty size", "\r\nhello\r\n0\r\n\r\n"),
        ("S5 no size but an extension", ";a\r\n\r\n"),
        ("S5 space before the size", " 5\r\nhello\r\n0\r\n\r\n"),
        ("S5 space behind the size", "5 \r\nhello\r\n0\r\n\r\n"),
        ("S5 tab behind the size", "5\t\r\nhello\r\n0\r\n\r\n"),
        ("S5 17 digits", "00000000000000005\r\nhello\r\n0\r\n\r\n"),
        ("S5 2^64 + 5", "10000000000000005\r\nhello\r\n0\r\n\r\n"),
        ("S5 no hexadecimal digit", "g\r\nhello\r\n0\r\n\r\n"),
        ("S5 bare LF behind the size", "5\nhello\r\n0\r\n\r\n"),
        ("S5 bare CR behind the size", "5\rhello\r\n0\r\n\r\n"),
        ("S5 CR CR LF behind the size", "5\r\r\nhello\r\n0\r\n\r\n"),
        ("S5 one byte too many", "5\r\nhelloX\r\n0\r\n\r\n"),
        ("S5 two bytes in place of the line end", "5\r\nhelloXX0\r\n\r\n"),
        ("S5 bare LF behind the data", "5\r\nhello\n0\r\n\r\n"),
        ("S5 bare CR behind the data", "5\r\nhello\r0\r\n\r\n"),
        ("S6 bare LF ends an extension", "5;\nhello\r\n0\r\n\r\n"),
        ("S6 bare LF in an extension", "5;a\nb\r\nhello\r\n0\r\n\r\n"),
        ("S6 bare CR in an extension", "5;a\rb\r\nhello\r\n0\r\n\r\n"),
        ("S6 NUL in an extension", "5;a\0b\r\nhello\r\n0\r\n\r\n"),
        ("S6 bare LF behind the last chunk", "0\n\r\n"),
        ("S6 bare LF as the last line", "0\r\n\n"),
        ("S6 bare CR as the last line", "0\r\n\rX"),
        ("trailer with a space before the colon", "0\r\nA : b\r\n\r\n"),
        ("trailer that is folded", "0\r\nA: b\r\n c\r\n\r\n"),
        ("trailer that begins with a space", "0\r\n A: b\r\n\r\n"),
        ("trailer that ends in a bare LF", "0\r\nA: b\n\r\n"),
        ("trailer with NUL", "0\r\nA: \0\r\n\r\n"),
        ("trailer without a colon", "0\r\nGET / HTTP/1.1\r\n\r\n"),
    ];
    let mut rows: Vec<_> = rows.map(|(name, fault)| (name, fault.to_owned())).into();
    rows.push(("S6 200 kB of extension", format!("5;{}\r\nhello\r\n0\r\n\r\n", "a".repeat(200_000))));
    rows.push((
        "S6 200 kB of extensions over many chunks",
        format!("{}0\r\n\r\n", format!("1;{}\r\nx\r\n", "a".repeat(199)).repeat(1000)),
    ));
    rows.push(("20 kB of trailers", format!("0\r\n{}\r\n", "A: b\r\n".repeat(3_500))));
    rows
}

#[test]
fn a_chunk_fault_aborts_the_message_at_the_origin() {
    let proxy = Proxy::start();
    for (name, fault) in faults() {
        println!("{name}");
        let origin = silent();
        let mut client = begun(&proxy, &origin);
        // The refusal may come before the last byte is out.
        let _ = client.try_send(filled(&origin, &format!("{fault}{SMUGGLED}")));
        let seen = origin.ended(0);
        assert_eq!(seen.end, Some(How::Reset), "{name}: the message was not aborted: {:?}", seen.text());
        assert!(find(&seen.bytes, b"\r\n0\r\n").is_none(), "{name}: the message was completed: {:?}", seen.text());
        assert!(find(&seen.bytes, b"smuggled").is_none(), "{name}: {:?}", seen.text());
        refused_or_closed(name, &mut client);
        assert_eq!(origin.seen().len(), 1, "{name}: something more was run");
    }
}

#[test]
fn a_chunk_fault_right_behind_the_head_sends_nothing_of_the_body() {
    let proxy = Proxy::start();
    for (name, fault) in faults() {
        println!("{name}");
        let origin = silent();
        let mut client = Wire::connect(proxy.address());
        let _ = client.try_send(filled(&origin, &format!("{HEAD}{fault}{SMUGGLED}")));
        refused_or_closed(name, &mut client);
        // The dial comes first, so there may have been a connection.
        origin.seen();
        for seen in origin.wait_for("its end", |seen| seen.iter().all(|one| one.end.is_some())) {
            assert!(find(&seen.bytes, b"\r\n0\r\n").is_none(), "{name}: the message was completed: {:?}", seen.text());
            assert!(find(&seen.bytes, b"smuggled").is_none(), "{name}: {:?}", seen.text());
        }
    }
}

#[test]
fn a_body_cut_short_is_never_completed() {
    let proxy = Proxy::start();
    let length = "POST http://{o}/ HTTP/1.1\r\nHost: {o}\r\nContent-Length: 10\r\n\r\nhello";
    for (name, sent) in [("chunked", &*format!("{HEAD}5\r\nhello\r\n3\r\nab")), ("by length", length)] {
        println!("{name}");
        let origin = silent();
        let client = asking(&proxy, filled(&origin, sent));
        origin.wait_for("the body", |seen| seen.iter().any(|one| find(&one.bytes, b"hello").is_some()));
        client.finish();
        let seen = origin.ended(0);
        assert_eq!(seen.end, Some(How::Reset), "{name}");
        assert!(find(&seen.bytes, b"\r\n0\r\n").is_none(), "{name}: {:?}", seen.text());
    }
}

fn silent() -> Scripted {
    Scripted::start(|visit| while visit.head().is_some() {})
}

/// A client whose upload has reached the origin in part.
fn begun(proxy: &Proxy, origin: &Scripted) -> Wire {
    let client = asking(proxy, filled(origin, &format!("{HEAD}5\r\nfirst\r\n")));
    origin.wait_for("the first chunk", |seen| seen.iter().any(|one| find(&one.bytes, b"first\r\n").is_some()));
    client
}

fn filled(origin: &Scripted, text: &str) -> String {
    text.replace("{o}", &origin.address().to_string())
}

fn refused_or_closed(name: &str, client: &mut Wire) {
    if let Ok(refusal) = try_answer(client) {
        assert_eq!(refusal.status, 400, "{name}: {refusal:?}");
        let (rest, _) = client.rest();
        assert!(rest.is_empty(), "{name}: {:?}", String::from_utf8_lossy(&rest));
    }
}

/// A proxy that refuses everything on loopback but an origin at 127.0.0.2, the origin, and one that must hear nothing.
fn guarded() -> (Proxy, Scripted, Scripted) {
    let proxy = Proxy::with(|settings| settings.destinations.allow = vec!["127.0.0.2/32".parse().expect("net")]);
    let allowed = Scripted::on("127.0.0.2:0", |visit| {
        while visit.head().is_some() {
            visit.send(ok("second"));
        }
    });
    (proxy, allowed, Scripted::answering(ok("run")))
}

#[test]
fn a_small_unwanted_body_is_drained_and_the_connection_goes_on() {
    let (proxy, allowed, denied) = guarded();
    let second = filled(&allowed, "GET http://{o}/ HTTP/1.1\r\nHost: {o}\r\n\r\n");
    for (name, length) in [("no body", 0), ("1 KiB", 1024), ("64 KiB", 64 * 1024)] {
        println!("{name}");
        let head =
            filled(&denied, &format!("POST http://{{o}}/ HTTP/1.1\r\nHost: {{o}}\r\nContent-Length: {length}\r\n\r\n"));
        // A body that is a request must not be run.
        let body: Vec<u8> = filled(&denied, SMUGGLED).into_bytes().into_iter().cycle().take(length).collect();
        let mut client = asking(&proxy, [head.as_bytes(), &body, second.as_bytes()].concat());
        let refusal = answer(&mut client);
        assert_eq!((refusal.status, refusal.field("Connection")), (403, Some("keep-alive")), "{name}: {refusal:?}");
        assert_eq!(answer(&mut client).text(), "second", "{name}");
        assert!(denied.seen().is_empty(), "{name}");
        // And once more, the body a little later than its head.
        client.send(&head);
        assert_eq!(answer(&mut client).status, 403, "{name}");
        client.send([&body, second.as_bytes()].concat());
        assert_eq!(answer(&mut client).text(), "second", "{name}");
        assert!(denied.seen().is_empty(), "{name}");
    }
}

#[test]
fn behind_any_other_unwanted_body_the_connection_closes() {
    let (proxy, allowed, denied) = guarded();
    let second = filled(&allowed, "GET http://{o}/ HTTP/1.1\r\nHost: {o}\r\n\r\n");
    for (name, request) in [
        ("chunked", format!("{HEAD}5\r\nhello\r\n0\r\n\r\n")),
        (
            "over 64 KiB",
            format!(
                "POST http://{{o}}/ HTTP/1.1\r\nHost: {{o}}\r\nContent-Length: 65537\r\n\r\n{}",
                "a".repeat(65_537)
            ),
        ),
        (
            "expects 100",
            "POST http://{o}/ HTTP/1.1\r\nHost: {o}\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n".into(),
        ),
        ("S11 CONNECT", "CONNECT {o} HTTP/1.1\r\nHost: {o}\r\n\r\n".into()),
        ("HTTP/1.0", "POST http://{o}/ HTTP/1.0\r\nContent-Length: 5\r\n\r\nhello".into()),
        ("Connection: close", "GET http://{o}/ HTTP/1.1\r\nHost: {o}\r\nConnection: close\r\n\r\n".into()),
    ] {
        let mut client = asking(&proxy, filled(&denied, &request) + &second);
        let refusal = answer(&mut client);
        assert_eq!((refusal.status, refusal.field("Connection")), (403, Some("close")), "{name}: {refusal:?}");
        let (rest, end) = client.rest();
        assert_eq!((String::from_utf8_lossy(&rest).as_ref(), end), ("", How::Fin), "{name}");
        assert!(denied.seen().is_empty() && allowed.seen().is_empty(), "{name}: something was run");
    }
}

#[test]
fn our_own_pages_drain_too() {
    let (proxy, allowed, _denied) = guarded();
    let second = filled(&allowed, "GET http://{o}/ HTTP/1.1\r\nHost: {o}\r\n\r\n");
    let own = "POST /none HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello";
    let mut client = asking(&proxy, own.to_owned() + &second);
    assert_eq!(answer(&mut client).status, 404);
    assert_eq!(answer(&mut client).text(), "second");
}

/// Longest time for which the proxy reads on behind a refusal.
const LINGERS: Duration = Duration::from_secs(2);

#[test]
fn a_refused_upload_of_50_mb_reads_the_whole_page() {
    const UPLOAD: usize = 50_000_000;
    let (proxy, _allowed, denied) = guarded();
    let head =
        filled(&denied, &format!("POST http://{{o}}/ HTTP/1.1\r\nHost: {{o}}\r\nContent-Length: {UPLOAD}\r\n\r\n"));
    let piece = vec![b'a'; 1_000_000];
    for round in 0..100 {
        let began = Instant::now();
        let mut client = asking(&proxy, &head);
        let uploaded = (0..UPLOAD / piece.len()).try_for_each(|_| client.try_send(&piece));
        // On a machine so busy that this takes longer than the proxy waits, the upload may break off; the page may not.
        assert!(
            uploaded.is_ok() || began.elapsed() > LINGERS,
            "round {round}: {uploaded:?} after {:?}",
            began.elapsed()
        );
        let refusal = answer(&mut client);
        assert_eq!((refusal.status, refusal.end), (403, BodyEnd::Framed), "round {round}: {refusal:?}");
        assert!(uploaded.is_err() || client.rest() == (Vec::new(), How::Fin), "round {round}: no clean end");
    }
    assert!(denied.seen().is_empty());
}
