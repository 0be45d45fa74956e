//! Tests of ends, limits, origins and reloads: what is shown, what is changed, and by whom.

use std::net::Ipv4Addr;
use std::sync::Mutex;

use serde_json::{Value, json};

use super::*;
use crate::admin::operations::*;
use crate::limits::settings::{LimitMode, Over, Rate, RuleMode};
use crate::observe::ends::{ExchangeEnd, KeptEnd, Manner, Reused, how, timer_of};

fn rule(name: &str) -> RuleView {
    RuleView {
        name: name.into(),
        scope: "pair",
        exchanges: Some(32),
        streams: None,
        over: Over::Reject,
        mode: RuleMode::Enforce,
        in_use_exchanges: 40,
        in_use_streams: 7,
        peak_exchanges: 44,
        peak_streams: 9,
        queued: 3,
        rejections: vec![("exchanges", 0), ("streams", 12)],
        would_reject: 5,
        evictions: 1,
        origin: RuleOrigin::File,
    }
}

fn rate(name: &str) -> RateView {
    RateView {
        name: name.into(),
        scope: "source",
        requests: Some(Rate { per_second: 20, burst: 60 }),
        bytes: None,
        mode: RuleMode::Simulate,
        refused: 7,
        delayed: 8,
        simulated: 9,
    }
}

fn holder(rule: &str, holder: &str, exchanges: u32) -> HolderView {
    let (rule, holder) = (rule.into(), holder.to_owned());
    HolderView { rule, holder, exchanges, streams: 1, queued: 0, peak_exchanges: 12, peak_streams: 2 }
}

/// Limits with two rules and a rate; edits are done on them and noted.
fn limited(edits: &Arc<Mutex<Vec<LimitEdit>>>) -> AdminView {
    let rules = Arc::new(Mutex::new(vec![rule("livesport-pair"), rule("sources")]));
    let (shown, edits) = (rules.clone(), edits.clone());
    let edit = move |edit: &LimitEdit| {
        edits.lock().expect("edits").push(edit.clone());
        let LimitEdit::Rule(change) = edit else { return Ok(None) };
        let mut rules = rules.lock().expect("rules");
        let rule = rules.iter_mut().find(|rule| rule.name == change.name).ok_or(EditRefused::UnknownRule)?;
        if change.streams == Some(0) {
            return Err(EditRefused::Invalid("streams must be 1 at least".into()));
        }
        rule.exchanges = change.exchanges.or(rule.exchanges);
        rule.mode = change.mode.unwrap_or(rule.mode);
        rule.origin = RuleOrigin::Edited;
        Ok(Some(rule.clone()))
    };
    let holders = |wanted: &HoldersWanted| {
        let all = [holder("sources", "a", 3), holder("livesport-pair", "c", 8), holder("livesport-pair", "b", 9)];
        all.into_iter().filter(|one| wanted.rule.as_ref().is_none_or(|rule| *rule == one.rule)).collect()
    };
    let limits = LimitsAccess {
        mode: Arc::new(|| LimitMode::Simulate),
        rules: Arc::new(move || shown.lock().expect("rules").clone()),
        rates: Arc::new(|| vec![rate("burst")]),
        holders: Arc::new(holders),
        edit: Arc::new(edit),
        overload: Arc::new(|| OverloadView { level: 2, name: "refuse_streams", shed: vec![("refuse_streams", 4)] }),
    };
    AdminView { operations: Operations { limits, ..Operations::default() }, ..view(1) }
}

pub(super) fn send(server: &AdminServer, method: &str, path: &str, (headers, body): (&str, &str)) -> Answer {
    let length = body.len();
    let head = format!(
        "{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {length}\r\n{headers}\r\n{body}"
    );
    exchange(server, &head)
}

fn put(server: &AdminServer, body: &str) -> Answer {
    send(server, "PUT", "/api/v1/limits", ("Content-Type: application/json\r\n", body))
}

#[test]
fn rules_are_shown_with_those_that_hold_most() {
    let server = serve(&limited(&Arc::default()));
    let page = get(&server, "/api/v1/limits?top=1").json();
    let expected = json!({
        "name": "livesport-pair", "per": "pair", "exchanges": 32, "streams": null, "over": "reject", "mode": "enforce",
        "edited": false, "in_use": {"exchanges": 40, "streams": 7}, "peak": {"exchanges": 44, "streams": 9}, "queued": 3,
        "rejections": {"exchanges": 0, "streams": 12}, "would_reject": 5, "evictions": 1, "holders": [
            {"holder": "b", "exchanges": 9, "streams": 1, "queued": 0, "peak": {"exchanges": 12, "streams": 2}}],
    });
    assert_eq!((&page["mode"], &page["rules"][0]), (&json!("simulate"), &expected));

    let all = get(&server, "/api/v1/limits").json();
    let names = |page: &Value| -> Vec<String> {
        let rules = page["rules"].as_array().expect("rules").iter();
        rules
            .flat_map(|rule| rule["holders"].as_array().expect("holders").clone())
            .map(|one| one["holder"].to_string())
            .collect()
    };
    assert_eq!(names(&all), ["\"b\"", "\"c\"", "\"a\""]);
    let one = get(&server, "/api/v1/limits?rule=sources").json();
    assert_eq!((one["rules"].as_array().map(Vec::len), names(&one)), (Some(1), vec!["\"a\"".to_owned()]));
    assert_eq!(one["rates"], json!([]));
    assert_eq!(get(&server, "/api/v1/limits?rule=nobody").status, 404);
    assert_eq!(get(&server, "/api/v1/limits?top=many").status, 400);
}

#[test]
fn rates_are_shown_beside_the_rules() {
    let server = serve(&limited(&Arc::default()));
    let expected = json!([{
        "name": "burst", "per": "source", "requests": {"per_second": 20, "burst": 60}, "bytes": null,
        "mode": "simulate", "refused": 7, "delayed": 8, "simulated": 9,
    }]);
    assert_eq!(get(&server, "/api/v1/limits").json()["rates"], expected);
    let one = get(&server, "/api/v1/limits?rule=burst").json();
    assert_eq!((&one["rules"], &one["rates"]), (&json!([]), &expected));
}

#[test]
fn a_change_is_done_and_the_rule_shown_as_it_is_now() {
    let edits = Arc::default();
    let server = serve(&limited(&edits));
    let answer = put(&server, r#"{"name":"livesport-pair","exchanges":10,"mode":"simulate"}"#);
    let rule = &answer.json()["rule"];
    assert_eq!(
        (answer.status, &rule["exchanges"], &rule["mode"], &rule["edited"]),
        (200, &json!(10), &json!("simulate"), &json!(true))
    );
    let asked = RuleEdit {
        name: "livesport-pair".into(),
        exchanges: Some(10),
        streams: None,
        over: None,
        mode: Some(RuleMode::Simulate),
    };
    let answer = put(&server, r#"{"mode":"off"}"#);
    assert_eq!((answer.status, answer.json()), (200, json!({"mode": "simulate", "rule": null})));
    let seen: Vec<LimitEdit> = edits.lock().expect("edits").clone();
    assert_eq!(seen, [LimitEdit::Rule(asked), LimitEdit::Switch(LimitMode::Off)]);
}

#[test]
fn a_change_that_cannot_be_done_says_why() {
    let edits = Arc::default();
    let server = serve(&limited(&edits));
    for (body, status, says) in [
        (r#"{"name":"nobody","streams":3}"#, 404, "no rule has that name"),
        (r#"{"name":"sources","streams":0}"#, 400, "streams must be 1 at least"),
        (r#"{"name":"sources","strems":3}"#, 400, "unknown key `strems`"),
        ("{", 400, "no JSON object"),
    ] {
        let answer = put(&server, body);
        let error = answer.json()["error"].as_str().expect("error").to_owned();
        assert!(answer.status == status && error.contains(says), "{body}: {} {error}", answer.status);
    }
    assert_eq!(edits.lock().expect("edits").len(), 2, "what is not understood does not get that far");
    let huge = format!("{{\"name\":\"{}\"}}", "x".repeat(20_000));
    assert_eq!(put(&server, &huge).status, 413);
}

#[test]
fn changes_come_from_this_machine_and_from_no_page() {
    let edits = Arc::default();
    let view = limited(&edits);
    let server = serve(&view);
    let body = r#"{"mode":"off"}"#;
    let kind = "Content-Type: application/json\r\n";
    for (headers, status) in [
        ("", 415),
        ("Content-Type: text/plain\r\n", 415),
        (&*format!("{kind}Origin: http://evil.example\r\n"), 403),
        (&*format!("{kind}Origin: null\r\n"), 403),
        (&*format!("{kind}Sec-Fetch-Site: cross-site\r\n"), 403),
        (&*format!("{kind}Origin: http://localhost\r\n"), 200),
    ] {
        assert_eq!(send(&server, "PUT", "/api/v1/limits", (headers, body)).status, status, "{headers}");
    }
    assert_eq!(edits.lock().expect("edits").len(), 1);
    let page = "Origin: http://evil.example\r\n";
    assert_eq!(send(&server, "POST", "/api/v1/reload", (page, "")).status, 403);

    let listener = TcpListener::bind("0.0.0.0:0").expect("bound");
    let mut near = start(listener, view).expect("started");
    near.addr.set_ip(Ipv4Addr::LOCALHOST.into());
    assert_eq!(put(&near, body).status, 403);
    assert_eq!(send(&near, "POST", "/api/v1/reload", ("", "")).status, 403);
    assert_eq!(get(&near, "/api/v1/limits").status, 200);
    assert_eq!(edits.lock().expect("edits").len(), 1);
}

#[test]
fn a_reload_tells_what_it_did_or_why_not() {
    let results = Mutex::new(vec![
        Err("error: unknown key `bnid`\n --> tether.toml:3:1\n  |\n3 | bnid = 1\n  | ^^^^\n".to_owned()),
        Ok(ReloadDone { generation: 7, needs_restart: vec!["workers".into()] }),
    ]);
    let reload: Reload = Arc::new(move || results.lock().expect("results").pop().expect("asked twice"));
    let operations = Operations { reload, ..Operations::default() };
    let server = serve(&AdminView { operations, ..view(1) });
    let done = send(&server, "POST", "/api/v1/reload", ("", ""));
    assert_eq!((done.status, done.json()), (200, json!({"generation": 7, "needs_restart": ["workers"]})));
    let refused = send(&server, "POST", "/api/v1/reload", ("", ""));
    let error = refused.json()["error"].as_str().expect("error").to_owned();
    assert_eq!(refused.status, 422);
    assert!(error.contains(" --> tether.toml:3:1\n") && error.contains("\n  | ^^^^\n"), "{error}");
    assert_eq!(get(&server, "/api/v1/reload").status, 405);
}

#[test]
fn a_reload_that_breaks_down_takes_nothing_with_it() {
    let reload: Reload = Arc::new(|| panic!("on purpose"));
    let operations = Operations { reload, ..Operations::default() };
    let server = serve(&AdminView { operations, ..view(1) });
    assert_eq!(send(&server, "POST", "/api/v1/reload", ("", "")).status, 500);
    assert_eq!(get(&server, "/healthz").status, 200);
}

#[test]
fn origins_in_quarantine_come_first() {
    let origin = |authority: &str, quarantined_for_ms| OriginView {
        authority: authority.into(),
        closes_after_ms: Some(5000),
        stale_failures: 2,
        quarantined_for_ms,
    };
    let known = vec![origin("b:80", None), origin("a:80", None), origin("c:80", Some(9))];
    let operations = Operations { origins: Arc::new(move || known.clone()), ..Operations::default() };
    let view = AdminView { operations, ..view(1) };
    let server = serve(&view);
    let page = get(&server, "/api/v1/origins?limit=2").json();
    let expected = json!({"total": 3, "origins": [
        {"authority": "c:80", "closes_after_ms": 5000, "stale_failures": 2, "quarantined_for_ms": 9},
        {"authority": "a:80", "closes_after_ms": 5000, "stale_failures": 2, "quarantined_for_ms": null},
    ]});
    assert_eq!(page, expected);
    assert_eq!(parse(&get(&server, "/metrics").body)["tether_reuse_quarantined_origins"], 1.0);
}

#[test]
fn limits_overload_and_reloads_are_metrics() {
    let mut view = limited(&Arc::default());
    let last = LastReload::Failed;
    view.operations.reloads = Arc::new(move || ReloadView { generation: 3, done: 2, failed: 1, last });
    let samples = parse(&get(&serve(&view), "/metrics").body);
    let rule = "scope=\"pair\",name=\"livesport-pair\"";
    for (key, value) in [
        (format!("tether_limit_in_use{{{rule},lane=\"exchange\"}}"), 40.0),
        (format!("tether_limit_in_use{{{rule},lane=\"stream\"}}"), 7.0),
        (format!("tether_limit_rejections_total{{{rule},why=\"exchanges\"}}"), 0.0),
        (format!("tether_limit_rejections_total{{{rule},why=\"streams\"}}"), 12.0),
        (format!("tether_limit_would_reject_total{{{rule}}}"), 5.0),
        (format!("tether_limit_queued{{{rule}}}"), 3.0),
        (format!("tether_limit_evictions_total{{{rule}}}"), 1.0),
        ("tether_rate_rejections_total{scope=\"source\",name=\"burst\"}".into(), 7.0),
        ("tether_rate_delays_total{scope=\"source\",name=\"burst\"}".into(), 8.0),
        ("tether_rate_simulated_total{scope=\"source\",name=\"burst\"}".into(), 9.0),
        ("tether_overload_level".into(), 2.0),
        ("tether_overload_shed_total{step=\"refuse_streams\"}".into(), 4.0),
        ("tether_config_reloads_total{result=\"done\"}".into(), 2.0),
        ("tether_config_reloads_total{result=\"failed\"}".into(), 1.0),
        ("tether_config_last_reload_successful".into(), 0.0),
        ("tether_config_generation".into(), 3.0),
    ] {
        assert_eq!(samples.get(&key), Some(&value), "{key}");
    }
}

fn ended(connection: u64, number: u32, reason: Reason) -> ExchangeEnd {
    ExchangeEnd {
        connection,
        number,
        at: Instant::now(),
        client: "192.0.2.7:50123".parse().expect("address"),
        listener: "office".into(),
        destination: "a.example:80".into(),
        kind: Kind::Http,
        reason,
        phase: Phase::ResponseHead,
        how: how(reason),
        idle: Duration::from_millis(12),
        took: Duration::from_millis(340),
        bytes_in: 211,
        bytes_out: 0,
        reused: Some(Reused { served: 4, idle: Duration::from_secs(30) }),
        retried: false,
        timer: timer_of(reason),
        limit: None,
    }
}

/// Two workers, with four ends of three connections.
fn view_with_ends() -> AdminView {
    let view = view(2);
    view.ends[0].exchange(ended(17, 1, Reason::Done));
    view.ends[1].exchange(ExchangeEnd { destination: "b.example:80".into(), ..ended(9, 1, Reason::ClientFin) });
    view.ends[0].exchange(ended(17, 2, Reason::UpstreamReset));
    let (at, idle, manner) = (Instant::now(), Duration::from_secs(30), Manner::Fin);
    view.ends[1].kept(KeptEnd {
        authority: "A.example:80".into(),
        at,
        idle,
        manner,
        served: 4,
        connection: 8,
        number: 3,
    });
    view
}

#[test]
fn ends_are_newest_first_limited_and_filtered() {
    let server = serve(&view_with_ends());
    let ids = |query: &str| {
        let page = get(&server, &format!("/api/v1/ends{query}")).json();
        let ends = page["ends"].as_array().expect("ends").clone();
        let ids: Vec<String> = ends.iter().map(|end| end["id"].as_str().expect("id").to_owned()).collect();
        (ids.join(" "), page["total"].as_u64().expect("total"))
    };
    for (query, expected, total) in [
        ("", "8-3 17-2 9-1 17-1", 4),
        ("?limit=2", "8-3 17-2", 4),
        ("?id=17", "17-2 17-1", 2),
        ("?id=17-1", "17-1", 1),
        ("?id=99-1", "", 0),
        ("?reason=client_fin", "9-1", 1),
        ("?destination=a.example", "8-3 17-2 17-1", 3),
        ("?destination=a.example:80&reason=done", "17-1", 1),
        ("?destination=a.example:81", "", 0),
    ] {
        assert_eq!(ids(query), (expected.to_owned(), total), "{query}");
    }
    for bad in ["?id=x", "?id=1-", "?id=-1", "?id=1-2-3", "?limit=x", "?reason=because"] {
        let answer = get(&server, &format!("/api/v1/ends{bad}"));
        assert!(answer.status == 400 && answer.json()["error"].is_string(), "{bad}");
    }
}

#[test]
fn an_end_tells_everything_and_says_it_in_words() {
    let server = serve(&view_with_ends());
    let page = get(&server, "/api/v1/ends?id=17-2").json();
    assert_eq!(page["holds"], json!({"telling": 10_000, "plain": 1_000, "kept": 1_000}));
    let mut end = page["ends"][0].clone();
    let at = end["at"].take();
    assert_eq!(at.as_str().map(str::len), Some("2026-11-21T12:00:07.120Z".len()));
    let expected = json!({
        "id": "17-2", "entry": "exchange", "at": null, "destination": "a.example:80", "closed_by": "upstream",
        "manner": "reset", "idle_ms": 12, "upstream": {"served": 4, "idle_ms": 30_000}, "client": "192.0.2.7:50123",
        "listener": "office", "kind": "http", "reason": "upstream_reset", "phase": "response_head", "dur_ms": 340,
        "bytes_in": 211, "bytes_out": 0, "retried": false, "timer": null, "limit": null, "told": [
            "The origin closed first (RST), after 12 ms without a byte.",
            "It had run for 0.3 s, at last in response_head; 211 bytes from the client, 0 to it.",
            "It went out on a connection that had served 4 requests and been idle for 30.0 s.",
        ],
    });
    assert_eq!(end, expected);

    let kept = get(&server, "/api/v1/ends?id=8").json()["ends"][0].clone();
    assert_eq!((&kept["entry"], &kept["manner"], &kept["reason"]), (&json!("kept"), &json!("fin"), &Value::Null));
    assert_eq!(kept["upstream"], json!({"served": 4, "idle_ms": 30_000}));
}
