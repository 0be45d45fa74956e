//! How much of a body may go out while it is held, so that its client does not give up. Pure.

use crate::inspect::detector::Length;

/// Bytes that may go out first.
pub const FIRST: u64 = 4096;

/// After those, one byte for so many more that came.
const FOR_ONE: u64 = 1000;

/// Bytes at the end that never go out before the whole is scanned.
pub const KEPT: u64 = 64 << 10;

/// The few bytes of one body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trickle {
    length: Length,
}

impl Trickle {
    /// A body of which the heads say this.
    pub fn new(length: Length) -> Self {
        Self { length }
    }

    /// The most bytes of its beginning that may be out when so many have come: the first 4 KiB, then one for every 1,000
    /// more; never any of the last 64 KiB, which are those of what has come where nobody knows how much it will be. It
    /// never falls when more comes.
    pub fn allowed(&self, received: u64) -> u64 {
        let end = match self.length {
            Length::Known(bytes) => bytes,
            Length::Unknown => received,
        };
        let share = FIRST + received.saturating_sub(FIRST) / FOR_ONE;
        share.min(received).min(end.saturating_sub(KEPT))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_first_ones_and_then_very_few() {
        const MIB: u64 = 1 << 20;
        for (length, received, allowed) in [
            (Length::Known(100 * MIB), 0, 0),
            (Length::Known(100 * MIB), 100, 100),
            (Length::Known(100 * MIB), 4096, 4096),
            (Length::Known(100 * MIB), 5095, 4096),
            (Length::Known(100 * MIB), 5096, 4097),
            (Length::Known(100 * MIB), 100 * MIB, 4096 + (100 * MIB - 4096) / 1000),
            (Length::Known(KEPT), KEPT, 0),
            (Length::Known(KEPT + 10), KEPT, 10),
            (Length::Known(10), 10, 0),
            (Length::Unknown, 5000, 0),
            (Length::Unknown, KEPT + 10, 10),
            (Length::Unknown, MIB, 4096 + (MIB - 4096) / 1000),
            (Length::Unknown, u64::MAX, 4096 + (u64::MAX - 4096) / 1000),
        ] {
            assert_eq!(Trickle::new(length).allowed(received), allowed, "{length:?} {received}");
        }
    }

    fn any_length() -> impl Strategy<Value = Length> {
        prop_oneof![
            Just(Length::Unknown),
            (0u64..10_000_000).prop_map(Length::Known),
            any::<u64>().prop_map(Length::Known)
        ]
    }

    proptest! {
        #[test]
        fn it_never_falls(length in any_length(), received in 0u64..20_000_000, more in 0u64..20_000_000) {
            let trickle = Trickle::new(length);
            prop_assert!(trickle.allowed(received) <= trickle.allowed(received + more));
        }

        #[test]
        fn the_end_stays(length in any_length(), received in any::<u64>()) {
            let allowed = Trickle::new(length).allowed(received);
            let end = match length { Length::Known(bytes) => bytes, Length::Unknown => received };
            prop_assert!(allowed <= received);
            prop_assert!(allowed == 0 || end - allowed >= KEPT);
            prop_assert!(allowed <= FIRST || (allowed - FIRST).saturating_mul(1000) <= received - FIRST);
        }
    }
}
