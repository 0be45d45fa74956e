//! Bytes behind the end of a response never reach a client, and the connection they came on is not used again.

use std::sync::{Mutex, mpsc};

use crate::support::answer::{BodyEnd, answer, answer_head};
use crate::support::client::asking;
use crate::support::proxy::Proxy;
use crate::support::script::{Scripted, Visit, ok};
use crate::support::wire::Wire;

const POISON: &str = "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison";

/// Name, method, a whole response, what the client gets for a body, and what comes behind it.
type Row = (&'static str, &'static str, &'static str, &'static str, &'static str);

const ROWS: &[Row] = &[
    ("R3 204, a response", "GET", "HTTP/1.1 204 No Content\r\n\r\n", "", POISON),
    ("R3 204, its length", "GET", "HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n", "", "hello"),
    (
        "R3 204, its chunks",
        "GET",
        "HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n",
        "",
        "5\r\nhello\r\n0\r\n\r\n",
    ),
    ("R3 304, a response", "GET", "HTTP/1.1 304 Not Modified\r\n\r\n", "", POISON),
    ("R3 304, its length", "GET", "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", "", "hello"),
    (
        "R3 304, its chunks",
        "GET",
        "HTTP/1.1 304 Not Modified\r\nTransfer-Encoding: chunked\r\n\r\n",
        "",
        "5\r\nhello\r\n0\r\n\r\n",
    ),
    ("R3 HEAD, its length", "HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", "", "hello"),
    ("R3 HEAD, a response", "HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 51\r\n\r\n", "", POISON),
    (
        "R3 HEAD, its chunks",
        "HEAD",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
        "",
        "5\r\nhello\r\n0\r\n\r\n",
    ),
    ("R3 HEAD, no framing", "HEAD", "HTTP/1.1 200 OK\r\n\r\n", "", "hello"),
    ("R4 length 0, a response", "GET", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", "", POISON),
    ("R4 length, a response", "GET", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nfirst", "first", POISON),
    ("R4 length, one byte", "GET", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nfirst", "first", "X"),
    ("R4 length, an empty line", "GET", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nfirst", "first", "\r\n"),
    (
        "R4 chunked, a response",
        "GET",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n0\r\n\r\n",
        "first",
        POISON,
    ),
    (
        "R4 chunked, a second end",
        "GET",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n0\r\n\r\n",
        "first",
        "0\r\n\r\n",
    ),
    (
        "R4 an interim answer",
        "GET",
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nfirst",
        "first",
        "HTTP/1.1 100 Continue\r\n\r\n",
    ),
];

#[test]
fn bytes_together_with_the_response() {
    let proxy = Proxy::start();
    for row in ROWS {
        println!("{}", row.0);
        let (first, behind) = (row.2, row.4);
        let origin = Scripted::start(move |visit| serve(visit, |visit| _ = visit.send(format!("{first}{behind}"))));
        let mut client = asking(&proxy, request(row, &origin));
        first_answer(row, &mut client);
        second_answer(row, &origin, &mut client);
    }
}

#[test]
fn bytes_behind_the_response_while_nobody_asks() {
    let proxy = Proxy::start();
    for row in ROWS {
        println!("{}", row.0);
        let (first, behind) = (row.2, row.4);
        let (read, was_read) = mpsc::channel::<()>();
        let was_read = Mutex::new(was_read);
        let origin = Scripted::start(move |visit| {
            serve(visit, |visit| {
                visit.send(first);
                let _ = was_read.lock().expect("gate").recv();
                visit.send(behind);
            });
        });
        let mut client = asking(&proxy, request(row, &origin));
        first_answer(row, &mut client);
        read.send(()).expect("the origin waits");
        // The proxy hears it, and lets go of the connection before anybody asks for it.
        origin.ended(0);
        second_answer(row, &origin, &mut client);
    }
}

/// The first connection plays `first`; every later request is answered by "second".
fn serve(visit: &mut Visit, first: impl Fn(&mut Visit)) {
    while visit.head().is_some() {
        match visit.number {
            0 => return first(visit),
            _ => _ = visit.send(ok("second")),
        }
    }
}

fn request(row: &Row, origin: &Scripted) -> String {
    format!("{} http://{1}/ HTTP/1.1\r\nHost: {1}\r\n\r\n", row.1, origin.address())
}

fn first_answer(row: &Row, client: &mut Wire) {
    let (name, method, _, body, _) = *row;
    let first = if method == "HEAD" { answer_head(client).expect("a head") } else { answer(client) };
    assert_eq!((first.text().as_str(), first.end), (body, BodyEnd::Framed), "{name}: {first:?}");
    assert_ne!(first.field("Connection"), Some("close"), "{name}: {first:?}");
    if first.status == 204 {
        assert_eq!(
            (first.field("Content-Length"), first.field("Transfer-Encoding")),
            (None, None),
            "{name}: {first:?}"
        );
    }
}

fn second_answer(row: &Row, origin: &Scripted, client: &mut Wire) {
    client.send(format!("GET http://{0}/ HTTP/1.1\r\nHost: {0}\r\n\r\n", origin.address()));
    let second = answer(client);
    assert_eq!((second.status, second.text().as_str()), (200, "second"), "{}: {second:?}", row.0);
    let seen = origin.seen();
    assert_eq!(seen.len(), 2, "{}: the connection was used again: {seen:?}", row.0);
    assert_eq!(seen[0].text().matches("HTTP/1.1").count(), 1, "{}: {seen:?}", row.0);
}
