//! What odd servers do (icap.md 1.14), each with the one thing that a client may get of it.

mod rows;

use self::rows::{Gets, ROWS};
use super::*;
use crate::icap::server::{options, replace_by};

#[test]
fn one_outcome_each() {
    let (origin, body) = (page(&"o".repeat(5000)), "o".repeat(5000));
    for (what, fields, server, gets) in ROWS {
        println!("{what}");
        let scanner = serve(fields, *server);
        let scene = Scene::of(vec![hurried(&scanner)]);
        let mut client = scene.asks(get(origin.address(), "/a"));
        let got = answer(&mut client);
        let line = scene.line(0);
        match gets {
            Gets::Original => {
                assert!(got.status == 200 && got.text() == body, "{what}: {} {line}", got.head);
                assert_eq!(told(&line)[0], "done", "{what}: {line}");
            }
            Gets::Other(status, text) => {
                assert_eq!((got.status, got.text().as_str()), (*status, *text), "{what}: {line}");
                let hop = ["Connection", "Transfer-Encoding", "Upgrade", "X-A"];
                assert!(hop.iter().all(|name| got.field(name).is_none()), "{what}: {}", got.head);
            }
            Gets::Refusal => {
                assert!(got.status == 503 && !got.text().contains("ooo"), "{what}: {} {line}", got.head);
                let reason = if what.ends_with("506") { "scan_overload" } else { "scanner_failed" };
                assert_eq!((told(&line)[0], told(&line)[3]), (reason, "av"), "{what}: {line}");
            }
        }
        client.send(get(origin.address(), "/b"));
        assert!([200, 403, 503].contains(&answer(&mut client).status), "{what}: its connection goes on");
        drop(client);
        scene.wait_until_empty();
    }
}

fn hurried(scanner: &Scripted) -> IcapService {
    let mut service = service("av", scanner.address());
    (service.timeouts.first_reply, service.timeouts.idle) = (SHORT, SHORT);
    service
}

#[test]
fn odd_options_are_no_reason_to_fail() {
    let origin = page("hello");
    let told = [
        "ICAP/1.0 404 Not Found\r\nConnection: close\r\n\r\n".to_owned(),
        "ICAP/1.0 405 Method Not Allowed\r\n\r\n".to_owned(),
        "ICAP/1.0 501 No\r\n\r\n".to_owned(),
        "ICAP/1.0 200 OK\r\n\r\n".to_owned(),
        "ICAP/1.0 200 OK\r\nMethods: RESPMOD, REQMOD\r\nISTag: x\r\nEncapsulated: null-body=0\r\n\r\n".to_owned(),
        options("Options-TTL: 1000000000000\r\n"),
        options("Options-TTL: 0\r\n"),
        options("Options-TTL: -1\r\n"),
        options("Options-TTL: abc\r\n"),
        options("Transfer-Preview: *\r\nTransfer-Ignore: *\r\nTransfer-Complete: *\r\nPreview: 99999999999\r\n"),
        options("Preview: -1\r\nMax-Connections: -1\r\n"),
        options("Max-Connections: 18446744073709551616\r\n"),
        options("Opt-body-type: x\r\n"),
    ];
    for told in told {
        let server = Scripted::start({
            let told = told.clone();
            move |visit| {
                while let Some(head) = visit.head() {
                    if head.starts_with("OPTIONS ") {
                        visit.send(&told);
                        if told.contains("close") {
                            return visit.finish();
                        }
                        continue;
                    }
                    let Some(ask) = crate::icap::server::ask(visit, head) else { return };
                    whole(visit, ask);
                    visit.send(UNCHANGED);
                }
            }
        });
        let scene = Scene::of(vec![hurried(&server)]);
        for _ in 0..3 {
            assert_eq!(scene.get(&origin, "/a").text(), "hello", "{told:?}");
        }
        let seen: String = server.seen().iter().map(|seen| seen.text()).collect();
        assert_eq!(seen.matches("RESPMOD icap").count(), 3, "{told:?}: all of them were shown");
        assert_eq!(seen.matches("OPTIONS icap").count(), 1, "{told:?}: and it was asked once");
    }
}

#[test]
fn a_plain_body_where_a_coding_is_told_is_not_decoded_by_us() {
    // Q21: what the service says is what the client gets; a coding of the origin does not come back by itself.
    let scanner = Scanner::judging(|_| replace_by(b"plain"));
    let scene = Scene::of(vec![scanner.named("av")]);
    let origin = Scripted::answering("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\ngzip");
    let got = scene.get(&origin, "/a");
    assert_eq!((got.text().as_str(), got.field("Content-Encoding")), ("plain", None));
    assert!(scanner.shown()[0].inner.contains("Content-Encoding: gzip\r\n"), "the service gets it as it came");
    assert_eq!(scanner.shown()[0].body, b"gzip");
}

#[test]
fn a_tag_that_changes_every_time() {
    // Q8
    let number = std::sync::atomic::AtomicUsize::new(0);
    let scanner = Scanner::judging(move |_| {
        let number = number.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        UNCHANGED.replace("t1", &format!("t{number}")).into_bytes()
    });
    let scene = Scene::of(vec![scanner.named("av")]);
    let origin = page("hello");
    for _ in 0..30 {
        assert_eq!(scene.get(&origin, "/a").text(), "hello");
    }
    assert_eq!(scene.ended(Ended::Clean), 30);
}
