//! Our ICAP server on real sockets: clients as they are, clients as they should not be, and clients that go.

mod aborts;
mod abuse;
mod asking;
mod logged;
mod quirks;
mod reloaded;
mod streams;
mod timers;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use tether::icap::server::settings::IcapServerSettings;
use tether::inspect::rules::name::UrlPattern;
use tether::inspect::settings::{ScanRule, built_in};
use tether::observe::access_log::AccessSink;
use tether::observe::icap_server::{Asked, Outcome};

use crate::support::proxy::Proxy;
use crate::support::wire::Wire;

/// A proxy with an ICAP port that knows the EICAR file and a banned host.
pub struct Server {
    proxy: Proxy,
}

impl Server {
    fn start() -> Server {
        Server::with(|_| {})
    }

    fn admitting(net: &str) -> Server {
        Server::with(|port| port.allow = vec![net.parse().expect("a range")])
    }

    fn with(change: impl FnOnce(&mut IcapServerSettings)) -> Server {
        Server::logging(AccessSink::Off, change)
    }

    fn logging(sink: AccessSink, change: impl FnOnce(&mut IcapServerSettings)) -> Server {
        let mut port = IcapServerSettings::new("filter", SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0));
        change(&mut port);
        let mut banned = ScanRule::new("banned");
        banned.urls = vec![UrlPattern::parse("banned.test/*").expect("a pattern")];
        let rules = built_in().into_iter().chain([banned]).collect();
        let proxy = Proxy::with(|settings| {
            settings.icap_server = vec![port];
            settings.log.access = sink;
            settings.scan_rules.rules = rules;
        });
        Server { proxy }
    }

    fn connect(&self) -> Wire {
        Wire::connect(self.proxy.app().icap_server_addresses()[0])
    }

    fn ended(&self, asked: Asked, outcome: Outcome) -> u64 {
        self.proxy.tally().sum(|worker| worker.icap_server.transactions(asked, outcome))
    }

    /// Waits until so many transactions have ended so.
    fn wait_for(&self, asked: Asked, outcome: Outcome, count: u64) {
        self.proxy.wait_until(outcome.label(), |_| self.ended(asked, outcome) == count);
    }

    fn streams(&self) -> u64 {
        self.proxy.tally().sum(|worker| worker.icap_server.streams.get())
    }

    fn held(&self) -> u64 {
        self.proxy.tally().sum(|worker| worker.icap_server.held.get())
    }

    /// Every gauge is back at 0, and nobody is in the live table.
    fn wait_until_empty(&self) {
        let open = |server: &Server| server.proxy.tally().sum(|worker| worker.icap_server.open.get());
        self.proxy.wait_until("empty", |_| open(self) == 0 && self.streams() == 0 && self.held() == 0);
        self.proxy.wait_until_empty();
    }
}
