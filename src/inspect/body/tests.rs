//! Whole bodies: what hides in a coding is found, whatever kind of file it is, and nothing is passed over in silence.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;
use proptest::prelude::*;

use super::*;
use crate::inspect::decode::coding::Coding;
use crate::inspect::magic::Class;
use crate::inspect::rules::Rules;
use crate::inspect::settings::{Literal, ScanRule, built_in, eicar};

/// "harmless, " and the test file, as Node's brotli writes them.
const BROTLI: &str = "1b4d00e065d8b6b589d6475ca37a3d5b9055643149e66c2b22f2200e87e9c1408270b8f5335c87d17cf8848b63e17e9c967138f9\
    4c60fdb05b4ab772fc259d171f3b1c800b5548";

fn gzip(text: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(text).expect("memory");
    encoder.finish().expect("memory")
}

fn zstd(text: &[u8]) -> Vec<u8> {
    zstd::encode_all(text, 1).expect("memory")
}

/// Text that never repeats, of few letters: every encoder writes it with few bits a letter, so that nothing with it
/// stands in the body as it is.
fn filler() -> Vec<u8> {
    let numbers = (0..100_000_u32).scan(1_u32, |state, _| {
        *state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        Some(*state)
    });
    numbers.map(|number| b"etaoinshrdlu cmf"[(number >> 28) as usize]).collect()
}

fn scanner() -> Scanner {
    let programs = ScanRule { classes: vec![Class::Executable], ..ScanRule::new("programs") };
    let rules = built_in().into_iter().chain([programs]).collect();
    Scanner::new(Rules::compile(rules).expect("good rules").rules)
}

/// All that is found in a body that comes in these pieces.
fn inspect<'a>(codings: &Codings, pieces: impl IntoIterator<Item = &'a [u8]>) -> Vec<Finding> {
    let mut body = BodyScan::new(&scanner(), codings, DecodeLimits::default());
    let mut out = [0; SLICE];
    let mut findings = Vec::new();
    for piece in pieces {
        let mut rest = piece;
        loop {
            let step = body.step(rest, &mut out);
            rest = &rest[step.used..];
            findings.extend(step.finding);
            if step.next == Wants::Input {
                assert!(rest.is_empty(), "left over");
                break;
            }
        }
    }
    findings.extend(body.end());
    findings.dedup();
    findings
}

fn infected(end: usize, form: Form) -> Finding {
    Finding::Content { matched: Match { rule: 0, end: end as u64 }, form }
}

fn codings(text: &str) -> Codings {
    Codings::parse([text.as_bytes()]).expect("known")
}

#[test]
fn what_hides_in_a_coding_is_found() {
    let text = [&filler()[..], &eicar(), &filler()].concat();
    let end = 100_000 + 68;
    let twice = gzip(&zstd(&text));
    let second_member = [gzip(b"harmless"), gzip(&eicar())].concat();
    for (coding, body, end) in [
        ("gzip", gzip(&text), end),
        ("zstd", zstd(&text), end),
        ("zstd, gzip", twice, end),
        ("gzip", second_member, 8 + 68),
        ("br", Literal::hex(BROTLI).expect("hex").as_bytes().to_vec(), 10 + 68),
    ] {
        for size in [1000, 17, body.len()] {
            let found = inspect(&codings(coding), body.chunks(size));
            assert_eq!(found.first(), Some(&infected(end, Form::Decoded)), "{coding} {size}");
            assert_eq!(found.len(), 1);
        }
    }
}

#[test]
fn a_coding_that_is_none_hides_nothing() {
    for coding in Coding::ALL {
        let found = inspect(&coding.into(), [eicar().as_slice()]);
        assert_eq!(found.first(), Some(&infected(68, Form::Raw)), "{coding}");
        let found = inspect(&coding.into(), b"MZ\0\0 and so on, which is no coding at all".chunks(9));
        assert!(matches!(found[0], Finding::Undecodable(Undecodable::Broken(broken)) if broken == coding), "{found:?}");
        assert!(matches!(found[1], Finding::Kind { rule: 1, .. }), "{coding} {found:?}");
    }
}

#[test]
fn what_follows_a_coding_is_scanned_as_it_came() {
    let body = [gzip(b"harmless"), eicar()].concat();
    assert_eq!(inspect(&Coding::Gzip.into(), [body.as_slice()])[0], infected(body.len(), Form::Raw));
    let found = inspect(&Coding::Gzip.into(), [&body[..40]]);
    assert_eq!(found, [Finding::Undecodable(Undecodable::Trailing(Coding::Gzip))]);
}

#[test]
fn the_kind_is_that_of_the_decoded_file() {
    let program = [&b"\x7fELF"[..], &[7; 3000]].concat();
    for (coding, body) in [("", program.clone()), ("gzip", gzip(&program))] {
        for size in [1, 3, body.len()] {
            let found = inspect(&codings(coding), body.chunks(size));
            assert!(matches!(found[..], [Finding::Kind { rule: 1, kind: FileKind { name: "elf", .. } }]), "{found:?}");
        }
    }
    assert_eq!(inspect(&codings("gzip"), [gzip(b"text").as_slice()]), []);
    let short = inspect(&codings(""), [&b"MZ"[..]]);
    assert!(matches!(short[..], [Finding::Kind { rule: 1, .. }]), "{short:?}");
}

#[test]
fn a_cut_off_body_is_told_at_its_end() {
    let body = gzip(&b"text ".repeat(100));
    let found = inspect(&codings("gzip"), [&body[..body.len() - 1]]);
    assert_eq!(found, [Finding::Undecodable(Undecodable::Truncated(Coding::Gzip))]);
    assert_eq!(inspect(&codings("gzip"), []), []);
}

proptest! {
    #[test]
    fn pieces_change_nothing(
        place in 0..5000_usize,
        sizes in prop::collection::vec(1..600_usize, 1..9),
        coding in prop::sample::select(&["", "gzip", "zstd, gzip"][..]),
    ) {
        let mut text = b"some text ".repeat(500);
        text.splice(place..place, eicar());
        let body = match coding {
            "" => text,
            "gzip" => gzip(&text),
            _ => gzip(&zstd(&text)),
        };
        let mut pieces = Vec::new();
        let mut rest = body.as_slice();
        for size in sizes.iter().cycle() {
            let (piece, behind) = rest.split_at(rest.len().min(*size));
            pieces.push(piece);
            rest = behind;
            if rest.is_empty() {
                break;
            }
        }
        let form = if coding.is_empty() { Form::Raw } else { Form::Decoded };
        prop_assert_eq!(inspect(&codings(coding), pieces), [infected(place + 68, form)]);
    }
}
