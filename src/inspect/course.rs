//! What is set for the inspection of one message: who scans it, how much of it, and what happens where that cannot be.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::icap::settings::IcapMethod;

/// The name of the scanner that needs no server.
pub const BUILT_IN: &str = "builtin";

/// A scanner, by its name.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ScannerName {
    /// The one inside the program, with the rules of `scan.toml`.
    BuiltIn,
    /// An ICAP service: `[icap.NAME]`.
    Icap(Arc<str>),
}

impl ScannerName {
    /// The word in configurations.
    pub fn text(&self) -> &str {
        match self {
            ScannerName::BuiltIn => BUILT_IN,
            ScannerName::Icap(name) => name,
        }
    }
}

impl fmt::Display for ScannerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}

/// Which way a message goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Direction {
    /// From the client: uploads.
    Request,
    /// To the client: downloads.
    Response,
}

impl Direction {
    /// How ICAP services are asked about such messages.
    pub const fn method(self) -> IcapMethod {
        match self {
            Direction::Request => IcapMethod::Reqmod,
            Direction::Response => IcapMethod::Respmod,
        }
    }
}

/// What becomes of a body that is larger than the cap for scanning it whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Over {
    /// It is refused: 403 or 413 before its head is out, cut after it.
    Block,
    /// It passes, told as not scanned from there on.
    PassUnscanned,
    /// It is scanned as it flows.
    Window,
}

/// What becomes of a message that would be scanned and cannot be for want of room: spool budgets used up, the disk full.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnOverload {
    /// It is refused.
    #[default]
    Block,
    /// It passes, told as not scanned.
    PassUnscanned,
    /// It is scanned as it flows.
    Window,
}

/// What becomes of a body whose coding cannot be undone: one of a name that is not known, or that is not what it is said to be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnUndecodable {
    /// It passes, scanned as it came, and told as not understood.
    #[default]
    Pass,
    /// It is refused, or cut.
    Block,
}

/// How much of a body is scanned whole, and what happens above that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cap {
    /// Most bytes that are scanned whole; counted on what really comes.
    pub max_body: u64,
    /// What becomes of larger ones; `None`: blocked where it is a file that is of no use in parts and an ICAP service would
    /// have scanned it, scanned as it flows otherwise.
    pub over: Option<Over>,
}

impl Default for Cap {
    fn default() -> Self {
        Self { max_body: 25 << 20, over: None }
    }
}

/// How ICAP services see streams, which they can only scan in pieces.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum StreamScan {
    /// A piece goes on to the client at once, and is scanned within 5 seconds while the service keeps up; what is found then
    /// cuts the stream.
    #[default]
    Async,
    /// A piece goes on to the client once it is scanned.
    Sync,
    /// They do not see them.
    Off,
}

/// What a client gets while a file is held for it, so that it does not give up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WhileHeld {
    /// A few bytes of the file.
    #[default]
    Trickle,
    /// A page that shows how far it is and then hands it out, where the client is a browser that went there and the length
    /// is known; a few bytes otherwise.
    Page,
    /// Nothing.
    Nothing,
}

/// Everything that is set for one message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Course {
    /// The rule of `inspect.toml` that says so; `None` where none matches.
    pub rule: Option<Arc<str>>,
    /// Who scans, in this order, of those who are asked about such messages; nobody where it is empty.
    pub scanners: Arc<[ScannerName]>,
    /// How much.
    pub cap: Cap,
    /// What happens for want of room.
    pub on_overload: OnOverload,
    /// How ICAP services see streams.
    pub streams: StreamScan,
    /// What its client gets meanwhile.
    pub while_held: WhileHeld,
    /// What happens where its coding cannot be undone.
    pub undecodable: OnUndecodable,
}

impl Course {
    /// These scanners, everything else as it is where nobody says otherwise.
    pub fn of(scanners: &[ScannerName]) -> Self {
        Self {
            rule: None,
            scanners: scanners.into(),
            cap: Cap::default(),
            on_overload: OnOverload::default(),
            streams: StreamScan::default(),
            while_held: WhileHeld::default(),
            undecodable: OnUndecodable::default(),
        }
    }
}

/// `[inspect]` of the configuration.
#[derive(Clone, Debug, PartialEq)]
pub struct InspectSettings {
    /// What scans where no rule says otherwise, in this order; nothing does where it is empty.
    pub default: Vec<ScannerName>,
    /// What clients get meanwhile where no rule says otherwise.
    pub while_held: WhileHeld,
    /// What becomes of what cannot be decoded where no rule says otherwise; `None`: it passes here, and is blocked by our ICAP
    /// server.
    pub undecodable: Option<OnUndecodable>,
    /// How long what is held.
    pub hold: HoldSettings,
    /// Where it is held, and how much of it.
    pub spool: SpoolSettings,
}

impl Default for InspectSettings {
    fn default() -> Self {
        Self {
            default: vec![ScannerName::BuiltIn],
            while_held: WhileHeld::default(),
            undecodable: None,
            hold: HoldSettings::default(),
            spool: SpoolSettings::default(),
        }
    }
}

/// How long a body is held to be scanned whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HoldSettings {
    /// Longest time from the head to the first byte for the client, for bodies of unknown length.
    pub longest: Duration,
    /// Silence after at least one byte that makes a body of unknown length a stream.
    pub idle_gap: Duration,
    /// Silence after the head that does.
    pub first_byte_gap: Duration,
    /// The time after which files get a few bytes of what is held, so that their clients do not give up.
    pub trickle_after: Duration,
    /// Longest time to gather a body that is scanned whole; one second more for each MiB.
    pub deadline: Duration,
}

impl Default for HoldSettings {
    fn default() -> Self {
        Self {
            longest: Duration::from_secs(10),
            idle_gap: Duration::from_secs(1),
            first_byte_gap: Duration::from_secs(2),
            trickle_after: Duration::from_secs(5),
            deadline: Duration::from_secs(30),
        }
    }
}

/// Where bodies are held.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpoolSettings {
    /// Most bytes of one body in memory; what is more goes to a file.
    pub memory: u64,
    /// Most bytes of all bodies of one client, in memory and on disk.
    pub per_client: u64,
    /// Most bytes of all bodies.
    pub total: u64,
    /// The directory of the files, which have no names there; `None`: the system's for temporary files.
    pub dir: Option<std::path::PathBuf>,
}

impl Default for SpoolSettings {
    fn default() -> Self {
        Self { memory: 256 << 10, per_client: 256 << 20, total: 2 << 30, dir: None }
    }
}
