//! Rates by rule and holder.

use std::time::Duration;

use super::*;
use crate::limits::settings::{Per, Rate};
use crate::limits::tests::made::{rate, scope, subject};

const SECOND: Duration = Duration::from_secs(1);

fn rates(mode: LimitMode, rules: impl IntoIterator<Item = Arc<RateRule>>) -> Rates {
    Rates::new(mode, set(rules))
}

fn set(rules: impl IntoIterator<Item = Arc<RateRule>>) -> Arc<RuleSet> {
    Arc::new(RuleSet { rates: rules.into_iter().collect(), ..RuleSet::default() })
}

fn bytes(name: &str, per: Per, most: u64) -> Arc<RateRule> {
    let bytes = Some(Rate { per_second: most, burst: most });
    Arc::new(RateRule { scope: scope(name, per), requests: None, bytes })
}

fn passes(plan: &RatePlan, now: Instant) -> usize {
    (0..100).filter(|_| plan.take_request(now).is_ok()).count()
}

#[test]
fn each_source_has_its_own() {
    let rates = rates(LimitMode::Enforce, [rate("source", Per::Source, 4)]);
    let now = now() + SECOND;
    for source in [1, 2] {
        let plan = rates.plan(&subject(source, "a.example"), None);
        assert!(!plan.is_empty() && !plan.counts_bytes());
        assert_eq!(passes(&plan, now), 4);
        let refusal = plan.take_request(now).expect_err("over the rate");
        assert_eq!((&*refusal.rule.scope.name, refusal.retry_after), ("source", SECOND / 4));
        assert!(plan.take_request(now + refusal.retry_after).is_ok(), "it told the truth");
    }
    assert_eq!(rates.stats()[0].refused, 2 * 97);
    let same = rates.plan(&subject(1, "b.example"), None);
    assert!(same.take_request(now).is_err(), "another plan of the same source");
}

#[test]
fn all_or_none() {
    let rates = rates(LimitMode::Enforce, [rate("wide", Per::Global, 10), rate("narrow", Per::Source, 1)]);
    let now = now() + SECOND;
    let plan = rates.plan(&subject(1, "a.example"), None);
    assert_eq!(passes(&plan, now), 1);
    let others: usize = (2..50).map(|source| passes(&rates.plan(&subject(source, "a.example"), None), now)).sum();
    assert_eq!(others, 9, "what was refused has cost the others nothing");
    let refusal = plan.take_request(now).expect_err("both are empty");
    assert_eq!((&*refusal.rule.scope.name, refusal.retry_after), ("wide", SECOND), "until the last one has some");
}

#[test]
fn bytes_are_owed_and_waited_for() {
    let rates = rates(LimitMode::Enforce, [bytes("slow", Per::Source, 1000), bytes("slower", Per::Global, 500)]);
    let now = now() + SECOND;
    let plan = rates.plan(&subject(1, "a.example"), None);
    assert!(plan.counts_bytes());
    plan.spend(500, now);
    assert_eq!(plan.ready_at(now), None);
    plan.spend(1000, now);
    assert_eq!(plan.ready_at(now), Some(now + 2 * SECOND), "the slowest of all");
    assert_eq!(plan.ready_at(now + 2 * SECOND), None);
    assert!(plan.take_request(now).is_ok(), "requests are not counted");
    assert_eq!((rates.stats()[0].delayed, rates.stats()[1].delayed), (1, 1));
}

#[test]
fn watching_counts_and_holds_nobody_up() {
    let rates = rates(LimitMode::Simulate, [rate("requests", Per::Global, 1), bytes("bytes", Per::Global, 10)]);
    let now = now() + SECOND;
    let plan = rates.plan(&subject(1, "a.example"), None);
    assert_eq!(passes(&plan, now), 100);
    plan.spend(20, now);
    assert_eq!((plan.ready_at(now), plan.ready_at(now)), (None, None));
    let stats = rates.stats();
    assert_eq!((stats[0].simulated, stats[0].refused), (99, 0));
    assert_eq!((stats[1].simulated, stats[1].delayed), (1, 0));
}

#[test]
fn off_is_off() {
    let rates = rates(LimitMode::Off, [rate("none", Per::Global, 1)]);
    assert!(rates.plan(&subject(1, "a.example"), None).is_empty());
}

#[test]
fn a_reload_keeps_what_was_used() {
    let rates = rates(LimitMode::Enforce, [rate("source", Per::Source, 5)]);
    let now = now() + SECOND;
    let plan = rates.plan(&subject(1, "a.example"), None);
    assert!(Arc::ptr_eq(&plan, &rates.plan(&subject(1, "a.example"), Some(&plan))));
    assert_eq!(passes(&plan, now), 5);
    rates.replace(1, LimitMode::Enforce, set([rate("source", Per::Source, 10)]));
    let next = rates.plan(&subject(1, "a.example"), Some(&plan));
    assert!(!Arc::ptr_eq(&plan, &next) && next.generation() == 1);
    assert_eq!(passes(&next, now), 0);
    assert_eq!(passes(&next, now + Duration::from_secs(60)), 10);
    rates.replace(2, LimitMode::Enforce, set([]));
    assert!(rates.plan(&subject(1, "a.example"), Some(&next)).is_empty());
}

#[test]
fn only_so_many_are_kept_and_those_in_use_first() {
    let kept = NonZeroUsize::new(8).expect("not 0");
    let rates = Rates::keeping(kept, LimitMode::Enforce, set([rate("source", Per::Source, 1)]));
    let now = now() + SECOND;
    let held: Vec<_> = (0..4).map(|source| rates.plan(&subject(source, "a.example"), None)).collect();
    held.iter().for_each(|plan| assert_eq!(passes(plan, now), 1));
    for source in 10..200 {
        assert_eq!(passes(&rates.plan(&subject(source, "a.example"), None), now), 1);
        assert!(rates.lock().len() <= 8);
    }
    for source in 0..4 {
        assert_eq!(passes(&rates.plan(&subject(source, "a.example"), None), now), 0, "still the same one");
    }
}
