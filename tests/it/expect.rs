//! `Expect: 100-continue`, both ways.

use crate::support::answer::{Answer, BodyEnd, answer};
use crate::support::client::asking;
use crate::support::proxy::Proxy;
use crate::support::script::{Scripted, ok};
use crate::support::wire::How;

fn put(origin: &Scripted, version: &str, fields: &str) -> String {
    format!("PUT http://{0}/ HTTP/{version}\r\nHost: {0}\r\n{fields}\r\n", origin.address())
}

/// An origin that says 100, waits for the body and repeats it.
fn agreeing() -> Scripted {
    Scripted::start(|visit| {
        while let Some(head) = visit.head() {
            if head.contains("100-continue") {
                visit.send("HTTP/1.1 100 Continue\r\n\r\n");
            }
            let body = if head.contains("chunked") { visit.until(b"\r\n\r\n") } else { visit.exactly(5) };
            if let Some(body) = body {
                visit.send(ok(&String::from_utf8_lossy(&body)));
            }
        }
    })
}

#[test]
fn the_body_follows_the_origins_100() {
    let (proxy, origin) = (Proxy::start(), agreeing());
    for (name, fields, body) in [
        ("length", "Expect: 100-continue\r\nContent-Length: 5\r\n", "hello"),
        ("capitals", "expect: 100-CONTINUE\r\nContent-Length: 5\r\n", "hello"),
        ("chunked", "Expect: 100-continue\r\nTransfer-Encoding: chunked\r\n", "5\r\nhello\r\n0\r\n\r\n"),
    ] {
        println!("{name}");
        let mut client = asking(&proxy, put(&origin, "1.1", fields));
        assert_eq!(answer(&mut client).status, 100, "{name}");
        client.send(body);
        assert_eq!(answer(&mut client).text(), body, "{name}");
        client.send(put(&origin, "1.1", fields));
        assert_eq!(answer(&mut client).status, 100, "{name}: once more on the same connection");
        client.send(body);
        assert_eq!(answer(&mut client).text(), body, "{name}: once more on the same connection");
    }
    assert!(origin.seen().iter().all(|seen| seen.text().matches("Expect: 100-continue\r\n").count() <= 2));
}

#[test]
fn a_client_that_does_not_wait_is_served() {
    let (proxy, origin) = (Proxy::start(), agreeing());
    let request = put(&origin, "1.1", "Expect: 100-continue\r\nContent-Length: 5\r\n") + "hello";
    let mut client = asking(&proxy, request.repeat(2));
    for _ in 0..2 {
        let Answer { status, .. } = answer(&mut client);
        assert_eq!(status, 100);
        assert_eq!(answer(&mut client).text(), "hello");
    }
}

#[test]
fn an_origin_that_says_nothing_until_the_body_is_there_gets_it() {
    let origin = Scripted::start(|visit| {
        visit.head();
        let body = visit.exactly(5).expect("the body");
        visit.send(ok(&String::from_utf8_lossy(&body)));
    });
    let proxy = Proxy::start();
    let mut client = asking(&proxy, put(&origin, "1.1", "Expect: 100-continue\r\nContent-Length: 5\r\n"));
    // The client waits for 100 as long as it likes; here until the head has arrived.
    origin.wait_for("the head", |seen| seen.iter().any(|one| one.bytes.ends_with(b"\r\n\r\n")));
    client.send("hello");
    assert_eq!(answer(&mut client).text(), "hello");
}

#[test]
fn a_final_answer_in_place_of_100_closes_both_connections() {
    let proxy = Proxy::start();
    for (name, final_answer, body) in [
        ("417", "HTTP/1.1 417 Expectation Failed\r\nContent-Length: 2\r\n\r\nno", "no"),
        ("401", "HTTP/1.1 401 Unauthorized\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nno\r\n0\r\n\r\n", "no"),
        ("200", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", "ok"),
        ("204", "HTTP/1.1 204 No Content\r\n\r\n", ""),
        ("103 first", "HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno", "no"),
    ] {
        println!("{name}");
        let origin = Scripted::start(move |visit| {
            visit.head();
            visit.send(final_answer);
        });
        let mut client = asking(&proxy, put(&origin, "1.1", "Expect: 100-continue\r\nContent-Length: 5\r\n"));
        let mut got = answer(&mut client);
        if got.status == 103 {
            got = answer(&mut client);
        }
        assert_eq!((got.text().as_str(), got.end), (body, BodyEnd::Framed), "{name}: {got:?}");
        assert_eq!(got.field("Connection"), Some("close"), "{name}: {got:?}");
        // A client that sends the body all the same has not sent a request.
        client.send(format!("GET http://{0}/ HTTP/1.1\r\nHost: {0}\r\n\r\n", origin.address()));
        assert_eq!(client.rest(), (Vec::new(), How::Fin), "{name}");
        let seen = origin.ended(0);
        assert_eq!(seen.text().matches("\r\n\r\n").count(), 1, "{name}: {:?}", seen.text());
        assert_eq!(origin.seen().len(), 1, "{name}");
    }
}

#[test]
fn an_http10_client_expects_nothing() {
    let (proxy, origin) = (Proxy::start(), agreeing());
    let mut client = asking(&proxy, put(&origin, "1.0", "Expect: 100-continue\r\nContent-Length: 5\r\n") + "hello");
    let got = answer(&mut client);
    assert_eq!((got.status, got.text().as_str()), (200, "hello"));
    assert!(!origin.seen()[0].text().contains("Expect"));
}

#[test]
fn without_a_body_there_is_nothing_to_expect() {
    let proxy = Proxy::start();
    let origin = Scripted::answering(ok("fine"));
    for fields in ["Expect: 100-continue\r\n", "Expect: 100-continue\r\nContent-Length: 0\r\n"] {
        assert_eq!(answer(&mut asking(&proxy, put(&origin, "1.1", fields))).text(), "fine", "{fields:?}");
    }
    assert!(origin.seen().iter().all(|seen| !seen.text().contains("Expect")));
}

#[test]
fn other_expectations_are_refused() {
    let proxy = Proxy::start();
    let origin = Scripted::answering(ok("run"));
    for (name, fields) in [
        ("another", "Expect: 200-ok\r\n"),
        ("empty", "Expect:\r\n"),
        ("a list", "Expect: 100-continue, x\r\n"),
        ("a parameter", "Expect: 100-continue;q=1\r\n"),
        ("two fields", "Expect: 100-continue\r\nExpect: 100-continue\r\n"),
        ("two fields, the second another", "Expect: 100-continue\r\nExpect: x\r\n"),
    ] {
        println!("{name}");
        for version in ["1.1", "1.0"] {
            let request = put(&origin, version, &format!("{fields}Content-Length: 5\r\n"));
            let mut client = asking(&proxy, request.clone() + &request);
            let refusal = answer(&mut client);
            assert_eq!((refusal.status, refusal.field("Connection")), (417, Some("close")), "{name}: {refusal:?}");
            assert_eq!(client.rest(), (Vec::new(), How::Fin), "{name}");
        }
    }
    assert!(origin.seen().is_empty());
}
