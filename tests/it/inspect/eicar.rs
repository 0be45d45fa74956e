//! The test file in bodies that are held to their end: nobody gets a byte of them, wherever it stands.

use tether::base::reason::Reason;
use tether::inspect::settings::eicar;

use super::wrapped::{CODINGS, Framing, chunked};
use super::{
    fetch, noise, patient, scanning, scanning_with, serving, text, wait_until_nothing_is_left, wait_until_read,
};
use crate::support::answer::{Answer, BodyEnd, answer};
use crate::support::client::{asking, get};
use crate::support::origin::Origin;
use crate::support::proxy::Proxy;
use crate::support::script::Scripted;
use crate::support::wire::{How, Wire, find};

/// The answer is a page of our own, whole, and nothing else.
#[track_caller]
pub fn assert_blocked(answer: &Answer, what: &str) {
    assert_eq!((answer.status, answer.end), (403, BodyEnd::Framed), "{what}: {}", answer.head);
    assert!(answer.text().contains("scanner found"), "{what}: {}", answer.text());
    assert!(find(&answer.body, &eicar()[..20]).is_none(), "{what}");
}

/// Of a body that was cut nothing came that may not have.
#[track_caller]
pub fn assert_cut(answer: &Answer, sent: &[u8], what: &str) {
    let cut = matches!(answer.end, BodyEnd::Cut(_) | BodyEnd::Closed(How::Reset));
    assert!(cut, "{what}: {:?} after {} bytes", answer.end, answer.body.len());
    assert!(sent.starts_with(&answer.body), "{what}: bytes that were not sent");
    assert!(find(&answer.body, &eicar()).is_none(), "{what}");
}

#[test]
fn wherever_it_stands_and_however_the_body_ends() {
    let proxy = scanning();
    let mut count = 0;
    for framing in Framing::ALL {
        for before in [0, 1, 1000, 64 * 1024 - 34, 256 * 1024, 1 << 20] {
            for after in [0, 1, 70_000] {
                let body = [noise(before), eicar(), noise(after)].concat();
                let origin = serving(framing, "Content-Type: text/plain\r\n", &body);
                assert_blocked(&fetch(&proxy, &origin, "/x"), &format!("{framing:?}, {before} before, {after} after"));
                count += 1;
            }
        }
    }
    wait_until_nothing_is_left(&proxy);
    assert_eq!(proxy.tally().closed(Reason::ContentBlocked), count);
}

#[test]
fn over_every_border_between_chunks() {
    let (proxy, pattern) = (scanning(), eicar());
    for split in 0..=pattern.len() {
        let body = chunked(&[b"before ", &pattern[..split], &pattern[split..], b" after"]);
        let origin =
            Scripted::answering([b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", &body[..]].concat());
        assert_blocked(&fetch(&proxy, &origin, "/x"), &format!("split at {split}"));
    }
    let origin = serving(Framing::Chunked(1), "", &[text(10), eicar()].concat());
    assert_blocked(&fetch(&proxy, &origin, "/x"), "chunks of one byte");
}

/// Sends the body in two pieces, the second once the proxy has read the first.
fn in_two_reads(proxy: &Proxy, framing: Framing, body: &[u8], split: usize) -> Answer {
    let origin = Origin::bind();
    let mut client = asking(proxy, get(origin.address(), "/x"));
    let mut served = origin.accept();
    served.head();
    served.send(framing.head("", body.len()));
    served.send(framing.piece(&body[..split]));
    wait_until_read(&served);
    // The proxy may have what it looks for by now, and be gone.
    let _ = served.try_send([&framing.piece(&body[split..]), framing.end()].concat());
    if framing.is_ended_by_close() { closed_behind(served, &mut client) } else { answer(&mut client) }
}

/// The answer, once the origin has gone.
fn closed_behind(served: Wire, client: &mut Wire) -> Answer {
    drop(served);
    answer(client)
}

#[test]
fn over_every_border_between_reads() {
    let (proxy, before) = (scanning_with(patient), text(100));
    let body = [before.clone(), eicar(), text(100)].concat();
    for split in before.len()..before.len() + eicar().len() {
        let framing = [Framing::Length, Framing::Chunked(4096), Framing::Close][split % 3];
        let answer = in_two_reads(&proxy, framing, &body, split);
        assert_blocked(&answer, &format!("{framing:?}, split at {split}"));
    }
    wait_until_nothing_is_left(&proxy);
}

#[test]
fn in_every_coding() {
    let proxy = scanning();
    for (coding, encode) in CODINGS {
        for (before, after) in [(0, 0), (200_000, 0), (100_000, 100_000)] {
            let coded = encode(&[text(before), eicar(), text(after)].concat());
            for framing in [Framing::Length, Framing::Chunked(1000), Framing::Close] {
                let origin = serving(framing, &format!("Content-Encoding: {coding}\r\n"), &coded);
                assert_blocked(&fetch(&proxy, &origin, "/x"), &format!("{coding}, {framing:?}, {before} before"));
            }
        }
    }
    wait_until_nothing_is_left(&proxy);
}

#[test]
fn the_connection_goes_on_behind_the_page() {
    let proxy = scanning();
    let bad = serving(Framing::Length, "", &eicar());
    let good = serving(Framing::Length, "", b"fine");
    let mut client = asking(&proxy, get(bad.address(), "/a"));
    assert_blocked(&answer(&mut client), "the first");
    client.send(get(good.address(), "/b"));
    assert_eq!(answer(&mut client).text(), "fine");
    // A body that was scanned whole says nothing of its address.
    client.send(get(bad.address(), "/a"));
    assert_blocked(&answer(&mut client), "the second");
    assert_eq!(proxy.tally().closed(Reason::UrlBlocked), 0);
}
