//! The limits as a whole: what is granted, refused, queued and evicted, and what a reload keeps.

mod evictions;
pub(super) mod made;
mod queues;
mod random;
mod reload;
mod threads;

use super::*;
use made::*;
use refusal::Why;

#[test]
fn all_or_none_in_the_order_of_the_rules() {
    let limits = Limits::new(
        LimitMode::Enforce,
        rules([limit("wide", Per::Global, 10), limit("narrow", Per::Source, 1), limit("last", Per::Global, 10)]),
    );
    let plan = limits.plan(&subject(1, "a.example"), None);
    assert_eq!(plan.len(), 3);
    let guard = granted(limits.admit(&plan, Lane::Exchange, None));
    let refusal = refused(limits.admit(&plan, Lane::Exchange, None));
    assert_eq!((&*refusal.rule.scope.name, refusal.why, refusal.lane), ("narrow", Why::Full, Lane::Exchange));
    assert_eq!(in_use(&limits), [("last", 1), ("narrow", 1), ("wide", 1)]);
    let other = limits.plan(&subject(2, "a.example"), None);
    let second = granted(limits.admit(&other, Lane::Exchange, None));
    assert_eq!(in_use(&limits), [("last", 2), ("narrow", 1), ("narrow", 1), ("wide", 2)]);
    drop((guard, second));
    assert_eq!(in_use(&limits), [("last", 0), ("narrow", 0), ("narrow", 0), ("wide", 0)]);
    drop((plan, other));
    assert_eq!(limits.entries(), 0);
}

#[test]
fn a_pair_is_no_burden_to_others() {
    let limits = Limits::new(LimitMode::Enforce, rules([limit("pair", Per::Pair, 2)]));
    let admit = |source, host| {
        let plan = limits.plan(&subject(source, host), None);
        limits.admit(&plan, Lane::Exchange, None)
    };
    let held = [granted(admit(1, "p1.example")), granted(admit(1, "p1.example"))];
    let _ = refused(admit(1, "p1.example"));
    let others = [granted(admit(1, "p2.example")), granted(admit(2, "p1.example"))];
    assert_eq!(limits.entries(), 3);
    drop((held, others));
    assert_eq!(limits.entries(), 0);
}

#[test]
fn a_stream_keeps_its_exchange_slot_and_takes_another() {
    let mut rule = limit("both", Per::Global, 3);
    rule.streams = Some(1);
    let limits = Limits::new(LimitMode::Enforce, rules([rule]));
    let plan = limits.plan(&subject(1, "a.example"), None);
    let exchange = granted(limits.admit(&plan, Lane::Exchange, None));
    let stream = granted(limits.admit(&plan, Lane::Stream, None));
    let refusal = refused(limits.admit(&plan, Lane::Stream, None));
    assert_eq!((refusal.why, refusal.lane), (Why::Full, Lane::Stream));
    assert_eq!(refusal.retry_after.as_secs(), 30, "streams stay, as far as is known");
    let usage = limits.usage().remove(0);
    assert_eq!((usage.exchanges.in_use, usage.streams.in_use), (1, 1));
    assert_eq!((usage.exchanges.limit, usage.streams.limit), (Some(3), Some(1)));
    assert_eq!((&*usage.rule, usage.scope, &*usage.holder), ("both", "global", "all"));
    drop(stream);
    let again = granted(limits.admit(&plan, Lane::Stream, None));
    drop((exchange, again));
}

#[test]
fn a_watched_rule_counts_and_refuses_nothing() {
    let mut watched = limit("watched", Per::Global, 1);
    watched.scope.mode = RuleMode::Simulate;
    for (mode, rule) in [(LimitMode::Enforce, watched), (LimitMode::Simulate, limit("watched", Per::Global, 1))] {
        let limits = Limits::new(mode, rules([rule]));
        let plan = limits.plan(&subject(1, "a.example"), None);
        let guards: Vec<Guard> = (0..5).map(|_| granted(limits.admit(&plan, Lane::Exchange, None))).collect();
        let stats = limits.stats().remove(0);
        assert_eq!((stats.simulated, stats.exchanges, stats.exchanges_peak), (4, 5, 5));
        drop(guards);
        assert_eq!(limits.stats().remove(0).exchanges, 0);
    }
}

#[test]
fn with_limits_off_nothing_is_counted() {
    let limits = Limits::new(LimitMode::Off, rules([limit("none", Per::Global, 0)]));
    let plan = limits.plan(&subject(1, "a.example"), None);
    assert!(plan.is_empty());
    let _guard = granted(limits.admit(&plan, Lane::Exchange, None));
    assert_eq!(limits.entries(), 0);
}

#[test]
fn a_plan_is_used_again_while_it_is_right() {
    let limits = Limits::new(LimitMode::Enforce, rules([limit("source", Per::Source, 1), limit("pair", Per::Pair, 1)]));
    let first = limits.plan(&subject(1, "a.example"), None);
    assert!(Arc::ptr_eq(&first, &limits.plan(&subject(1, "a.example"), Some(&first))));
    let second = limits.plan(&subject(1, "b.example"), Some(&first));
    assert!(Arc::ptr_eq(&first.entries[0], &second.entries[0]), "the same source");
    assert!(!Arc::ptr_eq(&first.entries[1], &second.entries[1]), "another pair");
    assert!(Arc::ptr_eq(&second.entries[0], &limits.plan(&subject(1, "b.example"), None).entries[0]));
    assert_eq!(limits.entries(), 3);
}

#[test]
fn a_panic_gives_the_slots_back() {
    let limits = Limits::new(LimitMode::Enforce, rules([limit("one", Per::Global, 1)]));
    let plan = limits.plan(&subject(1, "a.example"), None);
    let unwound = std::panic::catch_unwind(|| {
        let _guard = granted(limits.admit(&plan, Lane::Exchange, None));
        std::panic::resume_unwind(Box::new(()));
    });
    assert!(unwound.is_err());
    let _guard = granted(limits.admit(&plan, Lane::Exchange, None));
}

#[test]
fn rates_are_part_of_it() {
    let limits = Limits::new(LimitMode::Enforce, RuleSet::default());
    let none = limits.rate_plan(&subject(1, "a.example"), None);
    assert!(none.is_empty() && limits.is_rate_current(&none));
    limits.replace(LimitMode::Enforce, RuleSet { rates: vec![rate("slow", Per::Source, 1)], ..RuleSet::default() });
    assert!(!limits.is_rate_current(&none));
    let plan = limits.rate_plan(&subject(1, "a.example"), Some(&none));
    assert!(limits.is_rate_current(&plan));
    let now = lane::now();
    assert!(plan.take_request(now).is_ok());
    assert!(plan.take_request(now).is_err());
    assert_eq!(limits.rate_stats().remove(0).refused, 1);
}
