//! Declared streams: events go on as they come, and nothing of what must not pass does.

use std::time::Duration;

use tether::base::reason::Reason;
use tether::inspect::settings::eicar;

use super::eicar::{assert_blocked, assert_cut};
use super::wrapped::{Framing, gzip_in_pieces};
use super::{metric, patient, scanning_with, wait_until_nothing_is_left, wait_until_read};
use crate::support::answer::{BodyEnd, answer, answer_body, answer_head, try_answer};
use crate::support::client::{asking, get};
use crate::support::origin::Origin;
use crate::support::proxy::Proxy;
use crate::support::script::{Scripted, path};
use crate::support::wire::Wire;

/// A type, its first event, and the second.
const DECLARED: [(&str, &str, &str); 6] = [
    ("text/event-stream", "data: one\n\n", "id: 7\ndata: two\n\n"),
    ("text/event-stream; charset=utf-8", ": hello\r\n\r\n", "data: two\r\n\r\n"),
    ("application/x-ndjson", "{\"n\":1}\n", "{\"n\":2}\n"),
    ("application/stream+json", "[1]\n", "[2]\n"),
    ("application/grpc+proto", "\0\0\0\0\x03one", "\0\0\0\0\x05twice\x01\0\0\0\0"),
    (
        "multipart/x-mixed-replace; boundary=b",
        "--b\r\nContent-Type: text/plain\r\n\r\none\r\n--b\r\n",
        "Content-Type: text/plain\r\n\r\ntwo\r\n--b\r\n",
    ),
];

/// A stream whose head and first bytes are sent.
fn opened(proxy: &Proxy, path: &str, fields: &str, first: &[u8]) -> (Wire, Wire, Origin) {
    let origin = Origin::bind();
    let client = asking(proxy, get(origin.address(), path));
    let mut served = origin.accept();
    served.head();
    served.send(Framing::Chunked(1 << 20).head(fields, 0));
    if !first.is_empty() {
        served.send(super::wrapped::chunk(first));
    }
    (client, served, origin)
}

/// Reads body bytes of chunks, however they are cut.
fn comes(client: &mut Wire, expected: &[u8]) {
    let mut got = Vec::new();
    while got.len() < expected.len() {
        let size = usize::from_str_radix(&client.line(), 16).expect("a chunk size");
        got.extend(client.exactly(size));
        assert_eq!(client.line(), "");
    }
    assert_eq!(String::from_utf8_lossy(&got), String::from_utf8_lossy(expected));
}

fn chunk(bytes: impl AsRef<[u8]>) -> Vec<u8> {
    super::wrapped::chunk(bytes.as_ref())
}

#[test]
fn every_event_goes_on_before_the_next_is_sent() {
    let proxy = scanning_with(patient);
    for (kind, first, second) in DECLARED {
        let (mut client, mut served, _origin) =
            opened(&proxy, "/live", &format!("Content-Type: {kind}\r\n"), first.as_bytes());
        let head = client.head();
        assert!(head.starts_with("HTTP/1.1 200") && head.contains("chunked"), "{head}");
        comes(&mut client, first.as_bytes());
        served.send(chunk(second));
        comes(&mut client, second.as_bytes());
        served.send("0\r\n\r\n");
        assert_eq!(client.line(), "0", "{kind}: a stream that ends ends");
    }
    assert_eq!(metric(&proxy, "tether_scan_handovers_total{reason=\"media_type\"}"), DECLARED.len() as u64);
    wait_until_nothing_is_left(&proxy);
}

#[test]
fn until_the_connection_closes_and_to_old_clients() {
    let proxy = scanning_with(patient);
    for version in ["1.0", "1.1"] {
        let origin = Origin::bind();
        let host = origin.address();
        let mut client = asking(&proxy, format!("GET http://{host}/live HTTP/{version}\r\nHost: {host}\r\n\r\n"));
        let mut served = origin.accept();
        served.head();
        served.send("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: one\n\n");
        let head = client.head();
        assert!(!head.contains("chunked"), "{head}");
        assert_eq!(client.exactly(11), b"data: one\n\n");
        served.send("data: two\n\n");
        assert_eq!(client.exactly(11), b"data: two\n\n");
        served.finish();
        assert_eq!(client.rest(), (Vec::new(), crate::support::wire::How::Fin), "{version}");
    }
}

#[test]
fn an_event_in_parts_is_held_until_it_is_whole() {
    let proxy = scanning_with(patient);
    for (kind, [first, half, other_half, rest], second, third) in [
        ("text/event-stream", ["data: one\n\n", "data: t", "wo\n\nda", "ta: 3\n\n"], "data: two\n\n", "data: 3\n\n"),
        (
            "application/grpc-web+proto",
            ["\0\0\0\0\x03one", "\0\0\0\0\x08ha", "lf of\n\x01\0\0\0", "\x02ok"],
            "\0\0\0\0\x08half of\n",
            "\x01\0\0\0\x02ok",
        ),
    ] {
        let (mut client, mut served, _origin) =
            opened(&proxy, "/live", &format!("Content-Type: {kind}\r\n"), first.as_bytes());
        client.head();
        comes(&mut client, first.as_bytes());
        // It waits for half a second; the rest is here long before.
        served.send(chunk(half));
        wait_until_read(&served);
        served.send(chunk(other_half));
        let whole = chunk(second);
        assert_eq!(client.exactly(whole.len()), whole, "{kind}: in one piece");
        served.send(chunk(rest));
        comes(&mut client, third.as_bytes());
    }
}

#[test]
fn a_message_longer_than_it_can_be_flows_all_the_same() {
    let proxy = scanning_with(patient);
    let first = b"\0\xff\xff\xff\xff and";
    let (mut client, mut served, _origin) = opened(&proxy, "/live", "Content-Type: application/grpc\r\n", first);
    client.head();
    comes(&mut client, first);
    let sent = vec![b'x'; 1 << 20];
    let (piece, mut sender) = (chunk(&sent), served.twin());
    let sending = std::thread::spawn(move || sender.send(&piece));
    comes(&mut client, &sent);
    sending.join().expect("sent");
    served.send("0\r\n\r\n");
    assert_eq!(client.line(), "0");
}

#[test]
fn an_event_that_does_not_end_goes_on_all_the_same() {
    let proxy = scanning_with(patient);
    let (mut client, mut served, _origin) =
        opened(&proxy, "/live", "Content-Type: text/event-stream\r\n", b"data: one\n\n");
    client.head();
    comes(&mut client, b"data: one\n\n");
    served.send(chunk("data: half"));
    comes(&mut client, b"data: half");
    served.send(chunk(" and\n\n"));
    comes(&mut client, b" and\n\n");
}

#[test]
fn a_large_event_does_not_wait_for_its_end() {
    let proxy = scanning_with(patient);
    let (mut client, mut served, _origin) =
        opened(&proxy, "/live", "Content-Type: text/event-stream\r\n", b"data: one\n\n");
    client.head();
    comes(&mut client, b"data: one\n\n");
    let event = [b"data: ".to_vec(), vec![b'x'; 1 << 20], b"\n\n".to_vec()].concat();
    let (sent, mut sender) = (chunk(&event), served.twin());
    let sending = std::thread::spawn(move || sender.send(&sent));
    comes(&mut client, &event);
    sending.join().expect("sent");
    served.send(chunk("data: two\n\n"));
    comes(&mut client, b"data: two\n\n");
}

#[test]
fn a_head_alone_is_let_go() {
    let proxy = scanning_with(super::impatient);
    let (mut client, mut served, _origin) = opened(&proxy, "/live", "Content-Type: text/event-stream\r\n", b"");
    assert!(client.head().starts_with("HTTP/1.1 200"));
    served.send(chunk("data: one\n\n"));
    comes(&mut client, b"data: one\n\n");
}

#[test]
fn what_asks_for_a_stream_gets_one() {
    let proxy = scanning_with(patient);
    for field in ["Accept: text/event-stream", "Last-Event-ID: 7"] {
        let origin = Origin::bind();
        let host = origin.address();
        let asked =
            format!("GET http://{host}/live HTTP/1.1\r\nHost: {host}\r\n{field}\r\nAccept-Encoding: gzip\r\n\r\n");
        let mut client = asking(&proxy, asked);
        let mut served = origin.accept();
        served.head();
        served.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
        served.send(chunk("data: one\n\n"));
        client.head();
        comes(&mut client, b"data: one\n\n");
    }
    assert_eq!(metric(&proxy, "tether_scan_handovers_total{reason=\"request\"}"), 2);
}

#[test]
fn a_coded_stream_flows_too() {
    let proxy = scanning_with(patient);
    let pieces = gzip_in_pieces(&[b"data: one\n\n", b"data: two\n\n"]);
    let fields = "Content-Type: text/event-stream\r\nContent-Encoding: gzip\r\n";
    let (mut client, mut served, _origin) = opened(&proxy, "/live", fields, &pieces[0]);
    client.head();
    comes(&mut client, &pieces[0]);
    served.send(chunk(&pieces[1]));
    comes(&mut client, &pieces[1]);
}

#[test]
fn a_file_does_not_pass_as_a_stream() {
    let proxy = scanning_with(patient);
    for begin in [
        &b"MZ\x90\x00\x03\x00\x00\x00"[..],
        b"PK\x03\x04\x14\x00\x00\x00",
        b"%PDF-1.7\n%\xe2",
        b"\x7fELF\x02\x01\x01\x00",
    ] {
        for kind in ["text/event-stream", "application/x-ndjson"] {
            let (mut client, mut served, _origin) =
                opened(&proxy, "/live", &format!("Content-Type: {kind}\r\n"), begin);
            wait_until_read(&served);
            assert!(!client.comes_within(Duration::from_millis(50)), "{begin:?} passes as {kind}");
            served.send([chunk("data: rest\n\n"), b"0\r\n\r\n".to_vec()].concat());
            let answer = answer(&mut client);
            assert_eq!((answer.status, answer.end), (200, BodyEnd::Framed), "held to its end, and clean");
            assert_eq!(answer.body, [begin, b"data: rest\n\n"].concat());
        }
    }
    // Also when its first bytes come one at a time.
    let (mut client, mut served, _origin) = opened(&proxy, "/live", "Content-Type: text/event-stream\r\n", b"M");
    wait_until_read(&served);
    served.send(chunk(&b"Z\x90\x00\x03\x00\x00\x00\n\n"[..]));
    wait_until_read(&served);
    assert!(!client.comes_within(Duration::from_millis(50)), "it passes in pieces");
    served.send([chunk(eicar()), b"0\r\n\r\n".to_vec()].concat());
    assert_blocked(&answer(&mut client), "a program in pieces");
}

#[test]
fn what_is_found_cuts_the_stream_and_blocks_its_address() {
    let proxy = scanning_with(patient);
    for (round, (kind, first, _)) in DECLARED.into_iter().enumerate() {
        let (path, fields) = (format!("/live/{round}?a=1"), format!("Content-Type: {kind}\r\n"));
        let (mut client, mut served, _origin) = opened(&proxy, &path, &fields, first.as_bytes());
        let answer = answer_head(&mut client).expect("a head");
        comes(&mut client, first.as_bytes());
        served.send([chunk([b"data: ", &eicar()[..], b"\n\n"].concat()), b"0\r\n\r\n".to_vec()].concat());
        let answer = answer_body(&mut client, answer);
        assert_cut(&answer, b"data: ", kind);
        let host = served.local();
        let again = try_answer(&mut asking(&proxy, get(host, &path))).expect("a page");
        assert_eq!(again.status, 403, "{kind}");
        assert!(again.text().contains("a moment ago"), "{}", again.text());
    }
    let rounds = DECLARED.len() as u64;
    proxy.wait_until("counted", |proxy| proxy.tally().closed(Reason::UrlBlocked) == rounds);
    assert_eq!(proxy.tally().closed(Reason::ContentCut), rounds);
    assert_eq!(metric(&proxy, "tether_scan_blocked_urls"), rounds);
    wait_until_nothing_is_left(&proxy);
}

#[test]
fn other_addresses_of_the_same_host_are_not_blocked() {
    let proxy = scanning_with(patient);
    let origin = Scripted::start(|visit| {
        while let Some(head) = visit.head() {
            let event = if path(&head) == "/bad" { eicar() } else { b"data: fine\n\n".to_vec() };
            let stream = [chunk("data: one\n\n"), chunk(event), b"0\r\n\r\n".to_vec()].concat();
            visit.send(
                [
                    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n",
                    &stream[..],
                ]
                .concat(),
            );
        }
    });
    // In one piece nothing of it need have gone out, and then it is a page.
    let bad = super::fetch(&proxy, &origin, "/bad");
    assert!(bad.end != BodyEnd::Framed || bad.status == 403, "{bad:?}");
    for good in ["/", "/bad/", "/bad?", "/Bad", "/good"] {
        let answer = super::fetch(&proxy, &origin, good);
        assert_eq!((answer.status, answer.text().as_str()), (200, "data: one\n\ndata: fine\n\n"), "{good}");
    }
}

#[test]
fn over_every_border_between_reads() {
    let (proxy, pattern) = (scanning_with(patient), eicar());
    for split in 1..pattern.len() {
        let fields = "Content-Type: text/event-stream\r\n";
        // A port may come up again, and an address with it.
        let path = format!("/live/{split}");
        let (mut client, mut served, _origin) = opened(&proxy, &path, fields, b"data: one\n\n");
        let answer = answer_head(&mut client).expect("a head");
        comes(&mut client, b"data: one\n\n");
        let sent = [b"data: ", &pattern[..], b"\n\n"].concat();
        let (before, after) = sent.split_at(6 + split);
        served.send(chunk(before));
        wait_until_read(&served);
        let _ = served.try_send([chunk(after), b"0\r\n\r\n".to_vec()].concat());
        assert_cut(&answer_body(&mut client, answer), &sent, &format!("split at {split}"));
    }
    wait_until_nothing_is_left(&proxy);
}
