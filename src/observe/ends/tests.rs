//! Tests of the rings and of the sentences.

use std::sync::mpsc;

use super::sentence::tell;
use super::*;
use crate::observe::live::LiveTable;

fn end(connection: u64, reason: Reason) -> ExchangeEnd {
    ExchangeEnd {
        connection,
        number: 1,
        at: Instant::now(),
        client: "192.0.2.7:50123".parse().expect("address"),
        listener: "office".into(),
        destination: "a.example:80".into(),
        kind: Kind::Http,
        reason,
        phase: Phase::ResponseBody,
        how: how(reason),
        idle: Duration::from_secs(30),
        took: Duration::from_millis(31_200),
        bytes_in: 211,
        bytes_out: 5120,
        reused: None,
        retried: false,
        timer: timer_of(reason),
        limit: None,
    }
}

fn kept(connection: u64, manner: Manner) -> KeptEnd {
    let (at, idle) = (Instant::now(), Duration::from_secs(30));
    KeptEnd { authority: "a.example:80".into(), at, idle, manner, served: 4, connection, number: 2 }
}

fn connections(ring: &EndRing) -> Vec<u64> {
    ring.select(|_| true).iter().map(Entry::connection).collect()
}

#[test]
fn a_full_part_forgets_its_oldest_and_no_other() {
    let ring = EndRing::new(Holds { telling: 3, plain: 2, kept: 2 });
    ring.exchange(end(1, Reason::ClientFin));
    for connection in 10..20 {
        ring.exchange(end(connection, Reason::Done));
        ring.kept(kept(connection + 100, Manner::Fin));
    }
    assert_eq!(connections(&ring), [1, 18, 19, 118, 119]);
    for connection in 2..5 {
        ring.exchange(end(connection, Reason::ResponseCut));
    }
    assert_eq!(connections(&ring), [2, 3, 4, 18, 19, 118, 119]);
}

#[test]
fn only_a_response_at_the_first_attempt_is_plain() {
    let ring = EndRing::new(Holds { telling: 10, plain: 1, kept: 1 });
    ring.exchange(ExchangeEnd { retried: true, ..end(1, Reason::Done) });
    ring.exchange(ExchangeEnd { kind: Kind::Tunnel, ..end(2, Reason::Done) });
    ring.exchange(end(3, Reason::ClientFin));
    for connection in 4..9 {
        ring.exchange(end(connection, Reason::Done));
    }
    assert_eq!(connections(&ring), [1, 2, 3, 8]);
}

#[test]
fn the_rings_of_all_workers_hold_what_one_process_holds() {
    for (workers, holds) in [
        (1, Holds { telling: 10_000, plain: 1_000, kept: 1_000 }),
        (3, Holds { telling: 3_334, plain: 334, kept: 334 }),
    ] {
        let rings = EndRing::for_workers(workers);
        assert_eq!(rings.len(), workers);
        assert!(rings.iter().all(|ring| ring.holds() == holds), "{workers}");
    }
}

#[test]
fn a_long_ring_is_read_whole_and_in_order() {
    let ring = EndRing::new(Holds { telling: 1000, plain: 1, kept: 1 });
    for connection in 0..1500 {
        ring.exchange(end(connection, Reason::ClientReset));
    }
    assert_eq!(connections(&ring), (500..1500).collect::<Vec<u64>>());
    let odd = ring.select(|entry| entry.connection() % 2 == 1);
    assert_eq!(odd.len(), 500);
}

#[test]
fn reading_while_the_worker_writes_neither_repeats_nor_mixes() {
    let ring = Arc::new(EndRing::new(Holds { telling: 500, plain: 1, kept: 1 }));
    let (started, wait) = mpsc::channel();
    let writer = {
        let ring = ring.clone();
        std::thread::spawn(move || {
            for connection in 0..20_000 {
                ring.exchange(end(connection, Reason::ClientFin));
                if connection == 500 {
                    started.send(()).expect("the reader waits");
                }
            }
        })
    };
    wait.recv().expect("started");
    while !writer.is_finished() {
        let seen = connections(&ring);
        assert!(seen.windows(2).all(|pair| pair[0] < pair[1]), "out of order");
    }
    writer.join().expect("written");
    assert_eq!(connections(&ring), (19_500..20_000).collect::<Vec<u64>>());
}

#[test]
fn an_end_takes_its_facts_from_row_and_record() {
    let table = LiveTable::new(Instant::now() - Duration::from_secs(100));
    let client = "192.0.2.7:50123".parse().expect("address");
    let row = table.insert(17, client, "office".into(), &"".into());
    let began = Instant::now() - Duration::from_secs(40);
    row.begin(began);
    row.moved(began + Duration::from_secs(10), 211, 5120);
    let mut record = Record::new(began, "".into());
    record.begin(began, &"a.example:80".into());
    let ended = began + Duration::from_secs(40);
    let end = ExchangeEnd::of(&row, &record, (Reason::TunnelIdle, Phase::Tunnel), ended);
    assert_eq!((end.connection, end.number, end.client), (17, 1, client));
    assert_eq!((&*end.listener, &*end.destination), ("office", "a.example:80"));
    assert_eq!((end.bytes_in, end.bytes_out, end.took), (211, 5120, Duration::from_secs(40)));
    assert_eq!(end.how, How { closer: Closer::Proxy, manner: Manner::TimeOut });
    assert_eq!(end.timer, Some("stream_idle"));
    // The table's clock has milliseconds.
    assert!(end.idle.abs_diff(Duration::from_secs(30)) <= Duration::from_millis(1), "{:?}", end.idle);
}

const RUN: &str = "It had run for 31.2 s, at last in response_body; 211 bytes from the client, 5120 to it.";

#[test]
fn the_first_sentence_says_who_and_how() {
    let limited = ExchangeEnd { limit: Some("livesport-pair".into()), ..end(1, Reason::OutOfResources) };
    for (end, text) in [
        (end(1, Reason::ClientFin), "The client closed first (FIN), after 30.0 s without a byte."),
        (end(1, Reason::ResponseCut), "The origin closed first (FIN), after 30.0 s without a byte."),
        (end(1, Reason::ResponseReset), "The origin closed first (RST), after 30.0 s without a byte."),
        (
            end(1, Reason::ResponseHeadTimeout),
            "This proxy closed first: the time-out response_head ran out, after 30.0 s without a byte.",
        ),
        (limited, "This proxy ended it: the limit livesport-pair was reached."),
        (end(1, Reason::OutOfResources), "This proxy ended it: a bound was reached (out_of_resources)."),
        (end(1, Reason::PortDenied), "This proxy refused it (port_denied). Tunnels to that port are not allowed."),
        (end(1, Reason::BadResponse), "This proxy ended it: what the origin sent cannot be passed on (bad_response)."),
        (end(1, Reason::BadRequest), "This proxy ended it: what the client sent cannot be served (bad_request)."),
        (end(1, Reason::NameNotFound), "There was no connection to close. That name does not exist."),
        (end(1, Reason::Drained), "This proxy closed first: it was going down."),
        (end(1, Reason::Done), "Nobody closed early: the response was whole."),
    ] {
        assert_eq!(tell(&Entry::Exchange(end))[0], text);
    }
}

#[test]
fn the_rest_tells_the_timer_the_reuse_and_the_loss() {
    let reused = Some(Reused { served: 4, idle: Duration::from_millis(12) });
    let upstream_fin = How { closer: Closer::Upstream, manner: Manner::Fin };
    let died = ExchangeEnd { reused, ..end(1, Reason::UpstreamClosed) };
    let repeated = ExchangeEnd { reused, retried: true, ..end(1, Reason::Done) };
    let half_closed = ExchangeEnd { how: upstream_fin, timer: Some("panos"), ..end(1, Reason::TunnelHalfClose) };
    for (end, rest) in [
        (died, &[RUN, "It went out on a connection that had served 4 requests and been idle for 12 ms."][..]),
        (
            repeated,
            &[
                RUN,
                "A first attempt on a connection that had served 4 requests and been idle for 12 ms was never answered; \
                 the second went out on a fresh one.",
                "Nothing was lost.",
            ],
        ),
        (half_closed, &["Then the time-out panos ran out, and this proxy closed the rest.", RUN]),
    ] {
        assert_eq!(tell(&Entry::Exchange(end))[1..], *rest);
    }
}

#[test]
fn a_kept_connection_that_was_closed_has_one_sentence() {
    let told = tell(&Entry::Kept(kept(1, Manner::Fin)));
    let expected =
        "The origin closed first (FIN) after 30.0 s idle; the connection had served 4 requests; nothing was lost.";
    assert_eq!(told, [expected]);
    let once = KeptEnd { served: 1, ..kept(1, Manner::Reset) };
    assert!(tell(&Entry::Kept(once))[0].contains("(RST) after 30.0 s idle; the connection had served 1 request;"));
}
