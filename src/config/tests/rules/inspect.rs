//! `inspect.toml`: good and bad files, and what they become.

use std::path::Path;

use crate::base::media_range::MediaRange;
use crate::config::document::Document;
use crate::config::rules::{built_in, read_inspect};
use crate::config::settings::{RuleSource, Settings};
use crate::config::tests::{Expected, assert_found};
use crate::config::{ConfigError, INSPECT_TOML, Overrides, check::Scanners, load};
use crate::icap::settings::{IcapMethod, IcapService};
use crate::inspect::book::InspectRule;
use crate::inspect::course::{Direction, OnOverload, OnUndecodable, Over, ScannerName, StreamScan, WhileHeld};
use crate::inspect::magic::Class;
use crate::policy::pattern::{DestinationMatch, HostPattern};

/// The rules of `text`, beside the built-in groups and two services, one for responses alone.
fn read(text: &str) -> Result<Vec<InspectRule>, ConfigError> {
    let service = |name: &str| IcapService::new(name, vec!["icap://a.example/".parse().expect("address")]);
    let methods = vec![IcapMethod::Respmod, IcapMethod::Reqmod];
    let services = [service("av"), IcapService { methods, ..service("dlp") }];
    let mut document = Document::new("inspect.toml", text.into());
    let rules = read_inspect(&mut document, &built_in().groups, Scanners::Named(&services));
    ConfigError::unless_good([document]).map(|()| rules)
}

fn good(text: &str) -> Vec<InspectRule> {
    read(text).unwrap_or_else(|error| panic!("{text}\n{error}"))
}

fn av() -> ScannerName {
    ScannerName::Icap("av".into())
}

/// The problems of a rule with a name, `lines` being those from the third on.
#[track_caller]
fn table(rows: &[(&str, &[Expected])]) {
    for (lines, expected) in rows {
        let text = format!("[[rule]]\nname = \"x\"\n{lines}");
        assert_found("inspect.toml", &text, &read(&text).expect_err(&text), expected);
    }
}

/// The shipped file with every example in it in use.
fn with_examples() -> String {
    let lines = INSPECT_TOML.lines().map(|line| match line.strip_prefix("# ") {
        Some(inside) if inside.contains(" = ") || inside == "[[rule]]" => inside,
        _ => line,
    });
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn the_shipped_file_says_what_is_built_in() {
    assert_eq!(good(INSPECT_TOML), Settings::default().inspect_rules);
    assert_eq!(good(""), []);
}

#[test]
fn the_commented_rules_are_right() {
    let rules = good(&with_examples());
    let [partner, archives, backups] = rules.as_slice() else { panic!("{rules:?}") };
    let expected = InspectRule {
        note: "Told to whoever looks after the proxy.".into(),
        destination: DestinationMatch::Host { pattern: HostPattern::new("*.partner.example"), port: None },
        source: Some("10.1.0.0/16".parse().expect("range")),
        direction: Some(Direction::Response),
        media_types: ["application/zip", "video/*"].map(|text| MediaRange::parse(text).expect("type")).to_vec(),
        scanners: Some(vec![ScannerName::BuiltIn, av()]),
        max_body: Some(25 << 20),
        over: Some(Over::Window),
        on_overload: Some(OnOverload::Block),
        streams: Some(StreamScan::Async),
        while_held: Some(WhileHeld::Page),
        undecodable: Some(OnUndecodable::Block),
        ..InspectRule::new("partner")
    };
    assert_eq!(*partner, expected);
    assert_eq!((archives.max_body, archives.classes.as_slice()), (Some(200 << 20), &[Class::Archive][..]));
    assert_eq!((backups.direction, backups.scanners.as_deref()), (Some(Direction::Request), Some(&[][..])));
}

#[test]
fn every_value_arrives() {
    let rules = good(
        "[[rule]]\nname = \"a\"\ndestination = \"group:livesport\"\nsource = \"10.0.0.7\"\ndirection = \"request\"\n\
         scanners = \"dlp\"\nmax_body = 7\nover = \"pass_unscanned\"\non_overload = \"window\"\nstreams = \"sync\"\n\
         [[rule]]\nname = \"b\"\ndestination = \"192.0.2.0/24\"\nsource = \"*\"\nclasses = [\"archive\", \"script\"]\n\
         max_body = \"1GiB\"\nover = \"block\"\non_overload = \"pass_unscanned\"\n\
         [[rule]]\nname = \"c\"\ndestination = \"*\"\nstreams = \"off\"\n",
    );
    let [a, b, c] = rules.as_slice() else { panic!("{rules:?}") };
    assert!(matches!(&a.destination, DestinationMatch::Group(group) if &*group.name == "livesport"), "{a:?}");
    let expected = InspectRule {
        destination: a.destination.clone(),
        source: Some("10.0.0.7/32".parse().expect("range")),
        direction: Some(Direction::Request),
        scanners: Some(vec![ScannerName::Icap("dlp".into())]),
        max_body: Some(7),
        over: Some(Over::PassUnscanned),
        on_overload: Some(OnOverload::Window),
        streams: Some(StreamScan::Sync),
        ..InspectRule::new("a")
    };
    assert_eq!(*a, expected);
    let expected = InspectRule {
        destination: DestinationMatch::Network("192.0.2.0/24".parse().expect("range")),
        classes: vec![Class::Archive, Class::Script],
        max_body: Some(1 << 30),
        over: Some(Over::Block),
        on_overload: Some(OnOverload::PassUnscanned),
        ..InspectRule::new("b")
    };
    assert_eq!(*b, expected);
    assert_eq!(*c, InspectRule { streams: Some(StreamScan::Off), ..InspectRule::new("c") });
}

#[test]
fn bad_values_each_at_its_place() {
    table(&[
        ("", &[(1, 1, "this rule changes nothing", "scanners = [")]),
        ("destination = \"*\"\nnote = \"x\"\n", &[(1, 1, "this rule changes nothing", "")]),
        ("scanners = [\"avv\", \"bultin\"]\n", &[(3, 13, "`avv`", "`av`?"), (3, 20, "`bultin`", "`builtin`?")]),
        ("scanners = \"other\"\n", &[(3, 12, "there is no scanner `other`", "`[icap.other]`")]),
        ("scanners = [\"av\", \"av\"]\n", &[(3, 19, "`av` is listed twice", "once")]),
        (
            "direction = \"request\"\nscanners = [\"dlp\", \"av\"]\n",
            &[(4, 20, "`av` is not asked about requests", "add `REQMOD` to the `methods` of `[icap.av]`")],
        ),
        ("streams = \"asyn\"\n", &[(3, 11, "`asyn`", "did you mean `async`?")]),
        (
            "over = \"pass\"\non_overload = \"x\"\n",
            &[(3, 8, "`pass` is not known here", ""), (4, 15, "`x`", "`block`, `pass_unscanned`, `window`")],
        ),
        ("max_body = 0\n", &[(3, 12, "less than 1", "")]),
        ("max_body = \"25mib\"\n", &[(3, 12, "`mib` is not a unit", "write `25MiB`")]),
        ("direction = \"up\"\nover = \"block\"\n", &[(3, 13, "`up`", "one of: `request`, `response`")]),
        ("source = \"office\"\nover = \"block\"\n", &[(3, 10, "`office` is not a range", "")]),
        ("destination = \"http://a.example/x\"\nover = \"block\"\n", &[(3, 15, "more than a host", "`a.example`")]),
        (
            "destination = \"group:livesprt\"\nover = \"block\"\n",
            &[(3, 15, "there is no group `livesprt`", "did you mean `group:livesport`?")],
        ),
        ("destination = \"group:shops\"\nover = \"block\"\n", &[(3, 15, "no group `shops`", "into limits.toml")]),
        (
            "media_types = [\"video\"]\nclasses = \"archiv\"\nover = \"block\"\n",
            &[(3, 16, "not a media type", "video/*"), (4, 11, "`archiv`", "`archive`?")],
        ),
        (
            "media_types = []\nclasses = []\nover = \"block\"\n",
            &[(3, 15, "list is empty", ""), (4, 11, "list is empty", "")],
        ),
        ("scaners = \"av\"\n", &[(3, 1, "unknown key `scaners` in `[[rule]]`", "`scanners`?")]),
        ("over = 5\n", &[(3, 8, "a string, not `5`", "over = \"window\"")]),
        ("over = \"block\"\n[[rule]]\nname = \"x\"\nover = \"block\"\n", &[(5, 8, "two rules are called `x`", "")]),
        ("over = \"block\"\n[[rule]]\nover = \"block\"\n", &[(4, 1, "this rule has no name", "name = ")]),
    ]);
}

#[test]
fn keys_that_would_change_nothing() {
    table(&[
        (
            "scanners = []\nmax_body = 1\nover = \"block\"\nstreams = \"off\"\n",
            &[
                (4, 12, "`max_body` says nothing here", "delete the line"),
                (5, 8, "`over` says nothing here", ""),
                (6, 11, "`streams` says nothing here", ""),
            ],
        ),
        (
            "classes = \"archive\"\nscanners = \"av\"\nstreams = \"off\"\nmax_body = 1\n",
            &[(4, 12, "`scanners` says nothing here", "a rule of its own"), (5, 11, "`streams` says nothing", "")],
        ),
    ]);
}

#[test]
fn any_bytes_are_answered_with_rules_or_problems() {
    let shipped = with_examples();
    for at in (0..shipped.len()).step_by(11) {
        for byte in [b'"', b'[', b'=', b'\n', 0xff] {
            let mut bytes = shipped.clone().into_bytes();
            bytes[at] = byte;
            bytes.truncate(at + 1 + at % 97);
            if let Err(error) = read(&String::from_utf8_lossy(&bytes)) {
                assert!(!error.diagnostics().is_empty());
                assert!(error.to_string().starts_with("error: "), "{error}");
            }
        }
    }
}

/// A directory with these files in it, and what is wrong there: file, line.
fn problems(files: &[(&str, &str)]) -> Vec<(String, Option<usize>)> {
    let root = directory(files);
    let error = settings(root.path()).expect_err("bad");
    let name = |file: &str| file.rsplit('/').next().unwrap_or_default().to_owned();
    error.diagnostics().iter().map(|one| (name(&one.file), one.line)).collect()
}

fn directory(files: &[(&str, &str)]) -> tempfile::TempDir {
    let root = tempfile::tempdir().expect("directory");
    std::fs::create_dir(root.path().join("policies")).expect("directory");
    for (name, text) in files {
        std::fs::write(root.path().join(name), text).expect("write");
    }
    root
}

fn settings(root: &Path) -> Result<Settings, ConfigError> {
    load(Some(&root.join("t.toml")), &Overrides::default()).map(|loaded| loaded.settings)
}

const AV: &str = "[icap.av]\nurls = \"icap://a.example/\"\n";
const GROUP: &str = "[[group]]\nname = \"shops\"\nhosts = \"*.shop.example\"\n";
const RULE: &str = "[[rule]]\nname = \"x\"\ndestination = \"group:shops\"\nscanners = [\"av\"]\n";

#[test]
fn found_beside_the_configuration_with_its_services_and_groups() {
    let root = directory(&[("t.toml", AV), ("policies/limits.toml", GROUP), ("policies/inspect.toml", RULE)]);
    let settings = settings(root.path()).expect("good");
    let [rule] = settings.inspect_rules.as_slice() else { panic!("{:?}", settings.inspect_rules) };
    assert_eq!(rule.scanners.as_deref(), Some(&[av()][..]));
    assert!(matches!(&rule.destination, DestinationMatch::Group(group) if group.hosts.len() == 1), "{rule:?}");
    assert_eq!(settings.policies.inspect, RuleSource::File(root.path().join("policies/inspect.toml")));
    assert_eq!(settings.policies.scan, RuleSource::BuiltIn);
}

#[test]
fn what_another_file_does_not_say_is_missing_and_what_it_hides_is_not() {
    let file = |name: &str, line| (name.to_owned(), Some(line));
    let rule = ("policies/inspect.toml", RULE);
    assert_eq!(problems(&[("t.toml", ""), rule]), [file("inspect.toml", 3), file("inspect.toml", 4)]);
    // The service and the group may be in what could not be read.
    let hidden = [("t.toml", "icap = 5\n"), ("policies/limits.toml", "group = 5\n"), rule];
    assert_eq!(problems(&hidden), [file("t.toml", 1), file("limits.toml", 1)]);
    let root = directory(&[("t.toml", AV), rule]);
    std::fs::create_dir(root.path().join("policies/limits.toml")).expect("directory");
    let found = settings(root.path()).expect_err("bad").diagnostics();
    assert!(found.len() == 1 && found[0].message.contains("cannot read the rules"), "{found:?}");
}
