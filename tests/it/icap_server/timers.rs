//! Peers that stop at any point without going: each is given its time, told so where it can be, and let go.

use std::io::ErrorKind;
use std::time::{Duration, Instant};

use tether::icap::server::settings::IcapServerTimeouts;
use tether::inspect::settings::eicar;
use tether::observe::icap_server::{Asked, Outcome};

use super::Server;
use super::asking::{END, ENDLESS, begun, chunk, judged, piece, respmod};
use crate::support::patience::until;
use crate::support::wire::{How, Wire};

/// A limit that is waited for in a test.
const SHORT: Duration = Duration::from_millis(200);
/// Between two bytes of a peer that is slow: far below a limit that is waited for.
const PACE: Duration = Duration::from_millis(10);
/// A response that says how long it is: it is held until it is whole.
const SIZED: &str = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 100\r\n\r\n";
/// What a peer is told that did not go on in time.
const TIMED_OUT: &str = "ICAP/1.0 408 Request Timeout\r\n";

/// A server with these limits; what `change` leaves alone is longer than any test, but for the end.
fn limited(change: impl FnOnce(&mut IcapServerTimeouts)) -> Server {
    let (long, linger) = (Duration::from_secs(3600), Duration::from_secs(2));
    let mut timeouts =
        IcapServerTimeouts { idle: long, head: long, preview: long, body: long, write_stall: long, linger };
    change(&mut timeouts);
    Server::with(|port| port.timeouts = timeouts)
}

/// The server says that it was too long, and ends the connection.
#[track_caller]
fn assert_told(wire: &mut Wire, what: &str) {
    let head = wire.head();
    assert!(head.starts_with(TIMED_OUT) && head.contains("Connection: close\r\n"), "{what}: {head}");
    assert_eq!(wire.rest(), (Vec::new(), How::Fin), "{what}");
}

/// Sends `bytes` again and again, one by one and slowly, until the server says something.
fn drip(wire: &mut Wire, bytes: &[u8]) {
    let mut left = bytes.iter().cycle();
    until("answered", || {
        wire.send([*left.next().expect("it goes on for ever")]);
        wire.comes_within(PACE)
    });
}

#[test]
fn a_connection_that_asks_nothing_is_closed_without_a_word() {
    let server = limited(|limits| limits.idle = SHORT);
    let began = Instant::now();
    let mut wire = server.connect();
    assert_eq!(wire.rest(), (Vec::new(), How::Fin));
    assert!(began.elapsed() >= SHORT, "not before its time");
    // The same after an answer, from then on.
    let mut wire = server.connect();
    assert!(!wire.comes_within(SHORT / 2));
    wire.send("OPTIONS icap://s.test/respmod ICAP/1.0\r\n\r\n");
    let asked = Instant::now();
    assert!(wire.head().starts_with("ICAP/1.0 200 "));
    assert_eq!(wire.rest(), (Vec::new(), How::Fin));
    assert!(asked.elapsed() >= SHORT, "the time begins anew");
    server.wait_until_empty();
    assert_eq!(server.ended(Asked::Unread, Outcome::Refused), 0);
}

#[test]
fn a_head_that_does_not_come_to_its_end() {
    let server = limited(|limits| limits.head = SHORT);
    let asked = respmod("", ENDLESS);
    let (icap, inner) = asked.split_at(asked.find("GET ").expect("the head inside"));
    let stops = [("the first line", &icap[..9]), ("a field", &icap[..60]), ("behind the head", icap)];
    for (what, part) in stops.into_iter().chain([("the heads inside", &asked[..asked.len() - inner.len() / 2])]) {
        let mut wire = server.connect();
        wire.send(part);
        assert_told(&mut wire, what);
    }
    server.wait_for(Asked::Unread, Outcome::Refused, 4);
    // Bytes that come do not make it longer.
    let mut wire = server.connect();
    wire.send("OPTIONS icap://s.test/respmod ICAP/1.0\r\n");
    drip(&mut wire, b"A: b\r\n");
    assert_told(&mut wire, "a head that drips");
    // Neither does a request before it.
    let mut wire = server.connect();
    wire.send("OPTIONS icap://s.test/respmod ICAP/1.0\r\n\r\nOPTIONS icap:");
    assert!(wire.head().starts_with("ICAP/1.0 200 "));
    assert_told(&mut wire, "behind another request");
    server.wait_until_empty();
}

#[test]
fn a_body_that_stops_in_the_middle_is_refused_while_it_is_held() {
    let server = limited(|limits| limits.body = SHORT);
    let held = [respmod("", SIZED).as_bytes(), &chunk(b"held")].concat();
    let after_preview = [respmod("Preview: 0\r\n", SIZED).as_bytes(), END].concat();
    let in_a_chunk = [respmod("", SIZED).as_bytes(), b"64\r\nheld"].concat();
    let nothing = respmod("", SIZED).into_bytes();
    for (what, asked) in
        [("held", held), ("after a preview", after_preview), ("in a chunk", in_a_chunk), ("nothing", nothing)]
    {
        let mut wire = server.connect();
        wire.send(asked);
        if what == "after a preview" {
            assert_eq!(wire.head(), "ICAP/1.0 100 Continue\r\n\r\n");
        }
        assert_told(&mut wire, what);
    }
    server.wait_for(Asked::Respmod, Outcome::TimedOut, 4);
    server.wait_until_empty();
}

#[test]
fn a_body_that_stops_while_it_goes_back_is_cut() {
    let server = limited(|limits| limits.body = 2 * Duration::from_secs(1));
    let mut wire = server.connect();
    // A second of silence makes it a stream; then as long as it takes again.
    wire.send([respmod("", ENDLESS).as_bytes(), &chunk(b"goal 1\n")].concat());
    begun(&mut wire);
    assert_eq!(piece(&mut wire), b"goal 1\n");
    assert_eq!(wire.rest(), (Vec::new(), How::Reset), "it has no end");
    server.wait_for(Asked::Respmod, Outcome::TimedOut, 1);
    server.wait_until_empty();
}

#[test]
fn a_body_that_goes_on_is_never_too_long() {
    let limit = 3 * SHORT;
    let server = limited(|limits| limits.body = limit);
    let mut wire = server.connect();
    wire.send(respmod("Allow: 204\r\n", SIZED));
    let began = Instant::now();
    let mut sent = 0;
    until("longer than the limit", || {
        wire.send(chunk(b"x"));
        sent += 1;
        assert!(!wire.comes_within(PACE), "after {sent} pieces");
        began.elapsed() > 2 * limit
    });
    wire.send(END);
    assert!(wire.head().starts_with("ICAP/1.0 204 "));
}

#[test]
fn a_peer_that_takes_nothing_is_cut() {
    let server = limited(|limits| limits.write_stall = SHORT);
    let mut wire = server.connect();
    let flood = [respmod("", ENDLESS).into_bytes(), chunk(&vec![b'a'; 64 << 20])].concat();
    // Both directions fill up, and the peer sends on for as long as it is let.
    let fault = wire.try_send(&flood).expect_err("nobody takes so much");
    assert!(matches!(fault.kind(), ErrorKind::ConnectionReset | ErrorKind::BrokenPipe), "{fault}");
    server.wait_for(Asked::Respmod, Outcome::TimedOut, 1);
    server.wait_until_empty();
}

#[test]
fn a_preview_that_never_ends() {
    let server = limited(|limits| limits.preview = SHORT);
    let begun = [respmod("Preview: 1024\r\n", ENDLESS).as_bytes(), &chunk(b"goal 1\n")].concat();
    let mut wire = server.connect();
    wire.send(&begun);
    assert_told(&mut wire, "stops");
    let mut wire = server.connect();
    wire.send(&begun);
    drip(&mut wire, &chunk(b"goal\n"));
    assert_told(&mut wire, "drips");
    server.wait_for(Asked::Respmod, Outcome::TimedOut, 2);
    // The time is that of the preview alone.
    let mut wire = server.connect();
    wire.send(respmod("Preview: 0\r\nAllow: 204\r\n", SIZED));
    wire.send(END);
    assert_eq!(wire.head(), "ICAP/1.0 100 Continue\r\n\r\n");
    assert!(!wire.comes_within(2 * SHORT));
    wire.send([&chunk(b"rest")[..], END].concat());
    assert!(wire.head().starts_with("ICAP/1.0 204 "));
    drop(wire);
    server.wait_until_empty();
}

#[test]
fn what_was_found_is_told_however_the_preview_goes_on() {
    // A peer that lets pass what it cannot have judged must not be told less than is known.
    let server = limited(|limits| limits.preview = SHORT);
    let mut wire = server.connect();
    wire.send([respmod("Preview: 1024\r\n", ENDLESS).as_bytes(), &chunk(&eicar())].concat());
    let answer = judged(&mut wire);
    assert!(answer.head.contains("X-Infection-Found: ") && answer.head.contains("Connection: close\r\n"));
    assert!(answer.inner.starts_with("HTTP/1.1 403 "), "{}", answer.inner);
    assert_eq!(wire.rest(), (Vec::new(), How::Fin));
    server.wait_for(Asked::Respmod, Outcome::Blocked, 1);
    server.wait_until_empty();
}

#[test]
fn after_the_last_answer_a_peer_has_a_moment_to_go() {
    let server = limited(|limits| limits.linger = SHORT);
    let mut wire = server.connect();
    wire.send("GET / HTTP/1.1\r\n\r\n");
    assert!(wire.head().starts_with("ICAP/1.0 400 "));
    // It stays, and is let go all the same.
    server.wait_until_empty();
    drop(wire);
}
