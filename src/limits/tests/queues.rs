//! Waiting for a slot.

use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use super::made::*;
use crate::limits::Limits;
use crate::limits::entry::{Answer, Asker};
use crate::limits::refusal::{Lane, Why};
use crate::limits::settings::{LimitMode, LimitRule, QueueBounds};
use crate::limits::waiter::serve;

fn one_at_a_time() -> Arc<Limits> {
    Limits::new(LimitMode::Enforce, rules([queue("one", Per::Global, 1)]))
}

#[test]
fn a_freed_slot_is_the_next_waiters_before_it_wakes() {
    let limits = one_at_a_time();
    let held = granted(ask(&limits, 1, "a.example"));
    let mut ticket = waits(ask(&limits, 2, "a.example"));
    let bell = Arc::new(Bell::default());
    let waker = Waker::from(bell.clone());
    assert!(ticket.poll(&mut Context::from_waker(&waker)).is_pending());
    assert!(ticket.poll(&mut Context::from_waker(&waker)).is_pending());
    drop(held);
    assert_eq!(bell.rung(), 1);
    assert_eq!(in_use(&limits), [("one", 1)], "handed on, not given back");
    let late = waits(ask(&limits, 3, "a.example"));
    assert!(format!("{late:?}").contains("one"), "shown while it waits, it comes to an end");
    let guard = ready(&mut ticket);
    drop((late, guard));
    let stats = limits.stats().remove(0);
    assert_eq!((stats.queued, stats.granted, stats.waiting, stats.exchanges), (2, 1, 0, 0));
    assert_eq!(limits.usage().len(), 1, "the ticket that was served still has its plan");
    drop(ticket);
    assert_eq!(limits.entries(), 0);
}

#[test]
fn a_slot_granted_to_one_who_left_passes_on() {
    let limits = one_at_a_time();
    let held = granted(ask(&limits, 1, "a.example"));
    let mut tickets: Vec<_> = (2..6).map(|source| waits(ask(&limits, source, "a.example"))).collect();
    drop(tickets.remove(1));
    drop(held);
    drop(tickets.remove(0));
    assert!(poll(&mut tickets[1]).is_pending(), "not yet its turn");
    let guard = ready(&mut tickets[0]);
    drop((guard, tickets));
    assert_eq!(limits.entries(), 0);
}

#[test]
fn sources_take_turns() {
    let limits = one_at_a_time();
    let mut held = granted(ask(&limits, 9, "a.example"));
    let order = [1, 1, 1, 2, 3];
    let mut tickets: Vec<_> =
        order.into_iter().map(|source| (source, waits(ask(&limits, source, "a.example")))).collect();
    let mut served = Vec::new();
    while !tickets.is_empty() {
        drop(held);
        let at = tickets.iter_mut().position(|(_, ticket)| match poll(ticket) {
            Poll::Ready(Ok(guard)) => {
                served.push(guard);
                true
            }
            _ => false,
        });
        let (source, _ticket) = tickets.remove(at.expect("someone is served"));
        held = served.pop().expect("its guard");
        assert_eq!(Some(source), [1, 2, 3, 1, 1].get(4 - tickets.len()).copied());
    }
    drop(held);
    assert_eq!(limits.entries(), 0);
}

#[test]
fn a_queue_has_bounds() {
    let bounds = QueueBounds { max: 2, ..QueueBounds::default() };
    let limits = Limits::new(LimitMode::Enforce, rules([LimitRule { queue: bounds, ..queue("one", Per::Global, 1) }]));
    let held = granted(ask(&limits, 1, "a.example"));
    let first = waits(ask(&limits, 1, "a.example"));
    let second = waits(ask(&limits, 1, "a.example"));
    let refusal = refused(ask(&limits, 2, "a.example"));
    assert_eq!((refusal.why, refusal.retry_after.as_secs()), (Why::QueueFull, 3), "behind one second for each");
    assert!(second.deadline() >= first.deadline());
    let refusal = first.give_up();
    assert_eq!((refusal.why, refusal.lane, &*refusal.rule.scope.name), (Why::QueueTimeout, Lane::Exchange, "one"));
    assert!((1..=3600).contains(&refusal.retry_after.as_secs()));
    let third = waits(ask(&limits, 2, "a.example"));
    let counts = limits.stats().remove(0).refused;
    assert_eq!(counts, [(Why::Full, 0), (Why::QueueFull, 1), (Why::QueueTimeout, 1)]);
    drop((held, second, third));
    assert_eq!(limits.entries(), 0);
}

#[test]
fn who_gives_up_in_the_moment_of_the_grant_passes_it_on() {
    let limits = one_at_a_time();
    let held = granted(ask(&limits, 1, "a.example"));
    let first = waits(ask(&limits, 2, "a.example"));
    let mut second = waits(ask(&limits, 3, "a.example"));
    drop(held);
    let _ = first.give_up();
    drop(ready(&mut second));
    assert_eq!(in_use(&limits), [("one", 0)]);
}

/// Another thread is about to take slots for a waiter when it leaves, before and after it is moved to another queue.
#[test]
fn who_leaves_while_slots_are_taken_for_it_gets_none() {
    for second in [2, 1] {
        let limits = Limits::new(
            LimitMode::Enforce,
            rules([queue("first", Per::Global, 1), queue("second", Per::Destination, second)]),
        );
        let plan = limits.plan(&subject(1, "b.example"), None);
        let asker = Asker { plan: &plan, lane: Lane::Exchange, seat: None, waiter: None };
        assert!(matches!(plan.entries[0].take(asker, 0), Answer::Taken));
        let ticket = waits(ask(&limits, 2, "a.example"));
        let give_back = thief(&limits, "a.example");
        let waiter = plan.entries[0].give_back(asker).expect("it has the slot of the first rule");
        drop(ticket);
        let held = || limits.stats().iter().map(|rule| rule.exchanges).collect::<Vec<_>>();
        assert_eq!(held(), [1, 1], "not given back yet");
        serve(waiter);
        assert_eq!(held(), [0, 1], "what is left is the other one's");
        give_back();
        assert_eq!(held(), [0, 0]);
    }
}

/// Takes a slot of the second rule alone, for the client 3; the answer gives it back.
fn thief(limits: &Arc<Limits>, host: &str) -> impl FnOnce() + use<> {
    let plan = limits.plan(&subject(3, host), None);
    let asker = Asker { plan: &plan, lane: Lane::Exchange, seat: None, waiter: None };
    assert!(matches!(plan.entries[1].take(asker, 1), Answer::Taken));
    move || {
        let asker = Asker { plan: &plan, lane: Lane::Exchange, seat: None, waiter: None };
        plan.entries[1].give_back(asker).into_iter().for_each(serve);
    }
}

#[test]
fn who_finds_the_next_rule_full_holds_nothing_and_waits_there() {
    let limits =
        Limits::new(LimitMode::Enforce, rules([queue("first", Per::Global, 1), queue("second", Per::Destination, 1)]));
    let held = granted(ask(&limits, 1, "b.example"));
    let mut to_a = waits(ask(&limits, 2, "a.example"));
    let deadline = to_a.deadline();
    let give_back = thief(&limits, "a.example");
    drop(held);
    assert!(poll(&mut to_a).is_pending());
    assert_eq!(in_use(&limits), [("first", 0), ("second", 1)], "the slot of the first rule is free for others");
    let to_b = granted(ask(&limits, 4, "b.example"));
    give_back();
    assert!(poll(&mut to_a).is_pending(), "now the first rule is full again");
    assert_eq!(in_use(&limits), [("first", 1), ("second", 0), ("second", 1)]);
    drop(to_b);
    let guard = ready(&mut to_a);
    assert_eq!(to_a.deadline(), deadline, "one deadline for all");
    assert_eq!(limits.stats()[0].queued + limits.stats()[1].queued, 3);
    drop((guard, to_a));
    assert_eq!(limits.entries(), 0);
}

#[test]
fn a_later_rule_may_refuse_one_who_has_waited() {
    let limits =
        Limits::new(LimitMode::Enforce, rules([queue("first", Per::Global, 1), limit("second", Per::Destination, 1)]));
    let held = granted(ask(&limits, 1, "b.example"));
    let mut ticket = waits(ask(&limits, 2, "a.example"));
    let mut behind = waits(ask(&limits, 2, "c.example"));
    let give_back = thief(&limits, "a.example");
    drop(held);
    let Poll::Ready(Err(refusal)) = poll(&mut ticket) else { panic!("neither refused nor waiting") };
    assert_eq!((&*refusal.rule.scope.name, refusal.why), ("second", Why::Full));
    drop(ready(&mut behind));
    give_back();
    drop((ticket, behind));
    assert_eq!(limits.entries(), 0);
}

/// Each of three waiters has what another one needs for a moment: they must not pass slots around for ever.
#[test]
fn waiters_for_the_same_two_rules_do_not_go_in_circles() {
    let limits =
        Limits::new(LimitMode::Enforce, rules([queue("first", Per::Global, 2), queue("second", Per::Source, 1)]));
    let mut guards = vec![granted(ask(&limits, 1, "a.example")), granted(ask(&limits, 2, "a.example"))];
    let mut tickets: Vec<_> =
        [1, 1, 2, 2, 1, 3].map(|source| waits(ask(&limits, source, "a.example"))).into_iter().collect();
    let mut served = 0;
    while !guards.is_empty() {
        drop(guards.remove(0));
        tickets.retain_mut(|ticket| match poll(ticket) {
            Poll::Ready(guard) => {
                guards.push(guard.expect("all wait"));
                served += 1;
                false
            }
            Poll::Pending => true,
        });
    }
    assert_eq!((served, tickets.len(), limits.entries()), (6, 0, 0));
}
