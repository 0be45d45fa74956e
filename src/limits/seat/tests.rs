//! Who has been silent for the longest time.

use std::time::Duration;

use super::*;
use crate::observe::live::LiveTable;

struct Streams {
    epoch: Instant,
    table: Arc<LiveTable>,
    seats: Seats,
    next: u64,
}

impl Streams {
    fn new() -> Self {
        let epoch = Instant::now();
        Self { epoch, table: LiveTable::new(epoch), seats: Seats::default(), next: 0 }
    }

    /// A stream that moved last at that second.
    fn add(&mut self, second: u64) -> Arc<Seat> {
        self.next += 1;
        let client = "192.0.2.1:1".parse().expect("address");
        let seat = Seat::new(self.table.insert(self.next, client, "office".into(), &"".into()));
        self.moved(&seat, second);
        self.seats.add(&seat);
        seat
    }

    fn moved(&self, seat: &Seat, second: u64) {
        seat.row().moved(self.epoch + Duration::from_secs(second), 1, 1);
    }
}

fn is(found: Option<Arc<Seat>>, seat: &Arc<Seat>) -> bool {
    found.is_some_and(|found| Arc::ptr_eq(&found, seat))
}

#[test]
fn the_longest_silent_comes_first_whatever_moved_meanwhile() {
    let mut streams = Streams::new();
    let [a, b, c, d] = [40, 10, 30, 20].map(|second| streams.add(second));
    streams.moved(&b, 50);
    assert!(is(streams.seats.take_longest_silent(), &d));
    streams.moved(&a, 60);
    assert!(is(streams.seats.take_longest_silent(), &c));
    assert!(is(streams.seats.take_longest_silent(), &b));
    assert!(is(streams.seats.take_longest_silent(), &a));
    assert!(streams.seats.take_longest_silent().is_none());
    assert!(streams.seats.filed.is_empty());
}

#[test]
fn who_left_or_was_asked_elsewhere_is_not_asked() {
    let mut streams = Streams::new();
    let [a, b, c] = [1, 2, 3].map(|second| streams.add(second));
    a.evict(&"room".into());
    assert!(streams.seats.remove(&b).is_some());
    assert!(streams.seats.remove(&b).is_none());
    assert!(is(streams.seats.take_longest_silent(), &c));
    assert!(streams.seats.remove(&c).is_none(), "it has left the order, and may leave the entry");
    assert!(streams.seats.filed.is_empty() && streams.seats.order.is_empty());
}

#[test]
fn one_seat_is_filed_once() {
    let mut streams = Streams::new();
    let a = streams.add(1);
    streams.moved(&a, 2);
    streams.seats.add(&a);
    assert_eq!((streams.seats.filed.len(), streams.seats.order.len()), (1, 1));
}

#[test]
fn a_search_among_thousands_ends() {
    let mut streams = Streams::new();
    let seats: Vec<_> = (0..1000).map(|second| streams.add(second)).collect();
    seats.iter().for_each(|seat| streams.moved(seat, 2000));
    assert!(is(streams.seats.take_longest_silent(), &seats[PASSED_OVER]), "the first not looked at yet");
    assert_eq!(streams.seats.order.len(), 999);
}

#[test]
fn an_eviction_wakes_once_and_stays() {
    let mut streams = Streams::new();
    let seat = streams.add(1);
    let mut cx = Context::from_waker(Waker::noop());
    assert!(seat.poll_evicted(&mut cx).is_pending() && !seat.is_evicted());
    seat.evict(&"room".into());
    seat.evict(&"room".into());
    assert!(seat.poll_evicted(&mut cx).is_ready() && seat.is_evicted());
    assert!(seat.row().idle() <= Duration::from_secs(3600));
}
