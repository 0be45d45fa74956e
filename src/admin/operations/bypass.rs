//! The bypass list as the admin port shows and changes it.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::SystemTime;

use super::Read;
use crate::policy::bypass::Learn;
use crate::policy::bypass::entry::{BypassEntry, BypassRule};
use crate::policy::bypass::list::BypassList;

/// Who asks for a change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Who {
    /// From where.
    pub remote: SocketAddr,
    /// The name of the token that was shown; `None` where none was needed.
    pub token: Option<Arc<str>>,
}

/// Why an edit of the list was not done; nothing has changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BypassRefused {
    /// No entry has that id.
    Unknown,
    /// It stands in the file, which no edit changes.
    InFile,
    /// It makes no sense; the text says why.
    Invalid(String),
    /// There are too many entries.
    Full,
    /// It could not be kept; the text says why.
    NotKept(String),
}

/// Adds entries, all or none; one for the same pattern and source takes the place of the one before. Answers with the
/// entries as they are now. Waits for the disk.
pub type AddBypass = Arc<dyn Fn(Vec<BypassRule>, &Who) -> Result<Vec<Arc<BypassEntry>>, BypassRefused> + Send + Sync>;

/// Takes the entry with this id away; answers with what it was. Waits for the disk.
pub type RemoveBypass = Arc<dyn Fn(&str, &Who) -> Result<Arc<BypassEntry>, BypassRefused> + Send + Sync>;

/// The bypass list as the admin port sees it.
#[derive(Clone)]
pub struct BypassAccess {
    /// The entries in force.
    pub list: Read<Arc<BypassList>>,
    /// Where edits are kept; `None` when they end with the process.
    pub kept_in: Option<PathBuf>,
    /// What becomes of hosts that turn out to be live streams.
    pub learn: Read<Learn>,
    /// Adds entries.
    pub add: AddBypass,
    /// Takes one away.
    pub remove: RemoveBypass,
}

/// Something that could be bypassed, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SuggestionView {
    /// What an entry would speak of.
    pub pattern: String,
    /// Why it was taken for a live stream: the labels of the detector, most frequent first.
    pub evidence: Vec<&'static str>,
    /// How many clients saw it.
    pub clients: u64,
    /// How often it was seen.
    pub seen: u64,
    /// When last.
    pub last: SystemTime,
}

impl Default for BypassAccess {
    /// An empty list that cannot be changed.
    fn default() -> Self {
        Self {
            list: Arc::new(Arc::default),
            kept_in: None,
            learn: Arc::new(|| Learn::Off),
            add: Arc::new(|_, _| Err(BypassRefused::Full)),
            remove: Arc::new(|_, _| Err(BypassRefused::Unknown)),
        }
    }
}
