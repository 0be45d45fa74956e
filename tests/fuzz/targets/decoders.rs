//! Codings, a size of pieces and of room, then any bytes as a coded body: however it is cut it decodes alike, never over
//! the limits, and never stands still.

#![no_main]

use libfuzzer_sys::fuzz_target;
use tether::inspect::decode::coding::{Coding, Codings};
use tether::inspect::decode::{DecodeLimits, Decoder, Next, SLICE, Undecodable};

/// Small, so that bombs end soon. The ratio counts what a library has taken in, which depends on the pieces.
const LIMITS: DecodeLimits = DecodeLimits { output: 1 << 18, ratio: u64::MAX, ratio_from: 1 << 16 };

fuzz_target!(|input: &[u8]| {
    let Some(([first, second, size, room], body)) = input.split_first_chunk() else { return };
    let codings = codings(*first, *second);
    let (text, verdict) = decode(&codings, body, body.len().max(1), SLICE);
    let (room, size) = (usize::from(*room) + 1, usize::from(*size) + 1);
    let (pieces, other) = decode(&codings, body, size, room);
    assert_eq!(verdict.is_ok(), other.is_ok(), "{codings:?}: {verdict:?}, in pieces of {size} {other:?}");
    if verdict.is_ok() {
        assert_eq!(pieces, text, "{codings:?} in pieces of {size} with room for {room}");
    }
});

fn codings(first: u8, second: u8) -> Codings {
    let coding = |byte: u8| Coding::ALL.get(usize::from(byte % 5)).map_or("identity", |coding| coding.label());
    let field = format!("{},{}", coding(first), coding(second));
    let codings = Codings::parse([field.as_bytes()]).expect("known");
    if codings.list().is_empty() { Coding::Brotli.into() } else { codings }
}

fn decode(codings: &Codings, body: &[u8], size: usize, room: usize) -> (Vec<u8>, Result<(), Undecodable>) {
    let mut decoder = Decoder::new(codings, LIMITS).expect("a coding");
    let (mut text, mut out) = (Vec::new(), vec![0; room]);
    for piece in body.chunks(size) {
        let (mut rest, mut still) = (piece, 0);
        loop {
            let decoded = match decoder.step(rest, &mut out) {
                Ok(decoded) => decoded,
                Err(error) => return (text, Err(error)),
            };
            // Bytes may still move from one layer to the other, at least one in each step.
            still = if decoded.used + decoded.made > 0 { 0 } else { still + 1 };
            assert!(still <= SLICE, "stands still");
            rest = &rest[decoded.used..];
            text.extend_from_slice(&out[..decoded.made]);
            assert!(text.len() as u64 <= LIMITS.output, "over the limit");
            if decoded.next != Next::Step && rest.is_empty() {
                break;
            }
        }
    }
    (text, decoder.finish())
}
