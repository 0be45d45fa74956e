//! Live tickers behind our server: they flow, they are scanned, and they hold next to nothing.

use tether::inspect::settings::eicar;
use tether::observe::icap_server::{Asked, Outcome};

use super::Server;
use super::asking::{DECLARED, END, ENDLESS, begun, chunk, piece, respmod};
use crate::support::wire::{How, Wire};

/// A ticker that does not say so, behind a preview of nothing, up to its first event.
fn ticker(server: &Server) -> Wire {
    let mut wire = server.connect();
    wire.send(respmod("Preview: 0\r\n", ENDLESS));
    wire.send(END);
    assert_eq!(wire.head(), "ICAP/1.0 100 Continue\r\n\r\n");
    wire.send(chunk(b"goal 1\n"));
    let (_, inner) = begun(&mut wire);
    assert_eq!(inner, ENDLESS);
    assert_eq!(piece(&mut wire), b"goal 1\n");
    wire
}

#[test]
fn an_undeclared_ticker_flows_and_ends() {
    let server = Server::start();
    let mut wire = ticker(&server);
    assert_eq!((server.streams(), server.held()), (1, 0));
    for number in 2..20 {
        let event = format!("goal {number}\n");
        wire.send(chunk(event.as_bytes()));
        assert_eq!(piece(&mut wire), event.as_bytes());
    }
    wire.send(END);
    assert_eq!(wire.chunked(), b"");
    server.wait_for(Asked::Respmod, Outcome::Echoed, 1);
    assert_eq!(server.streams(), 0);
}

#[test]
fn a_declared_ticker_without_a_preview_flows_at_once() {
    let server = Server::start();
    let mut wire = server.connect();
    wire.send([respmod("", DECLARED).as_bytes(), &chunk(b"data: 1\n\n")].concat());
    begun(&mut wire);
    assert_eq!(piece(&mut wire), b"data: 1\n\n");
    wire.send(chunk(b"data: 2\n\n"));
    assert_eq!(piece(&mut wire), b"data: 2\n\n");
}

#[test]
fn what_is_bad_cuts_it_also_across_events() {
    let server = Server::start();
    let mut wire = ticker(&server);
    let bad = eicar();
    let (one, other) = bad.split_at(40);
    wire.send(chunk(one));
    assert_eq!(piece(&mut wire), one);
    wire.send(chunk(other));
    assert_eq!(wire.rest(), (Vec::new(), How::Reset));
    server.wait_for(Asked::Respmod, Outcome::Cut, 1);
}

#[test]
fn many_tickers_hold_nothing_and_all_go() {
    let server = Server::start();
    let mut wires: Vec<Wire> = (0..60)
        .map(|_| {
            let mut wire = server.connect();
            wire.send([respmod("", ENDLESS).as_bytes(), &chunk(b"goal 1\n")].concat());
            wire
        })
        .collect();
    for wire in &mut wires {
        begun(wire);
        assert_eq!(piece(wire), b"goal 1\n");
    }
    assert_eq!((server.streams(), server.held()), (60, 0));
    drop(wires);
    server.wait_until_empty();
    assert_eq!(server.ended(Asked::Respmod, Outcome::Aborted), 60);
}
