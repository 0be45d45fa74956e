//! Going down: gently, with a limit, or at once.

use std::io::ErrorKind;
use std::net::TcpStream;
use std::time::{Duration, Instant};

use tether::base::phase::Phase;
use tether::base::reason::Reason;

use crate::support::admin;
use crate::support::client::{asking, get, tunnel};
use crate::support::origin::Origin;
use crate::support::patience::until;
use crate::support::proxy::{Proxy, SOON};
use crate::support::wire::{How, Wire};

/// A proxy that drains for at most `limit`.
fn draining_for(limit: Duration) -> Proxy {
    Proxy::with(|settings| settings.timeouts.drain = limit)
}

fn patient() -> Proxy {
    draining_for(Duration::from_secs(60))
}

fn wait_until_finished(proxy: &Proxy) {
    proxy.wait_until("finished", |proxy| proxy.app().is_finished());
    proxy.wait_until_empty();
}

/// Waits until nobody is let in any more.
fn wait_until_refused(proxy: &Proxy) {
    // Until then some are taken by a listener on its way out, which resets them.
    until("refused", || {
        TcpStream::connect(proxy.address()).is_err_and(|fault| fault.kind() == ErrorKind::ConnectionRefused)
    });
}

#[test]
fn without_clients_it_ends_at_once() {
    let proxy = patient();
    let began = Instant::now();
    proxy.app().drain();
    wait_until_finished(&proxy);
    assert!(began.elapsed() < SOON);
    wait_until_refused(&proxy);
}

#[test]
fn idle_clients_are_closed_and_nobody_is_let_in() {
    let (proxy, origin) = (patient(), Origin::bind());
    let mut fresh: Vec<_> = (0..20).map(|_| Wire::connect(proxy.address())).collect();
    let mut used = asking(&proxy, get(origin.address(), "/"));
    let mut served = origin.accept();
    served.head();
    served.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    assert!(!used.head().contains("Connection: close"), "there is no hurry yet");
    proxy.wait_until("all here", |proxy| proxy.open().clients == 21 && proxy.open().exchanges == 0);

    proxy.app().drain();
    for client in fresh.iter_mut().chain([&mut used]) {
        assert_eq!(client.rest(), (Vec::new(), How::Fin));
    }
    assert_eq!(served.ending().how, How::Fin);
    wait_until_finished(&proxy);
    wait_until_refused(&proxy);
}

#[test]
fn what_is_under_way_is_finished_and_then_closed() {
    let (proxy, origin) = (patient(), Origin::bind());
    // One whose body has begun, one that has no answer yet, one that has not asked to the end.
    let mut begun = asking(&proxy, get(origin.address(), "/begun"));
    let mut begun_served = origin.accept();
    begun_served.head();
    begun_served.send("HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nhalf");
    begun.head();
    let mut waiting = asking(&proxy, get(origin.address(), "/waiting"));
    let mut waiting_served = origin.accept();
    waiting_served.head();
    let request = get(origin.address(), "/asking");
    let (first, second) = request.split_at(request.len() / 2);
    let mut half = asking(&proxy, first);
    proxy.tally().wait_for_phase(Phase::RequestHead);

    proxy.app().drain();
    wait_until_refused(&proxy);
    begun_served.send("half");
    assert_eq!(begun.rest(), (b"halfhalf".to_vec(), How::Fin));
    waiting_served.send("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nlate");
    assert!(waiting.head().contains("Connection: close\r\n"));
    assert_eq!(waiting.rest(), (b"late".to_vec(), How::Fin));
    half.send(second);
    let mut half_served = origin.accept();
    half_served.head();
    half_served.send("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nlast");
    assert!(half.head().contains("Connection: close\r\n"));
    assert_eq!(half.rest(), (b"last".to_vec(), How::Fin));

    drop((begun, waiting, half));
    wait_until_finished(&proxy);
    assert_eq!(proxy.tally().closed(Reason::Done), 3);
    assert_eq!(proxy.tally().closed_at_all(), 3);
}

#[test]
fn pipelined_requests_that_were_not_begun_are_not_begun() {
    let (proxy, origin) = (patient(), Origin::bind());
    let mut client = asking(&proxy, get(origin.address(), "/first") + &get(origin.address(), "/second"));
    let mut served = origin.accept();
    served.head();
    proxy.app().drain();
    wait_until_refused(&proxy);
    served.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    assert!(client.head().contains("Connection: close\r\n"), "the client may send the second one elsewhere");
    assert_eq!(client.rest(), (b"ok".to_vec(), How::Fin));
    assert!(served.next_head().is_none(), "no second request");
    drop(client);
    wait_until_finished(&proxy);
}

#[test]
fn after_the_limit_the_rest_is_cut_and_looks_cut() {
    let limit = Duration::from_millis(400);
    let (proxy, origin) = (draining_for(limit), Origin::bind());
    let answers = ["Content-Length: 90\r\n\r\n", "Transfer-Encoding: chunked\r\n\r\n4\r\n", "\r\n"];
    let mut downloads: Vec<_> = answers
        .iter()
        .map(|framing| {
            let mut client = asking(&proxy, get(origin.address(), "/"));
            let mut served = origin.accept();
            served.head();
            served.send(format!("HTTP/1.1 200 OK\r\n{framing}some"));
            client.head();
            assert!(client.comes_within(SOON));
            (client, served)
        })
        .collect();
    let (in_tunnel, at_origin) = tunnel(&proxy, &origin);
    let began = Instant::now();
    proxy.app().drain();
    for (number, (client, served)) in downloads.iter_mut().enumerate() {
        let (rest, how) = client.rest();
        assert!(began.elapsed() >= limit, "not before its time");
        assert!(!rest.ends_with(b"0\r\n\r\n"), "no made-up end");
        assert_eq!(served.ending().how, How::Reset);
        // A body that ends with its connection would look whole behind a FIN.
        assert!(number < 2 || how == How::Reset, "{:?} ended by {how:?}", answers[number]);
    }
    in_tunnel.ending();
    assert_eq!(at_origin.ending().how, How::Reset);
    wait_until_finished(&proxy);
    assert_eq!(proxy.tally().closed(Reason::Drained), 4);
}

#[test]
fn a_stop_cuts_everything_at_once() {
    for drained_before in [false, true] {
        let (proxy, origin) = (patient(), Origin::bind());
        let client = asking(&proxy, get(origin.address(), "/"));
        let mut served = origin.accept();
        served.head();
        let (in_tunnel, at_origin) = tunnel(&proxy, &origin);
        if drained_before {
            proxy.app().drain();
            wait_until_refused(&proxy);
        }
        proxy.app().stop();
        for wire in [&client, &in_tunnel, &served, &at_origin] {
            wire.ending();
        }
        wait_until_finished(&proxy);
        wait_until_refused(&proxy);
        assert_eq!(proxy.tally().closed(Reason::Drained), 2);
    }
}

#[test]
fn readiness_says_so_and_health_goes_on() {
    let (proxy, origin) = (patient(), Origin::bind());
    let (client, served) = tunnel(&proxy, &origin);
    assert_eq!(admin::ask(&proxy, "/readyz"), (200, "ready\n".into()));
    proxy.app().drain();
    wait_until_refused(&proxy);
    assert_eq!(admin::ask(&proxy, "/readyz"), (503, "draining\n".into()));
    assert_eq!(admin::ask(&proxy, "/healthz"), (200, "ok\n".into()));
    drop((client, served));
    wait_until_finished(&proxy);
    assert_eq!(admin::ask(&proxy, "/readyz").0, 503);
}
