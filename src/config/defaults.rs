//! What holds when nothing is configured.

use std::net::{Ipv4Addr, SocketAddr};

use super::rules;
use super::settings::{PolicySettings, ScanBook, Settings, StateSettings};
use crate::admin::settings::{AdminSettings, AdminTokens};
use crate::flow::settings::Timeouts;
use crate::inspect::course::InspectSettings;
use crate::limits::settings::LimitSettings;
use crate::listen::settings::ForwardSettings;
use crate::net::resolver::settings::ResolverSettings;
use crate::observe::access_log::LogSettings;
use crate::policy::bypass::{BypassBook, BypassSettings};
use crate::policy::destination::DestinationSettings;
use crate::policy::half_close::{FinPolicy, HalfClose};

/// Most workers that may be asked for; more than any machine this runs on has processors.
pub(super) const MOST_WORKERS: usize = 1024;

impl Default for Settings {
    /// One worker for each processor this process may use, one forward port and the admin port, both on loopback, the
    /// built-in rules.
    fn default() -> Self {
        let timeouts = Timeouts::default();
        let rules = rules::built_in();
        Self {
            workers: std::thread::available_parallelism().map_or(1, |count| count.get().min(MOST_WORKERS)),
            admin: AdminSettings { bind: loopback(9128), tokens: AdminTokens::default() },
            forward: vec![default_forward()],
            destinations: DestinationSettings::default(),
            limits: LimitSettings::default(),
            policies: PolicySettings::default(),
            rules: rules.book,
            destination_rules: rules.destinations,
            icap: Vec::new(),
            icap_server: Vec::new(),
            inspect: InspectSettings::default(),
            inspect_rules: Vec::new(),
            scan_rules: ScanBook::default(),
            bypass: BypassSettings::default(),
            bypass_book: BypassBook::default(),
            state: StateSettings::default(),
            resolver: ResolverSettings { deadline: timeouts.resolve, ..ResolverSettings::default() },
            log: LogSettings::default(),
            timeouts,
        }
    }
}

fn default_forward() -> ForwardSettings {
    let half_close = HalfClose { on_client_fin: Some(FinPolicy::Cancel), ..HalfClose::default() };
    ForwardSettings { name: "default".into(), bind: loopback(3128), half_close }
}

fn loopback(port: u16) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, port))
}
