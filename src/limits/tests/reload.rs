//! Other rules while slots are held and waited for.

use std::sync::Arc;
use std::task::{Context, Waker};

use super::made::*;
use crate::limits::Limits;
use crate::limits::refusal::Lane;
use crate::limits::settings::{LimitMode, RuleMode};

#[test]
fn a_raised_limit_wakes_as_many_as_it_has_room_for() {
    let limits = Limits::new(LimitMode::Enforce, rules([queue("one", Per::Global, 1)]));
    let held = granted(ask(&limits, 1, "a.example"));
    let bell = Arc::new(Bell::default());
    let waker = Waker::from(bell.clone());
    let mut tickets: Vec<_> = (2..6).map(|source| waits(ask(&limits, source, "a.example"))).collect();
    for ticket in &mut tickets {
        assert!(ticket.poll(&mut Context::from_waker(&waker)).is_pending());
    }
    let before = limits.plan(&subject(1, "a.example"), None);
    limits.replace(LimitMode::Enforce, rules([queue("one", Per::Global, 3)]));
    assert!(!limits.is_current(&before));
    let after = limits.plan(&subject(1, "a.example"), Some(&before));
    assert!(limits.is_current(&after) && Arc::ptr_eq(&before.entries[0], &after.entries[0]));
    assert_eq!((bell.rung(), in_use(&limits)), (2, vec![("one", 3)]));
    let guards = [ready(&mut tickets[0]), ready(&mut tickets[1])];
    assert!(poll(&mut tickets[2]).is_pending());
    drop((guards, tickets, held, before, after));
    assert_eq!(limits.entries(), 0);
}

#[test]
fn a_lowered_limit_takes_nothing_away_and_grants_nothing() {
    let limits = Limits::new(LimitMode::Enforce, rules([limit("one", Per::Global, 3)]));
    let mut held: Vec<_> = (0..3).map(|_| granted(ask(&limits, 1, "a.example"))).collect();
    limits.replace(LimitMode::Enforce, rules([limit("one", Per::Global, 1)]));
    for _ in 0..3 {
        let _ = refused(ask(&limits, 1, "a.example"));
        held.pop();
    }
    drop(granted(ask(&limits, 1, "a.example")));
}

#[test]
fn who_waits_for_a_rule_that_is_gone_or_only_watched_is_let_in() {
    let mut watched = queue("one", Per::Global, 1);
    watched.scope.mode = RuleMode::Simulate;
    let ends = [
        (LimitMode::Enforce, rules([])),
        (LimitMode::Enforce, rules([watched])),
        (LimitMode::Simulate, rules([queue("one", Per::Global, 1)])),
        (LimitMode::Off, rules([queue("one", Per::Global, 1)])),
    ];
    for (mode, end) in ends {
        let limits = Limits::new(LimitMode::Enforce, rules([queue("one", Per::Global, 1)]));
        let held = granted(ask(&limits, 1, "a.example"));
        let mut tickets: Vec<_> = (2..5).map(|source| waits(ask(&limits, source, "a.example"))).collect();
        limits.replace(mode, end);
        let guards: Vec<_> = tickets.iter_mut().map(ready).collect();
        assert_eq!(in_use(&limits), [("one", 4)]);
        limits.replace(LimitMode::Enforce, rules([limit("one", Per::Global, 1)]));
        let _ = refused(ask(&limits, 9, "a.example"));
        drop((guards, held, tickets));
        drop(granted(ask(&limits, 9, "a.example")));
        assert_eq!(limits.entries(), 0);
    }
}

#[test]
fn what_a_rule_has_done_stays_with_its_name() {
    let limits = Limits::new(LimitMode::Enforce, rules([limit("one", Per::Global, 0)]));
    let _ = refused(ask(&limits, 1, "a.example"));
    limits.replace(LimitMode::Enforce, rules([limit("wide", Per::Global, 1), limit("one", Per::Global, 2)]));
    let stats = limits.stats();
    assert_eq!((&*stats[0].rule, stats[0].refused[0].1), ("wide", 0));
    assert_eq!((&*stats[1].rule, stats[1].refused[0].1), ("one", 1));
    assert_eq!(limits.rules().limits.len(), 2);
    assert_eq!(limits.mode(), LimitMode::Enforce);
}

/// Slots that were taken while a rule only watched count once it is kept.
#[test]
fn what_is_held_counts_under_the_new_mode() {
    let limits = Limits::new(LimitMode::Simulate, rules([limit("one", Per::Global, 1)]));
    let plan = limits.plan(&subject(1, "a.example"), None);
    let mut held: Vec<_> = (0..2).map(|_| granted(limits.admit(&plan, Lane::Exchange, None))).collect();
    limits.replace(LimitMode::Enforce, rules([limit("one", Per::Global, 1)]));
    let _ = refused(limits.admit(&plan, Lane::Exchange, None));
    held.pop();
    let _ = refused(limits.admit(&plan, Lane::Exchange, None));
    held.pop();
    drop(granted(limits.admit(&plan, Lane::Exchange, None)));
}
