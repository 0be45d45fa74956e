//! No room to hold a body that a service is to see: it sees all of it all the same, in pieces.

use tether::inspect::book::InspectRule;
use tether::inspect::course::{OnOverload, SpoolSettings};

use super::lazy::patient;
use super::*;
use crate::support::answer::{BodyEnd, try_answer};

/// Takes room away.
type Narrow = fn(&mut SpoolSettings);

/// What is missing: none at all of it is there in the second.
const NO_ROOM: [Narrow; 4] = [
    |spool| spool.per_client = 100_000,
    |spool| spool.per_client = 0,
    |spool| spool.total = 100_000,
    |spool| spool.dir = Some("/nowhere/at/all".into()),
];
const LENGTH: usize = 700_000;

fn without(room: Narrow, scanner: &Scanner) -> Scene {
    Scene::with(vec![scanner.named("av")], |settings| {
        patient(settings);
        room(&mut settings.inspect.spool);
        let rule = InspectRule { on_overload: Some(OnOverload::Window), ..InspectRule::new("all") };
        settings.inspect_rules = vec![rule];
    })
}

/// The body, behind a head with its length and in chunks.
fn framed(body: &[u8]) -> [Vec<u8>; 2] {
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len());
    let chunk = format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{:x}\r\n", body.len());
    [[head.as_bytes(), body].concat(), [chunk.as_bytes(), body, b"\r\n0\r\n\r\n"].concat()]
}

/// Bytes of the body that the service was shown, those that it saw twice counted once.
fn seen(shown: &[Shown]) -> Vec<u8> {
    let mut seen: Vec<u8> = Vec::new();
    for window in shown {
        let again = (0..=seen.len().min(4096)).rev().find(|count| window.body.starts_with(&seen[seen.len() - count..]));
        seen.extend_from_slice(&window.body[again.unwrap_or(0)..]);
    }
    seen
}

#[test]
fn what_is_clean_arrives_and_all_of_it_was_seen() {
    for (number, room) in NO_ROOM.into_iter().enumerate() {
        let body: Vec<u8> = (0u32..LENGTH as u32 / 4).flat_map(|at| (at | 0x2000_0000).to_be_bytes()).collect();
        for answer in framed(&body) {
            let scanner = Scanner::clean();
            let scene = without(room, &scanner);
            let got = scene.get(&Scripted::answering(answer), "/a");
            assert!(got.body == body && got.end == BodyEnd::Framed, "{number}: {} of {LENGTH}", got.body.len());
            assert_eq!(told(&scene.line(0)), ["done", "window", "clean", "-"], "{number}");
            assert!(seen(&scanner.shown()) == body, "{number}: {} bytes were shown", seen(&scanner.shown()).len());
            scene.wait_until_empty();
        }
    }
}

#[test]
fn what_is_bad_does_not_wherever_it_stands() {
    let scanner = Scanner::finding("virus");
    for (number, room) in NO_ROOM.into_iter().enumerate() {
        let scene = without(room, &scanner);
        for place in [0, 99_998, 140_000, LENGTH - 5] {
            let mut body = vec![b'~'; LENGTH];
            body[place..place + 5].copy_from_slice(b"virus");
            for answer in framed(&body) {
                let origin = Scripted::answering(answer);
                let got = try_answer(&mut scene.asks(get(origin.address(), "/a")));
                let whole = got.is_ok_and(|got| got.status == 200 && got.end == BodyEnd::Framed);
                assert!(!whole, "{number}: at {place}");
            }
        }
        scene.wait_until_empty();
    }
}
