//! `over = "evict_oldest_idle"`: the longest silent stream of the same holder makes room, between two events.

use std::time::Duration;

use tether::base::phase::Phase;
use tether::base::reason::Reason;

use super::{GROUP, TICKER, at, get_with, ticking, ticks};
use crate::support::answer::{BodyEnd, answer, answer_body, answer_head};
use crate::support::origin::Origin;
use crate::support::proxy::Proxy;
use crate::support::rules::{asking_from, limited, rule, wait_for_use};
use crate::support::wire::{How, Wire};

const A: &str = "127.0.0.2";
const B: &str = "127.0.0.3";
const TICK: &str = "9\r\ndata: 1\n\n\r\n";

fn evicting() -> Proxy {
    limited(&format!(
        "{GROUP}[[limit]]\nname = \"room\"\ndestination = \"group:sport\"\nper = \"pair\"\nstreams = 2\nexchanges = 4\n\
         over = \"evict_oldest_idle\"\n"
    ))
}

/// A ticker that has begun, and its origin's end.
fn ticker(proxy: &Proxy, origin: &Origin, source: &str) -> (Wire, Wire) {
    let mut client = asking_from(source, proxy, ticks(&at("p1.sport.test", origin.address())));
    let mut served = origin.accept();
    served.head();
    served.send(TICKER);
    ticking(&mut client);
    (client, served)
}

fn tick(client: &mut Wire, served: &mut Wire) {
    served.send(TICK);
    assert_eq!(client.exactly(TICK.len()), TICK.as_bytes());
}

/// Waits until all are silent: who is so for longest is known to the millisecond.
fn silence(proxy: &Proxy) {
    proxy.wait_until("silent", |proxy| proxy.streams().iter().all(|row| row.idle >= Duration::from_millis(2)));
}

#[test]
fn the_longest_silent_stream_makes_room() {
    let (proxy, origin) = (evicting(), Origin::bind());
    let mut oldest = ticker(&proxy, &origin, A);
    let mut silent = ticker(&proxy, &origin, A);
    let mut other = ticker(&proxy, &origin, B);
    silence(&proxy);
    tick(&mut oldest.0, &mut oldest.1);
    tick(&mut other.0, &mut other.1);
    let mut newcomer = ticker(&proxy, &origin, A);
    let (rest, how) = silent.0.rest();
    assert_eq!((rest.as_slice(), how), (&b""[..], How::Fin), "cut: no last chunk");
    silent.1.ending();
    for (client, served) in [&mut oldest, &mut other, &mut newcomer] {
        tick(client, served);
    }
    assert_eq!((rule(&proxy, "room").evictions, proxy.tally().closed(Reason::StreamEvicted)), (1, 1));
    wait_for_use(&proxy, "room", 3, 3, 0);
}

#[test]
fn a_stream_whose_client_takes_nothing_is_evicted_all_the_same() {
    let (proxy, origin) = (evicting(), Origin::bind());
    let mut busy = ticker(&proxy, &origin, A);
    let _second = ticker(&proxy, &origin, A);
    // More than the client's socket takes: bytes of the event wait in the proxy.
    let event = format!("4000000\r\n{}", "x".repeat(0x400_0000));
    let mut sender = busy.1.twin();
    let sending = std::thread::spawn(move || sender.try_send(event));
    proxy.tally().wait_for_phase(Phase::ClientWrite);
    // The second one is the longest silent now, then it is the busy one's turn.
    silence(&proxy);
    let newcomers = [ticker(&proxy, &origin, A), ticker(&proxy, &origin, A)];
    let (body, _) = busy.0.rest();
    assert!(!body.is_empty() && body.len() < 0x400_0000, "{} bytes of one event", body.len());
    assert!(sending.join().expect("the origin").is_err(), "its upstream is gone too");
    assert_eq!(rule(&proxy, "room").evictions, 2);
    drop(newcomers);
}

#[test]
fn where_no_stream_can_make_room_there_is_a_refusal() {
    let (proxy, origin) = (evicting(), Origin::bind());
    let to = at("p1.sport.test", origin.address());
    let held: Vec<Wire> = (0..4).map(|_| asking_from(A, &proxy, get_with(&to, "/", ""))).collect();
    wait_for_use(&proxy, "room", 4, 0, 0);
    assert_eq!(answer(&mut asking_from(A, &proxy, ticks(&to))).status, 429);
    drop(held);
}

#[test]
fn an_exchange_without_a_slot_takes_that_of_a_silent_stream() {
    let (proxy, origin) = (evicting(), Origin::bind());
    let to = at("p1.sport.test", origin.address());
    let mut silent = ticker(&proxy, &origin, A);
    let _held: Vec<Wire> = (0..3).map(|_| asking_from(A, &proxy, get_with(&to, "/", ""))).collect();
    wait_for_use(&proxy, "room", 4, 1, 0);
    let mut client = asking_from(A, &proxy, get_with(&to, "/fourth", ""));
    assert_eq!(silent.0.rest().1, How::Fin);
    wait_for_use(&proxy, "room", 4, 0, 0);
    let mut served: Vec<Wire> = (0..4).map(|_| origin.accept()).collect();
    let last = served.iter_mut().find_map(|served| served.head().contains("/fourth").then_some(served));
    let last = last.expect("its request");
    last.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi");
    assert_eq!(answer(&mut client).text(), "hi");
}

#[test]
fn a_body_without_framing_is_cut_by_a_reset() {
    let (proxy, origin) = (evicting(), Origin::bind());
    let to = at("p1.sport.test", origin.address());
    let mut client = asking_from(A, &proxy, ticks(&to).replace("HTTP/1.1", "HTTP/1.0"));
    let mut served = origin.accept();
    served.head();
    served.send("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: 0\n\n");
    let head = answer_head(&mut client).expect("an answer");
    assert_eq!(client.exactly(9), b"data: 0\n\n");
    silence(&proxy);
    let _others = [ticker(&proxy, &origin, A), ticker(&proxy, &origin, A)];
    assert_eq!(answer_body(&mut client, head).end, BodyEnd::Closed(How::Reset));
}
