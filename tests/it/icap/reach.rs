//! How servers are reached: under TLS, over a socket of this machine, those that stand by; and what they are asked ahead of
//! need.

use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use super::relay::{AUTHORITY, Relay};
use super::server::{PREVIEW, UNCHANGED, ask, options, replace_by, whole};
use super::*;
use tether::icap::endpoint::Rank;
use tether::tls::trust::{Authorities, Trust};

fn echoing() -> Scripted {
    serve(PREVIEW, |visit, ask| {
        let body = whole(visit, ask);
        visit.send(replace_by(&body));
    })
}

fn clean() -> Scripted {
    serve(PREVIEW, |visit, ask| {
        whole(visit, ask);
        visit.send(UNCHANGED);
    })
}

/// A service at this address only.
fn at(url: &str) -> IcapService {
    let mut settings = service(&[]);
    settings.urls = vec![url.parse().expect("an address")];
    settings
}

fn trusting(mut settings: IcapService) -> IcapService {
    let authorities = Authorities::read(AUTHORITY).expect("authorities");
    settings.trust = Trust::Only { file: "ca.pem".into(), authorities };
    settings
}

#[test]
fn bodies_come_back_under_tls_on_one_connection() {
    let server = echoing();
    let relay = Relay::tls(server.address());
    let client = IcapClient::new(trusting(at(&format!("icaps://localhost:{}/respmod", relay.port()))));
    run(async {
        for size in [0, 1, 1024, 1025, 65_537, 3_000_000] {
            let body: Vec<u8> = (0..size).map(|at: u32| (at % 251) as u8).collect();
            assert!(replaced(&client, &body).await.expect("a body") == body, "{size} bytes");
        }
    });
    assert_eq!(relay.names(), [Some("localhost".to_owned())]);
    assert_eq!(server.seen().len(), 1);
    let seen = server.seen()[0].text();
    assert!(
        seen.starts_with(&format!("OPTIONS icaps://localhost:{}/respmod ICAP/1.0\r\n", relay.port())),
        "{seen:.80}"
    );
}

#[test]
fn a_server_must_prove_who_it_is() {
    let server = clean();
    let relay = Relay::tls(server.address());
    for settings in [
        trusting(at(&format!("icaps://127.0.0.1:{}/x", relay.port()))),
        at(&format!("icaps://localhost:{}/x", relay.port())),
    ] {
        let client = IcapClient::new(settings);
        assert_eq!(kind(run(scan(&client, b"hello"))), ErrorKind::Untrusted);
        assert_eq!(client.servers()[0].breaker.label(), "open", "nothing changes before a configuration does");
        assert_eq!(client.servers()[0].connections.open, 0);
    }
    assert!(server.seen().is_empty());
}

#[test]
fn a_server_without_tls_is_told_from_one_that_is_not_there() {
    let plain = Scripted::start(|visit| {
        visit.send("ICAP/1.0 400 Bad Request\r\n\r\n");
    });
    let client = IcapClient::new(trusting(at(&format!("icaps://localhost:{}/x", plain.address().port()))));
    assert_eq!(kind(run(scan(&client, b"hello"))), ErrorKind::Tls);
}

#[test]
fn a_message_that_is_given_up_under_tls_is_never_ended() {
    let server = serve(PREVIEW, |visit, _| {
        visit.send(super::server::GO_ON);
        assert!(super::server::chunks(visit).is_none(), "an end was made up");
    });
    let relay = Relay::tls(server.address());
    let client = IcapClient::new(trusting(at(&format!("icaps://localhost:{}/x", relay.port()))));
    let message = Message::file("a", 1 << 20).expect("a message");
    let stuck = Stuck { bytes: &[b'x'; 70_000], then: Then::Fails };
    assert_eq!(kind(run(client.adapt(&message, stuck)).map(drop)), ErrorKind::BodyFailed);
    assert!(!server.ended(0).bytes.ends_with(b"\r\n0\r\n\r\n"));
}

#[test]
fn a_socket_of_this_machine() {
    let (folder, server) = (tempfile::tempdir().expect("a folder"), echoing());
    let socket = folder.path().join("av.sock");
    let url = format!("unix:{}:/respmod", socket.display());
    let client = IcapClient::new(at(&url));
    assert_eq!(kind(run(replaced(&client, b"hello"))), ErrorKind::Unreachable);
    let _relay = Relay::unix(&socket, server.address());
    run(async {
        for size in [1, 100_000] {
            let body = vec![7; size];
            assert!(replaced(&client, &body).await.expect("a body") == body, "{size} bytes");
        }
    });
    let seen = server.seen();
    assert_eq!(seen.len(), 1);
    assert!(seen[0].text().starts_with("OPTIONS icap://localhost/respmod ICAP/1.0\r\nHost: localhost\r\n"));
}

#[test]
fn who_stands_by_is_asked_only_when_no_other_can_be() {
    let (first, second, spare) = (clean(), clean(), clean());
    let mut settings = service(&[&first, &second]);
    settings.standby_urls = service(&[&spare]).urls;
    let client = IcapClient::new(settings);
    let ranks: Vec<Rank> = client.servers().iter().map(|server| server.rank).collect();
    assert_eq!(ranks, [Rank::First, Rank::First, Rank::StandBy]);
    run(async {
        for _ in 0..20 {
            assert_eq!(scan(&client, b"hello").await, Ok(Judgement::Unchanged));
        }
        assert!(spare.seen().is_empty());
        drop(first);
        for _ in 0..20 {
            assert_eq!(scan(&client, b"hello").await, Ok(Judgement::Unchanged));
        }
        assert!(spare.seen().is_empty(), "one of the first is enough");
    });
}

#[test]
fn who_stands_by_takes_over_when_all_others_are_down() {
    let (first, spare) = (clean(), clean());
    let mut settings = service(&[&first]);
    settings.standby_urls = service(&[&spare]).urls;
    drop(first);
    let client = IcapClient::new(settings);
    run(async {
        for _ in 0..10 {
            assert_eq!(scan(&client, b"hello").await, Ok(Judgement::Unchanged));
        }
    });
    assert_eq!(client.servers()[0].breaker.label(), "open");
    assert_eq!(client.stats().retries, 5, "until the breaker of the first opened");
}

#[test]
fn options_are_asked_for_before_they_are_too_old() {
    let asked = Arc::new(AtomicUsize::new(0));
    let counted = asked.clone();
    let server = Scripted::start(move |visit| {
        while let Some(head) = visit.head() {
            if head.starts_with("OPTIONS ") {
                counted.fetch_add(1, SeqCst);
                visit.send(options("Options-TTL: 100\r\n"));
            } else if ask(visit, head).is_some() {
                visit.send(UNCHANGED);
            }
        }
    });
    let client = client(&server);
    // Each wait has its own limit: the clock is put forward in between.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        for (advance, times) in [(0, 1), (1, 1), (80, 1), (10, 2), (80, 2), (11, 3)] {
            // The clock runs again at once: what is waited for is on the wire.
            tokio::time::pause();
            tokio::time::advance(Duration::from_secs(advance)).await;
            tokio::time::resume();
            tokio::time::timeout(SOON, client.tidy()).await.expect("in time");
            assert_eq!(asked.load(SeqCst), times, "after {advance} s more");
        }
        let scanned = tokio::time::timeout(SOON, scan(&client, b"hello")).await;
        assert_eq!(scanned.expect("in time"), Ok(Judgement::Unchanged));
        assert_eq!(asked.load(SeqCst), 3, "no message waits for them");
    });
}

#[test]
fn a_server_that_does_not_answer_is_not_asked_ahead_every_second() {
    let server = clean();
    let settings = service(&[&server]);
    drop(server);
    let client = IcapClient::new(settings);
    run(async {
        for _ in 0..5 {
            client.tidy().await;
        }
    });
    let waits = client.stats().queue.counts.iter().sum::<u64>();
    assert_eq!((waits, client.servers()[0].breaker.label()), (1, "closed"), "that alone takes no server down");
}
