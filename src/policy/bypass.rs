//! The bypass list: what passes without being scanned, decrypted or limited, for whom, until when, and how often it was.
//! Pure.

pub mod entry;
pub mod list;
pub mod moment;
mod never;
pub mod pattern;
mod prefix;
pub mod skips;
#[cfg(test)]
mod tests;

pub use never::NeverList;

use entry::BypassRule;
use pattern::Pattern;

/// What a bypass file says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BypassBook {
    /// `[[bypass]]`, one for each of its patterns, in the order of the file.
    pub entries: Vec<BypassRule>,
    /// `[[never]]`: hosts, wildcards and domains that are never bypassed, whatever else says so.
    pub never: Vec<Pattern>,
}

/// What becomes of places that several clients had live streams from. The words of `[bypass] learn`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Learn {
    /// Nothing.
    Off,
    /// They are suggested to the operator.
    #[default]
    Suggest,
    /// They are put on the list for a while.
    On,
}

/// `[bypass]` of the configuration.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BypassSettings {
    /// What becomes of places that several clients had live streams from.
    pub learn: Learn,
}

/// Text that does not say what it should.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unclear {
    /// What is wrong with it.
    pub message: String,
    /// What to write instead.
    pub help: String,
}

impl Unclear {
    fn new(message: impl Into<String>, help: impl Into<String>) -> Self {
        Self { message: message.into(), help: help.into() }
    }
}

impl std::fmt::Display for Unclear {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}; {}", self.message, self.help)
    }
}
