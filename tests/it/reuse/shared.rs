//! Connections of a worker that all its clients use, those of one client that nobody else does, and none kept at all.

use std::sync::{Arc, Barrier};
use std::time::Duration;

use tether::upstream::settings::{DestinationRule, Reuse};

use super::{request, rule};
use crate::support::answer::answer;
use crate::support::client::{asking, get};
use crate::support::patience::until;
use crate::support::proxy::{Open, Proxy};
use crate::support::script::{Scripted, ok};
use crate::support::wire::How;

/// One worker, so that every client meets the same pool.
fn lone(rules: Vec<DestinationRule>) -> Proxy {
    Proxy::with_rules(rules, |settings| settings.workers = 1)
}

fn pooled(proxy: &Proxy) -> u64 {
    proxy.tally().sum(|worker| worker.upstream_pooled.get())
}

fn wait_for_pooled(proxy: &Proxy, count: u64) {
    proxy.wait_until(&format!("{count} pooled"), |proxy| pooled(proxy) == count);
}

#[test]
fn two_clients_use_one_connection() {
    let proxy = lone(vec![rule(Reuse::Shared)]);
    let origin = Scripted::echoing_paths();
    let mut clients = [0; 2].map(|_| asking(&proxy, ""));
    for round in 0..20 {
        let client = &mut clients[round % 2];
        client.send(get(origin.address(), "/x"));
        assert_eq!(answer(client).text(), "/x");
        wait_for_pooled(&proxy, 1);
        let streams = proxy.streams();
        assert_eq!(streams.iter().map(|row| row.upstreams).sum::<u32>(), 0, "it is nobody's while it idles");
    }
    assert_eq!(origin.seen().len(), 1);
    drop(clients);
    let idle = Open { upstreams: 1, ..Open::default() };
    proxy.wait_until("left alone", |proxy| proxy.open() == idle);
    assert_eq!(answer(&mut asking(&proxy, get(origin.address(), "/y"))).text(), "/y");
    assert_eq!((origin.seen().len(), proxy.tally().orphans()), (1, 0), "it outlives its clients");
}

#[test]
fn a_client_that_wants_its_own_connection_closed_leaves_the_others() {
    let proxy = lone(vec![rule(Reuse::Shared)]);
    let origin = Scripted::echoing_paths();
    for _ in 0..3 {
        let close = format!("GET http://{0}/ HTTP/1.1\r\nHost: {0}\r\nConnection: close\r\n\r\n", origin.address());
        let mut client = asking(&proxy, close);
        assert_eq!(answer(&mut client).text(), "/");
        wait_for_pooled(&proxy, 1);
    }
    assert_eq!(origin.seen().len(), 1);
}

#[test]
fn a_pooled_connection_is_closed_when_its_origin_closes_or_speaks() {
    for words in ["", "HTTP/1.1 408 Request Timeout\r\n\r\n"] {
        let proxy = lone(vec![rule(Reuse::Shared)]);
        let (go, gone) = std::sync::mpsc::channel::<()>();
        let gone = std::sync::Mutex::new(gone);
        let origin = Scripted::start(move |visit| {
            while visit.request().is_some() {
                visit.send(ok("fine"));
                if visit.number == 0 {
                    let _ = gone.lock().expect("the signal").recv();
                    visit.send(words);
                    if words.is_empty() {
                        visit.finish();
                    }
                    return;
                }
            }
        });
        let mut client = asking(&proxy, get(origin.address(), "/"));
        assert_eq!(answer(&mut client).text(), "fine");
        wait_for_pooled(&proxy, 1);
        go.send(()).expect("the origin");
        wait_for_pooled(&proxy, 0);
        let only_client = Open { clients: 1, rows: 1, ..Open::default() };
        proxy.wait_until("closed", |proxy| proxy.open() == only_client);
        assert_eq!(proxy.tally().sum(|worker| worker.upstream_idle_ended.get()), 1);
        client.send(get(origin.address(), "/"));
        assert_eq!(answer(&mut client).text(), "fine");
    }
}

#[test]
fn a_pooled_connection_expires() {
    let proxy = lone(vec![DestinationRule { idle: Some(Duration::from_millis(150)), ..rule(Reuse::Shared) }]);
    let origin = Scripted::echoing_paths();
    for _ in 0..2 {
        let mut client = asking(&proxy, get(origin.address(), "/"));
        assert_eq!(answer(&mut client).text(), "/");
        drop(client);
        proxy.wait_until_empty();
    }
    assert_eq!((origin.ended(0).end, origin.ended(1).end), (Some(How::Fin), Some(How::Fin)));
}

#[test]
fn no_more_than_eight_are_pooled_for_one_origin() {
    let proxy = lone(vec![rule(Reuse::Shared)]);
    let together = Arc::new(Barrier::new(12));
    let origin = Scripted::start(move |visit| {
        while visit.head().is_some() {
            // All twelve are asked for at once, each on a connection of its own.
            together.wait();
            visit.send(ok("fine"));
        }
    });
    let mut clients: Vec<_> = (0..12).map(|_| asking(&proxy, get(origin.address(), "/"))).collect();
    clients.iter_mut().for_each(|client| assert_eq!(answer(client).text(), "fine"));
    proxy.wait_until("idle", |proxy| proxy.open().exchanges == 0 && proxy.open().upstreams == pooled(proxy));
    assert_eq!(pooled(&proxy), 8);
    assert_eq!(origin.wait_for("closed", |seen| seen.iter().filter(|one| one.end.is_some()).count() == 4).len(), 12);
}

/// An origin that knows who speaks by the connection, as NTLM has it: the first to name themselves on it.
fn identifying(challenge: &'static str) -> Scripted {
    Scripted::start(move |visit| {
        let mut identity = None;
        while let Some((head, _)) = visit.request() {
            let own = head.lines().find_map(|line| line.strip_prefix("Authorization: ")).map(str::to_owned);
            identity = identity.or(own);
            match &identity {
                Some(identity) => visit.send(ok(identity)),
                None => visit.send(format!(
                    "HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: {challenge}\r\nContent-Length: 0\r\n\r\n"
                )),
            };
        }
    })
}

#[test]
fn a_connection_that_knows_its_client_is_never_shared() {
    for (challenge, scheme) in [("NTLM", "NTLM"), ("Basic realm=\"x\", Negotiate", "Negotiate"), ("Basic", "nTLM")] {
        println!("{challenge}");
        let proxy = lone(vec![rule(Reuse::Shared)]);
        let origin = identifying(challenge);
        let to = origin.address();
        let named = |method: &str, who: &str, fields: &str, body: &str| {
            format!(
                "{method} http://{to}/ HTTP/1.1\r\nHost: {to}\r\nAuthorization: {scheme} {who}\r\n{fields}\r\n{body}"
            )
        };
        let (mut one, mut other) = (asking(&proxy, ""), asking(&proxy, ""));
        for (client, who) in [(&mut one, "alice"), (&mut other, "bob")] {
            client.send(get(to, "/"));
            assert_eq!(answer(client).status, 401, "{who} has not said who they are");
            client.send(named("GET", who, "", ""));
            assert_eq!(answer(client).text(), format!("{scheme} {who}"));
        }
        for _ in 0..5 {
            for (client, who) in [(&mut one, "alice"), (&mut other, "bob")] {
                client.send(get(to, "/"));
                assert_eq!(answer(client).text(), format!("{scheme} {who}"));
                client.send(named("POST", who, "Content-Length: 2\r\n", "hi"));
                assert_eq!(answer(client).text(), format!("{scheme} {who}"), "the whole handshake on one connection");
            }
        }
        drop((one, other));
        proxy.wait_until("closed", |proxy| proxy.open().upstreams == pooled(proxy));
        assert_eq!(answer(&mut asking(&proxy, get(to, "/"))).status, 401, "nobody inherits an identity");
    }
}

#[test]
fn off_makes_one_connection_for_each_request() {
    let proxy = lone(vec![rule(Reuse::Off)]);
    let origin = Scripted::start(|visit| {
        while visit.request().is_some() {
            visit.send(ok("fine"));
        }
    });
    let mut client = asking(&proxy, "");
    for id in 0..50 {
        let (method, body) = if id % 2 == 0 { ("GET", "") } else { ("POST", "hello") };
        client.send(request(method, &origin, id, body));
        assert_eq!(answer(&mut client).text(), "fine");
    }
    let seen = origin.seen();
    assert_eq!(seen.len(), 50);
    for (id, one) in seen.iter().enumerate() {
        assert!(one.text().contains(&format!("/id-{id}- ")) && one.text().contains("\r\nConnection: close\r\n\r\n"));
    }
    assert_eq!(proxy.tally().sum(|worker| worker.upstream_reused.get()), 0);
}

#[test]
fn a_connection_carries_no_more_requests_than_it_may() {
    for (name, most, promise, connections) in [
        ("by rule", Some(4), "", 5),
        ("by the origin's count", None, "Keep-Alive: timeout=60, max=LEFT\r\n", 5),
        ("by the origin's word", None, "Keep-Alive: max=3\r\n", 5),
        ("the fewest of both", Some(2), "Keep-Alive: max=3\r\n", 10),
    ] {
        for reuse in [Reuse::Sticky, Reuse::Shared] {
            println!("{name}, {}", reuse.label());
            let proxy = lone(vec![DestinationRule { max_requests: most, ..rule(reuse) }]);
            let origin = Scripted::start(move |visit| {
                for left in (0..100u32).rev() {
                    if visit.head().is_none() {
                        return;
                    }
                    let promise = promise.replace("LEFT", &left.saturating_sub(96).to_string());
                    visit.send(format!("HTTP/1.1 200 OK\r\n{promise}Content-Length: 2\r\n\r\nhi"));
                }
            });
            let mut client = asking(&proxy, "");
            for _ in 0..20 {
                client.send(get(origin.address(), "/"));
                assert_eq!(answer(&mut client).text(), "hi");
            }
            assert_eq!(origin.seen().len(), connections, "{name}");
        }
    }
}

#[test]
fn spare_connections_are_at_hand_while_an_origin_is_in_use() {
    let idle = Some(Duration::from_millis(300));
    let proxy = lone(vec![DestinationRule { preopen: 3, idle, ..rule(Reuse::Shared) }]);
    let origin = Scripted::echoing_paths();
    let preopened = |proxy: &Proxy| proxy.tally().sum(|worker| worker.upstream_preopened.get());
    assert_eq!(preopened(&proxy), 0, "not before it is used");
    let mut client = asking(&proxy, get(origin.address(), "/a"));
    assert_eq!(answer(&mut client).text(), "/a");
    wait_for_pooled(&proxy, 4);
    assert_eq!((origin.seen().len(), preopened(&proxy)), (4, 3));
    // They are renewed before they are old, and the one that was used goes.
    proxy.wait_until("renewed", |proxy| preopened(proxy) >= 6);
    until("closed young", || origin.seen().iter().filter(|one| one.end == Some(How::Fin)).count() >= 4);
    client.send(get(origin.address(), "/b"));
    assert_eq!(answer(&mut client).text(), "/b");
    assert!(origin.seen().iter().any(|one| one.text().starts_with("GET /b")));
    assert_eq!(proxy.tally().orphans(), 0);
}

#[test]
fn spare_connections_that_die_cost_nobody_an_error() {
    let proxy = lone(vec![DestinationRule { preopen: 2, ..rule(Reuse::Shared) }]);
    let patience = Duration::from_millis(12);
    let origin = Scripted::start(move |visit| {
        while visit.head_within(patience).is_some() {
            visit.send(ok("fine"));
        }
        visit.finish();
    });
    for round in 0..150 {
        let mut client = asking(&proxy, get(origin.address(), "/"));
        assert_eq!(answer(&mut client).status, 200);
        // Around the moment of the close: the race itself is what is tested.
        std::thread::sleep(patience.mul_f64(0.7 + f64::from(round % 60) / 100.0));
    }
}
