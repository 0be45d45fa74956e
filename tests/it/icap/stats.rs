//! What the client counts, and the registry of clients across a change of settings.

use std::net::{IpAddr, Ipv4Addr};
use std::task::Waker;

use super::server::{PREVIEW, UNCHANGED, options, replace, replace_by, whole};
use super::*;
use tether::icap::services::IcapServices;
use tether::icap::settings::IcapMethod;
use tether::icap::stats::IcapStats;
use tokio::time::Instant;

/// Outcomes that are not 0.
fn counted(stats: &IcapStats) -> Vec<(&'static str, u64)> {
    let some = stats.transactions.iter().filter(|(.., count)| *count > 0);
    some.map(|(_, ended, count)| (ended.label(), *count)).collect()
}

/// One scan at a server that answers so, and what was counted of it.
fn after(answer: impl Fn(&mut crate::support::script::Visit, Ask) + Send + Sync + 'static) -> Vec<(&'static str, u64)> {
    let server = serve(PREVIEW, answer);
    let client = client(&server);
    // Whatever comes of it is counted.
    let _ = run(scan(&client, b"hello"));
    let stats = client.stats();
    assert_eq!((stats.open, stats.oldest_open), (0, None));
    counted(&stats)
}

#[test]
fn every_end_is_counted_once() {
    for (answer, word) in [
        (UNCHANGED.into(), "clean"),
        (replace_by(b"hello"), "clean"),
        (replace_by(b"HELLO"), "modified"),
        (b"ICAP/1.0 204 No\r\nX-Virus-ID: Eicar\r\n\r\n".to_vec(), "blocked"),
        (replace("HTTP/1.1 403 Forbidden\r\n\r\n", "2\r\nno\r\n0\r\n\r\n").into(), "blocked"),
        (b"ICAP/1.0 500 Server error\r\n\r\n".to_vec(), "error_server"),
        (b"ICAP/1.0 503 Overloaded\r\n\r\n".to_vec(), "overload"),
        (b"ICAP/1.0 404 Not found\r\n\r\n".to_vec(), "error_configuration"),
        (b"nonsense\r\n\r\n".to_vec(), "error_protocol"),
        (replace("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n", "1\r\nx\r\n0\r\n\r\n").into(), "error_protocol"),
    ] as [(Vec<u8>, &str); 10]
    {
        let shown = String::from_utf8_lossy(&answer).into_owned();
        let said = after(move |visit, ask| {
            whole(visit, ask);
            visit.send(&answer);
        });
        assert_eq!(said, [(word, 1)], "{shown:?}");
    }
    assert_eq!(after(|visit, _| visit.finish()), [("error_closed", 1)]);
}

#[test]
fn a_report_in_one_line() {
    for (fields, told) in [
        (
            "X-Virus-ID: Eicar\r\nX-Blocked-Reason: Infected\r\n",
            "Eicar (blocked): Infected; ICAP 204, tag t1, 5 bytes given",
        ),
        ("", "nothing found; ICAP 204, tag t1, 5 bytes given"),
    ] {
        let answer = UNCHANGED.replace("\r\n\r\n", &format!("\r\n{fields}\r\n"));
        let server = serve(PREVIEW, move |visit, _| {
            visit.send(&answer);
        });
        let client = client(&server);
        let message = Message::file("a", 5).expect("a message");
        let outcome = run(client.adapt(&message, InMemory(b"hello"))).expect("a verdict");
        assert_eq!(outcome.report().summary(), told);
    }
}

#[test]
fn who_leaves_early_has_abandoned_it() {
    let server = serve(PREVIEW, |visit, _| visit.wait_for_their_end());
    let client = client(&server);
    run(async {
        let mut asked = Box::pin(scan(&client, b"hello"));
        let seen = async {
            while client.servers()[0].connections.open == 0 || client.stats().open == 0 {
                tokio::task::yield_now().await;
            }
            client.stats().oldest_open
        };
        tokio::select! {
            _ = &mut asked => panic!("a verdict from a silent server"),
            oldest = seen => assert!(oldest.is_some()),
        }
        assert_eq!(counted(&client.stats()), []);
        drop(asked);
    });
    assert_eq!((client.stats().open, counted(&client.stats())), (0, vec![("abandoned", 1)]));
}

#[test]
fn an_answer_that_nobody_reads_to_its_end_is_open_until_it_is_dropped() {
    for (status, word) in [(200, "abandoned"), (403, "blocked")] {
        let server = serve(PREVIEW, move |visit, ask| {
            whole(visit, ask);
            visit.send(replace(&format!("HTTP/1.1 {status} X\r\n\r\n"), "2\r\nhi\r\n"));
            visit.wait_for_their_end();
        });
        let client = client(&server);
        run(async {
            let message = Message::file("a", 5).expect("a message");
            let outcome = client.adapt(&message, InMemory(b"hello")).await.expect("an answer");
            assert_eq!(client.stats().open, 1);
            drop(outcome);
        });
        assert_eq!((client.stats().open, counted(&client.stats())), (0, vec![(word, 1)]));
    }
}

#[test]
fn retries_and_waits_are_counted() {
    let server = serve(PREVIEW, |visit, _| {
        let late = if visit.number == 0 { "ICAP/1.0 408 Request Timeout\r\n\r\n" } else { UNCHANGED };
        visit.send(late);
    });
    let client = client(&server);
    assert_eq!(run(scan(&client, b"hello")), Ok(Judgement::Unchanged));
    let stats = client.stats();
    assert_eq!((stats.retries, counted(&stats)), (1, vec![("clean", 1)]));
    assert_eq!(stats.queue.counts.iter().sum::<u64>(), 3, "for OPTIONS and two tries");
}

#[test]
fn a_turn_that_does_not_come_is_a_failure() {
    const CLIENT: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let server = serve(PREVIEW, |_, _| {});
    let mut settings = service(&[&server]);
    settings.max_connections = 1;
    let client = IcapClient::new(settings);
    run(async {
        let later = Instant::now() + SOON;
        let first = client.turn_of_a_piece(CLIENT, IcapMethod::Respmod, later).await.expect("nobody else wants it");
        let second = client.turn_of_a_piece(CLIENT, IcapMethod::Reqmod, Instant::now() + SHORT).await;
        assert_eq!(kind(second.map(drop)), ErrorKind::Busy);
        assert_eq!(counted(&client.stats()), [("overload", 1)]);
        let mut third = Box::pin(client.turn_of_a_piece(CLIENT, IcapMethod::Respmod, later));
        assert!(third.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        drop(first);
        drop(third.await.expect("who gave up is not waited for"));
    });
    assert_eq!((client.stats().open, counted(&client.stats())), (0, vec![("overload", 1)]));
    assert!(server.seen().is_empty());
}

#[test]
fn another_service_tag_is_a_change() {
    let server = Scripted::start(|visit| {
        let mut asked = 0;
        while let Some(head) = visit.head() {
            if head.starts_with("OPTIONS ") {
                visit.send(options(PREVIEW));
                continue;
            }
            super::server::ask(visit, head);
            asked += 1;
            visit.send(UNCHANGED.replace("t1", if asked < 3 { "t1" } else { "t2" }));
        }
    });
    let client = client(&server);
    run(async {
        for (scans, changes) in [(1, 0), (2, 0), (3, 1), (4, 1)] {
            assert_eq!(scan(&client, b"hello").await, Ok(Judgement::Unchanged));
            assert_eq!(client.stats().istag_changes, changes, "after {scans}");
        }
    });
}

#[test]
fn a_client_that_is_let_go_closes_its_connections_and_its_work_goes_on_being_counted() {
    let server = serve(PREVIEW, |visit, ask| {
        whole(visit, ask);
        visit.send(UNCHANGED);
    });
    let before = IcapServices::new(&[service(&[&server])]);
    let client = before.get("av").expect("a client").clone();
    assert_eq!(run(scan(&client, b"hello")), Ok(Judgement::Unchanged));
    let mut settings = service(&[&server]);
    settings.preview = 0;
    let after = before.renewed(&[settings]);
    assert_eq!(after.stats()[0].servers[0].connections.open, 0, "it begins anew");
    drop((before, client));
    server.ended(0);
    let renewed = after.get("av").expect("a client").clone();
    assert_eq!(run(scan(&renewed, b"hello")), Ok(Judgement::Unchanged));
    assert_eq!(counted(&after.stats()[0]), [("clean", 2)]);
}
