//! What an origin may say, and what its client gets of it (security.md 2.2).

mod cut;
mod leftover;
mod refused;

use crate::support::answer::{Answer, BodyEnd, answer, answer_head};
use crate::support::client::asking;
use crate::support::proxy::Proxy;
use crate::support::script::{Scripted, ok};
use crate::support::wire::How;

const CHUNKED: &str =
    "HTTP/1.1 200 OK\r\nX-Case: Kept\r\ntransfer-ENCODING: Chunked\r\n\r\n3;a=b\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n";
const LENGTH: &str = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";
const CLOSE: &str = "HTTP/1.1 200 OK\r\n\r\nhello";

const FRAMED: BodyEnd = BodyEnd::Framed;
const CLOSED: BodyEnd = BodyEnd::Closed(How::Fin);

/// A client's head without its request line, and which version it speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Client {
    Modern,
    ModernClosing,
    Old,
    OldKeeping,
}

use Client::{Modern, ModernClosing, Old, OldKeeping};

/// Name, client, the origin's bytes (it closes behind those without an end of their own), how the body ends for the
/// client, and what its `Connection` says.
type Row = (&'static str, Client, &'static str, BodyEnd, Option<&'static str>);

const HELLOS: &[Row] = &[
    ("length", Modern, LENGTH, FRAMED, None),
    ("length, closing client", ModernClosing, LENGTH, FRAMED, Some("close")),
    ("length, HTTP/1.0", Old, LENGTH, FRAMED, Some("close")),
    ("length, HTTP/1.0 with keep-alive", OldKeeping, LENGTH, FRAMED, Some("keep-alive")),
    ("chunked", Modern, CHUNKED, FRAMED, None),
    ("chunked, closing client", ModernClosing, CHUNKED, FRAMED, Some("close")),
    ("chunked, HTTP/1.0", Old, CHUNKED, CLOSED, Some("close")),
    ("chunked, HTTP/1.0 with keep-alive", OldKeeping, CHUNKED, CLOSED, Some("close")),
    ("until close", Modern, CLOSE, CLOSED, Some("close")),
    ("until close, HTTP/1.0", Old, CLOSE, CLOSED, Some("close")),
    ("until close, HTTP/1.0 with keep-alive", OldKeeping, CLOSE, CLOSED, Some("close")),
    ("old origin, until close", Modern, "HTTP/1.0 200 OK\r\n\r\nhello", CLOSED, Some("close")),
    ("old origin, length", Modern, "HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello", FRAMED, None),
    ("old origin, old client", Old, "HTTP/1.0 200 OK\r\n\r\nhello", CLOSED, Some("close")),
    ("no phrase", Modern, "HTTP/1.1 200\r\nContent-Length: 5\r\n\r\nhello", FRAMED, None),
    ("a status nobody knows", Modern, "HTTP/1.1 299 Odd\r\nContent-Length: 5\r\n\r\nhello", FRAMED, None),
    ("equal lengths", Modern, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\nhello", FRAMED, None),
    (
        "length and close",
        Modern,
        "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 5\r\n\r\nhello",
        FRAMED,
        None,
    ),
];

#[test]
fn every_body_arrives_whole_in_every_version() {
    let proxy = Proxy::start();
    for &(name, client, bytes, end, connection) in HELLOS {
        println!("{name}");
        let origin = Scripted::start(move |visit| {
            visit.head();
            visit.send(bytes);
            if !bytes.to_lowercase().contains("content-length") && bytes != CHUNKED {
                visit.finish();
            }
        });
        let mut client = asking(&proxy, request(client, &origin));
        let got = answer(&mut client);
        assert_eq!((got.text().as_str(), got.end), ("hello", end), "{name}: {got:?}");
        assert_eq!(got.field("Connection"), connection, "{name}: {got:?}");
        assert!(got.head.matches("ength").count() <= 1, "{name}: {got:?}");
        assert!(!got.text().contains("a=b"), "{name}: {got:?}");
        if connection == Some("close") {
            assert_eq!(client.rest(), (Vec::new(), How::Fin), "{name}");
        } else {
            client.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
            assert_eq!(answer(&mut client).status, 404, "{name}: the connection goes on");
        }
    }
}

#[test]
fn fields_keep_their_order_and_case_but_those_of_the_hop() {
    let origin = Scripted::answering(
        "HTTP/1.1 200 Fine By Me\r\nx-FIRST: 1\r\nConnection: keep-alive, X-Hop\r\nX-Hop: a\r\nKeep-Alive: timeout=5\r\n\
         Set-Cookie: a\r\ncontent-LENGTH: 5\r\nProxy-Authenticate: Basic\r\nUpgrade: h2c\r\nset-cookie: b\r\nVia: 1.0 x\r\n\r\nhello",
    );
    let proxy = Proxy::start();
    let got = answer(&mut asking(&proxy, request(Modern, &origin)));
    let (before, after) = got.head.split_once("Via: 1.1 tether-").expect("our Via");
    let kept = "HTTP/1.1 200 Fine By Me\r\nx-FIRST: 1\r\nSet-Cookie: a\r\ncontent-LENGTH: 5\r\nset-cookie: b\r\nVia: 1.0 x\r\n";
    assert_eq!(before, kept);
    assert_eq!(after.find("\r\n\r\n"), Some(8), "{got:?}");
}

#[test]
fn interim_answers_go_to_those_who_know_them() {
    let interim = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n";
    let proxy = Proxy::start();
    for (name, client, statuses) in
        [("1.1", Modern, &[100, 102, 103, 200][..]), ("1.0", Old, &[200]), ("1.0 with keep-alive", OldKeeping, &[200])]
    {
        let pieces = [interim.to_owned() + LENGTH, interim.to_owned()];
        for (together, piece) in pieces.into_iter().enumerate() {
            let origin = Scripted::start(move |visit| {
                visit.head();
                visit.send(&piece);
                if together == 1 {
                    visit.send(LENGTH);
                }
            });
            let mut client = asking(&proxy, request(client, &origin));
            let got: Vec<Answer> = statuses.iter().map(|_| answer(&mut client)).collect();
            assert_eq!(got.iter().map(|one| one.status).collect::<Vec<_>>(), statuses, "{name}: {got:?}");
            assert_eq!(got.last().expect("final").text(), "hello", "{name}");
            if let Some(hints) = got.iter().find(|one| one.status == 103) {
                assert_eq!(hints.field("Link"), Some("</a.css>"), "{name}");
            }
        }
    }
}

#[test]
fn twenty_interim_answers_are_passed_on() {
    let origin = Scripted::answering("HTTP/1.1 102 Processing\r\n\r\n".repeat(20) + LENGTH);
    let proxy = Proxy::start();
    let mut client = asking(&proxy, request(Modern, &origin));
    let statuses: Vec<u16> = (0..21).map(|_| answer(&mut client).status).collect();
    assert_eq!((statuses[..20].iter().all(|status| *status == 102), statuses[20]), (true, 200), "{statuses:?}");
}

#[test]
fn trailers_are_passed_on_but_those_that_frame_or_route() {
    let origin = Scripted::answering(
        "HTTP/1.1 200 OK\r\nTrailer: X-Sum\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX-Sum: 1\r\nContent-Length: 7\r\n\
         Transfer-Encoding: chunked\r\nHost: h\r\nConnection: close\r\nVia: x\r\nx-more: 2\r\n\r\n",
    );
    let proxy = Proxy::start();
    let got = answer(&mut asking(&proxy, request(Modern, &origin)));
    assert_eq!((got.text().as_str(), got.trailers.as_str()), ("hello", "X-Sum: 1\r\nx-more: 2\r\n\r\n"));
    assert_eq!(got.field("Trailer"), Some("X-Sum"));
    let got = answer(&mut asking(&proxy, request(Old, &origin)));
    assert_eq!((got.text().as_str(), got.end), ("hello", CLOSED), "an HTTP/1.0 client knows no trailers");
}

#[test]
fn old_origins_are_used_again_only_if_they_say_so() {
    let proxy = Proxy::start();
    for (name, bytes, connections) in [
        ("silent", "HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello", 2),
        ("keep-alive", "HTTP/1.0 200 OK\r\nConnection: Keep-Alive\r\nContent-Length: 5\r\n\r\nhello", 1),
        (
            "keep-alive and close",
            "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nConnection: close\r\nContent-Length: 5\r\n\r\nhello",
            2,
        ),
        ("1.1 with close", "HTTP/1.1 200 OK\r\nConnection: Close\r\nContent-Length: 5\r\n\r\nhello", 2),
        ("1.1 with close among others", "HTTP/1.1 200 OK\r\nConnection: x, close\r\nContent-Length: 5\r\n\r\nhello", 2),
    ] {
        let origin = Scripted::answering(bytes);
        let mut client = asking(&proxy, request(Modern, &origin).repeat(2));
        assert_eq!(
            (answer(&mut client).text(), answer(&mut client).text()),
            ("hello".into(), "hello".into()),
            "{name}"
        );
        assert_eq!(origin.seen().len(), connections, "{name}");
    }
}

#[test]
fn head_gets_the_fields_of_the_body_it_leaves_out() {
    let proxy = Proxy::start();
    for (name, bytes, field) in [
        ("length", "HTTP/1.1 200 OK\r\nContent-Length: 5000000000\r\n\r\n", ("Content-Length", "5000000000")),
        ("chunked", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", ("Transfer-Encoding", "chunked")),
    ] {
        let origin = Scripted::start(move |visit| {
            visit.head();
            visit.send(bytes);
            visit.head();
            visit.send(ok("second"));
        });
        let head = request(Modern, &origin).replace("GET", "HEAD");
        let mut client = asking(&proxy, head + &request(Modern, &origin));
        assert_eq!(answer_head(&mut client).expect("a head").field(field.0), Some(field.1), "{name}");
        assert_eq!(answer(&mut client).text(), "second", "{name}");
        assert_eq!(origin.seen().len(), 1, "{name}");
    }
}

fn request(client: Client, origin: &Scripted) -> String {
    let (version, fields) = match client {
        Modern => ("1.1", ""),
        ModernClosing => ("1.1", "Connection: close\r\n"),
        Old => ("1.0", ""),
        OldKeeping => ("1.0", "Connection: Keep-Alive\r\n"),
    };
    format!("GET http://{0}/ HTTP/{version}\r\nHost: {0}\r\n{fields}\r\n", origin.address())
}
