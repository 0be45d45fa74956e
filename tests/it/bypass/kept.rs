//! What survives: restarts, reloads, broken files, a disk that takes nothing; and the log of who did what.

use std::fs;

use tempfile::TempDir;
use tether::admin::settings::AdminTokens;
use tether::app::App;

use super::*;
use crate::support::proxy::settings;
use crate::support::rules::{load, write};
use crate::support::wire::Wire;

/// The lines of the audit log in `dir`.
fn audit(dir: &Path) -> Vec<Value> {
    let text = fs::read_to_string(dir.join("audit.log")).expect("an audit log");
    text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

fn names(dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(dir).expect("a folder");
    let mut names: Vec<String> =
        entries.map(|entry| entry.expect("an entry").file_name().to_str().expect("UTF-8").to_owned()).collect();
    names.sort();
    names
}

#[test]
fn edits_survive_a_restart() {
    let root = TempDir::new().expect("a folder");
    let dir = root.path().join("made/here");
    let proxy = keeping(&dir);
    let whole =
        r#"{"match":"a.test","source":"127.0.0.0/8","skip":["all"],"until":"2h","owner":"o","note":"n","ticket":"t"}"#;
    added(&proxy, whole);
    let gone = added(&proxy, r#"{"match":"b.test"}"#);
    added(&proxy, r#"{"match":"type:video/*"}"#);
    sent(&proxy, "DELETE", &format!("{PATH}/{gone}"), ("", 200));
    let before = listed(&proxy);
    drop(proxy);
    assert_eq!(names(&dir), ["audit.log", "bypass.json", "lock"]);

    let proxy = keeping(&dir);
    assert_eq!(listed(&proxy), before, "to the millisecond, ids too");
    assert_eq!(next(&proxy, "a.test"), ["all"]);
    drop(proxy);
    // Without the directory there is nothing of it.
    assert!(listed(&Proxy::start()).is_empty());
}

#[test]
fn a_broken_file_is_set_aside_and_not_lost() {
    let root = TempDir::new().expect("a folder");
    for (number, broken) in [
        "{\"version\":1,\"entries\":[{\"entry\"",
        "{\"version\":2,\"entries\":[]}",
        "",
        "{\"version\":1,\"entries\":[{\"entry\":{\"match\":\"a b\"}}]}",
    ]
    .into_iter()
    .enumerate()
    {
        let dir = root.path().join(number.to_string());
        fs::create_dir(&dir).expect("a folder");
        fs::write(dir.join("bypass.json"), broken).expect("a file");
        // Left by a crash in the middle of writing; it never counted.
        fs::write(dir.join("bypass.json.new"), "{\"versi").expect("a file");
        let proxy = keeping(&dir);
        assert!(listed(&proxy).is_empty());
        added(&proxy, r#"{"match":"a.test"}"#);
        let aside: Vec<String> = names(&dir).into_iter().filter(|name| name.contains("broken")).collect();
        assert_eq!(aside.len(), 1, "{broken}");
        assert_eq!(fs::read_to_string(dir.join(&aside[0])).expect("the file"), broken);
        drop(proxy);
        assert_eq!(matches(&keeping(&dir)), ["a.test"]);
    }
}

#[test]
fn what_cannot_be_kept_is_not_done() {
    let root = TempDir::new().expect("a folder");
    let proxy = keeping(root.path());
    let kept = added(&proxy, r#"{"match":"a.test"}"#);
    let before = fs::read(root.path().join("bypass.json")).expect("the file");
    // Not even the superuser can write into a folder as into a file.
    fs::create_dir(root.path().join("bypass.json.new")).expect("a folder");
    let refused = sent(&proxy, "POST", PATH, (r#"{"match":"b.test"}"#, 500));
    assert!(refused["error"].as_str().is_some_and(|error| error.contains("cannot be kept")), "{refused}");
    sent(&proxy, "DELETE", &format!("{PATH}/{kept}"), ("", 500));
    assert_eq!(matches(&proxy), ["a.test"]);
    assert!(next(&proxy, "b.test").is_empty());
    assert_eq!(fs::read(root.path().join("bypass.json")).expect("the file"), before);
    assert_eq!(audit(root.path()).len(), 1, "what was not done is not told as done");
    fs::remove_dir(root.path().join("bypass.json.new")).expect("gone");
    added(&proxy, r#"{"match":"b.test"}"#);
    assert_eq!(matches(&proxy), ["a.test", "b.test"]);
}

#[test]
fn a_directory_belongs_to_one_process() {
    let root = TempDir::new().expect("a folder");
    let proxy = keeping(root.path());
    let mut second = settings();
    second.state.dir = Some(root.path().to_owned());
    let refused = App::start(second, None).err().expect("refused");
    assert!(format!("{refused:#}").contains("another process"), "{refused:#}");
    drop(proxy);
    drop(keeping(root.path()));

    let mut nowhere = settings();
    nowhere.state.dir = Some("/dev/null/x".into());
    let refused = App::start(nowhere, None).err().expect("refused");
    assert!(format!("{refused:#}").contains("the state directory cannot be used"), "{refused:#}");
}

#[test]
fn every_change_is_written_down_with_who_made_it() {
    let root = TempDir::new().expect("a folder");
    let tokens = AdminTokens::read("t".into(), "anna 0123456789abcdef\n").expect("tokens");
    let proxy = keeping_with(root.path(), |settings| {
        settings.admin.tokens = tokens;
        settings.bypass.learn = tether::policy::bypass::Learn::On;
    });
    let ask = |method: &str, path: &str, token: &str, body: &str| {
        let mut client = Wire::connect(proxy.admin());
        let (host, length) = (proxy.admin(), body.len());
        client.send(format!(
            "{method} {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\nContent-Type: application/json\r\n\
             Authorization: Bearer {token}\r\nContent-Length: {length}\r\n\r\n{body}"
        ));
        client.head()[9..12].to_owned()
    };
    let right = "0123456789abcdef";
    assert_eq!(ask("POST", PATH, "0123456789abcdeF", r#"{"match":"a.test"}"#), "401");
    assert_eq!(ask("POST", PATH, right, "{\"match\":\"a.test\",\"note\":\"\u{202e}\"}"), "200");
    assert_eq!(ask("POST", PATH, right, r#"{"match":"a.test","skip":["limits"]}"#), "200");
    let id = listed(&proxy)[0]["id"].as_str().expect("id").to_owned();
    assert_eq!(ask("DELETE", &format!("{PATH}/{id}"), right, ""), "200");
    proxy.app().reloader().bypass().learn(rule("b.test"), "idle_gap");
    let lines = audit(root.path());
    let whats: Vec<&str> = lines.iter().map(|line| line["what"].as_str().expect("what")).collect();
    assert_eq!(whats, ["bypass_add", "bypass_change", "bypass_remove", "bypass_add"]);
    for line in &lines[..3] {
        assert_eq!((&line["by"], &line["token"], &line["id"]), (&"admin".into(), &"anna".into(), &id.clone().into()));
        assert!(line["remote"].as_str().is_some_and(|remote| remote.starts_with("127.0.0.1:")), "{line}");
        assert_eq!(line["ts"].as_str().map(str::len), Some(24));
    }
    assert_eq!(
        (&lines[3]["by"], &lines[3]["evidence"], &lines[3]["remote"]),
        (&"detector".into(), &"idle_gap".into(), &Value::Null)
    );
    assert_eq!((&lines[0]["before"], &lines[0]["after"]["note"]), (&Value::Null, &"\u{202e}".into()));
    assert_eq!((&lines[1]["before"]["skip"][0], &lines[1]["after"]["skip"][0]), (&"scan".into(), &"limits".into()));
    assert_eq!((&lines[2]["before"]["match"], &lines[2]["after"]), (&"a.test".into(), &Value::Null));
    assert!(fs::read(root.path().join("audit.log")).expect("the log").is_ascii(), "nothing in it moves a terminal");
}

#[test]
fn a_reload_keeps_edits_and_counts_and_takes_the_new_file() {
    let root = TempDir::new().expect("a folder");
    let files = root.path().to_owned();
    let list = |text: &str| fs::write(root.path().join("policies/bypass.toml"), text).expect("a file");
    let more = "[state]\ndir = \"state\"\n";
    write(root.path(), more, "");
    list("[[bypass]]\nmatch = [\"a.test\", \"b.test\"]\n");
    let proxy = Proxy::reloading(std::sync::Arc::new(move || load(&files)));
    added(&proxy, r#"{"match":"c.test"}"#);
    for host in ["a.test", "b.test", "c.test"] {
        assert_eq!(next(&proxy, host), ["scan"], "{host}");
    }
    let id = listed(&proxy)[0]["id"].as_str().expect("id").to_owned();
    sent(&proxy, "DELETE", &format!("{PATH}/{id}"), ("", 409));

    list("[[bypass]]\nmatch = \"a.test\"\nskip = \"limits\"\n[[bypass]]\nmatch = \"d.test\"\n");
    proxy.app().reloader().reload().unwrap_or_else(|diagnostic| panic!("{diagnostic}"));
    assert_eq!(matches(&proxy), ["a.test", "d.test", "c.test"]);
    let hits: Vec<Value> = listed(&proxy).iter().map(|entry| entry["hits"].clone()).collect();
    assert_eq!(hits, [1, 0, 1]);
    assert_eq!((next(&proxy, "a.test"), next(&proxy, "b.test").len()), (vec!["limits"], 0));

    list("[[bypass]]\nmatch = \"a b\"\n");
    let refused = proxy.app().reloader().reload().expect_err("bad");
    assert!(refused.contains("policies/bypass.toml:2:9"), "{refused}");
    assert_eq!(matches(&proxy), ["a.test", "d.test", "c.test"]);
}

#[test]
fn tokens_can_be_changed_by_a_reload() {
    let root = TempDir::new().expect("a folder");
    let files = root.path().to_owned();
    let set = |token: &str| fs::write(root.path().join("tokens"), format!("anna {token}\n")).expect("a file");
    set("0123456789abcdef");
    write(root.path(), "", "");
    let main = root.path().join("tether.toml");
    let text = fs::read_to_string(&main).expect("text").replace("[admin]\n", "[admin]\ntoken_file = \"tokens\"\n");
    fs::write(&main, text).expect("a file");
    let proxy = Proxy::reloading(std::sync::Arc::new(move || load(&files)));
    let name = |token: &[u8]| proxy.app().reloader().tokens().name_of(token);
    assert!(name(b"0123456789abcdef").is_some());
    sent(&proxy, "POST", PATH, (r#"{"match":"a.test"}"#, 401));
    set("fedcba9876543210");
    proxy.app().reloader().reload().unwrap_or_else(|diagnostic| panic!("{diagnostic}"));
    assert!(name(b"0123456789abcdef").is_none() && name(b"fedcba9876543210").is_some());
}
