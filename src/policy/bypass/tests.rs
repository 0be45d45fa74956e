//! Tests of the bypass list: patterns, times, who is meant, what is counted.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::NeverList;
use super::entry::{BypassEntry, BypassRule, Origin};
use super::list::{BypassList, BypassSubject};
use super::moment;
use super::pattern::{Pattern, source};
use super::skips::{Skip, Skips};
use crate::base::authority::Authority;

const NOW: SystemTime = UNIX_EPOCH;

fn rule(pattern: &str) -> BypassRule {
    BypassRule::new(Pattern::parse(pattern).unwrap_or_else(|unclear| panic!("{unclear}")))
}

fn list_of(rules: Vec<BypassRule>, never: &[&str]) -> BypassList {
    let entries = rules.into_iter().map(|rule| Arc::new(BypassEntry::new(rule, Origin::File, None))).collect();
    let never: Vec<Pattern> = never.iter().map(|text| Pattern::parse_never(text).expect("never")).collect();
    BypassList::new(entries, Arc::new(NeverList::new(&never)), Arc::default())
}

fn list(patterns: &[&str]) -> BypassList {
    list_of(patterns.iter().map(|pattern| rule(pattern)).collect(), &[])
}

/// A request for `url` by a client at `source`, to `address` where that is known.
fn asked<T>(url: &str, client: &str, address: Option<&str>, ask: impl FnOnce(&BypassSubject<'_>) -> T) -> T {
    let host = url.split_once("://").map_or(url, |(_, rest)| rest).split('/').next().expect("host");
    let authority = Authority::parse(host.as_bytes(), Some(80)).expect("authority");
    let address: Option<IpAddr> = address.map(|ip| ip.parse().expect("address"));
    let source = client.parse().expect("client");
    ask(&BypassSubject { authority: &authority, url: url.as_bytes(), source, address })
}

fn found(list: &BypassList, url: &str, address: Option<&str>) -> Skips {
    asked(url, "192.0.2.1", address, |subject| list.find(subject, NOW))
}

#[test]
fn every_kind_of_pattern_means_what_it_says() {
    for (pattern, url, address, meant) in [
        ("www.Example", "http://www.example/", None, true),
        ("www.example", "http://a.www.example/", None, false),
        ("www.example", "www.example:443", None, true),
        ("www.example:80", "http://www.example/", None, true),
        ("www.example:80", "www.example:443", None, false),
        ("*.example", "http://a.b.example/", None, true),
        ("*.example", "http://example/", None, false),
        ("*.example:81", "http://a.example/", None, false),
        ("p*.live.*", "http://p1.live.example/", None, true),
        ("*0.*", "http://10.0.0.1/", None, false),
        ("domain:example.co.uk", "http://a.b.example.co.uk/", None, true),
        ("domain:example.co.uk", "http://example.co.uk/", None, true),
        ("domain:example.co.uk", "http://other.co.uk/", None, false),
        ("domain:example.co.uk", "http://badexample.co.uk/", None, false),
        ("10.0.0.0/8", "http://10.1.2.3/", None, true),
        ("10.0.0.0/8", "http://a.example/", None, false),
        ("10.0.0.0/8", "http://a.example/", Some("10.9.9.9"), true),
        ("10.0.0.0/8", "http://a.example/", Some("::ffff:10.9.9.9"), true),
        ("10.0.0.0/8", "http://10.1.2.3/", Some("192.0.2.9"), true),
        ("10.0.0.0/8", "http://a.example/", Some("11.0.0.1"), false),
        ("192.0.2.7", "http://192.0.2.7:81/", None, true),
        ("192.0.2.7:80", "http://192.0.2.7:81/", None, false),
        ("2001:db8::/32", "http://[2001:db8::7]/", None, true),
        ("http://a.example/live/", "http://A.example:80/live/x", None, true),
        ("http://a.example/live/", "HTTP://a.example/live/", None, true),
        ("http://a.example/live/", "http://a.example/live", None, false),
        ("http://a.example/live/", "http://a.example/Live/", None, false),
        ("http://a.example/live/", "http://a.example:81/live/", None, false),
        ("http://a.example/live/", "http://b.example/live/", None, false),
        ("http://a.example/live/", "a.example:80", None, false),
        ("http://a.example", "http://a.example/x", None, true),
        ("http://10.0.0.1/x", "http://10.0.0.1/xy", None, true),
        ("type:text/html", "http://a.example/", None, false),
    ] {
        assert_eq!(!found(&list(&[pattern]), url, address).is_empty(), meant, "{pattern} {url} {address:?}");
    }
}

#[test]
fn a_prefix_cannot_be_left_again() {
    let list = list(&["http://a.example/live/"]);
    for path in ["../x.exe", "%2e%2E/x.exe", "..%2fx.exe", "..%5Cx.exe", "a/../../x.exe", "a/..", "\\..\\x.exe"] {
        assert!(found(&list, &format!("http://a.example/live/{path}"), None).is_empty(), "{path}");
    }
    for path in ["a..b", "x?../y", "x?%2e%2e%2f", "..."] {
        assert!(!found(&list, &format!("http://a.example/live/{path}"), None).is_empty(), "{path}");
    }
}

#[test]
fn patterns_have_one_spelling_and_say_what_is_wrong() {
    for (text, spelt) in [
        ("*", "*"),
        ("WWW.Example.", "www.example"),
        ("a.example:8080", "a.example:8080"),
        ("*.EXAMPLE:81", "*.example:81"),
        ("domain:Example.COM", "domain:example.com"),
        ("10.0.0.0/8", "10.0.0.0/8"),
        ("10.0.0.7", "10.0.0.7"),
        ("10.0.0.7/32", "10.0.0.7"),
        ("[2001:DB8::7]:80", "[2001:db8::7]:80"),
        ("2001:DB8::7", "2001:db8::7"),
        ("HTTP://A.example:80/x", "http://a.example/x"),
        ("http://a.example:81", "http://a.example:81/"),
        ("type:Video/*", "type:video/*"),
    ] {
        let pattern = Pattern::parse(text).unwrap_or_else(|unclear| panic!("{text}: {unclear}"));
        assert_eq!(pattern.to_string(), spelt, "{text}");
        assert_eq!(Pattern::parse(spelt), Ok(pattern), "{spelt}");
    }
    for (text, help) in [
        ("", "letters"),
        ("a b", "letters"),
        ("m\u{fc}nchen.example", "xn--mnchen-3ya.example"),
        ("www.example/x", "http://host/path"),
        ("https://a.example/x", "`a.example`"),
        ("http://u@a.example/", "http://host/path"),
        ("http://a.example/../x", "without `..`"),
        ("http://a.example/x*", "without"),
        ("*.*", "wildcards are"),
        ("*..example", "wildcards are"),
        ("*.example:0", "wildcards are"),
        ("10.0.0.1/8", "`10.0.0.0/8`"),
        ("10.0.0.0/33", "10.1.0.0/16"),
        ("domain:co.uk", "of one owner"),
        ("domain:www.example.com", "`domain:example.com`"),
        ("domain:a.example:80", "domain:example.com"),
        ("type:video", "type:video/mp4"),
        ("type:*/*", "type:video/mp4"),
    ] {
        let unclear = Pattern::parse(text).expect_err(text);
        assert!(unclear.help.contains(help), "{text}: {unclear}");
    }
    for text in ["*", "10.0.0.0/8", "a.example:80", "http://a.example/", "type:video/*"] {
        assert!(Pattern::parse_never(text).is_err(), "{text}");
    }
}

#[test]
fn sources_narrow_an_entry_down() {
    let (client, net) = ("192.0.2.1", source("192.0.2.0/24").expect("range"));
    let list = list_of(vec![BypassRule { source: net, ..rule("a.example") }], &[]);
    for (client, meant) in [(client, true), ("::ffff:192.0.2.9", true), ("198.51.100.1", false), ("::1", false)] {
        let skips = asked("http://a.example/", client, None, |subject| list.find(subject, NOW));
        assert_eq!(!skips.is_empty(), meant, "{client}");
    }
    assert!(rule("*").check().is_err());
    assert_eq!(BypassRule { source: net, ..rule("*") }.check(), Ok(()));
    assert!(BypassRule { skips: Skips::NONE, ..rule("a.example") }.check().is_err());
    assert_eq!((source("*"), source("10.0.0.7")), (Ok(None), Ok("10.0.0.7/32".parse().ok())));
    assert!(source("10.0.0.7/8").is_err() && source("office").is_err());
}

#[test]
fn what_has_ended_does_not_match() {
    let until = NOW + Duration::from_secs(10);
    let list = list_of(vec![BypassRule { until: Some(until), ..rule("a.example") }], &[]);
    let at = |now| asked("http://a.example/", "192.0.2.1", None, |subject| list.find(subject, now));
    assert!(!at(until - Duration::from_millis(1)).is_empty());
    assert!(at(until).is_empty());
    assert_eq!(list.entries()[0].uses.hits(), 1);
}

#[test]
fn all_that_match_count_and_are_added_up() {
    let limits = BypassRule { skips: Skips::of(Skip::Limits), ..rule("*.example") };
    let list = list_of(vec![rule("a.example"), limits, rule("b.example")], &[]);
    let now = NOW + Duration::from_millis(1500);
    let skips = asked("http://a.example/", "192.0.2.1", None, |subject| list.find(subject, now));
    assert_eq!(skips.words(), ["scan", "limits"]);
    let uses: Vec<_> = list.entries().iter().map(|entry| (entry.uses.hits(), entry.uses.last())).collect();
    assert_eq!(uses, [(1, Some(now)), (1, Some(now)), (0, None)]);
    assert_eq!(list.hits(), 2);
    let matching = asked("http://a.example/", "192.0.2.1", None, |subject| list.matching(subject, b"", now).len());
    assert_eq!((matching, list.hits()), (2, 2), "looking does not count");
}

#[test]
fn hosts_that_are_never_bypassed_win_over_everything() {
    let net = source("192.0.2.0/24").expect("range");
    let all = BypassRule { source: net, ..rule("*") };
    let rules = vec![all, rule("a.bank.example"), rule("http://a.bank.example/x"), rule("type:text/html")];
    let list = list_of(rules, &["*.bank.example", "domain:example.co.uk", "b.example"]);
    for host in ["a.bank.example", "www.example.co.uk", "b.example"] {
        let url = format!("http://{host}/x");
        let (requests, types) = asked(&url, "192.0.2.1", None, |subject| {
            (list.find(subject, NOW), list.find_by_type(subject, b"text/html", NOW))
        });
        assert_eq!((requests, types), (Skips::NONE, Skips::NONE), "{host}");
    }
    assert_eq!(list.hits(), 0);
    assert!(!found(&list, "http://c.example/x", None).is_empty());
    for (pattern, covered) in [
        ("a.bank.example", true),
        ("*.bank.example", true),
        ("*.example", false),
        ("http://b.example/", true),
        ("domain:example.co.uk", true),
        ("type:text/html", false),
    ] {
        assert_eq!(list.never().covers(&rule(pattern).pattern), covered, "{pattern}");
    }
}

#[test]
fn types_and_late_addresses_have_a_look_of_their_own() {
    let list = list(&["type:video/*", "10.0.0.0/8"]);
    let typed =
        |media: &[u8]| asked("http://a.example/", "192.0.2.1", None, |subject| list.find_by_type(subject, media, NOW));
    assert_eq!(typed(b"Video/MP4; x=y").words(), ["scan"]);
    assert_eq!(typed(b"text/html"), Skips::NONE);
    assert_eq!(typed(b""), Skips::NONE);
    for (url, address, meant) in [
        ("http://a.example/", Some("10.0.0.1"), true),
        ("http://a.example/", Some("11.0.0.1"), false),
        ("http://a.example/", None, false),
        // Found before already.
        ("http://10.0.0.1/", Some("10.0.0.1"), false),
    ] {
        let skips = asked(url, "192.0.2.1", address, |subject| list.find_by_address(subject, NOW));
        assert_eq!(!skips.is_empty(), meant, "{url} {address:?}");
    }
}

#[test]
fn words_and_sets() {
    assert_eq!(Skips::named("all"), Some(Skips::ALL));
    assert_eq!(Skips::named("scna"), None);
    assert_eq!(Skips::ALL.words(), ["all"]);
    let two = Skips::of(Skip::Scan).and(Skips::of(Skip::Decrypt));
    assert_eq!(two.words(), ["scan", "decrypt"]);
    assert!(two.contains(Skip::Decrypt) && !two.contains(Skip::Limits));
    assert_eq!(Skips::NONE.words(), [""; 0]);
}

#[test]
fn ids_depend_on_origin_pattern_and_source_alone() {
    let id = |rule: BypassRule, origin| BypassEntry::new(rule, origin, None).id;
    let plain = id(rule("A.example"), Origin::Edited);
    assert_eq!(&*plain, &*id(BypassRule { until: Some(NOW), ..rule("a.example") }, Origin::Edited));
    // What is written down today must be found tomorrow.
    assert_eq!(&*plain, "e5ac5fa7dc6");
    let other_source = BypassRule { source: source("10.0.0.7").expect("address"), ..rule("a.example") };
    let others =
        [id(other_source, Origin::Edited), id(rule("b.example"), Origin::Edited), id(rule("a.example"), Origin::File)];
    assert!(others.iter().all(|other| *other != plain), "{others:?}");
}

#[test]
fn times_are_read_as_rfc_3339_has_them() {
    // The expected numbers are those of `date -u -d TEXT +%s`.
    for (text, seconds) in [
        ("2026-11-21T03:04:05Z", 1_795_230_245),
        ("2026-11-21 05:04:05+02:00", 1_795_230_245),
        ("2026-11-20T21:34:05-05:30", 1_795_230_245),
        ("2000-02-29T00:00:00Z", 951_782_400),
        ("2100-02-28", 4_107_542_400),
        ("1970-01-01T00:00:00Z", 0),
    ] {
        assert_eq!(moment::time(text), Ok(UNIX_EPOCH + Duration::from_secs(seconds)), "{text}");
    }
    for (fraction, millis) in [(".678", 678), (".6789999999", 678), (".5", 500), (".", 0), (".000", 0)] {
        let at = UNIX_EPOCH + Duration::from_millis(1_795_230_245_000 + millis);
        assert_eq!(moment::time(&format!("2026-11-21t03:04:05{fraction}z")), Ok(at), "{fraction}");
    }
    let now = UNIX_EPOCH + Duration::from_secs(1000);
    for (text, seconds) in [("2h", 8200), ("90s", 1090), ("7d", 605_800), ("1m", 1060), ("1970-01-01", 86_400)] {
        assert_eq!(moment::until(text, now), Ok(UNIX_EPOCH + Duration::from_secs(seconds)), "{text}");
    }
    for text in [
        "",
        "2026",
        "2026-02-29",
        "2026-13-01",
        "2026-00-01",
        "2026-01-00",
        "1969-12-31",
        "2026-11-21T24:00:00Z",
        "2026-11-21T03:04:05",
        "2026-11-21T03:04Z",
        "2026-11-21T03:04:05+2:00",
        "2026-11-21T03:04:05Zx",
        "+026-11-21",
        "0s",
        "4000d",
        "2w",
        "h",
        "99999999999999999999d",
        "1970-01-01T00:00:00+01:00",
    ] {
        let unclear = moment::until(text, now).expect_err(text);
        assert!(unclear.help.contains("write `"), "{text}: {unclear}");
    }
}
