//! Every wait has an end of its own: made small here, each ends with its reason, not before its time, and not for those
//! who keep up.

use std::time::{Duration, Instant};

use tether::base::reason::Reason;
use tether::flow::settings::Timeouts;

use crate::support::client::{asking, fill_origin, get};
use crate::support::kernel::connecting_to;
use crate::support::lone_worker::LoneWorker;
use crate::support::origin::{BlackHole, Origin};
use crate::support::patience::until;
use crate::support::proxy::Proxy;
use crate::support::wire::{How, Wire};

/// The time-out under test.
const LIMIT: Duration = Duration::from_millis(400);
/// How often those who keep up do something.
const BEAT: Duration = Duration::from_millis(50);

fn with(change: impl FnOnce(&mut Timeouts)) -> Proxy {
    Proxy::with(|settings| change(&mut settings.timeouts))
}

/// The page with this status, its connection closed behind it, and not before the limit was over.
fn expect_page(client: &mut Wire, status: u16, began: Instant) {
    let head = client.head();
    assert!(began.elapsed() >= LIMIT, "not before its time: {:?}", began.elapsed());
    assert!(head.starts_with(&format!("HTTP/1.1 {status} ")), "{head}");
    assert!(head.contains("Proxy-Status: tether; error="), "{head}");
}

fn expect_end(proxy: &Proxy, reason: Reason) {
    proxy.wait_until_empty();
    assert_eq!(proxy.tally().closed(reason), 1);
    assert_eq!(proxy.tally().closed_at_all(), 1);
}

#[test]
fn a_head_that_does_not_come_whole() {
    let proxy = with(|timeouts| timeouts.request_head = LIMIT);
    let began = Instant::now();
    let mut client = asking(&proxy, "GET http://slow.example/ HTTP/1.1\r\nX: ");
    // One clock for the whole head: dripping does not help.
    until("cut", || {
        client.send("x");
        client.comes_within(BEAT)
    });
    expect_page(&mut client, 408, began);
    assert_eq!(client.rest().1, How::Fin);
    drop(client);
    expect_end(&proxy, Reason::RequestHeadTimeout);
}

#[test]
fn a_body_below_the_floor() {
    let proxy = with(|timeouts| (timeouts.body_window, timeouts.body_floor) = (LIMIT, 1_000));
    let origin = Origin::bind();
    let began = Instant::now();
    let mut client = asking(&proxy, post(&origin, 90_000));
    let mut served = origin.accept();
    served.head();
    // It does send, and that is not enough.
    until("cut", || {
        client.send("x");
        client.comes_within(BEAT)
    });
    expect_page(&mut client, 408, began);
    assert_eq!(served.ending().how, How::Reset, "never completed");
    drop(client);
    expect_end(&proxy, Reason::RequestBodyTimeout);
}

#[test]
fn a_body_that_keeps_the_floor_is_not_cut() {
    let proxy = with(|timeouts| (timeouts.body_window, timeouts.body_floor) = (2 * LIMIT, 1_000));
    let origin = Origin::bind();
    let mut client = asking(&proxy, post(&origin, 90_000));
    let mut served = origin.accept();
    served.head();
    let (began, mut sent) = (Instant::now(), 0);
    while began.elapsed() < 7 * LIMIT {
        client.send([b'u'; 1_000]);
        sent += 1_000;
        assert_eq!(served.exactly(1_000), [b'u'; 1_000]);
        assert!(served.ending_within(BEAT).is_none(), "cut after {:?}", began.elapsed());
    }
    client.send(vec![b'u'; 90_000 - sent]);
    served.exactly(90_000 - sent);
    served.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    assert!(client.head().starts_with("HTTP/1.1 200 "));
}

fn post(origin: &Origin, length: usize) -> String {
    let host = origin.address();
    format!("POST http://{host}/ HTTP/1.1\r\nHost: {host}\r\nContent-Length: {length}\r\n\r\n")
}

#[test]
fn a_name_that_nobody_answers_for() {
    let worker = LoneWorker::with(|deadline, _| *deadline = LIMIT);
    name_times_out(&worker);
    let worker = LoneWorker::with(|_, timeouts| timeouts.connect_total = LIMIT);
    name_times_out(&worker);
}

fn name_times_out(worker: &LoneWorker) {
    let began = Instant::now();
    let mut client = Wire::connect(worker.address());
    client.send("GET http://name.of.nobody.example/ HTTP/1.1\r\nHost: name.of.nobody.example\r\n\r\n");
    expect_page(&mut client, 504, began);
    drop(client);
    worker.tally().wait_until_empty();
    assert_eq!(worker.tally().closed(Reason::NameTimeout), 1);
}

#[test]
fn a_call_that_nobody_takes() {
    let changes: [fn(&mut Timeouts); 2] =
        [|timeouts| timeouts.connect = LIMIT, |timeouts| timeouts.connect_total = LIMIT];
    for change in changes {
        let (proxy, hole) = (with(change), BlackHole::dig());
        let began = Instant::now();
        let mut client = asking(&proxy, get(hole.address(), "/"));
        expect_page(&mut client, 504, began);
        drop(client);
        expect_end(&proxy, Reason::ConnectTimeout);
    }
}

#[test]
fn an_address_has_only_a_head_start() {
    let hole = BlackHole::dig();
    let origin = Origin::bind_to(([127, 0, 0, 2], hole.address().port()).into());
    let proxy = Proxy::with(|settings| {
        let both = [hole.address().ip(), origin.address().ip()];
        settings.resolver.hosts.insert("twins.example".into(), both.to_vec());
        settings.timeouts.connect_head_start = LIMIT;
    });
    let host = format!("twins.example:{}", hole.address().port());
    let began = Instant::now();
    let mut client = asking(&proxy, format!("GET http://{host}/ HTTP/1.1\r\nHost: {host}\r\n\r\n"));
    let mut served = origin.accept();
    assert!(began.elapsed() >= LIMIT, "not before its time");
    served.head();
    proxy.wait_until("settled", |proxy| proxy.open().upstreams == 1);
    assert_eq!(connecting_to(hole.address()), 0, "the loser is let go");
    served.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    assert!(client.head().starts_with("HTTP/1.1 200 "));
}

#[test]
fn an_origin_that_does_not_answer() {
    let (proxy, origin) = (with(|timeouts| timeouts.response_head = LIMIT), Origin::bind());
    let began = Instant::now();
    let mut client = asking(&proxy, get(origin.address(), "/"));
    let mut served = origin.accept();
    served.head();
    expect_page(&mut client, 504, began);
    assert_eq!(served.ending().how, How::Reset);
    drop(client);
    expect_end(&proxy, Reason::ResponseHeadTimeout);
}

#[test]
fn the_wait_for_the_answer_begins_when_the_request_is_sent() {
    let (proxy, origin) = (with(|timeouts| timeouts.response_head = LIMIT), Origin::bind());
    let mut client = asking(&proxy, post(&origin, 20));
    let mut served = origin.accept();
    served.head();
    // The upload alone takes longer than an answer may take.
    let began = Instant::now();
    let mut sent = 0;
    while sent < 19 || began.elapsed() < 2 * LIMIT {
        if sent < 19 {
            client.send("u");
            served.exactly(1);
            sent += 1;
        }
        assert!(served.ending_within(BEAT).is_none(), "cut in the upload");
    }
    client.send("u");
    served.exactly(1);
    assert!(served.ending_within(BEAT).is_none(), "the wait for the answer had just begun");
    served.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    let head = client.head();
    assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
}

#[test]
fn a_body_that_falls_silent_is_cut_and_looks_cut() {
    let (proxy, origin) = (with(|timeouts| timeouts.stream_idle = LIMIT), Origin::bind());
    let cases = [
        ("Content-Length: 90\r\n\r\nticks", "ticks", How::Fin),
        ("Transfer-Encoding: chunked\r\n\r\n5\r\nticks\r\n", "5\r\nticks\r\n", How::Fin),
        // Here only a reset tells the cut from an end.
        ("\r\nticks", "ticks", How::Reset),
    ];
    for (number, (framing, whole, how)) in cases.into_iter().enumerate() {
        let mut client = asking(&proxy, get(origin.address(), "/"));
        let mut served = origin.accept();
        served.head();
        let began = Instant::now();
        served.send(format!("HTTP/1.1 200 OK\r\n{framing}"));
        client.head();
        assert_eq!(client.exactly(whole.len()), whole.as_bytes(), "{framing}");
        let (rest, ended) = client.rest();
        assert!(began.elapsed() >= LIMIT, "not before its time");
        assert!(rest.is_empty(), "{framing}: nothing is made up: {rest:?}");
        assert!(ended == how || ended == How::Reset, "{framing}: {ended:?}");
        assert_eq!(served.ending().how, How::Reset);
        proxy.wait_until_empty();
        assert_eq!(proxy.tally().closed(Reason::ResponseBodyTimeout), number as u64 + 1);
    }
}

#[test]
fn a_body_that_ticks_is_not_cut() {
    let (proxy, origin) = (with(|timeouts| timeouts.stream_idle = LIMIT), Origin::bind());
    let mut client = asking(&proxy, get(origin.address(), "/"));
    let mut served = origin.accept();
    served.head();
    served.send("HTTP/1.1 200 OK\r\nContent-Length: 90000\r\n\r\n");
    client.head();
    let began = Instant::now();
    while began.elapsed() < 3 * LIMIT {
        served.send("tick");
        assert_eq!(client.exactly(4), b"tick");
        assert!(client.ending_within(BEAT).is_none(), "cut after {:?}", began.elapsed());
    }
}

#[test]
fn a_client_that_takes_nothing_is_cut() {
    let (proxy, origin) = (with(|timeouts| timeouts.client_write = LIMIT), Origin::bind().serving(endless));
    let began = Instant::now();
    let _stuck = asking(&proxy, get(origin.address(), "/"));
    proxy.wait_until("let go", |proxy| proxy.tally().closed(Reason::ClientWriteTimeout) == 1);
    assert!(began.elapsed() >= LIMIT, "not before its time");
    proxy.wait_until_empty();
}

#[test]
fn a_client_that_only_talks_is_cut_as_well() {
    let (proxy, origin) = (with(|timeouts| timeouts.client_write = LIMIT), Origin::bind().serving(endless));
    let host = origin.address();
    let mut client =
        asking(&proxy, format!("POST http://{host}/ HTTP/1.1\r\nHost: {host}\r\nContent-Length: 90000\r\n\r\n"));
    // A byte of its body now and then is no reason to keep what it does not take.
    until("cut", || {
        let talks = client.try_send("u").is_ok() && client.ending_within(BEAT).is_none();
        !talks || proxy.tally().closed(Reason::ClientWriteTimeout) == 1
    });
    drop(client);
    expect_end(&proxy, Reason::ClientWriteTimeout);
}

fn endless(mut served: Wire) {
    served.head();
    let _ = served.try_send("HTTP/1.1 200 OK\r\nContent-Length: 9000000000\r\n\r\n");
    while served.try_send([b'd'; 64 * 1024]).is_ok() {}
}

#[test]
fn an_origin_that_takes_nothing() {
    let (proxy, origin) = (with(|timeouts| timeouts.upstream_write = LIMIT), Origin::narrow());
    let began = Instant::now();
    let mut client = asking(&proxy, post(&origin, 90_000_000));
    let served = origin.accept();
    client.send_until_full(&vec![b'u'; 8 * 1024 * 1024]);
    // The page arrives although we are in the middle of our upload.
    expect_page(&mut client, 504, began);
    assert_eq!(served.ending().how, How::Reset);
    drop(client);
    expect_end(&proxy, Reason::UpstreamWriteTimeout);
}

#[test]
fn an_origin_that_takes_nothing_while_the_client_drips() {
    let (proxy, origin) = (with(|timeouts| timeouts.upstream_write = 10 * LIMIT), Origin::narrow());
    let mut client = asking(&proxy, post(&origin, 90_000_000));
    let served = origin.accept();
    // More than the kernel holds for the origin, and little enough that the rest is read ahead.
    fill_origin(&proxy, &mut client, &served, post(&origin, 90_000_000).len());
    until("cut", || {
        client.send("u");
        client.comes_within(BEAT)
    });
    assert!(client.head().starts_with("HTTP/1.1 504 "));
    drop(client);
    expect_end(&proxy, Reason::UpstreamWriteTimeout);
}

#[test]
fn an_idle_client_is_closed_without_a_word() {
    let (proxy, origin) = (with(|timeouts| timeouts.client_idle = LIMIT), Origin::bind());
    let began = Instant::now();
    let mut client = Wire::connect(proxy.address());
    assert_eq!(client.rest(), (Vec::new(), How::Fin), "that never asked for anything");
    assert!(began.elapsed() >= LIMIT, "not before its time");

    let mut client = asking(&proxy, get(origin.address(), "/"));
    let mut served = origin.accept();
    served.head();
    let began = Instant::now();
    served.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    client.head();
    assert_eq!(client.rest(), (Vec::new(), How::Fin), "between two requests");
    assert!(began.elapsed() >= LIMIT, "not before its time");
    assert_eq!(served.ending().how, How::Fin);
    proxy.wait_until_empty();
}

#[test]
fn a_kept_origin_is_closed_and_its_client_stays() {
    let (proxy, origin) = (with(|timeouts| timeouts.upstream_idle = LIMIT), Origin::bind());
    let mut client = asking(&proxy, get(origin.address(), "/"));
    for _ in 0..2 {
        let mut served = origin.accept();
        served.head();
        let began = Instant::now();
        served.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
        assert!(client.head().starts_with("HTTP/1.1 200 "));
        let ending = served.ending();
        assert!(ending.at - began >= LIMIT, "not before its time");
        assert_eq!(ending.how, How::Fin);
        proxy.wait_until("alone", |proxy| (proxy.open().clients, proxy.open().upstreams) == (1, 0));
        client.send(get(origin.address(), "/"));
    }
}
