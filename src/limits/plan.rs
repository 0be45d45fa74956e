//! The entries that one client and destination count in, looked up once and then used for every request.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use super::entry::{Answer, Asker, Entry};
use super::key::Key;
use super::refusal::Refusal;
use super::subject::{Bound, Subject};
use super::waiter::{Waiter, serve};

/// Whom a plan was made for.
#[derive(Debug)]
pub(super) struct Identity {
    pub(super) source: IpAddr,
    listener: Box<str>,
    authority: Arc<str>,
    address: Option<IpAddr>,
    bound: Bound,
}

impl Identity {
    pub(super) fn of(subject: &Subject) -> Self {
        Self {
            source: subject.source.to_canonical(),
            listener: subject.listener.into(),
            authority: subject.authority.text().clone(),
            address: subject.address,
            bound: subject.bound,
        }
    }

    /// Whether `subject` is the same.
    pub(super) fn is(&self, subject: &Subject) -> bool {
        let authority = subject.authority.text();
        self.source == subject.source.to_canonical()
            && (self.address, self.bound) == (subject.address, subject.bound)
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

/// Why a plan could not be taken as a whole. Nothing is held.
#[derive(Debug)]
pub(super) enum Blocked {
    Refused(Refusal),
    /// The asker waits, for at most this long, unless it has left meanwhile.
    Waits {
        waiter: Arc<Waiter>,
        wait: Duration,
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

    /// Takes a slot of every entry, in their order, or none. `held` is one that the asker holds already. Who is given
    /// what was taken in vain is added to `next`, to be served.
    pub(super) fn take(
        &self,
        asker: Asker<'_>,
        held: Option<usize>,
        next: &mut Vec<Arc<Waiter>>,
    ) -> Result<(), Blocked> {
        for (at, entry) in self.entries.iter().enumerate().filter(|(at, _)| Some(*at) != held) {
            let blocked = match entry.take(asker, at) {
                Answer::Taken => continue,
                Answer::Refused(refusal) => Blocked::Refused(refusal),
                Answer::Waits(waiter, wait) => Blocked::Waits { waiter, wait },
            };
            let later = held.filter(|held| *held > at).map(|held| &self.entries[held]);
            next.extend(self.entries[..at].iter().chain(later).filter_map(|entry| entry.give_back(asker)));
            return Err(blocked);
        }
        Ok(())
    }

    /// Gives a slot of every entry back. Each is handed on before the next is given back, so that at no time more than
    /// one lies with a waiter that does not have all it needs.
    pub(super) fn give_back(&self, asker: Asker<'_>) {
        for entry in self.entries.iter().rev() {
            if let Some(waiter) = entry.give_back(asker) {
                serve(waiter);
            }
        }
    }

    /// The same; who is given a slot is added to `next`, to be served.
    pub(super) fn give_back_to(&self, asker: Asker<'_>, next: &mut Vec<Arc<Waiter>>) {
        next.extend(self.entries.iter().rev().filter_map(|entry| entry.give_back(asker)));
    }
}
