//! Tests of `/api/v1/bypass`: what is shown, what is changed, and by whom.

use std::sync::Mutex;
use std::time::UNIX_EPOCH;

use serde_json::{Value, json};

use super::operations::send;
use super::*;
use crate::admin::operations::{self, BypassAccess, BypassRefused, Operations, SuggestionView, Who};
use crate::admin::settings::AdminTokens;
use crate::policy::bypass::entry::{BypassEntry, BypassRule, Origin};
use crate::policy::bypass::list::{BypassList, BypassSubject};
use crate::policy::bypass::pattern::Pattern;
use crate::policy::bypass::{Learn, NeverList};

const KIND: &str = "Content-Type: application/json\r\n";
const PATH: &str = "/api/v1/bypass";

fn pattern(text: &str) -> Pattern {
    Pattern::parse(text).expect("pattern")
}

/// A list of three entries, one of each origin; the first is over. One host is never bypassed.
fn listed() -> Arc<BypassList> {
    let over = BypassRule { until: Some(UNIX_EPOCH + Duration::from_secs(5)), ..BypassRule::new(pattern("a.example")) };
    let typed = BypassRule { source: "10.0.0.0/8".parse().ok(), ..BypassRule::new(pattern("type:video/*")) };
    let rules =
        [(over, Origin::File), (BypassRule::new(pattern("*.example")), Origin::Edited), (typed, Origin::Learned)];
    let entry = |(rule, origin)| Arc::new(BypassEntry::new(rule, origin, None));
    let never = NeverList::new(&[pattern("bank.example")]);
    Arc::new(BypassList::new(rules.into_iter().map(entry).collect(), Arc::new(never), Arc::default()))
}

/// What was asked for, and by whom.
type Edits = Arc<Mutex<Vec<(String, Who)>>>;

/// An admin port with the list of [`listed`]; edits are noted, and done where they say `good`.
fn access(edits: &Edits) -> Operations {
    let (list, to_add, to_remove) = (listed(), edits.clone(), edits.clone());
    let shown = list.clone();
    let bypass = BypassAccess {
        list: Arc::new(move || shown.clone()),
        kept_in: Some("/var/lib/x".into()),
        learn: Arc::new(|| Learn::On),
        add: Arc::new(move |rules, who| {
            let words: Vec<String> = rules.iter().map(|rule| rule.pattern.to_string()).collect();
            to_add.lock().expect("edits").push((words.join(" "), who.clone()));
            match words[0].as_str() {
                "full.example" => Err(BypassRefused::Full),
                "bad.example" => Err(BypassRefused::Invalid("never".into())),
                "disk.example" => Err(BypassRefused::NotKept("disk full".into())),
                "panic.example" => panic!("on purpose"),
                _ => Ok(rules.into_iter().map(|rule| Arc::new(BypassEntry::new(rule, Origin::Edited, None))).collect()),
            }
        }),
        remove: Arc::new(move |id, who| {
            to_remove.lock().expect("edits").push((id.to_owned(), who.clone()));
            let found = list.entries().iter().find(|entry| *entry.id == *id).ok_or(BypassRefused::Unknown)?;
            if found.origin == Origin::File { Err(BypassRefused::InFile) } else { Ok(found.clone()) }
        }),
    };
    Operations { bypass, ..Operations::default() }
}

fn serving(edits: &Edits) -> AdminServer {
    serve(&AdminView { operations: access(edits), ..view(1) })
}

fn post(server: &AdminServer, body: &str) -> Answer {
    send(server, "POST", PATH, (KIND, body))
}

fn matches(page: &Value) -> Vec<String> {
    let entries = page["entries"].as_array().expect("entries").iter();
    entries.map(|entry| entry["match"].as_str().expect("match").to_owned()).collect()
}

#[test]
fn entries_are_shown_with_origin_and_uses() {
    let edits = Edits::default();
    let operations = access(&edits);
    let list = (operations.bypass.list)();
    let authority = crate::base::authority::Authority::parse(b"b.example", Some(80)).expect("authority");
    let source = "192.0.2.1".parse().expect("address");
    let subject = BypassSubject { authority: &authority, url: b"", source, address: None };
    let at = UNIX_EPOCH + Duration::from_secs(1_795_230_245);
    assert!(!list.find(&subject, at).is_empty());
    let server = serve(&AdminView { operations, ..view(1) });
    let page = get(&server, PATH).json();
    assert_eq!((&page["learn"], &page["kept"], page.get("never")), (&json!("on"), &json!(true), None));
    assert_eq!(matches(&page), ["a.example", "*.example", "type:video/*"]);
    let second = json!({
        "id": &*list.entries()[1].id, "match": "*.example", "source": null, "skip": ["scan"], "until": null, "owner": null,
        "note": null, "ticket": null, "origin": "edited", "created": null, "hits": 1,
        "last_hit": "2026-11-21T03:04:05.000Z", "expired": false,
    });
    assert_eq!(page["entries"][1], second);
    let first = &page["entries"][0];
    assert_eq!((&first["expired"], &first["until"]), (&json!(true), &json!("1970-01-01T00:00:05.000Z")));
    let samples = parse(&get(&server, "/metrics").body);
    for (key, value) in [
        ("tether_bypass_entries{origin=\"file\"}", 0.0),
        ("tether_bypass_entries{origin=\"edited\"}", 1.0),
        ("tether_bypass_entries{origin=\"learned\"}", 1.0),
        ("tether_bypass_hits_total", 1.0),
    ] {
        assert_eq!(samples.get(key), Some(&value), "{key}");
    }
}

#[test]
fn what_would_match_is_told_and_not_counted() {
    let server = serving(&Edits::default());
    let asked = |query: &str| {
        let page = get(&server, &format!("{PATH}?{query}")).json();
        (matches(&page).join(" "), page["never"].as_bool().expect("never"))
    };
    for (query, expected, never) in [
        ("url=http://a.example/x", "*.example", false),
        ("url=a.example:443", "*.example", false),
        ("url=http%3A%2F%2Fa.example%2F&source=10.0.0.1&type=video/mp4", "*.example type:video/*", false),
        ("url=http://a.example/&source=11.0.0.1&type=video/mp4", "*.example", false),
        ("url=http://bank.example/&type=video/mp4&source=10.0.0.1", "", true),
        ("url=http://a.test/", "", false),
    ] {
        assert_eq!(asked(query), (expected.to_owned(), never), "{query}");
    }
    for bad in ["url=a.example", "url=http://", "url=ftp://a.example/", "url=a.example:80&source=x", "url="] {
        assert_eq!(get(&server, &format!("{PATH}?{bad}")).status, 400, "{bad}");
    }
    assert_eq!(parse(&get(&server, "/metrics").body)["tether_bypass_hits_total"], 0.0);
}

#[test]
fn entries_are_added_one_or_many_at_once() {
    let edits = Edits::default();
    let server = serving(&edits);
    let answer = post(&server, r#"{"match":"A.example","until":"2h","skip":["all"]}"#);
    let page = answer.json();
    assert_eq!(
        (answer.status, matches(&page), &page["entries"][0]["skip"]),
        (200, vec!["a.example".into()], &json!(["all"]))
    );
    assert_eq!(page["entries"][0]["origin"], "edited");
    let answer = post(&server, r#"{"entries":[{"match":"b.example"},{"match":"10.0.0.0/8"}]}"#);
    assert_eq!((answer.status, matches(&answer.json())), (200, vec!["b.example".into(), "10.0.0.0/8".into()]));
    let seen = edits.lock().expect("edits").clone();
    let words: Vec<&str> = seen.iter().map(|(words, _)| words.as_str()).collect();
    assert_eq!(words, ["a.example", "b.example 10.0.0.0/8"]);
    assert!(seen.iter().all(|(_, who)| who.remote.ip().is_loopback() && who.token.is_none()), "{seen:?}");
}

#[test]
fn what_cannot_be_done_says_why() {
    let edits = Edits::default();
    let server = serving(&edits);
    for (body, status, says) in [
        ("{", 400, "no JSON"),
        ("[]", 400, "no JSON object"),
        ("{}", 400, "missing field `match`"),
        (r#"{"match":"a b"}"#, 400, "match: `a b` is not a host"),
        (r#"{"match":"a","until":"1999-01-01"}"#, 400, "that time is over"),
        (r#"{"match":"a","hits":1}"#, 400, "unknown field `hits`"),
        (r#"{"entries":[]}"#, 400, "1 to 256 entries"),
        (r#"{"entries":[{"match":"a"},{"match":"*"}]}"#, 400, "entry 2: match: `*` for every client"),
        (r#"{"entries":["a"]}"#, 400, "an entry is a JSON object"),
        (r#"{"entries":[{"match":"a"}],"match":"b"}"#, 400, "stands alone"),
    ] {
        let answer = post(&server, body);
        let error = answer.json()["error"].as_str().expect("error").to_owned();
        assert!(answer.status == status && error.contains(says), "{body}: {} {error}", answer.status);
    }
    assert_eq!(edits.lock().expect("edits").len(), 0, "what is not understood does not get that far");
    for (host, status, says) in [
        ("full.example", 409, "full"),
        ("bad.example", 400, "never"),
        ("disk.example", 500, "disk full"),
        ("panic.example", 500, "broke down"),
    ] {
        let answer = post(&server, &format!("{{\"match\":\"{host}\"}}"));
        assert!(answer.status == status && answer.body.contains(says), "{host}: {} {}", answer.status, answer.body);
    }
    assert_eq!(send(&server, "POST", PATH, ("", "{}")).status, 415);
    let huge = format!("{{\"match\":\"{}\"}}", "x".repeat(20_000));
    assert_eq!(post(&server, &huge).status, 413);
}

#[test]
fn entries_are_removed_by_their_ids() {
    let edits = Edits::default();
    let server = serving(&edits);
    let ids: Vec<String> = listed().entries().iter().map(|entry| entry.id.to_string()).collect();
    for (id, status, says) in [
        (&*ids[0], 409, "bypass.toml"),
        (&*ids[1], 200, "*.example"),
        (&*ids[2], 200, "video"),
        ("e%0a", 404, "no entry"),
    ] {
        let answer = send(&server, "DELETE", &format!("{PATH}/{id}"), ("", ""));
        assert!(answer.status == status && answer.body.contains(says), "{id}: {} {}", answer.status, answer.body);
    }
    assert_eq!(send(&server, "DELETE", PATH, ("", "")).status, 405);
    assert_eq!(send(&server, "DELETE", &format!("{PATH}/suggestions"), ("", "")).status, 405);
}

#[test]
fn suggestions_come_from_whoever_makes_them() {
    let view_of = |pattern: &str| SuggestionView {
        pattern: pattern.into(),
        evidence: vec!["idle_gap"],
        clients: 3,
        seen: 41,
        last: UNIX_EPOCH + Duration::from_secs(1_795_230_245),
    };
    let suggestions: operations::Read<Vec<SuggestionView>> = Arc::new(move || vec![view_of("p1.livesport.example")]);
    let server = serve(&AdminView { operations: Operations { suggestions, ..Operations::default() }, ..view(1) });
    let expected = json!({"suggestions": [{
        "match": "p1.livesport.example", "evidence": ["idle_gap"], "clients": 3, "seen": 41,
        "last": "2026-11-21T03:04:05.000Z",
    }]});
    assert_eq!(get(&server, &format!("{PATH}/suggestions")).json(), expected);
}

#[test]
fn a_port_that_others_reach_takes_changes_with_a_token_only() {
    let edits = Edits::default();
    let tokens = AdminTokens::read("t".into(), "anna 0123456789abcdef\nben fedcba9876543210\n").expect("tokens");
    let tokens = Arc::new(tokens);
    let tokens: operations::Read<Arc<AdminTokens>> = Arc::new(move || tokens.clone());
    for bind in ["127.0.0.1:0", "0.0.0.0:0"] {
        let operations = Operations { tokens: tokens.clone(), ..access(&edits) };
        let listener = TcpListener::bind(bind).expect("bound");
        let mut server = start(listener, AdminView { operations, ..view(1) }).expect("started");
        server.addr.set_ip(std::net::Ipv4Addr::LOCALHOST.into());
        let body = r#"{"match":"a.example"}"#;
        let wrong = format!("{KIND}Authorization: Bearer 0123456789abcdeF\r\n");
        let right = format!("{KIND}Authorization: Bearer fedcba9876543210\r\n");
        let foreign = format!("{right}Origin: http://evil.example\r\n");
        for (headers, status) in [(KIND, 401), (&*wrong, 401), (&*foreign, 403), (&*right, 200)] {
            let answer = send(&server, "POST", PATH, (headers, body));
            assert_eq!(answer.status, status, "{bind} {headers}");
            assert_eq!(answer.has("www-authenticate: Bearer"), status == 401, "{}", answer.head);
        }
        assert_eq!(send(&server, "DELETE", &format!("{PATH}/x"), ("", "")).status, 401);
        assert_eq!(send(&server, "POST", "/api/v1/reload", ("", "")).status, 401);
        assert_eq!(get(&server, PATH).status, 200);
        let seen = std::mem::take(&mut *edits.lock().expect("edits"));
        assert_eq!(seen.len(), 1, "{bind}");
        assert_eq!(seen[0].1.token.as_deref(), Some("ben"));
    }
}
