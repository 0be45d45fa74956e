//! The entries that one client and destination count in, looked up once and then used for every request.

use std::net::IpAddr;
use std::sync::Arc;

use super::entry::{Answer, Asker, Entry};
use super::key::Key;
use super::refusal::Refusal;
use super::subject::Subject;

/// Whom a plan was made for.
#[derive(Debug)]
pub(super) struct Identity {
    pub(super) source: IpAddr,
    listener: Box<str>,
    authority: Arc<str>,
    address: Option<IpAddr>,
}

impl Identity {
    pub(super) fn of(subject: &Subject) -> Self {
        Self {
            source: subject.source.to_canonical(),
            listener: subject.listener.into(),
            authority: subject.authority.text().clone(),
            address: subject.address,
        }
    }

    /// Whether `subject` is the same.
    pub(super) fn is(&self, subject: &Subject) -> bool {
        let authority = subject.authority.text();
        self.source == subject.source.to_canonical()
            && self.address == subject.address
            && (Arc::ptr_eq(&self.authority, authority) || self.authority == *authority)
            && *self.listener == *subject.listener
    }
}

/// The entries that one client and destination count in, in the order of the rules. They stay in the table as long as a
/// plan, a guard or a ticket refers to them.
#[derive(Debug)]
pub struct Plan {
    pub(super) generation: u64,
    pub(super) identity: Identity,
    pub(super) entries: Box<[Arc<Entry>]>,
}

/// Why a plan could not be taken as a whole.
#[derive(Debug)]
pub(super) enum Blocked {
    Refused(Refusal),
    /// The asker waits in the entry `at`, under `number`, and holds nothing.
    Waits {
        at: usize,
        number: u64,
        wait: std::time::Duration,
    },
}

impl Plan {
    /// How many rules count.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether no rule counts.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The entry of `key`, if it is one of these.
    pub(super) fn entry(&self, key: &Key) -> Option<&Arc<Entry>> {
        self.entries.iter().find(|entry| entry.key() == key)
    }

    /// Takes a slot of every entry, in their order, or none. `held` is one that the asker holds already.
    pub(super) fn take(&self, asker: Asker<'_>, held: Option<usize>) -> Result<(), Blocked> {
        for (at, entry) in self.entries.iter().enumerate().filter(|(at, _)| Some(*at) != held) {
            let blocked = match entry.take(asker) {
                Answer::Taken => continue,
                Answer::Refused(refusal) => Blocked::Refused(refusal),
                Answer::Waits(number, wait) => Blocked::Waits { at, number, wait },
            };
            let later = held.filter(|held| *held > at).map(|held| &self.entries[held]);
            self.entries[..at].iter().chain(later).for_each(|entry| entry.give_back(asker));
            return Err(blocked);
        }
        Ok(())
    }

    /// Gives a slot of every entry back.
    pub(super) fn give_back(&self, asker: Asker<'_>) {
        self.entries.iter().rev().for_each(|entry| entry.give_back(asker));
    }
}
