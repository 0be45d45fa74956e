//! How a body was inspected, and what came of it; the nouns of logs and metrics.

/// How much of a body was seen before it went on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum ScanMode {
    /// Nothing of it.
    #[default]
    None,
    /// All of it, before it went on.
    Whole,
    /// Each part, before it went on.
    Window,
}

impl ScanMode {
    /// Every mode, in the order of the discriminants.
    pub const ALL: [ScanMode; 3] = [ScanMode::None, ScanMode::Whole, ScanMode::Window];

    /// The label in logs and metrics.
    pub const fn label(self) -> &'static str {
        match self {
            ScanMode::None => "none",
            ScanMode::Whole => "whole",
            ScanMode::Window => "window",
        }
    }
}

/// What came of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Verdict {
    /// It was not scanned, or not by everybody who should have.
    #[default]
    Unscanned,
    /// Nothing was found.
    Clean,
    /// A service put something else in its place that is as good.
    Modified,
    /// It was kept from its receiver.
    Blocked,
    /// Its beginning had gone on; it was cut.
    Cut,
}

impl Verdict {
    /// Every verdict, in the order of the discriminants.
    pub const ALL: [Verdict; 5] =
        [Verdict::Unscanned, Verdict::Clean, Verdict::Modified, Verdict::Blocked, Verdict::Cut];

    /// The label in logs and metrics.
    pub const fn label(self) -> &'static str {
        match self {
            Verdict::Unscanned => "unscanned",
            Verdict::Clean => "clean",
            Verdict::Modified => "modified",
            Verdict::Blocked => "blocked",
            Verdict::Cut => "cut",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn discriminants_and_tables_agree() {
        assert!(ScanMode::ALL.iter().enumerate().all(|(number, mode)| *mode as usize == number));
        assert!(Verdict::ALL.iter().enumerate().all(|(number, verdict)| *verdict as usize == number));
    }
}
