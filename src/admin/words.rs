//! The words that the settings of limits have in the API, and back.

use crate::limits::settings::{LimitMode, Over, RuleMode};

/// A setting with a closed set of words.
pub(super) trait Words: Copy + PartialEq + 'static {
    /// Every value with its word.
    const ALL: &'static [(Self, &'static str)];

    /// Its word.
    fn word(self) -> &'static str {
        Self::ALL.iter().find(|(value, _)| *value == self).map_or("", |(_, word)| word)
    }

    /// The value with this word.
    fn named(word: &str) -> Option<Self> {
        Self::ALL.iter().find(|(_, known)| *known == word).map(|(value, _)| *value)
    }

    /// Every word, for messages.
    fn choices() -> String {
        Self::ALL.iter().map(|(_, word)| format!("\"{word}\"")).collect::<Vec<_>>().join(", ")
    }
}

impl Words for LimitMode {
    const ALL: &'static [(Self, &'static str)] =
        &[(LimitMode::Enforce, "enforce"), (LimitMode::Simulate, "simulate"), (LimitMode::Off, "off")];
}

impl Words for RuleMode {
    const ALL: &'static [(Self, &'static str)] = &[(RuleMode::Enforce, "enforce"), (RuleMode::Simulate, "simulate")];
}

impl Words for Over {
    const ALL: &'static [(Self, &'static str)] =
        &[(Over::Reject, "reject"), (Over::Queue, "queue"), (Over::EvictOldestIdle, "evict_oldest_idle")];
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_has_its_word_and_back() {
        fn both_ways<W: Words + std::fmt::Debug>(values: &[W]) {
            for value in values {
                assert_eq!(W::named(value.word()), Some(*value));
            }
            assert_eq!(W::ALL.len(), values.len());
        }
        both_ways(&[LimitMode::Enforce, LimitMode::Simulate, LimitMode::Off]);
        both_ways(&[RuleMode::Enforce, RuleMode::Simulate]);
        both_ways(&[Over::Reject, Over::Queue, Over::EvictOldestIdle]);
        assert_eq!(Over::named("drop"), None);
        assert_eq!(RuleMode::choices(), "\"enforce\", \"simulate\"");
    }
}
