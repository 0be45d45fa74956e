//! Which kinds of address gave live streams lately, and which of those several clients have confirmed. Pure.

mod pattern;

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use lru::LruCache;

use super::detector::{Evidence, Weight};
use crate::base::subscriber::subscriber;

/// Most kinds of address that are remembered; those not heard of for the longest time go first.
pub const MOST: usize = 50_000;

/// How long a kind of address is remembered after its last stream.
pub const REMEMBERED: Duration = Duration::from_secs(24 * 60 * 60);

/// Different clients that make a stream worth a suggestion.
pub const CLIENTS: usize = 3;

/// Longest part of a media type that counts, in bytes.
const LONGEST_TYPE: usize = 127;

/// Most suggestions.
pub const MOST_SUGGESTIONS: usize = 1_024;

/// A kind of address: where it is, its path with all that names one of many folded, and the media type of what it gives.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Kind {
    host: Box<str>,
    pattern: Box<str>,
    media_type: Box<str>,
}

impl Kind {
    /// The kind of `path` on `host`; the query does not count. `media_type` is that of the response.
    pub fn of(host: &str, path: &str, media_type: &str) -> Self {
        let media_type = &media_type[..media_type.floor_char_boundary(LONGEST_TYPE)];
        Self { host: host.into(), pattern: pattern::fold(path).into(), media_type: media_type.into() }
    }

    fn suggestion(&self, evidence: &'static str, streams: u32, last: Instant) -> Suggestion {
        let Kind { host, pattern, media_type } = self.clone();
        Suggestion { host, pattern, media_type, evidence, streams, clients: CLIENTS, last }
    }
}

/// A kind of address that gave streams to several clients.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Suggestion {
    /// Where it is.
    pub host: Box<str>,
    /// Its path, `*` for what differs.
    pub pattern: Box<str>,
    /// The media type of what it gives.
    pub media_type: Box<str>,
    /// By what the last stream was known.
    pub evidence: &'static str,
    /// Streams there were.
    pub streams: u32,
    /// Different clients that had one; counted up to [`CLIENTS`].
    pub clients: usize,
    /// When the last one was.
    pub last: Instant,
}

impl Suggestion {
    /// The URLs that it speaks of: those that begin as far as its path is the same for all.
    pub fn prefix(&self) -> String {
        let path = self.pattern.split('*').next().unwrap_or_default();
        format!("http://{}{path}", self.host)
    }

    /// Whether these are less than everything at its host.
    pub fn is_narrow(&self) -> bool {
        self.pattern.split('*').next().is_some_and(|path| path.len() > 1)
    }
}

/// The history. Of most kinds it keeps a number and a few addresses, so that its size is bounded: less than 10 MiB.
///
/// Numbers are made with a key of their own in every process. Where two kinds share one, a stream is noticed sooner,
/// which changes nothing about its scan.
#[derive(Debug)]
pub struct History {
    numbers: RandomState,
    entries: LruCache<u64, Entry>,
    suggestions: LruCache<u64, Suggestion>,
}

#[derive(Clone, Debug)]
struct Entry {
    streams: u32,
    last: Instant,
    clients: [Option<Witness>; CLIENTS],
}

/// A client that got a stream, told as one by what it did and not by what is remembered here.
#[derive(Clone, Copy, Debug)]
struct Witness {
    client: IpAddr,
    /// What the surest sign was.
    weight: Weight,
}

impl Default for History {
    fn default() -> Self {
        Self { numbers: RandomState::new(), entries: LruCache::unbounded(), suggestions: LruCache::unbounded() }
    }
}

impl History {
    /// Streams of this kind within [`REMEMBERED`] before `now`, each no longer than that after the one before. None for a
    /// client that is still wanted to confirm the kind: what it gets has to show by itself what it is.
    pub fn hand_overs(&self, kind: &Kind, client: IpAddr, now: Instant) -> u32 {
        let entry = self.entries.peek(&self.number(kind)).filter(|entry| is_fresh(entry.last, now));
        entry.filter(|entry| !entry.wants(client)).map_or(0, |entry| entry.streams)
    }

    /// Notes that `client` got a stream of this kind, known by `evidence`: nothing where that is this history.
    pub fn note_stream(&mut self, kind: &Kind, client: IpAddr, evidence: Evidence, now: Instant) {
        if evidence.weight() == Weight::Nothing {
            return;
        }
        let number = self.number(kind);
        let new = || Entry { streams: 0, last: now, clients: [None; CLIENTS] };
        let entry = self.entries.get_or_insert_mut(number, new);
        if !is_fresh(entry.last, now) {
            *entry = new();
        }
        entry.streams = entry.streams.saturating_add(1);
        entry.last = now;
        entry.note_client(client, evidence.weight());
        if entry.is_confirmed() {
            let suggestion = kind.suggestion(evidence.label(), entry.streams, now);
            self.suggestions.put(number, suggestion);
        }
        if self.entries.len() > MOST {
            self.entries.pop_lru();
        }
        if self.suggestions.len() > MOST_SUGGESTIONS {
            self.suggestions.pop_lru();
        }
    }

    /// Forgets this kind: something was found in such a body, or one was no stream after all.
    pub fn forget(&mut self, kind: &Kind) {
        let number = self.number(kind);
        self.entries.pop(&number);
        self.suggestions.pop(&number);
    }

    /// What at least [`CLIENTS`] clients got as a stream, each kind no longer than [`REMEMBERED`] ago; most streams first.
    pub fn suggestions(&self, now: Instant) -> Vec<Suggestion> {
        let fresh = self.suggestions.iter().map(|(_, suggestion)| suggestion).filter(|one| is_fresh(one.last, now));
        let mut fresh: Vec<Suggestion> = fresh.cloned().collect();
        fresh.sort_by(|one, other| {
            other.streams.cmp(&one.streams).then_with(|| (&one.host, &one.pattern).cmp(&(&other.host, &other.pattern)))
        });
        fresh
    }

    fn number(&self, kind: &Kind) -> u64 {
        self.numbers.hash_one(kind)
    }
}

impl Entry {
    /// Whether `client` has not been heard of, and others are too few.
    fn wants(&self, client: IpAddr) -> bool {
        let client = subscriber(client);
        self.clients.iter().any(Option::is_none) && self.clients.iter().flatten().all(|one| one.client != client)
    }

    fn is_confirmed(&self) -> bool {
        self.clients.iter().all(|place| place.is_some_and(|one| one.weight == Weight::Confirms))
    }

    /// Whoever confirms takes the place of one that does not.
    fn note_client(&mut self, client: IpAddr, weight: Weight) {
        let client = subscriber(client);
        let its_own = self.clients.iter().position(|place| place.is_some_and(|one| one.client == client));
        let free = self.clients.iter().position(Option::is_none);
        let weak = self.clients.iter().position(|place| place.is_some_and(|one| one.weight != Weight::Confirms));
        let place = match (its_own, weight) {
            (Some(own), Weight::Confirms) => Some(own),
            (Some(_), _) => None,
            (None, Weight::Confirms) => free.or(weak),
            (None, _) => free,
        };
        if let Some(place) = place {
            self.clients[place] = Some(Witness { client, weight });
        }
    }
}

fn is_fresh(last: Instant, now: Instant) -> bool {
    now.saturating_duration_since(last) < REMEMBERED
}

#[cfg(test)]
mod tests;
