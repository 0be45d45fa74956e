//! Rules of `scan.toml`: what a body is called and what it is, asked as early as it is known.

use tether::base::media_range::MediaRange;
use tether::base::reason::Reason;
use tether::inspect::book::InspectRule;
use tether::inspect::course::Direction;
use tether::inspect::magic::Class;
use tether::inspect::rules::name::{Extension, UrlPattern};
use tether::inspect::settings::{Literal, ScanRule};

use super::eicar::assert_blocked;
use super::wrapped::{Framing, gzip};
use super::{fetch, logged, logging, patient, scanning_with, serving, text, wait_until_nothing_is_left};
use crate::support::answer::answer;
use crate::support::client::{asking, get};
use crate::support::origin::Origin;
use crate::support::proxy::Proxy;

fn rule(name: &str, fill: impl FnOnce(&mut ScanRule)) -> ScanRule {
    let mut rule = ScanRule::new(name);
    fill(&mut rule);
    rule
}

fn by(rule: ScanRule) -> Proxy {
    scanning_with(|settings| {
        patient(settings);
        settings.scan_rules.rules = vec![rule];
    })
}

/// Asked for by its URL alone, so that no origin hears of it.
#[track_caller]
fn assert_unasked(proxy: &Proxy, paths: &[&str]) {
    let origin = Origin::bind();
    for path in paths {
        assert_blocked(&answer(&mut asking(proxy, get(origin.address(), path))), path);
    }
    assert!(!origin.is_called(std::time::Duration::ZERO), "the origin was asked");
    let stopped = paths.len() as u64;
    proxy.wait_until("counted", |proxy| proxy.tally().closed(Reason::ContentBlocked) == stopped);
}

#[test]
fn a_url_is_enough() {
    let proxy =
        by(rule("urls", |rule| rule.urls = vec![UrlPattern::parse("127.0.0.1:*/downloads/*").expect("a pattern")]));
    assert_unasked(&proxy, &["/downloads/", "/downloads/a.txt", "/Downloads/a?b=c"]);
    let fine = serving(Framing::Length, "", b"fine");
    assert_eq!(fetch(&proxy, &fine, "/uploads/").text(), "fine");
    wait_until_nothing_is_left(&proxy);
}

#[test]
fn an_extension_in_the_url_is_enough() {
    let proxy = by(rule("programs", |rule| rule.extensions = vec![Extension::parse("exe").expect("an extension")]));
    assert_unasked(&proxy, &["/a.exe", "/a.EXE", "/a.exe?x=1", "/a.ex%65", "/b/a.exe;v=1", "/a.exe."]);
    let fine = serving(Framing::Length, "", b"fine");
    for path in ["/a.exe/", "/a.txt?b.exe", "/exe", "/a.exes"] {
        assert_eq!(fetch(&proxy, &fine, path).text(), "fine", "{path}");
    }
}

#[test]
fn a_file_name_in_the_answer_counts() {
    let proxy = by(rule("programs", |rule| rule.extensions = vec![Extension::parse("exe").expect("an extension")]));
    for name in [
        "filename=\"a.exe\"",
        "filename=a.EXE",
        "filename*=UTF-8''a%2eexe",
        "filename=\"a.txt\"; filename*=UTF-8''a.exe",
    ] {
        let origin = serving(Framing::Length, &format!("Content-Disposition: attachment; {name}\r\n"), b"text");
        assert_blocked(&fetch(&proxy, &origin, "/get"), name);
    }
    let fine = serving(Framing::Length, "Content-Disposition: attachment; filename=\"a.txt\"\r\n", b"text");
    assert_eq!(fetch(&proxy, &fine, "/get").text(), "text");
}

#[test]
fn a_media_type_counts() {
    let proxy = by(rule("films", |rule| rule.media_types = vec![MediaRange::parse("video/*").expect("a type")]));
    for kind in ["video/mp4", "VIDEO/webm; codecs=x"] {
        for framing in [Framing::Length, Framing::Chunked(3)] {
            let origin = serving(framing, &format!("Content-Type: {kind}\r\n"), b"film");
            assert_blocked(&fetch(&proxy, &origin, "/x"), kind);
        }
    }
    let fine = serving(Framing::Length, "Content-Type: audio/mp4\r\n", b"sound");
    assert_eq!(fetch(&proxy, &fine, "/x").text(), "sound");
}

#[test]
fn what_an_upload_is_called_counts_too() {
    let programs = rule("programs", |rule| {
        rule.extensions = vec![Extension::parse("exe").expect("an extension")];
        rule.media_types = vec![MediaRange::parse("video/*").expect("a type")];
    });
    let proxy = by(programs);
    let origin = Origin::bind();
    let host = origin.address();
    let upload = |path: &str, fields: &str| {
        let head = format!("POST http://{host}{path} HTTP/1.1\r\nHost: {host}\r\n{fields}");
        asking(&proxy, format!("{head}Content-Length: 4\r\n\r\ntext"))
    };
    for (path, fields) in [
        ("/up", "Content-Type: video/mp4\r\n"),
        ("/up", "Content-Disposition: attachment; filename=\"setup.exe\"\r\n"),
        ("/setup.exe", ""),
    ] {
        assert_blocked(&answer(&mut upload(path, fields)), fields);
    }
    assert!(!origin.is_called(std::time::Duration::ZERO), "the origin was asked");
    let mut client = upload("/up", "Content-Type: text/plain\r\n");
    let mut served = origin.accept();
    served.head();
    served.send("HTTP/1.1 204 No Content\r\n\r\n");
    assert_eq!(answer(&mut client).status, 204);
}

#[test]
fn a_url_counts_where_only_uploads_are_scanned() {
    let urls = rule("urls", |rule| rule.urls = vec![UrlPattern::parse("127.0.0.1:*/drop/*").expect("a pattern")]);
    let proxy = scanning_with(|settings| {
        let downloads = InspectRule { direction: Some(Direction::Response), ..InspectRule::new("downloads") };
        settings.inspect_rules = vec![InspectRule { scanners: Some(Vec::new()), ..downloads }];
        settings.scan_rules.rules = vec![urls];
    });
    assert_unasked(&proxy, &["/drop/a"]);
}

#[test]
fn what_it_is_counts_whatever_it_is_called() {
    let proxy = by(rule("programs", |rule| rule.classes = vec![Class::Executable]));
    let program = [&b"MZ\x90\0"[..], &text(5000)].concat();
    for kind in ["text/html", "image/png", "text/event-stream", "video/mp4"] {
        for framing in [Framing::Length, Framing::Chunked(1), Framing::Close] {
            let origin = serving(framing, &format!("Content-Type: {kind}\r\n"), &program);
            assert_blocked(&fetch(&proxy, &origin, "/a.png"), &format!("{kind}, {framing:?}"));
        }
    }
    let coded = serving(Framing::Length, "Content-Encoding: gzip\r\n", &gzip(&program));
    assert_blocked(&fetch(&proxy, &coded, "/a.png"), "coded");
    let tiny = serving(Framing::Length, "", b"MZ");
    assert_blocked(&fetch(&proxy, &tiny, "/a.png"), "two bytes");
    let fine = serving(Framing::Length, "Content-Encoding: gzip\r\n", &gzip(b"text, and no archive"));
    assert_eq!(fetch(&proxy, &fine, "/x").status, 200);
}

#[test]
fn text_and_expressions_count_and_the_log_names_the_rule() {
    let folder = tempfile::tempdir().expect("a folder");
    let proxy = scanning_with(|settings| {
        logging(folder.path())(settings);
        settings.scan_rules.rules = vec![
            rule("words", |rule| rule.literals = vec![Literal::text("needle in it").expect("text")]),
            rule("shapes", |rule| rule.regexes = vec!["pass=[0-9]{4}".into()]),
        ];
    });
    for (number, (body, name)) in [("a needle in it", "words"), ("x pass=1234 y", "shapes")].into_iter().enumerate() {
        let origin = serving(Framing::Chunked(3), "", body.as_bytes());
        assert_blocked(&fetch(&proxy, &origin, "/x"), name);
        let line = logged(&proxy, folder.path(), number + 1);
        let told = [&line["verdict"], &line["scanner"], &line["threat"], &line["reason"]];
        assert_eq!(told, ["blocked", "builtin", name, "content_blocked"], "{line}");
    }
    let origin = serving(Framing::Length, "", b"fine");
    assert_eq!(fetch(&proxy, &origin, "/x").text(), "fine");
    let line = logged(&proxy, folder.path(), 3);
    assert_eq!([&line["verdict"], &line["scan"]], ["clean", "whole"], "{line}");
}
