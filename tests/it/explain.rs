//! `/api/v1/ends`: for every way in which something can end, who closed, how, after how much silence, and what the
//! connection had behind it.

use std::time::Duration;

use serde_json::Value;

use crate::support::admin::ask;
use crate::support::answer::{answer, try_answer};
use crate::support::client::{asking, get, tunnel};
use crate::support::origin::{BlackHole, Origin};
use crate::support::proxy::Proxy;
use crate::support::rules::{limited, wait_for_use};
use crate::support::script::{Scripted, ok};
use crate::support::wire::Wire;

const BEGUN: &str = "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nbegun";

/// The entries for this id, newest first; waits until there are as many.
fn ends(proxy: &Proxy, id: &str, count: usize) -> Vec<Value> {
    let read = || {
        let (status, body) = ask(proxy, &format!("/api/v1/ends?id={id}"));
        assert_eq!(status, 200, "{body}");
        let page: Value = serde_json::from_str(&body).expect("JSON");
        page["ends"].as_array().expect("ends").clone()
    };
    proxy.wait_until(&format!("{count} ends of {id}"), |_| read().len() >= count);
    let found = read();
    assert_eq!(found.len(), count, "{found:?}");
    found
}

/// The only client's id.
fn id(proxy: &Proxy) -> String {
    proxy.streams()[0].id.to_string()
}

/// The end of the first exchange, which was closed by `who` as `manner` for `reason`.
fn told(proxy: &Proxy, id: &str, who: &str, manner: &str, reason: &str) -> Value {
    let end = ends(proxy, &format!("{id}-1"), 1).remove(0);
    let text = |key: &str| end[key].as_str().unwrap_or_default().to_owned();
    assert_eq!(
        (text("closed_by"), text("manner"), text("reason")),
        (who.into(), manner.into(), reason.into()),
        "{end}"
    );
    assert_eq!(end["id"], format!("{id}-1"));
    assert!(end["told"].as_array().is_some_and(|told| !told.is_empty()), "{end}");
    end
}

/// A client that has the beginning of a body, and its origin's end.
fn begun(proxy: &Proxy, origin: &Origin) -> (Wire, Wire) {
    let mut client = asking(proxy, get(origin.address(), "/"));
    let mut served = origin.accept();
    served.head();
    served.send(BEGUN);
    client.head();
    assert_eq!(client.exactly(5), b"begun");
    (client, served)
}

#[test]
fn a_client_that_left() {
    for (manner, reason) in [("fin", "client_fin"), ("reset", "client_reset")] {
        let (proxy, origin) = (Proxy::start(), Origin::bind());
        let (client, _served) = begun(&proxy, &origin);
        let id = id(&proxy);
        if manner == "fin" {
            drop(client)
        } else {
            client.reset()
        }
        let end = told(&proxy, &id, "client", manner, reason);
        assert_eq!((&end["phase"], &end["upstream"]), (&"response_body".into(), &Value::Null));
        assert_eq!(end["destination"], origin.address().to_string());
        assert!(end["bytes_out"].as_u64() > Some(5) && end["bytes_in"].as_u64() > Some(20), "{end}");
        let word = manner.to_uppercase().replace("RESET", "RST");
        assert!(end["told"][0].as_str().expect("a sentence").contains(&format!("The client closed first ({word})")));
    }
}

#[test]
fn an_origin_that_cut_its_body() {
    for (manner, reason) in [("fin", "response_cut"), ("reset", "response_reset")] {
        let (proxy, origin) = (Proxy::start(), Origin::bind());
        let (mut client, served) = begun(&proxy, &origin);
        let id = id(&proxy);
        if manner == "fin" {
            drop(served)
        } else {
            served.reset()
        }
        client.rest();
        told(&proxy, &id, "upstream", manner, reason);
    }
}

#[test]
fn an_origin_that_closed_before_it_answered() {
    for (manner, reason) in [("fin", "upstream_closed"), ("reset", "upstream_reset")] {
        let (proxy, origin) = (Proxy::start(), Origin::bind());
        let mut client = asking(&proxy, get(origin.address(), "/"));
        let mut served = origin.accept();
        served.head();
        let id = id(&proxy);
        if manner == "fin" {
            drop(served)
        } else {
            served.reset()
        }
        assert_eq!(answer(&mut client).status, 502);
        told(&proxy, &id, "upstream", manner, reason);
    }
}

#[test]
fn an_origin_that_closed_an_idle_connection() {
    for manner in ["fin", "reset"] {
        let (proxy, origin) = (Proxy::start(), Origin::bind());
        let mut client = asking(&proxy, get(origin.address(), "/"));
        let mut served = origin.accept();
        served.head();
        served.send(ok("fine"));
        assert_eq!(answer(&mut client).text(), "fine");
        let id = id(&proxy);
        if manner == "fin" {
            drop(served)
        } else {
            served.reset()
        }
        let found = ends(&proxy, &id, 2);
        let kept = found.iter().find(|end| end["entry"] == "kept").expect("the idle connection");
        assert_eq!((&kept["closed_by"], &kept["manner"]), (&"upstream".into(), &manner.into()), "{kept}");
        assert_eq!((&kept["id"], &kept["upstream"]["served"]), (&format!("{id}-1").into(), &1.into()), "{kept}");
        assert!(kept["upstream"]["idle_ms"].is_u64() && kept["destination"] == origin.address().to_string());
        assert!(kept["told"][0].as_str().expect("a sentence").ends_with("nothing was lost."), "{kept}");
        // It cost its client nothing.
        client.send(get(origin.address(), "/"));
        let mut again = origin.accept();
        again.head();
        again.send(ok("again"));
        assert_eq!(answer(&mut client).text(), "again");
    }
}

#[test]
fn a_connection_that_was_reused_says_how_often() {
    let (proxy, origin) = (Proxy::start(), Origin::bind());
    let mut client = asking(&proxy, get(origin.address(), "/"));
    let mut served = origin.accept();
    for _ in 0..3 {
        served.head();
        served.send(ok("fine"));
        assert_eq!(answer(&mut client).text(), "fine");
        client.send(get(origin.address(), "/"));
    }
    served.head();
    served.send(BEGUN);
    client.head();
    let id = id(&proxy);
    served.reset();
    let _ = client.rest();
    let end = ends(&proxy, &format!("{id}-4"), 1).remove(0);
    assert_eq!((&end["reason"], &end["upstream"]["served"]), (&"response_reset".into(), &3.into()), "{end}");
    assert_eq!(end["retried"], false);
    assert!(end["told"].to_string().contains("had served 3 requests and been idle for"), "{end}");
}

#[test]
fn a_retry_is_told() {
    let proxy = Proxy::start();
    let origin = Scripted::start(|visit| {
        while visit.head().is_some() {
            visit.send(ok("fine"));
            // The first connection dies with the next request on it.
            if visit.number == 0 && visit.head().is_some() {
                visit.reset();
                return;
            }
        }
    });
    let mut client = asking(&proxy, get(origin.address(), "/"));
    assert_eq!(answer(&mut client).text(), "fine");
    client.send(get(origin.address(), "/"));
    assert_eq!(answer(&mut client).text(), "fine");
    let end = ends(&proxy, &format!("{}-2", id(&proxy)), 1).remove(0);
    assert_eq!((&end["retried"], &end["reason"], &end["closed_by"]), (&true.into(), &"done".into(), &"nobody".into()));
    assert!(end["told"].to_string().contains("never answered; the second went out on a fresh one"), "{end}");
}

#[test]
fn a_time_that_ran_out() {
    let short = Duration::from_millis(200);
    let origin = Origin::bind();
    for (name, timer, reason) in [
        ("answered late", "response_head", "response_head_timeout"),
        ("silent body", "stream_idle", "response_body_timeout"),
        ("not accepted", "connect", "connect_timeout"),
    ] {
        let proxy = Proxy::with(|settings| {
            settings.timeouts.response_head = short;
            settings.timeouts.stream_idle = short;
            settings.timeouts.connect = short;
            settings.timeouts.connect_total = short;
        });
        let hole = BlackHole::dig();
        let to = if timer == "connect" { hole.address() } else { origin.address() };
        let mut client = asking(&proxy, get(to, "/"));
        let mut served = (timer != "connect").then(|| origin.accept());
        proxy.wait_until("asked", |proxy| proxy.open().exchanges == 1);
        let id = id(&proxy);
        if let (Some(served), "stream_idle") = (&mut served, timer) {
            served.head();
            served.send(BEGUN);
        }
        let _ = try_answer(&mut client);
        let end = told(&proxy, &id, "proxy", "time_out", reason);
        assert_eq!(end["timer"], timer, "{name}");
        if timer != "connect" {
            assert!(end["idle_ms"].as_u64() >= Some(190), "{end}");
        }
        assert!(end["told"][0].as_str().expect("a sentence").contains(&format!("the time-out {timer} ran out")));
    }
}

#[test]
fn a_tunnel_whose_end_was_half_closed() {
    let proxy = Proxy::with(|settings| settings.timeouts.half_close_tunnel = Duration::from_millis(200));
    let origin = Origin::bind();
    let (client, _served) = tunnel(&proxy, &origin);
    let id = id(&proxy);
    client.finish();
    let end = told(&proxy, &id, "client", "fin", "tunnel_half_close");
    assert_eq!(end["timer"], "half_close_tunnel");
    assert!(end["told"].to_string().contains("Then the time-out half_close_tunnel ran out"), "{end}");
}

#[test]
fn a_tunnel_whose_origin_closed_first() {
    let (proxy, origin) = (Proxy::start(), Origin::bind());
    let (mut client, served) = tunnel(&proxy, &origin);
    let id = id(&proxy);
    drop(served);
    client.rest();
    drop(client);
    told(&proxy, &id, "upstream", "fin", "done");
    let (proxy, origin) = (Proxy::start(), Origin::bind());
    let (_client, served) = tunnel(&proxy, &origin);
    let id = self::id(&proxy);
    served.reset();
    told(&proxy, &id, "upstream", "reset", "tunnel_upstream_reset");
}

#[test]
fn a_limit_that_was_reached() {
    let rule = "[[limit]]\nname = \"one-each\"\nper = \"source\"\nexchanges = 1\n";
    let (proxy, origin) = (limited(rule), Origin::bind());
    let held = begun(&proxy, &origin);
    wait_for_use(&proxy, "one-each", 1, 0, 0);
    let first = proxy.streams()[0].id;
    let mut client = asking(&proxy, get(origin.address(), "/"));
    assert_eq!(answer(&mut client).status, 429);
    let id = proxy.streams().iter().map(|row| row.id).find(|id| *id != first).expect("the refused one").to_string();
    let end = told(&proxy, &id, "proxy", "limit", "source_limit");
    assert_eq!(end["limit"], "one-each");
    assert!(end["told"][0].as_str().expect("a sentence").contains("the limit one-each was reached"), "{end}");
    drop(held);
}

#[test]
fn a_stream_that_made_room() {
    let rule = "[[limit]]\nname = \"room\"\nper = \"source\"\nstreams = 1\nover = \"evict_oldest_idle\"\n";
    let (proxy, origin) = (limited(rule), Origin::bind());
    let stream = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Length: 100\r\n\r\nbegun";
    let begin = || {
        let mut client = asking(&proxy, get(origin.address(), "/"));
        let mut served = origin.accept();
        served.head();
        served.send(stream);
        client.head();
        (client, served)
    };
    let (mut first, _served) = begin();
    let id = id(&proxy);
    let _second = begin();
    first.rest();
    let end = told(&proxy, &id, "proxy", "limit", "stream_evicted");
    assert_eq!(end["limit"], "room", "the rule is named");
}

#[test]
fn ends_can_be_asked_for_in_other_ways() {
    let (proxy, origin) = (Proxy::start(), Origin::bind());
    let (client, _served) = begun(&proxy, &origin);
    let number = id(&proxy);
    client.reset();
    told(&proxy, &number, "client", "reset", "client_reset");
    for (query, count) in [
        (format!("id={number}"), 1),
        (format!("id={number}-2"), 0),
        ("reason=client_reset".to_owned(), 1),
        ("reason=client_fin".to_owned(), 0),
        (format!("destination={}", origin.address()), 1),
        ("destination=127.0.0.1".to_owned(), 1),
        ("destination=127.0.0.9".to_owned(), 0),
    ] {
        let (status, body) = ask(&proxy, &format!("/api/v1/ends?{query}"));
        let page: Value = serde_json::from_str(&body).expect("JSON");
        assert_eq!((status, page["total"].as_u64()), (200, Some(count)), "{query}: {body}");
    }
    for query in ["id=x", "reason=nonsense", "limit=x"] {
        assert_eq!(ask(&proxy, &format!("/api/v1/ends?{query}")).0, 400, "{query}");
    }
}
