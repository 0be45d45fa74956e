//! Bodies on their way to the origin: what is bad never ends there, what is clean arrives as it was sent.

use tether::base::reason::Reason;
use tether::inspect::settings::eicar;

use super::arrival::SIZES;
use super::eicar::assert_blocked;
use super::wrapped::{CODINGS, Framing, chunked, gzip};
use super::{noise, patient, scanning, scanning_with, text, wait_until_nothing_is_left, wait_until_read};
use crate::support::answer::{answer, try_answer};
use crate::support::client::{asking, get};
use crate::support::origin::{Origin, Served};
use crate::support::proxy::Proxy;
use crate::support::wire::Wire;

/// The head of a request with a body.
fn head(proxy_to: std::net::SocketAddr, framing: Framing, length: usize, fields: &str) -> Vec<u8> {
    let field = framing.field(length);
    format!("POST http://{proxy_to}/up HTTP/1.1\r\nHost: {proxy_to}\r\n{field}{fields}\r\n").into_bytes()
}

/// Answers every request with its own body.
fn echo() -> Served {
    Origin::bind().serving(|mut wire| {
        while let Some(head) = wire.next_head() {
            let length = head.lines().find_map(|line| line.strip_prefix("Content-Length: "));
            let body = match length {
                Some(length) => wire.exactly(length.parse().expect("a length")),
                None if head.contains("chunked") => wire.chunked(),
                None => b"nothing".to_vec(),
            };
            wire.send(Framing::Length.response("", &body));
        }
    })
}

/// Sends while it reads: an upload and its echo may not fit on the way.
fn exchange(client: &mut Wire, sent: Vec<u8>) -> crate::support::answer::Answer {
    let mut sender = client.twin();
    let sending = std::thread::spawn(move || sender.send(sent));
    let answer = answer(client);
    sending.join().expect("sent");
    answer
}

#[test]
fn clean_ones_arrive_byte_for_byte_and_the_connection_goes_on() {
    let (proxy, echo) = (scanning_with(patient), echo());
    let mut client = Wire::connect(proxy.address());
    for framing in [Framing::Length, Framing::Chunked(4093), Framing::Chunked(65_537)] {
        for size in SIZES {
            let body = noise(size);
            let sent = [head(echo.address(), framing, size, ""), framing.body(&body)].concat();
            let answer = exchange(&mut client, sent);
            assert_eq!((answer.status, answer.body.len()), (200, size), "{framing:?}");
            assert!(answer.body == body, "{framing:?}, {size}");
        }
    }
    drop(client);
    wait_until_nothing_is_left(&proxy);
}

#[test]
fn what_follows_an_upload_is_the_next_request() {
    let (proxy, echo) = (scanning_with(patient), echo());
    for framing in [Framing::Length, Framing::Chunked(1000)] {
        for size in [0, 1, 70_000, (1 << 20) + 1] {
            let body = noise(size);
            let request = [head(echo.address(), framing, size, ""), framing.body(&body)].concat();
            let small = [&head(echo.address(), Framing::Length, 5, "")[..], b"small"].concat();
            let sent = [&request[..], get(echo.address(), "/").as_bytes(), &small].concat();
            let mut client = Wire::connect(proxy.address());
            assert!(exchange(&mut client, sent).body == body, "{framing:?}, {size}");
            assert_eq!(answer(&mut client).text(), "nothing", "{framing:?}, {size}");
            assert_eq!(answer(&mut client).text(), "small", "{framing:?}, {size}");
        }
    }
    wait_until_nothing_is_left(&proxy);
}

#[test]
fn small_ones_are_stopped_before_the_origin_is_asked() {
    let (proxy, origin) = (scanning(), Origin::bind());
    let rows = [eicar(), [noise(1000), eicar()].concat(), [noise(900_000), eicar(), noise(9)].concat()];
    for body in &rows {
        let sent = [head(origin.address(), Framing::Length, body.len(), ""), body.clone()].concat();
        assert_blocked(&exchange(&mut Wire::connect(proxy.address()), sent), &format!("{} bytes", body.len()));
    }
    for (coding, encode) in CODINGS {
        let body = encode(&[text(5000), eicar()].concat());
        let fields = format!("Content-Encoding: {coding}\r\n");
        let sent = [head(origin.address(), Framing::Length, body.len(), &fields), body].concat();
        assert_blocked(&exchange(&mut Wire::connect(proxy.address()), sent), coding);
    }
    assert!(!origin.is_called(std::time::Duration::ZERO), "the origin was asked");
    wait_until_nothing_is_left(&proxy);
    assert_eq!(proxy.tally().closed(Reason::ContentBlocked), (rows.len() + CODINGS.len()) as u64);
}

/// Uploads in this framing; gives the answer, and what the origin got of the body.
fn stopped(proxy: &Proxy, framing: Framing, pieces: &[&[u8]], fields: &str) -> (u16, Vec<u8>) {
    let origin = Origin::bind();
    let length = pieces.iter().map(|piece| piece.len()).sum();
    let mut client = asking(proxy, head(origin.address(), framing, length, fields));
    let (sent, mut sender) = (pieces.iter().map(|piece| framing.piece(piece)).collect::<Vec<_>>(), client.twin());
    let sending = std::thread::spawn(move || {
        for piece in sent {
            if sender.try_send(piece).is_err() {
                return;
            }
        }
        let _ = sender.try_send(framing.end());
    });
    let got = std::thread::scope(|scope| {
        let served = scope.spawn(|| {
            let mut served = origin.accept();
            served.head();
            served.rest().0
        });
        let status = try_answer(&mut client).map(|answer| answer.status).unwrap_or_default();
        (status, served.join().expect("the origin"))
    });
    sending.join().expect("the client");
    got
}

#[test]
fn large_ones_never_end_at_the_origin() {
    let proxy = scanning();
    let (before, pattern, after) = (noise(2 << 20), eicar(), noise(1000));
    for framing in [Framing::Length, Framing::Chunked(10_000)] {
        for after in [&after[..], b""] {
            let (status, got) = stopped(&proxy, framing, &[&before, &pattern, after], "");
            assert_eq!(status, 403, "{framing:?}");
            assert!(!got.ends_with(b"0\r\n\r\n"), "{framing:?}: it was ended");
            assert!(crate::support::wire::find(&got[got.len().saturating_sub(200_000)..], &pattern).is_none());
        }
    }
    wait_until_nothing_is_left(&proxy);
    assert_eq!(proxy.tally().closed(Reason::ContentBlocked), 4);
}

#[test]
fn chunked_ones_are_stopped_over_every_border() {
    let (proxy, pattern) = (scanning(), eicar());
    for split in 0..=pattern.len() {
        let (before, after) = pattern.split_at(split);
        let (status, got) = stopped(&proxy, Framing::Chunked(1 << 20), &[b"before ", before, after, b" after"], "");
        assert_eq!(status, 403, "split at {split}");
        assert!(!got.ends_with(b"0\r\n\r\n"), "split at {split}: it was ended");
        assert!(!String::from_utf8_lossy(&got).contains("after"), "split at {split}");
    }
    let coded = gzip(&[text(5000), pattern].concat());
    let (status, got) = stopped(&proxy, Framing::Chunked(50), &[&coded], "Content-Encoding: gzip\r\n");
    assert!(status == 403 && !got.ends_with(b"0\r\n\r\n"), "{status}");
    wait_until_nothing_is_left(&proxy);
}

#[test]
fn over_every_border_between_reads() {
    let (proxy, origin, pattern) = (scanning(), Origin::bind(), eicar());
    for split in 1..pattern.len() {
        let mut client = asking(&proxy, head(origin.address(), Framing::Length, pattern.len() + 1, ""));
        client.send(&pattern[..split]);
        wait_until_read(&client);
        client.send([&pattern[split..], b"x"].concat());
        assert_blocked(&answer(&mut client), &format!("split at {split}"));
    }
    assert!(!origin.is_called(std::time::Duration::ZERO), "the origin was asked");
}

#[test]
fn a_client_that_waits_to_be_told_goes_on() {
    let (proxy, echo) = (scanning_with(patient), echo());
    let fields = "Expect: 100-continue\r\n";
    for body in [noise(1000), noise(600_000)] {
        let mut client = asking(&proxy, head(echo.address(), Framing::Length, body.len(), fields));
        assert_eq!(answer(&mut client).status, 100);
        client.send(&body);
        let answer = answer(&mut client);
        assert!(answer.status == 200 && answer.body == body, "{}", answer.head);
    }
    // The origin is asked once the body is here, and has nothing to wait for.
    let origin = Origin::bind();
    let mut client = asking(&proxy, head(origin.address(), Framing::Length, 4, fields));
    assert_eq!(answer(&mut client).status, 100);
    client.send("body");
    let mut served = origin.accept();
    let asked = served.head();
    assert!(!asked.to_ascii_lowercase().contains("expect"), "{asked}");
    assert_eq!(served.exactly(4), b"body");
    served.send("HTTP/1.1 204 No Content\r\n\r\n");
    assert_eq!(answer(&mut client).status, 204);
}

#[test]
fn nor_does_a_bad_one_pass_that_way() {
    let (proxy, origin) = (scanning(), Origin::bind());
    let mut client = asking(&proxy, head(origin.address(), Framing::Length, eicar().len(), "Expect: 100-continue\r\n"));
    assert_eq!(answer(&mut client).status, 100);
    client.send(eicar());
    assert_blocked(&answer(&mut client), "after 100");
    assert!(!origin.is_called(std::time::Duration::ZERO), "the origin was asked");
    // A large one is between the client and the origin.
    let mut client = asking(&proxy, head(origin.address(), Framing::Chunked(1), 0, "Expect: 100-continue\r\n"));
    let mut served = origin.accept();
    served.head();
    served.send("HTTP/1.1 100 Continue\r\n\r\n");
    assert_eq!(answer(&mut client).status, 100);
    let _ = client.try_send(chunked(&[b"begin", &eicar()]));
    assert_blocked(&answer(&mut client), "after the origin's 100");
    let (got, _) = served.rest();
    assert!(!got.ends_with(b"0\r\n\r\n"), "{}", String::from_utf8_lossy(&got));
}

#[test]
fn a_kept_connection_that_died_is_no_loss() {
    let proxy = scanning_with(patient);
    let origin = Origin::bind();
    let mut client = asking(&proxy, get(origin.address(), "/"));
    let mut served = origin.accept();
    served.head();
    served.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    assert_eq!(answer(&mut client).status, 200);
    let body = noise(5000);
    let host = origin.address();
    client.send(format!("PUT http://{host}/up HTTP/1.1\r\nHost: {host}\r\nContent-Length: 5000\r\n\r\n"));
    client.send(&body[..2000]);
    wait_until_read(&client);
    // It dies while the body is gathered.
    served.reset();
    client.send(&body[2000..]);
    let mut served = origin.accept();
    served.head();
    assert!(served.exactly(5000) == body);
    served.send("HTTP/1.1 204 No Content\r\n\r\n");
    assert_eq!(answer(&mut client).status, 204);
}
