//! What goes over the wire: previews, bodies of every size, both ways at once, and the original where it is pointed to.

use super::server::{GO_ON, PREVIEW, UNCHANGED, chunks, replace, replace_by, whole};
use super::*;
use tether::icap::body::NoBody;
use tether::icap::outcome::Sameness;
use tether::icap::settings::PartialContent;

fn echoing() -> Scripted {
    serve(PREVIEW, |visit, ask| {
        let body = whole(visit, ask);
        visit.send(replace_by(&body));
    })
}

#[test]
fn bodies_of_every_size_come_back_as_they_went() {
    let server = echoing();
    let client = client(&server);
    run(async {
        for size in [0, 1, 1023, 1024, 1025, 4096, 65_535, 65_536, 65_537, 3_000_000] {
            let body: Vec<u8> = (0..size).map(|at: u32| (at % 251) as u8).collect();
            assert!(replaced(&client, &body).await.expect("a body") == body, "{size} bytes");
        }
    });
    assert_eq!(server.seen().len(), 1, "one connection for all of them");
}

#[test]
fn what_comes_back_is_told_from_what_was_sent() {
    for (answer, sameness) in [
        (&b"hello"[..], Sameness::Same),
        (b"hell", Sameness::Different),
        (b"hello!", Sameness::Different),
        (b"HELLO", Sameness::Different),
        (b"", Sameness::Different),
    ] {
        let server = serve(PREVIEW, move |visit, ask| {
            whole(visit, ask);
            visit.send(replace_by(answer));
        });
        let client = client(&server);
        let message = Message::file("a", 5).expect("a message");
        run(async {
            let outcome = client.adapt(&message, InMemory(b"hello")).await.expect("an answer");
            let Outcome::Replaced { mut body, .. } = outcome else { panic!("not replaced") };
            assert_eq!(body.collect(100).await.as_deref(), Ok(answer));
            assert_eq!(body.sameness(), sameness, "{answer:?}");
        });
    }
}

#[test]
fn an_echo_while_the_body_is_still_coming_does_not_lock_up() {
    // It echoes every chunk at once and reads nothing while nobody takes the echo.
    let server = Scripted::start(|visit| {
        while let Some(head) = visit.head() {
            if head.starts_with("OPTIONS ") {
                visit.send(super::server::options(""));
                continue;
            }
            let heads = head.split("res-body=").nth(1).and_then(|rest| rest.lines().next()).expect("a body");
            visit.exactly(heads.parse().expect("an offset"));
            visit.send(replace("HTTP/1.1 200 OK\r\n\r\n", ""));
            loop {
                let Some(line) = visit.until(b"\r\n") else { return };
                let size = usize::from_str_radix(String::from_utf8_lossy(&line).trim(), 16).expect("a size");
                let Some(data) = visit.exactly(size + 2) else { return };
                visit.send([line, data].concat());
                if size == 0 {
                    break;
                }
            }
        }
    });
    let client = client(&server);
    let body: Vec<u8> = (0..24_000_000u32).map(|at| (at % 253) as u8).collect();
    run(async { assert!(replaced(&client, &body).await.expect("a body") == body) });
}

#[test]
fn a_body_is_sent_whole_where_no_preview_is_wanted() {
    let server = serve("Preview: 1024\r\nTransfer-Preview: txt\r\nTransfer-Complete: *\r\n", |visit, ask| {
        assert!(ask.whole && !ask.head.contains("Preview:"), "{}", ask.head);
        visit.send(UNCHANGED);
    });
    let client = client(&server);
    assert_eq!(run(scan(&client, &[7; 100_000])), Ok(Judgement::Unchanged));
}

#[test]
fn a_verdict_in_the_preview_saves_the_rest() {
    let server = serve(PREVIEW, |visit, ask| {
        assert_eq!((ask.body.len(), ask.whole), (1024, false));
        visit.send(UNCHANGED);
    });
    let client = client(&server);
    run(async {
        for _ in 0..3 {
            assert_eq!(scan(&client, &[7; 100_000]).await, Ok(Judgement::Unchanged));
        }
    });
    assert_eq!(server.seen().len(), 1);
}

#[test]
fn a_message_without_a_body() {
    let server = serve(PREVIEW, |visit, ask| {
        assert!(ask.head.contains("Preview: 0\r\n") && ask.head.contains("null-body="), "{}", ask.head);
        visit.send(UNCHANGED);
    });
    let client = client(&server);
    let request = b"GET http://o.test/ HTTP/1.1\r\nHost: o.test\r\n\r\n";
    let message = Message::response(request, b"HTTP/1.1 304 Not Modified\r\n\r\n").expect("good heads");
    let outcome = run(client.adapt(&message, NoBody)).expect("a verdict");
    assert_eq!(outcome.judgement(message.status()), Judgement::Unchanged);
    assert_eq!(outcome.report().istag.as_deref(), Some("t1"));
}

#[test]
fn no_connection_before_the_body_begins() {
    let server = serve(PREVIEW, |visit, _| {
        visit.send(UNCHANGED);
    });
    let client = client(&server);
    run(async {
        let message = Message::file("a", 1 << 20).expect("a message");
        let mut asked = Box::pin(client.adapt(&message, Stuck { bytes: b"", then: Then::Waits }));
        tokio::select! {
            _ = &mut asked => panic!("a verdict on nothing"),
            () = tokio::time::sleep(SHORT) => {}
        }
    });
    assert!(server.seen().is_empty());
}

#[test]
fn a_short_preview_goes_out_when_nothing_more_comes() {
    let server = serve(PREVIEW, |visit, ask| {
        assert!(ask.head.contains("Preview: 3\r\n"), "{}", ask.head);
        assert_eq!((ask.body.as_slice(), ask.whole), (&b"abc"[..], false));
        visit.send(UNCHANGED);
    });
    let client = client(&server);
    run(async {
        let message = Message::file("a", 1 << 20).expect("a message");
        let outcome = client.adapt(&message, Stuck { bytes: b"abc", then: Then::Waits }).await.expect("a verdict");
        assert_eq!(outcome.judgement(message.status()), Judgement::Unchanged);
    });
}

#[test]
fn a_body_that_breaks_off_is_never_ended() {
    for then in [Then::Fails, Then::Ends] {
        let server = serve(PREVIEW, |visit, _| {
            visit.send(GO_ON);
            assert!(chunks(visit).is_none(), "an end was made up");
        });
        let client = client(&server);
        let message = Message::file("a", 1 << 20).expect("a message");
        let wrong = kind(run(client.adapt(&message, Stuck { bytes: &[b'x'; 70_000], then })).map(drop));
        assert!(matches!(wrong, ErrorKind::BodyFailed | ErrorKind::BodyCut), "{wrong:?}");
        let seen = server.ended(0);
        assert!(!seen.bytes.ends_with(b"\r\n0\r\n\r\n"));
    }
}

#[test]
fn dropping_the_call_resets_the_connection() {
    let server = serve(PREVIEW, |visit, _| {
        visit.send(GO_ON);
        assert!(chunks(visit).is_none(), "an end was made up");
    });
    let client = client(&server);
    run(async {
        let message = Message::file("a", 1 << 20).expect("a message");
        let mut asked = Box::pin(client.adapt(&message, Stuck { bytes: &[b'x'; 70_000], then: Then::Waits }));
        let arrived = tokio::task::spawn_blocking({
            let server = Arc::new(server);
            move || {
                server.wait_for("the rest", |seen| seen.iter().any(|one| one.bytes.len() > 70_000));
                server
            }
        });
        let server = tokio::select! {
            _ = &mut asked => panic!("a verdict on half a body"),
            server = arrived => server.expect("no panic"),
        };
        drop(asked);
        tokio::task::spawn_blocking(move || {
            assert_eq!(server.ended(0).end, Some(crate::support::wire::How::Reset));
        })
        .await
        .expect("no panic");
    });
    assert_eq!(client.servers()[0].connections.open, 0);
}

#[test]
fn the_rest_is_taken_from_the_original_where_the_server_says_so() {
    let server = serve("Preview: 4\r\nTransfer-Preview: *\r\nAllow: 204, 206\r\n", |visit, ask| {
        assert!(ask.head.contains("Allow: 204, 206\r\n"), "{}", ask.head);
        let answer =
            replace("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n", "4\r\nNEW:\r\n0; use-original-body=4\r\n\r\n");
        visit.send(answer.replacen("200 OK", "206 Partial Content", 1));
    });
    let mut settings = service(&[&server]);
    settings.partial = PartialContent::Offered;
    let client = IcapClient::new(settings);
    assert_eq!(run(replaced(&client, b"0123456789")), Ok(b"NEW:456789".to_vec()));
    let wrong = kind(run(replaced(&client, b"012345678901")));
    assert_eq!(wrong.label(), "protocol", "two bytes more than declared");
    let wrong = kind(run(replaced(&client, b"012")));
    assert_eq!(wrong.label(), "protocol", "outside the original");
}
