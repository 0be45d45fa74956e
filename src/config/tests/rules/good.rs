//! Rule files that are right, and what they become.

use std::sync::Arc;
use std::time::Duration;

use super::good;
use crate::config::LIMITS_TOML;
use crate::limits::settings::{
    CountBy, LimitRule, Over, Per, PrefixLengths, QueueBounds, Rate, RateRule, RuleMode, RuleScope,
};
use crate::policy::half_close::{FinPolicy, HalfClose, Profile, ServerFin};
use crate::policy::pattern::{DestinationMatch, HostGroup, HostPattern};
use crate::upstream::settings::Reuse;

/// The example that scripts of others are written for, word for word.
const STORY: &str = r#"[[group]]
name = "livesport"
hosts = ["p*.livesport.example", "p*.flashsports.example"]
[[limit]]
name = "livesport-pair"
destination = "group:livesport"     # host, "*.suffix", CIDR, "group:NAME" or "*"
per = "pair"                        # "source" | "prefix" | "destination" | "pair" | "listener" | "global"
exchanges = 32
streams = 6
over = "reject"                     # "queue" | "evict_oldest_idle"
queue = { max = 64, wait = "1s" }
mode = "enforce"                    # or "simulate"
"#;

fn limit(text: &str) -> LimitRule {
    let rules = good(text);
    let [rule] = rules.book.written().limits.as_slice() else { panic!("{text}") };
    LimitRule::clone(rule)
}

fn rate(text: &str) -> RateRule {
    let rules = good(text);
    let [rule] = rules.book.written().rates.as_slice() else { panic!("{text}") };
    RateRule::clone(rule)
}

#[test]
fn the_story_of_the_tickers() {
    let hosts = ["p*.livesport.example", "p*.flashsports.example"].map(HostPattern::new).to_vec();
    let group = Arc::new(HostGroup { name: "livesport".into(), hosts });
    let expected = LimitRule {
        scope: RuleScope {
            destination: DestinationMatch::Group(group),
            count_by: CountBy::Rule,
            ..RuleScope::of_all("livesport-pair", Per::Pair)
        },
        exchanges: Some(32),
        streams: Some(6),
        over: Over::Reject,
        queue: QueueBounds { max: 64, wait: Duration::from_secs(1) },
    };
    assert_eq!(limit(STORY), expected);
}

#[test]
fn the_built_in_rules_are_the_shipped_ones_and_tell_that_story() {
    let rules = good(LIMITS_TOML);
    let set = rules.book.resolve(1000);
    let table: Vec<_> =
        set.limits.iter().map(|rule| (&*rule.scope.name, rule.scope.per, rule.exchanges, rule.streams)).collect();
    let expected = [
        ("per-source", Per::Source, Some(512), None),
        ("per-pair", Per::Pair, Some(64), Some(16)),
        ("per-destination", Per::Destination, None, Some(250)),
        ("livesport-pair", Per::Pair, Some(32), Some(6)),
    ];
    assert_eq!(table, expected);
    assert_eq!(*set.limits[3], limit(STORY));
    assert!(set.rates.is_empty() && rules.destinations.is_empty());
}

/// The shipped file with every example in it in use.
fn with_examples() -> String {
    let lines = LIMITS_TOML.lines().map(|line| match line.strip_prefix("# ") {
        Some(code) if code.starts_with("[[") && code.ends_with("]]") => code,
        Some(code) if code.split_once(" = ").is_some_and(|(key, _)| !key.contains([' ', '"', '('])) => code,
        _ => line,
    });
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn the_commented_examples_are_right() {
    let rules = good(&with_examples());
    let set = rules.book.written();
    assert_eq!((set.limits.len(), set.rates.len(), rules.destinations.len()), (7, 2, 2));
    assert_eq!(set.limits[4].scope.instead_of.as_deref(), Some("per-source"));
    assert_eq!(rules.destinations[0].half_close.profile, Some(Profile::Panos));
}

#[test]
fn the_shipped_file_shows_every_key() {
    let text = with_examples();
    for (section, error) in ["group", "limit", "rate", "destination"].map(|section| {
        (section, super::read(&format!("[[{section}]]\nnothing_like_it = 1\n")).expect_err("unknown key"))
    }) {
        let help = error.diagnostics().remove(0).help;
        let keys: Vec<&str> = help.split('`').skip(1).step_by(2).collect();
        assert!(keys.len() > 1, "{help}");
        for key in keys {
            assert!(text.contains(&format!("\n{key} = ")), "{section} {key}");
        }
    }
}

#[test]
fn every_key_of_a_limit_arrives() {
    let found = limit(
        "[[limit]]\nname = \"x\"\nsource = \"10.0.0.0/8\"\nlistener = \"guests\"\ndestination = \"API.example:8080\"\nper = \"prefix\"\n\
         prefix_v4 = 20\nprefix_v6 = 48\nstreams = 3\nover = \"evict_oldest_idle\"\nqueue = { wait = \"250ms\" }\nmode = \"simulate\"\n",
    );
    let expected = LimitRule {
        scope: RuleScope {
            source: "10.0.0.0/8".parse().ok(),
            listener: Some("guests".into()),
            destination: DestinationMatch::Host { pattern: HostPattern::new("api.example"), port: Some(8080) },
            count_by: CountBy::HostPort,
            prefix: PrefixLengths { v4: 20, v6: 48 },
            mode: RuleMode::Simulate,
            ..RuleScope::of_all("x", Per::Prefix)
        },
        exchanges: None,
        streams: Some(3),
        over: Over::EvictOldestIdle,
        queue: QueueBounds { max: 64, wait: Duration::from_millis(250) },
    };
    assert_eq!(found, expected);
}

#[test]
fn every_key_of_a_rate_arrives() {
    let found = rate(
        "[[rate]]\nname = \"x\"\nsource = \"10.0.0.7\"\nper = \"destination\"\ncount_by = \"address\"\nrequests = 50\n\
         requests_burst = 100\nbytes = \"2MiB\"\n",
    );
    let expected = RateRule {
        scope: RuleScope {
            source: "10.0.0.7/32".parse().ok(),
            count_by: CountBy::Address,
            ..RuleScope::of_all("x", Per::Destination)
        },
        requests: Some(Rate { per_second: 50, burst: 100 }),
        bytes: Some(Rate { per_second: 2 << 20, burst: 2 << 20 }),
    };
    assert_eq!(found, expected);
    let two = good(
        "[[rate]]\nname = \"x\"\nper = \"source\"\nrequests = 1\n[[rate]]\nname = \"y\"\nper = \"source\"\nbytes = 10\ninstead_of = \"x\"\n",
    );
    let two = &two.book.written().rates;
    assert_eq!((two[0].bytes, two[1].requests), (None, None));
    assert_eq!(two[1].scope.instead_of.as_deref(), Some("x"));
}

#[test]
fn every_key_of_a_destination_rule_arrives() {
    let rules = good(
        "[[destination]]\nname = \"x\"\ndestination = \"*.example\"\nreuse = \"shared\"\npreopen = 2\nidle = \"30s\"\nmax_requests = 100\n\
         on_client_fin = \"finish\"\non_server_fin = \"close\"\nhalf_close = \"20s\"\nprofile = \"cgnat\"\nresponse_head = \"5m\"\n\
         stream_idle = \"1h\"\n[[destination]]\nname = \"y\"\ndestination = \"192.0.2.0/24\"\nreuse = \"off\"\n",
    );
    let [first, second] = rules.destinations.as_slice() else { panic!("two rules") };
    let half_close = HalfClose {
        on_client_fin: Some(FinPolicy::Finish),
        on_server_fin: Some(ServerFin::Close),
        limit: Some(Duration::from_secs(20)),
        profile: Some(Profile::Cgnat),
    };
    assert_eq!((first.reuse, first.preopen, first.max_requests), (Reuse::Shared, 2, Some(100)));
    assert_eq!(first.half_close, half_close);
    let waits = (first.idle, first.response_head, first.stream_idle);
    let seconds = |seconds| Some(Duration::from_secs(seconds));
    assert_eq!(waits, (seconds(30), seconds(300), seconds(3600)));
    assert_eq!((second.reuse, second.preopen, second.idle), (Reuse::Off, 0, None));
    assert_eq!(second.destination, DestinationMatch::Network("192.0.2.0/24".parse().expect("range")));
}

#[test]
fn what_counts_as_one_destination_unless_the_rule_says_so() {
    for (destination, count_by) in [
        ("*", CountBy::Domain),
        ("group:g", CountBy::Rule),
        ("*.example", CountBy::Rule),
        ("*.example:80", CountBy::Rule),
        ("192.0.2.0/24", CountBy::Rule),
        ("www.example", CountBy::Host),
        ("192.0.2.7", CountBy::Host),
        ("www.example:80", CountBy::HostPort),
    ] {
        let text = format!(
            "[[group]]\nname = \"g\"\nhosts = \"www.example\"\n[[limit]]\nname = \"x\"\nper = \"pair\"\nstreams = 1\n\
             destination = \"{destination}\"\n"
        );
        assert_eq!(limit(&text).scope.count_by, count_by, "{destination}");
    }
}

#[test]
fn a_share_of_the_lane_becomes_a_number_when_the_lane_is_known() {
    let text = "[[limit]]\nname = \"a\"\nper = \"destination\"\nstreams = \"25%\"\n\
                [[limit]]\nname = \"b\"\nper = \"destination\"\nstreams = 7\n\
                [[limit]]\nname = \"c\"\nper = \"destination\"\nstreams = \"100%\"\n\
                [[limit]]\nname = \"d\"\nper = \"destination\"\nexchanges = 7\n";
    let book = good(text).book;
    let streams = |lane| book.resolve(lane).limits.iter().map(|rule| rule.streams).collect::<Vec<_>>();
    assert_eq!(streams(400), [Some(100), Some(7), Some(400), None]);
    assert_eq!(streams(0), [Some(1), Some(7), Some(1), None]);
    assert_eq!(streams(u32::MAX), [Some(u32::MAX / 4), Some(7), Some(u32::MAX), None]);
}

#[test]
fn an_empty_file_limits_nothing() {
    let rules = good("");
    assert_eq!(rules.book, Default::default());
    assert!(rules.destinations.is_empty());
}
