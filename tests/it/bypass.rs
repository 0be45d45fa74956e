//! The bypass list of a running proxy: changed through the admin port, kept over restarts, written down who did it.

mod kept;

use std::path::Path;
use std::time::{Duration, SystemTime};

use serde_json::Value;
use tether::app::bypass::LiveBypass;
use tether::base::authority::Authority;
use tether::config::settings::Settings;
use tether::policy::bypass::entry::BypassRule;
use tether::policy::bypass::list::BypassSubject;
use tether::policy::bypass::pattern::Pattern;
use tether::policy::bypass::skips::Skips;

use crate::support::admin::{ask, ask_by};
use crate::support::proxy::Proxy;

const PATH: &str = "/api/v1/bypass";

fn rule(pattern: &str) -> BypassRule {
    BypassRule::new(Pattern::parse(pattern).expect("pattern"))
}

/// A proxy that keeps its state in `dir`.
fn keeping(dir: &Path) -> Proxy {
    keeping_with(dir, |_| {})
}

fn keeping_with(dir: &Path, change: impl FnOnce(&mut Settings)) -> Proxy {
    Proxy::with(|settings| {
        settings.state.dir = Some(dir.to_owned());
        change(settings);
    })
}

/// Sends JSON; it must be answered with this status.
#[track_caller]
fn sent(proxy: &Proxy, method: &str, path: &str, (body, status): (&str, u16)) -> Value {
    let (got, answer) = ask_by(proxy, method, path, body);
    assert_eq!(got, status, "{answer}");
    serde_json::from_str(&answer).unwrap_or_else(|fault| panic!("{fault}: {answer}"))
}

/// Adds an entry; gives its id.
#[track_caller]
fn added(proxy: &Proxy, body: &str) -> String {
    let page = sent(proxy, "POST", PATH, (body, 200));
    page["entries"][0]["id"].as_str().expect("id").to_owned()
}

/// The entries that the admin port shows.
fn listed(proxy: &Proxy) -> Vec<Value> {
    let (status, page) = ask(proxy, PATH);
    assert_eq!(status, 200, "{page}");
    let page: Value = serde_json::from_str(&page).expect("JSON");
    page["entries"].as_array().expect("entries").clone()
}

fn matches(proxy: &Proxy) -> Vec<String> {
    listed(proxy).iter().map(|entry| entry["match"].as_str().expect("match").to_owned()).collect()
}

/// What the next request to `host` leaves out, as a worker finds it.
fn skips(live: &LiveBypass, host: &str, now: SystemTime) -> Skips {
    let authority = Authority::parse(host.as_bytes(), Some(80)).expect("authority");
    let source = "127.0.0.1".parse().expect("address");
    live.handle().load().find(&BypassSubject { authority: &authority, url: b"", source, address: None }, now)
}

fn next(proxy: &Proxy, host: &str) -> Vec<&'static str> {
    skips(proxy.app().reloader().bypass(), host, SystemTime::now()).words()
}

#[test]
fn an_edit_holds_for_the_next_request() {
    let proxy = Proxy::start();
    assert!(next(&proxy, "p1.live.test").is_empty());
    let id = added(&proxy, r#"{"match":"p*.live.test","skip":["scan","limits"],"owner":"anna"}"#);
    assert_eq!(next(&proxy, "p1.live.test"), ["scan", "limits"]);
    assert_eq!(next(&proxy, "p1.live.test"), ["scan", "limits"]);
    let entry = listed(&proxy).remove(0);
    assert_eq!((&entry["id"], &entry["hits"], &entry["origin"]), (&id.clone().into(), &2.into(), &"edited".into()));
    assert!(entry["last_hit"].is_string() && entry["created"].is_string(), "{entry}");
    // The same pattern again: one entry, which goes on counting.
    assert_eq!(added(&proxy, r#"{"match":"P*.live.test","skip":["scan"]}"#), id);
    assert_eq!(next(&proxy, "p2.live.test"), ["scan"]);
    assert_eq!((listed(&proxy).len(), &listed(&proxy)[0]["hits"]), (1, &3.into()));
    let metrics = ask(&proxy, "/metrics").1;
    assert!(metrics.contains("tether_bypass_entries{origin=\"edited\"} 1\n"), "{metrics}");
    sent(&proxy, "DELETE", &format!("{PATH}/{id}"), ("", 200));
    assert!(next(&proxy, "p1.live.test").is_empty());
    sent(&proxy, "DELETE", &format!("{PATH}/{id}"), ("", 404));
    assert!(ask(&proxy, "/metrics").1.contains("tether_bypass_hits_total 3\n"), "what was counted stays counted");
}

#[test]
fn an_entry_ends_by_itself() {
    let proxy = Proxy::start();
    added(&proxy, r#"{"match":"a.test","until":"2h"}"#);
    let (live, now) = (proxy.app().reloader().bypass(), SystemTime::now());
    assert!(!skips(live, "a.test", now + Duration::from_secs(7100)).is_empty());
    assert!(skips(live, "a.test", now + Duration::from_secs(7201)).is_empty());
    sent(&proxy, "POST", PATH, (r#"{"match":"b.test","until":"2001-01-01T00:00:00Z"}"#, 400));
}

#[test]
fn all_of_a_change_is_done_or_nothing() {
    let proxy =
        Proxy::with(|settings| settings.bypass_book.never = vec![Pattern::parse("*.bank.test").expect("pattern")]);
    let refused = sent(&proxy, "POST", PATH, (r#"{"entries":[{"match":"a.test"},{"match":"www.bank.test"}]}"#, 400));
    assert!(refused["error"].as_str().is_some_and(|error| error.contains("[[never]]")), "{refused}");
    assert!(listed(&proxy).is_empty());
    added(&proxy, r#"{"match":"domain:bank.test"}"#);
    assert!(next(&proxy, "www.bank.test").is_empty(), "never is never");
    assert_eq!(next(&proxy, "bank.test"), ["scan"]);
    let (_, page) = ask(&proxy, &format!("{PATH}?url=http://www.bank.test/"));
    assert!(page.contains("\"never\":true"), "{page}");
}

#[test]
fn what_is_learned_holds_for_twelve_hours_and_is_bounded() {
    use tether::app::bypass::Learned;
    use tether::policy::bypass::Learn;
    for learn in [Learn::Off, Learn::Suggest] {
        let proxy = Proxy::with(|settings| settings.bypass.learn = learn);
        assert_eq!(proxy.app().reloader().bypass().learn(rule("a.test"), "idle_gap"), Learned::Left);
        assert!(listed(&proxy).is_empty());
    }
    let proxy = Proxy::with(|settings| {
        settings.bypass.learn = Learn::On;
        settings.bypass_book.never = vec![Pattern::parse("never.test").expect("pattern")];
    });
    let live = proxy.app().reloader().bypass();
    assert_eq!(live.learn(rule("never.test"), "idle_gap"), Learned::Left);
    assert_eq!(live.learn(rule("h0.test"), "idle_gap"), Learned::Added);
    assert_eq!(live.learn(rule("h0.test"), "idle_gap"), Learned::Left, "once is enough");
    let now = SystemTime::now();
    assert!(!skips(live, "h0.test", now + Duration::from_secs(12 * 3600 - 60)).is_empty());
    assert!(skips(live, "h0.test", now + Duration::from_secs(12 * 3600 + 60)).is_empty());
    for number in 1..1024 {
        assert_eq!(live.learn(rule(&format!("h{number}.test")), "idle_gap"), Learned::Added);
    }
    assert_eq!(live.learn(rule("h1024.test"), "idle_gap"), Learned::Left);
    let id = listed(&proxy)[0]["id"].as_str().expect("id").to_owned();
    sent(&proxy, "DELETE", &format!("{PATH}/{id}"), ("", 200));
    assert_eq!(live.learn(rule("h1024.test"), "idle_gap"), Learned::Added);
}
