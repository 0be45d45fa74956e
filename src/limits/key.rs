//! In whose name a rule counts: from a rule and a subject to the key of an entry.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;

use super::settings::{CountBy, Per, RuleMode, RuleScope};
use super::subject::{Bound, Subject};
use crate::base::authority::Host;
use crate::policy::pattern::DestinationMatch;

/// In whose name is counted.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Holder {
    /// All together.
    Global,
    /// A listener.
    Listener(Arc<str>),
    /// A client address.
    Source(IpAddr),
    /// A range of client addresses.
    Prefix(IpNet),
    /// A destination, as the rule counts them.
    Destination(Arc<str>),
    /// A client address and a destination.
    Pair(IpAddr, Arc<str>),
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Holder::Global => f.write_str("all"),
            Holder::Listener(name) | Holder::Destination(name) => f.write_str(name),
            Holder::Source(ip) => ip.fmt(f),
            Holder::Prefix(net) => net.fmt(f),
            Holder::Pair(ip, destination) => write!(f, "{ip} {destination}"),
        }
    }
}

/// The key of one entry.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Key {
    /// Name of the rule.
    pub rule: Arc<str>,
    /// In whose name.
    pub holder: Holder,
}

/// The key that `scope` counts `subject` under; `None` where it does not speak of it, or cannot yet because the address
/// is not known.
pub fn key(scope: &RuleScope, subject: &Subject) -> Option<Key> {
    let source = subject.source.to_canonical();
    let meant = (subject.bound == Bound::ByAll || scope.per == Per::Global)
        && scope.source.is_none_or(|net| net.contains(&source))
        && scope.listener.as_deref().is_none_or(|name| name == subject.listener)
        && scope.destination.matches(subject.authority, subject.address);
    if !meant {
        return None;
    }
    let holder = match scope.per {
        Per::Global => Holder::Global,
        Per::Listener => Holder::Listener(subject.listener.into()),
        Per::Source => Holder::Source(source),
        Per::Prefix => Holder::Prefix(range(scope, source)),
        Per::Destination => Holder::Destination(destination(scope, subject)?),
        Per::Pair => Holder::Pair(source, destination(scope, subject)?),
    };
    Some(Key { rule: scope.name.clone(), holder })
}

/// The keys of all `rules` that count `subject`, in their order, each with its rule.
///
/// A rule that another one takes the place of is left out. One that is only watched takes the place of no rule that is
/// kept: watching must not open what is closed.
pub fn keys<'a, R>(rules: &'a [R], scope: impl Fn(&R) -> &RuleScope, subject: &Subject) -> Vec<(&'a R, Key)> {
    let mut found: Vec<(&R, Key)> = rules.iter().filter_map(|rule| Some((rule, key(scope(rule), subject)?))).collect();
    if found.iter().any(|(rule, _)| scope(rule).instead_of.is_some()) {
        let meant: Vec<&RuleScope> = found.iter().map(|(rule, _)| scope(rule)).collect();
        let stays: Vec<bool> = meant.iter().map(|one| !meant.iter().any(|other| takes_place(other, one))).collect();
        let mut stays = stays.into_iter();
        found.retain(|_| stays.next().unwrap_or(true));
    }
    found
}

fn takes_place(new: &RuleScope, old: &RuleScope) -> bool {
    let is_strong_enough = new.mode == RuleMode::Enforce || old.mode == RuleMode::Simulate;
    new.name != old.name && new.instead_of.as_ref() == Some(&old.name) && is_strong_enough
}

fn range(scope: &RuleScope, source: IpAddr) -> IpNet {
    let length = if source.is_ipv4() { scope.prefix.v4 } else { scope.prefix.v6 };
    IpNet::new(source, length).unwrap_or_else(|_| source.into()).trunc()
}

fn destination(scope: &RuleScope, subject: &Subject) -> Option<Arc<str>> {
    let authority = subject.authority;
    Some(match (scope.count_by, authority.host()) {
        (CountBy::Rule, _) => spelled(&scope.destination),
        (CountBy::HostPort, _) => authority.text().clone(),
        (CountBy::Address, Host::Name(_)) => subject.address?.to_canonical().to_string().into(),
        (_, Host::Ip(ip)) => ip.to_canonical().to_string().into(),
        (CountBy::Host, Host::Name(name)) => (&**name).into(),
        (CountBy::Domain, Host::Name(name)) => psl::domain_str(name).unwrap_or(name).into(),
    })
}

/// The destinations of a rule as the rule file spells them.
fn spelled(destination: &DestinationMatch) -> Arc<str> {
    match destination {
        DestinationMatch::Any => "*".into(),
        DestinationMatch::Host { pattern, port: None } => pattern.text().into(),
        DestinationMatch::Host { pattern, port: Some(port) } => format!("{}:{port}", pattern.text()).into(),
        DestinationMatch::Network(net) => net.to_string().into(),
        DestinationMatch::Group(group) => format!("group:{}", group.name).into(),
    }
}

#[cfg(test)]
mod tests;
