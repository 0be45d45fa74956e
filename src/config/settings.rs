//! Everything that can be set, checked and ready to use. Each part is its module's own type.

use crate::admin::settings::AdminSettings;
use crate::flow::settings::Timeouts;
use crate::listen::settings::ForwardSettings;
use crate::net::resolver::settings::ResolverSettings;
use crate::observe::access_log::LogSettings;
use crate::policy::destination::DestinationSettings;

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
    /// How names are resolved.
    pub resolver: ResolverSettings,
    /// Access log.
    pub log: LogSettings,
    /// Every wait.
    pub timeouts: Timeouts,
}
