//! The state directory: the edits of the bypass list, written whole or not at all, and the log of who made them.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};
use tracing::warn;

use crate::admin::bypass_record::BypassRecord;
use crate::observe::access_log::clock::Rfc3339;
use crate::policy::bypass::entry::{BypassEntry, Origin};
use crate::policy::bypass::moment;

/// The edits.
const FILE: &str = "bypass.json";

/// What becomes [`FILE`] once it is whole.
const DRAFT: &str = "bypass.json.new";

/// Whoever holds it owns the directory.
const LOCK: &str = "lock";

const AUDIT: &str = "audit.log";

/// Larger than any list we write.
const LARGEST: u64 = 256 << 20;

/// The format of the file; a newer one is not ours to read.
const VERSION: u32 = 1;

/// A state directory that is ours. Dropping it lets another process have it.
#[derive(Debug)]
pub struct Store {
    dir: PathBuf,
    _lock: File,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct State {
    version: u32,
    entries: Vec<Kept>,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Kept {
    entry: BypassRecord,
    created: Option<String>,
}

impl Store {
    /// Makes `dir` if it is not there, and takes it.
    ///
    /// # Errors
    /// When it cannot be made, or another process has it.
    pub fn open(dir: &Path) -> Result<Store> {
        let shown = dir.display();
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o750)
            .create(dir)
            .with_context(|| format!("cannot make {shown}"))?;
        let lock = OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(dir.join(LOCK));
        let lock = lock.with_context(|| format!("cannot write in {shown}"))?;
        match lock.try_lock() {
            Ok(()) => Ok(Store { dir: dir.to_owned(), _lock: lock }),
            Err(TryLockError::WouldBlock) => bail!("another process uses {shown}; each needs a directory of its own"),
            Err(TryLockError::Error(error)) => Err(error).with_context(|| format!("cannot lock {shown}")),
        }
    }

    /// Where it is.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The edits that were kept. A file that is not understood is set aside under another name, and said to be.
    ///
    /// # Errors
    /// When the file is there and cannot be read, or cannot be set aside.
    pub fn load(&self, now: SystemTime) -> Result<Vec<Arc<BypassEntry>>> {
        let path = self.dir.join(FILE);
        let mut bytes = Vec::new();
        let read = File::open(&path).and_then(|file| file.take(LARGEST + 1).read_to_end(&mut bytes));
        match read {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            read => read.with_context(|| format!("cannot read {}", path.display()))?,
        };
        match entries(&bytes, now) {
            Ok(entries) => Ok(entries),
            Err(why) => {
                let aside = self
                    .set_aside(&path, now)
                    .with_context(|| format!("{} is not understood ({why}) and cannot be renamed", path.display()))?;
                warn!(
                    file = %path.display(), %why, kept_as = %aside.display(),
                    "the edits of the bypass list are not understood; there are none now, and the file was renamed"
                );
                Ok(Vec::new())
            }
        }
    }

    /// Renames the file at `path` to a name that nothing has.
    fn set_aside(&self, path: &Path, now: SystemTime) -> io::Result<PathBuf> {
        let seconds = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let names = (0..1000).map(|number| self.dir.join(format!("{FILE}.broken-{seconds}-{number}")));
        let free = names.into_iter().find(|name| !name.exists()).ok_or(ErrorKind::AlreadyExists)?;
        fs::rename(path, &free)?;
        self.sync()?;
        Ok(free)
    }

    /// Keeps these `entries` and no others. Once it returns they survive a power cut; until then those before do.
    ///
    /// # Errors
    /// When they could not be kept: those before still are.
    pub fn save(&self, entries: &[Arc<BypassEntry>]) -> io::Result<()> {
        let kept = |entry: &Arc<BypassEntry>| Kept {
            entry: BypassRecord::of(&entry.rule),
            created: entry.created.map(|time| Rfc3339(time).to_string()),
        };
        let state = State { version: VERSION, entries: entries.iter().map(kept).collect() };
        let mut text = serde_json::to_vec_pretty(&state)?;
        text.push(b'\n');
        let draft = self.dir.join(DRAFT);
        let mut file = OpenOptions::new().create(true).truncate(true).write(true).mode(0o600).open(&draft)?;
        file.write_all(&text)?;
        file.sync_all()?;
        fs::rename(&draft, self.dir.join(FILE))?;
        self.sync()
    }

    /// Adds `lines` to the audit log, which is opened for it anew: it may have been renamed.
    ///
    /// # Errors
    /// When they could not be written.
    pub fn audit(&self, lines: &[u8]) -> io::Result<()> {
        let mut file = OpenOptions::new().create(true).append(true).mode(0o600).open(self.dir.join(AUDIT))?;
        file.write_all(lines)?;
        file.sync_data()
    }

    /// Makes renames in the directory last.
    fn sync(&self) -> io::Result<()> {
        File::open(&self.dir)?.sync_all()
    }
}

fn entries(bytes: &[u8], now: SystemTime) -> Result<Vec<Arc<BypassEntry>>, String> {
    if bytes.len() as u64 > LARGEST {
        return Err("it is too large".to_owned());
    }
    let state: State = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
    if state.version != VERSION {
        return Err(format!("it has version {}, not {VERSION}", state.version));
    }
    let entry = |kept: &Kept| {
        let created = kept.created.as_deref().map(moment::time).transpose().map_err(|unclear| unclear.to_string())?;
        Ok(Arc::new(BypassEntry::new(kept.entry.rule(now)?, Origin::Edited, created)))
    };
    state.entries.iter().map(entry).collect()
}
