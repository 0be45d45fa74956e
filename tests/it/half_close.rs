//! Clients that send FIN and still want their answer: served where the listener says so, within a limit.

mod profiles;

use std::time::{Duration, Instant};

use tether::base::phase::Phase;
use tether::base::reason::Reason;
use tether::policy::half_close::FinPolicy;

use crate::support::client::{asking, get};
use crate::support::origin::Origin;
use crate::support::proxy::{Proxy, SOON};
use crate::support::wire::How;

/// A proxy that finishes what a half-closed client asked for, if that takes no longer than `limit`.
fn finishing_within(limit: Duration) -> Proxy {
    Proxy::with(|settings| {
        settings.forward[0].half_close.on_client_fin = Some(FinPolicy::Finish);
        settings.timeouts.half_close_http = limit;
    })
}

fn finishing() -> Proxy {
    finishing_within(Duration::from_secs(60))
}

#[test]
fn the_whole_answer_comes_after_the_fin() {
    let (proxy, origin) = (finishing(), Origin::bind());
    let body = "0123456789abcdef".repeat(64 * 1024);
    for framing in [format!("Content-Length: {}\r\n", body.len()), String::new()] {
        let mut client = asking(&proxy, get(origin.address(), "/"));
        let mut served = origin.accept();
        served.head();
        proxy.tally().wait_for_phase(Phase::ResponseHead);
        client.finish();

        let answer = format!("HTTP/1.1 200 OK\r\n{framing}\r\n{body}");
        let answering = std::thread::spawn(move || served.send(answer));
        assert!(client.head().starts_with("HTTP/1.1 200 "));
        let (bytes, how) = client.rest();
        assert!(bytes == body.as_bytes(), "{framing:?}: {} of {} bytes", bytes.len(), body.len());
        assert_eq!(how, How::Fin);
        answering.join().expect("the origin");
        proxy.wait_until_empty();
    }
    assert_eq!(proxy.tally().closed(Reason::Done), 2);
}

#[test]
fn the_answer_comes_when_the_fin_is_right_behind_the_request() {
    let (proxy, origin) = (finishing(), Origin::bind());
    let mut client = asking(&proxy, get(origin.address(), "/"));
    client.finish();
    let mut served = origin.accept();
    served.head();
    served.send("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nlate");
    assert!(client.head().starts_with("HTTP/1.1 200 "));
    assert_eq!(client.rest(), (b"late".to_vec(), How::Fin));
    proxy.wait_until_empty();
    assert_eq!(proxy.tally().closed(Reason::Done), 1);
}

#[test]
fn pipelined_requests_are_answered_after_the_fin() {
    let (proxy, origin) = (finishing(), Origin::bind());
    let both = get(origin.address(), "/first") + &get(origin.address(), "/second");
    let mut client = asking(&proxy, both);
    client.finish();
    let mut served = origin.accept();
    for path in ["/first", "/second"] {
        assert!(served.head().starts_with(&format!("GET {path} ")));
        served.send(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{path}", path.len()));
        client.head();
        assert_eq!(client.exactly(path.len()), path.as_bytes());
    }
    assert_eq!(client.ending().how, How::Fin);
    proxy.wait_until_empty();
}

#[test]
fn an_upload_ended_by_fin_is_answered() {
    let (proxy, origin) = (finishing(), Origin::bind());
    let host = origin.address();
    let head = format!("POST http://{host}/ HTTP/1.1\r\nHost: {host}\r\nContent-Length: 100000\r\n\r\n");
    let mut client = asking(&proxy, head);
    client.send([b'u'; 100_000]);
    client.finish();
    let mut served = origin.accept();
    served.head();
    assert_eq!(served.exactly(100_000), [b'u'; 100_000]);
    served.send("HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n");
    assert!(client.head().starts_with("HTTP/1.1 201 "));
    assert_eq!(client.rest(), (Vec::new(), How::Fin));
    proxy.wait_until_empty();
}

#[test]
fn a_body_cut_by_fin_is_never_made_whole() {
    let (proxy, origin) = (finishing(), Origin::bind());
    let host = origin.address();
    for framing in ["Content-Length: 10\r\n\r\nhalf ", "Transfer-Encoding: chunked\r\n\r\n5\r\nhalf \r\n"] {
        let mut client = asking(&proxy, format!("POST http://{host}/ HTTP/1.1\r\nHost: {host}\r\n{framing}"));
        let served = origin.accept();
        proxy.tally().wait_for_phase(Phase::RequestBody);
        client.finish();
        assert_eq!(served.ending().how, How::Reset, "an end by FIN could be taken for the end of the body");
        assert!(client.head().starts_with("HTTP/1.1 400 "));
        drop(client);
        proxy.wait_until_empty();
    }
    assert_eq!(proxy.tally().closed(Reason::RequestBodyCut), 2);
}

#[test]
fn a_reset_behind_the_fin_still_cancels() {
    let (proxy, origin) = (finishing(), Origin::bind());
    for path in ["/head", "/body"] {
        let mut client = asking(&proxy, get(origin.address(), path));
        let mut served = origin.accept();
        served.head();
        if path == "/body" {
            served.send("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nsome");
            client.head();
            client.exactly(4);
        }
        client.finish();
        assert!(served.ending_within(Duration::from_millis(50)).is_none(), "the FIN alone does not cancel");
        client.reset();
        assert_eq!(served.ending().how, How::Reset);
        proxy.wait_until_empty();
    }
    assert_eq!(proxy.tally().closed(Reason::ClientReset), 2);
}

#[test]
fn the_limit_ends_the_wait() {
    let limit = Duration::from_millis(300);
    let (proxy, origin) = (finishing_within(limit), Origin::bind());
    let answers =
        ["", "Content-Length: 100\r\n\r\nsome", "Transfer-Encoding: chunked\r\n\r\n4\r\nsome\r\n", "\r\nsome"];
    for answer in answers {
        let mut client = asking(&proxy, get(origin.address(), "/"));
        let mut served = origin.accept();
        served.head();
        if !answer.is_empty() {
            served.send(format!("HTTP/1.1 200 OK\r\n{answer}"));
            client.head();
            assert!(client.comes_within(SOON));
        }
        let began = Instant::now();
        client.finish();
        let ending = served.ending();
        assert_eq!(ending.how, How::Reset);
        assert!(ending.at - began >= limit, "not before its time: {:?}", ending.at - began);
        let (rest, how) = client.rest();
        assert!(!rest.ends_with(b"0\r\n\r\n"), "no made-up end");
        // A body that ends with its connection would look whole behind a FIN.
        assert!(!answer.starts_with("\r\n") || how == How::Reset, "{answer:?} ended by {how:?}");
        proxy.wait_until_empty();
    }
    assert_eq!(proxy.tally().closed(Reason::HalfCloseLimit), 4);
}

#[test]
fn where_a_fin_cancels_the_same_client_gets_nothing() {
    let (proxy, origin) = (Proxy::start(), Origin::bind());
    let mut client = asking(&proxy, get(origin.address(), "/"));
    let mut served = origin.accept();
    served.head();
    client.finish();
    assert_eq!(served.ending().how, How::Reset);
    assert!(client.rest().0.is_empty());
    proxy.wait_until_empty();
    assert_eq!(proxy.tally().closed(Reason::ClientFin), 1);
}
