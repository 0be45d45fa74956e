//! What must be refused, and what must not cost anything.

use tether::observe::icap_server::{Asked, Outcome};

use super::Server;
use super::asking::{END, ENDLESS, UNCHANGED, chunk, respmod};

#[test]
fn refused_and_closed() {
    let server = Server::start();
    let inner = respmod("", ENDLESS);
    let field = format!("OPTIONS icap://s.test/respmod ICAP/1.0\r\nA: {}\r\n\r\n", "b".repeat(70_000));
    let cases = [
        ("HTTP", "GET / HTTP/1.1\r\nHost: s.test\r\n\r\n".to_owned(), "400 "),
        ("TLS", "\u{16}\u{3}\u{1}".to_owned(), "400 "),
        ("path", inner.replace("/respmod", "/avscan"), "404 "),
        ("method of HTTP", inner.replace("RESPMOD icap", "GET icap"), "405 "),
        ("unknown method", inner.replace("RESPMOD icap", "LOGMOD icap"), "501 "),
        ("version", inner.replace("ICAP/1.0", "ICAP/3.0"), "505 "),
        ("offset behind the heads", inner.replace("res-hdr=46", "res-hdr=47"), "400 "),
        ("offset before", inner.replace("res-body=91", "res-body=90"), "400 "),
        ("no Encapsulated", "RESPMOD icap://s.test/respmod ICAP/1.0\r\n\r\n".to_owned(), "400 "),
        ("huge field", field, "400 "),
        ("chunk of nonsense", inner.clone() + "zz\r\n", "400 "),
        ("chunk of 2^63", inner.clone() + "8000000000000000\r\n", "400 "),
        ("coded", inner.replace("Host: s.test\r\n", "Transfer-Encoding: chunked\r\n"), "400 "),
    ];
    for (what, asked, status) in &cases {
        let mut wire = server.connect();
        // The end of a connection may come while the rest is still being sent.
        let _ = wire.try_send(asked);
        let head = wire.head();
        assert!(head.starts_with(&format!("ICAP/1.0 {status}")), "{what}: {head}");
        assert!(head.contains("ISTag: \"") && head.contains("Connection: close\r\n"), "{what}: {head}");
        assert!(!head.contains("Encapsulated"), "{what}: {head}");
        assert_eq!(wire.rest().0, b"", "{what}");
    }
    let counted = server.ended(Asked::Unread, Outcome::Refused) + server.ended(Asked::Respmod, Outcome::Refused);
    assert_eq!(counted, cases.len() as u64);
    server.wait_until_empty();
}

#[test]
fn who_is_not_admitted_is_told_so() {
    let server = Server::admitting("10.0.0.0/8");
    let mut wire = server.connect();
    let head = wire.head();
    assert!(head.starts_with("ICAP/1.0 403 Forbidden\r\n"), "{head}");
    assert_eq!(wire.rest().0, b"");
}

#[test]
fn more_connections_than_were_offered() {
    let server = Server::with(|port| port.max_connections = 1);
    let mut first = server.connect();
    first.send("OPTIONS icap://s.test/respmod ICAP/1.0\r\n\r\n");
    assert!(first.head().contains("Max-Connections: 1\r\n"));
    let mut second = server.connect();
    let head = second.head();
    assert!(head.starts_with("ICAP/1.0 503 Service Overloaded\r\n"), "{head}");
    assert_eq!(second.rest().0, b"");
    first.send([respmod("Allow: 204\r\n", ENDLESS).as_bytes(), END].concat());
    assert!(first.head().starts_with(UNCHANGED), "who was here goes on");
    drop(first);
    server.wait_until_empty();
    server.connect().send("OPTIONS icap://s.test/respmod ICAP/1.0\r\n\r\n");
    server.wait_for(Asked::Options, Outcome::Told, 2);
}

#[test]
fn one_byte_at_a_time_is_as_good_as_any() {
    let server = Server::start();
    let mut wire = server.connect();
    let asked = [respmod("Preview: 9\r\n", ENDLESS).as_bytes(), &chunk(b"hello"), b"0; ieof\r\n\r\n"].concat();
    asked.iter().for_each(|byte| wire.send([*byte]));
    assert!(wire.head().starts_with(UNCHANGED));
}

#[test]
fn many_requests_at_once_are_answered_in_order() {
    let server = Server::start();
    let mut wire = server.connect();
    let pair = "OPTIONS icap://s.test/respmod ICAP/1.0\r\n\r\nOPTIONS icap://s.test/reqmod ICAP/1.0\r\n\r\n";
    wire.send(pair.repeat(200));
    for _ in 0..200 {
        assert!(wire.head().contains("Methods: RESPMOD\r\n"));
        assert!(wire.head().contains("Methods: REQMOD\r\n"));
    }
}

#[test]
fn a_body_of_many_tiny_chunks_is_one_body() {
    let server = Server::start();
    let mut wire = server.connect();
    let tiny: Vec<u8> = std::iter::repeat_n(chunk(b"x"), 20_000).flatten().collect();
    wire.send([respmod("Allow: 204\r\n", ENDLESS).as_bytes(), &tiny, b"0\r\n\r\n"].concat());
    assert!(wire.head().starts_with(UNCHANGED));
    assert_eq!(server.held(), 0);
}
