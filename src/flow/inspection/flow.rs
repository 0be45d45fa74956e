//! Why a body is not held to its end.

use crate::inspect::detector::Evidence;
use crate::inspect::plan::WindowCause;
use crate::observe::inspection_counters;

/// Why a body is not held to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flow {
    /// Its head said so.
    Said(WindowCause),
    /// It was taken for a stream.
    Stream(Evidence),
    /// There was no room to hold it.
    NoRoom,
    /// It may be scanned only as it flows, being neither a file nor fast enough to be held to its end.
    Slow,
}

impl Flow {
    /// The word in logs and metrics.
    pub const fn label(self) -> &'static str {
        match self {
            Flow::Said(cause) => cause.label(),
            Flow::Stream(evidence) => evidence.label(),
            Flow::NoRoom => "no_room",
            Flow::Slow => "slow",
        }
    }

    /// Its place in [`FLOWS`].
    pub fn index(self) -> usize {
        FLOWS.iter().position(|label| *label == self.label()).unwrap_or(FLOWS.len() - 1)
    }
}

/// The words of every [`Flow`], each once, in the order of [`Flow::index`].
pub const FLOWS: [&str; inspection_counters::FLOWS] = [
    "media_type",
    "request",
    "history",
    "idle_gap",
    "rate",
    "first_byte",
    "hold",
    "media",
    "too_large",
    "no_room",
    "slow",
];
