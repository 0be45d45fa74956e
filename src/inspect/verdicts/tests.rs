//! What is kept, for how long, and who asks.

use std::time::{Duration, Instant};

use super::*;
use crate::inspect::course::Direction;

/// How long anything may take that ends on another thread.
const SOON: Duration = Duration::from_secs(20);

struct Asking {
    verdicts: Arc<Verdicts>,
    service: Arc<str>,
    server: Arc<str>,
    start: Instant,
}

impl Asking {
    fn new() -> Self {
        Self { verdicts: Arc::default(), service: "av".into(), server: "192.0.2.1:1344".into(), start: Instant::now() }
    }

    fn at(&self, body: &str, now: Instant) -> Lookup {
        let mut hash = BodyHash::default();
        hash.push(body.as_bytes());
        let (service, body, none) = (&self.service, &hash.finish(), &b""[..]);
        let direction = Direction::Response;
        let head =
            Subject { service, direction, body, media_type: none, coding: none, disposition: none, extension: none };
        self.verdicts.look_up(&head, now)
    }

    fn ask(&self, body: &str) -> Lookup {
        self.at(body, self.start)
    }

    fn lead(&self, body: &str) -> Flight {
        match self.ask(body) {
            Lookup::Lead(flight) => flight,
            other => panic!("{other:?}"),
        }
    }

    fn follow(&self, body: &str) -> Follower {
        match self.ask(body) {
            Lookup::Follow(follower) => follower,
            other => panic!("{other:?}"),
        }
    }

    fn settle(&self, flight: Flight, verdict: Verdict, tag: Option<&str>) {
        flight.settle(verdict, GivenBy { server: &self.server, tag }, self.start);
    }

    fn tagged(&self, tag: &str) {
        self.verdicts.tagged(&self.service, &self.server, Some(tag), self.start);
    }
}

fn eicar() -> Verdict {
    Verdict::Infected("Eicar".into())
}

async fn outcome(follower: Follower) -> Followed {
    tokio::time::timeout(SOON, follower.outcome()).await.expect("told")
}

#[test]
fn verdicts_count_for_their_time_and_their_tag() {
    let asking = Asking::new();
    for (body, verdict, lifetime) in [("good", Verdict::Clean, CLEAN_FOR), ("bad", eicar(), INFECTED_FOR)] {
        asking.settle(asking.lead(body), verdict.clone(), Some("one"));
        let last = asking.start + lifetime - Duration::from_nanos(1);
        assert!(matches!(asking.at(body, last), Lookup::Hit(hit) if hit == verdict));
        assert!(matches!(asking.at(body, asking.start + lifetime), Lookup::Lead(_)));
    }
    assert!(asking.verdicts.is_empty());
    asking.settle(asking.lead("good"), Verdict::Clean, Some("one"));
    asking.tagged("two");
    drop(asking.lead("good"));
    assert!(asking.verdicts.is_empty());
    assert_eq!(asking.verdicts.counts(), VerdictCounts { hit: 2, miss: 6, off: 0 });
}

#[test]
fn what_is_no_verdict_for_all_is_not_kept() {
    let asking = Asking::new();
    asking.tagged("one");
    asking.lead("body").decline();
    drop(asking.lead("body"));
    asking.settle(asking.lead("body"), Verdict::Clean, None);
    assert!(asking.verdicts.is_empty());
    asking.settle(asking.lead("body"), Verdict::Clean, Some("one"));
    assert!(matches!(asking.ask("body"), Lookup::Hit(Verdict::Clean)));
    assert!(matches!(asking.ask("other"), Lookup::Lead(_)));
}

#[test]
fn tags_that_say_nothing_switch_it_off() {
    let asking = Asking::new();
    asking.settle(asking.lead("first"), Verdict::Clean, None);
    assert!(matches!(asking.ask("first"), Lookup::Off));
    asking.tagged("0");
    asking.settle(asking.lead("kept"), Verdict::Clean, Some("0"));
    for tag in 1..=10 {
        asking.tagged(&tag.to_string());
    }
    asking.tagged("0");
    assert!(matches!(asking.ask("kept"), Lookup::Off));
    let later = asking.start + Duration::from_mins(10);
    assert!(matches!(asking.at("kept", later), Lookup::Hit(Verdict::Clean)));
    assert_eq!(asking.verdicts.counts(), VerdictCounts { hit: 1, miss: 2, off: 2 });
}

#[test]
fn the_table_has_an_end() {
    let asking = Asking::new();
    for number in 0..MOST_VERDICTS + 8000 {
        asking.settle(asking.lead(&number.to_string()), Verdict::Clean, Some("one"));
    }
    assert_eq!(asking.verdicts.len(), MOST_VERDICTS);
    assert!(matches!(asking.ask("0"), Lookup::Lead(_)));
    assert!(matches!(asking.ask(&(MOST_VERDICTS + 7999).to_string()), Lookup::Hit(Verdict::Clean)));
}

#[tokio::test]
async fn one_asks_and_the_others_are_told() {
    let asking = Asking::new();
    let lead = asking.lead("body");
    let (first, second, left) = (asking.follow("body"), asking.follow("body"), asking.follow("body"));
    drop(left);
    asking.settle(lead, eicar(), Some("one"));
    for follower in [first, second] {
        assert!(matches!(outcome(follower).await, Followed::Verdict(verdict) if verdict == eicar()));
    }
    assert_eq!(asking.verdicts.counts(), VerdictCounts { hit: 2, miss: 1, off: 0 });
}

#[tokio::test]
async fn who_leaves_without_an_answer_lets_the_next_ask() {
    let asking = Asking::new();
    let lead = asking.lead("body");
    // More than fit on a stack one upon the other, all gone; then one who is told and gone before it looks.
    let left: Vec<Follower> = (0..20_000).map(|_| asking.follow("body")).collect();
    let (unheard, first, second) = (asking.follow("body"), asking.follow("body"), asking.follow("body"));
    drop(left);
    drop(lead);
    drop(unheard);
    let Followed::Lead(lead) = outcome(first).await else { panic!("the longest waiting leads") };
    let third = asking.follow("body");
    lead.decline();
    for follower in [second, third] {
        assert!(matches!(outcome(follower).await, Followed::Alone));
    }
    let last = asking.lead("body");
    drop(last);
    assert!(asking.verdicts.shards.iter().all(|shard| lock(shard).flights.is_empty()));
}

#[test]
fn those_who_left_do_not_pile_up() {
    let asking = Asking::new();
    let lead = asking.lead("body");
    for _ in 0..10_000 {
        drop(asking.follow("body"));
    }
    let most = asking.verdicts.shards.iter().flat_map(|shard| {
        let shard = lock(shard);
        shard.flights.values().map(Waiting::len).max()
    });
    assert!(most.max().expect("one flight") < 100);
    drop(lead);
}

#[test]
fn threads_that_ask_the_same_at_once_ask_the_service_once() {
    const THREADS: usize = 8;
    let asking = Asking::new();
    let told = std::thread::scope(|scope| {
        let work = || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            (0..200).map(|body| runtime.block_on(get(&asking, &body.to_string()))).sum::<usize>()
        };
        let threads: Vec<_> = (0..THREADS).map(|_| scope.spawn(work)).collect();
        threads.into_iter().map(|thread| thread.join().expect("no panic")).sum::<usize>()
    });
    assert_eq!(told, 200);
    let all = THREADS as u64 * 200;
    assert_eq!(asking.verdicts.counts(), VerdictCounts { hit: all - 200, miss: 200, off: 0 });
}

/// Gets a verdict; how often the service was asked for that.
async fn get(asking: &Asking, body: &str) -> usize {
    match asking.ask(body) {
        Lookup::Hit(verdict) => assert_eq!(verdict, Verdict::Clean),
        Lookup::Follow(follower) => assert!(matches!(outcome(follower).await, Followed::Verdict(Verdict::Clean))),
        Lookup::Lead(flight) => {
            tokio::task::yield_now().await;
            asking.settle(flight, Verdict::Clean, Some("one"));
            return 1;
        }
        Lookup::Off => panic!("the tag is steady"),
    }
    0
}
