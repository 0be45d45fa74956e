//! The list as every request asks it: one look-up for exact hosts and domains, a walk only over what needs one.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::SystemTime;

use super::NeverList;
use super::entry::BypassEntry;
use super::pattern::Pattern;
use super::skips::Skips;
use crate::base::authority::{Authority, Host};

/// What is asked about.
#[derive(Clone, Copy, Debug)]
pub struct BypassSubject<'a> {
    /// Where the request goes.
    pub authority: &'a Authority,
    /// Its target as the client wrote it. Prefixes of URLs match absolute ones only, so nothing in a tunnel.
    pub url: &'a [u8],
    /// The client.
    pub source: IpAddr,
    /// The address that is dialled; `None` while it is not known. Without it, ranges match address literals only.
    pub address: Option<IpAddr>,
}

/// The entries in force. Made anew for every change; the counts of use are shared with the one before.
#[derive(Debug, Default)]
pub struct BypassList {
    entries: Vec<Arc<BypassEntry>>,
    never: Arc<NeverList>,
    /// Uses of all entries, also of those that are gone.
    hits: Arc<AtomicU64>,
    /// Places of the entries for one host, by its name.
    by_host: HashMap<Box<str>, Vec<usize>>,
    /// Places of the entries for one registrable domain.
    by_domain: HashMap<Box<str>, Vec<usize>>,
    /// Places of wildcards and of what has no name.
    others: Vec<usize>,
    /// Places of ranges of addresses.
    ranges: Vec<usize>,
    /// Places of media types.
    types: Vec<usize>,
}

impl BypassList {
    /// A list of `entries`, of which none holds for the hosts of `never`. Every use is added to `hits` as well.
    pub fn new(entries: Vec<Arc<BypassEntry>>, never: Arc<NeverList>, hits: Arc<AtomicU64>) -> Self {
        let mut list = BypassList { never, hits, ..BypassList::default() };
        for (place, entry) in entries.iter().enumerate() {
            let places = match &entry.rule.pattern {
                Pattern::Host { name, .. } => list.by_host.entry(name.clone()).or_default(),
                Pattern::Url(prefix) => match prefix.name() {
                    Some(name) => list.by_host.entry(name.into()).or_default(),
                    None => &mut list.others,
                },
                Pattern::Domain(domain) => list.by_domain.entry(domain.clone()).or_default(),
                Pattern::Any | Pattern::Wildcard { .. } => &mut list.others,
                Pattern::Network { .. } => &mut list.ranges,
                Pattern::MediaType(_) => &mut list.types,
            };
            places.push(place);
        }
        BypassList { entries, ..list }
    }

    /// Every entry, those that have ended too: of the file, of edits, learned ones.
    pub fn entries(&self) -> &[Arc<BypassEntry>] {
        &self.entries
    }

    /// How often entries were used, also those that are gone.
    pub fn hits(&self) -> u64 {
        self.hits.load(Relaxed)
    }

    /// The hosts that are never bypassed.
    pub fn never(&self) -> &NeverList {
        &self.never
    }

    /// What is left out for a request: all that the entries which mean it leave out together. Each is counted as used, so
    /// this is asked once for each request. Media types have no say here.
    pub fn find(&self, subject: &BypassSubject<'_>, now: SystemTime) -> Skips {
        if self.entries.is_empty() {
            return Skips::NONE;
        }
        self.used(self.of_request(subject), subject, now)
    }

    /// What ranges of addresses leave out for a host with a name, once the address to dial is known and was not when
    /// [`BypassList::find`] was asked. Counts as well.
    pub fn find_by_address(&self, subject: &BypassSubject<'_>, now: SystemTime) -> Skips {
        let named = matches!(subject.authority.host(), Host::Name(_)) && subject.address.is_some();
        if self.ranges.is_empty() || !named {
            return Skips::NONE;
        }
        self.used(self.at(&self.ranges).filter(|entry| entry.rule.pattern.matches(subject)), subject, now)
    }

    /// What is left out for a response whose `Content-Type` is `media_type`, by the entries for types alone. Counts as well.
    pub fn find_by_type(&self, subject: &BypassSubject<'_>, media_type: &[u8], now: SystemTime) -> Skips {
        if self.types.is_empty() {
            return Skips::NONE;
        }
        self.used(self.of_type(media_type), subject, now)
    }

    /// Every entry that would be used now, and none of them counted.
    pub fn matching(&self, subject: &BypassSubject<'_>, media_type: &[u8], now: SystemTime) -> Vec<Arc<BypassEntry>> {
        if self.is_never(subject) {
            return Vec::new();
        }
        let all = self.of_request(subject).chain(self.of_type(media_type));
        all.filter(|entry| entry.rule.is_for(subject.source, now)).cloned().collect()
    }

    /// Whether the subject's host is never bypassed.
    pub fn is_never(&self, subject: &BypassSubject<'_>) -> bool {
        matches!(subject.authority.host(), Host::Name(name) if self.never.contains(name))
    }

    fn of_request<'l>(&'l self, subject: &'l BypassSubject<'_>) -> impl Iterator<Item = &'l Arc<BypassEntry>> {
        let places = |map: &'l HashMap<Box<str>, Vec<usize>>, key: Option<&str>| {
            let found = key.and_then(|key| map.get(key));
            self.at(found.map(Vec::as_slice).unwrap_or_default())
        };
        let name = match subject.authority.host() {
            Host::Name(name) => Some(&**name),
            Host::Ip(_) => None,
        };
        let domain = name.filter(|_| !self.by_domain.is_empty()).and_then(psl::domain_str);
        let exact = places(&self.by_host, name).chain(places(&self.by_domain, domain));
        let walked = self.at(&self.others).chain(self.at(&self.ranges));
        exact.chain(walked).filter(|entry| entry.rule.pattern.matches(subject))
    }

    fn of_type<'l>(&'l self, media_type: &'l [u8]) -> impl Iterator<Item = &'l Arc<BypassEntry>> {
        let is_meant = |entry: &&Arc<BypassEntry>| match &entry.rule.pattern {
            Pattern::MediaType(range) => range.matches(media_type),
            _ => false,
        };
        self.at(&self.types).filter(is_meant)
    }

    fn at<'l>(&'l self, places: &'l [usize]) -> impl Iterator<Item = &'l Arc<BypassEntry>> {
        places.iter().filter_map(|place| self.entries.get(*place))
    }

    /// Counts those of `found` that hold for the client and now; gives what they leave out.
    fn used<'l>(
        &'l self,
        found: impl Iterator<Item = &'l Arc<BypassEntry>>,
        subject: &BypassSubject<'_>,
        now: SystemTime,
    ) -> Skips {
        let mut skips = Skips::NONE;
        for entry in found.filter(|entry| entry.rule.is_for(subject.source, now)) {
            // Asked only where something matches: most requests match nothing.
            if skips.is_empty() && self.is_never(subject) {
                return Skips::NONE;
            }
            skips = skips.and(entry.rule.skips);
            entry.uses.add(now);
            self.hits.fetch_add(1, Relaxed);
        }
        skips
    }
}
