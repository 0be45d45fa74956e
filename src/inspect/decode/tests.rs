//! Every coding, whole and in pieces, broken, cut off, followed by something, and as a bomb.

use std::io::Write;

use flate2::Compression;
use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};
use proptest::prelude::*;

use super::coding::{Coding, Codings};
use super::*;

fn gzip(text: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(text).expect("memory");
    encoder.finish().expect("memory")
}

fn zlib(text: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(text).expect("memory");
    encoder.finish().expect("memory")
}

fn raw_deflate(text: &[u8]) -> Vec<u8> {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(text).expect("memory");
    encoder.finish().expect("memory")
}

fn zstd(text: &[u8]) -> Vec<u8> {
    zstd::encode_all(text, 1).expect("memory")
}

/// br without compression: window of 64 KiB, uncompressed meta-blocks, an empty last one.
fn brotli(text: &[u8]) -> Vec<u8> {
    let mut bits = Bits::default();
    bits.put(0, 1);
    for chunk in text.chunks(1 << 16) {
        // Not the last, four nibbles of length less one, uncompressed.
        bits.put(0, 1);
        bits.put(0, 2);
        bits.put(chunk.len() - 1, 16);
        bits.put(1, 1);
        bits.align();
        bits.bytes.extend_from_slice(chunk);
    }
    bits.put(0b11, 2);
    bits.align();
    bits.bytes
}

#[derive(Default)]
struct Bits {
    bytes: Vec<u8>,
    used: usize,
}

impl Bits {
    fn put(&mut self, value: usize, count: usize) {
        for place in 0..count {
            if self.used == 0 {
                self.bytes.push(0);
            }
            *self.bytes.last_mut().expect("pushed") |= u8::from(value >> place & 1 != 0) << self.used;
            self.used = (self.used + 1) % 8;
        }
    }

    fn align(&mut self) {
        self.used = 0;
    }
}

fn encode(coding: Coding, text: &[u8]) -> Vec<u8> {
    match coding {
        Coding::Gzip => gzip(text),
        Coding::Deflate => zlib(text),
        Coding::Brotli => brotli(text),
        Coding::Zstd => zstd(text),
    }
}

/// Decodes pieces one after the other, with `room` bytes of output at a time, and says how often it stepped.
fn decode_pieces<'a>(
    codings: &Codings,
    limits: DecodeLimits,
    pieces: impl IntoIterator<Item = &'a [u8]>,
    room: usize,
) -> (Vec<u8>, Result<(), Undecodable>) {
    let mut decoder = Decoder::new(codings, limits).expect("a coding");
    let (mut text, mut out) = (Vec::new(), vec![0; room]);
    for piece in pieces {
        let mut rest = piece;
        loop {
            match decoder.step(rest, &mut out) {
                Ok(decoded) => {
                    rest = &rest[decoded.used..];
                    text.extend_from_slice(&out[..decoded.made]);
                    if decoded.next != Next::Step && rest.is_empty() {
                        break;
                    }
                }
                Err(error) => return (text, Err(error)),
            }
        }
    }
    (text, decoder.finish())
}

fn decode(codings: impl Into<Codings>, body: &[u8]) -> (Vec<u8>, Result<(), Undecodable>) {
    decode_pieces(&codings.into(), DecodeLimits::default(), [body], SLICE)
}

fn error(coding: Coding, body: &[u8]) -> Option<Undecodable> {
    let whole = decode(coding, body).1.err();
    let bytewise = decode_pieces(&coding.into(), DecodeLimits::default(), body.chunks(1), SLICE).1.err();
    assert_eq!(whole, bytewise, "{coding} {}", body.escape_ascii());
    whole
}

fn codings(text: &str) -> Codings {
    Codings::parse([text.as_bytes()]).expect("known")
}

#[test]
fn several_members_and_frames_are_one_body() {
    assert_eq!(decode(Coding::Gzip, &[gzip(b"one "), gzip(b""), gzip(b"two")].concat()), (b"one two".to_vec(), Ok(())));
    let skipped = b"\x5a\x2a\x4d\x18\x03\0\0\0abc";
    let frames = [zstd(b"one "), skipped.to_vec(), zstd(b""), zstd(b"two")].concat();
    assert_eq!(decode(Coding::Zstd, &frames), (b"one two".to_vec(), Ok(())));
}

#[test]
fn deflate_comes_with_and_without_its_frame() {
    for text in [&b""[..], b"x", b"a text that is long enough to be coded, coded, coded"] {
        for body in [zlib(text), raw_deflate(text)] {
            assert_eq!(decode(Coding::Deflate, &body), (text.to_vec(), Ok(())));
            let pieces = decode_pieces(&Coding::Deflate.into(), DecodeLimits::default(), body.chunks(1), 1);
            assert_eq!(pieces, (text.to_vec(), Ok(())));
        }
    }
}

#[test]
fn deflate_without_a_frame_may_begin_as_if_it_had_one() {
    let text = b"a text that is long enough to be coded, coded, coded".repeat(400);
    // A stored block of one byte whose first two bytes could be those of a frame; more such blocks with nothing in them.
    let stored = |count: usize| [&b"\x78\x01\0\xfe\xffX"[..], &b"\0\0\0\xff\xff".repeat(count)].concat();
    for count in [0, 1, 90] {
        let body = [stored(count), raw_deflate(&text)].concat();
        let expected = (([&b"X"[..], &text].concat()), Ok(()));
        assert!(decode(Coding::Deflate, &body) == expected, "{count}");
        for size in [1, 2, 3, 5, 100] {
            let pieces = decode_pieces(&Coding::Deflate.into(), DecodeLimits::default(), body.chunks(size), size);
            assert!(pieces == expected, "{count} in pieces of {size}");
        }
    }
    // What is neither is broken.
    assert_eq!(error(Coding::Deflate, b"\x78\x01 neither of them"), Some(Undecodable::Broken(Coding::Deflate)));
    assert_eq!(error(Coding::Deflate, b"\x78\x9c neither of them"), Some(Undecodable::Broken(Coding::Deflate)));
}

#[test]
fn what_is_missing_or_too_much_is_told() {
    let text = b"a text that is long enough to be coded";
    for coding in Coding::ALL {
        let body = encode(coding, text);
        assert_eq!(error(coding, b""), None, "no body at all");
        for end in 1..body.len() {
            assert_eq!(error(coding, &body[..end]), Some(Undecodable::Truncated(coding)), "{coding} {end}");
        }
        for behind in [&b"\0"[..], b"\0\0\0\0", b"x", b"GET / HTTP/1.1\r\n"] {
            let over = [&body, behind].concat();
            assert_eq!(error(coding, &over), Some(Undecodable::Trailing(coding)), "{coding} {behind:?}");
            assert_eq!(decode(coding, &over).0, text);
        }
        assert_eq!(error(coding, b"<!doctype html><p>plain"), Some(Undecodable::Broken(coding)));
    }
    let look_alike = [&gzip(text)[..], b"\x1fxyz"].concat();
    assert_eq!(error(Coding::Gzip, &look_alike), Some(Undecodable::Trailing(Coding::Gzip)));
}

#[test]
fn a_wrong_checksum_is_broken() {
    for coding in [Coding::Gzip, Coding::Deflate] {
        let mut body = encode(coding, b"text");
        let last = body.len() - 5 * usize::from(coding == Coding::Gzip) - usize::from(coding == Coding::Deflate);
        body[last] ^= 1;
        // Some browsers do not look at it, so what came before it counts.
        let (text, end) = decode(coding, &body);
        assert_eq!((text.as_slice(), end), (&b"text"[..], Err(Undecodable::Broken(coding))));
        for size in [1, 3] {
            let pieces = decode_pieces(&coding.into(), DecodeLimits::default(), body.chunks(size), size);
            assert_eq!(pieces, (b"text".to_vec(), Err(Undecodable::Broken(coding))), "in pieces of {size}");
        }
    }
}

#[test]
fn two_layers_are_undone_in_order() {
    let text = b"text, text, text".repeat(5000);
    for outer in Coding::ALL {
        for inner in Coding::ALL {
            let body = encode(outer, &encode(inner, &text));
            let both = codings(&format!("{inner}, {outer}"));
            for (size, room) in [(body.len(), SLICE), (7, SLICE), (1000, 11)] {
                let decoded = decode_pieces(&both, DecodeLimits::default(), body.chunks(size), room);
                assert_eq!(decoded, (text.clone(), Ok(())), "{inner}, {outer}");
            }
            let cut = decode_pieces(&both, DecodeLimits::default(), [&body[..body.len() / 2]], SLICE);
            assert_eq!(cut.1, Err(Undecodable::Truncated(outer)));
            let inner_cut = encode(outer, &encode(inner, &text)[..20]);
            assert_eq!(decode(both, &inner_cut).1, Err(Undecodable::Truncated(inner)));
        }
    }
}

#[test]
fn bombs_are_seen_early() {
    let zeros = vec![0; 8 << 20];
    let bomb = BombLimit::Ratio;
    for coding in [Coding::Gzip, Coding::Deflate, Coding::Zstd] {
        let body = encode(coding, &zeros);
        let (text, result) = decode(coding, &body);
        assert_eq!(result, Err(Undecodable::Bomb(bomb)), "{coding}");
        assert!(text.len() <= 3 << 20, "{coding}: {}", text.len());
    }
    // The same zeros as Node's brotli writes them.
    let body = b"\x9b\xff\xff\x7f\xf8\x27\x00\xe2\xb1\x40\x20\xf7\xfe\x0f";
    let (text, result) = decode(Coding::Brotli, body);
    assert_eq!(result, Err(Undecodable::Bomb(bomb)));
    assert!(text.len() <= (1 << 20) + SLICE, "{}", text.len());
    // Neither layer alone is one, and what lies between them counts.
    for (inner, outer) in [(Coding::Zstd, Coding::Zstd), (Coding::Gzip, Coding::Zstd), (Coding::Gzip, Coding::Gzip)] {
        let body = encode(outer, &encode(inner, &zeros));
        let (text, result) = decode(codings(&format!("{inner}, {outer}")), &body);
        assert_eq!(result, Err(Undecodable::Bomb(bomb)), "{inner}, {outer}");
        assert!(text.len() <= (1 << 20) + SLICE, "{inner}, {outer}: {}", text.len());
    }
}

#[test]
fn limits_hold_to_the_slice() {
    let text: Vec<u8> =
        (0..200_000_u32).flat_map(|number| (number.wrapping_mul(0x9e37_79b9) >> 7).to_le_bytes()).collect();
    let limits = DecodeLimits { output: 100_000, ..DecodeLimits::default() };
    for coding in Coding::ALL {
        let body = encode(coding, &text);
        let (made, result) = decode_pieces(&coding.into(), limits, [body.as_slice()], SLICE);
        assert_eq!(result, Err(Undecodable::Bomb(BombLimit::Output)));
        assert!((100_000 - SLICE..=100_000).contains(&made.len()), "{coding}: {}", made.len());
        let enough = DecodeLimits { output: text.len() as u64, ..limits };
        assert_eq!(decode_pieces(&coding.into(), enough, [body.as_slice()], SLICE), (text.clone(), Ok(())));
    }
}

#[test]
fn small_bodies_may_be_coded_well() {
    // A page of spaces is no bomb.
    let text = vec![b' '; 1 << 20];
    for coding in Coding::ALL {
        assert_eq!(decode(coding, &encode(coding, &text)), (text.clone(), Ok(())));
    }
}

/// The head of a zstd frame with a window of 2^log bytes and an empty last block.
fn zstd_with_window(log: u8) -> Vec<u8> {
    vec![0x28, 0xb5, 0x2f, 0xfd, 0, (log - 10) << 3, 1, 0, 0]
}

#[test]
fn large_windows_are_refused() {
    assert_eq!(error(Coding::Zstd, &zstd_with_window(23)), None);
    for log in [24, 27, 31, 41] {
        assert_eq!(error(Coding::Zstd, &zstd_with_window(log)), Some(Undecodable::Window(Coding::Zstd)), "{log}");
    }
    // A hundred letters with a window of 1 GiB, as Node's brotli writes them.
    let large = b"\x11\x5e\x8c\x01\xe0\x97\xc0\x0b\xc4\x02\x01\x1d";
    assert_eq!(error(Coding::Brotli, large), Some(Undecodable::Broken(Coding::Brotli)));
    // The largest one there is otherwise, 16 MiB, and nothing in it.
    assert_eq!(error(Coding::Brotli, &[0x3f]), None);
}

fn any_coding() -> impl Strategy<Value = Coding> {
    prop::sample::select(&Coding::ALL[..])
}

proptest! {
    #[test]
    fn pieces_and_room_change_nothing(
        coding in any_coding(),
        text in prop::collection::vec(any::<u8>(), 0..5000),
        repeat in 1..4_usize,
        size in 1..700_usize,
        room in 1..700_usize,
    ) {
        let text = text.repeat(repeat);
        let body = encode(coding, &text);
        let decoded = decode_pieces(&coding.into(), DecodeLimits::default(), body.chunks(size), room);
        prop_assert_eq!(decoded, (text, Ok(())));
    }

    #[test]
    fn damage_is_told_or_harmless(
        coding in any_coding(),
        text in prop::collection::vec(0..4_u8, 1..3000),
        at in any::<prop::sample::Index>(),
        bit in 0..8_u8,
        size in 1..99_usize,
    ) {
        let mut body = encode(coding, &text);
        let at = at.index(body.len());
        body[at] ^= 1_u8 << bit;
        let limits = DecodeLimits { output: 1 << 16, ..DecodeLimits::default() };
        let whole = decode_pieces(&coding.into(), limits, [body.as_slice()], SLICE);
        let pieces = decode_pieces(&coding.into(), limits, body.chunks(size), SLICE);
        // A damaged body is told or not alike, and gives the same bytes if it is not.
        prop_assert_eq!(whole.1.is_ok(), pieces.1.is_ok());
        if whole.1.is_ok() {
            prop_assert_eq!(whole, pieces);
        }
    }

    #[test]
    fn rubbish_never_stands_still(first in any_coding(), second in any_coding(), body in prop::collection::vec(any::<u8>(), 0..600)) {
        let both = codings(&format!("{first}, {second}"));
        let limits = DecodeLimits { output: 1 << 20, ..DecodeLimits::default() };
        for codings in [first.into(), both] {
            let (text, _) = decode_pieces(&codings, limits, body.chunks(50), SLICE);
            prop_assert!(text.len() <= 1 << 20);
        }
    }
}
