//! Files that were changed and read again.

use tether::base::phase::Phase;

use super::{Filed, MAIN, per_source};
use crate::support::admin;
use crate::support::answer::answer;
use crate::support::client::{asking, get};
use crate::support::origin::Origin;
use crate::support::rules::{asking_from, rule, wait_for_use};
use crate::support::script::{Scripted, ok};
use crate::support::wire::Wire;

const A: &str = "127.0.0.2";

fn holding(filed: &Filed, origin: &Origin, count: usize) -> (Vec<Wire>, Vec<Wire>) {
    (0..count)
        .map(|_| {
            let mut client = asking_from(A, &filed.proxy, get(origin.address(), "/"));
            let mut served = origin.accept();
            served.head();
            served.send("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Length: 100\r\n\r\none");
            client.head();
            client.exactly(3);
            (client, served)
        })
        .unzip()
}

#[test]
fn a_higher_limit_serves_those_who_wait() {
    let queue = "over = \"queue\"\nqueue = { max = 8, wait = \"60s\" }";
    let (filed, origin) = (Filed::start(&per_source(2, 2, queue)), Origin::bind());
    let _held = holding(&filed, &origin, 2);
    let mut waiting: Vec<Wire> = (0..3).map(|_| asking_from(A, &filed.proxy, get(origin.address(), "/"))).collect();
    wait_for_use(&filed.proxy, "source", 2, 2, 3);
    filed.set_limits(&per_source(4, 2, queue));
    assert_eq!(filed.reload(), [""; 0]);
    wait_for_use(&filed.proxy, "source", 4, 2, 1);
    filed.set_limits("");
    filed.reload();
    filed.proxy.wait_until("all are served", |proxy| {
        proxy.streams().iter().all(|row| row.phase != Phase::Queued) && proxy.open().upstreams == 5
    });
    for _ in 0..waiting.len() {
        let mut served = origin.accept();
        served.head();
        served.send(ok("fine"));
    }
    waiting.iter_mut().for_each(|client| assert_eq!(answer(client).text(), "fine"));
}

#[test]
fn what_is_held_stays_and_counts() {
    let (filed, origin) = (Filed::start(&per_source(8, 4, "")), Origin::bind());
    let (mut clients, mut served) = holding(&filed, &origin, 4);
    filed.set_limits(&per_source(8, 2, ""));
    filed.reload();
    wait_for_use(&filed.proxy, "source", 4, 4, 0);
    let refused = |filed: &Filed| {
        let mut client = asking_from(
            A,
            &filed.proxy,
            get(origin.address(), "/").replace("\r\n\r\n", "\r\nAccept: text/event-stream\r\n\r\n"),
        );
        answer(&mut client).status
    };
    assert_eq!(refused(&filed), 429);
    for (client, served) in clients.iter_mut().zip(&mut served) {
        served.send("two");
        assert_eq!(client.exactly(3), b"two");
    }
    // Under another name it is another rule: those who are here are not counted by it until they ask again.
    filed.set_limits(&per_source(8, 2, "").replace("\"source\"\nper", "\"renamed\"\nper"));
    filed.reload();
    assert_eq!(rule(&filed.proxy, "renamed").streams, 0);
    filed.set_limits(&per_source(8, 2, ""));
    filed.reload();
    wait_for_use(&filed.proxy, "source", 4, 4, 0);
    clients.truncate(1);
    wait_for_use(&filed.proxy, "source", 1, 1, 0);
    served[0].send("three");
    assert_eq!(clients[0].exactly(5), b"three");
}

#[test]
fn a_bad_file_changes_nothing_and_says_where() {
    let filed = Filed::start(&per_source(1, 1, ""));
    let origin = Scripted::echoing_paths();
    filed.set_limits(&per_source(3, 1, "over = \"explode\""));
    let diagnostic = filed.proxy.app().reloader().reload().expect_err("a bad file");
    assert!(diagnostic.contains("policies/limits.toml:6:") && diagnostic.contains("explode"), "{diagnostic}");
    let rules = filed.proxy.app().reloader().limits().rules();
    let source = rules.limits.iter().find(|rule| &*rule.scope.name == "source").expect("the rule");
    assert_eq!(source.exchanges, Some(1), "the old one");
    let (_, page) = admin::ask(&filed.proxy, "/metrics");
    for line in [
        "tether_config_reloads_total{result=\"failed\"} 1",
        "tether_config_reloads_total{result=\"done\"} 0",
        "tether_config_last_reload_successful 0",
        "tether_config_generation 1",
    ] {
        assert!(page.lines().any(|own| own == line), "no {line}\n{page}");
    }
    for bad in [("workers = \"many\"\n", ""), (MAIN, "[[limit]]\n"), (MAIN, "not toml at all ["), (MAIN, "\u{0}")] {
        filed.set(bad.0, bad.1);
        assert!(filed.proxy.app().reloader().reload().is_err(), "{bad:?}");
    }
    std::fs::remove_file(filed.path().join("tether.toml")).expect("a file");
    assert!(filed.proxy.app().reloader().reload().expect_err("no file").contains("tether.toml"));
    assert_eq!(answer(&mut asking(&filed.proxy, get(origin.address(), "/still"))).text(), "/still");
    filed.set_limits(&per_source(3, 1, ""));
    filed.reload();
    let (_, page) = admin::ask(&filed.proxy, "/metrics");
    assert!(
        page.contains("\ntether_config_last_reload_successful 1\n") && page.contains("\ntether_config_generation 2\n")
    );
}

#[test]
fn where_clients_may_go_holds_for_the_next_request() {
    let filed = Filed::start("");
    let origin = Scripted::echoing_paths();
    let mut client = asking(&filed.proxy, get(origin.address(), "/one"));
    assert_eq!(answer(&mut client).text(), "/one");
    filed.set("[destinations]\nallow = []\n", "");
    filed.reload();
    // Over a new connection to an origin, and over the one that is kept.
    let other = Scripted::echoing_paths();
    for to in [other.address(), origin.address()] {
        client.send(get(to, "/two"));
        let refused = answer(&mut client);
        assert_eq!(refused.status, 403, "{to}: {}", refused.head);
        assert_eq!(refused.field("Connection"), Some("keep-alive"));
    }
    assert_eq!(answer(&mut asking(&filed.proxy, get(origin.address(), "/three"))).status, 403);
    filed.set(MAIN, "");
    filed.reload();
    client.send(get(origin.address(), "/three"));
    assert_eq!(answer(&mut client).text(), "/three");
}

#[test]
fn a_limit_holds_for_the_next_request_of_an_open_connection() {
    let filed = Filed::start("");
    let origin = Origin::bind();
    let mut client = asking_from(A, &filed.proxy, get(origin.address(), "/one"));
    let mut served = origin.accept();
    served.head();
    served.send(ok("one"));
    assert_eq!(answer(&mut client).text(), "one");
    let _held = holding(&filed, &origin, 1);
    filed.set_limits(&per_source(1, 1, ""));
    filed.reload();
    let mut other = asking_from(A, &filed.proxy, get(origin.address(), "/"));
    let mut its_origin = origin.accept();
    its_origin.head();
    // Of those held before the rule was made nothing is known to it.
    wait_for_use(&filed.proxy, "source", 1, 0, 0);
    client.send(get(origin.address(), "/two"));
    assert_eq!(answer(&mut client).status, 429);
    its_origin.send(ok("other"));
    assert_eq!(answer(&mut other).text(), "other");
}

#[test]
fn what_cannot_change_while_it_runs_is_named() {
    let filed = Filed::start("");
    filed.set(&format!("{MAIN}[timeouts]\nclient_idle = \"50s\"\n"), "");
    assert_eq!(filed.reload(), [""; 0], "this one can");
    let path = filed.path().join("tether.toml");
    let text = std::fs::read_to_string(&path).expect("the file");
    let text = text.replace("workers = 2", "workers = 3").replacen("127.0.0.1:0", "127.0.0.1:1", 1);
    let text = text.replacen("127.0.0.1:0", "127.0.0.1:2", 1);
    let text = text.replace("access = \"off\"", "access = \"off\"\nformat = \"squid\"");
    std::fs::write(&path, text).expect("the file");
    assert_eq!(filed.reload(), ["workers", "admin.bind", "forward.bind", "log.format"]);
}

#[test]
fn the_bound_of_memory_takes_effect_or_is_named() {
    let filed = Filed::start_with(&format!("{MAIN}[limits]\nmemory = \"64GiB\"\n"), "");
    filed.set(&format!("{MAIN}[limits]\nmemory = \"65GiB\"\n"), "");
    let needs_restart = filed.reload();
    if needs_restart != ["limits.memory"] {
        // Then it holds at once: with the least that may be set the proxy is short of memory.
        filed.set(&format!("{MAIN}[limits]\nmemory = \"16MiB\"\n"), "");
        filed.reload();
        filed.proxy.wait_until("short of memory", |proxy| {
            !admin::ask(proxy, "/metrics").1.contains("\ntether_overload_level 0\n")
        });
    }
}

#[test]
fn the_share_of_streams_can_change() {
    let filed = Filed::start_with(&format!("{MAIN}[limits]\nstream_lane = 50\n"), "");
    let lane = |filed: &Filed| filed.proxy.app().reloader().limits().rules().limits[0].streams.expect("a lane");
    let before = lane(&filed);
    filed.set(&format!("{MAIN}[limits]\nstream_lane = 25\n"), "");
    assert_eq!(filed.reload(), [""; 0]);
    assert!(lane(&filed).abs_diff(before / 2) <= 1, "{before}, then {}", lane(&filed));
}

#[test]
fn reloads_under_way_lose_nothing() {
    let (filed, origin) = (Filed::start(&per_source(64, 64, "")), Scripted::echoing_paths());
    let (to, port) = (origin.address(), filed.proxy.address());
    let asking = std::thread::spawn(move || {
        for number in 0..300 {
            let mut client = Wire::connect_from(A, port);
            for path in [format!("/{number}a"), format!("/{number}b")] {
                client.send(get(to, &path));
                assert_eq!(answer(&mut client).text(), path);
            }
        }
    });
    let mut reloads = 0;
    while !asking.is_finished() {
        filed.set_limits(&per_source(
            64 + reloads % 3,
            64,
            ["", "mode = \"simulate\"", "over = \"queue\""][reloads as usize % 3],
        ));
        filed.reload();
        reloads += 1;
    }
    asking.join().expect("every answer");
    assert!(reloads > 1, "{reloads}");
    wait_for_use(&filed.proxy, "source", 0, 0, 0);
    filed.proxy.wait_until("forgotten", |proxy| proxy.app().reloader().limits().entries() == 0);
}
