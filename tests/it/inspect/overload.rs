//! No room to hold a body: the budget of a client or of all is used up, or there is no disk. Nothing is lost.

use tether::base::reason::Reason;
use tether::config::settings::Settings;
use tether::inspect::book::InspectRule;
use tether::inspect::course::{OnOverload, SpoolSettings};
use tether::inspect::settings::eicar;

use super::eicar::assert_cut;
use super::wrapped::Framing;
use super::{
    fetch, held, logged, logging, metric, noise, patient, scanning_with, serving, wait_until_nothing_is_left,
    wait_until_read,
};
use crate::support::answer::{BodyEnd, answer};
use crate::support::client::{asking, get};
use crate::support::origin::Origin;
use crate::support::proxy::Proxy;
use crate::support::rules::asking_from;

/// Takes room away.
type Narrow = fn(&mut SpoolSettings);

/// What is missing, and how that is counted.
const NO_ROOM: [(&str, Narrow); 3] = [
    ("per_client", |spool| spool.per_client = 100_000),
    ("total", |spool| spool.total = 100_000),
    ("disk", |spool| spool.dir = Some("/nowhere/at/all".into())),
];

fn without(room: Narrow, then: OnOverload, change: impl FnOnce(&mut Settings)) -> Proxy {
    scanning_with(|settings| {
        patient(settings);
        room(&mut settings.inspect.spool);
        settings.inspect_rules = vec![InspectRule { on_overload: Some(then), ..InspectRule::new("all") }];
        change(settings);
    })
}

fn refusals(proxy: &Proxy, why: &str) -> u64 {
    metric(proxy, &format!("tether_scan_spool_refusals_total{{why=\"{why}\"}}"))
}

#[test]
fn it_is_refused() {
    for (why, room) in NO_ROOM {
        let folder = tempfile::tempdir().expect("a folder");
        let proxy = without(room, OnOverload::Block, logging(folder.path()));
        for (number, framing) in Framing::ALL.into_iter().enumerate() {
            let answer = fetch(&proxy, &serving(framing, "", &noise(1 << 20)), "/x");
            assert_eq!((answer.status, answer.end), (503, BodyEnd::Framed), "{why}, {framing:?}");
            let line = logged(&proxy, folder.path(), number + 1);
            assert_eq!(line["reason"], "scan_overload", "{line}");
        }
        let small = noise(60_000);
        assert!(fetch(&proxy, &serving(Framing::Length, "", &small), "/x").body == small, "{why}: a small one fits");
        wait_until_nothing_is_left(&proxy);
        assert_eq!((refusals(&proxy, why), proxy.tally().closed(Reason::ScanOverload)), (4, 4), "{why}");
    }
}

#[test]
fn it_passes_whole() {
    for (why, room) in NO_ROOM {
        let folder = tempfile::tempdir().expect("a folder");
        let proxy = without(room, OnOverload::PassUnscanned, logging(folder.path()));
        for (number, framing) in Framing::ALL.into_iter().enumerate() {
            let body = [noise(1 << 20), eicar(), noise(100)].concat();
            let answer = fetch(&proxy, &serving(framing, "", &body), "/x");
            assert!(answer.status == 200 && answer.body == body, "{why}, {framing:?}: {} bytes", answer.body.len());
            let line = logged(&proxy, folder.path(), number + 1);
            assert_eq!([&line["verdict"], &line["unscanned"]], ["unscanned", "overload"], "{line}");
        }
        assert!(metric(&proxy, "tether_unscanned_bytes_total{reason=\"overload\"}") > 4 << 20, "{why}");
        wait_until_nothing_is_left(&proxy);
    }
}

#[test]
fn it_flows() {
    for (why, room) in NO_ROOM {
        let proxy = without(room, OnOverload::Window, |_| {});
        for (number, framing) in Framing::ALL.into_iter().enumerate() {
            let body = noise(1 << 20);
            let answer = fetch(&proxy, &serving(framing, "", &body), "/good");
            assert!(answer.status == 200 && answer.body == body, "{why}, {framing:?}: {} bytes", answer.body.len());
            let body = [noise(1 << 20), eicar(), noise(100)].concat();
            let answer = fetch(&proxy, &serving(framing, "", &body), &format!("/bad{number}"));
            assert_cut(&answer, &body, &format!("{why}, {framing:?}"));
        }
        assert_eq!(metric(&proxy, "tether_scan_handovers_total{reason=\"no_room\"}"), 8, "{why}");
        wait_until_nothing_is_left(&proxy);
    }
}

#[test]
fn uploads_follow_too() {
    for (why, room) in NO_ROOM {
        for (then, status) in [(OnOverload::Block, 503), (OnOverload::Window, 204), (OnOverload::PassUnscanned, 204)] {
            let proxy = without(room, then, |_| {});
            let origin = Origin::bind();
            let (host, body) = (origin.address(), noise(900_000));
            let mut client = asking(
                &proxy,
                format!("POST http://{host}/up HTTP/1.1\r\nHost: {host}\r\nContent-Length: {}\r\n\r\n", body.len()),
            );
            let (sent, mut sender) = (body.clone(), client.twin());
            let sending = std::thread::spawn(move || drop(sender.try_send(sent)));
            if status == 204 {
                let mut served = origin.accept();
                served.head();
                assert!(served.exactly(body.len()) == body, "{why}, {then:?}");
                served.send("HTTP/1.1 204 No Content\r\n\r\n");
            }
            assert_eq!(answer(&mut client).status, status, "{why}, {then:?}");
            sending.join().expect("the client");
            drop(client);
            wait_until_nothing_is_left(&proxy);
            assert_eq!(refusals(&proxy, why), 1, "{then:?}");
        }
    }
}

#[test]
fn one_client_does_not_take_the_room_of_another() {
    let proxy = without(|spool| spool.per_client = 300_000, OnOverload::Block, |_| {});
    let origin = Origin::bind();
    let greedy = asking_from("127.0.0.2", &proxy, get(origin.address(), "/x"));
    let mut served = origin.accept();
    served.head();
    served.send(Framing::Length.head("", 300_000));
    served.send(noise(290_000));
    wait_until_read(&served);
    proxy.wait_until("held", |proxy| held(proxy)[1] >= 290_000);
    let page = serving(Framing::Length, "", &noise(50_000));
    let again = answer(&mut asking_from("127.0.0.2", &proxy, get(page.address(), "/x")));
    assert_eq!(again.status, 503, "its room is used up");
    let other = answer(&mut asking_from("127.0.0.3", &proxy, get(page.address(), "/x")));
    assert!(other.body == noise(50_000), "{}", other.head);
    drop((greedy, served));
    wait_until_nothing_is_left(&proxy);
    let again = answer(&mut asking_from("127.0.0.2", &proxy, get(page.address(), "/x")));
    assert_eq!(again.status, 200, "there is room again");
}

/// A proxy that is short of room while a client holds most of what there is, and that client.
fn short_of_room(then: OnOverload) -> (Proxy, Origin, [crate::support::wire::Wire; 2]) {
    let proxy = without(|spool| spool.total = 1_000_000, then, |_| {});
    let origin = Origin::bind();
    let greedy = asking_from("127.0.0.2", &proxy, get(origin.address(), "/x"));
    let mut served = origin.accept();
    served.head();
    served.send(Framing::Length.head("", 860_000));
    served.send(noise(850_000));
    proxy.wait_until("short of room", |proxy| metric(proxy, "tether_overload_level") == 1);
    (proxy, origin, [greedy, served])
}

#[test]
fn new_scans_are_given_up_first() {
    let body = [noise(100_000), eicar()].concat();
    for then in [OnOverload::Block, OnOverload::Window, OnOverload::PassUnscanned] {
        let (proxy, _origin, others) = short_of_room(then);
        for framing in [Framing::Length, Framing::Chunked(65_537)] {
            let got = fetch(&proxy, &serving(framing, "", &body), "/bad");
            match then {
                OnOverload::Block => assert_eq!(got.status, 503, "{framing:?}"),
                OnOverload::Window => assert_cut(&got, &body, &format!("{framing:?}")),
                OnOverload::PassUnscanned => assert!(got.body == body, "{framing:?}: {} bytes", got.body.len()),
            }
        }
        let small = noise(60_000);
        assert!(fetch(&proxy, &serving(Framing::Length, "", &small), "/x").body == small, "a small one is held");
        assert_eq!(metric(&proxy, "tether_overload_shed_total{step=\"shed_scans\"}"), 2, "{then:?}");
        // What was held before is held on.
        let [mut greedy, mut served] = others;
        served.send(&noise(860_000)[850_000..]);
        let got = answer(&mut greedy);
        assert_eq!((got.status, got.body.len()), (200, 860_000), "{then:?}");
        drop((greedy, served));
        proxy.wait_until("room again", |proxy| metric(proxy, "tether_overload_level") == 0);
        wait_until_nothing_is_left(&proxy);
    }
}
