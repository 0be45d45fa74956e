//! Verdicts that are kept: a body that a service has seen whole is not shown to it again.

use std::sync::mpsc;

use tether::base::phase::Phase;

use super::*;
use crate::support::answer::BodyEnd;

fn keeping(scanner: &Scanner) -> Scene {
    Scene::of(vec![IcapService { verdicts: VerdictUse::Kept, ..scanner.named("av") }])
}

fn counts(scene: &Scene) -> (u64, u64) {
    let counts = scene.proxy.app().reloader().inspection().verdicts.counts();
    (counts.hit, counts.miss)
}

#[test]
fn what_was_clean_is_for_the_next_client_too() {
    let scanner = Scanner::finding("virus");
    let scene = keeping(&scanner);
    let body = "x".repeat(200_000);
    // The same bytes from other places are the same body.
    for (number, origin) in [page(&body), page(&body), page(&body)].iter().enumerate() {
        let got = scene.get(origin, "/a");
        assert!(got.text() == body && got.end == BodyEnd::Framed, "{number}");
        assert_eq!(told(&scene.line(number)), ["done", "whole", "clean", "-"], "{number}");
    }
    assert_eq!((scanner.shown().len(), counts(&scene)), (1, (2, 1)));
    // Another body is asked about, and so is the same one under another name.
    scene.get(&page("another"), "/a");
    scene.get(&page(&body), "/a.exe");
    assert_eq!(scanner.shown().len(), 3);
    scene.wait_until_empty();
}

#[test]
fn what_was_infected_is_stopped_without_asking() {
    let scanner = Scanner::finding("virus");
    let scene = keeping(&scanner);
    let origin = page("a virus");
    for number in 0..3 {
        let got = scene.get(&origin, "/a");
        assert_eq!(got.status, 403, "{number}");
        assert!(!got.text().contains("a virus"), "{number}: {}", got.text());
        let line = scene.line(number);
        assert_eq!(
            (told(&line)[2..].to_vec(), &line["threat"]),
            (vec!["blocked", "av"], &"Test.Virus".into()),
            "{line}"
        );
    }
    assert_eq!((scanner.shown().len(), counts(&scene)), (1, (2, 1)));
    scene.wait_until_empty();
}

#[test]
fn what_failed_is_asked_again() {
    let scanner = Scanner::judging(|_| "ICAP/1.0 500 Server error\r\n\r\n".into());
    let scene = keeping(&scanner);
    let origin = page("hello");
    for number in 0..2 {
        assert_eq!(scene.get(&origin, "/a").status, 503, "{number}");
    }
    assert_eq!(counts(&scene).0, 0);
    scene.wait_until_empty();
}

/// Clients in a single transaction: the first asks, and the others wait for what it is told.
fn at_once(verdict: Vec<u8>, status: u16) {
    let (say, said) = mpsc::channel::<Vec<u8>>();
    let said = Mutex::new(said);
    let scanner = Scanner::answering(PREVIEW, move |visit, _| {
        visit.send(said.lock().expect("said").recv_timeout(SOON).expect("a verdict"));
    });
    let scene = keeping(&scanner);
    let origin = page("hello");
    let mut clients: Vec<Wire> = (0..4).map(|_| scene.asks(get(origin.address(), "/a"))).collect();
    let waiting = |proxy: &Proxy| proxy.streams().iter().filter(|row| row.phase == Phase::Scan).count();
    scene.proxy.wait_until("all of them wait", |proxy| waiting(proxy) == 4);
    scene.proxy.wait_until("one of them asks", |_| scene.open() == 1);
    // Any of them may be the one that asks: one that leaves hands it on.
    drop(clients.remove(0));
    scene.proxy.wait_until("it is gone", |proxy| proxy.streams().len() == 3);
    for _ in 0..2 {
        // A transaction that was given up may have taken the first.
        say.send(verdict.clone()).expect("told");
    }
    for client in &mut clients {
        assert_eq!(answer(client).status, status);
    }
    assert!((1..=2).contains(&scanner.shown().len()), "{}", scanner.shown().len());
    drop(clients);
    scene.wait_until_empty();
}

#[test]
fn clients_at_once_make_one_transaction() {
    at_once(UNCHANGED.into(), 200);
    at_once(blocked(PAGE), 403);
}
