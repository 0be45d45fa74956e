//! Who counts under which key.

use std::sync::Arc;

use super::*;
use crate::limits::settings::PrefixLengths;
use crate::limits::tests::made::{authority, scope, subject};
use crate::policy::pattern::{HostGroup, HostPattern};

fn holder(scope: &RuleScope, subject: &Subject) -> Option<String> {
    key(scope, subject).map(|key| key.holder.to_string())
}

fn from(source: &str) -> Subject<'static> {
    Subject::new(source.parse().expect("address"), "office", authority("www.shop.example.co.uk:8080"))
}

fn named(name: &str, instead_of: Option<&str>) -> RuleScope {
    RuleScope { instead_of: instead_of.map(Arc::from), ..scope(name, Per::Global) }
}

fn kept(scopes: &[RuleScope], subject: &Subject) -> Vec<String> {
    keys(scopes, |scope| scope, subject).into_iter().map(|(_, key)| key.rule.to_string()).collect()
}

#[test]
fn each_per_has_its_holder() {
    for (per, expected) in [
        (Per::Global, "all"),
        (Per::Listener, "office"),
        (Per::Source, "192.0.2.77"),
        (Per::Prefix, "192.0.2.0/24"),
        (Per::Destination, "www.shop.example.co.uk"),
        (Per::Pair, "192.0.2.77 www.shop.example.co.uk"),
    ] {
        assert_eq!(holder(&scope("r", per), &from("192.0.2.77")).as_deref(), Some(expected));
        assert_eq!(holder(&scope("r", per), &from("::ffff:192.0.2.77")).as_deref(), Some(expected), "mapped");
    }
}

#[test]
fn ranges_of_clients() {
    let mut rule = scope("r", Per::Prefix);
    for (v6, expected) in [(64, "2001:db8:1:2::/64"), (56, "2001:db8:1::/56"), (48, "2001:db8:1::/48")] {
        rule.prefix = PrefixLengths { v4: 24, v6 };
        assert_eq!(holder(&rule, &from("2001:db8:1:2:3::4")).as_deref(), Some(expected));
    }
    rule.prefix = PrefixLengths { v4: 99, v6: 200 };
    assert_eq!(holder(&rule, &from("192.0.2.7")).as_deref(), Some("192.0.2.7/32"), "longer than an address");
}

#[test]
fn each_way_to_count_a_destination() {
    for (count_by, expected) in [
        (CountBy::Rule, "*"),
        (CountBy::Host, "www.shop.example.co.uk"),
        (CountBy::HostPort, "www.shop.example.co.uk:8080"),
        (CountBy::Domain, "example.co.uk"),
    ] {
        let rule = RuleScope { count_by, ..scope("r", Per::Destination) };
        assert_eq!(holder(&rule, &from("192.0.2.7")).as_deref(), Some(expected));
    }
    let domain = RuleScope { count_by: CountBy::Domain, ..scope("r", Per::Destination) };
    for (host, expected) in
        [("localhost", "localhost"), ("co.uk", "co.uk"), ("192.0.2.9", "192.0.2.9"), ("[2001:db8::9]", "2001:db8::9")]
    {
        assert_eq!(holder(&domain, &subject(1, host)).as_deref(), Some(expected));
    }
}

#[test]
fn what_goes_by_address_waits_for_it() {
    let by_address = RuleScope { count_by: CountBy::Address, ..scope("r", Per::Destination) };
    let range = DestinationMatch::Network("198.51.100.0/24".parse().expect("range"));
    let in_range = RuleScope { destination: range, count_by: CountBy::Rule, ..scope("r", Per::Destination) };
    let unresolved = subject(1, "a.example");
    let resolved = unresolved.dialled("::ffff:198.51.100.3".parse().expect("address"));
    assert_eq!(holder(&by_address, &unresolved), None);
    assert_eq!(holder(&by_address, &resolved).as_deref(), Some("198.51.100.3"));
    assert_eq!(holder(&by_address, &subject(1, "198.51.100.4")).as_deref(), Some("198.51.100.4"), "a literal is known");
    assert_eq!(holder(&in_range, &unresolved), None);
    assert_eq!(holder(&in_range, &resolved).as_deref(), Some("198.51.100.0/24"));
}

#[test]
fn sister_sites_are_one_destination() {
    let hosts = ["p*.livesport.example", "p*.flashsports.example"].map(HostPattern::new).into();
    let group = DestinationMatch::Group(Arc::new(HostGroup { name: "livesport".into(), hosts }));
    let rule = RuleScope { destination: group, count_by: CountBy::Rule, ..scope("r", Per::Pair) };
    for host in ["p1.livesport.example", "p2.livesport.example", "p9.flashsports.example"] {
        assert_eq!(holder(&rule, &subject(7, host)).as_deref(), Some("192.0.2.7 group:livesport"));
    }
    assert_eq!(holder(&rule, &subject(7, "www.livesport.example")), None);
    let pattern = DestinationMatch::Host { pattern: HostPattern::new("*.example"), port: Some(80) };
    let rule = RuleScope { destination: pattern, count_by: CountBy::Rule, ..scope("r", Per::Destination) };
    assert_eq!(holder(&rule, &subject(7, "a.example")).as_deref(), Some("*.example:80"));
}

#[test]
fn a_rule_speaks_only_of_whom_it_names() {
    let clients = RuleScope { source: Some("192.0.2.0/25".parse().expect("range")), ..scope("r", Per::Global) };
    assert!(key(&clients, &subject(127, "a.example")).is_some());
    assert!(key(&clients, &subject(128, "a.example")).is_none());
    let listener = |name: &str| RuleScope { listener: Some(name.into()), ..scope("r", Per::Global) };
    assert!(key(&listener("office"), &subject(1, "a.example")).is_some());
    assert!(key(&listener("guests"), &subject(1, "a.example")).is_none());
}

#[test]
fn a_rule_takes_the_place_of_another_where_both_speak() {
    let only_one =
        RuleScope { source: Some("192.0.2.1/32".parse().expect("range")), ..named("exception", Some("usual")) };
    let rules = [named("usual", None), only_one, named("other", Some("nobody"))];
    assert_eq!(kept(&rules, &subject(1, "a.example")), ["exception", "other"]);
    assert_eq!(kept(&rules, &subject(2, "a.example")), ["usual", "other"]);
    assert_eq!(kept(&[named("self", Some("self"))], &subject(1, "a.example")), ["self"]);
}

#[test]
fn watching_does_not_open_what_is_closed() {
    let watch = |rule: RuleScope| RuleScope { mode: RuleMode::Simulate, ..rule };
    let new = || watch(named("new", Some("usual")));
    assert_eq!(kept(&[named("usual", None), new()], &subject(1, "a.example")), ["usual", "new"]);
    assert_eq!(kept(&[watch(named("usual", None)), new()], &subject(1, "a.example")), ["new"]);
}
