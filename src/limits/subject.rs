//! Whom the rules are asked about: one client, the listener it came in by, and where it wants to go.

use std::net::IpAddr;

use crate::base::authority::Authority;

/// Which rules speak of a subject.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Bound {
    /// Every one that matches.
    #[default]
    ByAll,
    /// Those over the whole process only: it is on the bypass list.
    ByProcess,
}

/// One client and destination.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    /// The client's address; an IPv4 address mapped into IPv6 is the IPv4 address.
    pub source: IpAddr,
    /// Name of the listener.
    pub listener: &'a str,
    /// The destination.
    pub authority: &'a Authority,
    /// The address that is dialled, once it is known. Rules that go by it count only from then on.
    pub address: Option<IpAddr>,
    /// Which rules speak of it.
    pub bound: Bound,
}

impl<'a> Subject<'a> {
    /// A client at `source` that came in by `listener` and wants to go to `authority`, not resolved yet.
    pub fn new(source: IpAddr, listener: &'a str, authority: &'a Authority) -> Self {
        Self { source: source.to_canonical(), listener, authority, address: None, bound: Bound::ByAll }
    }

    /// The same, spoken of by these rules.
    pub fn bound(self, bound: Bound) -> Self {
        Self { bound, ..self }
    }

    /// The same, with the address that is dialled.
    pub fn dialled(self, address: IpAddr) -> Self {
        Self { address: Some(address.to_canonical()), ..self }
    }
}
