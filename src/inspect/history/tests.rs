//! What is remembered of addresses, for how long, and when it is suggested.

use super::*;

const HOUR: Duration = Duration::from_secs(60 * 60);

fn client(last: u8) -> IpAddr {
    [10, 0, 0, last].into()
}

/// Silence: what streams do.
const IDLE: Evidence = Evidence::IdleGap { silent: Duration::from_secs(1), bytes: 5 };
/// What a slow download does as well.
const RATE: Evidence = Evidence::Rate { bytes: 5, within: Duration::from_secs(3) };
const FIRST_BYTE: Evidence = Evidence::FirstByte { waited: Duration::from_secs(2) };
/// What was taken from the history itself.
const KNOWN: Evidence = Evidence::History { hand_overs: 2 };

fn kind(path: &str) -> Kind {
    Kind::of("a.example:80", path, "text/plain")
}

#[test]
fn hand_overs_count_for_addresses_of_the_same_kind() {
    let (mut history, now) = (History::default(), Instant::now());
    history.note_stream(&kind("/room/1/live?x=1"), client(1), IDLE, now);
    history.note_stream(&kind("/room/2/live"), client(1), IDLE, now);
    assert_eq!(history.hand_overs(&kind("/room/3/live?x=2"), client(1), now), 2);
    assert_eq!(history.hand_overs(&kind("/room/3/page"), client(1), now), 0);
    assert_eq!(history.hand_overs(&Kind::of("b.example:80", "/room/3/live", "text/plain"), client(1), now), 0);
    assert_eq!(history.hand_overs(&Kind::of("a.example:80", "/room/3/live", "text/html"), client(1), now), 0);
    history.forget(&kind("/room/9/live"));
    assert_eq!(history.hand_overs(&kind("/room/3/live"), client(1), now), 0);
}

#[test]
fn a_day_without_a_stream_is_the_end_of_it() {
    let (mut history, start) = (History::default(), Instant::now());
    for last in 1..=3 {
        history.note_stream(&kind("/live"), client(last), IDLE, start);
    }
    assert_eq!(history.hand_overs(&kind("/live"), client(1), start + 24 * HOUR - Duration::from_nanos(1)), 3);
    assert_eq!(history.suggestions(start + 23 * HOUR).len(), 1);
    let later = start + 24 * HOUR;
    assert_eq!(history.hand_overs(&kind("/live"), client(1), later), 0);
    assert_eq!(history.suggestions(later), []);
    history.note_stream(&kind("/live"), client(9), IDLE, later);
    assert_eq!(history.hand_overs(&kind("/live"), client(9), later), 1);
    assert_eq!(history.suggestions(later), [], "two of the three clients are gone");
}

#[test]
fn three_different_clients_make_a_suggestion() {
    let (mut history, now) = (History::default(), Instant::now());
    let v6 = |text: &str| text.parse::<IpAddr>().expect("address");
    let same_host = [v6("2001:db8::1"), v6("2001:db8::2"), v6("2001:db8:0:0:ffff::")];
    let same_v4 = [client(1), v6("::ffff:10.0.0.1")];
    for client in same_host.into_iter().chain(same_v4) {
        history.note_stream(&kind("/live/7"), client, IDLE, now);
        assert_eq!(history.suggestions(now), [], "{client}");
    }
    history.note_stream(&kind("/live/8"), v6("2001:db8:0:1::1"), IDLE, now);
    let suggestion = Suggestion {
        host: "a.example:80".into(),
        pattern: "/live/*".into(),
        media_type: "text/plain".into(),
        evidence: "idle_gap",
        streams: 6,
        clients: 3,
        last: now,
    };
    assert_eq!(history.suggestions(now), [suggestion]);
    history.note_stream(&kind("/live/9"), client(77), FIRST_BYTE, now + HOUR);
    let told = history.suggestions(now + HOUR);
    assert_eq!((told[0].streams, told[0].evidence, told[0].last), (7, "first_byte", now + HOUR));
    history.forget(&kind("/live/1"));
    assert_eq!(history.suggestions(now + HOUR), []);
}

#[test]
fn what_is_known_confirms_nothing_of_itself() {
    let (mut history, now) = (History::default(), Instant::now());
    let live = kind("/live");
    history.note_stream(&live, client(1), IDLE, now);
    history.note_stream(&live, client(1), IDLE, now);
    assert_eq!(history.hand_overs(&live, client(1), now), 2);
    // Those who are wanted to confirm it see for themselves.
    assert_eq!(history.hand_overs(&live, client(2), now), 0);
    for last in 1..=9 {
        history.note_stream(&live, client(last), KNOWN, now + HOUR);
    }
    assert_eq!((history.hand_overs(&live, client(1), now), history.suggestions(now + HOUR)), (2, Vec::new()));
    // Nor does it keep itself alive.
    assert_eq!(history.hand_overs(&live, client(1), now + 24 * HOUR), 0);
    for last in 2..=3 {
        history.note_stream(&live, client(last), IDLE, now);
    }
    assert_eq!(history.suggestions(now).len(), 1);
    assert_eq!(history.hand_overs(&live, client(9), now), 4, "nobody else is wanted");
}

#[test]
fn slow_downloads_hasten_and_suggest_nothing() {
    let (mut history, now) = (History::default(), Instant::now());
    let live = kind("/live");
    for last in 1..=4 {
        history.note_stream(&live, client(last), RATE, now);
        history.note_stream(&live, client(last), Evidence::Hold { waited: HOUR, bytes: 5 }, now);
    }
    assert_eq!((history.hand_overs(&live, client(1), now), history.suggestions(now)), (8, Vec::new()));
    // Those who confirm it count, whoever came before them.
    for last in 7..=9 {
        assert_eq!(history.suggestions(now), []);
        history.note_stream(&live, client(last), IDLE, now);
    }
    assert_eq!(history.suggestions(now).len(), 1);
}

#[test]
fn a_suggestion_is_as_narrow_as_its_path() {
    for (path, prefix, narrow) in [
        ("/live/7", "http://a.example:80/live/", true),
        ("/v2/room-3a/x", "http://a.example:80/v", true),
        ("/events", "http://a.example:80/events", true),
        ("/", "http://a.example:80/", false),
        ("/17/events", "http://a.example:80/", false),
    ] {
        let (mut history, now) = (History::default(), Instant::now());
        for last in 1..=3 {
            history.note_stream(&kind(path), client(last), IDLE, now);
        }
        let told = history.suggestions(now);
        assert_eq!((told[0].prefix().as_str(), told[0].is_narrow()), (prefix, narrow), "{path}");
    }
}

/// A path that folds to itself, another for every number.
fn path(number: usize) -> String {
    let letter = |place: u32| char::from(b'a' + (number / 26usize.pow(place) % 26) as u8);
    (0..4).map(letter).fold("/".into(), |path: String, letter| path + &letter.to_string())
}

#[test]
fn the_oldest_go_when_there_are_too_many() {
    let (mut history, now) = (History::default(), Instant::now());
    for number in 0..MOST {
        history.note_stream(&kind(&path(number)), client(1), IDLE, now);
    }
    // One that was heard of again is not the oldest any more.
    history.note_stream(&kind(&path(0)), client(1), IDLE, now);
    history.note_stream(&kind(&path(MOST)), client(1), IDLE, now);
    assert_eq!(history.entries.len(), MOST);
    let counts = [0, 1, 2, MOST].map(|number| history.hand_overs(&kind(&path(number)), client(1), now));
    assert_eq!(counts, [2, 0, 1, 1]);
}

#[test]
fn suggestions_are_bounded_and_in_order() {
    let (mut history, now) = (History::default(), Instant::now());
    for number in 0..=MOST_SUGGESTIONS {
        for last in 0..CLIENTS as u8 {
            history.note_stream(&kind(&path(number)), client(last), IDLE, now);
        }
    }
    history.note_stream(&kind(&path(500)), client(1), IDLE, now);
    let told = history.suggestions(now);
    assert_eq!(told.len(), MOST_SUGGESTIONS);
    assert_eq!((&*told[0].pattern, told[0].streams), (path(500).as_str(), 4));
    assert!(told.iter().all(|one| *one.pattern != path(0)));
    assert!(told[1..].is_sorted_by_key(|one| one.pattern.clone()));
}
