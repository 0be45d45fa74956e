//! `bypass.toml`: good and bad files, and what they become; the keys of the configuration that belong to it.

use std::path::Path;
use std::time::{Duration, UNIX_EPOCH};

use crate::config::document::Document;
use crate::config::rules::read_bypass;
use crate::config::settings::RuleSource;
use crate::config::tests::{Expected, assert_found, good as configuration, read as configured};
use crate::config::{BYPASS_TOML, ConfigError, Overrides, admin_token_file, bypass_file, load};
use crate::policy::bypass::entry::{About, BypassRule};
use crate::policy::bypass::pattern::Pattern;
use crate::policy::bypass::skips::{Skip, Skips};
use crate::policy::bypass::{BypassBook, Learn};

fn read(text: &str) -> Result<BypassBook, ConfigError> {
    let mut document = Document::new("bypass.toml", text.into());
    let book = read_bypass(&mut document);
    ConfigError::unless_good([document]).map(|()| book)
}

fn good(text: &str) -> BypassBook {
    read(text).unwrap_or_else(|error| panic!("{text}\n{error}"))
}

fn pattern(text: &str) -> Pattern {
    Pattern::parse(text).expect("pattern")
}

#[test]
fn the_shipped_file_bypasses_nothing_and_its_example_is_right() {
    assert_eq!(good(BYPASS_TOML), BypassBook::default());
    let lines = BYPASS_TOML.lines().map(|line| match line.strip_prefix("# ") {
        Some(inside) if inside.contains(" = ") || inside.starts_with("[[") => inside,
        _ => line,
    });
    let book = good(&lines.collect::<Vec<_>>().join("\n"));
    assert_eq!((book.entries.len(), book.never.len()), (2, 2));
    assert!(book.entries.iter().all(|rule| rule.source.is_some() && rule.until.is_some()));
    // Every pattern that its text explains is one.
    let explained: Vec<&str> = BYPASS_TOML
        .lines()
        .filter(|line| line.starts_with("#   \""))
        .flat_map(|line| line.split('"').skip(1).step_by(2))
        .collect();
    assert!(explained.len() > 8, "{explained:?}");
    explained.iter().for_each(|text| drop(pattern(text)));
}

#[test]
fn every_value_arrives() {
    let book = good(
        "[[bypass]]\nmatch = [\"A.example\", \"type:video/*\"]\nskip = [\"limits\", \"scan\"]\nsource = \"10.0.0.7\"\n\
         until = \"2026-11-21T03:04:05Z\"\nowner = \"anna\"\nnote = \"why\"\nticket = \"T-1\"\n\
         [[bypass]]\nmatch = \"a.example\"\n[[bypass]]\nmatch = \"*\"\nsource = \"10.0.0.0/8\"\nskip = \"all\"\n\
         [[never]]\nmatch = \"*.bank.example\"\nnote = \"money\"\n",
    );
    let text = |text: &str| Some(text.into());
    let whole = BypassRule {
        source: "10.0.0.7/32".parse().ok(),
        skips: Skips::of(Skip::Scan).and(Skips::of(Skip::Limits)),
        until: Some(UNIX_EPOCH + Duration::from_secs(1_795_230_245)),
        about: About { owner: text("anna"), note: text("why"), ticket: text("T-1") },
        ..BypassRule::new(pattern("a.example"))
    };
    let typed = BypassRule { pattern: pattern("type:video/*"), ..whole.clone() };
    let plain = BypassRule::new(pattern("a.example"));
    let all = BypassRule { source: "10.0.0.0/8".parse().ok(), skips: Skips::ALL, ..BypassRule::new(pattern("*")) };
    assert_eq!(book, BypassBook { entries: vec![whole, typed, plain, all], never: vec![pattern("*.bank.example")] });
}

/// The problems of these lines behind the header of an entry.
#[track_caller]
fn table(rows: &[(&str, &[Expected])]) {
    for (lines, expected) in rows {
        let text = format!("[[bypass]]\n{lines}");
        assert_found("bypass.toml", &text, &read(&text).expect_err(&text), expected);
    }
}

#[test]
fn bad_values_each_at_its_place() {
    table(&[
        ("", &[(1, 1, "does not say what it speaks of", "match = ")]),
        ("match = []\n", &[(2, 9, "does not say what it speaks of", "match = ")]),
        ("mach = \"a.example\"\n", &[(1, 1, "does not say", ""), (2, 1, "unknown key `mach`", "`match`?")][1..]),
        ("match = \"*\"\n", &[(2, 9, "`*` for every client", "`source`")]),
        ("match = [\"ok\", \"a b\"]\n", &[(2, 16, "`a b` is not a host", "letters")]),
        ("match = \"domain:co.uk\"\n", &[(2, 9, "`co.uk` is not a registrable domain", "of one owner")]),
        (
            "match = \"a\"\nskip = [\"scna\", \"limits\"]\nuntil = \"tomorrow\"\nsource = \"10.0.0.1/8\"\n",
            &[(3, 9, "`scna`", "`scan`?"), (4, 9, "`tomorrow`", "2027-01-31"), (5, 10, "not a range", "`10.0.0.0/8`")],
        ),
        ("match = \"a\"\nskip = []\n", &[(3, 8, "skips nothing", "`scan`, `decrypt`")]),
        ("match = \"a\"\nuntil = 2027-01-31\n", &[(3, 9, "must be a string", "until = \"2027")]),
        (
            "match = [\"a.example\", \"A.example.\"]\n[[bypass]]\nmatch = \"a.example\"\nsource = \"10.0.0.7\"\n",
            &[(2, 23, "`a.example` has an entry already", "`source`")],
        ),
        ("match = \"a\"\n[[never]]\nmatch = \"10.0.0.0/8\"\n", &[(4, 9, "more or less than hosts", "domain:")]),
        ("match = \"a\"\n[[never]]\nnote = \"x\"\n", &[(3, 1, "does not say what it speaks of", "match = ")]),
        ("match = \"a\"\n[[nevr]]\nmatch = \"b\"\n", &[(3, 3, "unknown", "`never`?")]),
    ]);
}

#[test]
fn found_beside_the_configuration_and_by_name() {
    let root = tempfile::tempdir().expect("directory");
    let path = root.path().join("t.toml");
    let list = root.path().join("policies/bypass.toml");
    std::fs::create_dir(root.path().join("policies")).expect("directory");
    std::fs::write(&path, "").expect("write");
    std::fs::write(&list, "[[bypass]]\nmatch = \"a.example\"\n").expect("write");
    let settings = load(Some(&path), &Overrides::default()).expect("good").settings;
    assert_eq!((&settings.policies.bypass, settings.bypass_book.entries.len()), (&RuleSource::File(list.clone()), 1));
    assert_eq!(bypass_file(&list).expect("good"), settings.bypass_book);

    std::fs::write(&list, "[[bypass]]\nmatch = \"a b\"\n").expect("write");
    for error in [load(Some(&path), &Overrides::default()).expect_err("bad"), bypass_file(&list).expect_err("bad")] {
        let found = error.diagnostics();
        assert_eq!((found[0].file.clone(), found[0].line), (list.display().to_string(), Some(2)));
    }
    assert!(bypass_file(Path::new("/nonexistent/x")).is_err());
}

#[test]
fn the_keys_of_the_configuration() {
    let settings = configuration("[bypass]\nlearn = \"on\"\n[state]\ndir = \"s\"\n");
    assert_eq!((settings.bypass.learn, settings.state.dir.as_deref()), (Learn::On, Some(Path::new("/nonexistent/s"))));
    let settings = configuration("");
    assert_eq!((settings.bypass.learn, settings.state.dir), (Learn::Suggest, None));
    for (text, expected) in [
        ("[bypass]\nlearn = \"of\"\n", &[(2, 9, "`of`", "`off`?")][..]),
        ("[state]\ndir = \"\"\n", &[(2, 7, "is no directory", "/var/lib/tether")]),
        ("[state]\ndir = \"/dev/null\"\n", &[(2, 7, "`/dev/null` is no directory", "")]),
        ("[admin]\ntoken_file = \"none\"\n", &[(2, 14, "cannot read the tokens of `/nonexistent/none`", "")]),
        ("[admin]\ntoken_file = \"/dev/null\"\n", &[(2, 14, "`/dev/null`: there is no token", "openssl rand")]),
    ] {
        assert_found("t.toml", text, &configured(text).expect_err(text), expected);
    }
}

#[test]
fn tokens_are_read_from_their_file_and_stay_there() {
    let root = tempfile::tempdir().expect("directory");
    let path = root.path().join("t.toml");
    std::fs::write(&path, "[admin]\ntoken_file = \"tokens\"\n[limits]\nmode = \"nonsense\"\n").expect("write");
    std::fs::write(root.path().join("tokens"), "anna 0123456789abcdef\n").expect("write");
    assert_eq!(admin_token_file(Some(&path)), Some(root.path().join("tokens")), "whatever else is wrong");
    std::fs::write(&path, "[admin]\ntoken_file = \"tokens\"\n").expect("write");
    let settings = load(Some(&path), &Overrides::default()).expect("good").settings;
    assert_eq!(settings.admin.tokens.name_of(b"0123456789abcdef").as_deref(), Some("anna"));
    let shown = crate::config::render(&settings);
    assert!(shown.contains(&format!("token_file = \"{}\"", root.path().join("tokens").display())), "{shown}");
    assert!(!shown.contains("0123456789abcdef"));
    std::fs::write(&path, "").expect("write");
    assert_eq!(admin_token_file(Some(&path)), None);
}
