//! Origins that end a body in the middle while it is held: what was scanned goes on and is cut, or a page says what was.

use tether::base::reason::Reason;

use super::wrapped::{Framing, chunk};
use super::{noise, patient, scanning_with, wait_until_nothing_is_left, wait_until_read};
use crate::support::answer::{Answer, BodyEnd, answer};
use crate::support::client::{asking, get};
use crate::support::origin::Origin;
use crate::support::proxy::Proxy;
use crate::support::wire::{How, Wire};

/// How an origin goes wrong.
#[derive(Clone, Copy, Debug)]
enum Wrong {
    Fin,
    Reset,
    BadChunk,
}

/// Sends `sent` behind a head, and goes wrong.
fn broken(proxy: &Proxy, framing: Framing, sent: &[u8], wrong: Wrong) -> Answer {
    let origin = Origin::bind();
    let mut client = asking(proxy, get(origin.address(), "/x"));
    let mut served = origin.accept();
    served.head();
    served.send(framing.head("", sent.len() + 100));
    if !sent.is_empty() {
        served.send(framing.piece(sent));
    }
    wait_until_read(&served);
    go_wrong(served, wrong);
    answer(&mut client)
}

fn go_wrong(mut served: Wire, wrong: Wrong) {
    match wrong {
        Wrong::Fin => drop(served),
        Wrong::Reset => served.reset(),
        Wrong::BadChunk => served.send("no size\r\n"),
    }
}

const WAYS: [(Framing, Wrong); 6] = [
    (Framing::Length, Wrong::Fin),
    (Framing::Length, Wrong::Reset),
    (Framing::Chunked(1000), Wrong::Fin),
    (Framing::Chunked(1000), Wrong::Reset),
    (Framing::Chunked(1000), Wrong::BadChunk),
    (Framing::Close, Wrong::Reset),
];

#[test]
fn what_came_goes_on_and_is_cut() {
    let proxy = scanning_with(patient);
    for (framing, wrong) in WAYS {
        for size in [1, 70_000, 600_000] {
            let body = noise(size);
            let answer = broken(&proxy, framing, &body, wrong);
            let what = format!("{framing:?}, {wrong:?}, {size}: {:?}, {} bytes", answer.end, answer.body.len());
            assert!(answer.status == 200 && body.starts_with(&answer.body), "{what}");
            assert!(matches!(answer.end, BodyEnd::Cut(_) | BodyEnd::Closed(How::Reset)), "{what}");
            // A reset may overtake what was sent before it; a FIN comes behind it.
            assert!(answer.body.len() == size || answer.end != BodyEnd::Cut(How::Fin), "{what}");
        }
    }
    wait_until_nothing_is_left(&proxy);
}

#[test]
fn where_nothing_came_a_page_says_so() {
    let proxy = scanning_with(patient);
    for (framing, wrong) in WAYS {
        let answer = broken(&proxy, framing, b"", wrong);
        assert_eq!((answer.status, answer.end), (502, BodyEnd::Framed), "{framing:?}, {wrong:?}: {}", answer.head);
    }
    let tally = proxy.tally();
    proxy.wait_until("counted", |_| tally.closed_at_all() == WAYS.len() as u64);
    assert_eq!(tally.closed(Reason::UpstreamClosed), 2);
    assert_eq!(tally.closed(Reason::UpstreamReset), 3);
    assert_eq!(tally.closed(Reason::BadResponse), 1);
    wait_until_nothing_is_left(&proxy);
}

#[test]
fn the_rest_of_a_stream_is_cut_too() {
    let proxy = scanning_with(patient);
    for wrong in [Wrong::Fin, Wrong::Reset, Wrong::BadChunk] {
        let origin = Origin::bind();
        let mut client = asking(&proxy, get(origin.address(), "/live"));
        let mut served = origin.accept();
        served.head();
        served.send(Framing::Chunked(1).head("Content-Type: text/event-stream\r\n", 0));
        served.send(chunk(b"data: one\n\n"));
        let head = client.head();
        assert!(head.starts_with("HTTP/1.1 200"), "{head}");
        assert_eq!(client.exactly(16), chunk(b"data: one\n\n"));
        go_wrong(served, wrong);
        let (rest, _) = client.rest();
        assert!(rest.is_empty(), "{wrong:?}: {}", String::from_utf8_lossy(&rest));
    }
    wait_until_nothing_is_left(&proxy);
}
