//! Response heads: what goes on, how the body is framed, what becomes a 502 (security.md 2.2).

use super::*;
use crate::http::request::read_request;

const US: &str = "tether-0123abcd";

fn request(head: &str) -> Request {
    read_request(head.as_bytes(), None, US, &mut Vec::new()).expect("good").expect("whole").request
}

fn get() -> Request {
    request("GET http://h/ HTTP/1.1\r\nHost: h\r\n\r\n")
}

fn read(head: &str, request: &Request) -> Result<(Response, String), Reason> {
    let mut out = Vec::new();
    let (length, response) =
        read_response(head.as_bytes(), request, ClientConnection::MayStay, US, &mut out)?.expect("complete");
    assert_eq!(length, head.len());
    Ok((response, String::from_utf8(out).expect("text")))
}

#[test]
fn passes_on_in_order_and_case() {
    let (response, out) = read(
        "HTTP/1.0 200 Fine\r\nserVer: x\r\nContent-Length: 3\r\nConnection: keep-alive, X-Hop\r\nX-Hop: 1\r\n\
         Keep-Alive: timeout=7, max=3\r\nSet-Cookie: a\r\nSet-Cookie: b\r\n\r\n",
        &get(),
    )
    .expect("good");
    assert_eq!(
        out,
        "HTTP/1.1 200 Fine\r\nserVer: x\r\nContent-Length: 3\r\nSet-Cookie: a\r\nSet-Cookie: b\r\n\
         Via: 1.0 tether-0123abcd\r\n\r\n"
    );
    assert_eq!(response.framing, BodyFraming::Length(3));
    assert_eq!((response.upstream_idle_seconds, response.upstream_requests_left), (Some(7), Some(3)));
    assert!(!response.binds_upstream);
    assert!(response.upstream_keep_alive && response.client_keep_alive);
}

#[test]
fn bodies_are_framed_for_the_client_that_asked() {
    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    let (response, out) = read(chunked, &get()).expect("good");
    assert_eq!((response.framing, response.format), (BodyFraming::Chunked, BodyFormat::Chunked));
    assert!(out.contains("Transfer-Encoding: chunked\r\n") && response.client_keep_alive);

    let old = request("GET http://h/ HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    let (response, out) = read(chunked, &old).expect("good");
    assert_eq!(response.format, BodyFormat::Plain);
    assert!(!out.contains("chunked") && out.contains("Connection: close\r\n") && !response.client_keep_alive);
    let (_, out) = read("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n", &old).expect("good");
    assert!(out.contains("Connection: keep-alive\r\n"));

    let (response, out) = read("HTTP/1.1 200 OK\r\n\r\n", &get()).expect("good");
    assert_eq!(response.framing, BodyFraming::UntilClose);
    assert!(out.contains("Connection: close\r\n") && !response.upstream_keep_alive);
}

#[test]
fn no_body_after_head_204_and_304() {
    let head = request("HEAD http://h/ HTTP/1.1\r\nHost: h\r\n\r\n");
    let (response, out) = read("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n", &head).expect("good");
    assert_eq!(response.framing, BodyFraming::None);
    assert!(out.contains("Content-Length: 9") && response.client_keep_alive);
    let (response, out) = read("HTTP/1.1 204 No Content\r\nContent-Length: 9\r\n\r\n", &get()).expect("good");
    assert_eq!(response.framing, BodyFraming::None);
    assert!(!out.contains("Content-Length"));
    let (response, out) = read("HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n", &get()).expect("good");
    assert_eq!(response.framing, BodyFraming::None);
    assert!(out.contains("Content-Length: 9"));
}

#[test]
fn interim_goes_to_http11_only() {
    let hints = "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n";
    let (response, out) = read(hints, &get()).expect("good");
    assert_eq!(response.kind, ResponseKind::Interim);
    assert!(out.starts_with("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n") && !out.contains("close"));
    let old = request("GET http://h/ HTTP/1.0\r\n\r\n");
    assert!(read(hints, &old).expect("good").1.is_empty());
}

#[test]
fn switching_only_as_asked() {
    let asked = request("GET http://h/ HTTP/1.1\r\nHost: h\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n");
    let given = |protocol: &str| format!("HTTP/1.1 101 Go\r\nConnection: Upgrade\r\nUpgrade: {protocol}\r\n\r\n");
    let (response, out) = read(&given("WebSocket"), &asked).expect("good");
    assert_eq!(response.kind, ResponseKind::Switching);
    assert!(out.ends_with("Upgrade: WebSocket\r\nConnection: Upgrade\r\n\r\n"));
    for (head, request) in [
        (given("websocket"), get()),
        (
            given("h2c"),
            request("GET http://h/ HTTP/1.1\r\nHost: h\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n"),
        ),
        ("HTTP/1.1 101 Go\r\n\r\n".to_owned(), asked),
    ] {
        assert_eq!(read(&head, &request).expect_err("unasked"), Reason::UnaskedUpgrade);
    }
}

#[test]
fn malformed_is_a_502() {
    for head in [
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: +5\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
        "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
        "HTTP/1.1 304 OK\r\nContent-Length: x\r\n\r\n",
        "HTTP/1.1 200 OK\r\nA : b\r\n\r\n",
        "HTTP/1.1 200 OK\r\nA: b\r\n c\r\n\r\n",
        "HTTP/1.1 200 OK\r\nA: b\rc\r\n\r\n",
        "HTTP/1.1 200 OK\r\nA: b\0\r\n\r\n",
        "HTTP/1.1 200 OK\nA: b\n\n",
        "HTTP/1.1 099 OK\r\n\r\n",
        "HTTP/1.1 20 OK\r\n\r\n",
        "HTTP/1.1 2000 OK\r\n\r\n",
        "HTTP/2.0 200 OK\r\n\r\n",
        "SSH-2.0-OpenSSH_9.2p1\r\n\r\n",
        "<html>\r\n\r\n",
        "ICY 200 OK\r\n\r\n",
    ] {
        assert_eq!(read(head, &get()).expect_err(head), Reason::BadResponse, "{head:?}");
    }
}

#[test]
fn must_close_is_said() {
    let mut out = Vec::new();
    let head = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
    let (_, response) =
        read_response(head, &get(), ClientConnection::MustClose, US, &mut out).expect("good").expect("whole");
    assert!(!response.client_keep_alive);
    assert!(out.ends_with(b"Connection: close\r\n\r\n"));
}

#[test]
fn challenges_that_bind_the_connection_are_passed_on_and_noticed() {
    for (challenge, binds) in [("NTLM", true), ("Basic realm=\"x\"", false), ("Negotiate oRQwEg==", true)] {
        let head = format!("HTTP/1.1 401 No\r\nWWW-Authenticate: {challenge}\r\nContent-Length: 0\r\n\r\n");
        let (response, out) = read(&head, &get()).expect("good");
        assert_eq!(response.binds_upstream, binds, "{challenge}");
        assert!(out.contains(&format!("\r\nWWW-Authenticate: {challenge}\r\n")), "{out}");
    }
}
