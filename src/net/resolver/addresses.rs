//! The addresses of one name, in the order in which to try them.

use std::net::IpAddr;
use std::ops::Deref;
use std::sync::Arc;

/// More than any honest name has; the rest of a longer answer is left out.
const MOST: usize = 32;

/// One to 32 addresses with the families in turn (RFC 8305 section 4), so that a dead family costs one try and not all.
/// Cloning copies a pointer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Addresses(Arc<[IpAddr]>);

impl Addresses {
    /// Puts addresses in order: the family of the first one leads, each family keeps its own order, no address twice.
    /// `None` when there are none.
    pub fn of(found: impl IntoIterator<Item = IpAddr>) -> Option<Self> {
        let mut found = found.into_iter();
        let leader = found.next()?;
        let (mut leading, mut trailing) = (vec![leader], Vec::new());
        for address in found {
            let family = if address.is_ipv6() == leader.is_ipv6() { &mut leading } else { &mut trailing };
            if family.len() < MOST && !family.contains(&address) {
                family.push(address);
            }
        }
        Some(Self(in_turn(&leading, &trailing).take(MOST).collect()))
    }

    /// Exactly these two, in this order.
    pub(super) fn pair(first: IpAddr, second: IpAddr) -> Self {
        Self([first, second].into())
    }
}

impl Deref for Addresses {
    type Target = [IpAddr];

    fn deref(&self) -> &[IpAddr] {
        &self.0
    }
}

fn in_turn<'a>(leading: &'a [IpAddr], trailing: &'a [IpAddr]) -> impl Iterator<Item = IpAddr> + 'a {
    let rounds = 0..leading.len().max(trailing.len());
    rounds.flat_map(move |round| leading.get(round).into_iter().chain(trailing.get(round)).copied())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ordered(found: &[&str]) -> Vec<String> {
        let found = found.iter().map(|address| address.parse::<IpAddr>().unwrap());
        Addresses::of(found).unwrap().iter().map(IpAddr::to_string).collect()
    }

    #[test]
    fn families_take_turns_and_the_first_one_leads() {
        assert_eq!(ordered(&["::1", "::2", "::3", "1.1.1.1"]), ["::1", "1.1.1.1", "::2", "::3"]);
        assert_eq!(ordered(&["1.1.1.1", "1.1.1.2", "::1", "::2"]), ["1.1.1.1", "::1", "1.1.1.2", "::2"]);
        assert_eq!(ordered(&["1.1.1.1"]), ["1.1.1.1"]);
    }

    #[test]
    fn an_address_stands_once() {
        assert_eq!(ordered(&["1.1.1.1", "::1", "1.1.1.1", "::1"]), ["1.1.1.1", "::1"]);
    }

    #[test]
    fn a_flood_of_addresses_is_cut_and_keeps_both_families() {
        let flood = (0..500u32).map(|n| IpAddr::V4((0x0a00_0000 + n).into()));
        let kept = Addresses::of(flood.chain(["::1".parse().unwrap()])).unwrap();
        assert_eq!(kept.len(), MOST);
        assert_eq!(kept[1], "::1".parse::<IpAddr>().unwrap());
    }

    #[test]
    fn nothing_is_nothing() {
        assert_eq!(Addresses::of([]), None);
    }
}
