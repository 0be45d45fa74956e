//! What the limits are set to: `[limits]` of the configuration, and the rules of `policies/limits.toml`.

use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;

use crate::policy::pattern::DestinationMatch;

/// Whether limits are kept at all (`[limits] mode`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LimitMode {
    /// Each rule does what it says.
    #[default]
    Enforce,
    /// Every rule only counts what it would have refused.
    Simulate,
    /// Nothing is counted.
    Off,
}

/// `[limits]`.
#[derive(Clone, Debug, PartialEq)]
pub struct LimitSettings {
    /// Whether limits are kept.
    pub mode: LimitMode,
    /// An exchange that has run for this long at less than [`LimitSettings::stream_rate`] is a stream.
    pub stream_after: Duration,
    /// Bytes per second, both ways together.
    pub stream_rate: u64,
    /// Share of all slots that streams may hold, in percent.
    pub stream_lane: u8,
    /// Resident bytes from which the process is under pressure; `None` takes the limit of the control group or the
    /// memory of the machine.
    pub memory: Option<u64>,
}

impl Default for LimitSettings {
    fn default() -> Self {
        Self {
            mode: LimitMode::Enforce,
            stream_after: Duration::from_secs(10),
            stream_rate: 4096,
            stream_lane: 50,
            memory: None,
        }
    }
}

/// Whose use is added up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Per {
    /// Each client address.
    Source,
    /// Each range of client addresses, see [`PrefixLengths`].
    Prefix,
    /// Each destination, see [`CountBy`].
    Destination,
    /// Each client address and destination together.
    Pair,
    /// Each listener.
    Listener,
    /// All together.
    Global,
}

impl Per {
    /// The word in rule files, metrics and the API.
    pub const fn label(self) -> &'static str {
        match self {
            Per::Source => "source",
            Per::Prefix => "prefix",
            Per::Destination => "destination",
            Per::Pair => "pair",
            Per::Listener => "listener",
            Per::Global => "global",
        }
    }
}

/// What counts as one destination.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CountBy {
    /// All that the rule's `destination` means, together.
    Rule,
    /// Each host.
    Host,
    /// Each host and port.
    HostPort,
    /// Each registrable domain (public suffix list); an address is its own.
    Domain,
    /// Each address that was dialled.
    Address,
}

/// How long the ranges of `per = "prefix"` are, in bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PrefixLengths {
    /// For IPv4.
    pub v4: u8,
    /// For IPv6: one subscriber has a /64, /56 or /48.
    pub v6: u8,
}

impl Default for PrefixLengths {
    fn default() -> Self {
        Self { v4: 24, v6: 64 }
    }
}

/// What happens at the limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Over {
    /// 429 or 503 at once.
    Reject,
    /// Wait for a slot, within bounds.
    Queue,
    /// The longest silent stream of the same holder makes room.
    EvictOldestIdle,
}

/// Bounds of a queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueueBounds {
    /// Waiters of one holder.
    pub max: u32,
    /// How long each waits at most.
    pub wait: Duration,
}

impl Default for QueueBounds {
    fn default() -> Self {
        Self { max: 64, wait: Duration::from_secs(1) }
    }
}

/// Whether one rule is kept or only watched.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RuleMode {
    /// It does what it says.
    #[default]
    Enforce,
    /// It counts what it would have refused.
    Simulate,
}

/// Whom a rule speaks of, and what it adds up: the part that limits and rates share.
#[derive(Clone, Debug, PartialEq)]
pub struct RuleScope {
    /// Its name, unique in the file.
    pub name: Arc<str>,
    /// Client addresses; `None` means all.
    pub source: Option<IpNet>,
    /// Listener by name; `None` means all.
    pub listener: Option<Arc<str>>,
    /// Destinations.
    pub destination: DestinationMatch,
    /// Whose use is added up.
    pub per: Per,
    /// What counts as one destination, for `per` destination and pair.
    pub count_by: CountBy,
    /// The ranges of `per = "prefix"`.
    pub prefix: PrefixLengths,
    /// A rule that this one takes the place of, for all that this one speaks of.
    pub instead_of: Option<Arc<str>>,
    /// Kept or watched.
    pub mode: RuleMode,
}

impl RuleScope {
    /// A rule that speaks of everything and counts each domain as one destination.
    pub fn of_all(name: &str, per: Per) -> Self {
        Self {
            name: name.into(),
            source: None,
            listener: None,
            destination: DestinationMatch::Any,
            per,
            count_by: CountBy::Domain,
            prefix: PrefixLengths::default(),
            instead_of: None,
            mode: RuleMode::Enforce,
        }
    }
}

/// A `[[limit]]`.
#[derive(Clone, Debug, PartialEq)]
pub struct LimitRule {
    /// Whom it speaks of.
    pub scope: RuleScope,
    /// Exchanges at once, streams included; `None` for no limit.
    pub exchanges: Option<u32>,
    /// Streams at once; `None` for no limit.
    pub streams: Option<u32>,
    /// What happens at the limit.
    pub over: Over,
    /// The queue, for [`Over::Queue`].
    pub queue: QueueBounds,
}

/// A token bucket: so much in each second, and so much at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// Requests or bytes per second, at least 1.
    pub per_second: u64,
    /// Requests or bytes that may come at once after a pause, at least 1.
    pub burst: u64,
}

/// A `[[rate]]`.
#[derive(Clone, Debug, PartialEq)]
pub struct RateRule {
    /// Whom it speaks of.
    pub scope: RuleScope,
    /// Requests per second: those over it are refused with 429 (503 for a destination).
    pub requests: Option<Rate>,
    /// Bytes per second, both ways together: those over it are delayed.
    pub bytes: Option<Rate>,
}

/// All rules, in the order of the file. It is also the order in which slots are taken.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RuleSet {
    /// Limits of how much at once.
    pub limits: Vec<Arc<LimitRule>>,
    /// Limits of how much in a second.
    pub rates: Vec<Arc<RateRule>>,
}
