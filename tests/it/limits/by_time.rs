//! What is a stream without saying so: slow for long enough. Such a one counts, and over the limit it is cut or refused.

use std::time::Duration;

use tether::base::phase::Phase;
use tether::base::reason::Reason;

use super::{GROUP, at, get_with, page, ticking, ticks, tunnel_to};
use crate::support::answer::{BodyEnd, answer, answer_body, answer_head};
use crate::support::client::Leaving;
use crate::support::origin::Origin;
use crate::support::proxy::Proxy;
use crate::support::rules::{asking_from, limited_with, rule, wait_for_use};
use crate::support::wire::{How, Wire};

const A: &str = "127.0.0.2";
const B: &str = "127.0.0.3";
const P1: &str = "p1.sport.test";

/// One stream for each pair; what is slow for 300 ms is one.
fn quick(more: &str) -> Proxy {
    let limit =
        "[[limit]]\nname = \"slow\"\ndestination = \"group:sport\"\nper = \"pair\"\nstreams = 1\nexchanges = 8\n";
    limited_with(&format!("{GROUP}{limit}{more}"), |settings| {
        settings.limits.stream_after = Duration::from_millis(300);
    })
}

/// An answer that goes on, without a word about it: its client, and its origin's end.
fn slow_answer(proxy: &Proxy, origin: &Origin, source: &str) -> (Wire, Wire) {
    let mut client = asking_from(source, proxy, page(&at(P1, origin.address())));
    let mut served = origin.accept();
    served.head();
    served.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n");
    assert!(client.head().starts_with("HTTP/1.1 200 "));
    assert_eq!(client.exactly(8), b"3\r\none\r\n");
    (client, served)
}

/// A tunnel and its origin's end.
fn tunnel(proxy: &Proxy, origin: &Origin) -> (Wire, Wire) {
    let mut client = asking_from(A, proxy, tunnel_to(&at(P1, origin.address())));
    let served = origin.accept();
    assert!(client.head().starts_with("HTTP/1.1 200 "));
    (client, served)
}

#[test]
fn a_slow_answer_becomes_a_stream_and_its_slot_comes_back() {
    let (proxy, origin) = (quick(""), Origin::bind());
    let (mut client, mut served) = slow_answer(&proxy, &origin, A);
    wait_for_use(&proxy, "slow", 1, 1, 0);
    served.send("3\r\ntwo\r\n0\r\n\r\n");
    assert_eq!(client.chunked(), b"two");
    wait_for_use(&proxy, "slow", 0, 0, 0);
    client.send(page(&at(P1, origin.address())));
    served.head();
    served.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi");
    assert_eq!(answer(&mut client).text(), "hi");
    assert_eq!(rule(&proxy, "slow").streams_peak, 1);
}

#[test]
fn over_the_limit_a_slow_answer_is_cut_in_its_body() {
    let (proxy, origin) = (quick(""), Origin::bind());
    let _first = slow_answer(&proxy, &origin, A);
    wait_for_use(&proxy, "slow", 1, 1, 0);
    let (mut second, served) = slow_answer(&proxy, &origin, A);
    let (rest, how) = second.rest();
    assert_eq!((rest.as_slice(), how), (&b""[..], How::Fin), "cut: no last chunk");
    served.ending();
    assert_eq!(proxy.tally().closed(Reason::StreamLimit), 1);
    wait_for_use(&proxy, "slow", 1, 1, 0);
}

#[test]
fn over_the_limit_a_long_poll_is_refused() {
    for (rules, status, name) in [
        ("", 429, "slow"),
        ("[[limit]]\nname = \"site\"\nper = \"destination\"\ncount_by = \"host\"\nstreams = 1\n", 503, "site"),
    ] {
        let (proxy, origin) = (quick(rules), Origin::bind());
        let holder = slow_answer(&proxy, &origin, if rules.is_empty() { A } else { B });
        wait_for_use(&proxy, "slow", 1, 1, 0);
        let mut client = asking_from(A, &proxy, page(&at(P1, origin.address())));
        let mut served = origin.accept();
        served.head();
        let refused = answer(&mut client);
        assert_eq!(refused.status, status, "{}", refused.head);
        assert!(refused.head.contains(&format!("Rule: {name}")) && refused.field("Retry-After").is_some());
        served.ending();
        client.send(page(&at(P1, origin.address())));
        let mut again = origin.accept();
        again.head();
        again.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi");
        assert_eq!(answer(&mut client).text(), "hi", "quick enough");
        drop(holder);
    }
}

#[test]
fn a_long_poll_is_a_stream_while_it_waits() {
    let (proxy, origin) = (quick(""), Origin::bind());
    let mut client = asking_from(A, &proxy, page(&at(P1, origin.address())));
    let mut served = origin.accept();
    served.head();
    wait_for_use(&proxy, "slow", 1, 1, 0);
    assert_eq!(proxy.streams()[0].phase, Phase::ResponseHead);
    served.send("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nnews");
    assert_eq!(answer(&mut client).text(), "news");
    wait_for_use(&proxy, "slow", 0, 0, 0);
}

#[test]
fn a_fast_download_is_none_however_long() {
    let (proxy, origin) = (quick(""), Origin::bind());
    let mut client = asking_from(A, &proxy, page(&at(P1, origin.address())));
    let mut served = origin.accept();
    served.head();
    served.send(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", 400 * 16 * 1024));
    client.head();
    for _ in 0..400 {
        // Four times the time after which it would be one; the pace is kept by both ends together.
        served.send([b'x'; 16 * 1024]);
        client.exactly(16 * 1024);
        assert!(!client.comes_within(Duration::from_millis(3)));
    }
    wait_for_use(&proxy, "slow", 0, 0, 0);
    assert_eq!(rule(&proxy, "slow").streams_peak, 0);
}

#[test]
fn a_tunnel_that_idles_becomes_a_stream() {
    let (proxy, origin) = (quick(""), Origin::bind());
    let (mut client, mut served) = tunnel(&proxy, &origin);
    wait_for_use(&proxy, "slow", 1, 1, 0);
    served.send("hello");
    assert_eq!(client.exactly(5), b"hello");
    let (second, its_origin) = tunnel(&proxy, &origin);
    assert_eq!(second.ending().how, How::Reset, "over the limit");
    assert_eq!(its_origin.ending().how, How::Reset);
    let _left = Leaving::Fin.leave(client);
    served.finish();
    wait_for_use(&proxy, "slow", 0, 0, 0);
}

#[test]
fn a_socket_that_switches_is_a_stream_at_once() {
    let (proxy, origin) = (quick(""), Origin::bind());
    let to = at(P1, origin.address());
    let upgrade = get_with(&to, "/ws", "Connection: Upgrade\r\nUpgrade: websocket\r\n");
    let switched = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
    let mut first = asking_from(A, &proxy, &upgrade);
    let mut served = origin.accept();
    served.head();
    served.send(switched);
    assert!(first.head().starts_with("HTTP/1.1 101 "));
    wait_for_use(&proxy, "slow", 1, 1, 0);
    let mut second = asking_from(A, &proxy, &upgrade);
    let mut its_origin = origin.accept();
    its_origin.head();
    its_origin.send(switched);
    assert_eq!(answer(&mut second).status, 429, "before the switch");
    its_origin.ending();
    let mut other = asking_from(B, &proxy, &upgrade);
    let mut its_origin = origin.accept();
    its_origin.head();
    its_origin.send(switched);
    assert!(other.head().starts_with("HTTP/1.1 101 "));
    first.reset();
    other.reset();
    wait_for_use(&proxy, "slow", 0, 0, 0);
}

#[test]
fn an_answer_that_is_no_stream_after_all_gives_the_slot_back() {
    let (proxy, origin) = (quick(""), Origin::bind());
    let to = at(P1, origin.address());
    let mut client = asking_from(A, &proxy, ticks(&to));
    let mut served = origin.accept();
    served.head();
    wait_for_use(&proxy, "slow", 1, 1, 0);
    served.send("HTTP/1.1 404 Not Found\r\nContent-Type: text/html\r\nContent-Length: 4\r\n\r\nno");
    let head = answer_head(&mut client).expect("an answer");
    assert_eq!(head.status, 404);
    assert_eq!(rule(&proxy, "slow").streams, 0, "given back while the answer goes on");
    let mut ticker = asking_from(A, &proxy, ticks(&to));
    let mut its_origin = origin.accept();
    its_origin.head();
    its_origin.send(super::TICKER);
    ticking(&mut ticker);
    // The 404 that does not end becomes a stream by time, and there is none left.
    assert_eq!(answer_body(&mut client, head).end, BodyEnd::Cut(How::Fin));
    drop(ticker);
    wait_for_use(&proxy, "slow", 0, 0, 0);
}

#[test]
fn a_slow_answer_that_waits_for_a_slot_goes_on_meanwhile() {
    let limit = "[[limit]]\nname = \"line\"\nper = \"pair\"\nstreams = 1\nover = \"queue\"\nqueue = { max = 4, wait = \"30s\" }\n";
    let proxy = limited_with(limit, |settings| settings.limits.stream_after = Duration::from_millis(300));
    let origin = Origin::bind();
    let first = slow_answer(&proxy, &origin, A);
    wait_for_use(&proxy, "line", 1, 1, 0);
    let (mut second, mut served) = slow_answer(&proxy, &origin, A);
    wait_for_use(&proxy, "line", 2, 1, 1);
    served.send("3\r\ntwo\r\n");
    assert_eq!(second.exactly(8), b"3\r\ntwo\r\n");
    drop(first);
    wait_for_use(&proxy, "line", 1, 1, 0);
    served.send("0\r\n\r\n");
    assert_eq!(second.exactly(5), b"0\r\n\r\n");
    wait_for_use(&proxy, "line", 0, 0, 0);
}
