//! Rules written out by a test, and read back.

use std::fmt::Write;
use std::sync::Arc;
use std::time::Duration;

use proptest::option::of;
use proptest::prelude::*;
use proptest::sample::select;

use super::{good, read};
use crate::config::LIMITS_TOML;
use crate::limits::settings::{
    CountBy, LimitRule, Over, Per, PrefixLengths, QueueBounds, Rate, RateRule, RuleMode, RuleScope, RuleSet,
};
use crate::policy::pattern::{DestinationMatch, HostPattern};

const PER: [Per; 6] = [Per::Source, Per::Prefix, Per::Destination, Per::Pair, Per::Listener, Per::Global];
const COUNT_BY: [(&str, CountBy); 5] = [
    ("rule", CountBy::Rule),
    ("host", CountBy::Host),
    ("host_port", CountBy::HostPort),
    ("domain", CountBy::Domain),
    ("address", CountBy::Address),
];
const OVER: [(&str, Over); 3] =
    [("reject", Over::Reject), ("queue", Over::Queue), ("evict_oldest_idle", Over::EvictOldestIdle)];

/// A pattern with a star, so that the default of `count_by` is known.
fn destination() -> impl Strategy<Value = (String, DestinationMatch)> {
    ("\\*\\.[a-z0-9_-]{1,10}(\\.[a-z*]{1,5}){0,2}", of(1..=u16::MAX)).prop_map(|(text, port)| {
        let written = port.map_or(text.clone(), |port| format!("{text}:{port}"));
        (written, DestinationMatch::Host { pattern: HostPattern::new(&text), port })
    })
}

/// The lines of a scope and what they mean; the name is put in later.
fn scope() -> impl Strategy<Value = (String, RuleScope)> {
    let source = of(prop_oneof![Just("10.0.0.0/8"), Just("192.0.2.7/32"), Just("2001:db8::/32")]);
    let lengths = (1..=32u8, 1..=128u8).prop_map(|(v4, v6)| PrefixLengths { v4, v6 });
    (source, of(select(vec!["office", "guests"])), destination(), select(&PER[..]), of(select(&COUNT_BY[..])), lengths)
        .prop_map(|(source, listener, (written, destination), per, count_by, prefix)| {
            let mut text = format!("destination = \"{written}\"\nper = \"{}\"\n", per.label());
            let mut line = |key: &str, value: &dyn std::fmt::Display| writeln!(text, "{key} = {value}").expect("text");
            source.iter().for_each(|net| line("source", &format!("\"{net}\"")));
            listener.iter().for_each(|name| line("listener", &format!("\"{name}\"")));
            let count_by = count_by.filter(|_| matches!(per, Per::Destination | Per::Pair));
            count_by.iter().for_each(|(word, _)| line("count_by", &format!("\"{word}\"")));
            if per == Per::Prefix {
                line("prefix_v4", &prefix.v4);
                line("prefix_v6", &prefix.v6);
            }
            let scope = RuleScope {
                name: "".into(),
                source: source.map(|net| net.parse().expect("range")),
                listener: listener.map(Into::into),
                destination,
                per,
                count_by: count_by.map_or(CountBy::Rule, |(_, count_by)| count_by),
                prefix: if per == Per::Prefix { prefix } else { PrefixLengths::default() },
                instead_of: None,
                mode: RuleMode::Simulate,
            };
            (text + "mode = \"simulate\"\n", scope)
        })
}

fn limit() -> impl Strategy<Value = (String, LimitRule)> {
    let queue = (1..=65_536u32, 1..100_000u64).prop_map(|(max, ms)| (max, Duration::from_millis(ms)));
    (scope(), 1..=100_000_000u32, of(1..=100_000_000u32), select(&OVER[..]), queue).prop_map(
        |((text, scope), exchanges, streams, (word, over), (max, wait))| {
            let streams_line = streams.map(|streams| format!("streams = {streams}\n")).unwrap_or_default();
            let text = format!(
                "{text}exchanges = {exchanges}\n{streams_line}over = \"{word}\"\nqueue = {{ max = {max}, wait = \"{}ms\" }}\n",
                wait.as_millis()
            );
            let queue = QueueBounds { max, wait };
            (text, LimitRule { scope, exchanges: Some(exchanges), streams, over, queue })
        },
    )
}

fn rate() -> impl Strategy<Value = (String, RateRule)> {
    (scope(), 1..=1_000_000_000u64, 1..=1_000_000_000u64, of(1..=1u64 << 50)).prop_map(
        |((text, scope), per_second, burst, bytes)| {
            let bytes_line = bytes.map(|bytes| format!("bytes = \"{bytes}\"\n")).unwrap_or_default();
            let text = format!("{text}requests = {per_second}\nrequests_burst = {burst}\n{bytes_line}");
            let bytes = bytes.map(|bytes| Rate { per_second: bytes, burst: bytes });
            (text, RateRule { scope, requests: Some(Rate { per_second, burst }), bytes })
        },
    )
}

proptest! {
    #[test]
    fn rules_come_back(
        limits in prop::collection::vec(limit(), 0..5),
        rates in prop::collection::vec(rate(), 0..5),
    ) {
        let (mut text, mut expected) = (String::new(), RuleSet::default());
        for (n, (lines, mut rule)) in limits.into_iter().enumerate() {
            rule.scope.name = format!("limit-{n}").into();
            write!(text, "[[limit]]\nname = \"limit-{n}\"\n{lines}").expect("text");
            expected.limits.push(Arc::new(rule));
        }
        for (n, (lines, mut rule)) in rates.into_iter().enumerate() {
            rule.scope.name = format!("rate-{n}").into();
            write!(text, "[[rate]]\nname = \"rate-{n}\"\n{lines}").expect("text");
            expected.rates.push(Arc::new(rule));
        }
        let found = good(&text).book;
        prop_assert_eq!(found.written(), &expected);
    }
}

#[test]
fn any_bytes_are_answered_with_rules_or_problems() {
    let shipped = LIMITS_TOML.replace("\n# [[", "\n[[");
    for at in (0..shipped.len()).step_by(11) {
        for byte in [b'"', b'[', b'=', b'\n', 0xff] {
            let mut bytes = shipped.clone().into_bytes();
            bytes[at] = byte;
            bytes.truncate(at + 1 + at % 97);
            if let Err(error) = read(&String::from_utf8_lossy(&bytes)) {
                assert!(!error.diagnostics().is_empty());
                assert!(error.to_string().starts_with("error: "), "{error}");
            }
        }
    }
}
