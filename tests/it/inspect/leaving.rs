//! Clients that leave while something of theirs is held, scanned or on its way: nothing of it stays.

use tether::base::reason::Reason;

use super::wrapped::{Framing, chunk};
use super::{held, impatient, noise, patient, scanning_with, wait_until_nothing_is_left, wait_until_read};
use crate::support::client::{Leaving, asking, get};
use crate::support::origin::Origin;
use crate::support::proxy::Proxy;
use crate::support::wire::{How, Wire};

/// Every way of leaving, each after `reach` has brought a client and its origin to the same point.
fn every_way(proxy: &Proxy, reach: impl Fn() -> (Wire, Option<Wire>)) {
    for leaving in Leaving::ALL {
        let reason = if leaving == Leaving::Reset { Reason::ClientReset } else { Reason::ClientFin };
        let before = proxy.tally().closed(reason);
        let (client, served) = reach();
        let _left = leaving.leave(client);
        if let Some(served) = served {
            assert_eq!(served.ending().how, How::Reset, "{leaving:?}");
        }
        wait_until_nothing_is_left(proxy);
        assert_eq!(proxy.tally().closed(reason), before + 1, "{leaving:?}");
    }
}

/// A client whose answer is being gathered: so many bytes of it are here.
fn gathering(proxy: &Proxy, framing: Framing, came: usize) -> (Wire, Option<Wire>) {
    let origin = Origin::bind();
    let client = asking(proxy, get(origin.address(), "/x"));
    let mut served = origin.accept();
    served.head();
    served.send(framing.head("", 4 << 20));
    served.send(framing.piece(&noise(came)));
    wait_until_read(&served);
    proxy.wait_until("held", |proxy| held(proxy)[0] == 1);
    (client, Some(served))
}

#[test]
fn while_a_body_is_gathered() {
    let proxy = scanning_with(patient);
    for framing in [Framing::Length, Framing::Chunked(1000), Framing::Close] {
        every_way(&proxy, || gathering(&proxy, framing, 10_000));
    }
}

#[test]
fn while_nothing_of_it_has_come() {
    let proxy = scanning_with(patient);
    every_way(&proxy, || gathering(&proxy, Framing::Length, 0));
}

#[test]
fn while_it_is_on_disk() {
    let proxy = scanning_with(patient);
    for framing in [Framing::Length, Framing::Chunked(1000)] {
        every_way(&proxy, || {
            let reached = gathering(&proxy, framing, 2 << 20);
            proxy.wait_until("on disk", |proxy| held(proxy)[2] > 1 << 20);
            reached
        });
    }
}

#[test]
fn while_it_goes_out() {
    let proxy = scanning_with(patient);
    every_way(&proxy, || {
        let origin = Origin::bind();
        let mut client = asking(&proxy, get(origin.address(), "/x"));
        let mut served = origin.accept();
        served.head();
        // More than the sockets between here and there take.
        served.send(Framing::Length.response("", &noise(24 << 20)));
        client.head();
        // The origin has sent all, and its connection may be anywhere by now.
        (client, None)
    });
}

#[test]
fn while_a_stream_flows() {
    let proxy = scanning_with(patient);
    every_way(&proxy, || {
        let origin = Origin::bind();
        let mut client = asking(&proxy, get(origin.address(), "/live"));
        let mut served = origin.accept();
        served.head();
        served.send(Framing::Chunked(1).head("Content-Type: text/event-stream\r\n", 0));
        served.send(chunk(b"data: one\n\n"));
        client.head();
        client.exactly(16);
        // Part of an event is held.
        served.send(chunk(b"data: half"));
        wait_until_read(&served);
        (client, Some(served))
    });
}

#[test]
fn while_an_undeclared_stream_flows() {
    let proxy = scanning_with(impatient);
    every_way(&proxy, || {
        let origin = Origin::bind();
        let mut client = asking(&proxy, get(origin.address(), "/ticks"));
        let mut served = origin.accept();
        served.head();
        served.send(Framing::Chunked(1).head("", 0));
        served.send(chunk(b"tick"));
        client.head();
        (client, Some(served))
    });
}

#[test]
fn while_an_upload_is_gathered() {
    let proxy = scanning_with(patient);
    let origin = Origin::bind();
    let host = origin.address();
    for leaving in [Leaving::Fin, Leaving::Reset] {
        let mut client =
            asking(&proxy, format!("POST http://{host}/up HTTP/1.1\r\nHost: {host}\r\nContent-Length: 900000\r\n\r\n"));
        client.send(noise(600_000));
        wait_until_read(&client);
        proxy.wait_until("held", |proxy| held(proxy)[2] > 0);
        let _left = leaving.leave(client);
        wait_until_nothing_is_left(&proxy);
    }
    assert!(!origin.is_called(std::time::Duration::ZERO), "the origin was asked");
}

#[test]
fn while_an_upload_flows() {
    let proxy = scanning_with(patient);
    for leaving in [Leaving::Fin, Leaving::Reset] {
        let origin = Origin::bind();
        let host = origin.address();
        let mut client = asking(
            &proxy,
            format!("POST http://{host}/up HTTP/1.1\r\nHost: {host}\r\nTransfer-Encoding: chunked\r\n\r\n"),
        );
        client.send(chunk(&noise(10_000)));
        let mut served = origin.accept();
        served.head();
        served.exactly(5000);
        let _left = leaving.leave(client);
        let (rest, how) = served.rest();
        assert!(how == How::Reset && !rest.ends_with(b"0\r\n\r\n"), "{leaving:?}: it was ended");
        wait_until_nothing_is_left(&proxy);
    }
}

#[test]
fn while_the_answer_to_a_gathered_upload_is_waited_for() {
    let proxy = scanning_with(patient);
    every_way(&proxy, || {
        let origin = Origin::bind();
        let host = origin.address();
        let mut client =
            asking(&proxy, format!("POST http://{host}/up HTTP/1.1\r\nHost: {host}\r\nContent-Length: 300000\r\n\r\n"));
        client.send(noise(300_000));
        let mut served = origin.accept();
        served.head();
        served.exactly(300_000);
        (client, Some(served))
    });
}
