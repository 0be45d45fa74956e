//! Uploads that a service sees: whole before any origin hears of them, or as they flow where they have no end in sight.

use tether::inspect::book::InspectRule;
use tether::inspect::course::{Direction, Over, StreamScan};
use tether::inspect::magic::Class;

use super::*;
use crate::support::answer::try_answer;
use crate::support::origin::Origin;

/// An origin that answers with the body it got, and tells its framing.
fn mirror() -> Scripted {
    Scripted::start(|visit| {
        while let Some((head, body)) = visit.request() {
            let framing: String =
                head.lines().filter(|line| line.starts_with("Content-L") || line.starts_with("Transfer")).collect();
            visit.send(ok(&format!("{framing}|{}", String::from_utf8_lossy(&body))));
        }
    })
}

fn post(origin: SocketAddr, fields: &str, body: &str) -> String {
    format!("POST http://{origin}/up HTTP/1.1\r\nHost: {origin}\r\n{fields}\r\n{body}")
}

fn with_length(origin: SocketAddr, body: &str) -> String {
    post(origin, &format!("Content-Length: {}\r\n", body.len()), body)
}

const CHUNKED: &str = "Transfer-Encoding: chunked\r\n";

#[test]
fn an_upload_is_judged_whole_before_the_origin_hears_of_it() {
    let (scanner, origin) = (Scanner::finding("secret"), mirror());
    let scene = Scene::of(vec![scanner.of_requests()]);
    let mut client = scene.asks(with_length(origin.address(), "a=1&b=2"));
    assert_eq!(answer(&mut client).text(), "Content-Length: 7|a=1&b=2");
    client.send(post(origin.address(), CHUNKED, "3\r\nabc\r\n4\r\ndefg\r\n0\r\n\r\n"));
    let got = answer(&mut client).text();
    assert!(got.starts_with("Transfer-Encoding: chunked|"), "{got}");
    assert_eq!(got.split('|').nth(1).map(unchunked).as_deref(), Some("abcdefg"), "{got}");
    assert_eq!(scanner.shown().iter().map(Shown::text).collect::<Vec<_>>(), ["a=1&b=2", "abcdefg"]);
    let line = scene.line(0);
    assert_eq!((&line["upload_scan"], &line["reason"]), (&"whole".into(), &"done".into()), "{line}");
    let before = origin.seen().iter().map(|seen| seen.bytes.len()).sum::<usize>();
    for bad in
        [with_length(origin.address(), "my secret"), post(origin.address(), CHUNKED, "9\r\nmy secret\r\n0\r\n\r\n")]
    {
        client.send(bad);
        let got = answer(&mut client);
        assert_eq!((got.status, got.text().as_str()), (403, PAGE));
    }
    assert_eq!(origin.seen().iter().map(|seen| seen.bytes.len()).sum::<usize>(), before, "it never heard of them");
    client.send(with_length(origin.address(), "fine"));
    assert_eq!(answer(&mut client).text(), "Content-Length: 4|fine", "its connection goes on");
    scene.wait_until_empty_after(client);
}

fn unchunked(body: &str) -> String {
    let mut lines = body.split("\r\n");
    let mut all = String::new();
    while let (Some(_), Some(data)) = (lines.next(), lines.next()) {
        all.push_str(data);
    }
    all
}

#[test]
fn a_large_upload_arrives_byte_for_byte() {
    let scanner = Scanner::clean();
    let scene = Scene::of(vec![scanner.of_requests()]);
    let body = noise(5_000_000);
    let origin = Origin::bind();
    let mut client = scene.asks(post(origin.address(), "Content-Length: 5000000\r\n", ""));
    let sent = body.clone();
    let mut sender = client.twin();
    let sending = std::thread::spawn(move || sender.send(sent));
    let mut served = origin.accept();
    assert!(served.head().contains("Content-Length: 5000000\r\n"));
    assert!(served.exactly(body.len()) == body);
    served.send(ok("got it"));
    assert_eq!(answer(&mut client).text(), "got it");
    sending.join().expect("sent");
    assert!(scanner.shown()[0].body == body);
}

#[test]
fn a_changed_upload_has_its_own_length() {
    let origin = mirror();
    let to = origin.address();
    for (body, got) in
        [(&b"x"[..], "Content-Length: 1|x"), (b"much longer than it was", "Content-Length: 23|much longer than it was")]
    {
        let scanner = Scanner::judging(move |_| {
            replaced(&format!("POST http://{to}/up HTTP/1.1\r\nHost: {to}\r\nTransfer-Encoding: chunked\r\n\r\n"), body)
        });
        let scene = Scene::of(vec![scanner.of_requests()]);
        let mut client = scene.asks(with_length(to, "secret"));
        assert_eq!(answer(&mut client).text(), got);
        client.send(post(to, CHUNKED, "6\r\nsecret\r\n0\r\n\r\n"));
        assert_eq!(answer(&mut client).text(), got);
        client.send(with_length(to, "secret"));
        assert_eq!(answer(&mut client).text(), got, "its connection goes on");
    }
}

#[test]
fn an_upload_of_which_all_was_taken_away_still_has_a_length() {
    let origin = mirror();
    let to = origin.address();
    let scanner = Scanner::judging(move |_| {
        replaced(&format!("POST http://{to}/up HTTP/1.1\r\nHost: {to}\r\nContent-Length: 0\r\n\r\n"), b"")
    });
    let scene = Scene::of(vec![scanner.of_requests()]);
    assert_eq!(answer(&mut scene.asks(with_length(to, "secret"))).text(), "Content-Length: 0|");
}

#[test]
fn the_client_is_told_to_go_on_once_and_by_us() {
    let (scanner, origin) = (Scanner::finding("secret"), mirror());
    let scene = Scene::of(vec![scanner.of_requests()]);
    let expecting = |fields: &str| post(origin.address(), &format!("Expect: 100-continue\r\n{fields}"), "");
    for (fields, body) in [("Content-Length: 5\r\n", "hello"), (CHUNKED, "5\r\nhello\r\n0\r\n\r\n")] {
        let mut client = scene.asks(expecting(fields));
        assert_eq!(answer(&mut client).status, 100);
        client.send(body);
        let got = answer(&mut client);
        assert!(got.status == 200 && got.text().contains("hello"), "{}", got.head);
    }
    assert!(origin.seen().iter().all(|seen| !seen.text().contains("Expect")));
    let before = origin.seen().len();
    let mut client = scene.asks(expecting("Content-Length: 6\r\n"));
    assert_eq!(answer(&mut client).status, 100);
    client.send("secret");
    assert_eq!((answer(&mut client).status, origin.seen().len()), (403, before));
}

#[test]
fn an_upload_that_falls_silent_flows_on_where_its_service_lets_pass_what_it_cannot_judge() {
    // The services see uploads whole or not at all: what has no end in sight passes them, and counts so.
    let scanner = Scanner::clean();
    let service = IcapService { on_failure: OnFailure::Pass, ..scanner.of_requests() };
    let scene = Scene::with(vec![service], |settings| settings.inspect.hold.idle_gap = SHORT);
    let origin = Origin::bind();
    let mut client = scene.asks(post(origin.address(), CHUNKED, "5\r\nhello\r\n"));
    let mut served = origin.accept();
    assert!(served.head().contains("Transfer-Encoding: chunked\r\n"));
    assert_eq!(served.line(), "5");
    assert_eq!(served.exactly(7), b"hello\r\n");
    client.send("4\r\nmore\r\n");
    assert_eq!((served.line().as_str(), served.exactly(6)), ("4", b"more\r\n".to_vec()));
    client.send("0\r\n\r\n");
    assert_eq!(served.exactly(5), b"0\r\n\r\n");
    served.send(ok("done"));
    assert_eq!(answer(&mut client).text(), "done");
    let line = scene.line(0);
    assert!(scanner.shown().is_empty() && line["upload_unscanned"] == "stream", "{line}");
}

#[test]
fn no_silence_and_no_name_takes_an_upload_past_a_service_that_has_to_see_it() {
    let (scanner, origin) = (Scanner::clean(), mirror());
    let scene = Scene::with(vec![scanner.of_requests()], |settings| settings.inspect.hold.idle_gap = SHORT);
    for (number, kind) in ["text/plain", "application/x-ndjson", "text/event-stream"].into_iter().enumerate() {
        let head = format!("Content-Type: {kind}\r\n{CHUNKED}");
        let mut client = scene.asks(post(origin.address(), &head, "5\r\nhello\r\n"));
        let waits = |proxy: &Proxy| proxy.streams().iter().any(|row| row.idle > 3 * SHORT);
        scene.proxy.wait_until("silent for long", waits);
        assert_eq!((scanner.shown().len(), origin.seen().len()), (number, number), "{kind}");
        client.send("4\r\nmore\r\n0\r\n\r\n");
        assert_eq!(answer(&mut client).status, 200, "{kind}");
        assert_eq!(scanner.shown()[number].text(), "hellomore");
    }
}

#[test]
fn nor_where_services_do_not_see_streams() {
    let (scanner, origin) = (Scanner::finding("secret"), mirror());
    let rule = InspectRule { streams: Some(StreamScan::Off), max_body: Some(1000), ..InspectRule::new("off") };
    let scene = Scene::with(vec![scanner.of_requests()], |settings| settings.inspect_rules = vec![rule]);
    for kind in ["application/x-ndjson", "text/event-stream", "application/grpc", "video/mp4", "text/plain"] {
        let head = format!("Content-Type: {kind}\r\n{CHUNKED}");
        let got = answer(&mut scene.asks(post(origin.address(), &head, "6\r\nsecret\r\n0\r\n\r\n")));
        assert_eq!((got.status, got.text().as_str()), (403, PAGE), "{kind}");
        let large = "x".repeat(1001);
        for (fields, body) in
            [("Content-Length: 1001\r\n", large.clone()), (CHUNKED, format!("3e9\r\n{large}\r\n0\r\n\r\n"))]
        {
            let head = format!("Content-Type: {kind}\r\n{fields}");
            assert_eq!(answer(&mut scene.asks(post(origin.address(), &head, &body))).status, 413, "{kind}");
        }
    }
    assert!(origin.seen().is_empty(), "no origin has heard of any");
}

#[test]
fn an_upload_that_is_too_large_is_refused() {
    let direction = Some(Direction::Request);
    let rule = InspectRule { direction, max_body: Some(1000), over: Some(Over::Block), ..InspectRule::new("small") };
    let (scanner, origin) = (Scanner::clean(), mirror());
    let scene = Scene::with(vec![scanner.of_requests()], |settings| settings.inspect_rules = vec![rule]);
    let body = "x".repeat(1001);
    for request in
        [with_length(origin.address(), &body), post(origin.address(), CHUNKED, &format!("3e9\r\n{body}\r\n0\r\n\r\n"))]
    {
        let got = answer(&mut scene.asks(request));
        assert_eq!(got.status, 413, "{}", got.head);
    }
    let mut client = scene.asks(post(origin.address(), "Expect: 100-continue\r\nContent-Length: 1001\r\n", ""));
    assert_eq!(answer(&mut client).status, 413, "and nobody is told to send it first");
    assert_eq!(answer(&mut scene.asks(with_length(origin.address(), &body[..1000]))).status, 200);
    assert_eq!(scanner.shown().len(), 1);
    assert_eq!(told(&scene.line(0))[0], "request_too_large");
}

#[test]
fn an_upload_that_breaks_off_is_never_shown_or_sent() {
    let (scanner, origin) = (Scanner::clean(), mirror());
    let scene = Scene::of(vec![scanner.of_requests()]);
    for (fields, begun) in
        [("Content-Length: 100\r\n", "begun"), (CHUNKED, "5\r\nbegun\r\n"), (CHUNKED, "5\r\nbegun\r\nnonsense\r\n")]
    {
        let mut client = scene.asks(post(origin.address(), fields, begun));
        client.finish();
        if let Ok(got) = try_answer(&mut client) {
            assert_eq!(got.status, 400, "{begun:?}");
        }
        drop(client);
        scene.wait_until_empty();
    }
    assert!(scanner.shown().is_empty() && origin.seen().is_empty());
}

#[test]
fn a_service_for_responses_leaves_uploads_alone_and_the_other_way_round() {
    let (of_responses, of_requests) = (Scanner::clean(), Scanner::clean());
    let origin = Origin::bind();
    let scene = Scene::of(vec![of_responses.named("av")]);
    let mut client = scene.asks(post(origin.address(), "Expect: 100-continue\r\nContent-Length: 5\r\n", ""));
    let mut served = origin.accept();
    assert!(served.head().contains("Expect: 100-continue\r\n"), "whether to go on is for the origin to say");
    served.send("HTTP/1.1 100 Continue\r\n\r\n");
    assert_eq!(answer(&mut client).status, 100);
    client.send("hello");
    assert_eq!(served.exactly(5), b"hello");
    served.send(ok("done"));
    assert_eq!(answer(&mut client).text(), "done");
    assert_eq!(scene.line(0)["upload_scan"], Value::Null);
    assert_eq!(of_responses.shown().len(), 1);
    let scene = Scene::of(vec![of_requests.of_requests()]);
    let page = page("hello");
    assert_eq!(scene.get(&page, "/a").text(), "hello");
    let line = scene.line(0);
    assert_eq!((&line["scan"], &line["verdict"]), (&"none".into(), &"unscanned".into()), "nobody saw it: {line}");
}

/// Larger than is scanned whole, and a program.
fn program() -> String {
    format!("MZ\u{1}\0{}", "x".repeat(2000))
}

#[test]
fn what_a_service_is_not_asked_about_is_not_too_large_for_it() {
    let scanner = Scanner::clean();
    let small = || InspectRule { max_body: Some(1000), ..InspectRule::new("small") };
    let services = |settings: &mut Settings| {
        settings.inspect.default.insert(0, ScannerName::BuiltIn);
        settings.inspect_rules = vec![small()];
    };
    // One for requests leaves large downloads to the built-in scanner.
    let scene = Scene::with(vec![scanner.of_requests()], services);
    let served = page(&program());
    for path in ["/setup.exe", "/download"] {
        let got = scene.get(&served, path);
        assert_eq!((got.status, got.text()), (200, program()), "{path}");
    }
    // One for responses leaves it large uploads.
    let origin = mirror();
    let scene = Scene::with(vec![scanner.named("av")], |settings| {
        services(settings);
        settings.inspect_rules[0].classes = vec![Class::Executable];
    });
    assert_eq!(answer(&mut scene.asks(with_length(origin.address(), &program()))).status, 200);
    // Where it is asked about them, it has to see them.
    assert_eq!(scene.get(&served, "/setup.exe").status, 403);
}
