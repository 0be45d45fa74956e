//! The same from many threads at once.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::net::{IpAddr, Ipv6Addr};
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};
use std::sync::{Arc, Barrier};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;
use std::time::{Duration, Instant};

use super::made::*;
use crate::limits::Limits;
use crate::limits::guard::{Admit, Guard};
use crate::limits::refusal::Lane;
use crate::limits::settings::LimitMode;
use crate::limits::subject::Subject;
use crate::limits::ticket::Ticket;

const THREADS: usize = 8;

/// Long enough for a machine that is busy with other things.
const PATIENCE: Duration = Duration::from_secs(120);

struct Unpark(thread::Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Waits for the grant; a wake-up that is lost fails the test.
fn wait(mut ticket: Ticket) -> Guard {
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let ends = Instant::now() + PATIENCE;
    loop {
        match ticket.poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(granted) => return granted.expect("every rule lets wait"),
            Poll::Pending => {
                assert!(Instant::now() < ends, "nobody woke the waiter");
                thread::park_timeout(PATIENCE);
            }
        }
    }
}

struct Dice(u64);

impl Dice {
    fn new() -> Self {
        Self(RandomState::new().build_hasher().finish())
    }

    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }
}

fn in_threads(work: impl Fn() + Send + Sync) {
    let start = Barrier::new(THREADS);
    thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                start.wait();
                work();
            });
        }
    });
}

/// Holds the slot for a moment and sees that nobody has more than may be had.
fn hold(inside: &AtomicU32, most: u32, guard: Guard, dice: &mut Dice) {
    let now = inside.fetch_add(1, SeqCst) + 1;
    assert!(now <= most, "{now} of {most}");
    if dice.roll(4) == 0 {
        thread::yield_now();
    }
    inside.fetch_sub(1, SeqCst);
    drop(guard);
}

/// Everybody makes and drops the last handle of one entry all the time: a count that is lost would let two in.
#[test]
fn an_entry_that_goes_and_comes_again_is_one() {
    let limits = Limits::new(LimitMode::Enforce, rules([limit("one", Per::Global, 1)]));
    let inside = AtomicU32::new(0);
    in_threads(|| {
        let mut dice = Dice::new();
        for _ in 0..5_000 {
            if let Admit::Granted(guard) = ask(&limits, 1, "a.example") {
                hold(&inside, 1, guard, &mut dice);
            }
        }
    });
    assert_eq!(limits.entries(), 0);
}

#[test]
fn random_work_of_many_threads_ends_at_nothing() {
    let limits = Limits::new(
        LimitMode::Enforce,
        rules([queue("wide", Per::Global, 5), queue("second", Per::Destination, 3), queue("one", Per::Source, 2)]),
    );
    // Kept, so that a slot that leaks stays in sight.
    let plans: Vec<_> = ["a.example", "b.example"]
        .iter()
        .flat_map(|host| (0..4).map(|source| limits.plan(&subject(source, host), None)))
        .collect();
    let inside: [AtomicU32; 2] = Default::default();
    in_threads(|| {
        let mut dice = Dice::new();
        for _ in 0..2_000 {
            let (source, host) = (dice.roll(4) as u8, dice.roll(2) as usize);
            match ask(&limits, source, ["a.example", "b.example"][host]) {
                Admit::Granted(guard) => hold(&inside[host], 3, guard, &mut dice),
                Admit::Wait(ticket) if dice.roll(3) == 0 => drop(ticket),
                Admit::Wait(ticket) => hold(&inside[host], 3, wait(ticket), &mut dice),
                Admit::Refused(refusal) => panic!("{refusal:?}"),
            }
        }
    });
    assert_eq!(limits.entries(), 1 + 2 + 4);
    for rule in limits.stats() {
        assert_eq!((rule.exchanges, rule.waiting), (0, 0), "{rule:?}");
        assert!(rule.granted <= rule.queued, "{rule:?}");
    }
    drop(plans);
    assert_eq!(limits.entries(), 0);
}

/// Rules change while others wait: nobody is forgotten.
#[test]
fn rules_may_change_meanwhile() {
    let with = |most| rules([queue("one", Per::Global, most), queue("second", Per::Source, 2)]);
    let limits = Limits::new(LimitMode::Enforce, with(1));
    let plans: Vec<_> = (0..3).map(|source| limits.plan(&subject(source, "a.example"), None)).collect();
    in_threads(|| {
        let mut dice = Dice::new();
        for _ in 0..1_000 {
            match ask(&limits, dice.roll(3) as u8, "a.example") {
                Admit::Granted(guard) => drop(guard),
                Admit::Wait(ticket) => drop(wait(ticket)),
                Admit::Refused(refusal) => panic!("{refusal:?}"),
            }
            match dice.roll(50) {
                0 => limits.replace(LimitMode::Enforce, rules([])),
                most @ 1..4 => limits.replace(LimitMode::Enforce, with(most as u32)),
                _ => {}
            }
        }
    });
    assert!(limits.usage().iter().all(|one| one.exchanges.in_use == 0 && one.exchanges.queued == 0));
    drop(plans);
    assert_eq!(limits.entries(), 0);
}

/// Guards go to other threads, and are given back there.
#[test]
fn a_guard_may_be_dropped_anywhere() {
    let limits = Limits::new(LimitMode::Enforce, rules([queue("one", Per::Global, 1)]));
    let guard = granted(ask(&limits, 1, "a.example"));
    let ticket = waits(ask(&limits, 2, "a.example"));
    thread::scope(|scope| {
        let waiter = scope.spawn(|| wait(ticket));
        scope.spawn(move || drop(guard));
        drop(waiter.join().expect("granted"));
    });
    assert_eq!(limits.entries(), 0);
}

/// A million addresses, a tenth of that where nothing is optimised.
#[test]
fn sprayed_addresses_leave_nothing_behind() {
    const ADDRESSES: u128 = if cfg!(debug_assertions) { 100_000 } else { 1_000_000 };
    let limits = Limits::new(LimitMode::Enforce, rules([limit("one", Per::Source, 1), limit("wide", Per::Pair, 1)]));
    let authority = authority("a.example");
    for number in 0..ADDRESSES {
        let source = IpAddr::V6(Ipv6Addr::from_bits(0x2001_0db8 << 96 | number));
        let plan = limits.plan(&Subject::new(source, "office", authority), None);
        drop(granted(limits.admit(&plan, Lane::Exchange, None)));
    }
    assert_eq!(limits.entries(), 0);
    assert!(limits.table.room() <= 64 * 64, "the table has kept room for {}", limits.table.room());
    let held: Vec<_> = (0..20_000_u128)
        .map(|number| {
            let source = IpAddr::V6(Ipv6Addr::from_bits(0x2001_0db8 << 96 | number));
            limits.plan(&Subject::new(source, "office", authority), None)
        })
        .collect();
    assert_eq!(limits.entries(), 40_000);
    drop(held);
    assert_eq!(limits.entries(), 0);
    assert!(limits.table.room() <= 64 * 128, "the table has kept room for {}", limits.table.room());
}
