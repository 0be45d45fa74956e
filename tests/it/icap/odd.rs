//! Servers that are odd but work.

use super::server::{GO_ON, PREVIEW, UNCHANGED, ask, options, replace, replace_by, whole};
use super::*;
use tether::icap::endpoint::Freshness;

#[test]
fn an_infected_file_as_real_scanners_tell_it() {
    let server = serve(PREVIEW, |visit, ask| {
        whole(visit, ask);
        let page = "HTTP/1.0 403 Forbidden\r\nServer: C-ICAP\r\nConnection: close\r\nContent-Type: text/html\r\n\r\n";
        let answer = replace(page, "5\r\nVIRUS\r\n0\r\n\r\n");
        visit.send(answer.replacen(
            "ISTag",
            "X-Infection-Found: Type=0; Resolution=2; Threat=Eicar-Test-Signature;\r\nX-Violations-Found: 1\r\n\t-\r\n\tEicar\r\n\t0\r\n\t0\r\nISTag",
            1,
        ));
    });
    let client = client(&server);
    let message = Message::file("eicar.com", 68).expect("a message");
    run(async {
        let outcome = client.adapt(&message, InMemory(&[b'x'; 68])).await.expect("a verdict");
        assert_eq!(outcome.judgement(message.status()), Judgement::Blocked);
        assert_eq!(outcome.report().findings.threat(), Some("Eicar-Test-Signature"));
        let Outcome::Replaced { mut body, head, .. } = outcome else { panic!("not replaced") };
        assert_eq!(head.status(), Some(403));
        assert_eq!(body.collect(100).await, Ok(b"VIRUS".to_vec()));
    });
}

#[test]
fn one_byte_at_a_time() {
    let server = serve(PREVIEW, |visit, ask| {
        let body = whole(visit, ask);
        for byte in replace_by(&body) {
            visit.send([byte]);
        }
    });
    let client = client(&server);
    assert_eq!(run(replaced(&client, b"hello")), Ok(b"hello".to_vec()));
}

#[test]
fn options_refused_or_closed_upon_are_no_failure() {
    for refusal in
        ["ICAP/1.0 404 Not Found\r\nConnection: close\r\n\r\n", "ICAP/1.0 405 Method Not Allowed\r\n\r\n", ""]
    {
        let server = Scripted::start(move |visit| {
            while let Some(head) = visit.head() {
                if head.starts_with("OPTIONS ") {
                    visit.send(refusal);
                    return visit.finish();
                }
                let Some(ask) = ask(visit, head) else { return };
                whole(visit, ask);
                visit.send(UNCHANGED);
            }
        });
        let client = client(&server);
        run(async {
            for _ in 0..2 {
                assert_eq!(scan(&client, b"hello").await, Ok(Judgement::Unchanged), "{refusal:?}");
            }
        });
        let asked = server.seen().iter().filter(|seen| seen.text().starts_with("OPTIONS ")).count();
        assert_eq!(asked, 1, "{refusal:?}");
    }
}

#[test]
fn options_are_asked_for_once() {
    let server = serve(PREVIEW, |visit, ask| {
        whole(visit, ask);
        visit.send(UNCHANGED);
    });
    let client = client(&server);
    run(async {
        let all: Vec<_> = (0..20).map(|_| scan(&client, b"hello")).collect();
        for one in all {
            assert_eq!(one.await, Ok(Judgement::Unchanged));
        }
    });
    let text: String = server.seen().iter().map(|seen| seen.text()).collect();
    assert_eq!(text.matches("OPTIONS ").count(), 1);
}

#[test]
fn connections_that_close_without_a_word_are_made_anew() {
    let server = Scripted::start(|visit| {
        for _ in 0..2 {
            let Some(head) = visit.head() else { return };
            if head.starts_with("OPTIONS ") {
                visit.send(options(PREVIEW));
            } else if let Some(ask) = ask(visit, head) {
                whole(visit, ask);
                visit.send(UNCHANGED);
            }
        }
        visit.finish();
    });
    let client = client(&server);
    run(async {
        for _ in 0..8 {
            assert_eq!(scan(&client, b"hello").await, Ok(Judgement::Unchanged));
        }
    });
}

#[test]
fn a_connection_lost_to_the_race_of_reuse_costs_nothing() {
    // The third request on a connection is read, then the connection is closed without an answer.
    let server = Scripted::start(|visit| {
        for number in 0.. {
            let Some(head) = visit.head() else { return };
            if head.starts_with("OPTIONS ") {
                visit.send(options(PREVIEW));
                continue;
            }
            let Some(ask) = ask(visit, head) else { return };
            if number == 2 {
                return visit.reset();
            }
            whole(visit, ask);
            visit.send(UNCHANGED);
        }
    });
    let client = client(&server);
    run(async {
        for _ in 0..6 {
            assert_eq!(scan(&client, b"hello").await, Ok(Judgement::Unchanged));
        }
    });
    assert_eq!(client.servers()[0].breaker.label(), "closed");
}

#[test]
fn bytes_behind_an_answer_spoil_the_connection_only() {
    let server = serve(PREVIEW, |visit, ask| {
        whole(visit, ask);
        visit.send([UNCHANGED, "ICAP/1.0 204 Stale\r\n\r\n"].concat());
    });
    let client = client(&server);
    let message = Message::file("a", 5).expect("a message");
    run(async {
        for number in 0..3 {
            let outcome = client.adapt(&message, InMemory(b"hello")).await.expect("a verdict");
            let expected = if number == 0 { Freshness::Reused } else { Freshness::New };
            assert_eq!(outcome.report().connection, expected, "request {number}");
        }
    });
}

#[test]
fn continue_on_a_whole_preview_is_ignored() {
    let server = serve(PREVIEW, |visit, ask| {
        assert!(ask.whole);
        visit.send([GO_ON, UNCHANGED].concat());
    });
    let client = client(&server);
    assert_eq!(run(scan(&client, b"hello")), Ok(Judgement::Unchanged));
}

#[test]
fn a_server_that_answers_early_and_stops_reading() {
    let infected = replace("HTTP/1.1 403 Forbidden\r\nContent-Length: 3\r\n\r\n", "3\r\nbad\r\n0\r\n\r\n");
    for (answer, judged) in [
        (UNCHANGED.to_owned(), Ok(Judgement::Unchanged)),
        (infected, Ok(Judgement::Blocked)),
        ("ICAP/1.0 403 Forbidden\r\n\r\n".to_owned(), Err(ErrorKind::Configuration(403))),
    ] {
        let server = Scripted::start(move |visit| {
            while let Some(head) = visit.head() {
                if head.starts_with("OPTIONS ") {
                    visit.send(options(""));
                    continue;
                }
                visit.send(&answer);
                // Reads no more until the other side has gone.
                visit.wait_for_their_end();
                return;
            }
        });
        let client = client(&server);
        assert_eq!(run(scan(&client, &vec![7; 32 << 20])).map_err(|error| error.kind), judged);
    }
}

#[test]
fn trouble_told_as_a_page_is_no_verdict() {
    let server = serve(PREVIEW, |visit, ask| {
        whole(visit, ask);
        visit.send(replace("HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n", "0\r\n\r\n"));
    });
    let client = client(&server);
    assert_eq!(kind(run(scan(&client, b"hello"))), ErrorKind::NotScanned(500));
}

#[test]
fn what_is_told_about_the_client() {
    let server = serve(PREVIEW, |visit, ask| {
        assert!(ask.head.contains("X-Client-IP: 10.0.0.1\r\n"), "{}", ask.head);
        visit.send(UNCHANGED);
    });
    let client = client(&server);
    let message = Message::file("a", 5).expect("a message").from_client("10.0.0.1".parse().expect("an address"));
    assert!(run(client.adapt(&message, InMemory(b"hello"))).is_ok());
}
