//! Tests of the rules of inspection: tables, and the first match against a plain search.

use proptest::collection::vec;
use proptest::option::of;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};

use super::*;
use crate::policy::pattern::HostPattern;

const HOSTS: [&str; 3] = ["a.example", "b.example", "a.test"];
const SOURCES: [&str; 3] = ["10.0.0.1", "10.1.0.1", "::ffff:10.1.0.1"];
const TYPES: [&str; 3] = ["", "video/mp4", "text/html; charset=utf-8"];

fn default() -> Course {
    Course::of(&[ScannerName::BuiltIn])
}

/// Asked about everything.
fn everyone(_: &ScannerName, _: Direction) -> bool {
    true
}

fn av() -> ScannerName {
    ScannerName::Icap("av".into())
}

fn host(pattern: &str) -> DestinationMatch {
    DestinationMatch::Host { pattern: HostPattern::new(pattern), port: None }
}

fn types(texts: &[&str]) -> Vec<MediaRange> {
    texts.iter().map(|text| MediaRange::parse(text).expect("type")).collect()
}

fn authority(host: &str) -> Authority {
    Authority::parse(host.as_bytes(), Some(80)).expect("authority")
}

/// The rule and the scanners for a message from `source`.
fn asked(book: &InspectBook, host: &str, source: &str, direction: Direction, kind: Kind<'_>) -> Arc<Course> {
    let (authority, source) = (authority(host), source.parse().expect("address"));
    let whose = Whose { authority: &authority, source, direction };
    book.refine(&book.course_of_request(whose), whose, kind)
}

fn rule_of(course: &Course) -> Option<&str> {
    course.rule.as_deref()
}

#[test]
fn a_scanner_is_only_on_the_course_of_messages_that_it_is_asked_about() {
    let only_responses =
        |name: &ScannerName, direction| *name == ScannerName::BuiltIn || direction == Direction::Response;
    let both = [ScannerName::BuiltIn, av()];
    let by_class = InspectRule { classes: vec![Class::Archive], max_body: Some(9), ..InspectRule::new("class") };
    let book = InspectBook::new(vec![by_class], Course::of(&both), only_responses);
    for kind in [Kind::default(), Kind { class: Some(Class::Archive), ..Kind::default() }] {
        let scanners = |direction| asked(&book, "a.example", SOURCES[0], direction, kind).scanners.to_vec();
        assert_eq!(scanners(Direction::Response), both, "{kind:?}");
        assert_eq!(scanners(Direction::Request), both[..1], "{kind:?}");
    }
    assert!(!book.is_off());
    assert!(InspectBook::new(Vec::new(), Course::of(&[av()]), |_, _| false).is_off());
}

#[test]
fn the_first_rule_that_speaks_of_a_message_holds() {
    let book = InspectBook::new(
        vec![
            InspectRule { destination: host("www.a.example"), ..InspectRule::new("host") },
            InspectRule { direction: Some(Direction::Request), ..InspectRule::new("uploads") },
            InspectRule { source: Some("10.1.0.0/16".parse().expect("range")), ..InspectRule::new("guests") },
            InspectRule {
                destination: DestinationMatch::Network("192.0.2.0/24".parse().expect("range")),
                ..InspectRule::new("range")
            },
            InspectRule { media_types: types(&["video/*", "text/csv"]), ..InspectRule::new("types") },
            InspectRule { destination: host("*.a.example"), ..InspectRule::new("pattern") },
        ],
        default(),
        everyone,
    );
    let kind = |media_type: &'static str| Kind { media_type: media_type.as_bytes(), class: None };
    for (host, source, direction, media_type, name) in [
        ("www.a.example", "10.1.0.1", Direction::Request, "video/mp4", Some("host")),
        ("b.example", "10.1.0.1", Direction::Request, "", Some("uploads")),
        ("b.example", "10.1.0.1", Direction::Response, "video/mp4", Some("guests")),
        ("b.example", "::ffff:10.1.0.1", Direction::Response, "", Some("guests")),
        ("192.0.2.7:81", "10.2.0.1", Direction::Response, "", Some("range")),
        ("x.a.example", "10.2.0.1", Direction::Response, "Text/CSV; header=present", Some("types")),
        ("x.a.example", "10.2.0.1", Direction::Response, "text/html", Some("pattern")),
        ("a.example", "10.2.0.1", Direction::Response, "text/html", None),
    ] {
        let course = asked(&book, host, source, direction, kind(media_type));
        assert_eq!(rule_of(&course), name, "{host} {source} {direction:?} {media_type}");
    }
}

#[test]
fn what_a_rule_leaves_out_is_as_for_all_others() {
    let full = InspectRule {
        scanners: Some(vec![av(), ScannerName::BuiltIn]),
        max_body: Some(7),
        over: Some(Over::Window),
        on_overload: Some(OnOverload::PassUnscanned),
        streams: Some(StreamScan::Sync),
        undecodable: Some(OnUndecodable::Block),
        destination: host("a.example"),
        ..InspectRule::new("full")
    };
    let part = InspectRule { max_body: Some(9), ..InspectRule::new("part") };
    let book = InspectBook::new(vec![full, part], default(), everyone);
    let course = |host| asked(&book, host, "10.0.0.1", Direction::Response, Kind::default());
    let expected = Course {
        rule: Some("full".into()),
        scanners: [av(), ScannerName::BuiltIn].into(),
        cap: Cap { max_body: 7, over: Some(Over::Window) },
        on_overload: OnOverload::PassUnscanned,
        streams: StreamScan::Sync,
        while_held: WhileHeld::default(),
        undecodable: OnUndecodable::Block,
    };
    assert_eq!(*course("a.example"), expected);
    // The rule above it does not speak of this host, so nothing of it is here.
    let expected = Course { rule: Some("part".into()), cap: Cap { max_body: 9, over: None }, ..default() };
    assert_eq!(*course("b.example"), expected);
}

#[test]
fn a_rule_by_class_says_how_much_and_leaves_the_scanners_to_the_rules_below() {
    let book = InspectBook::new(
        vec![
            InspectRule { destination: host("mirror.example"), ..InspectRule::new("mirror") },
            InspectRule { classes: vec![Class::Archive], max_body: Some(100), ..InspectRule::new("archives") },
            InspectRule { classes: vec![Class::Archive], max_body: Some(3), ..InspectRule::new("never") },
            InspectRule {
                destination: host("partner.example"),
                scanners: Some(vec![av()]),
                over: Some(Over::Window),
                ..InspectRule::new("partner")
            },
        ],
        default(),
        everyone,
    );
    for (host, class, name, scanner, cap) in [
        ("x.example", None, None, ScannerName::BuiltIn, Cap::default()),
        ("x.example", Some(Class::Media), None, ScannerName::BuiltIn, Cap::default()),
        ("x.example", Some(Class::Archive), Some("archives"), ScannerName::BuiltIn, Cap { max_body: 100, over: None }),
        ("mirror.example", Some(Class::Archive), Some("mirror"), ScannerName::BuiltIn, Cap::default()),
        ("partner.example", None, Some("partner"), av(), Cap { over: Some(Over::Window), ..Cap::default() }),
        (
            "partner.example",
            Some(Class::Archive),
            Some("archives"),
            av(),
            Cap { max_body: 100, over: Some(Over::Window) },
        ),
    ] {
        let course = asked(&book, host, "10.0.0.1", Direction::Response, Kind { media_type: b"", class });
        assert_eq!((rule_of(&course), &*course.scanners, course.cap), (name, &[scanner][..], cap), "{host} {class:?}");
    }
}

#[test]
fn what_need_not_be_looked_up_is_the_same_course() {
    let here = authority("a.example");
    let whose = Whose { authority: &here, source: IpAddr::from([10, 0, 0, 1]), direction: Direction::Response };
    let kind = Kind { media_type: b"video/mp4", class: Some(Class::Media) };
    let empty = InspectBook::new(Vec::new(), default(), everyone);
    let course = empty.course_of_request(whose);
    assert!(Arc::ptr_eq(&course, &empty.default.response) && Arc::ptr_eq(&course, &empty.refine(&course, whose, kind)));

    let by_host = InspectBook::new(vec![InspectRule::new("all")], default(), everyone);
    // What was set before a reload holds on.
    assert!(Arc::ptr_eq(&course, &by_host.refine(&course, whose, kind)));
    assert_eq!(rule_of(&by_host.course_of_request(whose)), Some("all"));
}

#[test]
fn off_is_what_names_no_scanner_anywhere() {
    let rule = |scanners: &[ScannerName]| InspectRule { scanners: Some(scanners.to_vec()), ..InspectRule::new("x") };
    let silent = || InspectRule { max_body: Some(1), ..InspectRule::new("y") };
    for (rules, default, off) in [
        (vec![], Course::of(&[]), true),
        (vec![rule(&[]), silent()], Course::of(&[]), true),
        (vec![rule(&[av()])], Course::of(&[]), false),
        (vec![rule(&[])], default(), false),
        (vec![], default(), false),
    ] {
        assert_eq!(InspectBook::new(rules.clone(), default, everyone).is_off(), off, "{rules:?}");
    }
}

/// What a made rule is made of, so that a test can decide by itself what it speaks of.
#[derive(Clone, Debug)]
struct Made {
    host: Option<&'static str>,
    guests: Option<()>,
    direction: Option<Direction>,
    types: Vec<&'static str>,
    classes: Vec<Class>,
}

impl Made {
    fn rule(&self, name: &str) -> InspectRule {
        InspectRule {
            destination: self.host.map_or(DestinationMatch::Any, host),
            source: self.guests.map(|()| "10.1.0.0/16".parse().expect("range")),
            direction: self.direction,
            media_types: types(&self.types),
            classes: self.classes.clone(),
            ..InspectRule::new(name)
        }
    }

    fn speaks_of(&self, host: &str, source: &str, direction: Direction, kind: Kind<'_>) -> bool {
        let essence = std::str::from_utf8(kind.media_type).expect("text").split(';').next();
        self.host.is_none_or(|own| own == host)
            && (self.guests.is_none() || source.contains("10.1."))
            && self.direction.is_none_or(|own| own == direction)
            && (self.types.is_empty() || self.types.iter().any(|own| Some(*own) == essence))
            && (self.classes.is_empty() || kind.class.is_some_and(|class| self.classes.contains(&class)))
    }
}

prop_compose! {
    fn made()(
        host in of(select(&HOSTS[..])),
        guests in of(Just(())),
        direction in of(directions()),
        types in subsequence(vec!["video/mp4", "text/html"], 0..=2),
        classes in subsequence(Class::ALL.to_vec(), 0..=2),
    ) -> Made {
        Made { host, guests, direction, types, classes }
    }
}

fn directions() -> impl Strategy<Value = Direction> {
    select(&[Direction::Request, Direction::Response][..])
}

proptest! {
    #[test]
    fn no_rule_above_the_one_that_holds_speaks_of_the_message(
        made in vec(made(), 0..6),
        host in select(&HOSTS[..]),
        source in select(&SOURCES[..]),
        direction in directions(),
        media_type in select(&TYPES[..]),
        class in of(select(&Class::ALL[..])),
    ) {
        let names: Vec<String> = (0..made.len()).map(|number| number.to_string()).collect();
        let rules = made.iter().zip(&names).map(|(made, name)| made.rule(name)).collect();
        let book = InspectBook::new(rules, default(), everyone);
        for kind in [Kind::default(), Kind { media_type: media_type.as_bytes(), class }] {
            let course = asked(&book, host, source, direction, kind);
            let first = made.iter().position(|made| made.speaks_of(host, source, direction, kind));
            prop_assert_eq!(rule_of(&course), first.map(|number| names[number].as_str()));
        }
    }
}
