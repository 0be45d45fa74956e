//! An answer that is cut on its way is passed on as cut: its client can always tell it from a whole one.

use std::sync::{Mutex, mpsc};

use crate::support::answer::{Answer, BodyEnd, answer_body, answer_head, try_answer};
use crate::support::client::asking;
use crate::support::proxy::Proxy;
use crate::support::script::{Scripted, Visit};
use crate::support::wire::How;

/// How the origin leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cut {
    Finish,
    Reset,
    /// It stays, but what it sent is no body any more.
    Fault,
}

/// How the client can tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Told {
    /// The body's own end is missing.
    ByFraming,
    /// The body has no end of its own; only a reset tells.
    ByReset,
}

use Cut::{Fault, Finish, Reset};
use Told::{ByFraming, ByReset};

const LENGTH: &str = "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n";
const CHUNKED: &str = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
const CLOSE: &str = "HTTP/1.1 200 OK\r\n\r\n";
const OLD: &str = "HTTP/1.0 200 OK\r\n\r\n";

/// Name, the client's version, head, body so far, how the origin leaves, how the client can tell.
type Row = (&'static str, &'static str, &'static str, &'static str, Cut, Told);

const ROWS: &[Row] = &[
    ("length, FIN", "1.1", LENGTH, "hello", Finish, ByFraming),
    ("length, RST", "1.1", LENGTH, "hello", Reset, ByFraming),
    ("length, FIN before the body", "1.1", LENGTH, "", Finish, ByFraming),
    ("length, FIN before the last byte", "1.1", LENGTH, "hello wor", Finish, ByFraming),
    ("length, FIN, HTTP/1.0", "1.0", LENGTH, "hello", Finish, ByFraming),
    ("length, RST, HTTP/1.0", "1.0", LENGTH, "hello", Reset, ByFraming),
    ("chunked, FIN in the data", "1.1", CHUNKED, "a\r\nhello", Finish, ByFraming),
    ("chunked, RST in the data", "1.1", CHUNKED, "a\r\nhello", Reset, ByFraming),
    ("chunked, FIN between chunks", "1.1", CHUNKED, "5\r\nhello\r\n", Finish, ByFraming),
    ("chunked, RST between chunks", "1.1", CHUNKED, "5\r\nhello\r\n", Reset, ByFraming),
    ("chunked, FIN in a size", "1.1", CHUNKED, "5\r\nhello\r\n5", Finish, ByFraming),
    ("chunked, FIN behind 0", "1.1", CHUNKED, "5\r\nhello\r\n0", Finish, ByFraming),
    ("chunked, FIN behind the last chunk", "1.1", CHUNKED, "5\r\nhello\r\n0\r\n", Finish, ByFraming),
    ("chunked, FIN in the trailers", "1.1", CHUNKED, "5\r\nhello\r\n0\r\nX-Sum: 1\r\n", Finish, ByFraming),
    ("chunked, FIN before the body", "1.1", CHUNKED, "", Finish, ByFraming),
    ("chunked, bad size", "1.1", CHUNKED, "5\r\nhello\r\n-5\r\nhello\r\n0\r\n\r\n", Fault, ByFraming),
    ("chunked, size with a space", "1.1", CHUNKED, "5\r\nhello\r\n5 \r\nhello\r\n0\r\n\r\n", Fault, ByFraming),
    ("chunked, data too long", "1.1", CHUNKED, "5\r\nhelloXX\r\n0\r\n\r\n", Fault, ByFraming),
    ("chunked, bare LF", "1.1", CHUNKED, "5\r\nhello\r\n0\n\n", Fault, ByFraming),
    ("chunked, LF in an extension", "1.1", CHUNKED, "5\r\nhello\r\n0;a\nb\r\n\r\n", Fault, ByFraming),
    ("chunked, bad trailer", "1.1", CHUNKED, "5\r\nhello\r\n0\r\nA : b\r\n\r\n", Fault, ByFraming),
    ("chunked, FIN, HTTP/1.0", "1.0", CHUNKED, "5\r\nhello\r\n", Finish, ByReset),
    ("chunked, RST, HTTP/1.0", "1.0", CHUNKED, "5\r\nhello\r\n", Reset, ByReset),
    ("chunked, bad size, HTTP/1.0", "1.0", CHUNKED, "5\r\nhello\r\n-5\r\n", Fault, ByReset),
    ("until close, RST", "1.1", CLOSE, "hello", Reset, ByReset),
    ("until close, RST before the body", "1.1", CLOSE, "", Reset, ByReset),
    ("until close, RST, HTTP/1.0", "1.0", CLOSE, "hello", Reset, ByReset),
    ("until close, RST, old origin", "1.1", OLD, "hello", Reset, ByReset),
];

#[test]
fn a_cut_behind_the_head_is_seen_as_a_cut() {
    let proxy = Proxy::start();
    for &(name, version, head, body, cut, told) in ROWS {
        println!("{name}");
        let (passed_on, arrived) = mpsc::channel::<()>();
        let arrived = Mutex::new(arrived);
        let origin = Scripted::start(move |visit| {
            visit.head();
            visit.send(head);
            // Goes on once the client has the head; a test that has failed lets go of its end.
            let _ = arrived.lock().expect("gate").recv();
            visit.send(body);
            leave(visit, cut);
        });
        let mut client = asking(&proxy, get(&origin, version));
        let head = answer_head(&mut client).unwrap_or_else(|none| panic!("{name}: {none:?}"));
        passed_on.send(()).expect("the origin waits");
        is_told(name, told, &answer_body(&mut client, head));
    }
    proxy.wait_until_empty();
}

#[test]
fn a_cut_together_with_the_head_is_never_a_whole_answer() {
    let proxy = Proxy::start();
    for &(name, version, head, body, cut, told) in ROWS {
        println!("{name}");
        let origin = Scripted::start(move |visit| {
            visit.head();
            visit.send(format!("{head}{body}"));
            leave(visit, cut);
        });
        let mut client = asking(&proxy, get(&origin, version));
        match try_answer(&mut client) {
            // Nothing had been passed on yet, and our own page says what happened.
            Ok(answer) if answer.status == 502 => assert_eq!(answer.end, BodyEnd::Framed, "{name}: {answer:?}"),
            Ok(answer) => is_told(name, told, &answer),
            Err(none) => assert!(none.bytes.is_empty() || none.end == How::Reset, "{name}: {none:?}"),
        }
    }
    proxy.wait_until_empty();
}

fn get(origin: &Scripted, version: &str) -> String {
    format!("GET http://{0}/ HTTP/{version}\r\nHost: {0}\r\nConnection: keep-alive\r\n\r\n", origin.address())
}

fn leave(visit: &mut Visit, cut: Cut) {
    match cut {
        Finish => visit.finish(),
        Reset => visit.reset(),
        Fault => {}
    }
}

fn is_told(name: &str, told: Told, answer: &Answer) {
    assert_eq!(answer.status, 200, "{name}: {answer:?}");
    assert!(b"hello world".starts_with(&answer.body), "{name}: {answer:?}");
    match told {
        ByFraming => assert!(matches!(answer.end, BodyEnd::Cut(_)), "{name}: {answer:?}"),
        ByReset => assert_eq!(answer.end, BodyEnd::Closed(How::Reset), "{name}: {answer:?}"),
    }
}
