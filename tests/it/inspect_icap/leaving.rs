//! Clients that leave while a service has the turn: everything that was held for them goes with them.

use std::sync::mpsc;

use tether::base::phase::Phase;

use super::*;
use crate::support::client::{Leaving, connect};
use crate::support::origin::Origin;
use crate::support::rules::asking_from;
use crate::support::wire::How;

/// A body that no kernel takes at once.
const LARGE: usize = 16 << 20;

#[test]
fn while_the_service_is_thinking() {
    // Everything is shown, and no answer comes.
    let scanner = Scanner::answering(PREVIEW, |_, _| {});
    let scene = Scene::of(vec![scanner.named("av")]);
    for (number, leaving) in Leaving::ALL.into_iter().enumerate() {
        let origin = Origin::bind();
        let client = scene.asks(get(origin.address(), "/a"));
        let mut served = origin.accept();
        served.head();
        served.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n");
        scene.proxy.wait_until("shown", |_| scanner.shown().len() == number + 1);
        scene.proxy.tally().wait_for_phase(Phase::Scan);
        let before = scene.proxy.tally().cancels(Phase::Scan);
        let left = leaving.leave(client);
        let seen = scanner.visit_ended(number);
        assert_eq!(seen.end, Some(How::Reset), "{leaving:?}");
        served.ending();
        drop(left);
        scene.wait_until_empty();
        assert_eq!(scene.proxy.tally().cancels(Phase::Scan), before + 1, "{leaving:?}");
        assert_eq!(scene.ended(Ended::Abandoned), number as u64 + 1, "{leaving:?}");
        assert_eq!(scene.proxy.tally().orphans(), 0);
    }
}

#[test]
fn while_the_body_is_on_its_way_to_the_service() {
    for leaving in Leaving::ALL {
        let (begun, has_begun) = mpsc::channel();
        let (go_on, goes_on) = mpsc::channel::<()>();
        let (begun, goes_on) = (Mutex::new(begun), Mutex::new(goes_on));
        let server = Scripted::start(move |visit| {
            while let Some(head) = visit.head() {
                if head.starts_with("OPTIONS ") {
                    visit.send(crate::icap::server::options(""));
                } else if visit.exactly(1000).is_some() {
                    begun.lock().expect("begun").send(()).expect("told");
                    goes_on.lock().expect("goes on").recv_timeout(SOON).expect("told");
                    return;
                }
            }
        });
        let mut service = service("av", server.address());
        service.timeouts.write_stall = SOON;
        let scene = Scene::of(vec![service]);
        let origin = Scripted::answering(
            [format!("HTTP/1.1 200 OK\r\nContent-Length: {LARGE}\r\n\r\n").into_bytes(), vec![b'x'; LARGE]].concat(),
        );
        let client = scene.asks(get(origin.address(), "/a"));
        has_begun.recv_timeout(SOON).expect("it was asked");
        scene.proxy.tally().wait_for_phase(Phase::Scan);
        let left = leaving.leave(client);
        scene.proxy.wait_until("given up", |scene| scene.open().exchanges == 0);
        go_on.send(()).expect("told");
        let seen = visit_ended(&server, 0);
        assert_eq!(seen.end, Some(How::Reset), "{leaving:?}");
        assert!(
            seen.bytes.len() < LARGE && !seen.bytes.ends_with(b"0\r\n\r\n"),
            "{leaving:?}: a body that was cut has no end"
        );
        drop(left);
        scene.wait_until_empty();
        assert!(origin.ended(0).end.is_some());
    }
}

#[test]
fn while_the_answer_of_the_service_is_coming() {
    let scanner = Scanner::answering(PREVIEW, |visit, _| {
        visit.send(crate::icap::server::replace("HTTP/1.1 200 OK\r\n\r\n", "5\r\nhello\r\n"));
    });
    let scene = Scene::of(vec![scanner.named("av")]);
    let origin = page("hello");
    for (number, leaving) in Leaving::ALL.into_iter().enumerate() {
        let client = scene.asks(get(origin.address(), "/a"));
        scene.proxy.wait_until("shown", |_| scanner.shown().len() == number + 1);
        scene.proxy.tally().wait_for_phase(Phase::Scan);
        let left = leaving.leave(client);
        assert_eq!(scanner.visit_ended(number).end, Some(How::Reset), "{leaving:?}");
        drop(left);
        scene.wait_until_empty();
    }
}

#[test]
fn while_a_request_is_judged() {
    let scanner = Scanner::answering(PREVIEW, |_, _| {});
    let scene = Scene::of(vec![scanner.of_requests()]);
    let origin = page("hello");
    let to = origin.address();
    let post = format!("POST http://{to}/ HTTP/1.1\r\nHost: {to}\r\nContent-Length: 5\r\n\r\nhello");
    let mut number = 0;
    for request in [get(to, "/a"), post, connect(to)] {
        for leaving in Leaving::ALL {
            let client = scene.asks(&request);
            scene.proxy.wait_until("shown", |_| scanner.shown().len() == number + 1);
            scene.proxy.tally().wait_for_phase(Phase::Scan);
            let left = leaving.leave(client);
            assert_eq!(scanner.visit_ended(number).end, Some(How::Reset), "{leaving:?}");
            drop(left);
            scene.wait_until_empty();
            number += 1;
        }
    }
    assert!(origin.seen().is_empty());
}

#[test]
fn while_it_waits_for_its_turn() {
    let scanner = Scanner::answering(PREVIEW, |_, _| {});
    let service = IcapService { max_connections: 1, ..scanner.named("av") };
    let scene = Scene::of(vec![service]);
    let origin = page("hello");
    let first = scene.asks(get(origin.address(), "/a"));
    scene.proxy.wait_until("shown", |_| scanner.shown().len() == 1);
    for leaving in Leaving::ALL {
        // Another client: of its own the first has its share.
        let client = asking_from("127.0.0.2", &scene.proxy, get(origin.address(), "/b"));
        scene.proxy.wait_until("queued", |_| scene.stats()[0].servers[0].connections.waiting == 1);
        let left = leaving.leave(client);
        scene.proxy.wait_until("out of the queue", |_| scene.stats()[0].servers[0].connections.waiting == 0);
        drop(left);
    }
    assert_eq!(scanner.shown().len(), 1);
    drop(first);
    scene.wait_until_empty();
}
