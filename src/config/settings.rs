//! Everything that can be set, checked and ready to use. Each part is its module's own type.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use crate::admin::settings::AdminSettings;
use crate::flow::settings::Timeouts;
use crate::icap::server::settings::IcapServerSettings;
use crate::icap::settings::IcapService;
use crate::inspect::book::InspectRule;
use crate::inspect::course::InspectSettings;
use crate::limits::settings::LimitSettings;
use crate::listen::settings::ForwardSettings;
use crate::net::resolver::settings::ResolverSettings;
use crate::observe::access_log::LogSettings;
use crate::policy::bypass::{BypassBook, BypassSettings};
use crate::policy::destination::DestinationSettings;
use crate::upstream::settings::DestinationRule;

mod rule_book;
mod scanning;
mod state;

pub use rule_book::{LaneShare, RuleBook};
pub use scanning::ScanBook;
pub use state::StateSettings;

/// A whole configuration.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// Worker threads, at least 1.
    pub workers: usize,
    /// The admin port.
    pub admin: AdminSettings,
    /// The forward-proxy ports, at least one.
    pub forward: Vec<ForwardSettings>,
    /// Where clients may go.
    pub destinations: DestinationSettings,
    /// Whether limits are kept, and what a stream is.
    pub limits: LimitSettings,
    /// Where the rules come from.
    pub policies: PolicySettings,
    /// Every limit and rate: `[[limit]]` and `[[rate]]` of `limits.toml`.
    pub rules: RuleBook,
    /// What is set for single destinations: `[[destination]]` of `limits.toml`. The first that matches holds.
    pub destination_rules: Vec<Arc<DestinationRule>>,
    /// The ICAP services, in the order of their names: `[icap.NAME]`.
    pub icap: Vec<IcapService>,
    /// The ports on which we are an ICAP server ourselves: `[[icap_server]]`.
    pub icap_server: Vec<IcapServerSettings>,
    /// What scans bodies where no rule says otherwise, and how long and where they are held for it.
    pub inspect: InspectSettings,
    /// Who scans which traffic, and how much of it: `[[rule]]` of `inspect.toml`. The first that matches holds; there is none
    /// without the file.
    pub inspect_rules: Vec<InspectRule>,
    /// What the built-in scanner looks for: `[[rule]]` of `scan.toml`.
    pub scan_rules: ScanBook,
    /// What becomes of hosts that turn out to be live streams.
    pub bypass: BypassSettings,
    /// What is bypassed: `bypass.toml`.
    pub bypass_book: BypassBook,
    /// What a process keeps over its own end.
    pub state: StateSettings,
    /// How names are resolved.
    pub resolver: ResolverSettings,
    /// Access log.
    pub log: LogSettings,
    /// Every wait.
    pub timeouts: Timeouts,
}

/// Where the rules come from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PolicySettings {
    /// The directory of the rule files (`[policies] dir`), seen from the working directory; `None` when there is none.
    pub dir: Option<PathBuf>,
    /// Where limits, rates and destination rules were read from.
    pub limits: RuleSource,
    /// Where the rules of the built-in scanner were read from.
    pub scan: RuleSource,
    /// Where the rules of inspection were read from.
    pub inspect: RuleSource,
    /// Where the bypass list was read from.
    pub bypass: RuleSource,
}

/// Where the rules of one kind were read from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum RuleSource {
    /// There is no such file in the directory, or no directory.
    #[default]
    BuiltIn,
    /// This file.
    File(PathBuf),
}

impl fmt::Display for RuleSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RuleSource::BuiltIn => f.write_str("built-in rules"),
            RuleSource::File(path) => path.display().fmt(f),
        }
    }
}
