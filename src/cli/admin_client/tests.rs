//! Answers of an admin port, and of things that are none.

use std::net::TcpListener;
use std::sync::mpsc;
use std::thread::JoinHandle;

use super::*;

/// Accepts one connection, reads the request's head, answers with `answer` and closes. Gives back the request.
fn serve(answer: &'static [u8]) -> (SocketAddr, JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("bind");
    let address = listener.local_addr().expect("address");
    let server = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("accept");
        let mut request = Vec::new();
        let mut byte = [0];
        while !request.ends_with(b"\r\n\r\n") && stream.read(&mut byte).expect("read") == 1 {
            request.push(byte[0]);
        }
        stream.write_all(answer).expect("write");
        String::from_utf8(request).expect("text")
    });
    (address, server)
}

#[test]
fn asks_once_and_reads_to_the_end() {
    let (address, server) = serve(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nok\n");
    let answer = get(address, "/healthz", PATIENCE).expect("answer");
    assert_eq!((answer.status, answer.body.as_slice()), (200, b"ok\n".as_slice()));
    let expected = format!("GET /healthz HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    assert_eq!(server.join().expect("server"), expected);
}

#[test]
fn an_unspecified_address_is_this_machine() {
    let (address, server) = serve(b"HTTP/1.1 503 X\r\nContent-Length: 0\r\n\r\n");
    let any = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), address.port());
    let refused = get(any, "/", PATIENCE).expect("answer").ok().expect_err("503");
    assert!(matches!(refused, ClientError::Refused { address: asked, status: 503, said: None } if asked == address));
    server.join().expect("server");
    assert_eq!(reachable("[::]:9".parse().expect("address")), "[::1]:9".parse().expect("address"));
}

#[test]
fn nobody_there_is_unreachable() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("bind");
    let address = listener.local_addr().expect("address");
    drop(listener);
    let error = get(address, "/", PATIENCE).expect_err("nobody");
    assert!(matches!(error, ClientError::Unreachable { .. }), "{error}");
    assert!(error.to_string().contains("is tether running?"), "{error}");
}

#[test]
fn silence_is_unreachable() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("bind");
    let address = listener.local_addr().expect("address");
    let (done, wait) = mpsc::channel::<()>();
    let server = std::thread::spawn(move || {
        let held = listener.accept().expect("accept");
        let _ = wait.recv();
        drop(held);
    });
    let patience = Patience { connect: Duration::from_secs(2), answer: Duration::from_millis(20) };
    let error = get(address, "/", patience).expect_err("silent");
    assert!(error.to_string().contains("no answer in time"), "{error}");
    drop(done);
    server.join().expect("server");
}

#[test]
fn bodies_in_every_framing() {
    let body = |answer: &[u8]| parse(answer).map(|(_, body)| String::from_utf8(body).expect("text"));
    assert_eq!(body(b"HTTP/1.1 200 OK\r\n\r\nabc").as_deref(), Ok("abc"));
    assert_eq!(body(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nabc").as_deref(), Ok("ab"));
    assert_eq!(
        body(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n2\r\nab\r\n1;x=y\r\nc\r\n0\r\n\r\n").as_deref(),
        Ok("abc")
    );
}

#[test]
fn what_is_no_answer() {
    for (answer, what) in [
        ("", "ends too early"),
        ("HTTP/1.1 200 OK\r\nA: b", "ends too early"),
        ("SSH-2.0-OpenSSH\r\n", "not HTTP"),
        ("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabc", "ends too early"),
        ("HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\nabc", "not a number"),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n", "not known"),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabc", "ends too early"),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nabc\r\n0\r\n\r\n", "broken"),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\nabc", "broken"),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n", "broken"),
    ] {
        let found = parse(answer.as_bytes()).expect_err(answer);
        assert!(found.contains(what), "{answer:?}: {found:?} has no {what:?}");
    }
}
