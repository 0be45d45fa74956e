//! Whether a body that is being held is a live stream, which has no end to wait for. Pure: the clock is passed in.

use std::time::{Duration, Instant};

use crate::http::push::Push;
use crate::inspect::course::HoldSettings;
use crate::inspect::magic::FileKind;

/// When a body counts as a live stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DetectorSettings {
    /// Silence after at least one byte.
    pub idle_gap: Duration,
    /// How long the rate is watched, from the first byte, before it counts.
    pub observe: Duration,
    /// Bytes per second below which a body is a stream.
    pub rate_floor: u64,
    /// Bytes from which the rate does not count any more.
    pub rate_until: u64,
    /// Silence after the head, without any byte of the body.
    pub first_byte_gap: Duration,
    /// Longest time from the head until something has to go out.
    pub hold: Duration,
    /// Hand-overs of the same kind of address after which its first byte is enough.
    pub known_after: u32,
}

impl Default for DetectorSettings {
    fn default() -> Self {
        Self {
            idle_gap: Duration::from_secs(1),
            observe: Duration::from_secs(3),
            rate_floor: 4096,
            rate_until: 256 << 10,
            first_byte_gap: Duration::from_secs(2),
            hold: Duration::from_secs(10),
            known_after: 2,
        }
    }
}

impl From<&HoldSettings> for DetectorSettings {
    fn from(hold: &HoldSettings) -> Self {
        Self { idle_gap: hold.idle_gap, first_byte_gap: hold.first_byte_gap, hold: hold.longest, ..Self::default() }
    }
}

/// What the heads say of the length of a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Length {
    /// So many bytes.
    Known(u64),
    /// Nothing: chunked, or until the connection closes.
    Unknown,
}

/// What is known before the first byte of a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Signs {
    /// What `Content-Type` says.
    pub response: Push,
    /// What the request's `Accept` says, or [`Push::Declared`] when it had a `Last-Event-ID`.
    pub request: Push,
    /// How long it is.
    pub length: Length,
    /// Hand-overs of the same kind of address lately.
    pub hand_overs: u32,
}

/// Why a body is taken for a live stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Evidence {
    /// Its media type is that of a stream.
    MediaType,
    /// The client asked for a stream.
    Request,
    /// Such addresses gave streams lately.
    History {
        /// So many.
        hand_overs: u32,
    },
    /// Something came, and then nothing for a while.
    IdleGap {
        /// For so long.
        silent: Duration,
        /// After so many bytes.
        bytes: u64,
    },
    /// It comes slowly.
    Rate {
        /// So many bytes.
        bytes: u64,
        /// In this time.
        within: Duration,
    },
    /// There was a head and nothing after it.
    FirstByte {
        /// For so long.
        waited: Duration,
    },
    /// It has been held for as long as anything may be.
    Hold {
        /// So long.
        waited: Duration,
        /// So many bytes came.
        bytes: u64,
    },
}

impl Evidence {
    /// The label in logs and metrics.
    pub const fn label(self) -> &'static str {
        match self {
            Evidence::MediaType => "media_type",
            Evidence::Request => "request",
            Evidence::History { .. } => "history",
            Evidence::IdleGap { .. } => "idle_gap",
            Evidence::Rate { .. } => "rate",
            Evidence::FirstByte { .. } => "first_byte",
            Evidence::Hold { .. } => "hold",
        }
    }
}

/// What evidence says of the address that a stream came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weight {
    /// Nothing new: it was taken from what is known of the address.
    Nothing,
    /// The next such body need not be waited for as long. A slow download looks the same.
    Hastens,
    /// The same, and that such addresses give streams.
    Confirms,
}

impl Evidence {
    /// What it says of the address.
    pub const fn weight(self) -> Weight {
        match self {
            Evidence::History { .. } => Weight::Nothing,
            Evidence::Rate { .. } | Evidence::Hold { .. } => Weight::Hastens,
            Evidence::MediaType | Evidence::Request | Evidence::IdleGap { .. } | Evidence::FirstByte { .. } => {
                Weight::Confirms
            }
        }
    }
}

/// What to do with a body that is being held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Hold it, and ask again at this moment if nothing comes until then.
    Hold(Instant),
    /// Hold it to its end: it says how long it is.
    Bounded(u64),
    /// Hold it to its end: it is a file that is of no use in parts, whatever its head says.
    File(FileKind),
    /// Hand it over.
    Stream(Evidence),
}

/// One body being held.
#[derive(Clone, Copy, Debug)]
pub struct Detector {
    settings: DetectorSettings,
    signs: Signs,
    head: Instant,
    /// When the first and the last bytes came.
    came: Option<(Instant, Instant)>,
    bytes: u64,
    file: Option<FileKind>,
}

impl Detector {
    /// A body whose head came at `head`.
    pub fn new(settings: DetectorSettings, signs: Signs, head: Instant) -> Self {
        Self { settings, signs, head, came: None, bytes: 0, file: None }
    }

    /// So many bytes came just now.
    pub fn add(&mut self, bytes: u64, now: Instant) {
        if bytes > 0 {
            self.came = Some((self.came.map_or(now, |(first, _)| first), now));
            self.bytes = self.bytes.saturating_add(bytes);
        }
    }

    /// Its first bytes tell that it is this kind of file.
    pub fn set_kind(&mut self, kind: FileKind) {
        self.file = Some(kind);
    }

    /// What to do now.
    pub fn judge(&self, now: Instant) -> Verdict {
        if let Some(kind) = self.file.filter(|kind| kind.class.is_always_whole()) {
            return Verdict::File(kind);
        }
        match (self.signs.response, self.signs.length, self.signs.request) {
            (Push::Declared, _, _) => Verdict::Stream(Evidence::MediaType),
            (Push::Unsaid, Length::Known(bytes), _) => Verdict::Bounded(bytes),
            (Push::Unsaid, Length::Unknown, Push::Declared) => Verdict::Stream(Evidence::Request),
            (Push::Unsaid, Length::Unknown, Push::Unsaid) => self.judge_by_time(now),
        }
    }

    fn judge_by_time(&self, now: Instant) -> Verdict {
        let settings = &self.settings;
        let hold = self.head + settings.hold;
        let Some((first, last)) = self.came else {
            let until = hold.min(self.head + settings.first_byte_gap);
            let waited = now.saturating_duration_since(self.head);
            return if now < until { Verdict::Hold(until) } else { Verdict::Stream(Evidence::FirstByte { waited }) };
        };
        let bytes = self.bytes;
        if self.signs.hand_overs >= settings.known_after {
            return Verdict::Stream(Evidence::History { hand_overs: self.signs.hand_overs });
        }
        let quiet = last + settings.idle_gap;
        if now >= quiet {
            return Verdict::Stream(Evidence::IdleGap { silent: now.saturating_duration_since(last), bytes });
        }
        let slow = self.slow_from(first);
        if slow.is_some_and(|slow| now >= slow) {
            return Verdict::Stream(Evidence::Rate { bytes, within: now.saturating_duration_since(first) });
        }
        if now >= hold {
            return Verdict::Stream(Evidence::Hold { waited: now.saturating_duration_since(self.head), bytes });
        }
        Verdict::Hold(slow.map_or(hold, |slow| slow.min(hold)).min(quiet))
    }

    /// The moment from which the mean rate is below the floor, if nothing more comes.
    fn slow_from(&self, first: Instant) -> Option<Instant> {
        let settings = &self.settings;
        if self.bytes >= settings.rate_until || settings.rate_floor == 0 {
            return None;
        }
        let micros = u128::from(self.bytes) * 1_000_000 / u128::from(settings.rate_floor) + 1;
        let reached = Duration::from_micros(u64::try_from(micros).unwrap_or(u64::MAX));
        first.checked_add(reached.max(settings.observe))
    }
}

#[cfg(test)]
mod tests;
