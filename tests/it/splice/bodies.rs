//! HTTP bodies in bulk: every framing, both ways, over connections that are used again.

use std::net::SocketAddr;

use crate::support::origin::Origin;
use crate::support::proxy::Proxy;
use crate::support::random::{Noise, Random};
use crate::support::wire::{How, Wire};

const CLIENTS: usize = 4;
const EXCHANGES: usize = 400;
/// Pieces of a body at most.
const PIECES: usize = 20;

/// How a body is framed on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Framing {
    Length,
    Chunked,
    /// Responses only.
    UntilClose,
}

/// A body: both ends plan the same one from the same numbers.
struct Body<'a> {
    framing: Framing,
    pieces: Vec<&'a [u8]>,
}

impl<'a> Body<'a> {
    fn plan(framing: Framing, random: &mut Random, noise: &'a Noise) -> Body<'a> {
        let count = 1 + random.below(PIECES);
        let most = random.pick(&[100, 10_000, 10_000, 1024 * 1024]);
        Body { framing, pieces: (0..count).map(|_| noise.piece(random, most)).collect() }
    }

    fn field(&self) -> String {
        match self.framing {
            Framing::Length => format!("Content-Length: {}\r\n", self.pieces.concat().len()),
            Framing::Chunked => "Transfer-Encoding: chunked\r\n".into(),
            Framing::UntilClose => String::new(),
        }
    }

    fn send(&self, wire: &mut Wire) {
        for piece in &self.pieces {
            if self.framing == Framing::Chunked {
                wire.send(format!("{:x}\r\n", piece.len()));
                wire.send(piece);
                wire.send("\r\n");
            } else {
                wire.send(piece);
            }
        }
        if self.framing == Framing::Chunked {
            wire.send("0\r\n\r\n");
        }
    }

    fn expect(&self, wire: &mut Wire, what: &str) {
        let expected = self.pieces.concat();
        let got = match self.framing {
            Framing::Length => wire.exactly(expected.len()),
            Framing::Chunked => wire.chunked(),
            Framing::UntilClose => {
                let (bytes, how) = wire.rest();
                assert_eq!(how, How::Fin, "{what}");
                bytes
            }
        };
        assert!(got == expected, "{what}: {} of {} bytes, {:?}", got.len(), expected.len(), self.framing);
    }
}

/// One exchange: what goes up, where anything does, and what comes down.
fn plan<'a>(random: &mut Random, noise: &'a Noise) -> (Option<Body<'a>>, Body<'a>) {
    let up = random.pick(&[None, Some(Framing::Length), Some(Framing::Chunked)]);
    let up = up.map(|framing| Body::plan(framing, random, noise));
    let down =
        random.pick(&[Framing::Length, Framing::Length, Framing::Chunked, Framing::Chunked, Framing::UntilClose]);
    (up, Body::plan(down, random, noise))
}

fn ask(proxy: SocketAddr, origin: SocketAddr, mut random: Random, noise: &Noise) {
    let mut client = Wire::connect(proxy);
    for exchange in 0..EXCHANGES {
        let (up, down) = plan(&mut random, noise);
        let (method, field) = up.as_ref().map_or(("GET", String::new()), |body| ("PUT", body.field()));
        client.send(format!("{method} http://{origin}/ HTTP/1.1\r\nHost: {origin}\r\n{field}\r\n"));
        if let Some(body) = up {
            body.send(&mut client);
        }
        assert!(client.head().starts_with("HTTP/1.1 200 "));
        down.expect(&mut client, &format!("answer {exchange}"));
        if down.framing == Framing::UntilClose {
            client = Wire::connect(proxy);
        }
    }
}

fn answer(origin: &Origin, mut random: Random, noise: &Noise) {
    let mut kept: Option<Wire> = None;
    for exchange in 0..EXCHANGES {
        let (up, down) = plan(&mut random, noise);
        let (mut served, head) = next_request(origin, kept.take());
        assert_eq!(head.starts_with("PUT "), up.is_some(), "{head}");
        if let Some(body) = up {
            body.expect(&mut served, &format!("request {exchange}"));
        }
        served.send(format!("HTTP/1.1 200 OK\r\n{}\r\n", down.field()));
        down.send(&mut served);
        kept = (down.framing != Framing::UntilClose).then_some(served);
    }
}

/// The next request: on the kept connection, or on a fresh one where the proxy preferred that.
fn next_request(origin: &Origin, kept: Option<Wire>) -> (Wire, String) {
    if let Some(mut served) = kept
        && let Some(head) = served.next_head()
    {
        return (served, head);
    }
    let mut served = origin.accept();
    let head = served.head();
    (served, head)
}

#[test]
fn bodies_of_every_framing_arrive_both_ways() {
    let (proxy, noise) = (Proxy::start(), Noise::new(4));
    std::thread::scope(|scope| {
        for number in 0..CLIENTS {
            let (origin, noise, through) = (Origin::bind(), &noise, proxy.address());
            let (random, target) = (Random::seeded(number as u64), origin.address());
            let same = random.clone();
            scope.spawn(move || ask(through, target, random, noise));
            scope.spawn(move || answer(&origin, same, noise));
        }
    });
    proxy.wait_until_empty();
    let tally = proxy.tally();
    assert!(tally.sum(|worker| worker.bytes_spliced.get()) > 0, "nothing of it was spliced");
    assert!(tally.sum(|worker| worker.upstream_reused.get()) > 0, "no connection was used again");
}
