//! Which names are asked for, and what two answers make, without a name server.

use super::*;

const MINUTE: Duration = Duration::from_secs(60);

fn name(text: &str) -> Name {
    Name::from_ascii(text).unwrap()
}

fn address(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn asked(text: &str, search: &[&str]) -> Vec<String> {
    let search: Vec<Name> = search.iter().map(|domain| name(domain)).collect();
    candidates(name(text), &search).iter().map(Name::to_ascii).collect()
}

#[test]
fn only_single_labels_go_through_the_search_list() {
    let search = ["corp.example", "example"];
    assert_eq!(asked("intranet", &search), ["intranet.corp.example.", "intranet.example.", "intranet."]);
    assert_eq!(asked("www.exmaple.org", &search), ["www.exmaple.org."]);
    assert_eq!(asked("intranet", &[]), ["intranet."]);
}

#[test]
fn both_families_make_one_answer_with_the_shorter_ttl() {
    let v6 = Answer::Some(vec![address("2001:db8::1"), address("2001:db8::2")], MINUTE);
    let v4 = Answer::Some(vec![address("192.0.2.1")], MINUTE / 2);
    let found = combine(v6, v4);
    let expected = ["2001:db8::1", "192.0.2.1", "2001:db8::2"].map(address);
    assert_eq!(found.outcome.unwrap().to_vec(), expected);
    assert_eq!(found.ttl, Some(MINUTE / 2));
}

#[test]
fn one_family_is_enough_and_half_an_answer_is_kept_shortly() {
    let v4 = Answer::Some(vec![address("192.0.2.1")], MINUTE);
    assert_eq!(combine(Answer::None(None), v4.clone()).ttl, Some(MINUTE));
    let half = combine(Answer::Missing(ResolveError::Timeout), v4);
    assert_eq!(half.outcome.unwrap().to_vec(), [address("192.0.2.1")]);
    assert_eq!(half.ttl, Some(HALF_AN_ANSWER));
}

#[test]
fn not_found_takes_two_negative_answers() {
    let none = combine(Answer::None(Some(MINUTE)), Answer::None(None));
    assert_eq!(none, Found { outcome: Err(ResolveError::NotFound), ttl: Some(MINUTE) });
    let unsure = combine(Answer::None(Some(MINUTE)), Answer::Missing(ResolveError::Timeout));
    assert_eq!(unsure, Found::nothing(ResolveError::Timeout));
    let failed = combine(Answer::Missing(ResolveError::Timeout), Answer::Missing(ResolveError::Failed));
    assert_eq!(failed, Found::nothing(ResolveError::Failed));
}

#[test]
fn a_listed_name_has_the_listed_addresses_only() {
    let mut hosts = Hosts::default();
    hosts.read_hosts_conf("192.0.2.7 printer printer.corp.example\n2001:db8::7 printer\n".as_bytes()).unwrap();
    let printer = in_hosts(&hosts, &name("printer")).unwrap().outcome.unwrap();
    assert_eq!(printer.to_vec(), ["2001:db8::7", "192.0.2.7"].map(address));
    let by_long_name = in_hosts(&hosts, &name("printer.corp.example")).unwrap().outcome.unwrap();
    assert_eq!(by_long_name.to_vec(), [address("192.0.2.7")]);
    assert_eq!(in_hosts(&hosts, &name("scanner")), None);
}

#[test]
fn all_tries_fit_into_the_deadline() {
    for attempts in [0, 2, 1_000] {
        let mut options = ResolverOpts::default();
        options.attempts = attempts;
        let options = tuned(options, MINUTE / 12);
        assert!(options.timeout * (options.attempts as u32 + 1) <= MINUTE / 12, "{attempts}");
        assert!(options.attempts >= 1);
    }
}

#[test]
fn lookups_leave_descriptors_for_connections() {
    let descriptors = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    let lookups = lookups_at_once() as u64;
    assert!((16..=1_024).contains(&lookups));
    assert!(lookups == 16 || lookups * SOCKETS_PER_LOOKUP <= descriptors / 5);
}
