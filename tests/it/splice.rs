//! Bytes in bulk: whatever their sizes, pauses and framing, they arrive whole, in order, and at the right client.

mod bodies;

use std::net::SocketAddr;

use crate::support::client::{connect, get, tunnel};
use crate::support::origin::Origin;
use crate::support::proxy::Proxy;
use crate::support::random::{Noise, Random};
use crate::support::tally::Tally;
use crate::support::wire::Wire;

/// Pieces sent through tunnels in all; those of HTTP bodies come on top.
const ROUNDS: usize = 84_000;
const TUNNELS: usize = 6;

/// Which end of a tunnel this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    Client,
    Origin,
}

/// Plays one end of a tunnel: both ends draw the same numbers, so each knows whose turn it is and what must come.
fn play(side: Side, mut end: Wire, mut random: Random, noise: &Noise, rounds: usize) {
    let mut pauses = random.clone();
    for round in 0..rounds {
        let sender = random.pick(&[Side::Client, Side::Origin]);
        let most = if round % 20 == 0 { 1024 * 1024 } else { 16 * 1024 };
        let piece = noise.piece(&mut random, most);
        if sender == side {
            end.send(piece);
        } else {
            pause(&mut pauses);
            // Not `assert_eq`: nobody wants to read a megabyte.
            assert!(end.exactly(piece.len()) == piece, "round {round}: {} bytes from the {sender:?}", piece.len());
        }
    }
}

/// Every now and then the receiver has something else to do.
fn pause(random: &mut Random) {
    if random.below(16) == 0 {
        (0..random.below(20)).for_each(|_| std::thread::yield_now());
    }
}

#[test]
fn pieces_of_every_size_arrive_in_either_direction() {
    let (proxy, origin, noise) = (Proxy::start(), Origin::bind(), Noise::new(1));
    std::thread::scope(|scope| {
        for number in 0..TUNNELS {
            let (client, served) = tunnel(&proxy, &origin);
            let (random, noise) = (Random::seeded(number as u64), &noise);
            let same = random.clone();
            scope.spawn(move || play(Side::Client, client, random, noise, ROUNDS / TUNNELS));
            scope.spawn(move || play(Side::Origin, served, same, noise, ROUNDS / TUNNELS));
        }
    });
    proxy.wait_until_empty();
    assert!(proxy.tally().sum(|worker| worker.bytes_spliced.get()) > 0, "nothing of it was spliced");
}

#[test]
fn both_directions_at_once() {
    let (proxy, origin, noise) = (Proxy::start(), Origin::bind(), Noise::new(2));
    let (client, served) = tunnel(&proxy, &origin);
    std::thread::scope(|scope| {
        for (number, end) in [&client, &served].into_iter().enumerate() {
            let other = if number == 0 { &served } else { &client };
            let (mut from, mut to) = (end.twin(), other.twin());
            let (mut random, noise) = (Random::seeded(number as u64), &noise);
            let mut same = random.clone();
            scope.spawn(move || (0..500).for_each(|_| from.send(noise.piece(&mut random, 512 * 1024))));
            scope.spawn(move || {
                for round in 0..500 {
                    let piece = noise.piece(&mut same, 512 * 1024);
                    assert!(to.exactly(piece.len()) == piece, "direction {number}, round {round}");
                }
            });
        }
    });
    drop((client, served));
    proxy.wait_until_empty();
    assert!(proxy.tally().sum(|worker| worker.bytes_spliced.get()) > 0, "nothing of it was spliced");
}

const CUT_TRANSFERS: usize = 2_000;

#[test]
fn a_cut_transfer_leaves_nothing_for_the_next_client() {
    let (proxy, origin, noise) = (Proxy::start(), Origin::bind(), Noise::new(3));
    let flood = Origin::bind().serving(flood);
    let (address, target, tally) = (proxy.address(), flood.address(), proxy.tally());
    std::thread::scope(|scope| {
        let cutters = [1, 2].map(|seed| {
            let (tally, random) = (&tally, Random::seeded(seed));
            scope.spawn(move || cut_transfers(address, target, tally, random))
        });
        let mut seed = 0;
        let mut check_one = || {
            seed += 1;
            let (client, served) = tunnel(&proxy, &origin);
            let (random, noise) = (Random::seeded(seed), &noise);
            let same = random.clone();
            let other = scope.spawn(move || play(Side::Origin, served, same, noise, 40));
            play(Side::Client, client, random, noise, 40);
            other.join().expect("the other end");
        };
        while !cutters.iter().all(|cutter| cutter.is_finished()) {
            check_one();
        }
        (0..100).for_each(|_| check_one());
    });
    proxy.wait_until_empty();
    assert!(tally.sum(|worker| worker.bytes_spliced.get()) > 0, "nothing of it was spliced");
}

fn cut_transfers(proxy: SocketAddr, origin: SocketAddr, tally: &Tally, mut random: Random) {
    for _ in 0..CUT_TRANSFERS / 2 {
        let request = if random.below(2) == 0 { connect(origin) } else { get(origin, "/") };
        let mut client = Wire::connect(proxy);
        client.send(request);
        client.exactly(random.size(128 * 1024));
        // It reads no more: sooner or later the pipe of its transfer cannot be emptied.
        tally.wait_until("splicing", |tally| tally.open().pipes > 0);
        client.reset();
    }
}

/// Sends an answer without end, whether it was asked or not: as a tunnel's bytes it is as good as any.
fn flood(mut served: Wire) {
    let _ = served.try_send("HTTP/1.1 200 OK\r\n\r\n");
    while served.try_send([0xee; 64 * 1024]).is_ok() {}
}
