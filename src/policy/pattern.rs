//! Which destinations a rule speaks of: host patterns, groups of them, ranges of addresses.

use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;

use crate::base::authority::{Authority, Host};

/// A host name in which `*` stands for any characters, dots included, at least one: `www.example`, `*.example`,
/// `p*.livesport.*`. Lower case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostPattern(Box<str>);

impl HostPattern {
    /// The pattern written as `text`; upper and lower case are the same.
    pub fn new(text: &str) -> Self {
        Self(text.to_ascii_lowercase().into())
    }

    /// The pattern as text.
    pub fn text(&self) -> &str {
        &self.0
    }

    /// Whether `name`, in lower case, is one of those meant.
    pub fn matches(&self, name: &str) -> bool {
        let Some((first, rest)) = self.0.split_once('*') else { return *self.0 == *name };
        name.strip_prefix(first).is_some_and(|name| matches_behind_star(rest, name))
    }
}

/// Whether `name` is at least one character and then what `rest` of a pattern means.
fn matches_behind_star(rest: &str, name: &str) -> bool {
    match rest.split_once('*') {
        None => name.len() > rest.len() && name.ends_with(rest),
        Some((piece, rest)) => name
            .char_indices()
            .skip(1)
            .any(|(at, _)| name[at..].strip_prefix(piece).is_some_and(|name| matches_behind_star(rest, name))),
    }
}

/// A `[[group]]`: sister sites that count as one destination.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostGroup {
    /// Its name, as in `group:NAME`.
    pub name: Arc<str>,
    /// Its hosts.
    pub hosts: Vec<HostPattern>,
}

/// The destinations that a rule speaks of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DestinationMatch {
    /// `*`: every one.
    Any,
    /// A host or a pattern of hosts, at any port or at one.
    Host {
        /// The host.
        pattern: HostPattern,
        /// The port, where one is written.
        port: Option<u16>,
    },
    /// A range of addresses; names are meant by what they resolve to.
    Network(IpNet),
    /// The hosts of a group.
    Group(Arc<HostGroup>),
}

impl DestinationMatch {
    /// Whether the match is decided by the resolved address, and not by the name.
    pub fn is_by_address(&self) -> bool {
        matches!(self, DestinationMatch::Network(_))
    }

    /// Whether `authority` is meant. `address` is the one dialled; without it, ranges match address literals only.
    pub fn matches(&self, authority: &Authority, address: Option<IpAddr>) -> bool {
        match (self, authority.host()) {
            (DestinationMatch::Any, _) => true,
            (DestinationMatch::Host { pattern, port }, host) => {
                port.is_none_or(|port| port == authority.port())
                    && match host {
                        Host::Name(name) => pattern.matches(name),
                        Host::Ip(ip) => pattern.matches(&ip.to_string()),
                    }
            }
            (DestinationMatch::Network(net), Host::Ip(ip)) => net.contains(ip),
            (DestinationMatch::Network(net), Host::Name(_)) => address.is_some_and(|ip| net.contains(&ip)),
            (DestinationMatch::Group(group), Host::Name(name)) => group.hosts.iter().any(|host| host.matches(name)),
            (DestinationMatch::Group(_), Host::Ip(_)) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_stand_for_at_least_one_character() {
        for (pattern, name, meant) in [
            ("www.example", "www.example", true),
            ("WWW.Example", "www.example", true),
            ("www.example", "xwww.example", false),
            ("*.example", "a.b.example", true),
            ("*.example", "example", false),
            ("*.example", ".example", false),
            ("p*.livesport.*", "p1.livesport.example", true),
            ("p*.livesport.*", "p.livesport.example", false),
            ("p*.livesport.*", "p1.livesport.", false),
            ("p*.livesport.*", "q1.livesport.example", false),
            ("*a*b", "xaxb", true),
            ("*a*b", "xab", false),
            ("*", "anything", true),
        ] {
            assert_eq!(HostPattern::new(pattern).matches(name), meant, "{pattern} {name}");
        }
    }

    #[test]
    fn ranges_mean_the_address_that_is_dialled() {
        let net = DestinationMatch::Network("192.0.2.0/24".parse().expect("range"));
        let name = Authority::parse(b"www.example", Some(80)).expect("authority");
        let literal = Authority::parse(b"192.0.2.7:81", None).expect("authority");
        assert!(net.matches(&literal, None));
        assert!(!net.matches(&name, None));
        assert!(net.matches(&name, Some("192.0.2.9".parse().expect("address"))));
        assert!(!net.matches(&name, Some("198.51.100.9".parse().expect("address"))));
    }

    #[test]
    fn a_port_may_be_part_of_it() {
        let at = |port| DestinationMatch::Host { pattern: HostPattern::new("*.example"), port };
        let authority = Authority::parse(b"www.example:8080", None).expect("authority");
        assert!(at(None).matches(&authority, None));
        assert!(at(Some(8080)).matches(&authority, None));
        assert!(!at(Some(80)).matches(&authority, None));
    }
}
