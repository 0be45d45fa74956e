//! Origins whose idle connections are traps: no client ever gets an error for our reuse, and no POST is sent twice.

use std::collections::HashMap;
use std::time::Duration;

use tether::upstream::settings::Reuse;

use super::{request, rule};
use crate::support::answer::answer;
use crate::support::client::asking;
use crate::support::proxy::Proxy;
use crate::support::script::{Scripted, Visit, ok};

/// What an origin does to a connection behind its first answer.
type Trap = fn(&mut Visit);

/// A trap, and its name.
const TRAPS: &[(&str, Trap)] = &[
    ("FIN behind every response", |visit| visit.finish()),
    ("RST behind every response", |visit| visit.reset()),
    ("FIN after 3 ms", |visit| {
        std::thread::sleep(Duration::from_millis(3));
        visit.finish();
    }),
    ("FIN on reuse, the request read", |visit| {
        visit.request();
        visit.finish();
    }),
    ("RST on reuse, the request read", |visit| {
        visit.request();
        visit.reset();
    }),
];

fn trapped(trap: Trap) -> Scripted {
    Scripted::start(move |visit| {
        if visit.request().is_some() {
            visit.send(ok("fine"));
            trap(visit);
        }
    })
}

#[test]
fn a_thousand_gets_of_each_trap_give_no_error() {
    for reuse in [Reuse::Sticky, Reuse::Shared] {
        for (name, trap) in TRAPS {
            println!("{name}, {}", reuse.label());
            let proxy = Proxy::with_rules(vec![rule(reuse)], |_| {});
            let origin = trapped(*trap);
            let mut clients = [0; 4].map(|_| asking(&proxy, ""));
            for id in 0..1000 {
                let client = &mut clients[id % 4];
                client.send(request("GET", &origin, id, ""));
                let got = answer(client);
                assert_eq!((got.status, got.text().as_str()), (200, "fine"), "{name}: {got:?}");
            }
            assert_eq!(proxy.tally().orphans(), 0);
        }
    }
}

#[test]
fn every_post_arrives_once_and_none_fails() {
    for reuse in [Reuse::Sticky, Reuse::Shared] {
        for (name, trap) in TRAPS {
            println!("{name}, {}", reuse.label());
            let proxy = Proxy::with_rules(vec![rule(reuse)], |_| {});
            let origin = trapped(*trap);
            let mut client = asking(&proxy, "");
            for id in 0..300 {
                let (method, body) = if id % 3 == 0 { ("GET", "") } else { ("POST", "hello") };
                client.send(request(method, &origin, id, body));
                let got = answer(&mut client);
                assert_eq!((got.status, got.text().as_str()), (200, "fine"), "{name}: {method} {got:?}");
            }
            let text: String = origin.seen().iter().map(|seen| seen.text()).collect();
            for id in (0..300).filter(|id| id % 3 != 0) {
                assert_eq!(text.matches(&format!("/id-{id}- ")).count(), 1, "{name}: POST {id}");
            }
        }
    }
}

#[test]
fn a_connection_that_survives_its_reuse_is_proven_for_posts() {
    let proxy = Proxy::start();
    let origin = Scripted::start(|visit| {
        while visit.request().is_some() {
            visit.send(ok("fine"));
        }
    });
    let mut client = asking(&proxy, "");
    // How many connections there are behind each request. On a slow machine a second may pass between two of them.
    let mut connections = HashMap::new();
    for (id, method) in ["GET", "POST", "GET", "POST", "POST"].into_iter().enumerate() {
        client.send(request(method, &origin, id, if method == "POST" { "hello" } else { "" }));
        assert_eq!(answer(&mut client).text(), "fine");
        connections.insert(id, origin.seen().len());
    }
    assert_eq!((connections[&0], connections[&1]), (1, 2), "a connection that was never reused is not proven");
    assert_eq!(connections[&2], 2, "a GET may try it");
    let seen = origin.seen();
    let posts = |at: usize| seen[at].text().matches("POST ").count();
    assert_eq!(posts(0), 0);
    assert!(posts(1) == 3 || seen.len() > 2, "then it is: {seen:?}");
}

#[test]
fn an_origin_that_speaks_unasked_is_not_spoken_to_again() {
    for words in
        ["x", "HTTP/1.1 408 Request Timeout\r\nContent-Length: 4\r\n\r\nlate", "HTTP/1.1 200 OK\r\nContent-Len"]
    {
        for reuse in [Reuse::Sticky, Reuse::Shared] {
            println!("{words:?}, {}", reuse.label());
            let proxy = Proxy::with_rules(vec![rule(reuse)], |_| {});
            let origin = Scripted::start(move |visit| {
                while visit.request().is_some() {
                    visit.send(ok("fine"));
                    visit.send(words);
                }
            });
            let mut client = asking(&proxy, "");
            for id in 0..20 {
                client.send(request(if id % 2 == 0 { "GET" } else { "POST" }, &origin, id, ""));
                let got = answer(&mut client);
                assert_eq!((got.status, got.text().as_str()), (200, "fine"));
                proxy.wait_until("closed", |proxy| proxy.open().upstreams == 0);
            }
            assert_eq!(origin.seen().len(), 20);
        }
    }
}
