//! One entry of the bypass list: what it says, where it comes from, and how often it was used.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use ipnet::IpNet;

use super::Unclear;
use super::pattern::Pattern;
use super::skips::{Skip, Skips};

/// Longest owner, note or ticket, in bytes.
const LONGEST_TEXT: usize = 1000;

/// What an entry says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BypassRule {
    /// What it speaks of.
    pub pattern: Pattern,
    /// The clients it speaks of; `None` for all.
    pub source: Option<IpNet>,
    /// What is left out, never nothing.
    pub skips: Skips,
    /// When it ends; `None` for never.
    pub until: Option<SystemTime>,
    /// Why it is there.
    pub about: About,
}

/// Why an entry is there, in the words of whoever made it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct About {
    /// Who answers for it.
    pub owner: Option<Box<str>>,
    /// What for.
    pub note: Option<Box<str>>,
    /// Where it was asked for.
    pub ticket: Option<Box<str>>,
}

impl BypassRule {
    /// A rule that leaves out scanning for `pattern`, for all clients and for ever.
    pub fn new(pattern: Pattern) -> Self {
        Self { pattern, source: None, skips: Skips::of(Skip::Scan), until: None, about: About::default() }
    }

    /// Whether the parts of it go together.
    ///
    /// # Errors
    /// [`Unclear`], with what to write instead.
    pub fn check(&self) -> Result<(), Unclear> {
        if self.pattern == Pattern::Any && self.source.is_none() {
            let help = "say for which clients with `source`; `[inspect] default = []` and `[limits] mode = \"off\"` are for all";
            return Err(Unclear::new("`*` for every client would bypass everything", help));
        }
        if self.skips.is_empty() {
            let words: Vec<&str> = Skips::WORDS.iter().map(|(word, _)| *word).collect();
            return Err(Unclear::new("this skips nothing", format!("write some of `{}`", words.join("`, `"))));
        }
        Ok(())
    }

    /// Whether it speaks of clients at `source`, and has not ended.
    pub(super) fn is_for(&self, source: IpAddr, now: SystemTime) -> bool {
        self.is_live(now) && self.source.is_none_or(|net| net.contains(&source.to_canonical()))
    }

    /// Whether it has not ended.
    pub fn is_live(&self, now: SystemTime) -> bool {
        self.until.is_none_or(|until| now < until)
    }
}

impl About {
    /// An owner, a note or a ticket; an empty one is none.
    ///
    /// # Errors
    /// [`Unclear`] when it is too long.
    pub fn text(text: &str) -> Result<Option<Box<str>>, Unclear> {
        if text.len() > LONGEST_TEXT {
            return Err(Unclear::new(
                format!("this is longer than {LONGEST_TEXT} bytes"),
                "put the rest into the ticket",
            ));
        }
        Ok((!text.is_empty()).then(|| text.into()))
    }
}

/// Where an entry comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Origin {
    /// The bypass file.
    File,
    /// An edit of the running process.
    Edited,
    /// The detector of live streams.
    Learned,
}

impl Origin {
    /// All of them.
    pub const ALL: [Origin; 3] = [Origin::File, Origin::Edited, Origin::Learned];

    /// The word in listings and metrics.
    pub const fn label(self) -> &'static str {
        match self {
            Origin::File => "file",
            Origin::Edited => "edited",
            Origin::Learned => "learned",
        }
    }
}

/// How often something was used, and when last. Counted by every worker.
#[derive(Debug, Default)]
pub struct Uses {
    hits: AtomicU64,
    /// Milliseconds since 1970; 0 for never.
    last: AtomicU64,
}

impl Uses {
    /// One more.
    pub(super) fn add(&self, now: SystemTime) {
        let since = now.duration_since(UNIX_EPOCH).unwrap_or_default();
        self.hits.fetch_add(1, Relaxed);
        self.last.fetch_max(u64::try_from(since.as_millis()).unwrap_or(u64::MAX), Relaxed);
    }

    /// How often.
    pub fn hits(&self) -> u64 {
        self.hits.load(Relaxed)
    }

    /// When last; `None` for never.
    pub fn last(&self) -> Option<SystemTime> {
        let last = self.last.load(Relaxed);
        (last > 0).then(|| UNIX_EPOCH + Duration::from_millis(last))
    }
}

/// An entry of the list.
#[derive(Clone, Debug)]
pub struct BypassEntry {
    /// The same for the same origin, pattern and source, in every process and for ever.
    pub id: Arc<str>,
    /// What it says.
    pub rule: BypassRule,
    /// Where it comes from.
    pub origin: Origin,
    /// When it was made; `None` for entries of the file, which does not say so.
    pub created: Option<SystemTime>,
    /// How often it was used.
    pub uses: Arc<Uses>,
}

impl BypassEntry {
    /// An entry that was not used yet.
    pub fn new(rule: BypassRule, origin: Origin, created: Option<SystemTime>) -> Self {
        Self { id: id(&rule, origin), rule, origin, created, uses: Arc::default() }
    }
}

/// A letter for the origin and ten digits for what the entry speaks of (FNV-1a, which never changes).
fn id(rule: &BypassRule, origin: Origin) -> Arc<str> {
    let source = rule.source.map(|net| net.to_string()).unwrap_or_default();
    let words = format!("{}\n{source}", rule.pattern);
    let step = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    let hash = words.bytes().fold(0xcbf2_9ce4_8422_2325, step);
    format!("{}{:010x}", &origin.label()[..1], hash & 0xff_ffff_ffff).into()
}
