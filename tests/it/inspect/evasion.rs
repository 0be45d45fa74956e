//! Ways past a scanner (security.md 2.8): each is stopped, or told as not scanned.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;
use tether::base::media_range::MediaRange;
use tether::inspect::book::InspectRule;
use tether::inspect::course::OnUndecodable;
use tether::inspect::settings::eicar;

use super::eicar::{assert_blocked, assert_cut};
use super::wrapped::{Framing, brotli, chunk, gzip, zlib, zstd};
use super::{fetch, impatient, logged, logging, patient, scanning, scanning_with, serving, text};
use crate::support::answer::{Answer, BodyEnd, answer};
use crate::support::client::{asking, get};
use crate::support::origin::Origin;
use crate::support::proxy::Proxy;
use crate::support::script::Scripted;

fn coded(proxy: &Proxy, coding: &str, body: &[u8]) -> Answer {
    fetch(proxy, &serving(Framing::Length, &format!("Content-Encoding: {coding}\r\n"), body), "/x")
}

/// gzip of zeros, without holding them.
fn gzip_of_zeros(mebibytes: usize) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    let zeros = vec![0; 1 << 20];
    for _ in 0..mebibytes {
        encoder.write_all(&zeros).expect("memory");
    }
    encoder.finish().expect("memory")
}

#[test]
fn several_members_of_gzip_are_read() {
    let proxy = scanning();
    let pattern = eicar();
    let (front, back) = pattern.split_at(30);
    for members in [
        [gzip(b"clean"), gzip(&pattern), gzip(b"")].concat(),
        [gzip(front), gzip(back)].concat(),
        [gzip(b""), gzip(b""), gzip(&pattern)].concat(),
    ] {
        assert_blocked(&coded(&proxy, "gzip", &members), "members");
    }
    let clean = [gzip(&text(9000)), gzip(&text(100))].concat();
    assert!(coded(&proxy, "gzip", &clean).body == clean);
}

#[test]
fn what_is_coded_and_what_is_not_are_both_read() {
    let proxy = scanning();
    let rows = [
        ("gzip", eicar(), "said to be coded, and plain"),
        ("br", eicar(), "said to be coded, and plain"),
        ("gzip", [gzip(b"clean"), eicar()].concat(), "behind the end of the coding"),
        ("zstd", [zstd(b"clean"), eicar()].concat(), "behind the end of the coding"),
        ("unheard-of", eicar(), "an unknown coding"),
        ("gzip, identity", gzip(&eicar()), "identity last"),
        ("identity, gzip", gzip(&eicar()), "identity first"),
        ("gzip, gzip", gzip(&gzip(&eicar())), "two layers"),
        ("deflate", zlib(&eicar()), "deflate in its frame"),
    ];
    for (coding, body, what) in rows {
        assert_blocked(&coded(&proxy, coding, &body), what);
    }
}

/// Not everybody looks at the checksum.
#[test]
fn a_wrong_checksum_does_not_hide_what_was_coded() {
    let proxy = scanning();
    for (coding, mut body, from_end) in [("gzip", gzip(&eicar()), 5), ("deflate", zlib(&eicar()), 1)] {
        let last = body.len() - from_end;
        body[last] ^= 1;
        assert_blocked(&coded(&proxy, coding, &body), coding);
    }
}

#[test]
fn too_many_layers_are_refused() {
    let proxy = scanning();
    let answer = coded(&proxy, "gzip, gzip, gzip", &gzip(&gzip(&gzip(b"clean"))));
    assert_eq!((answer.status, answer.end), (403, BodyEnd::Framed));
}

#[test]
fn codings_that_cannot_be_undone_are_told() {
    let folder = tempfile::tempdir().expect("a folder");
    let proxy = scanning_with(logging(folder.path()));
    let whole = gzip(&text(50_000));
    let rows = [
        ("unheard-of", text(100), "coding"),
        ("gzip", text(100), "coding"),
        ("br", b"\xff\xff\xff no br".to_vec(), "coding"),
        ("gzip", whole[..whole.len() / 2].to_vec(), "coding"),
        ("gzip", [&whole[..], b"behind it"].concat(), "coding"),
        ("zstd", b"\x28\xb5\x2f\xfd\xff\xff\xff\xff\xff\xff\xff\xff".to_vec(), "coding"),
    ];
    for (number, (coding, body, told)) in rows.into_iter().enumerate() {
        let answer = coded(&proxy, coding, &body);
        assert!(answer.status == 200 && answer.body == body, "{number}: {coding}");
        let line = logged(&proxy, folder.path(), number + 1);
        assert_eq!(line["unscanned"], told, "row {number}: {line}");
    }
}

#[test]
fn or_refused_where_that_is_set() {
    let proxy = scanning_with(|settings| {
        settings.inspect.undecodable = Some(OnUndecodable::Block);
        let trusted = || InspectRule { undecodable: Some(OnUndecodable::Pass), ..InspectRule::new("trusted") };
        settings.inspect_rules =
            vec![InspectRule { media_types: vec![MediaRange::parse("a/b").expect("a type")], ..trusted() }];
    });
    let whole = gzip(&text(50_000));
    for (coding, body, status) in [
        ("unheard-of", text(100), 403),
        ("gzip", text(100), 403),
        ("br", b"\xff\xff\xff no br".to_vec(), 403),
        ("gzip", whole.clone(), 200),
        // Nothing of these is seen by anybody else.
        ("gzip", whole[..whole.len() / 2].to_vec(), 200),
        ("gzip", [&whole[..], b"behind it"].concat(), 200),
    ] {
        assert_eq!(coded(&proxy, coding, &body).status, status, "{coding}, {} bytes", body.len());
        let trusted = serving(Framing::Length, &format!("Content-Type: a/b\r\nContent-Encoding: {coding}\r\n"), &body);
        assert_eq!(fetch(&proxy, &trusted, "/x").status, 200, "{coding}");
    }
    let origin = Origin::bind();
    let host = origin.address();
    let upload = "Content-Encoding: unheard-of\r\nContent-Length: 4\r\n\r\nbody";
    let mut client = asking(&proxy, format!("POST http://{host}/up HTTP/1.1\r\nHost: {host}\r\n{upload}"));
    assert_blocked(&answer(&mut client), "an upload");
    assert!(!origin.is_called(std::time::Duration::ZERO), "the origin was asked");
}

#[test]
fn bombs_are_stopped() {
    let proxy = scanning();
    let zeros = gzip_of_zeros(200);
    let rows = [
        ("gzip", zeros.clone()),
        ("gzip, gzip", gzip(&zeros)),
        ("zstd", zstd(&vec![0; 64 << 20])),
        ("deflate", zlib(&vec![0; 64 << 20])),
        ("gzip, zstd", zstd(&zeros)),
        // Zeros, as Node's brotli writes them.
        ("br", b"\x9b\xff\xff\x7f\xf8\x27\x00\xe2\xb1\x40\x20\xf7\xfe\x0f".to_vec()),
    ];
    for (coding, body) in rows {
        assert_blocked(&coded(&proxy, coding, &body), coding);
    }
    for framing in Framing::ALL {
        let origin = serving(framing, "Content-Encoding: gzip\r\n", &zeros);
        assert_blocked(&fetch(&proxy, &origin, "/x"), &format!("{framing:?}"));
    }
}

#[test]
fn a_bomb_in_an_upload_is_stopped() {
    let (proxy, origin) = (scanning(), Origin::bind());
    let (host, bomb) = (origin.address(), gzip_of_zeros(100));
    let mut client = asking(
        &proxy,
        format!(
            "POST http://{host}/up HTTP/1.1\r\nHost: {host}\r\nContent-Encoding: gzip\r\nContent-Length: {}\r\n\r\n",
            bomb.len()
        ),
    );
    client.send(&bomb);
    assert_blocked(&answer(&mut client), "a bomb");
    assert!(!origin.is_called(std::time::Duration::ZERO), "the origin was asked");
}

#[test]
fn a_bomb_in_a_stream_cuts_it() {
    let proxy = scanning_with(impatient);
    let origin = Origin::bind();
    let mut client = asking(&proxy, get(origin.address(), "/live"));
    let mut served = origin.accept();
    served.head();
    served.send(Framing::Chunked(1).head("Content-Type: text/event-stream\r\nContent-Encoding: deflate\r\n", 0));
    let answer = crate::support::answer::answer_head(&mut client).expect("the head of a stream");
    let bomb = zlib(&vec![0; 64 << 20]);
    let _ = served.try_send([chunk(&bomb), b"0\r\n\r\n".to_vec()].concat());
    assert_cut(&crate::support::answer::answer_body(&mut client, answer), &bomb, "a bomb");
}

/// A stream has no end, so its size says nothing; only how it grows does.
#[test]
fn a_long_coded_stream_is_no_bomb() {
    let proxy = scanning_with(patient);
    let origin = Origin::bind();
    let mut client = asking(&proxy, get(origin.address(), "/live"));
    let mut served = origin.accept();
    served.head();
    served.send(Framing::Close.head("Content-Type: application/x-ndjson\r\nContent-Encoding: br\r\n", 0));
    let lines = [text(65_535), b"\n".to_vec()].concat().repeat(30 << 4);
    let sent = brotli(&lines);
    let (all, mut sender) = (sent.clone(), served);
    let sending = std::thread::spawn(move || {
        let _ = sender.try_send(all);
    });
    let answer = answer(&mut client);
    sending.join().expect("sent");
    assert!(answer.status == 200 && answer.body == sent, "{:?} after {} bytes", answer.end, answer.body.len());
}

/// What a request asks for, and what the origin is asked.
fn asked(fields: &str, path: &str) -> String {
    let proxy = scanning();
    let origin = Scripted::answering("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    let host = origin.address();
    let mut client = asking(&proxy, format!("GET http://{host}{path} HTTP/1.1\r\nHost: {host}\r\n{fields}\r\n"));
    assert_eq!(answer(&mut client).status, 200);
    origin.seen()[0].text()
}

fn field(head: &str, name: &str) -> Option<String> {
    let fields = head.lines().filter_map(|line| line.split_once(": "));
    fields.filter(|(own, _)| own.eq_ignore_ascii_case(name)).map(|(_, value)| value.to_owned()).next()
}

#[test]
fn only_codings_that_can_be_undone_are_asked_for() {
    for (from, to) in [
        ("gzip, deflate, br, zstd", Some("gzip, deflate, br, zstd")),
        ("gzip, dcb, br", Some("gzip, br")),
        ("dcb, dcz", Some("identity")),
        ("gzip;q=0.5, compress;q=1.0", Some("gzip;q=0.5")),
        ("identity", Some("identity")),
    ] {
        let head = asked(&format!("Accept-Encoding: {from}\r\n"), "/x");
        assert_eq!(field(&head, "Accept-Encoding").as_deref(), to, "{from}");
    }
    assert_eq!(field(&asked("", "/x"), "Accept-Encoding"), None);
    let stream = asked("Accept: text/event-stream\r\nAccept-Encoding: gzip, br\r\n", "/x");
    assert_eq!(field(&stream, "Accept-Encoding").as_deref(), Some("identity"));
}

#[test]
fn parts_are_not_asked_for_but_of_sound_and_film() {
    let fields = "Range: bytes=5-9\r\nIf-Range: \"e\"\r\n";
    for path in ["/setup.exe", "/a.ZIP", "/b/c.pdf?x=1", "/t.tar", "/a.txt", "/", "/download?id=5", "/get?file=a.mp4"] {
        let head = asked(fields, path);
        assert!(field(&head, "Range").is_none() && field(&head, "If-Range").is_none(), "{path}: {head}");
    }
    let played = format!("{fields}Sec-Fetch-Dest: video\r\n");
    for (fields, path) in [(fields, "/film.mp4"), (fields, "/a/b.MP3?x=1"), (&played, "/watch?v=5")] {
        let head = asked(fields, path);
        assert_eq!(field(&head, "Range").as_deref(), Some("bytes=5-9"), "{path}");
    }
    let several = asked("Range: bytes=5-9,0-4\r\n", "/film.mp4");
    assert_eq!(field(&several, "Range"), None, "several parts at once");
}

#[test]
fn parts_of_files_are_refused_whatever_they_are_called() {
    let proxy = scanning();
    let part = |fields: &str, body: &[u8]| {
        let head = format!("HTTP/1.1 206 Partial Content\r\n{fields}Content-Length: {}\r\n\r\n", body.len());
        Scripted::answering([head.as_bytes(), body].concat())
    };
    let (range, half) = ("Content-Range: bytes 5-24/100000\r\n", text(20));
    let multipart =
        b"--b\r\nContent-Range: bytes 9-10/20\r\n\r\nxx\r\n--b\r\nContent-Range: bytes 0-1/20\r\n\r\nMZ\r\n--b--";
    for (fields, body, path) in [
        ("Content-Type: application/zip\r\n", &half[..], "/film.mp4"),
        ("Content-Disposition: attachment; filename=setup.exe\r\n", &half, "/film.mp4"),
        ("Content-Type: video/mp4\r\n", &half, "/setup.exe"),
        ("Content-Type: video/mp4\r\n", b"MZ\x90\0 and more of it", "/film.mp4"),
        ("Content-Type: multipart/byteranges; boundary=b\r\n", multipart, "/film.mp4"),
    ] {
        let range = if fields.contains("multipart") { "" } else { range };
        assert_blocked(&fetch(&proxy, &part(&format!("{range}{fields}"), body), path), fields);
    }
    let film = part(&format!("{range}Content-Type: video/mp4\r\n"), &half);
    assert_eq!(fetch(&proxy, &film, "/film.mp4").status, 206);
    // What covers everything is no part.
    let all = part("Content-Range: bytes 0-19/20\r\nContent-Type: application/zip\r\n", &half);
    assert_eq!(fetch(&proxy, &all, "/a.zip").status, 206);
}

#[test]
fn a_part_nobody_asked_for_is_scanned_and_told() {
    let folder = tempfile::tempdir().expect("a folder");
    let proxy = scanning_with(logging(folder.path()));
    let part = |body: &[u8]| {
        let head = format!(
            "HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 5-{}/100000\r\nContent-Length: {}\r\n\r\n",
            4 + body.len(),
            body.len()
        );
        Scripted::answering([head.as_bytes(), body].concat())
    };
    assert_blocked(&fetch(&proxy, &part(&eicar()), "/x"), "a part");
    assert_eq!(fetch(&proxy, &part(b"clean"), "/x").text(), "clean");
    assert_eq!(logged(&proxy, folder.path(), 2)["unscanned"], "partial");
}

/// More than is held whole in front of it is no way past, where the cap does not say so.
#[test]
fn padding_does_not_help() {
    let proxy = scanning_with(patient);
    let padding = text(30 << 20);
    for framing in [Framing::Length, Framing::Chunked(100_000)] {
        let body = [&padding[..], &eicar()].concat();
        let answer = fetch(&proxy, &serving(framing, "", &body), &format!("/{framing:?}"));
        match answer.status {
            403 => assert_blocked(&answer, "padded"),
            _ => assert_cut(&answer, &body, "padded"),
        }
    }
}
