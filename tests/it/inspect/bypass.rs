//! The bypass list for traffic under way: what it names is not scanned, and everything else is.

use serde_json::Value;
use tether::inspect::settings::eicar;
use tether::policy::bypass::entry::BypassRule;
use tether::policy::bypass::pattern::Pattern;
use tether::policy::bypass::skips::Skips;

use super::eicar::assert_blocked;
use super::wrapped::{Framing, chunk};
use super::{logged, logging, metric, patient, scanning_with, serving, wait_until_nothing_is_left};
use crate::support::admin;
use crate::support::answer::{Answer, answer};
use crate::support::client::asking;
use crate::support::origin::Origin;
use crate::support::proxy::Proxy;
use crate::support::rules::{asking_from, keep};
use crate::support::script::{Scripted, path};
use crate::support::wire::Wire;

fn rule(pattern: &str) -> BypassRule {
    BypassRule::new(Pattern::parse(pattern).expect("a pattern"))
}

fn bypassing(entries: Vec<BypassRule>) -> Proxy {
    bypassing_with(entries, |_| {})
}

fn bypassing_with(entries: Vec<BypassRule>, change: impl FnOnce(&mut tether::config::settings::Settings)) -> Proxy {
    scanning_with(|settings| {
        patient(settings);
        for name in ["files.test", "p1.live.test", "live.test", "other.test"] {
            settings.resolver.hosts.insert(name.into(), vec!["127.0.0.1".parse().expect("an address")]);
        }
        settings.bypass_book.entries = entries;
        change(settings);
    })
}

fn bad() -> Scripted {
    serving(Framing::Length, "Content-Type: video/mp4\r\n", &eicar())
}

fn request(host: &str, origin: &Scripted, path: &str) -> String {
    let host = format!("{host}:{}", origin.address().port());
    format!("GET http://{host}{path} HTTP/1.1\r\nHost: {host}\r\n\r\n")
}

fn fetch(proxy: &Proxy, host: &str, origin: &Scripted, path: &str) -> Answer {
    answer(&mut asking(proxy, request(host, origin, path)))
}

#[track_caller]
fn assert_passed(answer: &Answer, what: &str) {
    assert!(answer.status == 200 && answer.body == eicar(), "{what}: {}", answer.head);
}

/// The entries as the admin port shows them.
fn entries(proxy: &Proxy) -> Vec<Value> {
    let page: Value = serde_json::from_str(&admin::ask(proxy, "/api/v1/bypass").1).expect("JSON");
    page["entries"].as_array().expect("entries").clone()
}

#[test]
fn hosts_wildcards_and_networks() {
    let (proxy, origin) = (bypassing(vec![rule("files.test"), rule("p*.live.test")]), bad());
    assert_passed(&fetch(&proxy, "files.test", &origin, "/a"), "a host");
    assert_passed(&fetch(&proxy, "FILES.test", &origin, "/a"), "a host in capitals");
    assert_passed(&fetch(&proxy, "p1.live.test", &origin, "/a"), "a wildcard");
    for host in ["live.test", "other.test", "127.0.0.1"] {
        assert_blocked(&fetch(&proxy, host, &origin, "/a"), host);
    }
    let hits: Vec<u64> = entries(&proxy).iter().map(|entry| entry["hits"].as_u64().expect("hits")).collect();
    assert_eq!(hits, [2, 1]);
    assert_eq!(metric(&proxy, "tether_bypass_hits_total"), 3);
    let proxy = bypassing(vec![rule("127.0.0.0/30")]);
    assert_passed(&fetch(&proxy, "127.0.0.1", &origin, "/a"), "an address");
    assert_passed(&fetch(&proxy, "other.test", &origin, "/a"), "the address of a name, once it is dialled");
    let hits: Vec<u64> = entries(&proxy).iter().map(|entry| entry["hits"].as_u64().expect("hits")).collect();
    assert_eq!(hits, [2]);
}

#[test]
fn prefixes_of_urls() {
    let origin = bad();
    let place = format!("http://files.test:{}/live/", origin.address().port());
    let proxy = bypassing(vec![rule(&place)]);
    for path in ["/live/", "/live/a?b=c"] {
        assert_passed(&fetch(&proxy, "files.test", &origin, path), path);
    }
    for path in ["/", "/live", "/Live/", "/live/../x", "/live/%2e%2e/x", "/x?u=/live/"] {
        assert_blocked(&fetch(&proxy, "files.test", &origin, path), path);
    }
    assert_blocked(&fetch(&proxy, "other.test", &origin, "/live/"), "another host");
}

#[test]
fn types_of_answers() {
    let (proxy, film) = (bypassing(vec![rule("type:video/*")]), bad());
    assert_passed(&fetch(&proxy, "files.test", &film, "/a"), "a film");
    let text = serving(Framing::Length, "Content-Type: text/plain\r\n", &eicar());
    assert_blocked(&fetch(&proxy, "files.test", &text, "/a"), "text");
    let untold = serving(Framing::Length, "", &eicar());
    assert_blocked(&fetch(&proxy, "files.test", &untold, "/a"), "nothing said");
    assert_eq!(entries(&proxy)[0]["hits"], 1);
}

#[test]
fn sources() {
    let for_one = BypassRule { source: Some("127.0.0.7/32".parse().expect("a net")), ..rule("*") };
    let (proxy, origin) = (bypassing(vec![for_one]), bad());
    let asked = request("files.test", &origin, "/a");
    assert_passed(&answer(&mut asking_from("127.0.0.7", &proxy, &asked)), "its own client");
    assert_blocked(&answer(&mut asking_from("127.0.0.8", &proxy, &asked)), "another client");
}

#[test]
fn uploads_of_what_is_bypassed_pass_too() {
    let proxy = bypassing(vec![rule("files.test")]);
    let origin = Origin::bind();
    let host = format!("files.test:{}", origin.address().port());
    let mut client =
        asking(&proxy, format!("POST http://{host}/up HTTP/1.1\r\nHost: {host}\r\nContent-Length: 68\r\n\r\n"));
    client.send(eicar());
    let mut served = origin.accept();
    served.head();
    assert_eq!(served.exactly(68), eicar());
    served.send("HTTP/1.1 204 No Content\r\n\r\n");
    assert_eq!(answer(&mut client).status, 204);
}

#[test]
fn a_change_holds_for_the_next_request_of_a_connection() {
    let (proxy, origin) = (bypassing(Vec::new()), bad());
    let mut client = Wire::connect(proxy.address());
    let asked = request("files.test", &origin, "/a");
    client.send(&asked);
    assert_blocked(&answer(&mut client), "before");
    let (status, page) = admin::ask_by(&proxy, "POST", "/api/v1/bypass", r#"{"match":"files.test"}"#);
    assert_eq!(status, 200, "{page}");
    client.send(&asked);
    assert_passed(&answer(&mut client), "behind the change");
    let id = entries(&proxy)[0]["id"].as_str().expect("an id").to_owned();
    assert_eq!(admin::ask_by(&proxy, "DELETE", &format!("/api/v1/bypass/{id}"), "").0, 200);
    client.send(&asked);
    assert_blocked(&answer(&mut client), "after all");
}

#[test]
fn a_change_cuts_nothing() {
    let proxy = bypassing(Vec::new());
    let origin = Origin::bind();
    let mut client = asking(&proxy, crate::support::client::get(origin.address(), "/live"));
    let mut served = origin.accept();
    served.head();
    served.send(Framing::Chunked(1).head("Content-Type: text/event-stream\r\n", 0));
    served.send(chunk(b"data: one\n\n"));
    client.head();
    client.exactly(16);
    assert_eq!(admin::ask_by(&proxy, "POST", "/api/v1/bypass", r#"{"match":"127.0.0.1"}"#).0, 200);
    served.send(chunk(b"data: two\n\n"));
    assert_eq!(client.exactly(16), chunk(b"data: two\n\n"));
    // It began under the rules that held then.
    served.send(chunk(&eicar()));
    assert!(client.rest().0.is_empty());
}

/// A stream of this host in which something was found: its address is blocked.
fn blocked_stream(proxy: &Proxy) -> (Origin, String) {
    let origin = Origin::bind();
    let host = format!("files.test:{}", origin.address().port());
    let asked = format!("GET http://{host}/live HTTP/1.1\r\nHost: {host}\r\n\r\n");
    let mut client = asking(proxy, &asked);
    let mut served = origin.accept();
    served.head();
    served.send(Framing::Chunked(1).head("Content-Type: text/event-stream\r\n", 0));
    served.send(chunk(b"data: one\n\n"));
    client.head();
    client.exactly(16);
    served.send(chunk(&eicar()));
    assert!(client.rest().0.is_empty());
    assert_eq!(answer(&mut asking(proxy, &asked)).status, 403);
    (origin, asked)
}

/// The origin is asked again, and its answer arrives.
#[track_caller]
fn assert_goes(proxy: &Proxy, (origin, asked): &(Origin, String), what: &str) {
    let mut client = asking(proxy, asked);
    proxy.wait_until(what, |_| origin.is_called(std::time::Duration::ZERO) || client.has_more());
    let mut served = origin.accept();
    served.head();
    served.send(Framing::Length.response("Content-Type: text/event-stream\r\n", b"data: two\n\n"));
    assert_eq!(answer(&mut client).text(), "data: two\n\n", "{what}");
}

#[test]
fn an_entry_helps_what_was_blocked_a_moment_ago() {
    for pattern in ["files.test", "127.0.0.0/30", "type:text/event-stream"] {
        let proxy = bypassing(Vec::new());
        let stream = blocked_stream(&proxy);
        assert_eq!(admin::ask_by(&proxy, "POST", "/api/v1/bypass", r#"{"match":"other.test"}"#).0, 200);
        assert_eq!(answer(&mut asking(&proxy, &stream.1)).status, 403, "not by an entry for others");
        let entry = format!(r#"{{"match":"{pattern}"}}"#);
        assert_eq!(admin::ask_by(&proxy, "POST", "/api/v1/bypass", &entry).0, 200);
        assert_goes(&proxy, &stream, pattern);
    }
}

#[test]
fn a_reload_with_other_rules_helps_it_too() {
    let mut first = crate::support::proxy::settings();
    first.inspect.default = vec![tether::inspect::course::ScannerName::BuiltIn];
    first.resolver.hosts.insert("files.test".into(), vec!["127.0.0.1".parse().expect("an address")]);
    let settings = std::sync::Arc::new(std::sync::Mutex::new(first));
    let read = settings.clone();
    let proxy = Proxy::reloading(std::sync::Arc::new(move || Ok(read.lock().expect("settings").clone())));
    let stream = blocked_stream(&proxy);
    let reload = || proxy.app().reloader().reload().expect("reloaded");
    reload();
    assert_eq!(answer(&mut asking(&proxy, &stream.1)).status, 403, "the same rules as before");
    settings.lock().expect("settings").scan_rules.rules.clear();
    reload();
    assert_goes(&proxy, &stream, "without the rule");
}

#[test]
fn what_passes_is_told_as_unscanned() {
    let folder = tempfile::tempdir().expect("a folder");
    let proxy = bypassing_with(vec![rule("files.test"), rule("type:video/*")], logging(folder.path()));
    let origin = bad();
    for (number, host) in ["files.test", "other.test"].into_iter().enumerate() {
        assert_passed(&fetch(&proxy, host, &origin, "/a"), host);
        let line = logged(&proxy, folder.path(), number + 1);
        assert_eq!([&line["scan"], &line["verdict"], &line["unscanned"]], ["none", "unscanned", "bypassed"], "{line}");
    }
    assert!(metric(&proxy, "tether_unscanned_bytes_total{reason=\"bypassed\"}") >= 2 * 68);
    wait_until_nothing_is_left(&proxy);
}

#[test]
fn limits_can_be_left_out() {
    let without_limits = BypassRule { skips: Skips::ALL, ..rule("files.test") };
    let proxy = bypassing_with(vec![without_limits], |settings| {
        let hosts = settings.resolver.hosts.clone();
        keep(settings, "[[limit]]\nname = \"one\"\nper = \"destination\"\nexchanges = 1\n");
        settings.resolver.hosts = hosts;
    });
    let origin = Scripted::start(|visit| {
        while visit.head().is_some_and(|head| path(&head) != "/hold") {
            visit.send(Framing::Length.response("", b"fine"));
        }
    });
    for (host, limited) in [("files.test", 200), ("other.test", 503)] {
        proxy.wait_until_empty();
        let _held = asking(&proxy, request(host, &origin, "/hold"));
        proxy.wait_until("held", |proxy| proxy.open().upstreams == 1);
        assert_eq!(fetch(&proxy, host, &origin, "/page").status, limited, "{host}");
    }
}
