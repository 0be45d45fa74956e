//! Reloads and changes that are asked for at the admin port.

use serde_json::Value;

use super::{Filed, per_source};
use crate::support::admin::{ask, ask_by};
use crate::support::answer::answer;
use crate::support::client::get;
use crate::support::origin::Origin;
use crate::support::proxy::Proxy;
use crate::support::rules::{asking_from, wait_for_use};

const A: &str = "127.0.0.2";

fn change(filed: &Filed, body: &str) -> (u16, Value) {
    let (status, answer) = ask_by(&filed.proxy, "PUT", "/api/v1/limits", body);
    (status, serde_json::from_str(&answer).unwrap_or_else(|fault| panic!("{fault}: {answer}")))
}

fn shown(filed: &Filed, name: &str) -> Value {
    let (status, page) = ask(&filed.proxy, &format!("/api/v1/limits?rule={name}"));
    assert_eq!(status, 200, "{page}");
    let page: Value = serde_json::from_str(&page).expect("JSON");
    page["rules"][0].clone()
}

fn reload(filed: &Filed) -> (u16, String) {
    ask_by(&filed.proxy, "POST", "/api/v1/reload", "")
}

#[test]
fn a_reload_is_answered_with_what_came_of_it() {
    let filed = Filed::start(&per_source(3, 3, ""));
    filed.set_limits(&per_source(5, 3, ""));
    let (status, body) = reload(&filed);
    let body: Value = serde_json::from_str(&body).expect("JSON");
    assert_eq!((status, &body["generation"], &body["needs_restart"]), (200, &2.into(), &Value::Array(Vec::new())));
    assert_eq!(shown(&filed, "source")["exchanges"], 5);
    filed.set_limits(&per_source(5, 3, "per = \"planet\""));
    let (status, body) = reload(&filed);
    assert_eq!(status, 422);
    assert!(body.contains("policies/limits.toml:"), "{body}");
    assert_eq!(shown(&filed, "source")["exchanges"], 5);
}

#[test]
fn a_change_holds_until_the_next_reload() {
    let (filed, origin) = (Filed::start(&per_source(1, 1, "")), Origin::bind());
    let _held = asking_from(A, &filed.proxy, get(origin.address(), "/"));
    wait_for_use(&filed.proxy, "source", 1, 0, 0);
    let refused = || answer(&mut asking_from(A, &filed.proxy, get(origin.address(), "/"))).status;
    assert_eq!(refused(), 429);
    let (status, body) = change(&filed, "{\"name\":\"source\",\"exchanges\":2}");
    assert_eq!((status, &body["rule"]["exchanges"], &body["rule"]["edited"]), (200, &2.into(), &true.into()), "{body}");
    assert_eq!((&shown(&filed, "source")["streams"], &shown(&filed, "source")["edited"]), (&1.into(), &true.into()));
    let second = asking_from(A, &filed.proxy, get(origin.address(), "/"));
    wait_for_use(&filed.proxy, "source", 2, 0, 0);
    assert_eq!(refused(), 429);
    drop(second);
    wait_for_use(&filed.proxy, "source", 1, 0, 0);
    assert_eq!(reload(&filed).0, 200);
    let rule = shown(&filed, "source");
    assert_eq!((&rule["exchanges"], &rule["edited"]), (&1.into(), &false.into()));
    assert_eq!(refused(), 429);
}

#[test]
fn a_change_serves_those_who_wait() {
    let queue = "over = \"queue\"\nqueue = { max = 8, wait = \"60s\" }";
    let (filed, origin) = (Filed::start(&per_source(1, 1, queue)), Origin::bind());
    let _held = asking_from(A, &filed.proxy, get(origin.address(), "/"));
    wait_for_use(&filed.proxy, "source", 1, 0, 0);
    let _waiting = asking_from(A, &filed.proxy, get(origin.address(), "/"));
    wait_for_use(&filed.proxy, "source", 1, 0, 1);
    assert_eq!(change(&filed, "{\"name\":\"source\",\"exchanges\":2}").0, 200);
    wait_for_use(&filed.proxy, "source", 2, 0, 0);
}

#[test]
fn the_switch_holds_until_the_next_reload() {
    let (filed, origin) = (Filed::start(&per_source(1, 1, "")), Origin::bind());
    let _held = asking_from(A, &filed.proxy, get(origin.address(), "/"));
    wait_for_use(&filed.proxy, "source", 1, 0, 0);
    for (mode, upstreams) in [("simulate", 2), ("off", 3)] {
        assert_eq!(change(&filed, &format!("{{\"mode\":\"{mode}\"}}")).1["mode"], mode);
        let passed = asking_from(A, &filed.proxy, get(origin.address(), "/"));
        filed.proxy.wait_until("nobody is refused", |proxy| proxy.open().upstreams == upstreams);
        std::mem::forget(passed);
    }
    assert_eq!(reload(&filed).0, 200);
    assert_eq!(answer(&mut asking_from(A, &filed.proxy, get(origin.address(), "/"))).status, 429);
}

#[test]
fn what_makes_no_sense_changes_nothing() {
    let filed = Filed::start(&per_source(3, 3, ""));
    for (body, status) in [
        ("{\"name\":\"nobody\",\"exchanges\":2}", 404),
        ("{\"name\":\"source\",\"exchanges\":-1}", 400),
        ("{\"name\":\"source\",\"streams\":\"many\"}", 400),
        ("{\"name\":\"source\",\"over\":\"explode\"}", 400),
        ("{\"name\":\"source\",\"per\":\"global\"}", 400),
        ("nonsense", 400),
    ] {
        let (got, _) = ask_by(&filed.proxy, "PUT", "/api/v1/limits", body);
        assert_eq!(got, status, "{body}");
    }
    let rule = shown(&filed, "source");
    assert_eq!((&rule["exchanges"], &rule["edited"]), (&3.into(), &false.into()));
}

#[test]
fn a_proxy_without_files_says_so() {
    let (status, body) = ask_by(&Proxy::start(), "POST", "/api/v1/reload", "");
    assert!(status == 422 && body.contains("without"), "{status}: {body}");
}
