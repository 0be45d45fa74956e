//! What a bypass leaves out.

/// One thing that can be left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Skip {
    /// Scanning, by every scanner.
    Scan,
    /// TLS interception.
    Decrypt,
    /// Limits and rates; the bound that keeps the process within its means always holds.
    Limits,
}

/// A set of things that are left out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Skips(u8);

impl Skips {
    /// Nothing is left out.
    pub const NONE: Skips = Skips(0);

    /// Everything that can be.
    pub const ALL: Skips = Skips::of(Skip::Scan).and(Skips::of(Skip::Decrypt)).and(Skips::of(Skip::Limits));

    /// The words of `skip`, and what each stands for.
    pub const WORDS: &'static [(&'static str, Skips)] = &[
        ("scan", Skips::of(Skip::Scan)),
        ("decrypt", Skips::of(Skip::Decrypt)),
        ("limits", Skips::of(Skip::Limits)),
        ("all", Skips::ALL),
    ];

    /// This one alone.
    pub const fn of(skip: Skip) -> Skips {
        Skips(1 << skip as u8)
    }

    /// Everything of both.
    pub const fn and(self, other: Skips) -> Skips {
        Skips(self.0 | other.0)
    }

    /// Whether `skip` is left out.
    pub const fn contains(self, skip: Skip) -> bool {
        self.0 & Skips::of(skip).0 != 0
    }

    /// Whether nothing is.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// What the word stands for.
    pub fn named(word: &str) -> Option<Skips> {
        Self::WORDS.iter().find(|(known, _)| *known == word).map(|(_, skips)| *skips)
    }

    /// The fewest words that say it.
    pub fn words(self) -> Vec<&'static str> {
        if self == Skips::ALL {
            return vec!["all"];
        }
        let said = |(_, one): &&(&str, Skips)| *one != Skips::ALL && self.0 & one.0 != 0;
        Self::WORDS.iter().filter(said).map(|(word, _)| *word).collect()
    }
}
