//! Hosts that are never bypassed.

use std::collections::HashSet;

use super::pattern::Pattern;
use crate::policy::pattern::HostPattern;

/// `[[never]]`, ready to be asked.
#[derive(Debug, Default)]
pub struct NeverList {
    hosts: HashSet<Box<str>>,
    domains: HashSet<Box<str>>,
    wildcards: Vec<HostPattern>,
}

impl NeverList {
    /// The hosts that `patterns` name; patterns that name none are left out.
    pub fn new(patterns: &[Pattern]) -> Self {
        let mut list = NeverList::default();
        for pattern in patterns {
            match pattern {
                Pattern::Host { name, .. } => drop(list.hosts.insert(name.clone())),
                Pattern::Domain(domain) => drop(list.domains.insert(domain.clone())),
                Pattern::Wildcard { hosts, .. } => list.wildcards.push(hosts.clone()),
                Pattern::Any | Pattern::Network { .. } | Pattern::Url(_) | Pattern::MediaType(_) => {}
            }
        }
        list
    }

    /// Whether the host called `name`, in lower case, is one of them.
    pub fn contains(&self, name: &str) -> bool {
        let in_domain = || psl::domain_str(name).is_some_and(|domain| self.domains.contains(domain));
        self.hosts.contains(name)
            || (!self.domains.is_empty() && in_domain())
            || self.wildcards.iter().any(|hosts| hosts.matches(name))
    }

    /// Whether an entry for `pattern` could never be used: all that it speaks of is never bypassed.
    pub fn covers(&self, pattern: &Pattern) -> bool {
        match pattern {
            Pattern::Host { name, .. } => self.contains(name),
            Pattern::Domain(domain) => self.domains.contains(domain),
            Pattern::Wildcard { hosts, .. } => self.wildcards.contains(hosts),
            Pattern::Url(prefix) => prefix.name().is_some_and(|name| self.contains(name)),
            Pattern::Any | Pattern::Network { .. } | Pattern::MediaType(_) => false,
        }
    }
}
