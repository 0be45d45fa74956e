//! Film and sound without an end before services: they see the front and samples of the rest, and what hides there does not.

use tether::inspect::book::InspectRule;
use tether::inspect::course::StreamScan;
use tether::inspect::settings::eicar;

use super::streams::seen;
use super::*;
use crate::support::answer::BodyEnd;
use crate::support::origin::Origin;
use crate::support::wire::How;

const MIB: usize = 1 << 20;
/// Shown at the front of a body.
const FRONT: usize = 256 * 1024;
/// Shown of each period of 4 MiB behind it.
const SAMPLE: usize = 64 * 1024;
/// A word in the pattern of the test file.
const EICAR: &str = "EICAR-STANDARD";

/// Bytes that begin as film does, and of which each eight tell where they stand.
fn film(length: usize) -> Vec<u8> {
    let mut film: Vec<u8> = (0..length as u64 / 8).flat_map(u64::to_be_bytes).collect();
    film.resize(length, 0);
    film[4..8].copy_from_slice(b"ftyp");
    film
}

/// The same, with the test file at this place.
fn film_with_eicar(length: usize, at: usize) -> Vec<u8> {
    let (mut film, pattern) = (film(length), eicar());
    film[at..at + pattern.len()].copy_from_slice(&pattern);
    film
}

/// Where a part of a film begins in it.
fn place(part: &[u8]) -> usize {
    if part[4..8] == *b"ftyp" {
        return 0;
    }
    let eight = |at: usize| u64::from_be_bytes(part[at..at + 8].try_into().expect("eight bytes"));
    let aligned = (0..8).find(|at| eight(at + 8) == eight(*at) + 1).expect("a part of a film");
    eight(aligned) as usize * 8 - aligned
}

/// Ranges of a film that were shown, without those shown again.
fn ranges(shown: &[Shown], film: &[u8]) -> Vec<(usize, usize)> {
    let mut parts: Vec<(usize, usize)> = Vec::new();
    for one in shown {
        let (begin, length) = (place(&one.body), one.body.len());
        assert!(film[begin..begin + length] == one.body, "{length} bytes at {begin} are not one piece of the film");
        match parts.last_mut().filter(|(_, end)| begin <= *end) {
            Some((_, end)) => *end = begin + length,
            None => parts.push((begin, begin + length)),
        }
    }
    parts
}

/// The ranges of which services see a film of this length.
fn sampled(length: usize) -> Vec<(usize, usize)> {
    let samples = (4 * MIB..length).step_by(4 * MIB).map(|at| (at, (at + SAMPLE).min(length)));
    [(0, FRONT.min(length))].into_iter().chain(samples).collect()
}

/// How the end of a film is found.
const FRAMINGS: [&str; 3] = ["chunked", "close", "length"];

/// An origin of this body as `video/mp4`.
fn cinema(framing: &'static str, fields: &'static str, body: Vec<u8>) -> Scripted {
    Scripted::start(move |visit| {
        if visit.head().is_none() {
            return;
        }
        let framed = match framing {
            "chunked" => "Transfer-Encoding: chunked\r\n".to_owned(),
            "close" => String::new(),
            _ => format!("Content-Length: {}\r\n", body.len()),
        };
        visit.send(format!("HTTP/1.1 200 OK\r\nContent-Type: video/mp4\r\n{fields}{framed}\r\n"));
        let pieces: Vec<Vec<u8>> = match framing {
            "chunked" => body.chunks(77_777).map(chunk).chain(["0\r\n\r\n".into()]).collect(),
            _ => vec![body.clone()],
        };
        visit.send(pieces.concat());
        visit.finish();
    })
}

fn chunk(bytes: &[u8]) -> Vec<u8> {
    [format!("{:x}\r\n", bytes.len()).as_bytes(), bytes, b"\r\n"].concat()
}

/// A cap that every film here passes, and services that see streams in this way.
fn capped(streams: StreamScan) -> impl FnOnce(&mut Settings) {
    move |settings| {
        let rule = InspectRule::new("films");
        settings.inspect_rules = vec![InspectRule { max_body: Some(100 * 1024), streams: Some(streams), ..rule }];
    }
}

/// Bytes that were not scanned, for whatever reason.
fn all_unscanned(scene: &Scene) -> u64 {
    Unscanned::ALL.into_iter().map(|why| scene.unscanned(why)).sum()
}

#[test]
fn the_front_of_a_film_and_samples_of_the_rest_are_shown() {
    let film = film(8 * MIB + 100_000);
    let seen: usize = sampled(film.len()).iter().map(|(begin, end)| end - begin).sum();
    for framing in FRAMINGS {
        let scanner = Scanner::clean();
        let scene = Scene::with(vec![scanner.named("av")], capped(StreamScan::Async));
        let got = scene.get(&cinema(framing, "", film.clone()), "/film");
        assert!(got.status == 200 && got.body == film, "{framing}: {:?}", got.end);
        assert_eq!(ranges(&scanner.shown(), &film), sampled(film.len()), "{framing}");
        assert!(scanner.shown().iter().all(|one| one.field("X-Scan-Window").is_some()));
        let line = scene.line(0);
        assert_eq!(told(&line), ["done", "window", "clean", "-"], "{framing}: {line}");
        assert_eq!((&line["unscanned"], &line["stream_kind"]), (&"media".into(), &"media".into()), "{line}");
        assert_eq!(scene.unscanned(Unscanned::Media), (film.len() - seen) as u64, "{framing}");
        assert_eq!(all_unscanned(&scene), scene.unscanned(Unscanned::Media), "nothing else was left out");
        scene.wait_until_empty();
    }
}

#[test]
fn everything_is_shown_where_each_byte_waits_for_its_verdict() {
    let film = film(MIB);
    for framing in FRAMINGS {
        let scanner = Scanner::clean();
        let scene = Scene::with(vec![scanner.named("av")], capped(StreamScan::Sync));
        assert!(scene.get(&cinema(framing, "", film.clone()), "/film").body == film, "{framing}");
        assert_eq!(ranges(&scanner.shown(), &film), [(0, film.len())], "{framing}");
        assert_eq!(scene.line(0)["unscanned"], Value::Null, "{framing}");
        assert_eq!(all_unscanned(&scene), 0, "{framing}");
    }
}

#[test]
fn what_the_built_in_scanner_reads_is_not_left_out() {
    let scanner = Scanner::clean();
    let both = |settings: &mut Settings| settings.inspect.default.insert(0, ScannerName::BuiltIn);
    let film = film(5 * MIB);
    let scene = Scene::with(vec![scanner.named("av")], both);
    assert!(scene.get(&cinema("chunked", "", film.clone()), "/film").body == film);
    assert_eq!(ranges(&scanner.shown(), &film), sampled(film.len()), "the service sees its samples all the same");
    let line = scene.line(0);
    assert_eq!((told(&line), &line["unscanned"]), (["done", "window", "clean", "-"], &Value::Null), "{line}");
    assert_eq!(all_unscanned(&scene), 0);
    let got = scene.get(&cinema("chunked", "", film_with_eicar(film.len(), 2 * MIB)), "/bad");
    assert!(matches!(got.end, BodyEnd::Cut(_)) && got.body.len() <= 2 * MIB, "{:?} after {}", got.end, got.body.len());
    assert_eq!(told(&scene.line(1)), ["content_cut", "window", "cut", "builtin"]);
}

#[test]
fn what_is_found_in_a_sample_cuts_the_film() {
    for framing in FRAMINGS {
        let scanner = Scanner::finding(EICAR);
        let scene = Scene::with(vec![scanner.named("av")], capped(StreamScan::Async));
        let film = film_with_eicar(9 * MIB, 4 * MIB + 1000);
        let got = scene.get(&cinema(framing, "", film.clone()), "/film");
        let cut = matches!(got.end, BodyEnd::Cut(_) | BodyEnd::Closed(How::Reset));
        assert!(cut, "{framing}: {:?} after {} bytes", got.end, got.body.len());
        let line = scene.line(0);
        assert_eq!(told(&line), ["content_cut", "window", "cut", "av"], "{framing}: {line}");
        scene.wait_until_empty();
    }
}

#[test]
fn what_lies_between_samples_passes_and_is_told() {
    let scanner = Scanner::finding(EICAR);
    let scene = Scene::of(vec![scanner.named("av")]);
    let film = film_with_eicar(2 * MIB, MIB);
    assert!(scene.get(&cinema("chunked", "", film.clone()), "/film").body == film);
    assert_eq!(scene.line(0)["unscanned"], "media");
    assert_eq!(scene.unscanned(Unscanned::Media), (film.len() - FRONT) as u64);
}

#[test]
fn a_station_that_is_left_has_told_what_nobody_saw() {
    let scanner = Scanner::clean();
    let scene = Scene::of(vec![scanner.named("av")]);
    let (origin, film) = (Origin::bind(), film(MIB));
    let mut client = scene.asks(get(origin.address(), "/radio"));
    let mut served = origin.accept();
    served.head();
    served.send("HTTP/1.1 200 OK\r\nContent-Type: audio/mpeg\r\n\r\n");
    served.send(&film);
    client.head();
    assert!(client.exactly(film.len()) == film);
    client.reset();
    served.ending();
    let line = scene.line(0);
    assert_eq!((&line["unscanned"], &line["scan"]), (&"media".into(), &"window".into()), "{line}");
    assert_eq!(scene.unscanned(Unscanned::Media), (film.len() - FRONT) as u64);
    scene.wait_until_empty();
}

/// A file that is of no use in parts, longer than what of a film is shown in full.
fn file(mark_at: usize, mark: &[u8]) -> Vec<u8> {
    let mut file = vec![b'x'; FRONT + 100_000];
    file[mark_at..mark_at + mark.len()].copy_from_slice(mark);
    file.extend_from_slice(b"virus");
    file
}

#[test]
fn a_file_that_calls_itself_film_is_held_whole() {
    let files =
        [("a program", file(0, b"MZ\x90\0")), ("an archive", file(0, b"PK\x03\x04")), ("a tar", file(257, b"ustar\0"))];
    for (what, file) in files {
        let scanner = Scanner::finding("virus");
        let scene = Scene::with(vec![scanner.named("av")], |settings| {
            let hold = &mut settings.inspect.hold;
            (hold.idle_gap, hold.first_byte_gap, hold.longest, hold.trickle_after) = (SOON, SOON, SOON, SOON);
        });
        let origin = Origin::bind();
        let mut client = scene.asks(get(origin.address(), "/film"));
        let mut served = origin.accept();
        served.head();
        served.send("HTTP/1.1 200 OK\r\nContent-Type: video/mp4\r\nTransfer-Encoding: chunked\r\n\r\n");
        // Its beginning comes in pieces, the first of which says nothing.
        let spools = scene.proxy.app().reloader().inspection().spools.clone();
        for (begin, end) in [(0, 1), (1, 100), (100, file.len() - 5)] {
            served.send(chunk(&file[begin..end]));
            scene.proxy.wait_until("held", |_| spools.bytes_in_memory() + spools.bytes_on_disk() >= end as u64);
            assert!(scanner.visits().is_empty() && !client.has_more(), "{what} of which {end} bytes came");
        }
        served.send([chunk(b"virus"), b"0\r\n\r\n".to_vec()].concat());
        let got = answer(&mut client);
        assert_eq!((got.status, got.text().as_str()), (403, PAGE), "{what}");
        let shown = scanner.shown();
        assert!(shown.len() == 1 && shown[0].body == file && shown[0].field("X-Scan-Window").is_none(), "{what}");
        assert_eq!(told(&scene.line(0))[1..3], ["whole", "blocked"], "{what}");
        assert_eq!(all_unscanned(&scene), 0, "{what}");
    }
}

#[test]
fn what_does_not_show_that_it_is_media_is_shown_in_full() {
    let script = [b"#!/bin/sh\n".to_vec(), vec![b'#'; MIB]].concat();
    for (what, fields, body) in [("a script", "", script), ("what is coded", "Content-Encoding: gzip\r\n", film(MIB))] {
        let scanner = Scanner::clean();
        let scene = Scene::of(vec![scanner.named("av")]);
        assert!(scene.get(&cinema("chunked", fields, body.clone()), "/film").body == body, "{what}");
        let shown: usize = scanner.shown().iter().map(|one| one.body.len()).sum();
        assert!(shown >= body.len(), "{what}: {shown} bytes were shown of {}", body.len());
        // It was shown, but in parts that nobody can decode.
        assert_eq!(
            scene.line(0)["unscanned"].as_str().unwrap_or_default(),
            if fields.is_empty() { "" } else { "coding" }
        );
        let opaque = if fields.is_empty() { 0 } else { scene.unscanned(Unscanned::Coding) };
        assert_eq!((all_unscanned(&scene), opaque > 0), (opaque, !fields.is_empty()), "{what}");
    }
}

#[test]
fn other_streams_are_not_sampled() {
    let scanner = Scanner::clean();
    let scene = Scene::with(vec![scanner.named("av")], seen(StreamScan::Async));
    let events = "data: tick\n\n".repeat(100_000);
    let origin = Scripted::answering([streams::EVENTS, &events].concat());
    let mut client = scene.asks(get(origin.address(), "/live"));
    client.head();
    assert!(client.exactly(events.len()) == events.as_bytes());
    client.reset();
    scene.wait_until_empty();
    assert_eq!(scene.line(0)["unscanned"], Value::Null);
    assert_eq!(all_unscanned(&scene), 0);
}
