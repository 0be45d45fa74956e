//! What is clean arrives as it was sent, byte for byte, in every size and framing, and the connections go on.

use super::wrapped::{CODINGS, Framing};
use super::{fetch, noise, patient, scanning_with, serving, text, wait_until_nothing_is_left};
use crate::support::answer::{Answer, BodyEnd, answer, answer_head};
use crate::support::client::{asking, get};
use crate::support::proxy::Proxy;
use crate::support::script::{Scripted, path};
use crate::support::wire::{How, Wire};

/// Sizes around every border that there is on the way.
pub const SIZES: [usize; 15] = [
    0,
    1,
    1024,
    16 * 1024 - 1,
    16 * 1024 + 1,
    64 * 1024 - 1,
    64 * 1024,
    64 * 1024 + 1,
    128 * 1024,
    256 * 1024 - 1,
    256 * 1024,
    256 * 1024 + 1,
    400_000,
    1 << 20,
    3 << 20,
];

fn framing_of(name: &str) -> Framing {
    match name {
        "length" => Framing::Length,
        "close" => Framing::Close,
        chunked => Framing::Chunked(chunked.parse().expect("a size of chunks")),
    }
}

/// Answers `/FRAMING/SIZE` with a body of that size.
fn origin() -> Scripted {
    Scripted::start(|visit| {
        while let Some(head) = visit.head() {
            let mut parts = path(&head).split('/').skip(1);
            let framing = framing_of(parts.next().expect("a framing"));
            let size = parts.next().and_then(|size| size.parse().ok()).expect("a size");
            visit.send(framing.response("", &noise(size)));
            if framing.is_ended_by_close() {
                return visit.finish();
            }
        }
    })
}

#[track_caller]
fn assert_whole(answer: &Answer, size: usize, what: &str) {
    assert_eq!((answer.status, answer.body.len()), (200, size), "{what}");
    assert!(answer.body == noise(size), "{what}: other bytes");
    assert!(matches!(answer.end, BodyEnd::Framed | BodyEnd::Closed(How::Fin)), "{what}: {:?}", answer.end);
}

#[test]
fn in_every_size_and_framing() {
    let (proxy, origin) = (scanning_with(patient), origin());
    let mut client = Wire::connect(proxy.address());
    for framing in ["length", "1000", "4093", "65537", "close"] {
        for size in SIZES {
            let what = format!("/{framing}/{size}");
            client.send(get(origin.address(), &what));
            let answer = answer(&mut client);
            assert_whole(&answer, size, &what);
            if answer.end != BodyEnd::Framed {
                client = Wire::connect(proxy.address());
            }
        }
    }
    let tiny = fetch(&proxy, &origin, "/1/5000");
    assert_whole(&tiny, 5000, "chunks of one byte");
    drop(client);
    wait_until_nothing_is_left(&proxy);
}

#[test]
fn to_old_clients() {
    let (proxy, origin) = (scanning_with(patient), origin());
    for framing in ["length", "4093", "close"] {
        for size in [0, 1, 65_536, 262_145, 1 << 20] {
            let what = format!("/{framing}/{size}");
            let host = origin.address();
            let mut client = asking(&proxy, format!("GET http://{host}{what} HTTP/1.0\r\nHost: {host}\r\n\r\n"));
            let answer = answer(&mut client);
            assert_eq!(answer.field("Transfer-Encoding"), None, "{what}");
            assert_whole(&answer, size, &what);
        }
    }
    wait_until_nothing_is_left(&proxy);
}

#[test]
fn as_it_was_coded() {
    let proxy = scanning_with(patient);
    for (coding, encode) in CODINGS {
        let coded = encode(&text(300_000));
        let origin = serving(Framing::Chunked(5000), &format!("Content-Encoding: {coding}\r\nETag: \"e\"\r\n"), &coded);
        let answer = fetch(&proxy, &origin, "/x");
        assert!(answer.body == coded, "{coding}: {} bytes", answer.body.len());
        assert_eq!((answer.field("Content-Encoding"), answer.field("ETag")), (Some(coding), Some("\"e\"")));
    }
}

#[test]
fn with_the_trailers_of_its_last_chunk() {
    let proxy = scanning_with(patient);
    for size in [10, 300_000] {
        let origin = Scripted::start(move |visit| {
            while visit.head().is_some() {
                visit.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n");
                visit.send(Framing::Chunked(9999).piece(&noise(size)));
                visit.send("0\r\nX-Sum: 17\r\n\r\n");
            }
        });
        let host = origin.address();
        let mut client =
            asking(&proxy, format!("GET http://{host}/x HTTP/1.1\r\nHost: {host}\r\nTE: trailers\r\n\r\n"));
        for _ in 0..2 {
            let answer = answer(&mut client);
            assert_whole(&answer, size, "with a trailer");
            assert_eq!(answer.trailers, "X-Sum: 17\r\n\r\n");
            client.send(format!("GET http://{host}/x HTTP/1.1\r\nHost: {host}\r\nTE: trailers\r\n\r\n"));
        }
    }
}

#[test]
fn what_has_no_body_is_not_waited_for() {
    let proxy = scanning_with(patient);
    let rows = [
        ("HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n"),
        ("HEAD", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"),
        ("GET", "HTTP/1.1 204 No Content\r\n\r\n"),
        ("GET", "HTTP/1.1 304 Not Modified\r\nContent-Length: 5000\r\n\r\n"),
        ("GET", "HTTP/1.1 304 Not Modified\r\nETag: \"e\"\r\n\r\n"),
        ("GET", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"),
        ("OPTIONS", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"),
    ];
    let mut client = Wire::connect(proxy.address());
    for (method, sent) in rows {
        let origin = Scripted::answering(sent);
        let host = origin.address();
        client.send(format!("{method} http://{host}/x HTTP/1.1\r\nHost: {host}\r\n\r\n"));
        let answer = answer_head(&mut client).expect("a head");
        assert_eq!(answer.status.to_string(), sent[9..12], "{method}: {sent}");
    }
    client.send(get(origin().address(), "/length/0"));
    drop(client);
    wait_until_nothing_is_left(&proxy);
}

#[test]
fn interim_answers_go_first() {
    let proxy = scanning_with(patient);
    let origin = Scripted::answering(
        "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nbody",
    );
    let mut client = asking(&proxy, get(origin.address(), "/x"));
    assert_eq!(answer(&mut client).status, 103);
    assert_eq!(answer(&mut client).text(), "body");
}

#[test]
fn a_part_is_a_part() {
    let proxy = scanning_with(patient);
    let origin = Scripted::answering(
        "HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 5-9/100\r\nContent-Length: 5\r\n\r\nfghij",
    );
    let host = origin.address();
    let mut client =
        asking(&proxy, format!("GET http://{host}/a.mp3 HTTP/1.1\r\nHost: {host}\r\nRange: bytes=5-9\r\n\r\n"));
    let answer = answer(&mut client);
    assert_eq!((answer.status, answer.text().as_str()), (206, "fghij"));
    assert_eq!(answer.field("Content-Range"), Some("bytes 5-9/100"));
    assert!(origin.seen()[0].text().contains("\r\nRange: bytes=5-9\r\n"), "{}", origin.seen()[0].text());
}

#[test]
fn in_order_when_all_was_asked_for_at_once() {
    let (proxy, origin) = (scanning_with(patient), origin());
    let sizes = [3 << 20, 0, 70_000, 1, 262_145];
    let asked: String = sizes.iter().map(|size| get(origin.address(), &format!("/length/{size}"))).collect();
    let mut client = asking(&proxy, asked);
    for size in sizes {
        assert_whole(&answer(&mut client), size, "pipelined");
    }
}

/// A client that reads slowly gets it all the same, and the proxy holds no more than the body.
#[test]
fn to_a_client_that_takes_its_time() {
    let (proxy, origin): (Proxy, _) = (scanning_with(patient), origin());
    let mut client = asking(&proxy, get(origin.address(), "/length/3145728"));
    let head = client.head();
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    let mut body = Vec::new();
    while body.len() < 3 << 20 {
        body.extend(client.exactly(32 * 1024));
        std::thread::yield_now();
    }
    assert!(body == noise(3 << 20));
    drop(client);
    wait_until_nothing_is_left(&proxy);
}
