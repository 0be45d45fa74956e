//! The destination guard: which addresses and ports a client may reach through us.
//!
//! Names are resolved first; every resolved address is judged here, and the dial goes to exactly the judged address.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use ipnet::IpNet;

/// Ports that CONNECT may ask for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PortSet {
    /// Every port but 0.
    Any,
    /// Inclusive ranges.
    Ranges(Vec<(u16, u16)>),
}

impl PortSet {
    /// Whether `port` is in the set.
    pub fn contains(&self, port: u16) -> bool {
        match self {
            PortSet::Any => port != 0,
            PortSet::Ranges(ranges) => ranges.iter().any(|&(first, last)| (first..=last).contains(&port)),
        }
    }
}

impl Default for PortSet {
    fn default() -> Self {
        PortSet::Ranges(vec![(443, 443), (8443, 8443)])
    }
}

/// The `[destinations]` section, and the ports we listen on ourselves.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DestinationSettings {
    /// Ranges opened although they are refused by default.
    pub allow: Vec<IpNet>,
    /// Ports for CONNECT.
    pub connect_ports: PortSet,
    /// Our own listeners, admin included: refused whatever `allow` says. Filled in once they are bound.
    pub own: Vec<SocketAddr>,
}

/// Why an address is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// One of our own listeners.
    OwnPort,
    /// Loopback, private, link-local, multicast, reserved or a form that hides one of them.
    NotPublic,
}

impl DestinationSettings {
    /// Judges one resolved address.
    ///
    /// # Errors
    /// The [`Refusal`], when the dial must not happen.
    pub fn judge(&self, address: SocketAddr) -> Result<(), Refusal> {
        let real = unwrap(address.ip());
        if self.own.iter().any(|own| own.port() == address.port() && is_own(own.ip(), real)) {
            return Err(Refusal::OwnPort);
        }
        if is_public(real) && is_public(address.ip()) || self.allow.iter().any(|net| net.contains(&real)) {
            return Ok(());
        }
        Err(Refusal::NotPublic)
    }

    /// Judges an established connection: dialling an address of this very machine shows as the same address at both
    /// ends, which also catches our own listeners behind an interface address nobody configured here.
    ///
    /// # Errors
    /// [`Refusal::OwnPort`] when the peer is one of our own listeners.
    pub fn judge_connected(&self, local: SocketAddr, peer: SocketAddr) -> Result<(), Refusal> {
        let own_port = self.own.iter().any(|own| own.port() == peer.port() && own.ip().is_unspecified());
        if own_port && unwrap(local.ip()) == unwrap(peer.ip()) { Err(Refusal::OwnPort) } else { Ok(()) }
    }
}

/// Whether a listener bound to `own` is reached by dialling `dialled`, as far as the addresses alone tell.
fn is_own(own: IpAddr, dialled: IpAddr) -> bool {
    let own = unwrap(own);
    own == dialled || dialled.is_unspecified() || (dialled.is_loopback() && own.is_unspecified())
}

/// The IPv4 address inside an IPv6 form that carries one: mapped, compatible, NAT64, 6to4, Teredo, ISATAP-like
/// `::ffff:0:a.b.c.d`. Any other address as it is.
fn unwrap(address: IpAddr) -> IpAddr {
    let IpAddr::V6(v6) = address else { return address };
    match embedded_v4(v6) {
        Some(v4) => IpAddr::V4(v4),
        None => address,
    }
}

fn embedded_v4(v6: Ipv6Addr) -> Option<Ipv4Addr> {
    let s = v6.segments();
    let pair = |high: u16, low: u16| Ipv4Addr::from((u32::from(high) << 16) | u32::from(low));
    match s {
        // :: and ::1 are addresses of their own, not 0.0.0.0 and 0.0.0.1.
        [0, 0, 0, 0, 0, 0, 0, 0 | 1] => None,
        [0, 0, 0, 0, 0, 0xffff, high, low] => Some(pair(high, low)),
        [0, 0, 0, 0, 0xffff, 0, high, low] => Some(pair(high, low)),
        [0, 0, 0, 0, 0, 0, high, low] => Some(pair(high, low)),
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] => Some(pair(high, low)),
        [0x2002, high, low, ..] => Some(pair(high, low)),
        // Teredo hides the client's address in its last 32 bits, inverted (RFC 4380 section 4).
        [0x2001, 0, _, _, _, _, high, low] => Some(pair(!high, !low)),
        _ => None,
    }
}

fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => is_public_v4(v4),
        IpAddr::V6(v6) => is_public_v6(v6),
    }
}

fn is_public_v4(v4: Ipv4Addr) -> bool {
    let [a, b, c, _] = v4.octets();
    let refused = a == 0                                    // "this network"
        || v4.is_loopback()
        || v4.is_private()
        || v4.is_link_local()                               // with the metadata service 169.254.169.254
        || a >= 224                                         // multicast, reserved, broadcast
        || (a == 100 && (64..128).contains(&b))             // carrier-grade NAT, with 100.100.100.200
        || (a == 192 && b == 0 && (c == 0 || c == 2))       // protocol assignments, TEST-NET-1
        || (a == 192 && b == 88 && c == 99)                 // 6to4 relays
        || (a == 198 && (b == 18 || b == 19))               // benchmarking
        || (a == 198 && b == 51 && c == 100)                // TEST-NET-2
        || (a == 203 && b == 0 && c == 113)                 // TEST-NET-3
        || v4.octets() == [168, 63, 129, 16]; // Azure's metadata and DNS address is a public one
    !refused
}

fn is_public_v6(v6: Ipv6Addr) -> bool {
    if let Some(v4) = embedded_v4(v6) {
        return is_public_v4(v4);
    }
    let s = v6.segments();
    let refused = v6.is_unspecified()
        || v6.is_loopback()
        || v6.is_multicast()
        || (s[0] & 0xfe00) == 0xfc00                        // unique local, with fd00:ec2::254
        || (s[0] & 0xffc0) == 0xfe80                        // link-local
        || (s[0] & 0xffc0) == 0xfec0                        // site-local
        || (s[0] == 0x64 && s[1] == 0xff9b)                 // NAT64 with a local prefix
        || (s[0] == 0x100 && s[1] == 0 && s[2] == 0 && s[3] == 0) // discard-only
        || (s[0] == 0x2001 && s[1] == 0xdb8)                // documentation
        || (s[0] == 0x3fff && s[1] < 0x1000)                // documentation
        || (s[0] == 0x2001 && s[1] == 0x2 && s[2] == 0)     // benchmarking
        || s[0] == 0x5f00; // segment routing
    !refused
}

#[cfg(test)]
mod tests;
