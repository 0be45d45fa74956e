//! What the admin port shows of parts that others own, and the few things it may change: plain records, and the
//! closures that fetch them. Whoever builds the parts fills them in.

use std::fmt;
use std::sync::Arc;

use super::settings::AdminTokens;
use crate::icap::stats::IcapStats;
use crate::limits::settings::{LimitMode, Over, Rate, RuleMode};

mod bypass;

pub use bypass::{AddBypass, BypassAccess, BypassRefused, RemoveBypass, SuggestionView, Who};

/// One rule of the limits, and what it has done so far.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleView {
    /// Its name.
    pub name: Arc<str>,
    /// Whose use is added up: the word of `per` in rule files.
    pub scope: &'static str,
    /// Exchanges at once of one holder; `None` for no limit.
    pub exchanges: Option<u32>,
    /// Streams at once of one holder; `None` for no limit.
    pub streams: Option<u32>,
    /// What happens at the limit.
    pub over: Over,
    /// Kept or watched.
    pub mode: RuleMode,
    /// Exchanges held now, of all holders.
    pub in_use_exchanges: u64,
    /// Streams held now, of all holders.
    pub in_use_streams: u64,
    /// The most exchanges that any one holder had at once.
    pub peak_exchanges: u64,
    /// The most streams that any one holder had at once.
    pub peak_streams: u64,
    /// Waiters now, of all holders.
    pub queued: u64,
    /// What it has refused, by why; every why is there before it happens.
    pub rejections: Vec<(&'static str, u64)>,
    /// What it would have refused if it were kept.
    pub would_reject: u64,
    /// Streams it has ended to make room.
    pub evictions: u64,
    /// Where its settings come from.
    pub origin: RuleOrigin,
}

/// One rate, and what it has done so far.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RateView {
    /// Its name.
    pub name: Arc<str>,
    /// Whose use is added up: the word of `per` in rule files.
    pub scope: &'static str,
    /// Requests of one holder; `None` when they are not counted.
    pub requests: Option<Rate>,
    /// Bytes of one holder; `None` when they are not counted.
    pub bytes: Option<Rate>,
    /// Kept or watched.
    pub mode: RuleMode,
    /// Requests it has refused.
    pub refused: u64,
    /// How often it let bytes wait.
    pub delayed: u64,
    /// How often it would have done either if it were kept.
    pub simulated: u64,
}

/// Where the settings of a rule come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RuleOrigin {
    /// The rule file.
    File,
    /// An edit of the running process, which the next reload undoes.
    Edited,
}

/// What one holder has of one rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HolderView {
    /// The rule's name.
    pub rule: Arc<str>,
    /// Who: an address, a range, a destination, a pair, a listener.
    pub holder: String,
    /// Exchanges held now.
    pub exchanges: u32,
    /// Streams held now.
    pub streams: u32,
    /// Waiters now.
    pub queued: u32,
    /// The most exchanges held at once since it has an entry.
    pub peak_exchanges: u32,
    /// The most streams held at once since it has an entry.
    pub peak_streams: u32,
}

/// Which holders are wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HoldersWanted {
    /// Of this rule only.
    pub rule: Option<Arc<str>>,
    /// At most so many of each rule: those that hold most, first.
    pub top: usize,
}

/// A change of the limits of a running process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LimitEdit {
    /// Of the switch over all of them.
    Switch(LimitMode),
    /// Of one rule.
    Rule(RuleEdit),
}

/// A change of one rule; what is `None` stays.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleEdit {
    /// The rule's name.
    pub name: Arc<str>,
    /// Exchanges at once.
    pub exchanges: Option<u32>,
    /// Streams at once.
    pub streams: Option<u32>,
    /// What happens at the limit.
    pub over: Option<Over>,
    /// Kept or watched.
    pub mode: Option<RuleMode>,
}

/// Why a [`LimitEdit`] was not done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EditRefused {
    /// No rule has that name.
    UnknownRule,
    /// The rule would not be valid; the text says why.
    Invalid(String),
}

/// What a reload did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReloadDone {
    /// Number of the settings in use now, from 1.
    pub generation: u64,
    /// Changed keys that take effect only after a restart.
    pub needs_restart: Vec<String>,
}

/// The reloads so far, whoever asked for them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReloadView {
    /// Number of the settings in use, from 1.
    pub generation: u64,
    /// Reloads that were done.
    pub done: u64,
    /// Reloads that were refused.
    pub failed: u64,
    /// What came of the last.
    pub last: LastReload,
}

/// What came of the last reload.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LastReload {
    /// It was done, or there was none: the settings in use are those of the files.
    #[default]
    Done,
    /// It was refused; the settings before it are in use.
    Failed,
}

/// What has been learned of one origin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OriginView {
    /// `host:port`.
    pub authority: String,
    /// After how many milliseconds it closes idle connections; `None` while that was never seen.
    pub closes_after_ms: Option<u64>,
    /// Requests that failed on kept connections since the last that did not.
    pub stale_failures: u32,
    /// For how many milliseconds its connections will not be used again; `None` when they are.
    pub quarantined_for_ms: Option<u64>,
}

/// How far the process protects itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OverloadView {
    /// The step it has reached; 0 for none.
    pub level: u8,
    /// The step's name.
    pub name: &'static str,
    /// What each step has turned away so far; every step is there before it happens.
    pub shed: Vec<(&'static str, u64)>,
}

/// Reads something of a part; called from the admin thread for each request and scrape.
pub type Read<T> = Arc<dyn Fn() -> T + Send + Sync>;

/// The holders of the limits, looked up.
pub type Holders = Arc<dyn Fn(&HoldersWanted) -> Vec<HolderView> + Send + Sync>;

/// Edits the limits; answers with the rule as it is now, or with nothing for the switch.
pub type EditLimits = Arc<dyn Fn(&LimitEdit) -> Result<Option<RuleView>, EditRefused> + Send + Sync>;

/// Reloads the configuration and rule files; may take as long as reading them does. The error is the whole diagnostic
/// text.
pub type Reload = Arc<dyn Fn() -> Result<ReloadDone, String> + Send + Sync>;

/// The limits as the admin port sees them.
#[derive(Clone)]
pub struct LimitsAccess {
    /// The switch over all of them.
    pub mode: Read<LimitMode>,
    /// Every rule, in the order of the file.
    pub rules: Read<Vec<RuleView>>,
    /// Every rate, in the order of the file.
    pub rates: Read<Vec<RateView>>,
    /// Who holds what.
    pub holders: Holders,
    /// Changes them.
    pub edit: EditLimits,
    /// How far the process protects itself.
    pub overload: Read<OverloadView>,
}

/// Everything here, for the admin port.
#[derive(Clone)]
pub struct Operations {
    /// The limits.
    pub limits: LimitsAccess,
    /// Reloads.
    pub reload: Reload,
    /// The reloads so far.
    pub reloads: Read<ReloadView>,
    /// What has been learned of origins; in any order.
    pub origins: Read<Vec<OriginView>>,
    /// What is bypassed.
    pub bypass: BypassAccess,
    /// What could be: hosts that turned out to be live streams. Nothing where `[bypass] learn` is off.
    pub suggestions: Read<Vec<SuggestionView>>,
    /// Who may change something.
    pub tokens: Read<Arc<AdminTokens>>,
    /// The ICAP services, in the order of the settings.
    pub icap: Read<Vec<IcapStats>>,
}

impl Default for LimitsAccess {
    /// No rules.
    fn default() -> Self {
        Self {
            mode: Arc::new(|| LimitMode::Off),
            rules: Arc::new(Vec::new),
            rates: Arc::new(Vec::new),
            holders: Arc::new(|_| Vec::new()),
            edit: Arc::new(|edit| match edit {
                LimitEdit::Rule(_) => Err(EditRefused::UnknownRule),
                LimitEdit::Switch(_) => Err(EditRefused::Invalid("there are no limits to switch".into())),
            }),
            overload: Arc::new(OverloadView::default),
        }
    }
}

impl Default for Operations {
    /// A process without rules, without files to reload, that has learned nothing
    /// and scans nothing.
    fn default() -> Self {
        Self {
            limits: LimitsAccess::default(),
            reload: Arc::new(|| Err("this process was started without files".into())),
            reloads: Arc::new(ReloadView::default),
            origins: Arc::new(Vec::new),
            bypass: BypassAccess::default(),
            suggestions: Arc::new(Vec::new),
            tokens: Arc::new(Arc::default),
            icap: Arc::new(Vec::new),
        }
    }
}

impl fmt::Debug for Operations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Operations").finish_non_exhaustive()
    }
}
