//! A quick look for places where a literal may begin: short pieces of text, looked up at every few bytes.
//!
//! Every literal is at least `shortest` bytes long, so of any `stride = shortest - width + 1` places in a row at which
//! pieces of `width` bytes are looked up, one lies wholly within the first bytes of a literal that begins there. The
//! table holds all such pieces, so a place at which it says no is no place inside the beginning of a literal.

/// Bytes read at a place; the wanted piece is what a mask leaves of them.
const READ: usize = size_of::<u64>();

/// Shortest literals for which looking pays.
pub const SHORTEST: usize = 4;

/// Bits of the table for each piece in it: about one place in 16 is taken for a beginning by chance.
const BITS_PER_PIECE: usize = 16;

/// Largest table, in bits: it should stay in the second-level cache.
const MOST_BITS: usize = 1 << 21;

/// Smallest table, in bits.
const FEWEST_BITS: usize = 1 << 12;

/// The pieces that may be part of a literal's beginning.
#[derive(Debug)]
pub struct Grams {
    /// One bit for each hash of a piece.
    table: Vec<u64>,
    /// Leaves the bytes of a piece, with letters in one case.
    mask: u64,
    /// Which part of a product is the hash.
    shift: u32,
    /// Places from one look to the next.
    stride: usize,
}

impl Grams {
    /// The pieces of these literals, or nothing when one of them is too short to be found this way.
    pub fn new<'a>(literals: impl Iterator<Item = &'a [u8]> + Clone) -> Option<Self> {
        let shortest = literals.clone().map(<[u8]>::len).min()?;
        if shortest < SHORTEST {
            return None;
        }
        let width = (shortest / 2 + 1).clamp(SHORTEST, READ);
        let stride = (shortest - width + 1).min(READ);
        let pieces = literals.clone().count() * stride;
        let bits = (pieces * BITS_PER_PIECE).next_power_of_two().clamp(FEWEST_BITS, MOST_BITS);
        // Bit 5 is the case of ASCII letters; dropping it everywhere makes the look-up coarser, never wrong.
        let mask = 0xdfdf_dfdf_dfdf_dfdf >> (8 * (READ - width));
        let mut grams = Self { table: vec![0; bits / 64], mask, shift: 64 - bits.trailing_zeros(), stride };
        for literal in literals {
            for place in 0..stride {
                grams.insert(&literal[place..place + width]);
            }
        }
        Some(grams)
    }

    fn insert(&mut self, piece: &[u8]) {
        let mut bytes = [0; READ];
        bytes[..piece.len()].copy_from_slice(piece);
        let hash = self.hash(bytes);
        if let Some(word) = self.table.get_mut(hash / 64) {
            *word |= 1 << (hash % 64);
        }
    }

    #[inline]
    fn hash(&self, bytes: [u8; READ]) -> usize {
        // Fibonacci hashing: the high bits of the product depend on all bits of the piece.
        let product = (u64::from_le_bytes(bytes) & self.mask).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        (product >> self.shift) as usize
    }

    #[inline]
    fn may_hold(&self, bytes: [u8; READ]) -> bool {
        let hash = self.hash(bytes);
        self.table.get(hash / 64).is_none_or(|word| word >> (hash % 64) & 1 != 0)
    }

    /// The first place at or behind `from` that a literal may begin at. None that lies wholly within `text` begins
    /// before it, and one that begins before it does not lie wholly within `text` with what may follow.
    #[inline]
    pub fn next(&self, text: &[u8], from: usize) -> usize {
        let mut at = from;
        while let Some(bytes) = text.get(at..).and_then(<[u8]>::first_chunk::<READ>) {
            if self.may_hold(*bytes) {
                break;
            }
            at += self.stride;
        }
        // The place itself was not looked up with a no, but the one before it was.
        (at + 1).saturating_sub(self.stride).max(from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn beginnings(literals: &[&[u8]], text: &[u8]) -> Vec<usize> {
        let is_beginning = |at: &usize| literals.iter().any(|literal| text[*at..].starts_with(literal));
        (0..text.len()).filter(is_beginning).collect()
    }

    #[test]
    fn no_beginning_is_skipped() {
        let filler = b"lorem ipsum dolor sit amet, consetetur sadipscing elitr, sed diam nonumy";
        for literals in [
            &[&b"abcd"[..], b"bcdefghijklm"][..],
            &[b"twelve bytes", b"and a longer one"],
            &[b"thirty-three bytes of plain text.", b"thirty-three bytes in other words"],
        ] {
            let grams = Grams::new(literals.iter().copied()).expect("long enough");
            for place in 0..filler.len() {
                let text = [&filler[..place], literals[place % 2], &filler[place..]].concat();
                let first = beginnings(literals, &text)[0];
                for from in 0..=first {
                    assert!(grams.next(&text, from) <= first, "{place} {from}");
                    assert!(grams.next(&text, from) >= from);
                }
            }
        }
    }

    #[test]
    fn a_beginning_at_the_very_end_is_left_to_the_caller() {
        let grams = Grams::new([&b"twelve bytes"[..]].into_iter()).expect("long enough");
        let text = b"nothing of the kind is in here but for twelve byte";
        for end in 0..text.len() {
            let at = grams.next(&text[..end], 0);
            assert!(at <= end.min(39), "{end}: {at}");
        }
        assert!(grams.next(&[b'x'; 1000], 0) > 980, "skips what is nothing");
    }

    #[test]
    fn short_literals_are_not_for_it() {
        assert!(Grams::new([&b"abc"[..], b"a longer one"].into_iter()).is_none());
        assert!(Grams::new([].into_iter()).is_none());
    }
}
