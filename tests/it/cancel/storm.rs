//! Ten thousand clients that leave at random: afterwards the process holds what it held before.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tether::base::phase::Phase;

use crate::support::alone::alone;
use crate::support::client::{Leaving, asking, connect, get};
use crate::support::kernel::open_descriptors;
use crate::support::origin::{BlackHole, Origin, Served};
use crate::support::proxy::Proxy;
use crate::support::random::Random;
use crate::support::tally::Tally;
use crate::support::wire::Wire;

const CANCELS: usize = 10_000;
const CLIENTS: usize = 8;
/// A worker that hundreds of threads keep from its core may be late to close; what is left behind is never closed.
const LEFT_BEHIND: Duration = Duration::from_secs(2);

/// The proxy and the origins.
struct World {
    proxy: Proxy,
    http: Served,
    echo: Served,
    hole: BlackHole,
}

/// Where a client can want to go, and the proxy on its way.
#[derive(Clone, Copy)]
struct Places {
    proxy: SocketAddr,
    http: SocketAddr,
    echo: SocketAddr,
    hole: SocketAddr,
}

/// What a client asks for before it leaves.
#[derive(Clone, Copy, Debug)]
enum Deed {
    Wait,
    Drip,
    Flood,
    Upload,
    Continue,
    KeepAlive,
    HalfHead,
    Dial,
    Tunnel,
}

const DEEDS: [Deed; 9] = [
    Deed::Wait,
    Deed::Drip,
    Deed::Flood,
    Deed::Upload,
    Deed::Continue,
    Deed::KeepAlive,
    Deed::HalfHead,
    Deed::Dial,
    Deed::Tunnel,
];

#[test]
fn after_ten_thousand_random_cancels_everything_is_back() {
    alone("cancel::storm::after_ten_thousand_random_cancels_everything_is_back", || {
        let world = World::new();
        let tally = world.proxy.tally();
        world.wake_every_worker(&tally);
        let before = held(&tally);
        world.cancel_many();
        tally.wait_until_empty();
        tally.wait_until("left by the origins", |_| world.http.open() + world.echo.open() == 0);
        tally.wait_until(&format!("back at {before} descriptors"), |tally| held(tally) == before);
        assert_eq!(tally.sum(|worker| worker.panics.get()), 0);
        assert!(tally.sum(|worker| worker.pipes_open.get()) <= 2 * 16, "more pipes than are kept for later");
        for phase in [Phase::Connecting, Phase::ResponseHead, Phase::ResponseBody, Phase::ClientWrite] {
            assert!(tally.cancels(phase) > 0, "nobody left in {}", phase.label());
        }
        let mut client = asking(&world.proxy, get(world.http.address(), "/ok"));
        assert!(client.head().starts_with("HTTP/1.1 200 "), "it serves on");
    });
}

impl World {
    fn new() -> World {
        let http = Origin::bind().serving(serve_http);
        World { proxy: Proxy::start(), http, echo: Origin::bind().serving(echo), hole: BlackHole::dig() }
    }

    /// Has every worker serve somebody: from then on it has opened all it needs for itself.
    fn wake_every_worker(&self, tally: &Tally) {
        let mut clients = Vec::new();
        tally.wait_until("awake", |tally| {
            clients.push(Wire::connect(self.proxy.address()));
            tally.counters.iter().all(|worker| worker.client_connections.get() > 0)
        });
        for mut client in clients {
            client.finish();
            client.rest();
        }
        tally.wait_until_empty();
    }

    fn cancel_many(&self) {
        let (done, tally) = (AtomicBool::new(false), self.proxy.tally());
        let places = Places {
            proxy: self.proxy.address(),
            http: self.http.address(),
            echo: self.echo.address(),
            hole: self.hole.address(),
        };
        std::thread::scope(|scope| {
            let watch = scope.spawn(|| oldest_orphan(&tally, &done));
            let clients: Vec<_> = (0..CLIENTS as u64)
                .map(|client| scope.spawn(move || places.cancel(CANCELS / CLIENTS, Random::seeded(client))))
                .collect();
            let fallen = clients.into_iter().filter_map(|client| client.join().err()).count();
            done.store(true, Ordering::SeqCst);
            assert_eq!(fallen, 0, "clients that could not do what they wanted");
            let oldest = watch.join().expect("the watch");
            println!("an orphan was seen for {oldest:?}");
            assert!(oldest < LEFT_BEHIND, "{oldest:?}");
        });
    }
}

impl Places {
    fn cancel(self, count: usize, mut random: Random) {
        for _ in 0..count {
            let deed = random.pick(&DEEDS);
            let mut client = self.begin(deed, &mut random);
            linger_a_while(deed, &mut client, &mut random);
            leave(random.pick(&Leaving::ALL), client, &mut random);
        }
    }

    fn begin(self, deed: Deed, random: &mut Random) -> Wire {
        let request = match deed {
            Deed::Wait => get(self.http, "/wait"),
            Deed::Drip => get(self.http, "/drip"),
            Deed::Flood => get(self.http, "/flood"),
            Deed::KeepAlive => get(self.http, "/ok"),
            Deed::HalfHead => "GET http://half.example/ HTTP/1.1\r\nHo".into(),
            Deed::Dial => get(self.hole, "/"),
            Deed::Tunnel => connect(self.echo),
            Deed::Continue => upload(self.http, "Expect: 100-continue\r\n"),
            Deed::Upload => upload(self.http, ""),
        };
        let mut client = Wire::connect(self.proxy);
        client.send(request);
        if matches!(deed, Deed::Upload) {
            client.send_until_full(&vec![b'u'; random.size(512 * 1024)]);
        }
        client
    }
}

/// Descriptors of the process, without those of pipes kept for later.
fn held(tally: &Tally) -> u64 {
    open_descriptors() as u64 - 2 * tally.sum(|worker| worker.pipes_open.get())
}

fn upload(origin: SocketAddr, field: &str) -> String {
    format!("POST http://{origin}/wait HTTP/1.1\r\nHost: {origin}\r\n{field}Content-Length: 90000000\r\n\r\n")
}

/// Stays for a random time, or until something has come where something will come.
fn linger_a_while(deed: Deed, client: &mut Wire, random: &mut Random) {
    match (deed, random.below(3)) {
        (_, 0) => {}
        (Deed::Drip | Deed::KeepAlive | Deed::Tunnel, 1) => drop(client.head()),
        (Deed::Flood, 1) => drop(client.exactly(random.size(1024 * 1024))),
        _ => {
            let (began, stays) = (Instant::now(), Duration::from_micros(random.size(2_000) as u64));
            while began.elapsed() < stays {
                std::thread::yield_now();
            }
        }
    }
}

fn leave(way: Leaving, mut client: Wire, random: &mut Random) {
    client.send_until_full(way.behind());
    match way {
        Leaving::Reset => client.reset(),
        // Half of the clients wait until the proxy has closed its side, the other half is gone at once.
        _ => {
            client.finish();
            if random.below(2) == 0 {
                let mut rest = vec![0; 64 * 1024];
                while client.some(&mut rest).is_ok_and(|count| count > 0) {}
            }
        }
    }
}

/// How long any orphan was seen, from its first sight to its last.
fn oldest_orphan(tally: &Tally, done: &AtomicBool) -> Duration {
    let mut first_seen = HashMap::new();
    let mut oldest = Duration::ZERO;
    while !done.load(Ordering::SeqCst) {
        for row in tally.streams().into_iter().filter(|row| row.orphaned) {
            let first = *first_seen.entry(row.id).or_insert_with(Instant::now);
            oldest = oldest.max(first.elapsed());
        }
        std::thread::park_timeout(Duration::from_millis(1));
    }
    oldest
}

fn serve_http(mut served: Wire) {
    while let Some(head) = served.next_head() {
        let path = head.split(' ').nth(1).unwrap_or_default();
        let done = match path {
            "/ok" => served.try_send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"),
            "/drip" => served.try_send("HTTP/1.1 200 OK\r\nContent-Length: 90000000\r\n\r\ntick"),
            "/flood" => {
                let begun = served.try_send("HTTP/1.1 200 OK\r\nContent-Length: 9000000000\r\n\r\n");
                begun.and_then(|()| std::iter::repeat_with(|| served.try_send(vec![b'f'; 64 * 1024])).collect())
            }
            // Reads no body and says nothing.
            _ => {
                served.ending();
                Ok(())
            }
        };
        if done.is_err() {
            return;
        }
    }
}

fn echo(mut served: Wire) {
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(count @ 1..) = served.some(&mut buffer) {
        if served.try_send(&buffer[..count]).is_err() {
            return;
        }
    }
}
