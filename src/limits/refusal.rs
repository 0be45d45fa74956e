//! What one is told who gets no slot.

use std::sync::Arc;
use std::time::Duration;

use super::settings::LimitRule;

/// Which slots are meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lane {
    /// Those of exchanges. A stream keeps the slot of the exchange it came from.
    Exchange,
    /// Those of streams, which a stream takes in addition.
    Stream,
}

impl Lane {
    /// Both.
    pub const ALL: [Lane; 2] = [Lane::Exchange, Lane::Stream];

    /// The label in metrics and logs.
    pub fn label(self) -> &'static str {
        match self {
            Lane::Exchange => "exchange",
            Lane::Stream => "stream",
        }
    }

    /// How long a slot is held, while nothing is known: exchanges are over in a moment, streams stay.
    pub(super) fn guess(self) -> Duration {
        match self {
            Lane::Exchange => Duration::from_secs(1),
            Lane::Stream => Duration::from_secs(30),
        }
    }
}

/// Why there is no slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// All are taken.
    Full,
    /// All are taken, and as many wait as may.
    QueueFull,
    /// None came free in time.
    QueueTimeout,
}

impl Why {
    /// All of them.
    pub const ALL: [Why; 3] = [Why::Full, Why::QueueFull, Why::QueueTimeout];

    /// The label in metrics and logs.
    pub fn label(self) -> &'static str {
        match self {
            Why::Full => "full",
            Why::QueueFull => "queue_full",
            Why::QueueTimeout => "queue_timeout",
        }
    }
}

/// No slot, and nothing is held.
#[derive(Clone, Debug)]
pub struct Refusal {
    /// The rule that refused.
    pub rule: Arc<LimitRule>,
    /// Why.
    pub why: Why,
    /// Which slots were asked for.
    pub lane: Lane,
    /// When it is worth to come again: whole seconds, 1 to 3,600.
    pub retry_after: Duration,
}
