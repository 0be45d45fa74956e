//! Every way in which an exchange can end gives back what it held (pitfall A14).

use std::net::SocketAddr;
use std::time::Duration;

use super::{GROUP, TICKER, get_with, page, ticks, tunnel_to};
use crate::support::answer::try_answer;
use crate::support::client::Leaving;
use crate::support::random::Random;
use crate::support::rules::{asking_at, asking_from, limited_with};
use crate::support::script::{Scripted, Visit, ok, path};
use crate::support::wire::Wire;

const RULES: &str = "
[[limit]]\nname = \"source\"\nper = \"source\"\nexchanges = 4\nstreams = 3\nover = \"queue\"\nqueue = { max = 2, wait = \"20ms\" }
[[limit]]\nname = \"pair\"\ndestination = \"group:sport\"\nper = \"pair\"\nexchanges = 3\nstreams = 2\nover = \"evict_oldest_idle\"
[[limit]]\nname = \"site\"\nper = \"destination\"\ncount_by = \"host\"\nexchanges = 5\nstreams = 2
[[limit]]\nname = \"range\"\nper = \"prefix\"\nexchanges = 6\nstreams = 3\nmode = \"simulate\"
[[limit]]\nname = \"all\"\nper = \"global\"\nexchanges = 10\nstreams = 4\nover = \"queue\"\nqueue = { max = 8, wait = \"15ms\" }
[[rate]]\nname = \"bytes\"\nper = \"pair\"\ncount_by = \"host\"\nbytes = \"2MiB\"\nbytes_burst = \"64KiB\"
";

/// Exchanges in all.
const EXCHANGES: usize = 2_000;

/// Clients at once.
const CLIENTS: u64 = 16;

/// An origin that misbehaves in the way the path says.
fn origin() -> Scripted {
    Scripted::start(|visit| {
        while let Some(head) = visit.head() {
            if !serve(visit, path(&head)) {
                return;
            }
        }
    })
}

/// Whether the connection goes on.
fn serve(visit: &mut Visit, path: &str) -> bool {
    let begun = "HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\nbegun";
    let switched = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
    let (words, afterwards): (&str, fn(&mut Visit)) = match path {
        "/ticks" => (TICKER, |_| {}),
        "/hold" => ("", |_| {}),
        "/cut" => (begun, Visit::finish),
        "/reset" => (begun, Visit::reset),
        "/fin" => ("", Visit::finish),
        "/rst" => ("", Visit::reset),
        "/slow" => (begun, |_| {}),
        "/ws" => (switched, |_| {}),
        "/bad" => ("nonsense\r\n\r\n", |_| {}),
        "/large" => return visit.send(ok(&"x".repeat(200_000))),
        page => return visit.send(ok(page)),
    };
    visit.send(words);
    afterwards(visit);
    false
}

/// A request of some kind.
fn request(random: &mut Random, port: u16, dead: u16) -> String {
    let host = random.pick(&["p1.sport.test", "p2.sport.test", "p1.news.test", "www.other.test"]);
    let to = format!("{host}:{port}");
    match random.below(20) {
        0 => page(&format!("{host}:{dead}")),
        1 => tunnel_to(&format!("{host}:{dead}")),
        2 | 3 => tunnel_to(&to),
        4 => page(&format!("no-such-name.localhost.invalid:{port}")),
        5 => format!("POST http://{to}/page HTTP/1.1\r\nHost: {to}\r\nContent-Length: 50\r\n\r\nhalf"),
        6 => get_with(&to, "/ws", "Connection: Upgrade\r\nUpgrade: websocket\r\n"),
        7..=9 => ticks(&to),
        10 => get_with(&to, "/page", "Accept: text/event-stream\r\n"),
        11 => page(&to).repeat(3),
        _ => {
            let path = random.pick(&["/cut", "/reset", "/fin", "/rst", "/hold", "/slow", "/bad", "/large", "/ticks"]);
            get_with(&to, path, "")
        }
    }
}

/// One client: asks, perhaps looks at what comes, and leaves in some way.
fn visit(proxy: SocketAddr, random: &mut Random, port: u16, dead: u16) {
    let source = random.pick(&["127.0.0.2", "127.0.0.3", "127.0.0.4", "127.0.1.5"]);
    let mut client = asking_at(proxy, source, request(random, port, dead));
    let patience = Duration::from_micros(random.size(60_000) as u64);
    let came = client.comes_within(patience);
    if came && random.below(3) == 0 && client.ending_within(patience).is_some() {
        let _ = try_answer(&mut client);
        return;
    }
    leave(random, client);
}

fn leave(random: &mut Random, mut client: Wire) {
    match random.below(4) {
        0 => drop(client),
        1 => client.reset(),
        // An RST of the proxy's own may have come first.
        2 => drop(client.try_send(Leaving::FinBehindMany.behind())),
        _ => drop(client.try_send(Leaving::FinBehindOne.behind())),
    }
}

#[test]
fn whatever_becomes_of_an_exchange_its_slots_come_back() {
    let proxy = limited_with(&format!("{GROUP}{RULES}"), |settings| {
        settings.limits.stream_after = Duration::from_millis(25);
        settings.timeouts.half_close_tunnel = Duration::from_millis(200);
        settings.timeouts.response_head = Duration::from_millis(400);
    });
    let origin = origin();
    let dead = std::net::TcpListener::bind("127.0.0.1:0").expect("bind").local_addr().expect("address").port();
    std::thread::scope(|scope| {
        for seed in 0..CLIENTS {
            let (proxy, port) = (proxy.address(), origin.address().port());
            scope.spawn(move || {
                let mut random = Random::seeded(seed);
                for _ in 0..EXCHANGES / CLIENTS as usize {
                    visit(proxy, &mut random, port, dead);
                }
            });
        }
    });
    proxy.wait_until_empty();
    let limits = proxy.app().reloader().limits();
    proxy.wait_until("forgotten", |_| limits.entries() == 0);
    assert!(limits.usage().is_empty());
    for stats in limits.stats() {
        assert_eq!((stats.exchanges, stats.streams, stats.waiting, stats.holders), (0, 0, 0, 0), "{stats:?}");
    }
    // What was meant to happen did: otherwise this test shows nothing.
    let sum = |of: fn(&tether::limits::usage::RuleStats) -> u64| limits.stats().iter().map(of).sum::<u64>();
    let kinds = [sum(|one| one.queued), sum(|one| one.granted), sum(|one| one.evictions), sum(|one| one.simulated)];
    let refused = sum(|one| one.refused.iter().map(|(_, count)| count).sum());
    assert!(kinds.iter().all(|count| *count > 0) && refused > 0, "{kinds:?} {refused}: {:?}", limits.stats());
}

#[test]
fn spraying_names_leaves_nothing_behind() {
    let proxy =
        limited_with("[[limit]]\nname = \"site\"\nper = \"destination\"\ncount_by = \"host\"\nexchanges = 2\n", |_| {});
    let dead = std::net::TcpListener::bind("127.0.0.1:0").expect("bind").local_addr().expect("address").port();
    let mut client = asking_from("127.0.0.2", &proxy, "");
    for number in 0..500 {
        client.send(page(&format!("name-{number}.localhost:{dead}")));
        assert_eq!(try_answer(&mut client).expect("an answer").status, 502);
    }
    // The rule of the whole proxy, and the last name.
    assert!(proxy.app().reloader().limits().entries() <= 2);
    drop(client);
    proxy.wait_until("forgotten", |proxy| proxy.app().reloader().limits().entries() == 0);
}
