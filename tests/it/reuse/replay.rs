//! Request bodies that a dead connection swallowed: sent again exactly, once, or not at all.

use std::sync::mpsc;

use super::{request, times_seen};
use crate::support::answer::answer;
use crate::support::client::asking;
use crate::support::patience::until;
use crate::support::proxy::Proxy;
use crate::support::random::Random;
use crate::support::script::{Scripted, Visit, ok};
use crate::support::wire::Wire;

/// An origin that answers the first request of its first connection, and does `trap` with the second.
fn dies_on_reuse(trap: impl Fn(&mut Visit) + Send + Sync + 'static) -> Scripted {
    Scripted::start(move |visit| {
        while visit.request().is_some() {
            visit.send(ok("fine"));
            if visit.number == 0 {
                return trap(visit);
            }
        }
    })
}

fn letters(length: usize) -> String {
    let mut random = Random::seeded(length as u64);
    (0..length).map(|_| char::from(b'a' + random.below(26) as u8)).collect()
}

#[test]
fn a_body_is_sent_again_exactly() {
    for length in [1, 100, 16 * 1024, 40 * 1024, 64 * 1024] {
        for reset in [false, true] {
            println!("{length}, reset: {reset}");
            let proxy = Proxy::start();
            let origin = dies_on_reuse(move |visit| {
                visit.request();
                if reset { visit.reset() } else { visit.finish() }
            });
            let mut client = asking(&proxy, request("GET", &origin, 1, ""));
            assert_eq!(answer(&mut client).text(), "fine");
            let body = letters(length);
            client.send(request("PUT", &origin, 2, &body));
            assert_eq!(answer(&mut client).text(), "fine");
            let seen = origin.seen();
            assert_eq!((seen.len(), times_seen(&origin, 2)), (2, 2));
            let second = seen[1].text();
            let (head, again) = second.split_once("\r\n\r\n").expect("a head");
            assert!(head.contains(&format!("Content-Length: {length}")) && again == body, "{head}");
            assert_eq!(proxy.tally().sum(|worker| worker.stale_retries.get()), 1);
        }
    }
}

#[test]
fn what_had_not_come_yet_follows_the_part_that_is_sent_again() {
    let proxy = Proxy::start();
    let (died, has_died) = mpsc::channel();
    let origin = dies_on_reuse(move |visit| {
        visit.until(b"first-part");
        visit.finish();
        let _ = died.send(());
    });
    let mut client = asking(&proxy, request("GET", &origin, 1, ""));
    assert_eq!(answer(&mut client).text(), "fine");
    let whole = format!("first-part{}last", letters(30_000));
    let sent = request("PUT", &origin, 2, &whole);
    let cut = sent.find("first-part").expect("the body") + "first-part".len();
    client.send(&sent[..cut]);
    has_died.recv().expect("the origin");
    origin.wait_for("the head again", |seen| seen.len() == 2 && seen[1].text().ends_with("first-part"));
    client.send(&sent[cut..]);
    assert_eq!(answer(&mut client).text(), "fine");
    assert!(origin.seen()[1].text().ends_with(&whole));
}

/// An origin whose first connection survives one reuse, and not the next.
fn dies_once_proven(trap: impl Fn(&mut Visit) + Send + Sync + 'static) -> Scripted {
    Scripted::start(move |visit| {
        let mut answered = 0;
        while visit.number > 0 || answered < 2 {
            if visit.request().is_none() {
                return;
            }
            visit.send(ok("fine"));
            answered += 1;
        }
        trap(visit);
    })
}

/// A client with a connection that is proven.
fn proven(proxy: &Proxy, origin: &Scripted) -> Wire {
    let mut client = asking(proxy, "");
    for id in [1001, 1002] {
        client.send(request("GET", origin, id, ""));
        assert_eq!(answer(&mut client).text(), "fine");
    }
    client
}

#[test]
fn a_chunked_body_is_sent_again_while_it_is_held_whole() {
    for (length, held) in [(5, true), (40_000, true), (70_000, false)] {
        println!("{length}");
        let proxy = Proxy::start();
        let origin = dies_once_proven(|visit| {
            visit.request();
            visit.finish();
        });
        let mut client = proven(&proxy, &origin);
        let body = letters(length);
        let (one, other) = body.split_at(length / 2);
        let chunks = format!("{:x}\r\n{one}\r\n{:x}\r\n{other}\r\n0\r\n\r\n", one.len(), other.len());
        let to = origin.address();
        let _ = client.try_send(format!(
            "PUT http://{to}/id-2- HTTP/1.1\r\nHost: {to}\r\nTransfer-Encoding: chunked\r\n\r\n{chunks}"
        ));
        let got = answer(&mut client);
        // On a slow machine its time may have been over, and the request on a fresh connection at once.
        let on_proven = origin.seen()[0].text().contains("/id-2- ");
        assert_eq!(got.status, if held || !on_proven { 200 } else { 502 }, "{got:?}");
        assert_eq!(times_seen(&origin, 2), if held && on_proven { 2 } else { 1 });
        if let Some(again) = origin.seen().get(1) {
            let text: String =
                again.text().split("\r\n\r\n").nth(1).expect("a body").split("\r\n").skip(1).step_by(2).collect();
            assert_eq!(text, body);
        }
    }
}

#[test]
fn a_body_too_long_to_hold_is_never_sent_twice() {
    let proxy = Proxy::start();
    let origin = dies_once_proven(|visit| {
        visit.head();
        visit.reset();
    });
    let mut client = proven(&proxy, &origin);
    let body = letters(64 * 1024 + 1);
    // The refusal may come, and the connection close, before all of it is taken.
    let _ = client.try_send(request("PUT", &origin, 3, &body));
    let got = answer(&mut client);
    let on_proven = origin.seen()[0].text().contains("/id-3- ");
    assert_eq!(got.status, if on_proven { 502 } else { 200 }, "{got:?}");
    assert_eq!(times_seen(&origin, 3), 1);
    assert_eq!(proxy.tally().sum(|worker| worker.stale_retries.get()), 0);
}

#[test]
fn long_bodies_avoid_connections_that_are_not_proven() {
    let proxy = Proxy::start();
    let origin = dies_on_reuse(|visit| {
        visit.request();
        visit.finish();
    });
    let mut client = asking(&proxy, request("GET", &origin, 1, ""));
    assert_eq!(answer(&mut client).text(), "fine");
    client.send(request("PUT", &origin, 2, &letters(200_000)));
    assert_eq!((answer(&mut client).text().as_str(), times_seen(&origin, 2)), ("fine", 1));
}

#[test]
fn a_client_that_leaves_while_its_request_is_repeated_leaves_nothing() {
    let proxy = Proxy::start();
    let origin = Scripted::start(|visit| {
        visit.request();
        if visit.number == 0 {
            visit.send(ok("fine"));
            visit.request();
            visit.finish();
        }
    });
    let mut client = asking(&proxy, request("GET", &origin, 1, ""));
    assert_eq!(answer(&mut client).text(), "fine");
    client.send(request("PUT", &origin, 2, "hello"));
    until("repeated", || times_seen(&origin, 2) == 2);
    client.reset();
    proxy.wait_until_empty();
}
