//! What real clients send, in all its ways; every connection is used again afterwards.

use tether::inspect::settings::eicar;
use tether::observe::icap_server::{Asked, Outcome};

use super::Server;
use super::asking::{DECLARED, END, ENDLESS, GET, UNCHANGED, chunk, judged, reqmod, respmod};
use crate::support::coded::large_when_decoded;
use crate::support::proxy::SOON;
use crate::support::wire::Wire;

const PLAIN: &str = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\n";

/// The connection still takes requests.
fn still_answers(wire: &mut Wire) {
    wire.send("OPTIONS icap://s.test/respmod ICAP/1.0\r\n\r\n");
    let head = wire.head();
    assert!(head.starts_with("ICAP/1.0 200 OK\r\nMethods: RESPMOD\r\nISTag: \"tether-"), "{head}");
}

#[test]
fn options_say_what_squid_needs() {
    let server = Server::start();
    let mut wire = server.connect();
    wire.send("OPTIONS icap://s.test/reqmod ICAP/1.0\r\nHost: s.test\r\nAllow: 206\r\n\r\n");
    let head = wire.head();
    for line in [
        "Methods: REQMOD",
        "Preview: 0",
        "Transfer-Preview: *",
        "Allow: 204",
        "Max-Connections: 4096",
        "Options-TTL: 300",
    ] {
        assert!(head.contains(&format!("{line}\r\n")), "{line}: {head}");
    }
    still_answers(&mut wire);
    assert_eq!(server.ended(Asked::Options, Outcome::Told), 2);
}

#[test]
fn each_kind_of_message_without_anything_bad() {
    let server = Server::start();
    let mut wire = server.connect();
    let bodies = |end: &str| [&chunk(b"hello")[..], end.as_bytes()].concat();
    let no_host = respmod("", PLAIN).replace("Host: s.test\r\n", "");
    let no_request = format!(
        "RESPMOD icap://s.test/respmod ICAP/1.0\r\nEncapsulated: res-hdr=0, res-body={}\r\n\r\n{PLAIN}",
        PLAIN.len()
    );
    for (what, asked, answer) in [
        (
            "whole preview",
            [respmod("Preview: 5\r\n", PLAIN).into_bytes(), bodies("0; ieof\r\n\r\n")].concat(),
            UNCHANGED,
        ),
        (
            "larger preview",
            [respmod("Preview: 4096\r\n", PLAIN).into_bytes(), bodies("0; ieof\r\n\r\n")].concat(),
            UNCHANGED,
        ),
        (
            "204 allowed",
            [respmod("Allow: 204, 206, trailers\r\n", PLAIN).into_bytes(), bodies("0\r\n\r\n")].concat(),
            UNCHANGED,
        ),
        ("no Host", [no_host.into_bytes(), bodies("0\r\n\r\n")].concat(), "ICAP/1.0 200 OK\r\n"),
        ("no request head", [no_request.into_bytes(), bodies("0\r\n\r\n")].concat(), "ICAP/1.0 200 OK\r\n"),
        (
            "206 alone allows no 204",
            [respmod("Allow: 206\r\n", PLAIN).into_bytes(), bodies("0\r\n\r\n")].concat(),
            "ICAP/1.0 200 OK\r\n",
        ),
        (
            "shorter than it says",
            [respmod("", PLAIN).into_bytes(), chunk(b"hel"), END.to_vec()].concat(),
            "ICAP/1.0 200 OK\r\n",
        ),
        ("a stream by its type", [respmod("Preview: 0\r\n", DECLARED).into_bytes(), END.to_vec()].concat(), UNCHANGED),
    ] {
        wire.send(&asked);
        if answer == UNCHANGED {
            assert!(wire.head().starts_with(answer), "{what}");
        } else {
            let judged = judged(&mut wire);
            assert!(judged.head.starts_with(answer) && judged.inner == PLAIN, "{what}: {}", judged.inner);
            assert!(b"hello".starts_with(&judged.body[..]), "{what}");
        }
        still_answers(&mut wire);
    }
    assert_eq!(server.ended(Asked::Respmod, Outcome::StreamPassed), 1);
}

#[test]
fn minimal_heads_and_line_feeds() {
    let server = Server::start();
    let mut wire = server.connect();
    let response = "HTTP/1.0 200 OK\r\n\r\n";
    wire.send(
        format!(
            "RESPMOD icap://s.test/respmod ICAP/1.0\nEncapsulated: res-hdr=0, res-body={}\n\n{response}",
            response.len()
        )
        .as_bytes(),
    );
    wire.send([&chunk(b"abc")[..], END].concat());
    let judged = judged(&mut wire);
    assert_eq!((judged.inner.as_str(), &judged.body[..]), (response, &b"abc"[..]));
    still_answers(&mut wire);
}

#[test]
fn messages_without_a_body() {
    let server = Server::start();
    let mut wire = server.connect();
    let response = "HTTP/1.1 304 Not Modified\r\n\r\n";
    let asked = |fields: &str| {
        format!(
            "RESPMOD icap://s.test/respmod ICAP/1.0\r\n{fields}Encapsulated: req-hdr=0, res-hdr={}, null-body={}\r\n\r\n{GET}{response}",
            GET.len(),
            GET.len() + response.len()
        )
    };
    wire.send(asked("Preview: 0\r\n"));
    assert!(wire.head().starts_with(UNCHANGED), "a preview of nothing, and no chunk at all");
    wire.send(asked(""));
    let back = judged(&mut wire);
    assert_eq!((back.inner.as_str(), back.body.len()), (response, 0));
    still_answers(&mut wire);
}

#[test]
fn what_comes_after_100() {
    let server = Server::start();
    for (fields, unchanged) in [("Preview: 0\r\n", false), ("Preview: 0\r\nAllow: 204\r\n", true)] {
        let mut wire = server.connect();
        wire.send(respmod(fields, PLAIN));
        wire.send(END);
        assert_eq!(wire.head(), "ICAP/1.0 100 Continue\r\n\r\n");
        wire.send([&chunk(b"hello")[..], END].concat());
        if unchanged {
            assert!(wire.head().starts_with(UNCHANGED));
        } else {
            assert_eq!(judged(&mut wire).body, b"hello");
        }
        still_answers(&mut wire);
    }
}

#[test]
fn large_bodies_go_back_byte_for_byte() {
    let server = Server::start();
    let mut wire = server.connect();
    let body: Vec<u8> = (0..3_000_000u32).map(|at| (at.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let mut sender = wire.twin();
    let sent = body.clone();
    let sending = std::thread::spawn(move || {
        sender.send(respmod("", ENDLESS));
        sent.chunks(50_000).for_each(|piece| sender.send(chunk(piece)));
        sender.send(END);
    });
    let judged = judged(&mut wire);
    sending.join().expect("sent");
    assert_eq!(judged.inner, ENDLESS);
    assert!(judged.body == body, "{} bytes came back", judged.body.len());
    still_answers(&mut wire);
}

#[test]
fn what_is_bad_is_replaced_by_a_page() {
    let server = Server::start();
    let coded = |bytes: &[u8]| {
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        std::io::Write::write_all(&mut gzip, bytes).expect("coded");
        gzip.finish().expect("coded")
    };
    let gzipped = "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n";
    for (what, head, body) in [
        ("plain", respmod("Allow: 204\r\n", ENDLESS), eicar()),
        ("without 204", respmod("", PLAIN), eicar()),
        ("gzip", respmod("", gzipped), coded(&eicar())),
        ("upload", reqmod("", "POST /p HTTP/1.1\r\nHost: o.test\r\n\r\n"), eicar()),
        ("url", reqmod("Allow: 204\r\n", "POST /p HTTP/1.1\r\nHost: banned.test\r\n\r\n"), b"fine".to_vec()),
    ] {
        let mut wire = server.connect();
        wire.send([head.as_bytes(), &chunk(&body), END].concat());
        let judged = judged(&mut wire);
        let rule = if what == "url" { "banned" } else { "eicar" };
        assert!(judged.head.contains(&format!("Threat={rule};\r\n")), "{what}: {}", judged.head);
        assert!(judged.inner.starts_with("HTTP/1.1 403 ") && judged.inner.contains("Cache-Control: no-store\r\n"));
        assert!(judged.inner.contains(&format!("Content-Length: {}\r\n", judged.body.len())), "{}", judged.inner);
        still_answers(&mut wire);
    }
    assert_eq!(server.ended(Asked::Respmod, Outcome::Blocked), 3);
    assert_eq!(server.ended(Asked::Reqmod, Outcome::Blocked), 2);
}

#[test]
fn what_is_large_only_when_decoded_is_no_bomb() {
    let server = Server::start();
    let mut wire = server.connect();
    let (head, body) = (respmod("", "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n"), large_when_decoded());
    let (mut sender, sent) = (wire.twin(), [head.as_bytes(), &chunk(&body), END].concat());
    let sending = std::thread::spawn(move || drop(sender.try_send(sent)));
    // More bytes than are read at once by a program that was not made to be fast.
    assert!(wire.comes_within(20 * SOON), "no answer");
    let judged = judged(&mut wire);
    sending.join().expect("sent");
    assert!(judged.inner.starts_with("HTTP/1.1 200 OK\r\n") && judged.body == body, "{}", judged.inner);
    still_answers(&mut wire);
    assert_eq!(server.ended(Asked::Respmod, Outcome::Blocked), 0);
}

#[test]
fn found_before_the_end_it_is_told_at_once() {
    let server = Server::start();
    let mut wire = server.connect();
    wire.send([respmod("", ENDLESS).as_bytes(), &chunk(&eicar())].concat());
    let judged = judged(&mut wire);
    assert!(judged.head.contains("Connection: close\r\n") && judged.inner.starts_with("HTTP/1.1 403 "));
    assert_eq!(wire.rest().0, b"");
}

#[test]
fn a_client_that_asks_to_close_is_closed() {
    let server = Server::start();
    let mut wire = server.connect();
    wire.send(respmod("Connection: close\r\nPreview: 0\r\n", DECLARED));
    wire.send(END);
    assert!(wire.head().contains("Connection: close\r\n"));
    assert_eq!(wire.rest().0, b"");
    drop(wire);
    server.wait_until_empty();
}
