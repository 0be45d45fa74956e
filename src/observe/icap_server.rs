//! What one worker counts of our ICAP server.

use super::counters::Counter;

/// What was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Asked {
    /// OPTIONS.
    Options,
    /// REQMOD.
    Reqmod,
    /// RESPMOD.
    Respmod,
    /// Nothing that could be understood.
    Unread,
}

impl Asked {
    /// Every kind, in the order of the discriminants.
    pub const ALL: [Asked; 4] = [Asked::Options, Asked::Reqmod, Asked::Respmod, Asked::Unread];

    /// The label in metrics and logs.
    pub const fn label(self) -> &'static str {
        match self {
            Asked::Options => "OPTIONS",
            Asked::Reqmod => "REQMOD",
            Asked::Respmod => "RESPMOD",
            Asked::Unread => "unread",
        }
    }
}

/// How a transaction ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Outcome {
    /// OPTIONS were told.
    Told,
    /// 204: nothing was found.
    Unchanged,
    /// 204 to the head of a stream: it flows past us, unscanned.
    StreamPassed,
    /// 200 with the message as it came: nothing was found.
    Echoed,
    /// 200 with our page in its place.
    Blocked,
    /// Something was found when part of it had gone back already: the connection was cut.
    Cut,
    /// 4xx or 5xx.
    Refused,
    /// The peer went first.
    Aborted,
    /// The peer stopped sending or taking.
    TimedOut,
}

impl Outcome {
    /// Every outcome, in the order of the discriminants.
    pub const ALL: [Outcome; 9] = [
        Outcome::Told,
        Outcome::Unchanged,
        Outcome::StreamPassed,
        Outcome::Echoed,
        Outcome::Blocked,
        Outcome::Cut,
        Outcome::Refused,
        Outcome::Aborted,
        Outcome::TimedOut,
    ];

    /// The label in metrics.
    pub const fn label(self) -> &'static str {
        match self {
            Outcome::Told => "told",
            Outcome::Unchanged => "unchanged",
            Outcome::StreamPassed => "stream_passed",
            Outcome::Echoed => "echoed",
            Outcome::Blocked => "blocked",
            Outcome::Cut => "cut",
            Outcome::Refused => "refused",
            Outcome::Aborted => "aborted",
            Outcome::TimedOut => "timed_out",
        }
    }
}

/// The counters.
#[derive(Debug, Default)]
pub struct IcapServerCounters {
    /// Connections open now.
    pub open: Counter,
    /// Transactions that send back a stream now.
    pub streams: Counter,
    /// Bytes of bodies held now, nothing being decided about them.
    pub held: Counter,
    transactions: [[Counter; Outcome::ALL.len()]; Asked::ALL.len()],
}

impl IcapServerCounters {
    /// A transaction has ended.
    pub fn ended(&self, asked: Asked, outcome: Outcome) {
        self.transactions[asked as usize][outcome as usize].add(1);
    }

    /// How many transactions of this kind ended so.
    pub fn transactions(&self, asked: Asked, outcome: Outcome) -> u64 {
        self.transactions[asked as usize][outcome as usize].get()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_pair_has_a_counter_of_its_own() {
        let counters = IcapServerCounters::default();
        for (asked, outcome) in Asked::ALL.into_iter().flat_map(|asked| Outcome::ALL.map(|outcome| (asked, outcome))) {
            assert_eq!(counters.transactions(asked, outcome), 0, "{} {}", asked.label(), outcome.label());
            counters.ended(asked, outcome);
            assert_eq!(counters.transactions(asked, outcome), 1);
        }
    }
}
