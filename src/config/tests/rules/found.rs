//! Where rule files are looked for, and what is said of those that are bad.

use std::path::Path;

use crate::config::settings::{RuleSource, Settings};
use crate::config::{ConfigError, Overrides, load};

/// A directory with these files in it.
fn directory(files: &[(&str, &str)]) -> tempfile::TempDir {
    let root = tempfile::tempdir().expect("directory");
    for (name, text) in files {
        let path = root.path().join(name);
        std::fs::create_dir_all(path.parent().expect("parent")).expect("directory");
        std::fs::write(path, text).expect("write");
    }
    root
}

fn settings(root: &Path) -> Result<Settings, ConfigError> {
    load(Some(&root.join("t.toml")), &Overrides::default()).map(|loaded| loaded.settings)
}

const ONE: &str = "[[limit]]\nname = \"one\"\nper = \"source\"\nexchanges = 1\n";

fn names(settings: &Settings) -> Vec<&str> {
    settings.rules.written().limits.iter().map(|rule| &*rule.scope.name).collect()
}

#[test]
fn beside_the_configuration_unless_it_says_otherwise() {
    for (text, file) in [
        ("", "policies/limits.toml"),
        ("[policies]\ndir = \"policies\"\n", "policies/limits.toml"),
        ("[policies]\ndir = \"a/b\"\n", "a/b/limits.toml"),
        ("[policies]\ndir = \".\"\n", "./limits.toml"),
    ] {
        let root = directory(&[("t.toml", text), (file, ONE)]);
        let settings = settings(root.path()).unwrap_or_else(|error| panic!("{text}\n{error}"));
        assert_eq!(names(&settings), ["one"], "{text}");
        assert_eq!(settings.policies.limits, RuleSource::File(root.path().join(file)));
    }
    let elsewhere = directory(&[("limits.toml", ONE)]);
    let root = directory(&[("t.toml", &format!("[policies]\ndir = \"{}\"\n", elsewhere.path().display()))]);
    assert_eq!(names(&settings(root.path()).expect("good")), ["one"]);
}

#[test]
fn built_in_rules_hold_where_there_is_no_file() {
    let expected = Settings::default();
    assert_eq!(names(&expected), ["per-source", "per-pair", "per-destination", "livesport-pair"]);
    // Files of other kinds are left alone.
    let root = directory(&[("t.toml", ""), ("policies/other.toml", "?"), ("policies/limits.toml~", "?")]);
    let found = settings(root.path()).expect("good");
    assert_eq!((&found.rules, &found.policies.limits), (&expected.rules, &RuleSource::BuiltIn));
    assert_eq!(found.policies.dir, Some(root.path().join("policies")));

    let root = directory(&[("t.toml", "")]);
    assert_eq!(settings(root.path()).expect("good"), expected);
}

#[test]
fn problems_of_both_files_are_told_at_once_each_with_its_own_line() {
    let rules = "[[limit]]\nname = \"x\"\nper = \"source\"\nexchanges = 1\nlistener = \"ofice\"\n";
    let root = directory(&[
        ("t.toml", "workers = 0\n[[forward]]\nname = \"office\"\nbind = \"127.0.0.1:1\"\n"),
        ("policies/limits.toml", rules),
    ]);
    let error = settings(root.path()).expect_err("bad");
    let file = |name: &str| root.path().join(name).display().to_string();
    let found: Vec<_> = error.diagnostics().into_iter().map(|one| (one.file, one.line, one.column)).collect();
    let expected = [(file("t.toml"), Some(1), Some(11)), (file("policies/limits.toml"), Some(5), Some(12))];
    assert_eq!(found, expected);
    let shown = error.to_string();
    assert!(shown.contains(&format!("{}:5:12\n", file("policies/limits.toml"))), "{shown}");
    assert!(shown.contains("5 | listener = \"ofice\"") && shown.contains("did you mean `office`?"), "{shown}");
}

#[test]
fn a_port_that_cannot_be_read_hides_no_listener() {
    let rules = "[[limit]]\nname = \"x\"\nper = \"source\"\nexchanges = 1\nlistener = \"office\"\n";
    let root = directory(&[
        ("t.toml", "[[forward]]\nnmae = \"office\"\nbind = \"127.0.0.1:1\"\n"),
        ("policies/limits.toml", rules),
    ]);
    let found = settings(root.path()).expect_err("bad").diagnostics();
    assert_eq!(found.len(), 1, "{found:?}");
}

#[test]
fn a_rule_file_that_cannot_be_read_is_an_error() {
    let root = directory(&[("t.toml", ""), ("policies/limits.toml/inside", "")]);
    let found = settings(root.path()).expect_err("a directory").diagnostics();
    let [one] = found.as_slice() else { panic!("{found:?}") };
    assert!(one.message.contains("cannot read the rules") && one.file.ends_with("limits.toml"), "{one:?}");
    assert_eq!(one.line, None);
}

#[test]
fn bytes_that_are_not_text_are_pointed_at() {
    let root = directory(&[("t.toml", "")]);
    std::fs::create_dir(root.path().join("policies")).expect("directory");
    std::fs::write(root.path().join("policies/limits.toml"), b"# \xff\n[[limt]]\n").expect("write");
    let found: Vec<_> = settings(root.path()).expect_err("bad").diagnostics().iter().map(|one| one.line).collect();
    assert_eq!(found, [Some(1), Some(2)]);
}
