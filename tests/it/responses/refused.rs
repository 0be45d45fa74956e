//! Origins whose answer is no HTTP: the client gets a 502 and may go on, the origin's connection is never used again.

use crate::support::answer::{BodyEnd, answer};
use crate::support::client::{asking, get};
use crate::support::proxy::Proxy;
use crate::support::script::{Scripted, Visit, ok};

/// What the origin does behind its bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Then {
    Finish,
    Reset,
    Wait,
}

use Then::{Finish, Reset, Wait};

const ROWS: &[(&str, &str, Then)] = &[
    ("R1 differing lengths", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!", Wait),
    ("R1 list of lengths", "HTTP/1.1 200 OK\r\nContent-Length: 5, 6\r\n\r\nhello!", Wait),
    ("R1 list of equal lengths", "HTTP/1.1 200 OK\r\nContent-Length: 5, 5\r\n\r\nhello", Wait),
    ("R1 plus sign", "HTTP/1.1 200 OK\r\nContent-Length: +5\r\n\r\nhello", Wait),
    ("R1 minus sign", "HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\nhello", Wait),
    ("R1 empty length", "HTTP/1.1 200 OK\r\nContent-Length:\r\n\r\nhello", Wait),
    ("R1 2^64 + 5", "HTTP/1.1 200 OK\r\nContent-Length: 18446744073709551621\r\n\r\nhello", Wait),
    (
        "R1 length and coding",
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        Wait,
    ),
    ("R1 coding other than chunked", "HTTP/1.1 200 OK\r\nTransfer-Encoding: identity\r\n\r\nhello", Finish),
    ("R1 coding not last", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n", Wait),
    (
        "R1 coding twice",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        Wait,
    ),
    ("R1 vertical tab in the coding", "HTTP/1.1 200 OK\r\nTransfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n", Wait),
    ("R1 coding in HTTP/1.0", "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", Wait),
    (
        "R1 differing lengths in 304",
        "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n",
        Wait,
    ),
    ("R5 bare LF", "HTTP/1.1 200 OK\nContent-Length: 2\n\nhi", Wait),
    ("R5 bare LF behind one field", "HTTP/1.1 200 OK\r\nContent-Length: 2\n\r\nhi", Wait),
    ("R5 bare CR in a value", "HTTP/1.1 200 OK\r\nA: b\rSet-Cookie: x\r\nContent-Length: 2\r\n\r\nhi", Wait),
    ("R5 bare CR in the phrase", "HTTP/1.1 200 O\rK\r\nContent-Length: 2\r\n\r\nhi", Wait),
    ("R5 NUL in a value", "HTTP/1.1 200 OK\r\nA: b\0c\r\nContent-Length: 2\r\n\r\nhi", Wait),
    ("R5 NUL in the phrase", "HTTP/1.1 200 O\0K\r\nContent-Length: 2\r\n\r\nhi", Wait),
    ("R5 fold", "HTTP/1.1 200 OK\r\nA: b\r\n c\r\nContent-Length: 2\r\n\r\nhi", Wait),
    ("R5 first field begins with a space", "HTTP/1.1 200 OK\r\n A: b\r\nContent-Length: 2\r\n\r\nhi", Wait),
    ("R5 space before the colon", "HTTP/1.1 200 OK\r\nContent-Length : 2\r\n\r\nhi", Wait),
    ("R5 no colon", "HTTP/1.1 200 OK\r\nContent-Length 2\r\n\r\nhi", Wait),
    ("R5 empty name", "HTTP/1.1 200 OK\r\n: x\r\nContent-Length: 2\r\n\r\nhi", Wait),
    ("R5 empty line first", "\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi", Wait),
    ("R5 space first", " HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi", Wait),
    (
        "R5 Connection names 17 fields",
        "HTTP/1.1 200 OK\r\nConnection: a,b,c,d,e,f,g,h,i,j,k,l,m,n,o,p,q\r\nContent-Length: 0\r\n\r\n",
        Wait,
    ),
    ("a size that is no number", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nhello", Wait),
    ("a fault in the second chunk", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n-1\r\n", Wait),
    ("R6 two digits", "HTTP/1.1 20 OK\r\nContent-Length: 2\r\n\r\nhi", Wait),
    ("R6 four digits", "HTTP/1.1 2000 OK\r\nContent-Length: 2\r\n\r\nhi", Wait),
    ("R6 below 100", "HTTP/1.1 099 OK\r\nContent-Length: 2\r\n\r\nhi", Wait),
    ("R6 letters", "HTTP/1.1 2xx OK\r\nContent-Length: 2\r\n\r\nhi", Wait),
    ("R6 no status", "HTTP/1.1\r\nContent-Length: 2\r\n\r\nhi", Wait),
    ("R6 another version", "HTTP/2.0 200 OK\r\nContent-Length: 2\r\n\r\nhi", Wait),
    ("R6 version 1.10", "HTTP/1.10 200 OK\r\nContent-Length: 2\r\n\r\nhi", Wait),
    ("R6 lower case", "http/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi", Wait),
    ("R6 another protocol", "ICY 200 OK\r\nContent-Length: 2\r\n\r\nhi", Wait),
    ("R6 a request", "GET / HTTP/1.1\r\nHost: h\r\n\r\n", Wait),
    ("R6 SSH banner, then the end", "SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n", Finish),
    ("R6 page without a head, then the end", "<html>\r\n<body>hello</body>\r\n</html>\r\n", Finish),
    ("R6 HTTP/0.9 without a line end", "hello", Finish),
    ("R6 TLS alert", "\x15\x03\x03\0\x02\x02\x28", Finish),
    ("R6 half a head, then the end", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n", Finish),
    ("R6 half a head, then a reset", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n", Reset),
    ("R6 an interim answer, then the end", "HTTP/1.1 103 Early Hints\r\n\r\n", Finish),
    ("R6 nothing, then the end", "", Finish),
    ("R6 nothing, then a reset", "", Reset),
    ("R7 unasked 101", "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n", Wait),
    ("R7 unasked 101 without fields", "HTTP/1.1 101 Switching Protocols\r\n\r\nhello", Wait),
    (
        "R8 interim with a length and a body",
        "HTTP/1.1 100 Continue\r\nContent-Length: 5\r\n\r\nhelloHTTP/1.1 200 OK\r\n\r\n",
        Wait,
    ),
];

/// Whole lines that no HTTP answer can begin with, from origins that wait for us to speak.
const FIRST_LINES: &[(&str, &str, Then)] = &[
    ("R6 SSH banner, then silence", "SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n", Wait),
    ("R6 SMTP greeting, then silence", "220 mail.example ESMTP\r\n", Wait),
    ("R6 page without a head, then silence", "<html>\r\n<body>hello</body>\r\n</html>\r\n", Wait),
];

#[test]
fn what_is_no_http_becomes_a_502() {
    play(ROWS);
}

#[test]
fn nobody_waits_behind_a_first_line_that_is_no_http() {
    play(FIRST_LINES);
}

fn play(rows: &[(&str, &str, Then)]) {
    let proxy = Proxy::start();
    for (name, bytes, then) in rows {
        let (bytes, then) = (bytes.as_bytes().to_vec(), *then);
        becomes_502(&proxy, name, move |visit| {
            visit.send(&bytes);
            match then {
                Finish => visit.finish(),
                Reset => visit.reset(),
                Wait => {}
            }
        });
    }
}

#[test]
fn answers_without_measure_become_a_502() {
    let proxy = Proxy::start();
    let field = format!("A: {}\r\n", "b".repeat(990));
    let lines = field.repeat(2100);
    becomes_502(&proxy, "R6 2 MB of fields", move |visit| {
        visit.send(format!("HTTP/1.1 200 OK\r\n{lines}\r\n"));
    });
    becomes_502(&proxy, "R6 2 MB in one field", |visit| {
        visit.send(format!("HTTP/1.1 200 OK\r\nA: {}\r\n\r\n", "b".repeat(2_000_000)));
    });
    becomes_502(&proxy, "R6 201 fields", |visit| {
        visit.send(format!("HTTP/1.1 200 OK\r\n{}\r\n", "A: b\r\n".repeat(201)));
    });
    becomes_502(&proxy, "R6 endless head", move |visit| {
        visit.send("HTTP/1.1 200 OK\r\n");
        while visit.send(&field) {}
    });
    becomes_502(&proxy, "R6 endless first line", |visit| while visit.send([b'a'; 1000]) {});
    becomes_502(&proxy, "R6 5,000 interim answers", |visit| {
        visit.send("HTTP/1.1 102 Processing\r\n\r\n".repeat(5000));
        visit.send(ok("far too late"));
    });
    becomes_502(&proxy, "R6 21 interim answers, one by one", |visit| {
        for _ in 0..21 {
            visit.send("HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n");
        }
        visit.send(ok("one too late"));
    });
}

/// The first connection plays `play`; the client gets a whole 502 for it and, with its next request, a good answer
/// from a second one.
fn becomes_502(proxy: &Proxy, name: &str, play: impl Fn(&mut Visit) + Send + Sync + 'static) {
    println!("{name}");
    let origin = Scripted::start(move |visit| {
        while visit.head().is_some() {
            if visit.number == 0 {
                return play(visit);
            }
            visit.send(ok("second"));
        }
    });
    let request = get(origin.address(), "/");
    let mut client = asking(proxy, &request);
    let refusal = loop {
        let answer = answer(&mut client);
        if answer.status >= 200 {
            break answer;
        }
    };
    assert_eq!((refusal.status, refusal.end), (502, BodyEnd::Framed), "{name}: {refusal:?}");
    assert!(refusal.text().starts_with("502 Bad Gateway: "), "{name}: {refusal:?}");
    assert_eq!(refusal.field("Connection"), Some("keep-alive"), "{name}");
    client.send(&request);
    assert_eq!(answer(&mut client).text(), "second", "{name}");
    assert_eq!(origin.seen().len(), 2, "{name}");
}
