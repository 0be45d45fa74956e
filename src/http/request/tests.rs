//! Request heads: what goes on, what is rebuilt, what is refused (security.md 2.1).

use super::*;

const US: &str = "tether-0123abcd";

fn read(head: &str) -> Result<(Request, String), Reason> {
    let mut out = Vec::new();
    let read = read_request(head.as_bytes(), None, US, &mut out)?.expect("complete");
    assert_eq!(read.length, head.len());
    Ok((read.request, String::from_utf8(out).expect("text")))
}

fn refused(head: &str) -> Reason {
    match read(head) {
        Err(reason) => reason,
        Ok((request, out)) => panic!("{head:?} was read as {request:?} and went on as {out:?}"),
    }
}

#[test]
fn passes_on_in_order_and_case() {
    let (request, out) = read(
        "GET http://Example.com:80/a?b HTTP/1.1\r\nuser-AGENT: x\r\nhOst: other\r\nX-A: 1\r\nProxy-Connection: keep-alive\r\n\
         Connection: keep-alive, X-Drop\r\nx-drop: secret\r\nProxy-Authorization: Basic eA==\r\nTE: trailers\r\nX-A: 2\r\n\r\n",
    )
    .expect("good");
    assert_eq!(
        out,
        "GET /a?b HTTP/1.1\r\nuser-AGENT: x\r\nhOst: example.com\r\nX-A: 1\r\nX-A: 2\r\nVia: 1.1 tether-0123abcd\r\n\r\n"
    );
    assert!(request.keep_alive);
    assert_eq!(request.framing, BodyFraming::None);
}

#[test]
fn connection_cannot_drop_what_frames_or_routes() {
    let (request, out) = read(
        "POST http://h/ HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nVia: 1.1 a\r\n\
         Connection: Host, Content-Length, Via, Authorization\r\nAuthorization: x\r\n\r\n",
    )
    .expect("good");
    assert_eq!(request.framing, BodyFraming::Length(5));
    assert_eq!(
        out,
        "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nVia: 1.1 a\r\nVia: 1.1 tether-0123abcd\r\n\r\n"
    );
}

#[test]
fn http10_gets_a_host_and_closes() {
    let (request, out) = read("GET http://h/ HTTP/1.0\r\n\r\n").expect("good");
    assert_eq!(out, "GET / HTTP/1.1\r\nHost: h\r\nVia: 1.0 tether-0123abcd\r\n\r\n");
    assert!(!request.keep_alive);
    assert!(read("GET http://h/ HTTP/1.0\r\nConnection: keep-alive\r\n\r\n").expect("good").0.keep_alive);
}

#[test]
fn equal_lengths_become_one() {
    let (_, out) =
        read("POST http://h/ HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\ncontent-length: 5\r\n\r\n").expect("good");
    assert_eq!(out.matches("ontent-").count(), 1);
}

#[test]
fn upgrade_goes_on_but_never_h2c() {
    let ask = |upgrade: &str| {
        read(&format!(
            "GET http://h/ HTTP/1.1\r\nHost: h\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: {upgrade}\r\nHTTP2-Settings: x\r\n\r\n"
        ))
        .expect("good")
    };
    let (request, out) = ask("websocket");
    assert_eq!(request.upgrade.as_deref(), Some(&b"websocket"[..]));
    assert!(out.ends_with("Upgrade: websocket\r\nConnection: Upgrade\r\n\r\n"));
    let (request, out) = ask("h2c");
    assert!(request.upgrade.is_none());
    assert!(!out.to_lowercase().contains("h2c") && !out.contains("HTTP2"));
    assert_eq!(ask("H2C, websocket").0.upgrade.as_deref(), Some(&b"websocket"[..]));
    let (request, out) = read("GET http://h/ HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\n\r\n").expect("good");
    assert!(request.upgrade.is_none() && !out.contains("pgrade"), "not without Connection: upgrade");
}

#[test]
fn expect_continue() {
    let (request, out) =
        read("PUT http://h/ HTTP/1.1\r\nHost: h\r\nExpect: 100-Continue\r\nContent-Length: 1\r\n\r\n").expect("good");
    assert!(request.expects_continue && out.contains("Expect: 100-continue\r\n"));
    let (request, out) = read("GET http://h/ HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\n\r\n").expect("good");
    assert!(!request.expects_continue && !out.contains("Expect"), "there is no body to wait for");
    assert_eq!(refused("GET http://h/ HTTP/1.1\r\nHost: h\r\nExpect: 200-ok\r\n\r\n"), Reason::BadExpectation);
}

#[test]
fn own_and_connect_write_nothing() {
    let (request, out) = read("GET /proxy.pac HTTP/1.1\r\nHost: p\r\n\r\n").expect("good");
    assert!(matches!(request.target, Target::Own) && out.is_empty());
    let (request, out) = read("CONNECT h:443 HTTP/1.1\r\nHost: h:443\r\n\r\n").expect("good");
    assert!(matches!(request.target, Target::Tunnel(_)) && out.is_empty());
}

#[test]
fn refused_framing() {
    for fields in [
        "Content-Length: 6\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked\r\nContent-Length: 6",
        "Content-Length: 5\r\nContent-Length: 6",
        "Content-Length: 5, 6",
        "Content-Length: +5",
        "Content-Length: -5",
        "Content-Length:",
        "Content-Length: 18446744073709551621",
        "Transfer-Encoding: identity",
        "Transfer-Encoding: chunked, identity",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: \"chunked\"",
        "Transfer-Encoding:",
    ] {
        let head = format!("POST http://h/ HTTP/1.1\r\nHost: h\r\n{fields}\r\n\r\n");
        assert_eq!(refused(&head), Reason::BadRequestFraming, "{fields}");
    }
    let old = "POST http://h/ HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n";
    assert_eq!(refused(old), Reason::BadRequestFraming);
    for fields in ["Content-Length: 0", "Content-Length: 5", "Transfer-Encoding: chunked"] {
        let head = format!("CONNECT h:443 HTTP/1.1\r\nHost: h:443\r\n{fields}\r\n\r\n");
        assert_eq!(refused(&head), Reason::BadRequestFraming, "{fields}");
    }
}

#[test]
fn refused_grammar() {
    for head in [
        "GET http://h/ HTTP/1.1\r\nHost : h\r\n\r\n",
        "GET http://h/ HTTP/1.1\r\nHost\t: h\r\n\r\n",
        "GET http://h/ HTTP/1.1\r\nHost: h\r\nA: b\r\n c\r\n\r\n",
        "GET http://h/ HTTP/1.1\r\nHost: h\r\n\tA: b\r\n\r\n",
        "GET http://h/ HTTP/1.1\r\nHost: h\r\nA: b\rc\r\n\r\n",
        "GET http://h/ HTTP/1.1\r\nHost: h\r\nA: b\0c\r\n\r\n",
        "GET http://h/ HTTP/1.1\r\nHost: h\r\nA: b\x0bc\r\n\r\n",
        "GET http://h/ HTTP/1.1\r\nHost: h\r\nA\0: b\r\n\r\n",
        "GET http://h/ HTTP/1.1\r\nHost: h\r\n: b\r\n\r\n",
        "GET http://h/ HTTP/1.1\r\nHost: h\r\nA b\r\n\r\n",
        "GET http://h/ HTTP/1.1\nHost: h\n\n",
        "GET http://h/ HTTP/1.1\r\nHost: h\n\r\n",
        "GET  http://h/ HTTP/1.1\r\nHost: h\r\n\r\n",
        "GET http://h/\r\n\r\n",
        "GET\thttp://h/ HTTP/1.1\r\nHost: h\r\n\r\n",
        "G(T http://h/ HTTP/1.1\r\nHost: h\r\n\r\n",
        "GET http://h/ HTTP/1.1\r\n\r\n",
        "GET http://h/ HTTP/1.1\r\nHost: h\r\nHost: h\r\n\r\n",
        "GET http://h/ HTTP/1.1\r\nHost: h h\r\n\r\n",
        "GET http://h/ HTTP/1.1\r\nHost: u@h\r\n\r\n",
        "GET http://h/ HTTP/1.1\r\nHost:\r\n\r\n",
    ] {
        assert_eq!(refused(head), Reason::BadRequest, "{head:?}");
    }
}

#[test]
fn refused_versions() {
    for version in ["HTTP/9.9", "HTTP/1.2", "HTTP/2.0", "HTTP/1.10", "http/1.1", "HTTP/1.1x", "HTTP/0.9", "HTTPS/1.1"] {
        let head = format!("GET http://h/ {version}\r\nHost: h\r\n\r\n");
        let reason = refused(&head);
        assert!(matches!(reason, Reason::BadVersion | Reason::BadRequest), "{version}: {reason:?}");
    }
    for line in ["GET http://h/  HTTP/1.1", "GET http://h/a b HTTP/1.1"] {
        let reason = refused(&format!("{line}\r\nHost: h\r\n\r\n"));
        assert!(matches!(reason, Reason::BadVersion | Reason::BadRequest), "{line}: {reason:?}");
    }
    assert!(matches!(refused("PRI * HTTP/2.0\r\n\r\n"), Reason::BadVersion | Reason::BadRequest));
}

#[test]
fn refused_targets_sizes_and_loops() {
    assert_eq!(refused("GET https://h/ HTTP/1.1\r\nHost: h\r\n\r\n"), Reason::BadTarget);
    assert_eq!(refused("GET http://h\0/ HTTP/1.1\r\nHost: h\r\n\r\n"), Reason::BadRequest);
    let many = format!("GET http://h/ HTTP/1.1\r\nHost: h\r\n{}\r\n", "A: b\r\n".repeat(MAX_REQUEST_FIELDS));
    assert_eq!(refused(&many), Reason::RequestHeadTooLarge);
    let via = format!("GET http://h/ HTTP/1.1\r\nHost: h\r\nVia: 1.1 other, 1.1 {US} (x)\r\n\r\n");
    assert_eq!(refused(&via), Reason::Loop);
    let similar = format!("GET http://h/ HTTP/1.1\r\nHost: h\r\nVia: 1.1 {US}9\r\n\r\n");
    assert!(read(&similar).is_ok());
}

proptest::proptest! {
    #[test]
    fn any_prefix_waits_and_the_whole_is_read(cut in 0usize..100) {
        let head = "POST http://h:81/x HTTP/1.1\r\nHost: h:81\r\nContent-Length: 3\r\nX-Long-Name: with a value\r\n\r\n";
        let cut = cut.min(head.len() - 1);
        let mut out = Vec::new();
        let partial = read_request(&head.as_bytes()[..cut], None, US, &mut out).expect("only unfinished");
        proptest::prop_assert!(partial.is_none() && out.is_empty());
    }

    #[test]
    fn whatever_goes_on_is_strict(head in "(GET|POST|X) (http://h/|/|\\*|http://h:99/a)( HTTP/1\\.[01])\r\n((Host: h|A: b|Content-Length: [0-9]{0,2}|Transfer-Encoding: [a-z]{0,7}|Connection: [a-zA-Z, -]{0,20}|[A-Za-z :]{0,8}: ?[ -~\t]{0,9})\r\n){0,5}\r\n") {
        let mut out = Vec::new();
        if let Ok(Some(read)) = read_request(head.as_bytes(), None, US, &mut out)
            && matches!(read.request.target, Target::Origin(_))
        {
            let mut again = Vec::new();
            let absolute = String::from_utf8(out).expect("text").replacen(" /", " http://h/", 1).replace(US, "other");
            let second = read_request(absolute.as_bytes(), None, US, &mut again).expect("ours is strict").expect("whole");
            proptest::prop_assert_eq!(second.request.framing, read.request.framing);
            proptest::prop_assert_eq!(second.length, absolute.len());
        }
    }
}

#[test]
fn credentials_that_bind_the_connection_are_passed_on_and_noticed() {
    for (credentials, binds) in [("NTLM TlRMTVNTUAAB", true), ("negotiate YII=", true), ("Basic YTpi", false)] {
        let head = format!("GET http://h/ HTTP/1.1\r\nHost: h\r\nAuthorization: {credentials}\r\n\r\n");
        let (request, out) = read(&head).expect("good");
        assert_eq!(request.binds_upstream, binds, "{credentials}");
        assert!(out.contains(&format!("\r\nAuthorization: {credentials}\r\n")), "{out}");
    }
}
