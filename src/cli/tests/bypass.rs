//! `tether bypass`: what is asked of the admin port, and what is printed.

use super::operations::{against, asked};
use super::*;

const ENTRY: &str = r#"{"id":"e0000000001","match":"a.example","source":null,"skip":["scan"],"until":null,"owner":null,
    "note":null,"ticket":null,"origin":"edited","created":null,"hits":7,"last_hit":null,"expired":false}"#;

fn page(entries: &str, more: &str) -> String {
    format!("{{\"entries\":[{entries}],\"learn\":\"suggest\",\"kept\":true{more}}}")
}

#[test]
fn entries_are_added() {
    let words = [
        "bypass",
        "add",
        "A.example",
        "--skip",
        "scan,limits",
        "--until",
        "2h",
        "--ticket",
        "T-1",
        "--source",
        "10.0.0.7",
    ];
    let (ended, line, sent) = against(&words, "200 OK", &page(ENTRY, ""));
    assert_eq!((ended.exit, ended.out.as_str()), (Exit::Done, "e0000000001: a.example: skips scan\n"), "{}", ended.err);
    assert_eq!(line, "POST /api/v1/bypass HTTP/1.1");
    let sent: serde_json::Value = serde_json::from_str(&sent).expect("JSON");
    let whole = serde_json::json!({"entries": [{
        "match": "A.example", "source": "10.0.0.7", "skip": ["scan", "limits"], "until": "2h", "owner": null, "note": null,
        "ticket": "T-1",
    }]});
    assert_eq!(sent, whole);
    let (ended, ..) = against(&["bypass", "add", "a.example"], "200 OK", &page(ENTRY, "").replace("true}", "false}"));
    assert!(
        ended.out.ends_with("this holds until the proxy ends: its configuration has no `[state] dir`\n"),
        "{}",
        ended.out
    );
}

#[test]
fn what_makes_no_sense_is_not_even_sent() {
    for (words, says) in [
        (&["a b"][..], "match: `a b` is not a host"),
        (&["*"], "match: `*` for every client"),
        (&["a.example", "--skip", "scna"], "skip: `scna`"),
        (&["a.example", "--until", "soon"], "until: `soon` is not a time"),
        (&["a.example", "--source", "office"], "source: "),
    ] {
        let ended = tether(&[&["bypass", "add", "--admin", "127.0.0.1:1"], words].concat(), &[]);
        assert_eq!(ended.exit, Exit::Usage, "{words:?}");
        assert!(ended.err.contains(says), "{words:?}: {}", ended.err);
    }
}

#[test]
fn entries_and_suggestions_are_listed() {
    let (ended, line, _) = against(&["bypass", "list"], "200 OK", &page(ENTRY, ""));
    assert!(ended.exit == Exit::Done && ended.out.lines().count() == 2, "{}", ended.out);
    assert_eq!(line, "GET /api/v1/bypass HTTP/1.1");
    let (ended, ..) = against(&["bypass", "list"], "200 OK", &page("", ""));
    assert_eq!(ended.out, "nothing is bypassed\n");
    let (ended, ..) = against(&["bypass", "list", "--json"], "200 OK", &page(ENTRY, ""));
    assert_eq!(ended.out, page(ENTRY, "") + "\n");
    let (ended, line, _) = against(&["bypass", "list", "--suggestions"], "200 OK", r#"{"suggestions":[]}"#);
    assert_eq!(
        (ended.out.as_str(), line.as_str()),
        ("nothing is suggested\n", "GET /api/v1/bypass/suggestions HTTP/1.1")
    );
}

#[test]
fn what_would_match_is_asked_with_everything_that_is_known() {
    let words = ["bypass", "test", "http://a.example/x?y=1&z", "--source", "10.0.0.7", "--type", "video/mp4"];
    let (ended, line, _) = against(&words, "200 OK", &page(ENTRY, ",\"never\":false"));
    assert!(ended.exit == Exit::Done && ended.out.contains("e0000000001"), "{}", ended.out);
    let path = "/api/v1/bypass?url=http%3A%2F%2Fa.example%2Fx%3Fy%3D1%26z&source=10.0.0.7&type=video%2Fmp4";
    assert_eq!(line, format!("GET {path} HTTP/1.1"));
    for (never, says) in [("false", "no entry matches\n"), ("true", "never bypassed: [[never]] of bypass.toml\n")] {
        let (ended, ..) = against(&["bypass", "test", "a:1"], "200 OK", &page("", &format!(",\"never\":{never}")));
        assert_eq!(ended.out, says);
    }
}

#[test]
fn entries_that_nobody_has_or_the_file_has_are_not_removed() {
    let (ended, ..) = against(&["bypass", "remove", "b.example"], "200 OK", &page(ENTRY, ""));
    assert_eq!((ended.exit, ended.out.as_str()), (Exit::Failed, ""));
    assert!(ended.err.contains("no entry has the id or the pattern `b.example`"), "{}", ended.err);
    let (ended, ..) =
        against(&["bypass", "remove", "A.Example."], "200 OK", &page(&ENTRY.replace("edited", "file"), ""));
    assert_eq!(ended.exit, Exit::Failed);
    assert!(ended.err.contains("stands in bypass.toml"), "{}", ended.err);
}

/// A file of this name and text.
fn written(name: &str, text: &str) -> (tempfile::TempDir, String) {
    let directory = tempfile::tempdir().expect("directory");
    let path = directory.path().join(name);
    std::fs::write(&path, text).expect("write");
    let path = path.to_str().expect("text").to_owned();
    (directory, path)
}

fn sent_matches(sent: &str) -> Vec<String> {
    let sent: serde_json::Value = serde_json::from_str(sent).expect("JSON");
    let entries = sent["entries"].as_array().expect("entries").clone();
    entries.iter().map(|entry| entry["match"].as_str().expect("match").to_owned()).collect()
}

#[test]
fn files_of_patterns_and_bypass_files_are_imported() {
    let (_directory, path) = written("list", "# mine\n\n a.example # x\n*.b.example\n");
    let (ended, _, sent) = against(&["bypass", "import", &path, "--ticket", "T-1"], "200 OK", &page(ENTRY, ""));
    assert_eq!((ended.exit, ended.out.as_str()), (Exit::Done, "imported 1\n"), "{}", ended.err);
    assert_eq!(sent_matches(&sent), ["a.example", "*.b.example"]);
    assert_eq!(sent.matches("T-1").count(), 2);

    let text = "[[bypass]]\nmatch = [\"a.example\", \"b.example\"]\nowner = \"anna\"\n[[bypass]]\nmatch = \"c\"\nuntil = \"1999-01-01\"\n";
    let (_directory, path) = written("list.toml", text);
    let (ended, _, sent) = against(&["bypass", "import", &path], "200 OK", &page(ENTRY, ""));
    assert_eq!((ended.exit, sent_matches(&sent)), (Exit::Done, vec!["a.example".to_owned(), "b.example".to_owned()]));
    assert_eq!(sent.matches("anna").count(), 2);
    let ended = tether(&["bypass", "import", &path, "--ticket", "T-1", "--admin", "127.0.0.1:1"], &[]);
    assert_eq!(ended.exit, Exit::Usage);
}

#[test]
fn bad_files_are_told_whole_and_not_imported() {
    let (_directory, path) = written("list", "a.example\na b\n\n10.0.0.1/8\n");
    let ended = tether(&["bypass", "import", &path, "--admin", "127.0.0.1:1"], &[]);
    assert_eq!(ended.exit, Exit::BadConfig);
    for says in [&format!("{path}:2: match: `a b`"), &format!("{path}:4: match: "), "Nothing was imported."] {
        assert!(ended.err.contains(says), "{}", ended.err);
    }
    for text in ["[[bypass]]\nmatch = \"a b\"\n", "[[never]]\nmatch = \"a.example\"\n"] {
        let (_directory, path) = written("list.toml", text);
        let ended = tether(&["bypass", "import", &path, "--admin", "127.0.0.1:1"], &[]);
        assert!(ended.exit == Exit::BadConfig && ended.err.contains("list.toml"), "{}", ended.err);
    }
    let ended = tether(&["bypass", "import", "/nonexistent/x", "--admin", "127.0.0.1:1"], &[]);
    assert_eq!(ended.exit, Exit::Failed);
}

/// The whole request of `words` against an admin port that takes everything.
fn request(words: &[&str], options: impl FnOnce(&str) -> Vec<String>) -> String {
    let (address, server) = asked("200 OK", &page(ENTRY, ""));
    let options = options(&address);
    let options: Vec<&str> = options.iter().map(String::as_str).collect();
    let ended = tether(&[words, &options].concat(), &[]);
    assert_eq!(ended.exit, Exit::Done, "{}", ended.err);
    server.join().expect("server")
}

#[test]
fn tokens_are_shown_where_they_are_known() {
    let (_directory, tokens) = written("tokens", "anna 0123456789abcdef\nben fedcba9876543210\n");
    let shown = "\r\nAuthorization: Bearer 0123456789abcdef\r\n";
    let add = ["bypass", "add", "a.example"];
    let named = request(&add, |address| ["--admin", address, "--token-file", &tokens].map(str::to_owned).into());
    assert!(named.contains(shown), "{named}");
    let configuration = |address: &str| file(&format!("[admin]\nbind = \"{address}\"\ntoken_file = \"{tokens}\"\n"));
    let mut kept = None;
    let configured = request(&add, |address| {
        let (directory, path) = configuration(address);
        kept = Some(directory);
        vec!["-c".to_owned(), path]
    });
    assert!(configured.contains(shown), "{configured}");
    let without = request(&add, |address| ["--admin", address].map(str::to_owned).into());
    assert!(!without.contains("Authorization"), "{without}");
    let ended = tether(&["reload", "--token-file", "/nonexistent/x", "--admin", "127.0.0.1:1"], &[]);
    assert!(ended.exit == Exit::Usage && ended.err.contains("cannot read the token"), "{}", ended.err);
}
