//! The bypass list of a running proxy: what the file says, the edits made since, and what was learned.

use std::path::Path;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result};
use arc_swap::ArcSwap;
use tracing::{error, warn};

use crate::admin::operations::{BypassRefused, Who};
use crate::config::settings::Settings;
use crate::policy::bypass::entry::{BypassEntry, BypassRule, Origin};
use crate::policy::bypass::list::BypassList;
use crate::policy::bypass::{BypassBook, Learn, NeverList};

mod audit;
mod store;

use audit::{By, Change, lines};
use store::Store;

/// Most edits that are held.
const MOST_EDITED: usize = 10_000;

/// Most learned entries that are held.
const MOST_LEARNED: usize = 1024;

/// How long a learned entry holds.
const LEARNED_FOR: Duration = Duration::from_secs(12 * 3600);

/// How long an edit that has ended is still shown.
const SHOWN_AFTER: Duration = Duration::from_secs(7 * 86_400);

/// The list, and every way to change it. Edits hold as soon as they are answered: the next request sees them.
#[derive(Debug)]
pub struct LiveBypass {
    list: Arc<ArcSwap<BypassList>>,
    ledger: Mutex<Ledger>,
    learn: ArcSwap<Learn>,
    store: Option<Store>,
}

/// What the list is made of.
#[derive(Debug, Default)]
struct Ledger {
    file: Vec<Arc<BypassEntry>>,
    edited: Vec<Arc<BypassEntry>>,
    learned: Vec<Arc<BypassEntry>>,
    never: Arc<NeverList>,
    hits: Arc<AtomicU64>,
}

/// What became of a place that could be learned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Learned {
    /// It is on the list for a while.
    Added,
    /// Nothing: entries are not learned, it is on the list or never bypassed, or the list is full.
    Left,
}

impl LiveBypass {
    /// The list of `settings`, with the edits that its state directory has kept.
    ///
    /// # Errors
    /// When the state directory cannot be used.
    pub fn open(settings: &Settings) -> Result<LiveBypass> {
        let store = settings.state.dir.as_deref().map(Store::open).transpose();
        let store = store.context("the state directory cannot be used")?;
        let edited = store.as_ref().map(|store| store.load(SystemTime::now())).transpose();
        let edited = edited.context("the bypass list cannot be read")?.unwrap_or_default();
        let live = LiveBypass {
            list: Arc::default(),
            ledger: Mutex::new(Ledger { edited, ..Ledger::default() }),
            learn: ArcSwap::default(),
            store,
        };
        live.replace(&settings.bypass_book, settings.bypass.learn);
        Ok(live)
    }

    /// The entries in force, for whoever asks for each request.
    pub fn handle(&self) -> Arc<ArcSwap<BypassList>> {
        self.list.clone()
    }

    /// Where edits are kept; `None` when they end with the process.
    pub fn kept_in(&self) -> Option<&Path> {
        self.store.as_ref().map(Store::dir)
    }

    /// What becomes of places that turn out to give live streams.
    pub fn learn_mode(&self) -> Learn {
        **self.learn.load()
    }

    /// Puts another file in force. Edits, learned entries, and the uses of entries that stay are kept.
    pub fn replace(&self, book: &BypassBook, learn: Learn) {
        let mut ledger = self.lock();
        let old = std::mem::take(&mut ledger.file);
        let entry = |rule: &BypassRule| {
            let mut entry = BypassEntry::new(rule.clone(), Origin::File, None);
            if let Some(same) = old.iter().find(|old| old.id == entry.id) {
                entry.uses = same.uses.clone();
            }
            Arc::new(entry)
        };
        ledger.file = book.entries.iter().map(entry).collect();
        ledger.never = Arc::new(NeverList::new(&book.never));
        self.learn.store(Arc::new(learn));
        self.list.store(Arc::new(ledger.list()));
    }

    /// Adds entries, all or none; one for the same pattern and source takes the place of the edit before it and goes on
    /// counting. Waits for the disk.
    ///
    /// # Errors
    /// Why nothing was added.
    pub fn add(&self, rules: Vec<BypassRule>, who: &Who) -> Result<Vec<Arc<BypassEntry>>, BypassRefused> {
        let now = SystemTime::now();
        let mut ledger = self.lock();
        if let Some(rule) = rules.iter().find(|rule| ledger.never.covers(&rule.pattern)) {
            return Err(BypassRefused::Invalid(format!(
                "{} is never bypassed: [[never]] of bypass.toml",
                rule.pattern
            )));
        }
        let mut edited = ledger.shown_edits(now);
        let (mut changes, mut added) = (Vec::new(), Vec::new());
        for rule in rules {
            let mut entry = BypassEntry::new(rule, Origin::Edited, Some(now));
            let place = edited.iter().position(|old| old.id == entry.id);
            let before = place.and_then(|place| edited.get(place)).cloned();
            if let Some(before) = &before {
                entry.uses = before.uses.clone();
                edited.retain(|old| old.id != entry.id);
            }
            let entry = Arc::new(entry);
            edited.push(entry.clone());
            added.push(entry.clone());
            changes.push(Change { before, after: Some(entry) });
        }
        if edited.len() > MOST_EDITED {
            return Err(BypassRefused::Full);
        }
        self.keep(&mut ledger, edited)?;
        self.record(&changes, By::Admin(who), now);
        Ok(added)
    }

    /// Takes the entry with this id away. Waits for the disk.
    ///
    /// # Errors
    /// Why it stays.
    pub fn remove(&self, id: &str, who: &Who) -> Result<Arc<BypassEntry>, BypassRefused> {
        let now = SystemTime::now();
        let mut ledger = self.lock();
        if ledger.file.iter().any(|entry| *entry.id == *id) {
            return Err(BypassRefused::InFile);
        }
        let mut both = ledger.edited.iter().chain(&ledger.learned);
        let gone = both.find(|entry| *entry.id == *id).cloned().ok_or(BypassRefused::Unknown)?;
        match gone.origin {
            Origin::Learned => {
                ledger.learned.retain(|entry| *entry.id != *id);
                self.list.store(Arc::new(ledger.list()));
            }
            Origin::File | Origin::Edited => {
                let mut edited = ledger.shown_edits(now);
                edited.retain(|entry| *entry.id != *id);
                self.keep(&mut ledger, edited)?;
            }
        }
        self.record(&[Change { before: Some(gone.clone()), after: None }], By::Admin(who), now);
        Ok(gone)
    }

    /// Puts a place that turned out to give live streams on the list, where `[bypass] learn` lets it: for 12 hours, at most
    /// 1,024 of them, none that is never bypassed. `evidence` goes into the audit log. Not kept over a restart. May wait for the disk, so a worker leaves it to another thread.
    pub fn learn(&self, rule: BypassRule, evidence: &str) -> Learned {
        if self.learn_mode() != Learn::On {
            return Learned::Left;
        }
        let now = SystemTime::now();
        let mut ledger = self.lock();
        ledger.learned.retain(|entry| entry.rule.is_live(now));
        let entry = BypassEntry::new(BypassRule { until: Some(now + LEARNED_FOR), ..rule }, Origin::Learned, Some(now));
        let refused = ledger.never.covers(&entry.rule.pattern)
            || ledger.learned.iter().any(|old| old.id == entry.id)
            || ledger.learned.len() >= MOST_LEARNED;
        if refused {
            return Learned::Left;
        }
        let entry = Arc::new(entry);
        ledger.learned.push(entry.clone());
        self.list.store(Arc::new(ledger.list()));
        self.record(&[Change { before: None, after: Some(entry) }], By::Detector(evidence), now);
        Learned::Added
    }

    fn lock(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts these edits on disk and then in force.
    fn keep(&self, ledger: &mut Ledger, edited: Vec<Arc<BypassEntry>>) -> Result<(), BypassRefused> {
        if let Some(store) = &self.store {
            let not_kept = |error| {
                BypassRefused::NotKept(format!("the change cannot be kept in {}: {error}", store.dir().display()))
            };
            store.save(&edited).map_err(not_kept)?;
        }
        ledger.edited = edited;
        self.list.store(Arc::new(ledger.list()));
        Ok(())
    }

    /// Writes the audit log: in the state directory, or in the log of the process where there is none.
    fn record(&self, changes: &[Change], by: By<'_>, now: SystemTime) {
        let lines = lines(changes, by, now);
        let text = String::from_utf8_lossy(&lines);
        match self.store.as_ref().map(|store| store.audit(&lines)) {
            Some(Ok(())) => {}
            None => text.lines().for_each(|line| warn!(audit = line, "bypass list changed until the process ends")),
            Some(Err(error)) => {
                text.lines().for_each(|line| error!(audit = line, %error, "the audit log cannot be written"))
            }
        }
    }
}

impl Ledger {
    /// Everything, ready to be asked.
    fn list(&self) -> BypassList {
        let all = self.file.iter().chain(&self.edited).chain(&self.learned).cloned().collect();
        BypassList::new(all, self.never.clone(), self.hits.clone())
    }

    /// The edits without those that have ended long ago.
    fn shown_edits(&self, now: SystemTime) -> Vec<Arc<BypassEntry>> {
        let since = now.checked_sub(SHOWN_AFTER).unwrap_or(now);
        self.edited.iter().filter(|entry| entry.rule.is_live(since)).cloned().collect()
    }
}
