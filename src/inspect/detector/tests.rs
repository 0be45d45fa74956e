//! The table of what is a stream and when, and what holds for every body.

use proptest::prelude::*;

use super::*;
use crate::inspect::magic::Class;

const SIGNS: Signs = Signs { response: Push::Unsaid, request: Push::Unsaid, length: Length::Unknown, hand_overs: 0 };

const fn millis(count: u64) -> Duration {
    Duration::from_millis(count)
}

fn kind(class: Class) -> FileKind {
    FileKind { class, name: "kind" }
}

/// A body of which so many bytes came at these milliseconds.
fn body(signs: Signs, came: &[(u64, u64)]) -> (Instant, Detector) {
    let head = Instant::now();
    let mut detector = Detector::new(DetectorSettings::default(), signs, head);
    for (at, bytes) in came {
        detector.add(*bytes, head + millis(*at));
    }
    (head, detector)
}

#[test]
fn time_tells_what_heads_do_not() {
    let hold = |head: Instant, at| Verdict::Hold(head + millis(at));
    for (came, at, expected) in [
        (&[][..], 0, Err(2000)),
        (&[], 1999, Err(2000)),
        (&[], 2000, Ok(Evidence::FirstByte { waited: millis(2000) })),
        // One event, and nothing after it.
        (&[(100, 50)], 1099, Err(1100)),
        (&[(100, 50)], 1100, Ok(Evidence::IdleGap { silent: millis(1000), bytes: 50 })),
        // Small events without gaps.
        (&[(0, 50), (900, 50), (1800, 50), (2700, 50)], 2700, Err(3000)),
        (&[(0, 50), (900, 50), (1800, 50), (2700, 50)], 3000, Ok(Evidence::Rate { bytes: 200, within: millis(3000) })),
        // A slow page that is not that slow: it falls below the floor only later.
        (&[(0, 8000), (1000, 8000), (2000, 8000), (3000, 8000)], 3000, Err(4000)),
        // Much has come, so the rate does not count, but the time held does.
        (&[(0, 300 << 10), (9500, 1)], 9600, Err(10_000)),
        (&[(0, 300 << 10), (9500, 1)], 10_000, Ok(Evidence::Hold { waited: millis(10_000), bytes: (300 << 10) + 1 })),
    ] {
        let (head, detector) = body(SIGNS, came);
        let expected = expected.map_or_else(|until| hold(head, until), Verdict::Stream);
        assert_eq!(detector.judge(head + millis(at)), expected, "{came:?} at {at}");
    }
}

#[test]
fn what_is_declared_counts_at_once() {
    use Push::{Declared, Unsaid};
    let known = Length::Known(7);
    for (response, request, length, hand_overs, verdict) in [
        (Declared, Unsaid, Length::Unknown, 0, Verdict::Stream(Evidence::MediaType)),
        (Declared, Unsaid, known, 0, Verdict::Stream(Evidence::MediaType)),
        (Unsaid, Declared, Length::Unknown, 0, Verdict::Stream(Evidence::Request)),
        (Unsaid, Declared, known, 9, Verdict::Bounded(7)),
        (Unsaid, Unsaid, known, 9, Verdict::Bounded(7)),
        (Unsaid, Unsaid, Length::Unknown, 2, Verdict::Stream(Evidence::History { hand_overs: 2 })),
    ] {
        let (head, detector) = body(Signs { response, request, length, hand_overs }, &[(0, 1)]);
        assert_eq!(detector.judge(head), verdict);
    }
}

#[test]
fn history_waits_for_the_first_byte_and_for_enough_of_it() {
    let (head, detector) = body(Signs { hand_overs: 2, ..SIGNS }, &[]);
    assert_eq!(detector.judge(head), Verdict::Hold(head + millis(2000)));
    let (head, detector) = body(Signs { hand_overs: 1, ..SIGNS }, &[(0, 1)]);
    assert_eq!(detector.judge(head), Verdict::Hold(head + millis(1000)));
}

fn any_push() -> impl Strategy<Value = Push> {
    prop::sample::select(&[Push::Declared, Push::Unsaid][..])
}

proptest! {
    #[test]
    fn programs_archives_and_documents_are_never_streams(
        class in prop::sample::select(&Class::ALL[..]),
        response in any_push(),
        request in any_push(),
        hand_overs in 0..4_u32,
        came in prop::collection::vec((0..30_000_u64, 0..9000_u64), 0..9),
        at in 0..60_000_u64,
    ) {
        let (head, mut detector) = body(Signs { response, request, hand_overs, ..SIGNS }, &came);
        detector.set_kind(kind(class));
        let is_file = detector.judge(head + millis(at)) == Verdict::File(kind(class));
        prop_assert_eq!(is_file, matches!(class, Class::Executable | Class::Archive | Class::Document));
    }

    #[test]
    fn nothing_of_unknown_length_is_held_for_longer_than_allowed(
        gaps in prop::collection::vec((0..1500_u64, 0..200_000_u64), 0..40),
    ) {
        let settings = DetectorSettings::default();
        let (head, mut detector) = body(SIGNS, &[]);
        let mut now = head;
        for (gap, bytes) in gaps {
            let next = now + millis(gap);
            match detector.judge(now) {
                Verdict::Stream(_) => return Ok(()),
                Verdict::Hold(until) => {
                    prop_assert!(until > now && until <= head + settings.hold);
                    // Just before it says no more, and then it does.
                    let early = until.checked_sub(millis(1)).expect("later than the head").max(now);
                    prop_assert!(matches!(detector.judge(early), Verdict::Hold(same) if same == until));
                    prop_assert!(matches!(detector.judge(until), Verdict::Stream(_)));
                }
                other => prop_assert!(false, "{:?}", other),
            }
            now = next;
            detector.add(bytes, now);
        }
    }
}
