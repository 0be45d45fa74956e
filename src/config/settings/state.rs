//! What a process keeps over its own end.

use std::path::PathBuf;

/// `[state]` of the configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StateSettings {
    /// The directory for what must survive a restart; `None`: nothing does, and it is told so.
    pub dir: Option<PathBuf>,
}
