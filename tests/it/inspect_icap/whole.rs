//! Responses that a service sees whole: what it says of them is what clients get.

use tether::base::reason::Reason;
use tether::icap::settings::PartialContent;
use tether::icap::stats::Ended;
use tether::inspect::book::InspectRule;
use tether::observe::counters::WorkerCounters;

use super::*;
use crate::icap::server::{replace, replace_by};
use crate::support::answer::{BodyEnd, answer_head, try_answer};
use crate::support::origin::Origin;
use crate::support::wire::{How, find};

/// An origin with this body behind a head with a length.
fn with_body(fields: &'static str, body: Vec<u8>) -> Scripted {
    let head = format!("HTTP/1.1 200 OK\r\n{fields}Content-Length: {}\r\n\r\n", body.len());
    Scripted::answering([head.into_bytes(), body].concat())
}

fn chunked(body: &[u8]) -> Vec<u8> {
    let mut bytes = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
    for piece in body.chunks(7000) {
        bytes.extend(format!("{:x}\r\n", piece.len()).into_bytes());
        bytes.extend_from_slice(piece);
        bytes.extend_from_slice(b"\r\n");
    }
    bytes.extend_from_slice(b"0\r\n\r\n");
    bytes
}

#[test]
fn what_stays_as_it_is_arrives_byte_for_byte() {
    let scanner = Scanner::clean();
    let scene = Scene::of(vec![scanner.named("av")]);
    for size in [1, 1023, 1024, 1025, 4096, 65_536, 300_000, 3_000_000] {
        let body = noise(size);
        let origin = with_body("ETag: \"x\"\r\n", body.clone());
        let got = scene.get(&origin, "/a");
        assert!(got.body == body && got.end == BodyEnd::Framed, "{size} bytes");
        assert_eq!((got.field("ETag"), got.field("Content-Length")), (Some("\"x\""), Some(&*size.to_string())));
        let origin = Scripted::answering(chunked(&body));
        let got = scene.get(&origin, "/b");
        assert!(got.body == body && got.end == BodyEnd::Framed, "{size} bytes in chunks");
        let shown = scanner.shown();
        assert!(shown.iter().rev().take(2).all(|shown| shown.body == body), "{size} bytes");
    }
    assert_eq!(told(&scene.line(0)), ["done", "whole", "clean", "-"]);
    assert_eq!((scene.ended(Ended::Clean), scene.closed(Reason::Done)), (16, 16));
    scene.wait_until_empty();
}

#[test]
fn a_service_is_told_what_it_needs_and_no_secrets() {
    let scanner = Scanner::clean();
    let scene = Scene::of(vec![scanner.named("av")]);
    let origin = page("hello");
    let request = get(origin.address(), "/a?b=c").replace(
        "\r\n\r\n",
        "\r\nCookie: secret\r\nAuthorization: Basic secret\r\nProxy-Authorization: Basic secret\r\n\
         X-Client-IP: 6.6.6.6\r\n\r\n",
    );
    assert_eq!(answer(&mut scene.asks(request)).text(), "hello");
    let shown = scanner.shown().remove(0);
    assert!(shown.head.starts_with("RESPMOD icap://"), "{}", shown.head);
    assert_eq!((shown.field("X-Client-IP"), shown.field("Allow")), (Some("127.0.0.1"), Some("204")));
    assert_eq!(shown.field("X-Server-IP"), Some("127.0.0.1"));
    assert!(shown.inner.starts_with(&format!("GET http://{}/a?b=c HTTP/1.1\r\n", origin.address())), "{}", shown.inner);
    assert!(shown.inner.contains("\r\n\r\nHTTP/1.1 200 OK\r\n"), "{}", shown.inner);
    assert!(!format!("{}{}", shown.head, shown.inner).contains("secret"), "{}{}", shown.head, shown.inner);
    assert!(origin.seen()[0].text().contains("Cookie: secret\r\n"), "the origin does get it");
}

#[test]
fn an_echo_is_what_was_sent() {
    let scanner = Scanner::judging(|shown| replace_by(&shown.body));
    let scene = Scene::of(vec![scanner.named("av")]);
    let body = noise(200_000);
    let origin = with_body("ETag: \"x\"\r\nCache-Control: max-age=5\r\n", body.clone());
    let got = scene.get(&origin, "/a");
    assert!(got.body == body && got.end == BodyEnd::Framed);
    assert_eq!(got.field("ETag"), Some("\"x\""), "the head of the origin is not lost: {}", got.head);
    assert_eq!(told(&scene.line(0)), ["done", "whole", "clean", "-"]);
}

#[test]
fn what_a_service_points_to_is_taken_from_the_original() {
    const PARTS: &str = "Allow: 206\r\nPreview: 1024\r\nTransfer-Preview: *\r\n";
    let scanner = Scanner::answering(PARTS, |visit, shown| {
        let said =
            replace("HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\n", "4\r\nNEW:\r\n0; use-original-body=1\r\n\r\n");
        let offered = shown.field("Allow").is_some_and(|allow| allow.contains("206"));
        visit.send(if offered { said.replacen("200 OK", "206 Partial Content", 1) } else { UNCHANGED.into() });
    });
    for (partial, body) in [(PartialContent::Refused, "hello"), (PartialContent::Offered, "NEW:ello")] {
        let scene = Scene::of(vec![IcapService { partial, ..scanner.named("av") }]);
        let got = scene.get(&page("hello"), "/a");
        assert_eq!((got.text().as_str(), got.end), (body, BodyEnd::Framed));
    }
}

#[test]
fn an_echo_of_a_large_body_is_not_too_large() {
    const LARGE: usize = (64 << 20) + (1 << 20);
    let scanner = Scanner::judging(|shown| replace_by(&shown.body));
    let scene = Scene::with(vec![scanner.named("av")], |settings| {
        settings.inspect_rules = vec![InspectRule { max_body: Some(100 << 20), ..InspectRule::new("large") }];
    });
    let got = scene.get(&with_body("", noise(LARGE)), "/a.zip");
    assert!(got.body.len() == LARGE && got.end == BodyEnd::Framed, "{}", got.head);
    assert_eq!(told(&scene.line(0)), ["done", "whole", "clean", "-"]);
}

#[test]
fn a_modified_body_has_its_own_length_and_no_framing_of_others() {
    let scanner = Scanner::judging(|_| {
        // A length that was not updated would be told by the service; here it leaves it out.
        let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: close\r\nKeep-Alive: timeout=1\r\n\
                    X-Service: 1\r\n\r\n";
        replaced(head, b"something else")
    });
    let scene = Scene::of(vec![scanner.named("av")]);
    for origin in [with_body("ETag: \"x\"\r\n", noise(5000)), Scripted::answering(chunked(&noise(5000)))] {
        let mut client = scene.asks(get(origin.address(), "/a"));
        for _ in 0..2 {
            let got = answer(&mut client);
            assert_eq!((got.text().as_str(), got.end), ("something else", BodyEnd::Framed));
            assert_eq!(got.head.matches("Content-Length: 14\r\n").count(), 1, "{}", got.head);
            assert_eq!(got.field("X-Service"), Some("1"));
            for name in ["Transfer-Encoding", "Connection", "Keep-Alive"] {
                assert_eq!(got.field(name), None, "{}", got.head);
            }
            client.send(get(origin.address(), "/b"));
        }
        assert_eq!(answer(&mut client).text(), "something else");
    }
    assert_eq!(told(&scene.line(0)), ["done", "whole", "modified", "-"]);
    assert_eq!(scene.ended(Ended::Modified), 6);
}

#[test]
fn the_page_of_the_service_is_what_the_client_gets() {
    let scanner = Scanner::finding("virus");
    let scene = Scene::of(vec![scanner.named("av")]);
    let (bad, good) = (page("a virus in it"), page("nothing"));
    let mut client = scene.asks(get(bad.address(), "/a"));
    for _ in 0..2 {
        let got = answer(&mut client);
        assert_eq!((got.status, got.text().as_str(), got.end), (403, PAGE, BodyEnd::Framed));
        assert_eq!(got.field("Content-Length"), Some(&*PAGE.len().to_string()));
        assert_eq!(got.field("Connection"), None, "{}", got.head);
        client.send(get(bad.address(), "/b"));
    }
    answer(&mut client);
    client.send(get(good.address(), "/c"));
    assert_eq!(answer(&mut client).text(), "nothing", "its connection goes on");
    let line = scene.line(0);
    assert_eq!(
        [&told(&line)[1..], &[line["threat"].as_str().expect("what")]].concat(),
        ["whole", "blocked", "av", "Test.Virus"]
    );
    assert_eq!(line["status"], 403);
    assert_eq!(scene.ended(Ended::Blocked), 3);
}

#[test]
fn a_client_that_wants_to_close_is_told_so_with_the_page() {
    let scanner = Scanner::finding("virus");
    let scene = Scene::of(vec![scanner.named("av")]);
    let bad = page("a virus in it");
    let request = get(bad.address(), "/a").replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n");
    for request in [request.clone(), request.replace("HTTP/1.1", "HTTP/1.0")] {
        let mut client = scene.asks(request);
        let got = answer(&mut client);
        assert_eq!((got.status, got.text().as_str(), got.field("Connection")), (403, PAGE, Some("close")));
        assert_eq!(client.rest(), (Vec::new(), How::Fin));
    }
}

#[test]
fn other_ways_of_saying_no() {
    let redirect = "HTTP/1.1 307 Temporary Redirect\r\nLocation: http://block.test/why\r\nContent-Length: 0\r\n\r\n";
    let c_icap = "HTTP/1.0 403 Forbidden\r\nServer: C-ICAP\r\nConnection: close\r\nContent-Type: text/html\r\n\r\n";
    for (what, said, status, body) in [
        ("a redirect", replaced(redirect, b""), 307, ""),
        ("a page without a length", infected(&replaced(c_icap, b"VIRUS")), 403, "VIRUS"),
        ("a field with 204", infected(UNCHANGED.as_bytes()), 403, "-"),
        ("a field with the original", infected(&replace_by(b"a virus in it")), 200, "a virus in it"),
    ] {
        let scanner = Scanner::judging(move |_| said.clone());
        let scene = Scene::of(vec![scanner.named("av")]);
        let origin = page("a virus in it");
        let mut client = scene.asks(get(origin.address(), "/a"));
        let got = answer(&mut client);
        let line = scene.line(0);
        assert_eq!(told(&line)[2..], ["blocked", "av"], "{what}: {line}");
        if what == "a field with the original" {
            // The service says that it found something and sends it along all the same: it is not delivered.
            assert!(got.status == 403 && !got.text().contains("virus in it"), "{what}: {} {}", got.head, got.text());
            continue;
        }
        assert_eq!(got.status, status, "{what}");
        assert!(body == "-" || got.text() == body, "{what}: {}", got.text());
        assert!(!got.text().contains("virus in it"), "{what}");
        assert_eq!(got.field("Location").is_some(), status == 307, "{what}");
        client.send(get(origin.address(), "/b"));
        assert_eq!(answer(&mut client).status, status, "{what}: its connection goes on");
    }
}

#[test]
fn what_was_repaired_is_delivered() {
    let scanner = Scanner::judging(|_| {
        let answer = replace_by(b"cured");
        String::from_utf8_lossy(&infected(&answer)).replace("Resolution=2", "Resolution=1").into_bytes()
    });
    let scene = Scene::of(vec![scanner.named("av")]);
    let got = scene.get(&page("a virus in it"), "/a");
    assert_eq!((got.status, got.text().as_str()), (200, "cured"));
    assert_eq!(told(&scene.line(0))[..3], ["done", "whole", "modified"]);
}

#[test]
fn a_replacement_shorter_than_it_says_is_never_delivered() {
    let scanner = Scanner::judging(|shown| {
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", shown.body.len());
        replaced(&head, &shown.body[..100])
    });
    let scene = Scene::of(vec![scanner.named("av")]);
    let origin = with_body("", noise(5000));
    let got = scene.get(&origin, "/a");
    assert_eq!(got.status, 503, "{}", got.head);
    assert!(find(&got.body, &noise(100)[..20]).is_none());
    assert_eq!(told(&scene.line(0))[0], "scanner_failed");
    assert_eq!(scene.ended(Ended::Protocol), 1);
}

/// Holds that trickle at once.
fn trickling(settings: &mut Settings) {
    settings.inspect.hold.trickle_after = Duration::ZERO;
}

#[test]
fn what_has_begun_to_trickle_is_cut_when_it_turns_out_bad() {
    for (what, said) in [
        ("a page", blocked(PAGE)),
        ("a field", infected(UNCHANGED.as_bytes())),
        ("a redirect", replaced("HTTP/1.1 307 No\r\nLocation: http://b.test/\r\nContent-Length: 0\r\n\r\n", b"")),
    ] {
        let scanner = Scanner::judging(move |_| said.clone());
        let scene = Scene::with(vec![scanner.named("av")], trickling);
        let origin = Origin::bind();
        let mut client = scene.asks(get(origin.address(), "/a.bin"));
        let mut served = origin.accept();
        served.head();
        served.send("HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nContent-Length: 400000\r\n\r\n");
        served.send(noise(300_000));
        let head = answer_head(&mut client).expect("a head");
        assert_eq!((head.status, head.field("Content-Length")), (200, Some("400000")));
        assert!(scanner.shown().is_empty(), "{what}: it is not whole");
        served.send(&noise(400_000)[300_000..]);
        let (rest, _) = client.rest();
        assert!(rest.len() < 20_000 && noise(300_000).starts_with(&rest), "{what}: {} bytes", rest.len());
        assert_eq!(told(&scene.line(0)), ["content_cut", "whole", "cut", "av"], "{what}");
        scene.wait_until_empty();
    }
}

#[test]
fn answers_without_a_body_are_not_shown() {
    let scanner = Scanner::clean();
    let scene = Scene::of(vec![scanner.named("av")]);
    for (method, head) in [
        ("HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"),
        ("GET", "HTTP/1.1 204 No Content\r\n\r\n"),
        ("GET", "HTTP/1.1 304 Not Modified\r\nETag: \"1\"\r\n\r\n"),
        ("GET", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"),
    ] {
        let origin = Scripted::answering(head);
        let mut client = scene.asks(get(origin.address(), "/a").replacen("GET", method, 1));
        let got = answer_head(&mut client).expect("an answer");
        assert!(head.starts_with(got.head.lines().next().expect("a line")), "{method} {head:?}: {}", got.head);
        client.send(get(origin.address(), "/a").replacen("GET", method, 1));
        assert!(try_answer_head(&mut client), "{method} {head:?}");
    }
    assert!(scanner.visits().len() <= 1 && scanner.shown().iter().all(|shown| shown.body.is_empty()));
}

fn try_answer_head(client: &mut Wire) -> bool {
    answer_head(client).is_ok()
}

#[test]
fn an_answer_that_may_have_no_body_gets_none_by_a_service() {
    // A body behind such a head would be taken for the next answer.
    for status in ["204 No Content", "304 Not Modified"] {
        let scanner =
            Scanner::judging(move |_| replaced(&format!("HTTP/1.1 {status}\r\n\r\n"), b"HTTP/1.1 200 OK\r\n"));
        let scene = Scene::of(vec![scanner.named("av")]);
        let origin = page("hello");
        let mut client = scene.asks(get(origin.address(), "/a"));
        let first = answer(&mut client);
        client.send(get(origin.address(), "/b"));
        if let Ok(second) = try_answer(&mut client) {
            assert_eq!(first.status, second.status, "{status}: {} then {}", first.head, second.head);
        }
    }
}

#[test]
fn a_body_that_the_origin_cut_is_not_shown_as_whole() {
    let scanner = Scanner::clean();
    let scene = Scene::of(vec![scanner.named("av")]);
    for begun in [
        "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nbegun",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nbegun",
    ] {
        let origin = Scripted::start(move |visit| {
            visit.head();
            visit.send(begun);
            visit.finish();
        });
        let got = scene.get(&origin, "/a");
        assert_eq!(got.status, 502, "{}", got.head);
        assert!(!got.text().contains("begun"));
    }
    assert!(scanner.shown().is_empty());
    let windows = |worker: &WorkerCounters| worker.inspection.windows.get();
    assert_eq!(scene.proxy.tally().sum(windows), 0);
    scene.wait_until_empty();
}
