//! `scan.toml`: good and bad files, and what they become.

use crate::base::media_range::MediaRange;
use crate::config::document::Document;
use crate::config::rules::read_scan;
use crate::config::settings::{RuleSource, ScanBook};
use crate::config::tests::{Expected, assert_found};
use crate::config::{ConfigError, Overrides, SCAN_TOML, load};
use crate::inspect::magic::Class;
use crate::inspect::rules::Notice;
use crate::inspect::rules::name::{Extension, UrlPattern};
use crate::inspect::settings::{LetterCase, Literal, ScanRule, built_in};

fn read(text: &str) -> Result<ScanBook, ConfigError> {
    let mut document = Document::new("scan.toml", text.into());
    let book = read_scan(&mut document);
    ConfigError::unless_good([document]).map(|()| book)
}

fn good(text: &str) -> ScanBook {
    read(text).unwrap_or_else(|error| panic!("{text}\n{error}"))
}

/// The problems of a rule with a name, `lines` being those from the third on.
#[track_caller]
fn table(rows: &[(&str, &[Expected])]) {
    for (lines, expected) in rows {
        let text = format!("[[rule]]\nname = \"x\"\n{lines}");
        assert_found("scan.toml", &text, &read(&text).expect_err(&text), expected);
    }
}

#[test]
fn the_shipped_file_says_what_is_built_in() {
    assert_eq!(good(SCAN_TOML), ScanBook { rules: built_in(), notices: Vec::new() });
    assert_eq!(good("").rules, []);
    // Nobody's scanner may take our own files for the test file.
    let eicar = String::from_utf8(crate::inspect::settings::eicar()).expect("text");
    assert!(!SCAN_TOML.contains(&eicar));
}

#[test]
fn the_commented_rule_is_right() {
    let lines = SCAN_TOML.lines().map(|line| match line.strip_prefix("# ") {
        Some(inside) if inside.contains(" = ") || inside == "[[rule]]" => inside,
        _ => line,
    });
    let book = good(&lines.collect::<Vec<_>>().join("\n"));
    let [all, eicar] = book.rules.as_slice() else { panic!("{book:?}") };
    assert_eq!(std::slice::from_ref(eicar), built_in());
    let lists = [all.literals.len(), all.regexes.len(), all.classes.len(), all.media_types.len(), all.extensions.len()];
    assert_eq!((lists, all.urls.len()), ([4, 1, 2, 2, 3], 1));
}

#[test]
fn every_value_arrives() {
    let book = good(
        "[[rule]]\nname = \"a\"\nnote = \"why\"\naction = \"block\"\ncase = \"either\"\nliterals = [\"text\", \"more\"]\n\
         hex = \"4d 5a 90 00\"\nregexes = ['a+b\\x00']\nclasses = \"archive\"\nmedia_types = \"video/*\"\nextensions = [\"EXE\"]\n\
         urls = \"*.example/x\"\n",
    );
    let literals = [&b"text"[..], b"more", b"MZ\x90\0"].map(|bytes| Literal::bytes(bytes).expect("bytes")).to_vec();
    let expected = ScanRule {
        note: "why".into(),
        letters: LetterCase::Either,
        literals,
        regexes: vec!["a+b\\x00".into()],
        classes: vec![Class::Archive],
        media_types: vec![MediaRange::parse("video/*").expect("type")],
        extensions: vec![Extension::parse("exe").expect("extension")],
        urls: vec![UrlPattern::parse("*.example/x").expect("pattern")],
        ..ScanRule::new("a")
    };
    assert_eq!(book.rules, [expected]);
}

#[test]
fn bad_values_each_at_its_place() {
    table(&[
        ("", &[(1, 1, "this rule looks for nothing", "literals = [")]),
        ("literals = []\n", &[(1, 1, "this rule looks for nothing", "")]),
        ("literals = [\"a\", \"\"]\n", &[(3, 18, "an empty text is found everywhere", "")]),
        (
            "hex = [\"4d5\", \"zz\"]\n",
            &[(3, 8, "only one hexadecimal digit", "4d 5a"), (3, 15, "not hexadecimal", "4d 5a")],
        ),
        (
            "regexes = ['ok', '(a', 'b*']\n",
            &[(3, 18, "unclosed group", "single quotes"), (3, 24, "matches nothing", "`+`")],
        ),
        (
            "classes = [\"archiv\", \"x\"]\n",
            &[(3, 12, "`archiv`", "`archive`?"), (3, 22, "`x`", "`executable`, `archive`")],
        ),
        ("media_types = \"video\"\n", &[(3, 15, "not a media type", "video/mp4")]),
        (
            "extensions = [\".exe\", \"*.scr\", \"a b\"]\n",
            &[
                (3, 15, "`.exe` is not", "write `exe`"),
                (3, 23, "`*.scr` is not", "write `scr`"),
                (3, 32, "`a b` is not", "without the dot"),
            ],
        ),
        ("urls = \"\"\n", &[(3, 8, "empty", "")]),
        (
            "urls = \"*\"\ncase = \"both\"\naction = \"blok\"\n",
            &[(4, 8, "`both`", "one of"), (5, 10, "`blok`", "`block`?")],
        ),
        ("literal = \"a\"\n", &[(3, 1, "unknown key `literal` in `[[rule]]`", "did you mean `literals`?")]),
        ("regexes = 5\n", &[(3, 11, "a string or an array of strings", "regexes = [")]),
        ("urls = \"*\"\n[[rule]]\nname = \"x\"\nurls = \"*\"\n", &[(5, 8, "two rules are called `x`", "of its own")]),
        ("urls = \"*\"\n[[rule]]\nurls = \"*\"\n", &[(4, 1, "this rule has no name", "name = ")]),
    ]);
}

#[test]
fn expressions_too_large_for_tables_are_noticed() {
    let book = good("[[rule]]\nname = \"x\"\nregexes = ['ab', '[a-z]{40}.{300}[0-9]{40}.{300}z']\nliterals = \"ab\"\n");
    assert_eq!(book.notices, [Notice::Windowed { rule: 0, regex: 1 }, Notice::ShortLiteral { rule: 0 }]);
}

#[test]
fn found_beside_the_configuration() {
    let root = tempfile::tempdir().expect("directory");
    let path = root.path().join("t.toml");
    std::fs::write(&path, "workers = 0\n").expect("write");
    std::fs::create_dir(root.path().join("policies")).expect("directory");
    let scan = root.path().join("policies/scan.toml");
    std::fs::write(&scan, "[[rule]]\nname = \"x\"\nextensions = \".exe\"\n").expect("write");
    let found = load(Some(&path), &Overrides::default()).expect_err("bad").diagnostics();
    let places: Vec<_> = found.iter().map(|one| (one.file.clone(), one.line)).collect();
    let name = |path: &std::path::Path| path.display().to_string();
    assert_eq!(places, [(name(&path), Some(1)), (name(&scan), Some(3))]);

    std::fs::write(&path, "").expect("write");
    std::fs::write(&scan, "[[rule]]\nname = \"x\"\nextensions = \"exe\"\n").expect("write");
    let settings = load(Some(&path), &Overrides::default()).expect("good").settings;
    assert_eq!((&settings.policies.scan, settings.scan_rules.rules.len()), (&RuleSource::File(scan), 1));
    assert_eq!(settings.policies.limits, RuleSource::BuiltIn);
}
