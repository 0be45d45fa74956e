//! Upgrades over plain HTTP: only after a 101 that names what was asked for, and never to HTTP/2.

use std::sync::{Mutex, mpsc};

use crate::support::answer::{BodyEnd, answer, answer_head};
use crate::support::client::asking;
use crate::support::proxy::Proxy;
use crate::support::random::Random;
use crate::support::script::{Scripted, Visit, ok, path};
use crate::support::wire::How;

const SWITCH: &str = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n";

/// An upgrade request with these fields.
fn asks(origin: &Scripted, fields: &str) -> String {
    format!("GET http://{0}/chat HTTP/1.1\r\nHost: {0}\r\n{fields}\r\n", origin.address())
}

fn websocket(origin: &Scripted) -> String {
    asks(origin, "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n")
}

/// Sends back what comes, to the end.
fn echo(visit: &mut Visit) {
    while let Some(byte) = visit.exactly(1) {
        visit.send(byte);
    }
    visit.finish();
}

#[test]
fn a_switched_connection_carries_both_directions() {
    let proxy = Proxy::start();
    let origin = Scripted::start(|visit| {
        visit.head();
        visit.send(format!("{SWITCH}welcome"));
        echo(visit);
    });
    // What the client says too early is for the other side of the switch, if there is one.
    let mut client = asking(&proxy, websocket(&origin) + "early");
    let head = answer_head(&mut client).expect("a head");
    assert_eq!(
        (head.status, head.field("Upgrade"), head.field("Connection")),
        (101, Some("websocket"), Some("Upgrade"))
    );
    assert_eq!(client.exactly(12), b"welcomeearly", "bytes sent with the 101 arrive, and before all others");
    for text in ["ping", "\x01\0\r\n\r\n", "GET / HTTP/1.1\r\n\r\n"] {
        client.send(text);
        assert_eq!(client.exactly(text.len()), text.as_bytes());
    }
    client.finish();
    assert_eq!(client.rest(), (Vec::new(), How::Fin));
    let heard = origin.ended(0).text();
    let (head, _) = heard.split_once("\r\n\r\n").expect("a head");
    assert!(
        head.contains("\r\nSec-WebSocket-Version: 13\r\n")
            && head.ends_with("\r\nUpgrade: websocket\r\nConnection: Upgrade")
    );
    proxy.wait_until_empty();
}

#[test]
fn a_switched_connection_carries_bulk() {
    const BULK: usize = 8_000_000;
    let proxy = Proxy::start();
    let mut sent = vec![0; BULK];
    Random::seeded(6455).fill(&mut sent);
    let (theirs, ours) = (sent.clone(), sent);
    let origin = Scripted::start(move |visit| {
        visit.head();
        visit.send(SWITCH);
        visit.send(&theirs);
        assert!(visit.exactly(BULK).is_some_and(|got| got == theirs), "the origin got other bytes");
        visit.send("done");
    });
    let mut client = asking(&proxy, websocket(&origin));
    assert_eq!(answer_head(&mut client).expect("a head").status, 101);
    assert!(client.exactly(BULK) == ours, "the client got other bytes");
    client.send(&ours);
    assert_eq!(client.exactly(4), b"done");
}

#[test]
fn bytes_behind_an_upgrade_wait_for_the_answer() {
    let proxy = Proxy::start();
    let (read, was_read) = mpsc::channel::<()>();
    let was_read = Mutex::new(was_read);
    let origin = Scripted::start(move |visit| {
        visit.head();
        visit.send("HTTP/1.1 103 Early Hints\r\n\r\n");
        let _ = was_read.lock().expect("gate").recv();
        // Whatever were sent on before the switch would be here now, and be answered first.
        let early = visit.pending();
        visit.send(format!("{SWITCH}{early};"));
        echo(visit);
    });
    let mut client = asking(&proxy, websocket(&origin) + "early");
    assert_eq!(answer(&mut client).status, 103);
    read.send(()).expect("the origin waits");
    assert_eq!(answer_head(&mut client).expect("a head").status, 101);
    assert_eq!(client.exactly(6), b";early", "CVE-2026-2833: bytes were sent on before the 101");
}

#[test]
fn behind_an_answer_that_is_no_switch_bytes_are_the_next_request() {
    let proxy = Proxy::start();
    for (name, first) in [
        ("200", ok("/chat")),
        ("200 chunked", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n/chat\r\n0\r\n\r\n".into()),
        ("200 with the fields of a switch", "HTTP/1.1 200 OK\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nContent-Length: 5\r\n\r\n/chat".into()),
        ("426", "HTTP/1.1 426 Upgrade Required\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nContent-Length: 5\r\n\r\n/chat".into()),
    ] {
        println!("{name}");
        let origin = Scripted::start(move |visit| {
            while let Some(head) = visit.head() {
                visit.send(if path(&head) == "/chat" { first.clone() } else { ok(path(&head)) });
            }
        });
        let secret = "X-Forwarded-For: 1.2.3.4\r\nConnection: X-Forwarded-For\r\n";
        let second = format!("GET http://{0}/second HTTP/1.1\r\nHost: {0}\r\n{secret}\r\n", origin.address());
        let mut client = asking(&proxy, websocket(&origin) + &second);
        for text in ["/chat", "/second"] {
            let got = answer(&mut client);
            assert_eq!((got.text().as_str(), got.end), (text, BodyEnd::Framed), "{name}: {got:?}");
            assert_eq!(got.field("Upgrade"), None, "{name}: {got:?}");
        }
        let heard: String = origin.seen().iter().map(|seen| seen.text()).collect();
        assert_eq!(heard.matches("Via: 1.1 ").count(), 2, "{name}: passed on unread: {heard:?}");
        assert!(heard.contains("GET /second HTTP/1.1\r\n") && !heard.contains("1.2.3.4"), "{name}: {heard:?}");
        // And frames of a switch that did not happen are no request at all.
        let mut client = asking(&proxy, websocket(&origin) + "\u{81}\x05hello\r\n\r\n");
        assert_eq!(answer(&mut client).text(), "/chat", "{name}");
        assert_eq!(answer(&mut client).status, 400, "{name}");
        assert_eq!(client.rest(), (Vec::new(), How::Fin), "{name}");
    }
}

#[test]
fn only_upgrades_that_can_be_kept_go_on_and_never_to_http2() {
    let proxy = Proxy::start();
    let (both, none) = ("Connection: Upgrade, HTTP2-Settings\r\n", None);
    for (name, fields, asked) in [
        ("websocket", format!("{both}Upgrade: websocket\r\n"), Some("websocket")),
        ("two", format!("{both}Upgrade: a/1, b/2\r\n"), Some("a/1, b/2")),
        ("S14 h2c", format!("{both}Upgrade: h2c\r\n"), none),
        ("S14 H2C", format!("{both}Upgrade: H2C\r\n"), none),
        ("S14 h2c first", format!("{both}Upgrade: h2c, websocket\r\n"), Some("websocket")),
        ("S14 h2c last", format!("{both}Upgrade: websocket,h2c\r\n"), Some("websocket")),
        ("S14 h2c twice", format!("{both}Upgrade: h2c,h2c\r\n"), none),
        ("without Connection", "Upgrade: websocket\r\n".into(), none),
        ("with another Connection", "Connection: close\r\nUpgrade: websocket\r\n".into(), none),
        ("empty", format!("{both}Upgrade:\r\n"), none),
        ("with a body", format!("{both}Upgrade: websocket\r\nContent-Length: 0\r\n"), Some("websocket")),
    ] {
        println!("{name}");
        let origin = Scripted::answering(ok("fine"));
        let mut client = asking(&proxy, asks(&origin, &(fields + "HTTP2-Settings: AAMAAABk\r\n")));
        assert_eq!(answer(&mut client).text(), "fine", "{name}");
        let heard = origin.seen()[0].text();
        assert!(!heard.contains("HTTP2") && !heard.to_lowercase().contains("h2c"), "{name}: {heard:?}");
        let upgrade = heard.lines().find_map(|line| line.strip_prefix("Upgrade: "));
        assert_eq!(upgrade, asked, "{name}: {heard:?}");
        let connection = heard.lines().find_map(|line| line.strip_prefix("Connection: "));
        assert_eq!(connection, asked.map(|_| "Upgrade"), "{name}: {heard:?}");
    }
}

#[test]
fn an_old_client_and_an_upload_cannot_upgrade() {
    let proxy = Proxy::start();
    let origin = Scripted::start(|visit| {
        while visit.request().is_some() {
            visit.send(ok("fine"));
        }
    });
    let fields = "Connection: Upgrade\r\nUpgrade: websocket\r\n";
    for request in [
        asks(&origin, fields).replace("HTTP/1.1", "HTTP/1.0"),
        asks(&origin, &format!("{fields}Content-Length: 5\r\n")) + "hello",
        asks(&origin, &format!("{fields}Transfer-Encoding: chunked\r\n")) + "0\r\n\r\n",
    ] {
        assert_eq!(answer(&mut asking(&proxy, &request)).text(), "fine", "{request:?}");
    }
    assert!(origin.seen().iter().all(|seen| !seen.text().contains("Upgrade")));
}

#[test]
fn a_switch_must_be_to_what_was_asked_for() {
    let proxy = Proxy::start();
    for (name, asked, line, fields, status) in [
        ("the same", "websocket", "HTTP/1.1 101 x", "Upgrade: websocket\r\nConnection: upgrade\r\n", 101),
        (
            "in capitals",
            "websocket",
            "HTTP/1.1 101 x",
            "upgrade: WebSocket\r\nconnection: keep-alive, UPGRADE\r\n",
            101,
        ),
        ("one of two", "a/1, b/2", "HTTP/1.1 101 x", "Upgrade: b/2\r\nConnection: Upgrade\r\n", 101),
        ("another", "websocket", "HTTP/1.1 101 x", "Upgrade: a/1\r\nConnection: Upgrade\r\n", 502),
        ("another as well", "websocket", "HTTP/1.1 101 x", "Upgrade: websocket, a/1\r\nConnection: Upgrade\r\n", 502),
        ("h2c", "websocket, h2c", "HTTP/1.1 101 x", "Upgrade: h2c\r\nConnection: Upgrade\r\n", 502),
        ("h2c only", "h2c", "HTTP/1.1 101 x", "Upgrade: h2c\r\nConnection: Upgrade\r\n", 502),
        ("none", "websocket", "HTTP/1.1 101 x", "Connection: Upgrade\r\n", 502),
        ("an empty one", "websocket", "HTTP/1.1 101 x", "Upgrade: ,\r\nConnection: Upgrade\r\n", 502),
        ("without Connection", "websocket", "HTTP/1.1 101 x", "Upgrade: websocket\r\n", 502),
        ("in HTTP/1.0", "websocket", "HTTP/1.0 101 x", "Upgrade: websocket\r\nConnection: Upgrade\r\n", 502),
    ] {
        println!("{name}");
        let head = format!("{line}\r\n{fields}\r\n");
        let origin = Scripted::start(move |visit| {
            visit.head();
            visit.send(&head);
            echo(visit);
        });
        let mut client =
            asking(&proxy, asks(&origin, &format!("Connection: Upgrade\r\nUpgrade: {asked}\r\n")) + "secret");
        let got = answer(&mut client);
        assert_eq!(got.status, status, "{name}: {got:?}");
        if status == 101 {
            assert_eq!(client.exactly(6), b"secret", "{name}");
        } else {
            let heard = origin.ended(0).text();
            assert!(!heard.contains("secret"), "{name}: a tunnel all the same: {heard:?}");
        }
    }
}
