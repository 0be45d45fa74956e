//! Requests that a service sees before any origin: passed, answered, changed, or refused.

use super::*;
use crate::support::answer::answer_head;
use crate::support::wire::How;

const METADATA: &str = "http://169.254.169.254/latest/";

/// An origin that answers with the head it got.
fn mirror() -> Scripted {
    Scripted::start(|visit| {
        while let Some((head, body)) = visit.request() {
            let got = format!("{head}{}", String::from_utf8_lossy(&body));
            let body = if head.starts_with("HEAD ") { "" } else { &got };
            visit.send(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", got.len()));
        }
    })
}

/// A service that puts this in the place of every request.
fn changing(head: impl Into<String>, body: &'static [u8]) -> Scanner {
    let head = head.into();
    Scanner::judging(move |_| replaced(&head, body))
}

fn request(origin: SocketAddr, fields: &str) -> String {
    format!("GET http://{origin}/p HTTP/1.1\r\nHost: {origin}\r\n{fields}\r\n")
}

#[test]
fn a_request_without_a_body_is_judged() {
    let (scanner, origin) = (Scanner::clean(), mirror());
    let scene = Scene::of(vec![scanner.of_requests()]);
    let mut client = scene.asks(request(origin.address(), "Cookie: a=b\r\nX-Own: 1\r\n"));
    let got = answer(&mut client).text();
    assert!(got.starts_with("GET /p HTTP/1.1\r\n") && got.contains("Cookie: a=b\r\n") && got.contains("X-Own: 1\r\n"));
    client.send(request(origin.address(), ""));
    assert_eq!(answer(&mut client).status, 200);
    let shown = scanner.shown();
    assert_eq!(shown.len(), 2);
    assert!(shown[0].head.starts_with("REQMOD ") && shown[0].head.contains("null-body="), "{}", shown[0].head);
    assert!(shown[0].inner.starts_with(&format!("GET http://{}/p HTTP/1.1\r\n", origin.address())));
    assert!(!shown[0].inner.contains("Cookie") && shown[0].inner.contains("X-Own: 1\r\n"), "{}", shown[0].inner);
    assert_eq!(shown[0].field("X-Client-IP"), Some("127.0.0.1"));
    scene.wait_until_empty_after(client);
}

#[test]
fn an_address_beyond_ascii_is_shown_escaped_and_goes_on_as_it_is() {
    let origin = mirror();
    let line = |host: &str| format!("GET {host}/%C3%A4.html HTTP/1.1\r\n");
    let place = format!("http://{}", origin.address());
    let echo = replaced(&format!("{}Host: {}\r\n\r\n", line(&place), origin.address()), b"");
    for said in [UNCHANGED.into(), echo] {
        let (requests, responses) = (Scanner::judging(move |_| said.clone()), Scanner::clean());
        let scene = Scene::of(vec![requests.of_requests(), responses.named("av")]);
        let got = scene.get(&origin, "/\u{e4}.html");
        assert_eq!(got.status, 200, "{}", got.head);
        assert!(got.text().starts_with("GET /\u{e4}.html HTTP/1.1\r\n"), "{}", got.text());
        for scanner in [requests, responses] {
            let inner = &scanner.shown()[0].inner;
            assert!(inner.starts_with(&line(&place)), "{inner}");
        }
    }
}

#[test]
fn the_page_of_the_service_answers_and_no_origin_hears_of_it() {
    for said in [blocked(PAGE), replaced("HTTP/1.1 403 No\r\n\r\n", PAGE.as_bytes())] {
        let origin = mirror();
        let scanner =
            Scanner::judging(move |shown| if shown.inner.contains("/p ") { said.clone() } else { UNCHANGED.into() });
        let scene = Scene::of(vec![scanner.of_requests()]);
        let mut client = scene.asks(request(origin.address(), ""));
        for _ in 0..2 {
            let got = answer(&mut client);
            assert_eq!((got.status, got.text().as_str()), (403, PAGE));
            assert_eq!(got.field("Content-Length"), Some(&*PAGE.len().to_string()));
            client.send(request(origin.address(), ""));
        }
        answer(&mut client);
        assert!(origin.seen().is_empty());
        client.send(get(origin.address(), "/other"));
        assert_eq!(answer(&mut client).status, 200, "its connection goes on");
        let line = scene.line(0);
        assert_eq!((told(&line)[0], told(&line)[2], told(&line)[3]), ("content_blocked", "blocked", "dlp"), "{line}");
        assert_eq!(line["status"], 403);
        scene.wait_until_empty_after(client);
    }
}

#[test]
fn a_page_in_answer_to_head_has_no_body() {
    let (scanner, origin) = (changing("HTTP/1.1 403 No\r\nContent-Length: 4\r\n\r\n", b"page"), mirror());
    let scene = Scene::of(vec![scanner.of_requests()]);
    let mut client = scene.asks(request(origin.address(), "").replacen("GET", "HEAD", 1));
    assert_eq!(answer_head(&mut client).expect("an answer").status, 403);
    client.send(request(origin.address(), ""));
    // A body behind the first would be taken for this.
    let second = answer(&mut client);
    assert_eq!((second.status, second.text().as_str()), (403, "page"));
}

#[test]
fn a_client_that_wants_to_close_gets_its_page_and_the_end() {
    let (scanner, origin) = (changing("HTTP/1.1 403 No\r\n\r\n", b"page"), mirror());
    let scene = Scene::of(vec![scanner.of_requests()]);
    for request in [
        request(origin.address(), "Connection: close\r\n"),
        request(origin.address(), "").replace("HTTP/1.1", "HTTP/1.0"),
    ] {
        let mut client = scene.asks(request);
        let got = answer(&mut client);
        assert_eq!((got.status, got.text().as_str(), got.field("Connection")), (403, "page", Some("close")));
        assert_eq!(client.rest(), (Vec::new(), How::Fin));
    }
}

#[test]
fn a_changed_request_is_what_the_origin_gets() {
    let origin = mirror();
    let to = origin.address();
    let scanner = changing(
        format!(
            "GET http://{to}/other?x=1 HTTP/1.1\r\nHost: {to}\r\nX-Added: 1\r\nConnection: X-Hop\r\nX-Hop: 1\r\n\
             Proxy-Authorization: x\r\n\r\n"
        ),
        b"",
    );
    let scene = Scene::of(vec![scanner.of_requests()]);
    let got = answer(&mut scene.asks(request(to, "Cookie: a=b\r\nAuthorization: Basic x\r\nX-Own: 1\r\n"))).text();
    assert!(got.starts_with(&format!("GET /other?x=1 HTTP/1.1\r\nHost: {to}\r\n")), "{got}");
    assert!(got.contains("X-Added: 1\r\n") && !got.contains("X-Own"), "the head is that of the service: {got}");
    assert!(got.contains("Cookie: a=b\r\n") && got.contains("Authorization: Basic x\r\n"), "put back: {got}");
    for gone in ["X-Hop", "Proxy-Authorization", "Transfer-Encoding", "Content-Length"] {
        assert!(!got.contains(gone), "{gone}: {got}");
    }
    assert_eq!(told(&scene.line(0))[0], "done");
}

#[test]
fn another_host_gets_no_secrets() {
    let (origin, other) = (mirror(), mirror());
    let to = other.address();
    let scanner = changing(format!("GET http://{to}/p HTTP/1.1\r\nHost: {to}\r\nCookie: made=up\r\n\r\n"), b"");
    let scene = Scene::of(vec![scanner.of_requests()]);
    let got = answer(&mut scene.asks(request(origin.address(), "Cookie: a=b\r\nAuthorization: Basic x\r\n"))).text();
    assert!(got.starts_with(&format!("GET /p HTTP/1.1\r\nHost: {to}\r\n")), "{got}");
    assert!(!got.contains("Cookie") && !got.contains("Authorization"), "{got}");
    assert!(origin.seen().is_empty());
}

#[test]
fn where_a_changed_request_goes_is_judged_again() {
    let origin = mirror();
    for (target, status, reason) in [
        (METADATA.to_owned(), 403, "destination_denied"),
        ("http://10.0.0.1/".to_owned(), 403, "destination_denied"),
        ("https://127.0.0.1/".to_owned(), 503, "scanner_failed"),
        ("ftp://127.0.0.1/".to_owned(), 503, "scanner_failed"),
    ] {
        let scanner = changing(format!("GET {target} HTTP/1.1\r\nHost: x\r\n\r\n"), b"");
        let scene = Scene::of(vec![scanner.of_requests()]);
        let got = answer(&mut scene.asks(request(origin.address(), "")));
        let line = scene.line(0);
        assert_eq!(got.status, status, "{target}: {line}");
        assert!(status != 503 || line["reason"] == reason, "{target}: {line}");
        assert!(origin.seen().is_empty(), "{target}");
    }
}

#[test]
fn we_are_not_led_to_ourselves() {
    let origin = mirror();
    let admin = Arc::new(Mutex::new(String::new()));
    let target = admin.clone();
    let scanner = Scanner::judging(move |_| {
        let to = target.lock().expect("target").clone();
        replaced(&format!("GET http://{to}/api/v1/config HTTP/1.1\r\nHost: {to}\r\n\r\n"), b"")
    });
    let scene = Scene::of(vec![scanner.of_requests()]);
    for to in [scene.proxy.admin(), scene.proxy.address()] {
        *admin.lock().expect("target") = to.to_string();
        let got = answer(&mut scene.asks(request(origin.address(), "")));
        assert!(got.status == 403 || got.status == 502, "{to}: {}", got.head);
    }
    for number in 0..2 {
        let line = scene.line(number);
        assert!(line["reason"] == "loop" || line["reason"] == "destination_denied", "{line}");
    }
}

#[test]
fn a_changed_method_is_refused() {
    let origin = mirror();
    let to = origin.address();
    for method in ["POST", "DELETE", "CONNECT", "get"] {
        let scanner = changing(format!("{method} http://{to}/p HTTP/1.1\r\nHost: {to}\r\n\r\n"), b"");
        let scene = Scene::of(vec![scanner.of_requests()]);
        assert_eq!(answer(&mut scene.asks(request(to, ""))).status, 503, "{method}");
        assert_eq!(told(&scene.line(0))[0], "scanner_failed", "{method}");
        assert!(origin.seen().is_empty(), "{method}");
    }
}

#[test]
fn what_something_was_found_in_does_not_go_on_because_it_came_back() {
    let origin = mirror();
    let to = origin.address();
    for said in [
        infected(UNCHANGED.as_bytes()),
        infected(&replaced(&format!("GET http://{to}/p HTTP/1.1\r\nHost: {to}\r\n\r\n"), b"")),
    ] {
        let scanner = Scanner::judging(move |_| said.clone());
        let scene = Scene::of(vec![scanner.of_requests()]);
        assert_eq!(answer(&mut scene.asks(request(to, ""))).status, 403);
        assert_eq!(told(&scene.line(0))[2..], ["blocked", "dlp"]);
        assert!(origin.seen().is_empty());
    }
}

#[test]
fn a_request_to_switch_protocols_is_shown_as_any_other() {
    let scanner = Scanner::clean();
    let scene = Scene::of(vec![scanner.of_requests(), scanner.named("av")]);
    let switching = Scripted::start(|visit| {
        visit.head();
        visit.send("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n");
        while let Some(bytes) = visit.exactly(4) {
            visit.send(bytes);
        }
    });
    let mut client = scene.asks(request(switching.address(), "Connection: Upgrade\r\nUpgrade: websocket\r\n"));
    assert!(client.head().starts_with("HTTP/1.1 101 "));
    client.send("ping");
    assert_eq!(client.exactly(4), b"ping");
    let shown = scanner.shown();
    assert!(shown.iter().all(|shown| shown.body.is_empty() && shown.head.starts_with("REQMOD ")), "{shown:?}");
    assert_eq!(shown.len(), 1, "the request to switch");
}
