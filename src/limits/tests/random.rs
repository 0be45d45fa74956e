//! Random acquire, queue, cancel, panic and reload, held against what must always be true.

use std::collections::HashMap;
use std::sync::Arc;
use std::task::Poll;

use proptest::prelude::*;

use super::made::*;
use crate::limits::Limits;
use crate::limits::guard::{Admit, Guard};
use crate::limits::refusal::Lane;
use crate::limits::settings::{LimitMode, LimitRule, QueueBounds, RuleSet};
use crate::limits::ticket::Ticket;
use crate::limits::usage::{LaneUsage, Usage};

const HOSTS: [&str; 3] = ["a.example", "b.example", "c.example"];

#[derive(Clone, Debug)]
enum Step {
    Ask { source: u8, host: usize, lane: Lane },
    Poll(usize),
    Leave(usize),
    GiveUp(usize),
    Release(usize),
    Panic { source: u8, host: usize },
    Reload { variant: usize, most: u32 },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let (source, host) = (0..4_u8, 0..HOSTS.len());
    let lane = prop_oneof![3 => Just(Lane::Exchange), 1 => Just(Lane::Stream)];
    let step = prop_oneof![
        8 => (source.clone(), host.clone(), lane).prop_map(|(source, host, lane)| Step::Ask { source, host, lane }),
        4 => any::<usize>().prop_map(Step::Poll),
        2 => any::<usize>().prop_map(Step::Leave),
        1 => any::<usize>().prop_map(Step::GiveUp),
        6 => any::<usize>().prop_map(Step::Release),
        1 => (source, host).prop_map(|(source, host)| Step::Panic { source, host }),
        1 => (0..4_usize, 0..5_u32).prop_map(|(variant, most)| Step::Reload { variant, most }),
    ];
    prop::collection::vec(step, 1..120)
}

/// The rules by variant: rejecting, queueing, mixed in either order, fewer. A limit of 0 would keep waiters for ever.
fn variant(variant: usize, most: u32) -> RuleSet {
    let most = most.max(1);
    let short = QueueBounds { max: 3, ..QueueBounds::default() };
    let pair = LimitRule { queue: short, ..queue("pair", Per::Pair, most) };
    match variant {
        0 => rules([limit("wide", Per::Global, 2 * most), limit("source", Per::Source, most), pair]),
        1 => rules([queue("wide", Per::Global, 2 * most), queue("source", Per::Source, most), pair]),
        2 => rules([pair, queue("source", Per::Source, most), queue("wide", Per::Global, most)]),
        _ => rules([queue("source", Per::Source, most)]),
    }
}

struct World {
    limits: Arc<Limits>,
    guards: Vec<Guard>,
    tickets: Vec<Ticket>,
}

type Held = HashMap<(Arc<str>, String), [LaneUsage; 2]>;

fn held(limits: &Limits) -> Held {
    let entry = |one: Usage| ((one.rule, one.holder), [one.exchanges, one.streams]);
    limits.usage().into_iter().map(entry).collect()
}

impl World {
    fn step(&mut self, step: &Step) {
        match *step {
            Step::Ask { source, host, lane } => {
                let plan = self.limits.plan(&subject(source, HOSTS[host]), None);
                match self.limits.admit(&plan, lane, None) {
                    Admit::Granted(guard) => self.guards.push(guard),
                    Admit::Wait(ticket) => self.tickets.push(ticket),
                    Admit::Refused(refusal) => assert_eq!(refusal.lane, lane),
                }
            }
            Step::Poll(at) if !self.tickets.is_empty() => {
                let at = at % self.tickets.len();
                self.poll(at);
            }
            Step::Leave(at) if !self.tickets.is_empty() => {
                drop(self.tickets.swap_remove(at % self.tickets.len()));
            }
            Step::GiveUp(at) if !self.tickets.is_empty() => {
                let refusal = self.tickets.swap_remove(at % self.tickets.len()).give_up();
                assert!((1..=3600).contains(&refusal.retry_after.as_secs()));
            }
            Step::Release(at) if !self.guards.is_empty() => {
                drop(self.guards.swap_remove(at % self.guards.len()));
            }
            Step::Panic { source, host } => {
                let caught = std::panic::catch_unwind(|| {
                    let _in_hand = ask(&self.limits, source, HOSTS[host]);
                    std::panic::resume_unwind(Box::new(()));
                });
                assert!(caught.is_err());
            }
            Step::Reload { variant: number, most } => self.limits.replace(LimitMode::Enforce, variant(number, most)),
            Step::Poll(_) | Step::Leave(_) | Step::GiveUp(_) | Step::Release(_) => {}
        }
    }

    /// Whether the ticket had its answer; then it is gone.
    fn poll(&mut self, at: usize) -> bool {
        match poll(&mut self.tickets[at]) {
            Poll::Pending => return false,
            Poll::Ready(Ok(guard)) => self.guards.push(guard),
            Poll::Ready(Err(_)) => {}
        }
        drop(self.tickets.swap_remove(at));
        true
    }

    /// What must be true at any time. `before` is what was held before the step.
    fn check(&self, before: &Held) {
        let mut counted: HashMap<(Arc<str>, String), [u32; 2]> = HashMap::new();
        let granted = self.tickets.iter().map(|ticket| ticket.waiter()).filter(|waiter| waiter.is_granted());
        let granted = granted.map(|waiter| (waiter.plan(), waiter.lane()));
        for (plan, lane) in self.guards.iter().map(|guard| (guard.plan(), guard.lane())).chain(granted) {
            for entry in &plan.entries {
                let key = (entry.key().rule.clone(), entry.key().holder.to_string());
                counted.entry(key).or_default()[lane as usize] += 1;
            }
        }
        let current = self.limits.rules();
        for (key, lanes) in held(&self.limits) {
            let is_kept = current.limits.iter().any(|rule| rule.scope.name == key.0);
            for (at, lane) in lanes.iter().enumerate() {
                let guards = counted.get(&key).map_or(0, |lanes| lanes[at]);
                assert_eq!(lane.in_use, guards, "{key:?} {lane:?}: guards and grants");
                let Some(limit) = lane.limit.filter(|_| is_kept) else { continue };
                let earlier = before.get(&key).map_or(0, |lanes| lanes[at].in_use);
                assert!(lane.in_use <= limit.max(earlier), "{key:?} {lane:?}: over the limit");
                assert!(lane.queued == 0 || lane.in_use >= limit, "{key:?} {lane:?}: a slot is free and someone waits");
            }
        }
        let waiting: u64 =
            self.limits.usage().iter().map(|one| u64::from(one.exchanges.queued + one.streams.queued)).sum();
        assert!(waiting <= self.tickets.len() as u64);
    }

    /// Everything is given back in the end, and everyone who waits is served on the way.
    fn end(mut self) {
        while !self.guards.is_empty() || !self.tickets.is_empty() {
            let before = (self.guards.len(), self.tickets.len());
            self.guards.pop();
            let mut at = 0;
            while at < self.tickets.len() {
                at += usize::from(!self.poll(at));
            }
            assert_ne!((self.guards.len(), self.tickets.len()), before, "someone waits and nothing is held");
        }
        assert_eq!(self.limits.entries(), 0);
        for rule in self.limits.stats() {
            assert_eq!((rule.exchanges, rule.streams, rule.waiting), (0, 0, 0), "{rule:?}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn never_over_never_below_never_lost(first in 0..4_usize, most in 1..4_u32, steps in steps()) {
        let limits = Limits::new(LimitMode::Enforce, variant(first, most));
        let mut world = World { limits, guards: Vec::new(), tickets: Vec::new() };
        for step in &steps {
            let before = held(&world.limits);
            world.step(step);
            world.check(&before);
        }
        world.end();
    }
}
