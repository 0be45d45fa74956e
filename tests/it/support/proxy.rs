//! A whole proxy in this process, on ports of its own, allowed to reach loopback.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tether::app::App;
use tether::app::reload::Load;
use tether::config::settings::Settings;
use tether::limits::settings::LimitMode;
use tether::listen::settings::ForwardSettings;
use tether::observe::access_log::{AccessSink, LogSettings};
use tether::observe::live::StreamView;
use tether::policy::destination::PortSet;
use tether::upstream::settings::DestinationRule;

use super::tally::Tally;

/// How long anything that should happen may take before a test gives up: generous, the machine may be busy.
pub const SOON: Duration = Duration::from_secs(10);

/// A running proxy; dropping it stops it.
pub struct Proxy {
    app: App,
}

/// Settings for tests: two workers, any port of loopback, no access log.
pub fn settings() -> Settings {
    let any = "127.0.0.1:0".parse().expect("address");
    let mut settings = Settings { workers: 2, ..Settings::default() };
    settings.admin.bind = any;
    settings.forward = vec![ForwardSettings { name: Arc::from("test"), bind: any, half_close: Default::default() }];
    settings.destinations.allow = vec!["127.0.0.0/8".parse().expect("net")];
    settings.destinations.connect_ports = PortSet::Any;
    settings.limits.mode = LimitMode::Off;
    settings.inspect.default = Vec::new();
    settings.log = LogSettings { access: AccessSink::Off, ..LogSettings::default() };
    settings
}

impl Proxy {
    /// Starts with [`settings`].
    pub fn start() -> Proxy {
        Proxy::with(|_| {})
    }

    /// Starts with [`settings`] after `change`.
    pub fn with(change: impl FnOnce(&mut Settings)) -> Proxy {
        let mut settings = settings();
        change(&mut settings);
        Proxy { app: App::start(settings, None).expect("the proxy starts") }
    }

    /// Starts with [`settings`] and these rules for single destinations.
    pub fn with_rules(rules: Vec<DestinationRule>, change: impl FnOnce(&mut Settings)) -> Proxy {
        let mut settings = settings();
        change(&mut settings);
        settings.destination_rules = rules.into_iter().map(Arc::new).collect();
        Proxy { app: App::start(settings, None).expect("the proxy starts") }
    }

    /// Starts with what `load` reads, and reads it again when it is told to.
    pub fn reloading(load: Load) -> Proxy {
        let settings = load().unwrap_or_else(|diagnostic| panic!("{diagnostic}"));
        Proxy { app: App::start(settings, Some(load)).expect("the proxy starts") }
    }

    /// Where clients connect.
    pub fn address(&self) -> SocketAddr {
        self.app.forward_addresses()[0]
    }

    /// Where the admin port is.
    pub fn admin(&self) -> SocketAddr {
        self.app.admin_address()
    }

    /// The proxy itself.
    pub fn app(&self) -> &App {
        &self.app
    }

    /// What it counts.
    pub fn tally(&self) -> Tally {
        Tally { counters: self.app.counters().to_vec(), live: self.app.live().to_vec() }
    }

    /// Every row of the live table.
    pub fn streams(&self) -> Vec<StreamView> {
        self.tally().streams()
    }

    /// What is open at this moment.
    pub fn open(&self) -> Open {
        self.tally().open()
    }

    /// Waits until nothing is open any more; panics when something still is after [`SOON`].
    pub fn wait_until_empty(&self) {
        self.tally().wait_until_empty();
    }

    /// Waits until `holds`; panics when it does not after [`SOON`].
    pub fn wait_until(&self, what: &str, holds: impl Fn(&Proxy) -> bool) {
        self.tally().wait_until(what, |_| holds(self));
    }
}

/// What a proxy holds; all 0 when nobody is connected.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Open {
    /// Client connections.
    pub clients: u64,
    /// Exchanges under way.
    pub exchanges: u64,
    /// Upstream connections.
    pub upstreams: u64,
    /// Splice pipes.
    pub pipes: u64,
    /// Rows of the live table.
    pub rows: u64,
}
