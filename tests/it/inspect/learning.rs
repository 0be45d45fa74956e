//! From streams that show themselves to a suggestion and an entry of the bypass list: who counts, and what is learned.

use serde_json::Value;
use tether::inspect::settings::eicar;
use tether::policy::bypass::Learn;

use super::eicar::assert_blocked;
use super::wrapped::{Framing, chunk};
use super::{impatient, metric, scanning_with};
use crate::support::admin;
use crate::support::answer::answer;
use crate::support::client::get;
use crate::support::origin::Origin;
use crate::support::proxy::Proxy;
use crate::support::rules::asking_from;
use crate::support::wire::Wire;

/// A proxy that does this with what it learns.
fn learning(learn: Learn) -> Proxy {
    scanning_with(|settings| {
        impatient(settings);
        settings.bypass.learn = learn;
    })
}

/// The client `source` has a stream of no telling type from `origin`, whose first bytes have come. Gives both ends.
fn opened(proxy: &Proxy, origin: &Origin, source: &str, path: &str) -> (Wire, Wire) {
    let mut client = asking_from(source, proxy, get(origin.address(), path));
    let mut served = origin.accept();
    served.head();
    served.send(Framing::Chunked(1).head("Content-Type: text/plain\r\n", 0));
    served.send(chunk(b"tick"));
    client.head();
    assert_eq!(client.exactly(9), chunk(b"tick"));
    (client, served)
}

/// The same; the client leaves.
fn streams(proxy: &Proxy, origin: &Origin, source: &str, path: &str) {
    drop(opened(proxy, origin, source, path));
}

fn handed_over(proxy: &Proxy, reason: &str) -> u64 {
    metric(proxy, &format!("tether_scan_handovers_total{{reason=\"{reason}\"}}"))
}

fn page(proxy: &Proxy, path: &str, key: &str) -> Vec<Value> {
    let page: Value = serde_json::from_str(&admin::ask(proxy, path).1).expect("JSON");
    page[key].as_array().expect("rows").clone()
}

fn suggestions(proxy: &Proxy) -> Vec<Value> {
    page(proxy, "/api/v1/bypass/suggestions", "suggestions")
}

#[test]
fn three_clients_confirm_a_stream_each_by_itself() {
    let (proxy, origin) = (learning(Learn::Suggest), Origin::bind());
    for number in 1..=3 {
        streams(&proxy, &origin, "127.0.0.1", &format!("/room/{number}/ticks"));
    }
    assert_eq!([handed_over(&proxy, "idle_gap"), handed_over(&proxy, "history")], [2, 1]);
    streams(&proxy, &origin, "127.0.0.2", "/room/4/ticks");
    assert_eq!([handed_over(&proxy, "idle_gap"), handed_over(&proxy, "history")], [3, 1], "it is wanted, so it waits");
    assert_eq!(suggestions(&proxy), [] as [Value; 0]);
    streams(&proxy, &origin, "127.0.0.3", "/room/5/ticks");
    let told = suggestions(&proxy);
    let place = format!("http://{}/room/", origin.address());
    assert_eq!((told.len(), &told[0]["match"], &told[0]["clients"]), (1, &place.into(), &3.into()), "{told:?}");
    // Nobody else is wanted.
    streams(&proxy, &origin, "127.0.0.4", "/room/6/ticks");
    assert_eq!(handed_over(&proxy, "history"), 2);
    assert_eq!(page(&proxy, "/api/v1/bypass", "entries"), [] as [Value; 0], "it is only suggested");
}

#[test]
fn what_is_learned_is_as_narrow_as_what_was_seen() {
    let (proxy, origin) = (learning(Learn::On), Origin::bind());
    for source in ["127.0.0.1", "127.0.0.2", "127.0.0.3"] {
        streams(&proxy, &origin, source, "/room/7/ticks");
    }
    proxy.wait_until("learned", |proxy| !page(proxy, "/api/v1/bypass", "entries").is_empty());
    let entry = page(&proxy, "/api/v1/bypass", "entries").remove(0);
    let place = format!("http://{}/room/", origin.address());
    assert_eq!((&entry["match"], &entry["origin"]), (&place.into(), &"learned".into()), "{entry}");
    for (path, status) in [("/room/8/ticks", 200), ("/room", 403), ("/setup.exe", 403)] {
        let mut client = asking_from("127.0.0.9", &proxy, get(origin.address(), path));
        let mut served = origin.accept();
        served.head();
        served.send(Framing::Length.response("", &eicar()));
        assert_eq!(answer(&mut client).status, status, "{path}");
    }
}

#[test]
fn all_of_a_host_is_not_learned() {
    let (proxy, origin) = (learning(Learn::On), Origin::bind());
    for source in ["127.0.0.1", "127.0.0.2", "127.0.0.3"] {
        streams(&proxy, &origin, source, "/7/ticks");
    }
    assert_eq!(suggestions(&proxy).len(), 1);
    // One that may be learned comes behind it.
    for source in ["127.0.0.1", "127.0.0.2", "127.0.0.3"] {
        streams(&proxy, &origin, source, "/live");
    }
    proxy.wait_until("learned", |proxy| !page(proxy, "/api/v1/bypass", "entries").is_empty());
    let entries = page(&proxy, "/api/v1/bypass", "entries");
    assert_eq!((entries.len(), &entries[0]["match"]), (1, &format!("http://{}/live", origin.address()).into()));
}

#[test]
fn a_finding_and_a_page_are_the_end_of_it() {
    let (proxy, origin) = (learning(Learn::Suggest), Origin::bind());
    let known = |path: &str| {
        let before = handed_over(&proxy, "history");
        for _ in 0..3 {
            streams(&proxy, &origin, "127.0.0.1", path);
        }
        assert_eq!(handed_over(&proxy, "history"), before + 1, "{path}");
    };
    let waits = |path: &str| {
        let before = handed_over(&proxy, "idle_gap");
        streams(&proxy, &origin, "127.0.0.1", path);
        assert_eq!(handed_over(&proxy, "idle_gap"), before + 1, "{path}");
    };
    // One that was whole: a page after all.
    known("/page");
    let (mut client, mut served) = opened(&proxy, &origin, "127.0.0.1", "/page");
    served.send("0\r\n\r\n");
    assert_eq!(client.line(), "0");
    proxy.wait_until("regretted", |proxy| metric(proxy, "tether_scan_handover_regrets_total") == 1);
    waits("/page");
    // Something found in one that was held whole.
    known("/held/1");
    let mut client = asking_from("127.0.0.1", &proxy, get(origin.address(), "/held/2"));
    let mut served = origin.accept();
    served.head();
    served.send(Framing::Length.response("Content-Type: text/plain\r\n", &eicar()));
    assert_blocked(&answer(&mut client), "held");
    waits("/held/3");
    // Something found in one that flowed.
    known("/flows/1");
    let (mut client, mut served) = opened(&proxy, &origin, "127.0.0.1", "/flows/2");
    served.send(chunk(&eicar()));
    assert!(client.rest().0.is_empty());
    waits("/flows/3");
}
