//! A thousand clients that leave at random while something of theirs is held: afterwards nothing is.

use std::net::SocketAddr;
use std::time::Duration;

use super::wrapped::{Framing, chunk};
use super::{held, impatient, noise, scanning_with, wait_until_nothing_is_left};
use crate::support::alone::alone;
use crate::support::answer::answer;
use crate::support::client::{Leaving, asking, get};
use crate::support::kernel::open_descriptors;
use crate::support::origin::{Origin, Served};
use crate::support::proxy::Proxy;
use crate::support::random::Random;
use crate::support::wire::Wire;

const CANCELS: usize = 1000;
const CLIENTS: usize = 8;

/// What a client asks for before it leaves.
const DEEDS: [&str; 8] = ["/wait", "/little", "/much", "/whole", "/stream", "/ticks", "/upload", "/flow"];

/// Answers by path, and then waits for the other side to leave.
fn serve(mut wire: Wire) {
    let Some(head) = wire.next_head() else { return };
    let sent = match head.split(' ').nth(1).unwrap_or_default() {
        "/little" => [Framing::Length.head("", 1 << 20).into_bytes(), noise(1000)].concat(),
        "/much" => [Framing::Length.head("", 4 << 20).into_bytes(), noise(1 << 20)].concat(),
        "/whole" => Framing::Chunked(5000).response("", &noise(600_000)),
        "/stream" => {
            let head = Framing::Chunked(1).head("Content-Type: text/event-stream\r\n", 0);
            [head.into_bytes(), chunk(b"data: one\n\n"), chunk(b"data: half")].concat()
        }
        "/ticks" => [Framing::Chunked(1).head("", 0).into_bytes(), chunk(b"tick")].concat(),
        _ => Vec::new(),
    };
    if wire.try_send(sent).is_ok() {
        let mut rest = [0; 16 * 1024];
        while wire.some(&mut rest).is_ok_and(|count| count > 0) {}
    }
}

fn begin(proxy: SocketAddr, origin: SocketAddr, deed: &str, random: &mut Random) -> Wire {
    let mut client = Wire::connect(proxy);
    let body = noise(random.size(400_000));
    let head = |field: &str| format!("POST http://{origin}{deed} HTTP/1.1\r\nHost: {origin}\r\n{field}\r\n\r\n");
    // A client may be refused, and is not here to complain.
    let _ = match deed {
        "/upload" => client.try_send([head("Content-Length: 900000").as_bytes(), &body].concat()),
        "/flow" => client.try_send([head("Transfer-Encoding: chunked").as_bytes(), &chunk(&body)].concat()),
        _ => client.try_send(get(origin, deed)),
    };
    client
}

fn leave(leaving: Leaving, mut client: Wire) {
    let _ = client.try_send(leaving.behind());
    if leaving == Leaving::Reset {
        return client.reset();
    }
    drop(client);
}

fn cancel(proxy: SocketAddr, origin: SocketAddr, mut random: Random) {
    for _ in 0..CANCELS / CLIENTS {
        let deed = random.pick(&DEEDS);
        let client = begin(proxy, origin, deed, &mut random);
        client.comes_within(Duration::from_micros(random.size(100_000) as u64));
        leave(random.pick(&Leaving::ALL), client);
    }
}

fn cancel_many(proxy: &Proxy, origin: &Served) {
    let (to, through) = (origin.address(), proxy.address());
    std::thread::scope(|scope| {
        for client in 0..CLIENTS as u64 {
            scope.spawn(move || cancel(through, to, Random::seeded(client)));
        }
    });
    wait_until_nothing_is_left(proxy);
    proxy.wait_until("left by the origin", |_| origin.open() == 0);
}

#[test]
fn after_a_thousand_random_cancels_nothing_is_held() {
    alone("inspect::storm::after_a_thousand_random_cancels_nothing_is_held", || {
        let (proxy, origin) = (scanning_with(impatient), Origin::bind().serving(serve));
        // Once, so that the workers and their threads have all they need for themselves.
        cancel_many(&proxy, &origin);
        let before = open_descriptors();
        cancel_many(&proxy, &origin);
        assert_eq!(held(&proxy), [0; 3]);
        assert!(open_descriptors() <= before + 8, "{} descriptors, {before} before", open_descriptors());
        assert_eq!(proxy.tally().sum(|worker| worker.panics.get()), 0);
        let page = super::serving(Framing::Length, "", b"fine");
        assert_eq!(answer(&mut asking(&proxy, get(page.address(), "/x"))).text(), "fine", "it serves on");
    });
}
