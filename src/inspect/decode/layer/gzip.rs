//! gzip: members one after the other.

use flate2::Decompress;

use super::deflate::decompress;
use super::{Fault, Step};

/// What every member begins with.
pub(super) const FIRST_BYTE: u8 = 0x1f;

/// Largest window of deflate, as a power of two.
const WINDOW_BITS: u8 = 15;

/// A gzip body.
pub(super) struct Gzip {
    member: Decompress,
    place: Place,
}

/// Which member is being read.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    First,
    Later,
}

impl Gzip {
    pub(super) fn new() -> Self {
        Self { member: Decompress::new_gzip(WINDOW_BITS), place: Place::First }
    }

    /// Another member follows.
    pub(super) fn begin_member(&mut self) {
        *self = Self { member: Decompress::new_gzip(WINDOW_BITS), place: Place::Later };
    }

    /// Decodes at most to the end of the member.
    pub(super) fn step(&mut self, input: &[u8], out: &mut [u8]) -> Result<Step, Fault> {
        let before = self.member.total_in();
        let is_first = self.place == Place::First;
        decompress(&mut self.member, input, out).map_err(|_| {
            // What fails within its first bytes is no second member, it only looked like one.
            if is_first || before > 2 || is_member(before, input) { Fault::Broken } else { Fault::Trailing }
        })
    }
}

/// Whether `input`, of which the first `skipped` bytes were seen before, goes on as the head of a member.
fn is_member(skipped: u64, input: &[u8]) -> bool {
    const HEAD: &[u8] = &[FIRST_BYTE, 0x8b, 8];
    let rest = HEAD.iter().skip(usize::try_from(skipped).unwrap_or(HEAD.len()));
    input.len() >= rest.len() && rest.zip(input).all(|(wanted, byte)| wanted == byte)
}
