//! CONNECT shown to services before anything is dialled: passed, answered, sent elsewhere, or refused.

use std::sync::mpsc;

use tether::policy::bypass::entry::BypassRule;
use tether::policy::bypass::pattern::Pattern;
use tether::policy::destination::PortSet;

use super::*;
use crate::support::client::connect;
use crate::support::origin::Origin;
use crate::support::rules::{keep, wait_for_use};
use crate::support::wire::How;

/// What becomes of a CONNECT that was changed to this: the head of it, the status for the client, the reason in the log.
type Changed<'a> = (&'a str, u16, &'a str);

/// An origin that sends back four bytes at a time.
fn echo() -> Scripted {
    Scripted::start(|visit| {
        while let Some(bytes) = visit.exactly(4) {
            visit.send(bytes);
        }
    })
}

/// A service that puts this in the place of every request.
fn changing(head: impl Into<String>) -> Scanner {
    let head = head.into();
    Scanner::judging(move |_| replaced(&head, b""))
}

/// A service that sends every CONNECT to this place.
fn leading_to(place: impl std::fmt::Display) -> Scanner {
    changing(format!("CONNECT {place} HTTP/1.1\r\nHost: {place}\r\n\r\n"))
}

#[track_caller]
fn assert_flows(client: &mut Wire) {
    let head = client.head();
    assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
    client.send("ping");
    assert_eq!(client.exactly(4), b"ping");
}

#[test]
fn it_is_shown_without_what_is_between_the_client_and_us() {
    let (scanner, origin) = (Scanner::clean(), echo());
    let to = origin.address();
    let scene = Scene::of(vec![scanner.of_requests()]);
    let mut client = scene.asks(format!(
        "CONNECT {to} HTTP/1.0\r\nhost: elsewhere.test\r\nUser-Agent: x\r\nProxy-Connection: keep-alive\r\nX-Own: 1\r\n\
         Proxy-Authorization: Basic eDp5\r\nConnection: X-Hop\r\nX-Hop: 1\r\nCookie: a=b\r\nAuthorization: Basic x\r\n\r\n"
    ));
    assert_flows(&mut client);
    scene.wait_until_empty_after(client);
    let shown = scanner.shown();
    assert_eq!(shown.len(), 1);
    assert!(shown[0].head.starts_with("REQMOD ") && shown[0].head.contains("null-body="), "{}", shown[0].head);
    assert_eq!(shown[0].field("X-Client-IP"), Some("127.0.0.1"));
    let inner = format!("CONNECT {to} HTTP/1.1\r\nHost: {to}\r\nUser-Agent: x\r\nX-Own: 1\r\n\r\n");
    assert_eq!(shown[0].inner, inner);
    let line = scene.line(0);
    assert_eq!(told(&line), ["done", "none", "unscanned", "-"], "{line}");
    assert_eq!((&line["unscanned"], &line["mode"]), (&"tunnel".into(), &"tunnel".into()));
}

#[test]
fn nobody_is_called_before_the_service_has_spoken() {
    let (say, said) = mpsc::channel::<&str>();
    let said = Mutex::new(said);
    let scanner = Scanner::answering(PREVIEW, move |visit, _| {
        visit.send(said.lock().expect("said").recv_timeout(SOON).expect("a verdict"));
    });
    let scene = Scene::of(vec![scanner.of_requests()]);
    let origin = Origin::bind();
    // What a client says before its time waits for the tunnel.
    let mut client = scene.asks(connect(origin.address()) + "a hello");
    scene.proxy.wait_until("shown", |_| scanner.shown().len() == 1);
    assert!(!origin.is_called(Duration::ZERO) && !client.has_more());
    say.send(UNCHANGED).expect("told");
    let mut served = origin.accept();
    assert_eq!(served.exactly(7), b"a hello");
    assert!(client.head().starts_with("HTTP/1.1 200 "));
    drop(served);
    scene.wait_until_empty_after(client);
}

#[test]
fn the_page_of_the_service_answers_and_what_stands_behind_is_no_request() {
    for said in [blocked(PAGE), replaced("HTTP/1.1 403 No\r\n\r\n", PAGE.as_bytes())] {
        let (scanner, origin) = (Scanner::judging(move |_| said.clone()), page("hello"));
        let scene = Scene::of(vec![scanner.of_requests()]);
        let mut client = scene.asks(connect(origin.address()) + &get(origin.address(), "/behind"));
        let got = answer(&mut client);
        assert_eq!((got.status, got.text().as_str(), got.field("Connection")), (403, PAGE, Some("close")));
        assert_eq!(client.rest(), (Vec::new(), How::Fin));
        assert!(origin.seen().is_empty());
        assert_eq!(scanner.shown().len(), 1);
        let line = scene.line(0);
        assert_eq!((told(&line)[0], told(&line)[2], told(&line)[3]), ("content_blocked", "blocked", "dlp"), "{line}");
        assert_eq!((&line["status"], &line["method"]), (&403.into(), &"CONNECT".into()));
        scene.wait_until_empty_after(client);
    }
}

#[test]
fn no_answer_of_a_service_looks_like_a_tunnel() {
    // A client takes what stands behind a 2xx for the words of the origin.
    for status in ["200 OK", "204 No Content", "299 Fine"] {
        let scanner = Scanner::judging(move |_| replaced(&format!("HTTP/1.1 {status}\r\n\r\n"), PAGE.as_bytes()));
        let scene = Scene::of(vec![scanner.of_requests()]);
        let origin = page("hello");
        let mut client = scene.asks(connect(origin.address()));
        let got = answer(&mut client);
        assert!(got.status == 403 && !got.text().contains(PAGE), "{status}: {}", got.head);
        assert_eq!(client.rest(), (Vec::new(), How::Fin));
        assert!(origin.seen().is_empty());
        assert_eq!(told(&scene.line(0))[3], "dlp");
    }
}

#[test]
fn what_something_was_found_in_does_not_go_on_because_it_came_back() {
    let origin = echo();
    let back = replaced(&connect(origin.address()), b"");
    for said in [infected(UNCHANGED.as_bytes()), infected(&back)] {
        let scanner = Scanner::judging(move |_| said.clone());
        let scene = Scene::of(vec![scanner.of_requests()]);
        assert_eq!(answer(&mut scene.asks(connect(origin.address()))).status, 403);
        assert_eq!(told(&scene.line(0))[2..], ["blocked", "dlp"]);
        assert!(origin.seen().is_empty());
    }
}

#[test]
fn one_that_comes_back_as_it_went_goes_on() {
    let origin = echo();
    let scanner = leading_to(origin.address());
    let scene = Scene::of(vec![scanner.of_requests()]);
    let mut client = scene.asks(connect(origin.address()));
    assert_flows(&mut client);
    scene.wait_until_empty_after(client);
    assert_eq!(told(&scene.line(0)), ["done", "none", "unscanned", "-"]);
}

#[test]
fn one_that_is_sent_elsewhere_goes_there() {
    let (origin, other) = (echo(), echo());
    let scanner = leading_to(other.address());
    let scene = Scene::of(vec![scanner.of_requests()]);
    let mut client = scene.asks(connect(origin.address()));
    assert_flows(&mut client);
    assert_eq!(scene.proxy.streams()[0].destination.as_ref(), other.address().to_string());
    scene.wait_until_empty_after(client);
    assert!(origin.seen().is_empty());
    assert_eq!(scanner.shown().len(), 1, "it is shown once");
    let line = scene.line(0);
    assert_eq!(told(&line), ["done", "none", "modified", "-"]);
    assert_eq!(line["port"], other.address().port());
    assert_eq!(line["url"], origin.address().to_string(), "as the client sent it");
}

#[test]
fn where_it_is_sent_is_judged_from_the_start() {
    let origin = echo();
    let port = origin.address().port();
    let scene_of = |scanner: &Scanner| {
        Scene::with(vec![scanner.of_requests()], |settings| {
            settings.destinations.connect_ports = PortSet::Ranges(vec![(port, port)]);
        })
    };
    let changed: [Changed<'_>; 9] = [
        ("CONNECT 127.0.0.1:1 HTTP/1.1\r\n\r\n", 403, "port_denied"),
        (&format!("CONNECT 169.254.169.254:{port} HTTP/1.1\r\n\r\n"), 403, "destination_denied"),
        (&format!("GET http://127.0.0.1:{port}/ HTTP/1.1\r\n\r\n"), 503, "scanner_failed"),
        (&format!("connect 127.0.0.1:{port} HTTP/1.1\r\n\r\n"), 503, "scanner_failed"),
        (&format!("CONNECT http://127.0.0.1:{port} HTTP/1.1\r\n\r\n"), 503, "scanner_failed"),
        (&format!("CONNECT 127.0.0.1:{port}/ HTTP/1.1\r\n\r\n"), 503, "scanner_failed"),
        (&format!("CONNECT x@127.0.0.1:{port} HTTP/1.1\r\n\r\n"), 503, "scanner_failed"),
        ("CONNECT 127.0.0.1 HTTP/1.1\r\n\r\n", 503, "scanner_failed"),
        (&format!("CONNECT 127.0.0.1:{port} HTTP/1.1\r\nContent-Length: 5\r\n\r\n"), 503, "scanner_failed"),
    ];
    for (head, status, reason) in changed {
        let scanner = changing(head);
        let scene = scene_of(&scanner);
        let mut client = scene.asks(connect(origin.address()));
        assert_eq!(answer(&mut client).status, status, "{head}");
        assert_eq!(client.rest(), (Vec::new(), How::Fin), "{head}");
        assert_eq!(scene.line(0)["reason"], reason, "{head}: {}", scene.line(0));
        assert!(origin.seen().is_empty(), "{head}");
    }
    let scanner = Scanner::judging(move |_| replaced(&format!("CONNECT 127.0.0.1:{port} HTTP/1.1\r\n\r\n"), b"body"));
    assert_eq!(answer(&mut scene_of(&scanner).asks(connect(origin.address()))).status, 503, "with a body");
    assert!(origin.seen().is_empty());
}

#[test]
fn we_are_not_led_to_ourselves() {
    let place = Arc::new(Mutex::new(String::new()));
    let target = place.clone();
    let scanner = Scanner::judging(move |_| {
        let to = target.lock().expect("target").clone();
        replaced(&format!("CONNECT {to} HTTP/1.1\r\nHost: {to}\r\n\r\n"), b"")
    });
    let scene = Scene::of(vec![scanner.of_requests()]);
    let origin = echo();
    for (number, to) in [scene.proxy.admin(), scene.proxy.address()].into_iter().enumerate() {
        *place.lock().expect("target") = to.to_string();
        let got = answer(&mut scene.asks(connect(origin.address())));
        let line = scene.line(number);
        assert!(got.status == 403 || got.status == 502, "{line}");
        assert!(line["reason"] == "loop" || line["reason"] == "destination_denied", "{line}");
    }
}

#[test]
fn limits_are_those_of_where_it_is_sent() {
    let origin = echo();
    let port = origin.address().port();
    let scanner = leading_to(format!("p1.sport.test:{port}"));
    let rule = |name, host| {
        format!("[[limit]]\nname = \"{name}\"\ndestination = \"{host}\"\nper = \"destination\"\nexchanges = 1\n")
    };
    let rules = rule("there", "p1.sport.test") + &rule("here", "www.other.test");
    let scene = Scene::with(vec![scanner.of_requests()], |settings| keep(settings, &rules));
    let asked = format!("CONNECT www.other.test:{port} HTTP/1.1\r\nHost: www.other.test:{port}\r\n\r\n");
    let mut first = scene.asks(&asked);
    assert_flows(&mut first);
    wait_for_use(&scene.proxy, "there", 1, 0, 0);
    wait_for_use(&scene.proxy, "here", 0, 0, 0);
    let mut second = scene.asks(&asked);
    assert_eq!(answer(&mut second).status, 503);
    assert_eq!(scene.line(0)["limit"], "there");
    drop(first);
    scene.wait_until_empty_after(second);
}

#[test]
fn a_service_that_cannot_be_asked_decides_by_its_setting() {
    let origin = echo();
    let broken = Scanner::judging(|_| b"ICAP/1.0 500 No\r\n\r\n".to_vec());
    let scene = Scene::of(vec![broken.of_requests()]);
    let mut client = scene.asks(connect(origin.address()));
    assert_eq!(answer(&mut client).status, 503);
    assert_eq!(client.rest(), (Vec::new(), How::Fin));
    assert_eq!((told(&scene.line(0))[0], told(&scene.line(0))[3]), ("scanner_failed", "dlp"));
    assert!(origin.seen().is_empty());
    let scene = Scene::of(vec![IcapService { on_failure: OnFailure::Pass, ..broken.of_requests() }]);
    let mut client = scene.asks(connect(origin.address()));
    assert_flows(&mut client);
    scene.wait_until_empty_after(client);
    let line = scene.line(0);
    assert_eq!(told(&line), ["done", "none", "unscanned", "dlp"]);
    assert_eq!([&line["upload_unscanned"], &line["unscanned"]], ["scanner_down", "tunnel"]);
}

#[test]
fn those_whom_it_does_not_concern_are_not_asked() {
    let (scanner, origin) = (Scanner::clean(), echo());
    let bypassing = |settings: &mut Settings| {
        settings.bypass_book.entries = vec![BypassRule::new(Pattern::parse("127.0.0.1").expect("a pattern"))];
    };
    let off_course = |settings: &mut Settings| settings.inspect.default = vec![ScannerName::BuiltIn];
    let scenes = [
        ("only responses", Scene::of(vec![scanner.named("av")]), "tunnel"),
        ("another course", Scene::with(vec![scanner.of_requests()], off_course), "tunnel"),
        ("bypassed", Scene::with(vec![scanner.of_requests()], bypassing), "bypassed"),
    ];
    for (what, scene, why) in scenes {
        let mut client = scene.asks(connect(origin.address()));
        assert_flows(&mut client);
        scene.wait_until_empty_after(client);
        assert_eq!(scene.line(0)["unscanned"], why, "{what}");
    }
    assert!(scanner.shown().is_empty());
}

#[test]
fn every_service_sees_it_in_its_turn_without_a_body() {
    let (origin, other) = (echo(), echo());
    let (first, second) = (leading_to(other.address()), Scanner::clean());
    let services = [("first", &first), ("second", &second)];
    let services = services.map(|(name, scanner)| IcapService { name: name.into(), ..scanner.of_requests() });
    let scene = Scene::of(services.to_vec());
    let mut client = scene.asks(connect(origin.address()));
    assert_flows(&mut client);
    let shown = second.shown().remove(0);
    assert!(shown.head.contains("null-body="), "{}", shown.head);
    let to = other.address();
    assert_eq!(shown.inner, format!("CONNECT {to} HTTP/1.1\r\nHost: {to}\r\n\r\n"));
    assert!(origin.seen().is_empty());
}
