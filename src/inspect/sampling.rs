//! Which bytes of a film or a station services see that are shown it as it flows: all at its front, then a sample. Pure.

use super::decode::coding::Coded;
use super::magic::{Class, Sight};

/// Bytes at the front of a body that are all shown.
const FRONT: u64 = 256 << 10;
/// Of as many bytes, counted from the beginning of the body,
const PERIOD: u64 = 4 << 20;
/// as many are shown behind the front: the first of each period.
const SAMPLE: u64 = 64 << 10;

/// What becomes of the next bytes of a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Run {
    /// So many are shown.
    Shown(usize),
    /// So many are not.
    Skipped(usize),
}

/// The sampling of one body: which bytes are shown depends on their place alone, and not on how they come.
#[derive(Clone, Debug)]
pub struct Sampling {
    /// Bytes of the body before the next one.
    at: u64,
}

impl Sampling {
    /// The sampling of a body that calls itself sound or film, and of which `at` bytes were shown already. `None` where it
    /// has to be shown in full: its first bytes have not told yet, they tell of something else, or a coding hides them.
    pub fn of(sight: Sight, coded: Coded, at: u64) -> Option<Self> {
        let agrees = match sight {
            Sight::Kind(kind) => kind.class == Class::Media,
            // Sound in plain frames has no mark that is known here.
            Sight::Unknown => true,
            Sight::NotYet => false,
        };
        (agrees && coded == Coded::No).then_some(Self { at })
    }

    /// What becomes of the front of the next `length` bytes, and how long that front is: at least a byte where there is
    /// one. The rest of them is to be asked for again.
    pub fn next(&mut self, length: usize) -> Run {
        let place = self.at % PERIOD;
        let shown = if self.at < PERIOD { FRONT } else { SAMPLE };
        let end = if place < shown { shown } else { PERIOD };
        let count = usize::try_from(end - place).map_or(length, |left| left.min(length));
        self.at += count as u64;
        if place < shown { Run::Shown(count) } else { Run::Skipped(count) }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::inspect::magic::FileKind;

    fn from(at: u64) -> Sampling {
        Sampling::of(Sight::Unknown, Coded::No, at).expect("it is sampled")
    }

    /// Ranges of the body that are shown when it comes in pieces of these lengths.
    fn shown(at: u64, pieces: impl IntoIterator<Item = usize>) -> Vec<(u64, u64)> {
        let (mut sampling, mut at) = (from(at), at);
        let mut shown: Vec<(u64, u64)> = Vec::new();
        for mut left in pieces {
            while left > 0 {
                let (count, is_shown) = match sampling.next(left) {
                    Run::Shown(count) => (count, true),
                    Run::Skipped(count) => (count, false),
                };
                assert!((1..=left).contains(&count));
                let end = at + count as u64;
                match shown.last_mut().filter(|(_, last)| *last == at) {
                    Some((_, last)) if is_shown => *last = end,
                    _ if is_shown => shown.push((at, end)),
                    _ => {}
                }
                (left, at) = (left - count, end);
            }
        }
        shown
    }

    const MIB: u64 = 1 << 20;
    const KIB: u64 = 1 << 10;

    #[test]
    fn the_front_and_the_beginning_of_every_period_are_shown() {
        let film = shown(0, [10 << 20]);
        assert_eq!(film, [(0, 256 * KIB), (4 * MIB, 4 * MIB + 64 * KIB), (8 * MIB, 8 * MIB + 64 * KIB)]);
        assert_eq!(shown(0, [256 << 10]), [(0, 256 * KIB)]);
        assert_eq!(shown(0, []), []);
    }

    #[test]
    fn what_was_shown_before_counts() {
        assert_eq!(shown(100, [1 << 20]), [(100, 256 * KIB)]);
        assert_eq!(shown(256 * KIB, [1 << 20]), []);
        assert_eq!(shown(5 * MIB, [4 << 20]), [(8 * MIB, 8 * MIB + 64 * KIB)]);
        assert_eq!(shown(4 * MIB + 1, [1 << 20]), [(4 * MIB + 1, 4 * MIB + 64 * KIB)]);
    }

    #[test]
    fn nothing_is_asked_of_no_bytes() {
        assert_eq!(from(0).next(0), Run::Shown(0));
        assert_eq!(from(MIB).next(0), Run::Skipped(0));
    }

    #[test]
    fn only_what_shows_nothing_else_is_sampled() {
        let kind = |class| Sight::Kind(FileKind { class, name: "kind" });
        for (sight, sampled) in [
            (kind(Class::Media), true),
            (Sight::Unknown, true),
            (Sight::NotYet, false),
            (kind(Class::Script), false),
            (kind(Class::Executable), false),
            (kind(Class::Archive), false),
            (kind(Class::Document), false),
        ] {
            assert_eq!(Sampling::of(sight, Coded::No, 0).is_some(), sampled, "{sight:?}");
            for coded in [Coded::Known, Coded::Unknown] {
                assert!(Sampling::of(sight, coded, 0).is_none(), "{sight:?} {coded:?}");
            }
        }
    }

    proptest! {
        #[test]
        fn it_does_not_matter_how_the_bytes_come(
            at in 0..10 * MIB,
            pieces in prop::collection::vec(prop_oneof![0usize..100, 0usize..200_000, 0usize..9_000_000], 0..12),
        ) {
            let whole = shown(at, [pieces.iter().sum()]);
            prop_assert_eq!(shown(at, pieces), whole);
        }

        #[test]
        fn a_byte_is_shown_by_its_place_alone(at in 0..20 * MIB) {
            let is_shown = matches!(from(at).next(1), Run::Shown(_));
            prop_assert_eq!(is_shown, at < FRONT || (at >= PERIOD && at % PERIOD < SAMPLE));
        }
    }
}
