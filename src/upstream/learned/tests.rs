//! What is learned, confirmed, forgotten, and switched off.

use proptest::prelude::*;

use super::*;

const MS: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);

fn origin(number: usize) -> Arc<str> {
    format!("o{number}.example:80").into()
}

fn after(idle: Duration) -> IdleEnd {
    IdleEnd { idle, served: 1 }
}

#[test]
fn the_shortest_idle_time_is_learned_and_a_fifth_taken_off() {
    let (learned, now, one) = (Learned::default(), Instant::now(), origin(1));
    assert_eq!((learned.keeping(&one, now), learned.generation()), (Keeping::AsSet, 0));
    learned.idle_ended(&one, after(30 * SECOND), now);
    assert_eq!(learned.keeping(&one, now), Keeping::AtMost(24 * SECOND));
    let news = learned.generation();
    learned.idle_ended(&one, after(50 * SECOND), now);
    assert_eq!((learned.keeping(&one, now), learned.generation()), (Keeping::AtMost(24 * SECOND), news));
    learned.idle_ended(&one, after(10 * SECOND), now);
    assert_eq!(learned.keeping(&one, now), Keeping::AtMost(8 * SECOND));
    assert!(learned.generation() > news);
    assert_eq!(learned.keeping(&origin(2), now), Keeping::AsSet);
}

#[test]
fn ten_minutes_after_it_was_last_confirmed_it_is_forgotten() {
    let (learned, now, one) = (Learned::default(), Instant::now(), origin(1));
    learned.idle_ended(&one, after(30 * SECOND), now);
    learned.idle_ended(&one, after(31 * SECOND), now + 300 * SECOND);
    learned.idle_ended(&one, after(90 * SECOND), now + 500 * SECOND);
    assert_eq!(learned.keeping(&one, now + 899 * SECOND), Keeping::AtMost(24 * SECOND), "confirmed after 300 s");
    assert_eq!(learned.keeping(&one, now + 900 * SECOND), Keeping::AsSet);
    assert!(learned.snapshot(now + 900 * SECOND).is_empty());
    learned.idle_ended(&one, after(90 * SECOND), now + 901 * SECOND);
    assert_eq!(learned.keeping(&one, now + 901 * SECOND), Keeping::AtMost(72 * SECOND), "a longer time is news then");
}

#[test]
fn closing_at_once_is_believed_when_it_is_a_habit() {
    let (learned, now, one) = (Learned::default(), Instant::now(), origin(1));
    for _ in 0..10 {
        learned.idle_ended(&one, IdleEnd { idle: MS, served: 100 }, now);
    }
    assert_eq!(learned.keeping(&one, now), Keeping::AsSet, "the end of its requests, not of its patience");
    for expected in [Keeping::AsSet, Keeping::AsSet, Keeping::Never] {
        learned.idle_ended(&one, after(MS), now);
        assert_eq!(learned.keeping(&one, now), expected);
    }
}

#[test]
fn three_failures_in_a_minute_switch_reuse_off_for_five() {
    let (learned, now, one) = (Learned::default(), Instant::now(), origin(1));
    for (at, came) in [(0, Failure::Noted), (50, Failure::Noted), (70, Failure::Noted), (75, Failure::Quarantined)] {
        assert_eq!(learned.failed(&one, MS, now + at * SECOND), came, "at {at} s");
    }
    let ends = 75 + 300;
    let view = learned.snapshot(now + 80 * SECOND).remove(0);
    assert_eq!((view.stale_failures, view.quarantined_for), (3, Some(295 * SECOND)));
    assert_eq!((&view.authority, view.closes_after, view.heard_ago), (&one, None, 5 * SECOND));
    assert_eq!(learned.keeping(&one, now + (ends - 1) * SECOND), Keeping::Never);
    assert_eq!(learned.keeping(&one, now + ends * SECOND), Keeping::AsSet);
    assert_eq!(learned.failed(&one, MS, now + ends * SECOND), Failure::Noted, "a new count begins");
}

#[test]
fn a_failure_after_a_wait_says_when_the_origin_closes() {
    let (learned, now, one) = (Learned::default(), Instant::now(), origin(1));
    learned.failed(&one, 30 * SECOND, now);
    assert_eq!(learned.keeping(&one, now), Keeping::AtMost(24 * SECOND));
}

#[test]
fn no_more_origins_are_remembered_than_there_is_room_for() {
    let (learned, now) = (Learned::default(), Instant::now());
    for number in 0..2 * MOST_ORIGINS {
        learned.idle_ended(&origin(number), after(SECOND), now);
    }
    assert_eq!(learned.snapshot(now).len(), MOST_ORIGINS);
    assert_eq!(learned.keeping(&origin(MOST_ORIGINS - 1), now), Keeping::AsSet, "the oldest made room");
    assert_eq!(learned.keeping(&origin(MOST_ORIGINS), now), Keeping::AtMost(800 * MS));
}

/// Something an origin does, so many milliseconds after what it did before.
#[derive(Clone, Copy, Debug)]
enum Step {
    Ended { wait: u64, idle: u64, served: u64 },
    Failed { wait: u64, idle: u64 },
}

fn step() -> impl Strategy<Value = Step> {
    let (wait, idle) = (0..200_000u64, prop_oneof![0..20u64, 0..400_000u64]);
    prop_oneof![
        (wait.clone(), idle.clone(), 0..3u64).prop_map(|(wait, idle, served)| Step::Ended { wait, idle, served }),
        (wait, idle).prop_map(|(wait, idle)| Step::Failed { wait, idle }),
    ]
}

proptest! {
    /// Whatever an origin does: what is allowed is shorter than every idle time it was last seen to end at, news is never
    /// hidden from those who only look at the generation, and without failures nothing is switched off.
    #[test]
    fn never_longer_than_the_origin_was_seen_to_allow(steps in proptest::collection::vec(step(), 1..60)) {
        let (learned, mut now, one) = (Learned::default(), Instant::now(), origin(1));
        let mut failed = 0;
        for step in steps {
            let wait = match step { Step::Ended { wait, .. } | Step::Failed { wait, .. } => wait };
            now += wait as u32 * MS;
            let (before, news) = (learned.keeping(&one, now), learned.generation());
            let idle = match step {
                Step::Ended { idle, served, .. } => {
                    learned.idle_ended(&one, IdleEnd { idle: idle as u32 * MS, served }, now);
                    idle
                }
                Step::Failed { idle, .. } => {
                    learned.failed(&one, idle as u32 * MS, now);
                    failed += 1;
                    idle
                }
            };
            let keeping = learned.keeping(&one, now);
            prop_assert!(keeping == before || learned.generation() > news);
            if idle >= 10 {
                match keeping {
                    Keeping::AsSet => prop_assert!(false, "{step:?} taught nothing"),
                    Keeping::AtMost(most) => prop_assert!(most < idle as u32 * MS),
                    Keeping::Never => {}
                }
            }
            let quarantined = learned.snapshot(now).iter().any(|view| view.quarantined_for.is_some());
            prop_assert!(!quarantined || failed >= MOST_FAILURES);
        }
    }
}
