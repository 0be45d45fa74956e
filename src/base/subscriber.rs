//! Which addresses are one client's.

use std::net::{IpAddr, Ipv6Addr};

/// Bits of IPv6 that one subscriber has for itself, at the least (RFC 6177).
const OWN_BITS: u32 = 64;

/// The address that stands for all of a client's: of IPv6 the first of its /64, of IPv4 its own, however it is spelled.
pub fn subscriber(client: IpAddr) -> IpAddr {
    match client.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << OWN_BITS)).into(),
        v4 => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_for_all_of_a_client() {
        for (client, stands_for_it) in
            [("192.0.2.7", "192.0.2.7"), ("::ffff:192.0.2.7", "192.0.2.7"), ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::")]
        {
            let address = |text: &str| text.parse::<IpAddr>().expect("an address");
            assert_eq!(subscriber(address(client)), address(stands_for_it));
        }
    }
}
