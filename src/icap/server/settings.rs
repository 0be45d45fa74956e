//! What is set for one ICAP server port: `[[icap_server]]` of the configuration.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;

/// How long a peer may take for what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IcapServerTimeouts {
    /// To begin a request, on a connection on which none is under way.
    pub idle: Duration,
    /// To send all heads of a request, from its first byte.
    pub head: Duration,
    /// To send a whole preview. It is what the peer has at hand, so it does not wait for an origin.
    pub preview: Duration,
    /// Silence in a body.
    pub body: Duration,
    /// To take something of an answer.
    pub write_stall: Duration,
    /// To close, after the last answer: what is on its way to us until then does not take the answer away by a reset.
    pub linger: Duration,
}

impl Default for IcapServerTimeouts {
    fn default() -> Self {
        Self {
            idle: Duration::from_secs(60),
            head: Duration::from_secs(10),
            preview: Duration::from_secs(60),
            // Long, because a live ticker behind a proxy is quiet.
            body: Duration::from_secs(300),
            write_stall: Duration::from_secs(30),
            linger: Duration::from_secs(2),
        }
    }
}

/// One `[[icap_server]]` section.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IcapServerSettings {
    /// Name in metrics, logs and the API.
    pub name: Arc<str>,
    /// Where it listens.
    pub bind: SocketAddr,
    /// Who may ask.
    pub allow: Vec<IpNet>,
    /// Most connections at once. It is told in OPTIONS; those beyond it have a 503.
    pub max_connections: u32,
    /// How long a peer may take for what.
    pub timeouts: IcapServerTimeouts,
}

impl IcapServerSettings {
    /// A port of this name at `bind` that answers this machine only.
    pub fn new(name: &str, bind: SocketAddr) -> Self {
        Self {
            name: name.into(),
            bind,
            allow: loopback().to_vec(),
            // Squid waits when it has as many: a low number would bring back the outage this server is to prevent.
            max_connections: 4096,
            timeouts: IcapServerTimeouts::default(),
        }
    }

    /// Whether a peer may ask.
    pub fn admits(&self, peer: IpAddr) -> bool {
        let peer = peer.to_canonical();
        self.allow.iter().any(|net| net.contains(&peer))
    }
}

/// The addresses of this machine for itself.
pub fn loopback() -> [IpNet; 2] {
    let all_of_127 = ipnet::Ipv4Net::new_assert(Ipv4Addr::new(127, 0, 0, 0), 8);
    [IpNet::V4(all_of_127), IpNet::from(IpAddr::V6(Ipv6Addr::LOCALHOST))]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machine_unless_more_is_said() {
        let mut port = IcapServerSettings::new("a", SocketAddr::from((Ipv4Addr::LOCALHOST, 1345)));
        for (peer, admitted) in [
            ("127.0.0.1", true),
            ("127.9.9.9", true),
            ("::1", true),
            ("::ffff:127.0.0.1", true),
            ("10.0.0.1", false),
            ("::2", false),
            ("::ffff:10.0.0.1", false),
        ] {
            assert_eq!(port.admits(peer.parse().expect("an address")), admitted, "{peer}");
        }
        port.allow = vec!["10.0.0.0/8".parse().expect("a net")];
        assert!(port.admits("::ffff:10.0.0.1".parse().expect("an address")));
        assert!(!port.admits("127.0.0.1".parse().expect("an address")), "what is written replaces the default");
    }
}
