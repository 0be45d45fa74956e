//! Bodies larger than what is scanned whole: refused, passed or scanned as they flow, by what really comes.

use std::time::Duration;

use tether::base::reason::Reason;
use tether::inspect::book::InspectRule;
use tether::inspect::course::{Direction, Over};
use tether::inspect::magic::Class;
use tether::inspect::settings::eicar;

use super::eicar::{assert_blocked, assert_cut};
use super::wrapped::Framing;
use super::{fetch, logged, logging, metric, noise, patient, scanning_with, serving, wait_until_nothing_is_left};
use crate::support::answer::{Answer, BodyEnd, answer, try_answer};
use crate::support::client::{asking, get};
use crate::support::coded::large_when_decoded;
use crate::support::origin::Origin;
use crate::support::proxy::{Proxy, SOON};
use crate::support::wire::{How, Wire};

/// Most bytes that are scanned whole in these tests.
const MOST: usize = 100_000;

fn capped(over: Option<Over>, change: impl FnOnce(&mut tether::config::settings::Settings)) -> Proxy {
    scanning_with(|settings| {
        patient(settings);
        let cap = InspectRule { max_body: Some(MOST as u64), over, ..InspectRule::new("small") };
        settings.inspect_rules = vec![cap];
        change(settings);
    })
}

fn too_large() -> Vec<u8> {
    noise(3 * MOST)
}

/// The same with the test file at its end, far behind the cap.
fn bad() -> Vec<u8> {
    [too_large(), eicar()].concat()
}

#[track_caller]
fn assert_arrived(answer: &Answer, body: &[u8], what: &str) {
    assert_eq!((answer.status, answer.body.len()), (200, body.len()), "{what}");
    assert!(answer.body == body, "{what}: other bytes");
    assert!(matches!(answer.end, BodyEnd::Framed | BodyEnd::Closed(How::Fin)), "{what}: {:?}", answer.end);
}

#[test]
fn what_fits_is_scanned_whole() {
    for over in [Over::Block, Over::PassUnscanned, Over::Window] {
        let proxy = capped(Some(over), |_| {});
        for framing in Framing::ALL {
            let body = noise(MOST);
            assert_arrived(&fetch(&proxy, &serving(framing, "", &body), "/x"), &body, "exactly as much");
            let body = [noise(MOST - eicar().len()), eicar()].concat();
            assert_blocked(&fetch(&proxy, &serving(framing, "", &body), "/x"), "exactly as much");
        }
    }
}

#[test]
fn larger_ones_are_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let proxy = capped(Some(Over::Block), logging(folder.path()));
    for (number, framing) in Framing::ALL.into_iter().enumerate() {
        let answer = fetch(&proxy, &serving(framing, "", &too_large()), "/x");
        assert_eq!((answer.status, answer.end), (403, BodyEnd::Framed), "{framing:?}");
        let line = logged(&proxy, folder.path(), number + 1);
        assert_eq!(line["reason"], "response_too_large", "{line}");
    }
    wait_until_nothing_is_left(&proxy);
    assert_eq!(proxy.tally().closed(Reason::ResponseTooLarge), 4);
}

#[test]
fn one_byte_more_is_more() {
    let proxy = capped(Some(Over::Block), |_| {});
    for framing in Framing::ALL {
        assert_eq!(fetch(&proxy, &serving(framing, "", &noise(MOST + 1)), "/x").status, 403, "{framing:?}");
    }
}

#[test]
fn one_whose_beginning_went_out_is_cut() {
    let proxy = capped(Some(Over::Block), |settings| settings.inspect.hold.trickle_after = Duration::ZERO);
    let body = [&b"PK\x03\x04"[..], &too_large()].concat();
    let origin = Origin::bind();
    let mut client = asking(&proxy, crate::support::client::get(origin.address(), "/x"));
    let mut served = origin.accept();
    served.head();
    let framing = Framing::Chunked(10_000);
    served.send(framing.head("Content-Type: application/zip\r\n", 0));
    served.send(framing.piece(&body[..90_000]));
    let head = crate::support::answer::answer_head(&mut client).expect("a few bytes");
    let _ = served.try_send(framing.piece(&body[90_000..]));
    assert_cut(&crate::support::answer::answer_body(&mut client, head), &body, "over the cap");
    wait_until_nothing_is_left(&proxy);
    assert_eq!(proxy.tally().closed(Reason::SizeCut), 1);
}

#[test]
fn larger_ones_pass_and_are_told_as_unscanned() {
    let folder = tempfile::tempdir().expect("a folder");
    let proxy = capped(Some(Over::PassUnscanned), logging(folder.path()));
    for (number, framing) in Framing::ALL.into_iter().enumerate() {
        assert_arrived(&fetch(&proxy, &serving(framing, "", &bad()), "/x"), &bad(), &format!("{framing:?}"));
        let line = logged(&proxy, folder.path(), number + 1);
        assert_eq!([&line["verdict"], &line["unscanned"]], ["unscanned", "too_large"], "{line}");
    }
    assert!(metric(&proxy, "tether_unscanned_bytes_total{reason=\"too_large\"}") >= 4 * bad().len() as u64);
    wait_until_nothing_is_left(&proxy);
}

#[test]
fn larger_ones_are_scanned_as_they_flow() {
    for over in [Some(Over::Window), None] {
        let folder = tempfile::tempdir().expect("a folder");
        let proxy = capped(over, logging(folder.path()));
        for (number, framing) in Framing::ALL.into_iter().enumerate() {
            let what = format!("{over:?}, {framing:?}");
            assert_arrived(&fetch(&proxy, &serving(framing, "", &too_large()), "/good"), &too_large(), &what);
            let line = logged(&proxy, folder.path(), 2 * number + 1);
            assert_eq!([&line["verdict"], &line["scan"]], ["clean", "window"], "{line}");
            let answer = fetch(&proxy, &serving(framing, "", &bad()), &format!("/bad{number}"));
            match answer.status {
                403 => assert_blocked(&answer, &what),
                _ => assert_cut(&answer, &bad(), &what),
            }
            logged(&proxy, folder.path(), 2 * number + 2);
        }
        assert_eq!(metric(&proxy, "tether_scan_handovers_total{reason=\"too_large\"}"), 8);
        wait_until_nothing_is_left(&proxy);
    }
}

/// Uploads the body to an origin that answers 200 once all of it is there; gives the status and what arrived.
fn upload(proxy: &Proxy, framing: Framing, body: &[u8]) -> (u16, Vec<u8>) {
    let origin = Origin::bind().serving(move |mut wire| {
        let Some(head) = wire.next_head() else { return };
        let length = head.lines().find_map(|line| line.strip_prefix("Content-Length: "));
        let got = match length {
            Some(length) => wire.exactly(length.parse().expect("a length")),
            None => wire.chunked(),
        };
        wire.send(Framing::Length.response("", &got));
    });
    let host = origin.address();
    let field = framing.field(body.len());
    let mut client = asking(proxy, format!("POST http://{host}/up HTTP/1.1\r\nHost: {host}\r\n{field}\r\n"));
    let (sent, mut sender) = (framing.body(body), client.twin());
    let sending = std::thread::spawn(move || drop(sender.try_send(sent)));
    let got = try_answer(&mut client).map(|answer| (answer.status, answer.body)).unwrap_or_default();
    sending.join().expect("the client");
    got
}

fn capped_uploads(over: Over) -> Proxy {
    capped(Some(over), |settings| settings.inspect_rules[0].direction = Some(Direction::Request))
}

#[test]
fn uploads_that_say_so_are_refused_before_the_origin_is_asked() {
    let (proxy, origin) = (capped_uploads(Over::Block), Origin::bind());
    let host = origin.address();
    for fields in ["", "Expect: 100-continue\r\n"] {
        let length = MOST + 1;
        let mut client = asking(
            &proxy,
            format!("POST http://{host}/up HTTP/1.1\r\nHost: {host}\r\nContent-Length: {length}\r\n{fields}\r\n"),
        );
        assert_eq!(answer(&mut client).status, 413);
    }
    assert!(!origin.is_called(Duration::ZERO), "the origin was asked");
    assert_eq!(upload(&proxy, Framing::Length, &noise(MOST)), (200, noise(MOST)));
    wait_until_nothing_is_left(&proxy);
    assert_eq!(proxy.tally().closed(Reason::RequestTooLarge), 2);
}

#[test]
fn uploads_of_unknown_length_are_refused_as_they_come() {
    let proxy = capped_uploads(Over::Block);
    assert_eq!(upload(&proxy, Framing::Chunked(5000), &noise(MOST)), (200, noise(MOST)));
    assert_eq!(upload(&proxy, Framing::Chunked(5000), &too_large()).0, 413);
    wait_until_nothing_is_left(&proxy);
    assert_eq!(proxy.tally().closed(Reason::RequestTooLarge), 1);
}

#[test]
fn larger_uploads_flow() {
    let proxy = capped_uploads(Over::Window);
    for framing in [Framing::Length, Framing::Chunked(5000)] {
        assert!(upload(&proxy, framing, &too_large()) == (200, too_large()), "{framing:?}");
        assert_eq!(upload(&proxy, framing, &bad()).0, 403, "{framing:?}");
    }
    wait_until_nothing_is_left(&proxy);
}

#[test]
fn larger_uploads_pass() {
    let proxy = capped_uploads(Over::PassUnscanned);
    // What an origin says is scanned all the same, so it says something else.
    let body = [noise(3 * MOST), eicar()].concat();
    let origin = Origin::bind();
    let host = origin.address();
    let length = body.len();
    let mut client =
        asking(&proxy, format!("POST http://{host}/up HTTP/1.1\r\nHost: {host}\r\nContent-Length: {length}\r\n\r\n"));
    let mut sender = client.twin();
    let sent = body.clone();
    let sending = std::thread::spawn(move || sender.send(sent));
    let mut served = origin.accept();
    served.head();
    assert!(served.exactly(length) == body);
    served.send("HTTP/1.1 204 No Content\r\n\r\n");
    assert_eq!(answer(&mut client).status, 204);
    sending.join().expect("sent");
    drop((client, served));
    wait_until_nothing_is_left(&proxy);
}

/// A rule for archives, before the one for all.
fn by_class(archives: u64) -> Proxy {
    capped(Some(Over::Block), |settings| {
        let rule = InspectRule {
            classes: vec![Class::Archive],
            max_body: Some(archives),
            over: Some(Over::Block),
            ..InspectRule::new("archives")
        };
        settings.inspect_rules.insert(0, rule);
    })
}

fn archive(bytes: usize) -> Vec<u8> {
    [&b"7z\xbc\xaf\x27\x1c"[..], &noise(bytes)].concat()
}

#[test]
fn what_it_is_may_be_allowed_more() {
    let proxy = by_class(5 * MOST as u64);
    for framing in Framing::ALL {
        let body = archive(3 * MOST);
        assert_arrived(&fetch(&proxy, &serving(framing, "", &body), "/x"), &body, &format!("{framing:?}"));
        let bad = [archive(3 * MOST), eicar()].concat();
        assert_blocked(&fetch(&proxy, &serving(framing, "", &bad), "/x"), &format!("{framing:?}"));
        assert_eq!(fetch(&proxy, &serving(framing, "", &too_large()), "/x").status, 403, "no archive, {framing:?}");
        assert_eq!(fetch(&proxy, &serving(framing, "", &archive(6 * MOST)), "/x").status, 403, "{framing:?}");
    }
}

#[test]
fn what_it_is_may_be_allowed_less() {
    let proxy = by_class(1000);
    for framing in Framing::ALL {
        assert_eq!(fetch(&proxy, &serving(framing, "", &archive(2000)), "/x").status, 403, "{framing:?}");
        let body = archive(900);
        assert_arrived(&fetch(&proxy, &serving(framing, "", &body), "/x"), &body, &format!("{framing:?}"));
        let body = noise(2000);
        assert_arrived(&fetch(&proxy, &serving(framing, "", &body), "/x"), &body, &format!("{framing:?}"));
    }
}

#[test]
fn what_is_sent_may_be_allowed_more_or_less_by_what_it_is() {
    let (more, less) = (by_class(5 * MOST as u64), by_class(1000));
    for framing in [Framing::Length, Framing::Chunked(5000)] {
        assert!(upload(&more, framing, &archive(3 * MOST)) == (200, archive(3 * MOST)), "{framing:?}");
        assert_eq!(upload(&more, framing, &archive(6 * MOST)).0, 413, "{framing:?}");
        assert_eq!(upload(&more, framing, &too_large()).0, 413, "no archive, {framing:?}");
        assert_eq!(upload(&less, framing, &archive(2000)).0, 413, "{framing:?}");
        assert_eq!(upload(&less, framing, &noise(2000)), (200, noise(2000)), "{framing:?}");
    }
}

/// Waits for an answer about more bytes than are read at once by a program that was not made to be fast.
fn answer_in_time(client: &mut Wire) -> Answer {
    assert!(client.comes_within(20 * SOON), "no answer");
    answer(client)
}

#[test]
fn what_is_large_only_when_decoded_is_no_bomb() {
    let coded = large_when_decoded();
    assert!(coded.len() < 1 << 20, "{} bytes", coded.len());
    let folder = tempfile::tempdir().expect("a folder");
    let proxy = scanning_with(|settings| {
        patient(settings);
        logging(folder.path())(settings);
    });
    let origin = serving(Framing::Length, "Content-Encoding: gzip\r\n", &coded);
    let got = answer_in_time(&mut asking(&proxy, get(origin.address(), "/log")));
    assert_arrived(&got, &coded, "a log");
    let line = logged(&proxy, folder.path(), 1);
    assert_eq!([&line["verdict"], &line["scan"]], ["clean", "whole"], "{line}");
    // And on its way up.
    let origin = Origin::bind();
    let host = origin.address();
    let mut client = asking(
        &proxy,
        format!(
            "POST http://{host}/log HTTP/1.1\r\nHost: {host}\r\nContent-Encoding: gzip\r\nContent-Length: {}\r\n\r\n",
            coded.len()
        ),
    );
    client.send(&coded);
    assert!(origin.is_called(20 * SOON), "it was refused");
    let mut served = origin.accept();
    served.head();
    assert!(served.exactly(coded.len()) == coded);
    served.send("HTTP/1.1 204 No Content\r\n\r\n");
    assert_eq!(answer(&mut client).status, 204);
}

#[test]
fn what_is_large_only_when_decoded_is_refused_where_the_cap_says_so() {
    let proxy = scanning_with(|settings| {
        patient(settings);
        settings.inspect_rules = vec![InspectRule { over: Some(Over::Block), ..InspectRule::new("large") }];
    });
    let origin = serving(Framing::Length, "Content-Encoding: gzip\r\n", &large_when_decoded());
    let got = answer_in_time(&mut asking(&proxy, get(origin.address(), "/log")));
    assert_eq!((got.status, got.end), (403, BodyEnd::Framed));
    wait_until_nothing_is_left(&proxy);
    assert_eq!(proxy.tally().closed(Reason::ResponseTooLarge), 1);
}
