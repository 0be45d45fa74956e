//! Request heads that can be read in two ways are refused, and nothing of them reaches an origin (security.md 2.1).

mod bodies;

use crate::support::answer::{answer, try_answer};
use crate::support::client::asking;
use crate::support::kernel::unread_by_the_peer_of;
use crate::support::proxy::Proxy;
use crate::support::script::{Scripted, ok};
use crate::support::wire::{How, Wire};

/// What a smuggler would like to have run.
const SMUGGLED: &str = "GET http://{o}/smuggled HTTP/1.1\r\nHost: {o}\r\n\r\n";

/// Framing fields of a POST that nobody may guess at.
const FRAMINGS: &[(&str, &str)] = &[
    ("S1 length and coding", "Content-Length: 6\r\nTransfer-Encoding: chunked"),
    ("S1 coding and length", "Transfer-Encoding: chunked\r\nContent-Length: 6"),
    ("S1 length 0 and coding", "Content-Length: 0\r\nTransfer-Encoding: chunked"),
    ("S2 differing lengths", "Content-Length: 5\r\nContent-Length: 6"),
    ("S2 a length and 0", "Content-Length: 5\r\nContent-Length: 0"),
    ("S2 list of differing lengths", "Content-Length: 5, 6"),
    ("S2 list of equal lengths", "Content-Length: 5, 5"),
    ("S2 plus sign", "Content-Length: +5"),
    ("S2 minus sign", "Content-Length: -5"),
    ("S2 hexadecimal", "Content-Length: 0x5"),
    ("S2 fraction", "Content-Length: 5.0"),
    ("S2 underscore", "Content-Length: 1_0"),
    ("S2 inner space", "Content-Length: 1 0"),
    ("S2 empty", "Content-Length:"),
    ("S2 vertical tab", "Content-Length: \x0b5"),
    ("S2 2^64 + 5", "Content-Length: 18446744073709551621"),
    ("S2 23 digits", "Content-Length: 99999999999999999999999"),
    ("S3 identity", "Transfer-Encoding: identity"),
    ("S3 xchunked", "Transfer-Encoding: xchunked"),
    ("S3 chunked not last", "Transfer-Encoding: chunked, identity"),
    ("S3 another coding first", "Transfer-Encoding: gzip, chunked"),
    ("S3 twice in a list", "Transfer-Encoding: chunked, chunked"),
    ("S3 two lines", "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked"),
    ("S3 two lines, the second another", "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity"),
    ("S3 vertical tab", "Transfer-Encoding: \x0bchunked"),
    ("S3 quoted", "Transfer-Encoding: \"chunked\""),
    ("S3 parameter", "Transfer-Encoding: chunked;q=1"),
    ("S3 trailing comma", "Transfer-Encoding: chunked,"),
    ("S3 empty", "Transfer-Encoding:"),
    ("S7 space before the colon", "Content-Length : 5"),
    ("S7 tab before the colon", "Transfer-Encoding\t: chunked"),
    ("S8 fold in the coding", "Transfer-Encoding:\r\n chunked"),
    ("S8 fold after the coding", "Transfer-Encoding: chunked\r\n , identity"),
    ("S8 line that begins with a tab", "A: b\r\n\tTransfer-Encoding: chunked"),
    ("S8 bare CR before a field", "A: b\rTransfer-Encoding: chunked"),
    ("S8 bare LF before a field", "A: b\nTransfer-Encoding: chunked"),
    ("S8 NUL in a value", "A: b\0c"),
    ("S8 NUL in a name", "Content\0-Length: 5"),
    ("S8 control in a value", "A: b\x07c"),
    ("S8 DEL in a value", "A: b\x7fc"),
    ("S8 empty name", ": b"),
    ("S8 no colon", "Content-Length 5"),
    ("S8 non-ASCII name", "Contént-Length: 5"),
    ("S9 second Host", "Host: {o}"),
    ("S9 second Host, another", "Host: example.com"),
    ("S15 Connection names 17 fields", "Connection: a,b,c,d,e,f,g,h,i,j,k,l,m,n,o,p,q"),
    // hyper and others keep the largest numbers for "until close" and "chunked", and refuse them as lengths.
    ("S2 2^64 - 1, more than any peer can count", "Content-Length: 18446744073709551615"),
];

/// Whole heads, and the status of the refusal.
const HEADS: &[(&str, &str, u16)] = &[
    ("S4 coding in HTTP/1.0", "POST http://{o}/ HTTP/1.0\r\nHost: {o}\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
    ("S8 bare LF after the request line", "GET http://{o}/ HTTP/1.1\nHost: {o}\r\n\r\n", 400),
    ("S8 bare LF after a field", "GET http://{o}/ HTTP/1.1\r\nHost: {o}\n\r\n", 400),
    ("S8 bare LF as the empty line", "GET http://{o}/ HTTP/1.1\r\nHost: {o}\r\n\n", 400),
    ("S8 line feeds only", "GET http://{o}/ HTTP/1.1\nHost: {o}\n\n", 400),
    ("S8 CR CR LF", "GET http://{o}/ HTTP/1.1\r\nHost: {o}\r\r\n\r\n", 400),
    ("S8 space before the method", " GET http://{o}/ HTTP/1.1\r\nHost: {o}\r\n\r\n", 400),
    ("S8 first field begins with a space", "GET http://{o}/ HTTP/1.1\r\n Host: {o}\r\n\r\n", 400),
    ("S8 first field is folded", "GET http://{o}/ HTTP/1.1\r\nHost:\r\n {o}\r\n\r\n", 400),
    ("S8 NUL in the target", "GET http://{o}/\0 HTTP/1.1\r\nHost: {o}\r\n\r\n", 400),
    ("S8 bare CR in the target", "GET http://{o}/a\rb HTTP/1.1\r\nHost: {o}\r\n\r\n", 400),
    ("S9 no Host", "GET http://{o}/ HTTP/1.1\r\n\r\n", 400),
    ("S9 empty Host", "GET http://{o}/ HTTP/1.1\r\nHost:\r\n\r\n", 400),
    ("S9 Host with a space", "GET http://{o}/ HTTP/1.1\r\nHost: a b\r\n\r\n", 400),
    ("S9 Host with user info", "GET http://{o}/ HTTP/1.1\r\nHost: u@{o}\r\n\r\n", 400),
    ("S9 Host with a path", "GET http://{o}/ HTTP/1.1\r\nHost: {o}/x\r\n\r\n", 400),
    ("S9 Host list", "GET http://{o}/ HTTP/1.1\r\nHost: a, b\r\n\r\n", 400),
    ("S9 Host with port 0", "GET http://{o}/ HTTP/1.1\r\nHost: a:0\r\n\r\n", 400),
    ("S9 Host with port 65536", "GET http://{o}/ HTTP/1.1\r\nHost: a:65536\r\n\r\n", 400),
    ("S9 bad Host in HTTP/1.0", "GET http://{o}/ HTTP/1.0\r\nHost: a b\r\n\r\n", 400),
    ("S10 HTTP/0.9", "GET http://{o}/\r\n\r\n", 400),
    ("S10 lower case", "GET http://{o}/ http/1.1\r\nHost: {o}\r\n\r\n", 505),
    ("S10 9.9", "GET http://{o}/ HTTP/9.9\r\nHost: {o}\r\n\r\n", 505),
    ("S10 1.10", "GET http://{o}/ HTTP/1.10\r\nHost: {o}\r\n\r\n", 400),
    ("S10 1.1x", "GET http://{o}/ HTTP/1.1x\r\nHost: {o}\r\n\r\n", 400),
    ("S10 1.2", "GET http://{o}/ HTTP/1.2\r\nHost: {o}\r\n\r\n", 505),
    ("S10 2.0", "GET http://{o}/ HTTP/2.0\r\nHost: {o}\r\n\r\n", 505),
    ("S10 another protocol", "GET http://{o}/ ICAP/1.0\r\nHost: {o}\r\n\r\n", 505),
    ("S10 the HTTP/2 preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
    ("S10 space in the target", "GET http://{o}/a b HTTP/1.1\r\nHost: {o}\r\n\r\n", 505),
    ("S10 two spaces before the version", "GET http://{o}/  HTTP/1.1\r\nHost: {o}\r\n\r\n", 505),
    ("S10 two spaces before the target", "GET  http://{o}/ HTTP/1.1\r\nHost: {o}\r\n\r\n", 400),
    ("S10 tab before the target", "GET\thttp://{o}/ HTTP/1.1\r\nHost: {o}\r\n\r\n", 400),
    ("S10 space behind the version", "GET http://{o}/ HTTP/1.1 \r\nHost: {o}\r\n\r\n", 400),
    ("S10 method that is no token", "G@T http://{o}/ HTTP/1.1\r\nHost: {o}\r\n\r\n", 400),
    ("S10 no method", " http://{o}/ HTTP/1.1\r\nHost: {o}\r\n\r\n", 400),
    ("S11 CONNECT with a length", "CONNECT {o} HTTP/1.1\r\nHost: {o}\r\nContent-Length: 90\r\n\r\n", 400),
    ("S11 CONNECT with length 0", "CONNECT {o} HTTP/1.1\r\nHost: {o}\r\nContent-Length: 0\r\n\r\n", 400),
    ("S11 CONNECT with a coding", "CONNECT {o} HTTP/1.1\r\nHost: {o}\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
    ("target https", "GET https://{o}/ HTTP/1.1\r\nHost: {o}\r\n\r\n", 400),
    ("target with user info", "GET http://u:p@{o}/ HTTP/1.1\r\nHost: {o}\r\n\r\n", 400),
    ("target with a fragment", "GET http://{o}/#f HTTP/1.1\r\nHost: {o}\r\n\r\n", 400),
    ("target with one slash", "GET http:/{o}/ HTTP/1.1\r\nHost: {o}\r\n\r\n", 400),
    ("target without a host", "GET http:///x HTTP/1.1\r\nHost: {o}\r\n\r\n", 400),
    ("target with an empty port", "GET http://a:/ HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("target with a backslash before the host", "GET http:\\\\{o}/ HTTP/1.1\r\nHost: {o}\r\n\r\n", 400),
    ("target with a backslash behind the host", "GET http://{o}\\@example.com/ HTTP/1.1\r\nHost: {o}\r\n\r\n", 400),
    ("authority form in GET", "GET {o} HTTP/1.1\r\nHost: {o}\r\n\r\n", 400),
    ("CONNECT without a port", "CONNECT a HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("CONNECT with a scheme", "CONNECT http://{o} HTTP/1.1\r\nHost: {o}\r\n\r\n", 400),
    ("CONNECT with a path", "CONNECT {o}/ HTTP/1.1\r\nHost: {o}\r\n\r\n", 400),
];

/// How the bytes leave the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sending {
    AtOnce,
    ByteByByte,
}

#[test]
fn framings_that_could_be_read_in_two_ways_are_refused() {
    let stage = Stage::set();
    for (name, fields) in FRAMINGS {
        println!("{name}");
        let head = format!("POST http://{{o}}/first HTTP/1.1\r\nHost: {{o}}\r\n{fields}\r\n\r\n0\r\n\r\n");
        stage.refuses(name, &head, 400);
    }
}

#[test]
fn heads_that_are_no_http_are_refused() {
    let stage = Stage::set();
    for (name, head, status) in HEADS {
        println!("{name}");
        stage.refuses(name, head, *status);
    }
}

#[test]
fn heads_without_measure_are_refused() {
    let stage = Stage::set();
    let head = |fields: String| format!("GET http://{{o}}/ HTTP/1.1\r\nHost: {{o}}\r\n{fields}\r\n");
    for (name, head) in [
        ("101 fields", head("A: b\r\n".repeat(100))),
        ("70,000 bytes in one field", head(format!("A: {}\r\n", "b".repeat(70_000)))),
        ("70,000 bytes in many fields", head(format!("A: {}\r\n", "b".repeat(990)).repeat(70))),
        ("70,000 bytes of target", format!("GET http://{{o}}/{} HTTP/1.1\r\nHost: {{o}}\r\n\r\n", "a".repeat(70_000))),
        ("70,000 bytes without an end", "a".repeat(70_000)),
    ] {
        stage.refuses_sent(name, &head, 431, Sending::AtOnce);
    }
}

#[test]
fn a_second_empty_line_is_refused_however_it_comes() {
    let stage = Stage::set();
    let request = "GET http://{o}/ HTTP/1.1\r\nHost: {o}\r\n\r\n".replace("{o}", &stage.origin.address().to_string());
    for (name, pieces) in [
        ("at once", vec!["\r\n\r\n", &request]),
        ("one by one", vec!["\r\n", "\r\n", &request]),
        ("in the middle of a line", vec!["\r", "\n\r", "\n", &request]),
        ("the second with the request", vec!["\r\n", "\r\nGET ", &request[4..]]),
    ] {
        println!("{name}");
        let mut client = Wire::connect(stage.proxy.address());
        for piece in pieces {
            // The refusal may come before the last piece is out.
            let _ = client.try_send(piece);
            stage.proxy.wait_until("read", |_| unread_by_the_peer_of(&client) == 0);
        }
        let refusal = try_answer(&mut client).unwrap_or_else(|none| panic!("{name}: {none:?}"));
        assert_eq!(refusal.status, 400, "{name}: {refusal:?}");
        assert!(stage.origin.seen().is_empty(), "{name}");
    }
}

/// A proxy, and an origin that must not hear a word.
struct Stage {
    proxy: Proxy,
    origin: Scripted,
}

impl Stage {
    fn set() -> Stage {
        Stage { proxy: Proxy::start(), origin: Scripted::answering(ok("run")) }
    }

    fn refuses(&self, name: &str, head: &str, status: u16) {
        self.refuses_sent(name, head, status, Sending::AtOnce);
        self.refuses_sent(name, head, status, Sending::ByteByByte);
    }

    /// One refusal with `status`, the end of the connection, and no word to the origin.
    fn refuses_sent(&self, name: &str, head: &str, status: u16, sending: Sending) {
        println!("{name}, {sending:?}");
        let bytes = format!("{head}{SMUGGLED}").replace("{o}", &self.origin.address().to_string());
        let mut client = Wire::connect(self.proxy.address());
        match sending {
            // The refusal may come before the last byte is out.
            Sending::AtOnce => drop(client.try_send(&bytes)),
            Sending::ByteByByte => drop(bytes.as_bytes().chunks(1).try_for_each(|byte| client.try_send(byte))),
        }
        let refusal = try_answer(&mut client).unwrap_or_else(|none| panic!("{name}, {sending:?}: {none:?}"));
        assert_eq!(refusal.status, status, "{name}, {sending:?}: {refusal:?}");
        assert_eq!(refusal.field("Connection"), Some("close"), "{name}, {sending:?}: {refusal:?}");
        let (rest, end) = client.rest();
        assert_eq!((String::from_utf8_lossy(&rest).as_ref(), end), ("", How::Fin), "{name}, {sending:?}");
        let seen = self.origin.seen();
        assert!(seen.is_empty(), "{name}, {sending:?}: the origin heard {seen:?}");
    }
}

/// Requests that pass, with lines that the origin must and must not hear.
const PASSED: &[(&str, &str, &[&str], &[&str])] = &[
    (
        "S2 equal lengths become one",
        "POST http://{o}/ HTTP/1.1\r\nHost: {o}\r\nContent-Length: 2\r\nContent-length: 2\r\n\r\nhi",
        &["Content-Length: 2\r\n", "\r\n\r\nhi"],
        &["Content-length"],
    ),
    (
        "S6 extensions stay here, trailers that frame too",
        "POST http://{o}/ HTTP/1.1\r\nHost: {o}\r\nTransfer-Encoding: CHUNKED\r\n\r\n\
         2;a=\"b\"\r\nhi\r\n000;c\r\nX-Sum: 1\r\nContent-Length: 7\r\nHost: h\r\n\r\n",
        &["Transfer-Encoding: chunked\r\n", "\r\n\r\n2\r\nhi\r\n0\r\nX-Sum: 1\r\n\r\n"],
        &["a=", ";c", "Content-Length", "Host: h\r\n"],
    ),
    (
        "S9 another Host gives way to the target",
        "GET http://{o}/ HTTP/1.1\r\nHost: example.com\r\n\r\n",
        &["GET / HTTP/1.1\r\n", "Host: {o}\r\n"],
        &["example.com"],
    ),
    (
        "S9 no Host in HTTP/1.0",
        "GET http://{o}/ HTTP/1.0\r\n\r\n",
        &["GET / HTTP/1.1\r\n", "Host: {o}\r\n", "Via: 1.0 "],
        &[],
    ),
    (
        "S14 HTTP/2 is not offered",
        "GET http://{o}/ HTTP/1.1\r\nHost: {o}\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n\r\n",
        &["GET / HTTP/1.1\r\n"],
        &["h2c", "HTTP2", "pgrade", "onnection"],
    ),
    (
        "S15 Connection cannot drop what frames and routes",
        "POST http://{o}/ HTTP/1.1\r\nHost: {o}\r\nConnection: Host, Content-Length, Via\r\nVia: 1.1 a\r\nContent-Length: 2\r\n\r\nhi",
        &["Host: {o}\r\n", "Content-Length: 2\r\n", "Via: 1.1 a\r\n", "\r\n\r\nhi"],
        &["Connection"],
    ),
    (
        "S15 Connection cannot drop the coding",
        "POST http://{o}/ HTTP/1.1\r\nHost: {o}\r\nConnection: Transfer-Encoding\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n",
        &["Transfer-Encoding: chunked\r\n", "\r\n\r\n2\r\nhi\r\n0\r\n\r\n"],
        &["Connection"],
    ),
    (
        "S15 what else it names is dropped",
        "GET http://{o}/ HTTP/1.1\r\nHost: {o}\r\nConnection: authorization, X-Forwarded-For\r\nAuthorization: a\r\nX-Forwarded-For: b\r\nX: c\r\n\r\n",
        &["X: c\r\n"],
        &["uthorization", "Forwarded", "onnection"],
    ),
    (
        "hop-by-hop fields end here, the others keep order and case",
        "GET http://{o}/a?b=c HTTP/1.1\r\nuser-AGENT: x\r\nProxy-Connection: keep-alive\r\nhOST: {o}\r\nKeep-Alive: 5\r\nTE: trailers\r\n\
         Proxy-Authorization: Basic eA==\r\nx-a: 1\r\nX-A: 2\r\n\r\n",
        &["GET /a?b=c HTTP/1.1\r\nuser-AGENT: x\r\nhOST: {o}\r\nx-a: 1\r\nX-A: 2\r\nVia: 1.1 "],
        &["Proxy-", "Keep-Alive", "TE:"],
    ),
    (
        "one empty line before a request is forgiven",
        "\r\nGET http://{o}/ HTTP/1.1\r\nHost: {o}\r\n\r\n",
        &["GET / HTTP/1.1\r\n"],
        &[],
    ),
];

#[test]
fn what_passes_is_strict() {
    let proxy = Proxy::start();
    for (name, request, heard, unheard) in PASSED {
        println!("{name}");
        let origin = Scripted::start(|visit| {
            while visit.request().is_some() {
                visit.send(ok("fine"));
            }
        });
        let filled = |text: &str| text.replace("{o}", &origin.address().to_string());
        let mut client = asking(&proxy, filled(request));
        let passed = answer(&mut client);
        assert_eq!((passed.status, passed.text().as_str()), (200, "fine"), "{name}: {passed:?}");
        let seen = origin.seen();
        assert_eq!(seen.len(), 1, "{name}: {seen:?}");
        let text = seen[0].text();
        for line in *heard {
            assert!(text.contains(&filled(line)), "{name}: no {line:?} in {text:?}");
        }
        for line in *unheard {
            assert!(!text.contains(line), "{name}: {line:?} in {text:?}");
        }
    }
}
