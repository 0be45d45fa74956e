//! Upstream connections used again: which, for whom, for how long, and what happens when they are dead.

use std::collections::HashMap;
use std::time::Duration;

use crate::support::answer::{answer, answer_head};
use crate::support::client::{asking, get};
use crate::support::proxy::Proxy;
use crate::support::script::{Scripted, Visit, ok, path};
use crate::support::wire::How;

#[test]
fn two_origins_are_kept_and_a_third_drives_out_the_oldest() {
    let proxy = Proxy::start();
    let origins = [0; 3].map(|_| Scripted::echoing_paths());
    let mut client = asking(&proxy, "");
    let rows = [
        // Which origin is asked next, and how many connections each has had by then.
        (0, [1, 0, 0]),
        (1, [1, 1, 0]),
        (0, [1, 1, 0]),
        (1, [1, 1, 0]),
        (0, [1, 1, 0]),
        (2, [1, 1, 1]),
        (0, [1, 1, 1]),
        (1, [1, 2, 1]),
        (0, [1, 2, 1]),
        (2, [1, 2, 2]),
    ];
    for (step, (asked, connections)) in rows.into_iter().enumerate() {
        client.send(get(origins[asked].address(), "/x"));
        assert_eq!(answer(&mut client).text(), "/x", "step {step}");
        assert_eq!(origins.each_ref().map(|origin| origin.seen().len()), connections, "step {step}");
    }
    assert_eq!(origins[1].ended(0).end, Some(How::Fin), "the one driven out was closed");
    drop(client);
    proxy.wait_until_empty();
}

#[test]
fn a_connection_serves_one_client_and_one_name() {
    let origin = Scripted::echoing_paths();
    let port = origin.address().port();
    let proxy = Proxy::with(|settings| {
        for name in ["a.example", "b.example"] {
            settings.resolver.hosts.insert(name.into(), vec!["127.0.0.1".parse().expect("address")]);
        }
    });
    let ask = |name: &str| format!("GET http://{name}:{port}/ HTTP/1.1\r\nHost: h\r\n\r\n");
    let (mut one, mut other) = (asking(&proxy, ask("a.example")), asking(&proxy, ask("a.example")));
    answer(&mut one);
    answer(&mut other);
    assert_eq!(origin.seen().len(), 2, "two clients");
    one.send(ask("b.example"));
    answer(&mut one);
    assert_eq!(origin.seen().len(), 3, "two names of one address");
    one.send(ask("A.Example") + &ask("a.example."));
    answer(&mut one);
    answer(&mut one);
    assert_eq!(origin.seen().len(), 3, "other spellings of a name");
}

#[test]
fn origins_that_close_behind_every_response_cost_nobody_an_error() {
    type Leave = fn(&mut Visit);
    let rows: [(&str, Leave); 3] = [
        ("FIN behind every response", |visit| visit.finish()),
        ("RST behind every response", |visit| visit.reset()),
        // Read to its end, so that the kernel does not make an RST of the FIN.
        ("FIN in place of every second response", |visit| {
            visit.head();
            visit.finish();
        }),
    ];
    for (name, leave) in rows {
        println!("{name}");
        let proxy = Proxy::start();
        let origin = Scripted::start(move |visit| {
            if let Some(head) = visit.head() {
                visit.send(ok(path(&head)));
                leave(visit);
            }
        });
        let mut client = asking(&proxy, "");
        for round in 0..200 {
            let path = format!("/{round}");
            client.send(get(origin.address(), &path));
            let got = answer(&mut client);
            assert_eq!((got.status, got.text()), (200, path), "{name}: {got:?}");
        }
    }
}

#[test]
fn the_origin_says_how_long_its_connection_is_good_for() {
    let proxy = Proxy::start();
    for (name, timeout, kept) in [
        ("1 s", "timeout=1", false),
        ("2 s", "timeout=2, max=100", false),
        ("0 s", "max=5, timeout=0", false),
        // Ended by us a second before the origin would.
        ("3 s", "timeout=3", true),
    ] {
        println!("{name}");
        let origin =
            Scripted::answering(format!("HTTP/1.1 200 OK\r\nKeep-Alive: {timeout}\r\nContent-Length: 2\r\n\r\nhi"));
        let mut client = asking(&proxy, get(origin.address(), "/"));
        assert_eq!(answer(&mut client).text(), "hi");
        // Nothing else could close it before its origin or our own 30 s do.
        assert_eq!(origin.ended(0).end, Some(How::Fin), "{name}");
        client.send(get(origin.address(), "/"));
        assert_eq!(answer(&mut client).text(), "hi");
        assert_eq!(origin.seen().len(), 2, "{name}");
        if kept {
            client.send(get(origin.address(), "/"));
            assert_eq!(answer(&mut client).text(), "hi");
            assert_eq!(origin.seen().len(), 2, "{name}: within its time it is used again");
        }
    }
}

#[test]
fn our_own_idle_time_ends_a_kept_connection() {
    let proxy = Proxy::with(|settings| settings.timeouts.upstream_idle = Duration::from_millis(200));
    let origin = Scripted::answering("HTTP/1.1 200 OK\r\nKeep-Alive: timeout=60\r\nContent-Length: 2\r\n\r\nhi");
    let mut client = asking(&proxy, get(origin.address(), "/"));
    assert_eq!(answer(&mut client).text(), "hi");
    assert_eq!(origin.ended(0).end, Some(How::Fin));
}

/// A request that counts itself at the origin.
fn request(method: &str, origin: &Scripted, id: usize, body: &str) -> String {
    let length = if body.is_empty() { String::new() } else { format!("Content-Length: {}\r\n", body.len()) };
    format!("{method} http://{0}/id-{id}- HTTP/1.1\r\nHost: {0}\r\n{length}\r\n{body}", origin.address())
}

fn times_seen(origin: &Scripted, id: usize) -> usize {
    origin.seen().iter().map(|seen| seen.text().matches(&format!("/id-{id}- ")).count()).sum()
}

#[test]
fn a_request_that_a_kept_connection_lost_is_repeated_once_if_that_does_no_harm() {
    let proxy = Proxy::start();
    for (method, body, repeated) in [
        ("GET", "", true),
        ("HEAD", "", true),
        ("OPTIONS", "", true),
        ("DELETE", "", true),
        ("PUT", "", true),
        ("PUT", "hello", true),
        ("POST", "", false),
        ("POST", "hello", false),
        ("PATCH", "hello", false),
        ("FETCH", "", false),
        ("get", "", false),
    ] {
        for reset in [false, true] {
            println!("{method} {body:?}, reset: {reset}");
            let origin = Scripted::start(move |visit| {
                while visit.request().is_some() {
                    visit.send(ok("fine"));
                    if visit.number == 0 {
                        visit.request();
                        return if reset { visit.reset() } else { visit.finish() };
                    }
                }
            });
            let mut client = asking(&proxy, request("GET", &origin, 1, ""));
            assert_eq!(answer(&mut client).text(), "fine");
            client.send(request(method, &origin, 2, body));
            let got = if method == "HEAD" { answer_head(&mut client).expect("a head") } else { answer(&mut client) };
            let on_kept = origin.seen()[0].text().contains("/id-2- ");
            // On a slow machine a request that must not be repeated may have gone on a fresh connection at once.
            let status = if repeated || !on_kept { 200 } else { 502 };
            assert_eq!(got.status, status, "{method} {body:?}: {got:?}");
            let times = if repeated { 2 } else { 1 };
            assert_eq!(times_seen(&origin, 2), times, "{method} {body:?}");
        }
    }
}

#[test]
fn a_repeated_request_that_is_lost_again_is_a_502() {
    let proxy = Proxy::start();
    let origin = Scripted::start(|visit| {
        visit.head();
        if visit.number == 0 {
            visit.send(ok("fine"));
            visit.head();
        }
        visit.finish();
    });
    let mut client = asking(&proxy, request("GET", &origin, 1, ""));
    assert_eq!(answer(&mut client).text(), "fine");
    client.send(request("GET", &origin, 2, ""));
    assert_eq!(answer(&mut client).status, 502);
    assert_eq!(times_seen(&origin, 2), 2);
    // A fresh connection that dies is not tried again at all.
    client.send(request("GET", &origin, 3, ""));
    assert_eq!(answer(&mut client).status, 502);
    assert_eq!(times_seen(&origin, 3), 1);
}

#[test]
fn a_request_that_was_answered_in_part_is_not_repeated() {
    let proxy = Proxy::start();
    for (name, part) in [
        ("one byte", "H"),
        ("half a head", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n"),
        ("an interim answer", "HTTP/1.1 102 Processing\r\n\r\n"),
    ] {
        println!("{name}");
        let origin = Scripted::start(move |visit| {
            visit.head();
            visit.send(ok("fine"));
            if visit.head().is_some() {
                visit.send(part);
                visit.finish();
            }
        });
        let mut client = asking(&proxy, request("GET", &origin, 1, ""));
        assert_eq!(answer(&mut client).text(), "fine");
        client.send(request("GET", &origin, 2, ""));
        let mut got = answer(&mut client);
        if got.status == 102 {
            got = answer(&mut client);
        }
        assert_eq!(got.status, 502, "{name}: {got:?}");
        assert_eq!(times_seen(&origin, 2), 1, "{name}");
    }
}

#[test]
fn a_post_goes_on_a_connection_just_proven_or_on_a_fresh_one() {
    let proxy = Proxy::start();
    let origin = Scripted::start(|visit| {
        while visit.request().is_some() {
            visit.send(ok("fine"));
        }
    });
    let mut client = asking(&proxy, request("GET", &origin, 1, ""));
    assert_eq!(answer(&mut client).text(), "fine");
    // The age of the connection is what is tested; nothing happens that could be waited for.
    std::thread::sleep(Duration::from_millis(1100));
    client.send(request("GET", &origin, 2, ""));
    assert_eq!(answer(&mut client).text(), "fine");
    assert_eq!(origin.seen().len(), 1, "a GET may be repeated, so it goes on the kept connection");
    std::thread::sleep(Duration::from_millis(1100));
    client.send(request("POST", &origin, 3, "hello"));
    assert_eq!(answer(&mut client).text(), "fine");
    let seen = origin.seen();
    assert_eq!(seen.len(), 2, "a POST may not");
    assert!(seen[1].text().starts_with("POST /id-3- "), "{seen:?}");
}

#[test]
fn no_post_is_sent_twice_by_racing_the_origins_close() {
    let proxy = Proxy::start();
    let origin = Scripted::start(|visit| {
        if visit.request().is_some() {
            visit.send(ok("fine"));
            visit.finish();
        }
    });
    let mut client = asking(&proxy, "");
    let mut statuses = HashMap::new();
    for id in 0..200 {
        let method = if id % 2 == 0 { "GET" } else { "POST" };
        client.send(request(method, &origin, id, if id % 2 == 0 { "" } else { "hello" }));
        let got = answer(&mut client);
        *statuses.entry((method, got.status)).or_insert(0) += 1;
        if got.field("Connection") == Some("close") {
            client = asking(&proxy, "");
        }
    }
    assert_eq!(statuses.get(&("GET", 200)), Some(&100), "{statuses:?}");
    assert!(statuses.keys().all(|(_, status)| matches!(status, 200 | 502)), "{statuses:?}");
    let text: String = origin.seen().iter().map(|seen| seen.text()).collect();
    for id in (1..200).step_by(2) {
        assert!(text.matches(&format!("/id-{id}- ")).count() <= 1, "POST {id} was sent twice");
    }
    println!("{statuses:?}");
}
