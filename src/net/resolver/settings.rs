//! How names are resolved: the `[resolver]` section.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::Duration;

/// Who looks names up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ResolverKind {
    /// hickory-resolver, with the name servers of `/etc/resolv.conf`: keeps TTLs.
    #[default]
    Hickory,
    /// `getaddrinfo`: follows nsswitch and mDNS; knows no TTL.
    System,
}

/// The `[resolver]` section.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ResolverSettings {
    /// Who looks names up.
    pub kind: ResolverKind,
    /// Fixed names in lower case; they win over DNS.
    pub hosts: HashMap<Box<str>, Vec<IpAddr>>,
    /// Deadline of one lookup, whoever still waits for it (`[timeouts] resolve`).
    pub deadline: Duration,
}
