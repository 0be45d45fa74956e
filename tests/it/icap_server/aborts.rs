//! Clients that go at any point: nothing of what was made for them is left.

use tether::inspect::settings::eicar;
use tether::observe::icap_server::{Asked, Outcome};

use super::Server;
use super::asking::{END, ENDLESS, begun, chunk, respmod};
use crate::support::client::Leaving;
use crate::support::wire::How;

/// Ways to leave in the middle of a body: what comes before the FIN may be the beginning of a chunk.
const LEAVING: [Leaving; 3] = [Leaving::Fin, Leaving::Reset, Leaving::FinBehindOne];

#[test]
fn gone_at_any_byte() {
    let server = Server::start();
    let asked = [respmod("Preview: 3\r\n", ENDLESS).as_bytes(), &chunk(b"hel"), END, &chunk(b"lo"), END].concat();
    for at in 0..asked.len() {
        let mut wire = server.connect();
        wire.send(&asked[..at]);
        let how = Leaving::ALL[at % 2];
        drop(how.leave(wire));
    }
    server.wait_until_empty();
    assert_eq!(server.proxy.tally().sum(|worker| worker.panics.get()), 0);
}

#[test]
fn gone_while_it_is_held_and_while_it_goes_back() {
    let server = Server::start();
    for leaving in LEAVING {
        let mut wire = server.connect();
        wire.send([respmod("", ENDLESS).as_bytes(), &chunk(b"held")].concat());
        server.proxy.wait_until("held", |_| server.held() == 4);
        let left = leaving.leave(wire);
        server.proxy.wait_until("let go of", |_| server.held() == 0);
        drop(left);
    }
    server.wait_for(Asked::Respmod, Outcome::Aborted, 3);
    for leaving in LEAVING {
        let mut wire = server.connect();
        wire.send([respmod("", ENDLESS).as_bytes(), &chunk(b"held")].concat());
        begun(&mut wire);
        server.proxy.wait_until("a stream", |_| server.streams() == 1);
        let left = leaving.leave(wire);
        server.proxy.wait_until("let go of", |_| server.streams() == 0);
        drop(left);
    }
    server.wait_for(Asked::Respmod, Outcome::Aborted, 6);
    server.wait_until_empty();
}

#[test]
fn gone_without_having_read() {
    let server = Server::start();
    let mut wire = server.connect();
    let flood = [respmod("", ENDLESS).into_bytes(), chunk(&vec![b'a'; 64 << 20])].concat();
    // An echo that nobody takes: the server stops reading, and holds no more than it may.
    assert!(wire.send_until_full(&flood) < flood.len());
    assert!(server.held() <= 64 << 10);
    drop(Leaving::Reset.leave(wire));
    server.wait_until_empty();
}

#[test]
fn found_too_late_the_connection_is_cut_without_an_end() {
    let server = Server::start();
    let mut wire = server.connect();
    wire.send([respmod("", ENDLESS).as_bytes(), &chunk(b"first\n")].concat());
    begun(&mut wire);
    assert_eq!(super::asking::piece(&mut wire), b"first\n");
    wire.send([&chunk(&eicar())[..], END].concat());
    assert_eq!(wire.rest(), (Vec::new(), How::Reset));
    server.wait_for(Asked::Respmod, Outcome::Cut, 1);
    server.wait_until_empty();
}
