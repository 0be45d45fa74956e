//! Pieces of streams before a service whose turns are all taken: each waits for so long, and then the service has failed.

use std::net::{IpAddr, Ipv4Addr};

use tether::icap::client::{IcapClient, PieceTurn};
use tether::inspect::course::StreamScan;
use tokio::time::Instant;

use super::streams::{EVENTS, seen};
use super::*;
use crate::icap::run;
use crate::support::origin::Origin;
use crate::support::wire::How;

/// A client that is none of those in the tests.
const OTHER: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
/// How long a piece waits for its turn. The first one is not waited for, and is answered at once.
const PATIENCE: Duration = Duration::from_secs(2);
/// An event that is a batch by itself.
const BATCH: usize = 64 * 1024;

fn event(word: &str) -> String {
    format!("data: {word}{}\n\n", "x".repeat(BATCH))
}

/// A service with a single turn for pieces, and what becomes of them where it fails.
fn narrow(scanner: &Scanner, on_failure: OnFailure) -> IcapService {
    let mut service = IcapService { on_overload: on_failure, max_connections: 1, ..scanner.named("av") };
    service.timeouts.whole = PATIENCE;
    service
}

fn client_of(scene: &Scene) -> Arc<IcapClient> {
    scene.proxy.app().reloader().policy().load().inspect.services.get("av").expect("a service").clone()
}

/// The only turn there is.
fn taken(client: &IcapClient) -> PieceTurn<'_> {
    run(async { client.turn_of_a_piece(OTHER, IcapMethod::Respmod, Instant::now() + SOON).await }).expect("a turn")
}

/// A stream of which the first event has gone on, and the origin's end of it.
fn flowing(scene: &Scene, origin: &Origin) -> (Wire, Wire) {
    let mut client = scene.asks(get(origin.address(), "/live"));
    let mut served = origin.accept();
    served.head();
    served.send([EVENTS, "data: one\n\n"].concat());
    client.head();
    assert_eq!(client.exactly(11), b"data: one\n\n");
    (client, served)
}

#[test]
fn a_stream_whose_piece_is_not_judged_in_time_is_cut() {
    for streams in [StreamScan::Async, StreamScan::Sync] {
        let scanner = Scanner::clean();
        let scene = Scene::with(vec![narrow(&scanner, OnFailure::Block)], seen(streams));
        let (service, origin) = (client_of(&scene), Origin::bind());
        let (mut client, mut served) = flowing(&scene, &origin);
        let turn = taken(&service);
        let more = event("more");
        served.send(&more);
        let (rest, end) = client.rest();
        assert_eq!(end, How::Reset, "{streams:?}");
        let free = if streams == StreamScan::Async { more.len() } else { 0 };
        assert!(rest.len() <= free, "{streams:?}: {} bytes went on", rest.len());
        let line = scene.line(0);
        assert_eq!((told(&line)[0], told(&line)[3]), ("scanner_cut", "av"), "{line}");
        assert!(line["threat"].as_str().is_some_and(|why| !why.is_empty()), "{line}");
        assert_eq!((scanner.shown().len(), scene.ended(Ended::Overload)), (1, 1), "{streams:?}: it had no turn");
        served.ending();
        drop((turn, client));
        scene.wait_until_empty();
    }
}

#[test]
fn a_stream_that_may_go_on_does_and_the_next_piece_is_tried() {
    for streams in [StreamScan::Async, StreamScan::Sync] {
        let scanner = Scanner::finding("virus");
        let scene = Scene::with(vec![narrow(&scanner, OnFailure::Pass)], seen(streams));
        let (service, origin) = (client_of(&scene), Origin::bind());
        let (mut client, mut served) = flowing(&scene, &origin);
        let turn = taken(&service);
        let unseen = event("unseen");
        served.send(&unseen);
        assert!(client.exactly(unseen.len()) == unseen.as_bytes(), "{streams:?}");
        scene.proxy.wait_until("given up", |_| scene.ended(Ended::Overload) > 0);
        assert_eq!(scanner.shown().len(), 1, "{streams:?}: it had no turn");
        drop(turn);
        let clean = event("clean");
        served.send(&clean);
        assert!(client.exactly(clean.len()) == clean.as_bytes(), "{streams:?}");
        scene.proxy.wait_until("shown", |_| scanner.shown().iter().any(|shown| shown.text().contains("clean")));
        served.send(event("virus"));
        assert_eq!(client.rest().1, How::Reset, "{streams:?}");
        let line = scene.line(0);
        assert_eq!((told(&line)[0], told(&line)[2]), ("content_cut", "cut"), "{line}");
        assert_eq!(line["unscanned"], "overload", "{line}");
        assert!(scene.unscanned(Unscanned::Overload) >= unseen.len() as u64);
        drop(client);
        scene.wait_until_empty();
    }
}

#[test]
fn a_piece_that_gets_its_turn_in_time_is_judged_and_nothing_is_told() {
    let scanner = Scanner::clean();
    let mut service = narrow(&scanner, OnFailure::Block);
    service.timeouts.whole = SOON;
    let scene = Scene::with(vec![service], seen(StreamScan::Sync));
    let (service, origin) = (client_of(&scene), Origin::bind());
    let (mut client, mut served) = flowing(&scene, &origin);
    let turn = taken(&service);
    served.send("data: two\n\n");
    assert!(!client.comes_within(SHORT), "it waits for its turn");
    drop(turn);
    assert_eq!(client.exactly(11), b"data: two\n\n");
    served.finish();
    assert_eq!(client.rest(), (Vec::new(), How::Fin));
    let line = scene.line(0);
    assert_eq!((told(&line), &line["unscanned"]), (["done", "window", "clean", "-"], &Value::Null), "{line}");
    assert_eq!(scene.ended(Ended::Overload), 0);
}

#[test]
fn a_client_that_leaves_leaves_the_queue() {
    let scanner = Scanner::clean();
    let mut service = narrow(&scanner, OnFailure::Block);
    service.timeouts.whole = SOON;
    let scene = Scene::with(vec![service], seen(StreamScan::Async));
    let (service, origin) = (client_of(&scene), Origin::bind());
    let (mut client, mut served) = flowing(&scene, &origin);
    let turn = taken(&service);
    let more = event("more");
    served.send(&more);
    client.exactly(more.len());
    client.reset();
    served.ending();
    scene.wait_until_empty();
    drop(turn);
    drop(taken(&service));
    assert_eq!((scanner.shown().len(), scene.ended(Ended::Overload)), (1, 0));
}
