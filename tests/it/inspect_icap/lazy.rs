//! Nothing of a service is taken before there is something to show, and never more than it allows.

use std::sync::atomic::{AtomicUsize, Ordering};

use tether::base::phase::Phase;

use super::*;
use crate::support::origin::Origin;
use crate::support::rules::asking_from;

/// Holds that last: nothing is taken for a stream by its silence.
pub fn patient(settings: &mut Settings) {
    let hold = &mut settings.inspect.hold;
    (hold.idle_gap, hold.first_byte_gap, hold.longest) = (SOON, SOON, SOON);
}

#[test]
fn a_slow_origin_holds_nothing_of_a_service() {
    let scanner = Scanner::clean();
    let scene = Scene::with(vec![scanner.named("av")], patient);
    let origin = Origin::bind();
    let mut client = scene.asks(get(origin.address(), "/a"));
    let mut served = origin.accept();
    served.head();
    assert!(scanner.visits().is_empty(), "before the head");
    served.send("HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n");
    for piece in noise(99_999).chunks(33_333) {
        served.send(piece);
        scene.proxy.wait_until("held", |_| bytes_held(&scene) > 0);
        assert!(scanner.visits().is_empty(), "before the body is whole");
        assert_eq!(scene.open(), 0);
    }
    scene.proxy.wait_until("held", |_| bytes_held(&scene) >= 99_999);
    assert!(scanner.visits().is_empty() && !client.has_more());
    served.send([noise(100_000)[99_999]]);
    assert!(answer(&mut client).body == noise(100_000));
    assert_eq!(scanner.shown().len(), 1, "and once only");
}

fn bytes_held(scene: &Scene) -> u64 {
    let spools = &scene.proxy.app().reloader().inspection().spools;
    spools.bytes_in_memory() + spools.bytes_on_disk()
}

#[test]
fn clients_of_stalled_origins_take_no_turn_from_others() {
    let scanner = Scanner::clean();
    let service = IcapService { max_connections: 1, ..scanner.named("av") };
    let scene = Scene::with(vec![service], patient);
    let stalled = Scripted::start(|visit| {
        visit.head();
        visit.send("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nbegun");
        visit.wait_for_their_end();
    });
    let waiting: Vec<Wire> = (0..40).map(|_| scene.asks(get(stalled.address(), "/a"))).collect();
    scene.proxy.wait_until("all of them held", |_| bytes_held(&scene) >= 40 * 5);
    let origin = page("hello");
    for _ in 0..5 {
        assert_eq!(scene.get(&origin, "/b").text(), "hello");
    }
    assert_eq!(scene.open(), 0);
    drop(waiting);
    scene.wait_until_empty();
}

#[test]
fn no_more_connections_than_the_server_takes_whatever_the_worker() {
    let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (counted, peak) = (now.clone(), most.clone());
    let fields = "Preview: 1024\r\nTransfer-Preview: *\r\nMax-Connections: 3\r\n";
    let scanner = Scanner::answering(fields, move |visit, _| {
        peak.fetch_max(counted.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
        // Long enough that those of all workers would meet.
        visit.head_within(Duration::from_millis(5));
        counted.fetch_sub(1, Ordering::SeqCst);
        visit.send(UNCHANGED);
    });
    let scene = Scene::with(vec![scanner.named("av")], |settings| settings.workers = 4);
    let origin = page("hello");
    let (proxy, page) = (scene.proxy.address(), get(origin.address(), "/a"));
    std::thread::scope(|scope| {
        for _ in 0..40 {
            scope.spawn(|| {
                let mut client = Wire::connect(proxy);
                client.send(&page);
                for _ in 0..5 {
                    assert_eq!(answer(&mut client).text(), "hello");
                    client.send(&page);
                }
                answer(&mut client);
            });
        }
    });
    assert_eq!(scanner.shown().len(), 240);
    assert!((1..=3).contains(&most.load(Ordering::SeqCst)), "{most:?} at once");
    assert!(scene.stats()[0].servers[0].connections.open <= 3);
    scene.wait_until_empty();
}

#[test]
fn who_finds_no_place_in_the_queue_is_told_so() {
    let scanner = Scanner::answering(PREVIEW, |visit, _| visit.wait_for_their_end());
    let mut service = IcapService { max_connections: 1, ..scanner.named("av") };
    service.timeouts.queue = SHORT;
    let scene = Scene::of(vec![service]);
    let origin = page("hello");
    let held = scene.asks(get(origin.address(), "/a"));
    scene.proxy.wait_until("at the service", |_| !scanner.shown().is_empty());
    let got = scene.get(&origin, "/b");
    assert_eq!(got.status, 503, "{}", got.head);
    assert_eq!(told(&scene.line(0))[0], "scan_overload");
    assert_eq!(scene.ended(Ended::Overload), 1);
    drop(held);
    scene.wait_until_empty();
}

#[test]
fn one_client_takes_no_more_than_its_share() {
    const GREEDY: &str = "127.0.0.2";
    let scanner = Scanner::answering(PREVIEW, |visit, shown| match shown.field("X-Client-IP") {
        Some(GREEDY) => visit.wait_for_their_end(),
        _ => drop(visit.send(UNCHANGED)),
    });
    let mut service = IcapService { max_connections: 4, ..scanner.named("av") };
    service.timeouts.queue = SOON;
    let scene = Scene::of(vec![service]);
    let origin = page("hello");
    let greedy: Vec<Wire> = (0..6).map(|_| asking_from(GREEDY, &scene.proxy, get(origin.address(), "/a"))).collect();
    let at_scan = |proxy: &Proxy| proxy.streams().iter().filter(|row| row.phase == Phase::Scan).count();
    scene.proxy.wait_until("all of them scanned or waiting", |proxy| at_scan(proxy) == 6);
    scene.proxy.wait_until("three of them at the service", |_| scanner.shown().len() == 3);
    assert_eq!(scene.get(&origin, "/b").text(), "hello", "the fourth connection is for others");
    assert_eq!(scanner.shown().len(), 4);
    drop(greedy);
    scene.wait_until_empty();
}
