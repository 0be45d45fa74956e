//! Servers that fail: every way has its name, is told within its limit, and leaves nothing open.

use super::server::{GO_ON, PREVIEW, UNCHANGED, options, replace, whole};
use super::*;
use tether::icap::error::{Blame, Fault};
use tether::icap::settings::IcapMethod;
use tether::icap::stats::Ended;

/// The failure of one scan against a server that answers so.
fn failure(answer: impl Fn(&mut crate::support::script::Visit, Ask) + Send + Sync + 'static) -> ErrorKind {
    failure_with(|_| {}, answer)
}

fn failure_with(
    set: impl Fn(&mut IcapService),
    answer: impl Fn(&mut crate::support::script::Visit, Ask) + Send + Sync + 'static,
) -> ErrorKind {
    let server = serve(PREVIEW, answer);
    let mut settings = service(&[&server]);
    set(&mut settings);
    let client = IcapClient::new(settings);
    let failed = kind(run(scan(&client, &[7; 5000])));
    assert_eq!((client.servers()[0].open, client.servers()[0].connections.open), (0, 0), "{failed:?}");
    failed
}

#[test]
fn it_never_answers() {
    let set = |settings: &mut IcapService| settings.timeouts.first_reply = SHORT;
    assert_eq!(failure_with(set, |visit, _| visit.wait_for_their_end()), ErrorKind::NoReply);
    let after_all = |visit: &mut crate::support::script::Visit, ask| {
        whole(visit, ask);
        visit.wait_for_their_end();
    };
    assert_eq!(failure_with(set, after_all), ErrorKind::NoReply);
}

#[test]
fn its_answer_stops_in_the_middle() {
    let set = |settings: &mut IcapService| settings.timeouts.idle = SHORT;
    let stops = |visit: &mut crate::support::script::Visit, ask| {
        whole(visit, ask);
        visit.send(replace("HTTP/1.1 200 OK\r\n\r\n", "5\r\nhel"));
        visit.wait_for_their_end();
    };
    assert_eq!(failure_with(set, stops), ErrorKind::Idle);
}

#[test]
fn it_drips() {
    let set = |settings: &mut IcapService| settings.timeouts.whole = Duration::from_secs(1);
    let drips = |visit: &mut crate::support::script::Visit, ask| {
        whole(visit, ask);
        visit.send(replace("HTTP/1.1 200 OK\r\n\r\n", ""));
        while visit.send("1\r\nx\r\n") {}
    };
    assert_eq!(failure_with(set, drips), ErrorKind::Deadline);
}

#[test]
fn it_floods() {
    let floods = |visit: &mut crate::support::script::Visit, ask| {
        whole(visit, ask);
        visit.send(replace("HTTP/1.1 200 OK\r\n\r\n", ""));
        let chunk = ["10000\r\n".to_owned(), "x".repeat(0x10000), "\r\n".to_owned()].concat();
        while visit.send(&chunk) {}
    };
    assert_eq!(failure(floods), ErrorKind::Protocol(Fault::AdaptedTooLarge));
}

#[test]
fn it_stops_taking_the_body() {
    let server = Scripted::start(|visit| {
        while let Some(head) = visit.head() {
            if !head.starts_with("OPTIONS ") {
                return visit.wait_for_their_end();
            }
            visit.send(options(""));
        }
    });
    let mut settings = service(&[&server]);
    settings.timeouts.write_stall = SHORT;
    let client = IcapClient::new(settings);
    assert_eq!(kind(run(scan(&client, &vec![7; 32 << 20]))), ErrorKind::WriteStalled);
}

#[test]
fn it_closes_or_resets() {
    for answer in ["", "ICAP/1.0 2", "ICAP/1.0 100 Continue\r\n\r\n"] {
        let closes = move |visit: &mut crate::support::script::Visit, _: Ask| {
            visit.send(answer);
            visit.finish();
        };
        assert_eq!(failure(closes), ErrorKind::Closed, "{answer:?}");
    }
    let cut = replace("HTTP/1.1 200 OK\r\n\r\n", "5\r\nhel");
    let cuts = move |visit: &mut crate::support::script::Visit, ask: Ask| {
        whole(visit, ask);
        visit.send(&cut);
        visit.finish();
    };
    assert_eq!(failure(cuts), ErrorKind::Closed);
}

#[test]
fn it_ends_the_body_before_its_length() {
    // How some scanners say that they found something in what they had passed on already.
    let early = |visit: &mut crate::support::script::Visit, ask| {
        whole(visit, ask);
        visit.send(replace("HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n", "5\r\nhello\r\n0\r\n\r\n"));
    };
    assert_eq!(failure(early), ErrorKind::Protocol(Fault::AdaptedLength));
}

#[test]
fn it_is_no_icap_server() {
    let http = |visit: &mut crate::support::script::Visit, _: Ask| {
        visit.send("HTTP/1.1 400 Bad Request\r\n\r\n");
    };
    assert_eq!(failure(http), ErrorKind::Protocol(Fault::StatusLine));
    let huge = |visit: &mut crate::support::script::Visit, _: Ask| {
        visit.send(format!("ICAP/1.0 200 OK\r\nX: {}", "x".repeat(1 << 20)));
    };
    assert_eq!(failure(huge), ErrorKind::Protocol(Fault::HeadTooLarge));
    let again = |visit: &mut crate::support::script::Visit, _: Ask| {
        visit.send(GO_ON.repeat(5));
    };
    assert_eq!(failure(again), ErrorKind::Protocol(Fault::TooManyContinues));
}

#[test]
fn it_gave_up_waiting_for_us_once() {
    let server = serve(PREVIEW, |visit, _| {
        let late =
            if visit.number == 0 { "ICAP/1.0 408 Request Timeout\r\nConnection: close\r\n\r\n" } else { UNCHANGED };
        visit.send(late);
    });
    let client = client(&server);
    assert_eq!(run(scan(&client, b"hello")), Ok(Judgement::Unchanged));
    assert_eq!(server.seen().len(), 2);
}

#[test]
fn nobody_listens() {
    let server = serve(PREVIEW, |_, _| {});
    let settings = service(&[&server]);
    drop(server);
    let client = IcapClient::new(settings);
    run(async {
        for _ in 0..5 {
            assert_eq!(kind(scan(&client, b"hello").await), ErrorKind::Unreachable);
        }
        assert_eq!(kind(scan(&client, b"hello").await), ErrorKind::Unavailable, "it is left alone now");
    });
    assert_eq!(client.servers()[0].breaker.label(), "open");
}

#[test]
fn a_head_without_its_body_is_no_success() {
    let server = serve(PREVIEW, |visit, ask| {
        whole(visit, ask);
        visit.send(replace("HTTP/1.1 200 OK\r\n\r\n", "5\r\nhel"));
        visit.finish();
    });
    let client = client(&server);
    run(async {
        for _ in 0..5 {
            assert_eq!(kind(scan(&client, b"hello").await), ErrorKind::Closed);
        }
        assert_eq!(kind(scan(&client, b"hello").await), ErrorKind::Unavailable, "it is left alone now");
    });
}

#[test]
fn it_is_configured_wrongly() {
    let server = serve(PREVIEW, |visit, _| {
        visit.send("ICAP/1.0 404 Service not found\r\n\r\n");
    });
    let client = client(&server);
    run(async {
        assert_eq!(kind(scan(&client, b"hello").await), ErrorKind::Configuration(404));
        assert_eq!(kind(scan(&client, b"hello").await), ErrorKind::Unavailable);
    });
    assert_eq!(client.servers()[0].trouble, Some(ErrorKind::Configuration(404)));
}

#[test]
fn it_has_too_much_to_do() {
    let server = serve(PREVIEW, |visit, _| {
        visit.send("ICAP/1.0 503 Overloaded\r\nRetry-After: 60\r\n\r\n");
    });
    let client = client(&server);
    run(async {
        assert_eq!(kind(scan(&client, b"hello").await).label(), "overloaded");
        let held = kind(scan(&client, b"hello").await);
        assert_eq!((held.label(), held.blame()), ("held_off", Blame::Load), "it asked to be left alone");
        assert!(held.retry_after().is_some_and(|pause| pause <= Duration::from_secs(60)), "{held:?}");
    });
    let transactions = client.stats().transactions;
    let overload: u64 = transactions.iter().filter(|one| one.1 == Ended::Overload).map(|one| one.2).sum();
    assert_eq!(overload, 2, "both are load");
    assert_eq!(client.servers()[0].breaker.label(), "closed", "a full server is not a broken one");
}

#[test]
fn another_server_takes_over() {
    for trouble in ["ICAP/1.0 500 Server error\r\n\r\n", "ICAP/1.0 503 Overloaded\r\n\r\n", "nonsense"] {
        let broken = serve(PREVIEW, move |visit, _| {
            visit.send(trouble);
        });
        let works = serve(PREVIEW, |visit, ask| {
            whole(visit, ask);
            visit.send(UNCHANGED);
        });
        let client = IcapClient::new(service(&[&broken, &works]));
        run(async {
            for _ in 0..20 {
                assert_eq!(scan(&client, &[7; 5000]).await, Ok(Judgement::Unchanged), "{trouble:?}");
            }
        });
    }
}

#[test]
fn a_method_that_is_not_set_is_not_tried() {
    let server = serve(PREVIEW, |_, _| {});
    let mut settings = service(&[&server]);
    settings.methods = vec![IcapMethod::Reqmod];
    let client = IcapClient::new(settings);
    assert_eq!(kind(run(scan(&client, b"hello"))), ErrorKind::NotOffered);
    assert!(server.seen().is_empty());
}
