//! Files that begin like one and then fall silent: services see them whole, whatever they are called and however they come.

use super::*;
use crate::support::answer::{BodyEnd, answer_head};
use crate::support::origin::Origin;

/// Longer than the silence that makes a stream here.
const PAUSE: Duration = Duration::from_millis(500);

/// Takes silence for the sign of a stream sooner.
fn impatient(settings: &mut Settings) {
    let hold = &mut settings.inspect.hold;
    (hold.idle_gap, hold.first_byte_gap) = (PAUSE / 5, PAUSE / 5);
    (hold.longest, hold.deadline) = (SOON, SOON);
}

fn chunk(bytes: &[u8]) -> Vec<u8> {
    [format!("{:x}\r\n", bytes.len()).as_bytes(), bytes, b"\r\n"].concat()
}

/// A client to whom this much of a body of that type was sent, and the origin's end.
fn begun(scene: &Scene, origin: &Origin, kind: &str, first: &[u8]) -> (Wire, Wire) {
    let client = scene.asks(get(origin.address(), "/live"));
    let mut served = origin.accept();
    served.head();
    served.send(format!("HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nTransfer-Encoding: chunked\r\n\r\n"));
    served.send(chunk(first));
    (client, served)
}

/// Beginnings of files after which an origin may pause as long as it likes, and what follows them.
fn beginnings() -> [(Vec<u8>, &'static [u8]); 5] {
    let zip = [b"PK\x03\x04", &[0; 24][..]].concat();
    let mut tar = b"name".to_vec();
    tar.resize(100, 0);
    tar.extend_from_slice(b"0000644\0");
    [
        (b"PK\x03\x04".to_vec(), &[0; 40]),
        ([&zip[..26], b"\xff\xff\0\0"].concat(), &[b'n'; 40]),
        (b"%PDF".to_vec(), b"-1.7\n"),
        (b"\xd0\xcf".to_vec(), b"\x11\xe0\xa1\xb1\x1a\xe1"),
        (tar, &[b'0'; 149]),
    ]
}

#[test]
fn they_are_no_streams_for_a_pause() {
    let scanner = Scanner::finding("virus");
    for with_ours in [false, true] {
        let scene = Scene::with(vec![scanner.named("av")], |settings| {
            impatient(settings);
            if with_ours {
                settings.inspect.default.insert(0, ScannerName::BuiltIn);
            }
        });
        for kind in ["application/octet-stream", "text/event-stream", "video/mp4"] {
            for (first, next) in beginnings() {
                let is_tar = first.len() > 100;
                if is_tar && kind != "application/octet-stream" {
                    continue;
                }
                let what = format!("{kind} {}", first.escape_ascii());
                let origin = Origin::bind();
                let (mut client, mut served) = begun(&scene, &origin, kind, &first);
                assert!(!client.comes_within(PAUSE), "{what}: it was taken for a stream");
                let mark: &[u8] = if is_tar { b"ustar\x0000" } else { b"" };
                served.send(chunk(&[next, mark, b"a virus"].concat()));
                served.send("0\r\n\r\n");
                let got = answer(&mut client);
                assert_eq!((got.status, got.text().as_str(), got.end), (403, PAGE, BodyEnd::Framed), "{what}");
                let shown = scanner.shown();
                let last = shown.last().expect("it was shown");
                assert!(last.field("X-Scan-Window").is_none() && last.body.starts_with(&first), "{what}: in parts");
            }
        }
        scene.wait_until_empty();
    }
}

#[test]
fn nor_where_such_addresses_gave_streams() {
    let scanner = Scanner::finding("virus");
    let scene = Scene::with(vec![scanner.named("av")], impatient);
    let origin = Origin::bind();
    for _ in 0..2 {
        let (mut client, served) = begun(&scene, &origin, "application/octet-stream", b"tick");
        assert_eq!(answer_head(&mut client).expect("a head").status, 200);
        drop((client, served));
        scene.wait_until_empty();
    }
    let (mut client, mut served) = begun(&scene, &origin, "application/octet-stream", b"PK\x03\x04");
    assert!(!client.comes_within(PAUSE), "it was taken for a stream");
    served.send(chunk(b"a virus"));
    served.send("0\r\n\r\n");
    assert_eq!(answer(&mut client).status, 403);
}

#[test]
fn a_letter_with_which_a_file_might_begin_is_none() {
    let scanner = Scanner::clean();
    let scene = Scene::with(vec![scanner.named("av")], impatient);
    for first in ["M", "P", "PK", "L", "%", "{", "BZ"] {
        let origin = Origin::bind();
        let (mut client, mut served) = begun(&scene, &origin, "text/plain", first.as_bytes());
        assert_eq!(answer_head(&mut client).expect("a head").status, 200, "{first}");
        served.send("0\r\n\r\n");
        drop(client);
    }
    scene.wait_until_empty();
}

#[test]
fn what_only_began_like_one_goes_on_in_the_end() {
    let scanner = Scanner::clean();
    let scene = Scene::with(vec![scanner.named("av")], |settings| {
        impatient(settings);
        settings.inspect.hold.longest = PAUSE;
    });
    let origin = Origin::bind();
    let (mut client, mut served) = begun(&scene, &origin, "text/plain", b"%PDF");
    assert_eq!(answer_head(&mut client).expect("a head").status, 200);
    served.send("0\r\n\r\n");
    scene.wait_until_empty_after(client);
}

#[test]
fn those_that_are_too_slow_are_refused_where_a_service_would_lose_them_in_parts() {
    let scanner = Scanner::clean();
    let scene = Scene::with(vec![scanner.named("av")], |settings| {
        super::lazy::patient(settings);
        settings.inspect.hold.deadline = SHORT;
    });
    for first in [&b"7z\xbc\xaf\x27\x1c"[..], b"PK\x03\x04"] {
        let origin = Origin::bind();
        let (mut client, served) = begun(&scene, &origin, "text/html", first);
        assert_eq!(answer(&mut client).status, 504);
        drop((client, served));
    }
    scene.wait_until_empty();
    assert_eq!((scene.closed(Reason::SlowFile), scanner.shown().len()), (2, 0));
}
