//! Streams that make room.

use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use super::made::*;
use crate::limits::Limits;
use crate::limits::guard::Guard;
use crate::limits::refusal::{Lane, Why};
use crate::limits::seat::Seat;
use crate::limits::settings::LimitMode;
use crate::observe::live::LiveTable;

/// Streams of one client, the first one silent for the longest time.
fn streams(limits: &Arc<Limits>, count: u64) -> Vec<(Arc<Seat>, Guard)> {
    let epoch = Instant::now();
    let table = LiveTable::new(epoch);
    (1..=count)
        .map(|id| {
            let row = table.insert(id, "192.0.2.1:1".parse().expect("address"), "office".into(), &"".into());
            row.moved(epoch + Duration::from_secs(id), 1, 1);
            let seat = Seat::new(row);
            let plan = limits.plan(&subject(1, "a.example"), None);
            (seat.clone(), granted(limits.admit(&plan, Lane::Stream, Some(&seat))))
        })
        .collect()
}

fn three_streams() -> Arc<Limits> {
    Limits::new(LimitMode::Enforce, rules([evict("one", Per::Source, 3)]))
}

#[test]
fn the_longest_silent_stream_makes_room() {
    let limits = three_streams();
    let mut held = streams(&limits, 3);
    let bell = Arc::new(Bell::default());
    let waker = Waker::from(bell.clone());
    assert!(held[1].0.poll_evicted(&mut Context::from_waker(&waker)).is_pending());
    // The first has moved since: now the second is silent for the longest time.
    held[0].0.row().moved(Instant::now() + Duration::from_secs(60), 1, 1);
    let plan = limits.plan(&subject(1, "b.example"), None);
    let mut ticket = waits(limits.admit(&plan, Lane::Stream, None));
    assert_eq!(held.iter().map(|(seat, _)| seat.is_evicted()).collect::<Vec<_>>(), [false, true, false]);
    assert_eq!(bell.rung(), 1);
    assert_eq!(held[1].0.poll_evicted(&mut Context::from_waker(&waker)), Poll::Ready(()));
    assert!(poll(&mut ticket).is_pending(), "it has not left yet");
    drop(held.remove(1));
    drop(ready(&mut ticket));
    let stats = limits.stats().remove(0);
    assert_eq!((stats.evictions, stats.queued, stats.granted, stats.streams), (1, 1, 1, 2));
}

#[test]
fn each_newcomer_evicts_another_until_none_is_left() {
    let limits = three_streams();
    let held = streams(&limits, 3);
    let plan = limits.plan(&subject(1, "b.example"), None);
    let tickets: Vec<_> = (0..3).map(|_| waits(limits.admit(&plan, Lane::Stream, None))).collect();
    assert!(held.iter().all(|(seat, _)| seat.is_evicted()));
    assert_eq!(refused(limits.admit(&plan, Lane::Stream, None)).why, Why::Full);
    let other = limits.plan(&subject(2, "b.example"), None);
    drop(granted(limits.admit(&other, Lane::Stream, None)));
    drop((tickets, held));
    assert_eq!(limits.stats().remove(0).streams, 0);
}

#[test]
fn exchanges_may_evict_streams_but_not_each_other() {
    let limits = three_streams();
    let plan = limits.plan(&subject(1, "a.example"), None);
    let exchanges: Vec<_> = (0..3).map(|_| granted(limits.admit(&plan, Lane::Exchange, None))).collect();
    assert_eq!(refused(limits.admit(&plan, Lane::Exchange, None)).why, Why::Full);
    let held = streams(&limits, 1);
    let ticket = waits(limits.admit(&plan, Lane::Exchange, None));
    assert!(held[0].0.is_evicted());
    drop((exchanges, held, ticket, plan));
    assert_eq!(limits.entries(), 0);
}

/// A waiter's seat is taken with its slot, and can be evicted from then on.
#[test]
fn a_stream_that_has_waited_may_be_evicted_too() {
    let limits = three_streams();
    let mut held = streams(&limits, 3);
    let table = LiveTable::new(Instant::now());
    let seat = Seat::new(table.insert(9, "192.0.2.1:1".parse().expect("address"), "office".into(), &"".into()));
    let plan = limits.plan(&subject(1, "a.example"), None);
    let mut ticket = waits(limits.admit(&plan, Lane::Stream, Some(&seat)));
    drop(held.remove(0));
    let guard = ready(&mut ticket);
    let others: Vec<_> = (0..3).map(|_| waits(limits.admit(&plan, Lane::Stream, None))).collect();
    assert!(seat.is_evicted());
    drop((guard, others, held));
    assert_eq!(limits.stats().remove(0).streams, 0);
}
