//! CONNECT: dialled before the 200, bytes both ways, and every end of one side told to the other.

use std::time::{Duration, Instant};

use tether::base::phase::Phase;
use tether::base::reason::Reason;
use tether::policy::destination::PortSet;

use crate::support::client::{asking, connect, tunnel};
use crate::support::origin::{BlackHole, Origin};
use crate::support::patience::until;
use crate::support::proxy::Proxy;
use crate::support::wire::How;

#[test]
fn the_200_comes_only_once_the_origin_has_taken_the_call() {
    let (proxy, hole) = (Proxy::start(), BlackHole::dig());
    let mut client = asking(&proxy, connect(hole.address()));
    proxy.tally().wait_for_phase(Phase::Connecting);
    assert!(!client.has_more(), "nothing may be said before the connection stands");
    hole.open();
    assert!(client.head().starts_with("HTTP/1.1 200 "));
    drop(client);
    drop(hole);
    proxy.wait_until_empty();
}

#[test]
fn a_refused_call_is_a_502_with_a_page() {
    let proxy = Proxy::start();
    let nobody = Origin::bind().address();
    let mut client = asking(&proxy, connect(nobody));
    let head = client.head();
    assert!(head.starts_with("HTTP/1.1 502 "), "{head}");
    assert!(head.contains("Proxy-Status: tether; error=connection_refused"), "{head}");
    assert!(head.contains("Connection: close\r\n"), "{head}");
    let (page, how) = client.rest();
    assert!(String::from_utf8_lossy(&page).contains("refused"), "a page that says so");
    assert_eq!(how, How::Fin);
    drop(client);
    proxy.wait_until_empty();
    assert_eq!(proxy.tally().closed(Reason::ConnectRefused), 1);
}

#[test]
fn ports_that_are_not_listed_are_403_and_never_called() {
    let origin = Origin::bind();
    let proxy = Proxy::with(|settings| settings.destinations.connect_ports = PortSet::Ranges(vec![(443, 443)]));
    let mut client = asking(&proxy, connect(origin.address()) + "bytes of the tunnel that will not be");
    let head = client.head();
    assert!(head.starts_with("HTTP/1.1 403 "), "{head}");
    let (_, how) = client.rest();
    assert_eq!(how, How::Fin, "what came behind the head is no request and no reason to lose the page");
    drop(client);
    proxy.wait_until_empty();
    assert!(!origin.is_called(Duration::ZERO));
    assert_eq!(proxy.tally().sum(|worker| worker.upstream_opened.get()), 0);
}

#[test]
fn what_the_client_says_early_reaches_the_origin() {
    let (proxy, origin) = (Proxy::start(), Origin::bind());
    let early = "a hello, sent before anybody said 200".repeat(100);
    let mut client = asking(&proxy, connect(origin.address()) + &early);
    let mut served = origin.accept();
    assert_eq!(served.exactly(early.len()), early.as_bytes());
    assert!(client.head().starts_with("HTTP/1.1 200 "));
    client.send("and more");
    assert_eq!(served.exactly(8), b"and more");
}

#[test]
fn the_fin_of_either_side_is_passed_on_and_the_other_direction_goes_on() {
    let (proxy, origin) = (Proxy::start(), Origin::bind());
    for first_is_client in [true, false] {
        let (client, served) = tunnel(&proxy, &origin);
        let (mut first, mut second) = if first_is_client { (client, served) } else { (served, client) };
        first.send("the last words");
        first.finish();
        assert_eq!(second.rest(), (b"the last words".to_vec(), How::Fin));
        for word in ["still", " ", "here"] {
            second.send(word);
            assert_eq!(first.exactly(word.len()), word.as_bytes());
        }
        second.finish();
        assert_eq!(first.rest(), (Vec::new(), How::Fin));
        // Both sockets are still held here: it is the proxy that let go of its own.
        proxy.wait_until_empty();
    }
    assert_eq!(proxy.tally().closed(Reason::Done), 2);
}

#[test]
fn the_reset_of_either_side_resets_the_other() {
    let (proxy, origin) = (Proxy::start(), Origin::bind());
    for leaver_is_client in [true, false] {
        for half_closed in [false, true] {
            let (client, served) = tunnel(&proxy, &origin);
            let (leaver, mut other) = if leaver_is_client { (client, served) } else { (served, client) };
            if half_closed {
                leaver.finish();
                assert_eq!(other.rest().1, How::Fin);
            }
            leaver.reset();
            other.wait_for_reset();
            proxy.wait_until_empty();
        }
    }
    assert_eq!(proxy.tally().closed(Reason::ClientReset), 2);
    assert_eq!(proxy.tally().closed(Reason::TunnelUpstreamReset), 2);
}

#[test]
fn a_silent_tunnel_ends_and_a_busy_one_does_not() {
    let limit = Duration::from_millis(400);
    let proxy = Proxy::with(|settings| settings.timeouts.stream_idle = limit);
    let origin = Origin::bind();
    let (mut busy_client, mut busy_served) = tunnel(&proxy, &origin);
    let began = Instant::now();
    let (client, served) = tunnel(&proxy, &origin);
    // The silent tunnel is waited for; meanwhile the other one has a word to say now and then.
    let mut ending = None;
    until("ended", || {
        busy_client.send("tick");
        busy_served.exactly(4);
        ending = served.ending_within(Duration::from_millis(20));
        ending.is_some()
    });
    let ending = ending.expect("until it was there");
    assert!(ending.at - began >= limit, "not before its time");
    assert_eq!((ending.how, client.ending().how), (How::Fin, How::Fin));
    busy_client.send("tock");
    assert_eq!(busy_served.exactly(4), b"tock");
    assert_eq!(proxy.tally().closed(Reason::TunnelIdle), 1);
    drop((busy_client, busy_served));
    proxy.wait_until_empty();
}

#[test]
fn a_half_closed_tunnel_has_a_limit_of_its_own() {
    let limit = Duration::from_millis(300);
    let proxy = Proxy::with(|settings| settings.timeouts.half_close_tunnel = limit);
    let origin = Origin::bind();
    let (mut client, mut served) = tunnel(&proxy, &origin);
    let began = Instant::now();
    client.finish();
    assert_eq!(served.rest(), (Vec::new(), How::Fin));
    assert_eq!(client.rest().0, b"");
    assert!(began.elapsed() >= limit, "not before its time: {:?}", began.elapsed());
    proxy.wait_until_empty();
    assert_eq!(proxy.tally().closed(Reason::TunnelHalfClose), 1);
}

#[test]
fn the_half_closed_wait_begins_with_the_fin() {
    let limit = Duration::from_millis(300);
    let proxy = Proxy::with(|settings| settings.timeouts.half_close_tunnel = limit);
    let origin = Origin::bind();
    let (mut client, mut served) = tunnel(&proxy, &origin);
    // Longer silent than a half-closed tunnel may be; a whole one may.
    assert!(served.ending_within(2 * limit).is_none(), "the tunnel is still whole");
    client.send("a question");
    client.finish();
    assert_eq!(served.rest(), (b"a question".to_vec(), How::Fin));
    served.send("an answer");
    drop(served);
    assert_eq!(client.rest(), (b"an answer".to_vec(), How::Fin));

    let (mut client, mut served) = tunnel(&proxy, &origin);
    assert!(served.ending_within(2 * limit).is_none(), "the tunnel is still whole");
    client.finish();
    assert_eq!(served.rest(), (Vec::new(), How::Fin));
    assert!(client.ending_within(limit / 3).is_none(), "the wait had just begun");
    served.send("an answer without a question");
    drop(served);
    assert_eq!(client.rest(), (b"an answer without a question".to_vec(), How::Fin));
    proxy.wait_until_empty();
}

#[test]
fn the_live_row_counts_the_bytes() {
    let (proxy, origin) = (Proxy::start(), Origin::bind());
    let (mut client, mut served) = tunnel(&proxy, &origin);
    let row = || proxy.streams()[0].clone();
    let (up, down) =
        (connect(origin.address()).len() as u64, "HTTP/1.1 200 Connection established\r\n\r\n".len() as u64);
    proxy.tally().wait_until("told of the heads", |_| (row().bytes_in, row().bytes_out) == (up, down));
    client.send(vec![b'u'; 1_000]);
    served.exactly(1_000);
    served.send(vec![b'd'; 300_000]);
    client.exactly(300_000);
    let expected = (up + 1_000, down + 300_000);
    proxy.tally().wait_until("counted", |_| (row().bytes_in, row().bytes_out) == expected);
    assert_eq!(row().destination.as_ref(), origin.address().to_string());
    assert_eq!((row().phase, row().upstreams), (Phase::Tunnel, 1));
    let tally = proxy.tally();
    let told = (tally.sum(|w| w.bytes_from_clients.get()), tally.sum(|w| w.bytes_to_clients.get()));
    assert_eq!(told, expected, "the counters agree with the row");
}

#[test]
fn small_pieces_and_then_silence_arrive_whole() {
    let (proxy, origin) = (Proxy::start(), Origin::bind());
    for round in 0..50 {
        let (client, served) = tunnel(&proxy, &origin);
        let (mut from, mut to) = if round % 2 == 0 { (client, served) } else { (served, client) };
        from.send([b'b'; 5_000]);
        assert_eq!(to.exactly(5_000), [b'b'; 5_000]);
        for _ in 0..60 {
            from.send([b's'; 100]);
        }
        assert_eq!(to.exactly(6_000), [b's'; 6_000], "round {round}");
    }
}
