//! Clients of files that a service takes its time for: they see that they are not forgotten.

use std::sync::mpsc;

use tether::inspect::course::WhileHeld;

use super::lazy::patient;
use super::*;
use crate::support::answer::{BodyEnd, answer_body, answer_head};

/// Long enough for a file to come whole before anything trickles.
const BEFORE: Duration = Duration::from_millis(500);

/// A service that says what it is told to, once it is.
fn waiting() -> (Scanner, mpsc::Sender<Vec<u8>>) {
    let (say, said) = mpsc::channel::<Vec<u8>>();
    let said = Mutex::new(said);
    let scanner = Scanner::answering(PREVIEW, move |visit, _| {
        // Nothing more is said once the test has said all.
        if let Ok(verdict) = said.lock().expect("said").recv_timeout(SOON) {
            visit.send(verdict);
        }
    });
    (scanner, say)
}

fn scene_of(scanner: &Scanner, while_held: WhileHeld) -> Scene {
    Scene::with(vec![scanner.named("av")], |settings| {
        patient(settings);
        settings.inspect.hold.trickle_after = BEFORE;
        settings.inspect.while_held = while_held;
    })
}

fn archive(length: usize) -> Vec<u8> {
    [&b"PK\x03\x04"[..], &noise(length - 4)].concat()
}

fn serving(body: &[u8]) -> Scripted {
    let head = format!("HTTP/1.1 200 OK\r\nContent-Type: application/zip\r\nContent-Length: {}\r\n\r\n", body.len());
    Scripted::answering([head.as_bytes(), body].concat())
}

#[test]
fn a_few_bytes_go_out_while_it_is_asked() {
    let (scanner, say) = waiting();
    let scene = scene_of(&scanner, WhileHeld::Trickle);
    let body = archive(1 << 20);
    let origin = serving(&body);
    for good in [true, false] {
        let mut client = scene.asks(get(origin.address(), "/a.zip"));
        let head = answer_head(&mut client).expect("a head before the verdict");
        assert_eq!(head.status, 200);
        scene.proxy.wait_until("asked", |_| scene.open() == 1);
        say.send(if good { UNCHANGED.into() } else { blocked(PAGE) }).expect("told");
        let got = answer_body(&mut client, head);
        assert_eq!(got.end == BodyEnd::Framed, good, "{:?}", got.end);
        assert!(body.starts_with(&got.body) && (good || got.body.len() <= 4096 + 1100), "{} bytes", got.body.len());
        if !good {
            assert_eq!(told(&scene.line(1)), ["content_cut", "whole", "cut", "av"]);
        }
        drop(client);
        scene.wait_until_empty();
    }
}

#[test]
fn none_do_where_that_is_set_or_of_what_is_shown() {
    for (kind, while_held) in [("application/zip", WhileHeld::Nothing), ("text/html", WhileHeld::Trickle)] {
        let (scanner, say) = waiting();
        let scene = Scene::with(vec![scanner.named("av")], |settings| {
            patient(settings);
            settings.inspect.hold.trickle_after = Duration::ZERO;
            settings.inspect.while_held = while_held;
        });
        let body = vec![b'~'; 200_000];
        let head = format!("HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {}\r\n\r\n", body.len());
        let origin = Scripted::answering([head.as_bytes(), &body].concat());
        let mut client = scene.asks(get(origin.address(), "/a"));
        scene.proxy.wait_until("shown", |_| scanner.shown().len() == 1);
        assert!(!client.comes_within(SHORT), "{kind}");
        say.send(UNCHANGED.into()).expect("told");
        assert!(answer(&mut client).body == body, "{kind}");
    }
}

#[test]
fn a_page_begins_while_it_is_asked_and_hands_the_file_out() {
    for good in [true, false] {
        let (scanner, say) = waiting();
        let scene = scene_of(&scanner, WhileHeld::Page);
        let body = archive(1 << 20);
        let origin = serving(&body);
        let request = get(origin.address(), "/a.zip").replace("\r\n\r\n", "\r\nAccept: text/html\r\n\r\n");
        let mut client = scene.asks(request);
        let page = answer_head(&mut client).expect("a page before the verdict");
        assert_eq!(page.field("Content-Type"), Some("text/html; charset=utf-8"));
        say.send(if good { UNCHANGED.into() } else { blocked(PAGE) }).expect("told");
        let page = answer_body(&mut client, page);
        assert_eq!(page.end, BodyEnd::Framed);
        let text = page.text();
        let link =
            text.split_once("http-equiv=\"refresh\" content=\"0; url=").map(|(_, link)| link.replace("&#x2f;", "/"));
        assert_eq!(link.is_some(), good, "{text}");
        assert!(text.contains("It is being scanned"), "{text}");
        if let Some(link) = link {
            let path = link.split('"').next().expect("a path");
            client.send(get(origin.address(), path));
            assert!(answer(&mut client).body == body);
        } else {
            assert!(text.contains("content_blocked"), "{text}");
        }
        drop(client);
        scene.wait_until_empty();
    }
}

#[test]
fn a_client_that_leaves_meanwhile_takes_all_of_it_along() {
    let (scanner, say) = waiting();
    let scene = scene_of(&scanner, WhileHeld::Trickle);
    let body = archive(1 << 20);
    let origin = serving(&body);
    let mut client = scene.asks(get(origin.address(), "/a.zip"));
    answer_head(&mut client).expect("a head before the verdict");
    scene.wait_until_empty_after(client);
    drop(say);
    scanner.visit_ended(0);
}
