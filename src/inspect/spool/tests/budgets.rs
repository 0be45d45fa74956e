//! The budgets: never exceeded, and given back to the last byte.

use std::sync::atomic::AtomicBool;
use std::thread;

use super::*;

const NOWHERE: &str = "/does/not/exist";

#[tokio::test]
async fn one_client_cannot_take_what_is_left_for_others() {
    let spools = spools(settings(1 << 20, 100_000, 150_000, Path::new(NOWHERE)));
    let (mut first, mut second, mut other) = (spools.open(client(1)), spools.open(client(1)), spools.open(client(2)));
    first.push(&bytes(60_000)).expect("room");
    // A step of 64 KiB does not fit any more, and so it is taken to the byte.
    second.push(&bytes(30_000)).expect("room");
    assert_eq!(second.push(&bytes(10_000)), Err(SpoolFault::ClientBudget));
    assert_eq!(other.push(&bytes(60_000)), Err(SpoolFault::TotalBudget));
    assert_eq!(spools.bytes_in_memory(), (64 << 10) + 30_000);
    // What was refused stays refused, though there is room again; what was held is there.
    drop(first);
    assert_eq!(second.push(b"x"), Err(SpoolFault::ClientBudget));
    assert_eq!(finish(&mut second).await, Err(SpoolFault::ClientBudget));
    second.complete();
    assert_eq!(second.length(), BodyLength::Unknown);
    assert!(read(&mut second, 0, 30_000, 30_000).await.expect("read") == bytes(30_000));
    assert_eq!(spools.refused(), Refused { per_client: 1, total: 1, disk: 0 });
    drop((second, other));
    nothing_is_held(&spools).await;
}

#[tokio::test]
async fn a_length_that_does_not_fit_is_refused_before_its_first_byte() {
    let spools = spools(settings(1 << 20, 100_000, 150_000, Path::new(NOWHERE)));
    assert_eq!(spools.open(client(1)).expect(100_001), Err(SpoolFault::ClientBudget));
    assert_eq!(spools.open(client(1)).expect(u64::MAX), Err(SpoolFault::ClientBudget));
    let mut large = spools.open(client(1));
    large.expect(100_000).expect("room");
    assert_eq!(spools.bytes_in_memory(), 64 << 10);
    assert_eq!(spools.open(client(2)).expect(100_000), Err(SpoolFault::TotalBudget));
    fill(&mut large, &bytes(100_000), 9_999).await.expect("room");
    assert_eq!(spools.bytes_in_memory(), 100_000);
    // More than was said is still a body.
    spools.replace(settings(1 << 20, 200_000, 200_000, Path::new(NOWHERE)));
    large.push(b"one more").expect("room");
    drop(large);
    nothing_is_held(&spools).await;
}

#[tokio::test]
async fn mapped_addresses_are_the_same_client() {
    let spools = spools(settings(1 << 20, 10, 100, Path::new(NOWHERE)));
    let mut plain = spools.open(client(1));
    plain.push(b"12345678").expect("room");
    let mut mapped = spools.open("::ffff:192.0.2.1".parse().expect("an address"));
    assert_eq!(mapped.push(b"123"), Err(SpoolFault::ClientBudget));
    assert_eq!(spools.budgets.clients(), 1);
}

#[test]
fn threads_never_take_more_than_there_is() {
    const THREADS: u8 = 8;
    let spools = spools(settings(1 << 20, 300_000, 1_000_000, Path::new(NOWHERE)));
    let working = AtomicBool::new(true);
    let seen = thread::scope(|scope| {
        let (spools, working) = (&spools, &working);
        let watching = scope.spawn(move || {
            let mut most = 0;
            while working.load(Relaxed) {
                most = most.max(spools.bytes_in_memory());
            }
            most
        });
        let busy: Vec<_> = (0..THREADS).map(|number| scope.spawn(move || take_and_drop(spools, number))).collect();
        let held: u64 = busy.into_iter().map(|thread| thread.join().expect("no panic")).sum();
        working.store(false, Relaxed);
        assert!(held > 0);
        watching.join().expect("no panic")
    });
    assert!(seen <= 1_000_000, "{seen}");
    let refused = spools.refused();
    assert!(refused.per_client + refused.total > 0, "{refused:?}");
    assert_eq!((spools.open_count(), spools.bytes_in_memory(), spools.budgets.clients()), (0, 0, 0));
}

/// Fills bodies of one of four clients until there is no room, over and over. Bytes that were held.
fn take_and_drop(spools: &Arc<Spools>, number: u8) -> u64 {
    let (piece, mut held) = (bytes(30_000), 0);
    let mut open = Vec::new();
    for round in 0..500 {
        let mut spool = spools.open(client(number % 4));
        while spool.len() < 150_000 && spool.push(&piece).is_ok() {}
        held += spool.len();
        open.push(spool);
        if round % 3 == usize::from(number) % 3 {
            open.clear();
        }
    }
    held
}
