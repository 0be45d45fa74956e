//! Files of which a few bytes go out while they are held: what follows is the rest of them, or a cut.

use std::time::Duration;

use tether::base::reason::Reason;
use tether::config::settings::Settings;
use tether::inspect::settings::eicar;

use super::eicar::{assert_blocked, assert_cut};
use super::wrapped::Framing;
use super::{logged, logging, noise, patient, scanning_with, wait_until_nothing_is_left, wait_until_read};
use crate::support::answer::{Answer, BodyEnd, answer_body, answer_head};
use crate::support::client::{asking, get};
use crate::support::origin::Origin;
use crate::support::proxy::Proxy;
use crate::support::wire::{How, Wire};

/// Files trickle from their first byte on.
fn trickling(settings: &mut Settings) {
    patient(settings);
    settings.inspect.hold.trickle_after = Duration::ZERO;
}

/// A file that no stream begins like.
fn archive(size: usize) -> Vec<u8> {
    [&b"PK\x03\x04"[..], &noise(size - 4)].concat()
}

/// A client that has the head of a file and a few bytes of it, and the origin that has sent half of it.
fn begun(proxy: &Proxy, framing: Framing, body: &[u8]) -> (Answer, Wire, Wire) {
    let origin = Origin::bind();
    let mut client = asking(proxy, get(origin.address(), "/setup"));
    let mut served = origin.accept();
    served.head();
    served.send(framing.head("Content-Type: application/octet-stream\r\n", body.len()));
    served.send(framing.piece(&body[..body.len() / 2]));
    let answer = answer_head(&mut client).expect("the head, and so a few bytes");
    assert_eq!(answer.status, 200);
    (answer, client, served)
}

/// Most bytes that may have gone out of a body of which so many came.
fn most(came: usize) -> usize {
    4096 + came / 1000
}

#[test]
fn a_beginning_that_went_out_is_cut_and_never_ended() {
    let proxy = scanning_with(trickling);
    for framing in [Framing::Length, Framing::Chunked(10_000), Framing::Close] {
        for after in [0, 1000] {
            let body = [archive(1 << 20), eicar(), noise(after)].concat();
            let (answer, mut client, mut served) = begun(&proxy, framing, &body);
            let _ = served.try_send([&framing.piece(&body[body.len() / 2..]), framing.end()].concat());
            drop(served);
            let answer = answer_body(&mut client, answer);
            assert_cut(&answer, &body, &format!("{framing:?}"));
            assert!(answer.body.len() <= most(body.len()), "{framing:?}: {} bytes", answer.body.len());
        }
    }
    wait_until_nothing_is_left(&proxy);
    assert_eq!(proxy.tally().closed(Reason::ContentCut), 6);
}

#[test]
fn a_clean_file_arrives_whole_behind_its_beginning() {
    let proxy = scanning_with(trickling);
    for framing in [Framing::Length, Framing::Chunked(10_000), Framing::Close] {
        let body = archive(3 << 20);
        let (answer, mut client, mut served) = begun(&proxy, framing, &body);
        served.send([&framing.piece(&body[body.len() / 2..]), framing.end()].concat());
        if framing.is_ended_by_close() {
            served.finish();
        }
        let answer = answer_body(&mut client, answer);
        assert!(answer.body == body, "{framing:?}: {} bytes", answer.body.len());
        assert!(matches!(answer.end, BodyEnd::Framed | BodyEnd::Closed(How::Fin)), "{framing:?}: {:?}", answer.end);
    }
    wait_until_nothing_is_left(&proxy);
}

#[test]
fn nothing_of_a_page_goes_out() {
    let proxy = scanning_with(trickling);
    for kind in ["text/html", "text/css", "application/json", "image/svg+xml", "application/javascript"] {
        let origin = Origin::bind();
        let mut client = asking(&proxy, get(origin.address(), "/page"));
        let mut served = origin.accept();
        served.head();
        let body = [noise(300_000), eicar()].concat();
        served.send(Framing::Length.head(&format!("Content-Type: {kind}\r\n"), body.len()));
        served.send(&body[..200_000]);
        wait_until_read(&served);
        assert!(!client.comes_within(Duration::from_millis(50)), "{kind} trickles");
        served.send(&body[200_000..]);
        assert_blocked(&crate::support::answer::answer(&mut client), kind);
    }
}

#[test]
fn an_origin_that_breaks_off_behind_a_beginning_is_seen() {
    let proxy = scanning_with(trickling);
    for framing in [Framing::Length, Framing::Chunked(10_000)] {
        let body = archive(1 << 20);
        let (answer, mut client, served) = begun(&proxy, framing, &body);
        drop(served);
        let answer = answer_body(&mut client, answer);
        assert_cut(&answer, &body, &format!("{framing:?}"));
    }
    wait_until_nothing_is_left(&proxy);
}

#[test]
fn what_never_comes_to_its_end_is_not_held_for_ever() {
    let folder = tempfile::tempdir().expect("a folder");
    let proxy = scanning_with(|settings| {
        patient(settings);
        settings.inspect.hold.deadline = Duration::from_millis(200);
        logging(folder.path())(settings);
    });
    // Archive or page, with a length or not: it flows from there on, and is scanned as it does.
    for (number, (framing, first)) in
        [(Framing::Chunked(1000), archive(5000)), (Framing::Length, archive(5000)), (Framing::Length, noise(5000))]
            .into_iter()
            .enumerate()
    {
        let origin = Origin::bind();
        let body = [&first[..], &eicar()].concat();
        let mut client = asking(&proxy, get(origin.address(), "/slow"));
        let mut served = origin.accept();
        served.head();
        served.send(framing.head("Content-Type: text/html\r\n", body.len()));
        served.send(framing.piece(&first));
        let answer = answer_head(&mut client).expect("the head");
        assert_eq!(answer.status, 200);
        let _ = served.try_send([&framing.piece(&eicar()), framing.end()].concat());
        assert_cut(&answer_body(&mut client, answer), &body, "a slow one");
        let line = logged(&proxy, folder.path(), number + 1);
        assert_eq!([&line["reason"], &line["scan"]], ["content_cut", "window"], "{line}");
        drop((client, served));
    }
    wait_until_nothing_is_left(&proxy);
}
