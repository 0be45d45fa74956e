//! Limits as an operator writes them, sites by name on loopback, and what the limits say of themselves.

use std::net::SocketAddr;
use std::path::Path;

use tempfile::TempDir;
use tether::config::settings::Settings;
use tether::config::{self, Overrides};
use tether::limits::settings::LimitMode;
use tether::limits::usage::RuleStats;

use super::proxy::Proxy;
use super::wire::Wire;

/// Every name that tests give to loopback.
pub const HOSTS: [&str; 6] =
    ["p1.sport.test", "p2.sport.test", "p1.news.test", "www.other.test", "a.shop.co.uk", "b.shop.co.uk"];

/// Puts the rules of this `limits.toml` in force, and the names of [`HOSTS`].
///
/// # Panics
/// With the diagnostic, when they are not good.
pub fn keep(settings: &mut Settings, limits: &str) {
    let folder = TempDir::new().expect("a folder");
    write(folder.path(), "", limits);
    let loaded = load(folder.path()).unwrap_or_else(|diagnostic| panic!("{diagnostic}"));
    (settings.rules, settings.destination_rules) = (loaded.rules, loaded.destination_rules);
    settings.limits.mode = LimitMode::Enforce;
    settings.resolver.hosts = HOSTS.map(|name| (name.into(), vec!["127.0.0.1".parse().expect("address")])).into();
}

/// Writes `tether.toml`, with `more` behind what every test needs, and `policies/limits.toml`.
pub fn write(folder: &Path, more: &str, limits: &str) {
    let ports = "workers = 2\n[admin]\nbind = \"127.0.0.1:0\"\n\
        [[forward]]\nname = \"test\"\nbind = \"127.0.0.1:0\"\n[[forward]]\nname = \"other\"\nbind = \"127.0.0.1:0\"\n\
        [log]\naccess = \"off\"\n[policies]\ndir = \"policies\"\n";
    std::fs::create_dir_all(folder.join("policies")).expect("a folder");
    std::fs::write(folder.join("tether.toml"), format!("{ports}{more}")).expect("a file");
    std::fs::write(folder.join("policies/limits.toml"), limits).expect("a file");
}

/// Reads what [`write`] wrote; the error is the diagnostic.
pub fn load(folder: &Path) -> Result<Settings, String> {
    let loaded = config::load(Some(&folder.join("tether.toml")), &Overrides::default());
    loaded.map(|loaded| loaded.settings).map_err(|error| error.to_string())
}

/// A proxy with these limits.
pub fn limited(limits: &str) -> Proxy {
    limited_with(limits, |_| {})
}

/// The same after `change`.
pub fn limited_with(limits: &str, change: impl FnOnce(&mut Settings)) -> Proxy {
    Proxy::with(|settings| {
        keep(settings, limits);
        change(settings);
    })
}

/// What this rule has done and holds.
pub fn rule(proxy: &Proxy, name: &str) -> RuleStats {
    let stats = proxy.app().reloader().limits().stats();
    stats.into_iter().find(|stats| *stats.rule == *name).unwrap_or_else(|| panic!("no rule {name}"))
}

/// Waits until the rule `name` counts this many exchanges and streams, and this many who wait.
pub fn wait_for_use(proxy: &Proxy, name: &str, exchanges: u64, streams: u64, waiting: u64) {
    proxy.wait_until(&format!("{exchanges} exchanges, {streams} streams, {waiting} waiting in {name}"), |proxy| {
        let stats = rule(proxy, name);
        (stats.exchanges, stats.streams, stats.waiting) == (exchanges, streams, waiting)
    });
}

/// A client at the address `source` with a request on its way.
pub fn asking_from(source: &str, proxy: &Proxy, request: impl AsRef<[u8]>) -> Wire {
    asking_at(proxy.address(), source, request)
}

/// The same at this port of a proxy.
pub fn asking_at(port: SocketAddr, source: &str, request: impl AsRef<[u8]>) -> Wire {
    let mut client = Wire::connect_from(source, port);
    client.send(request);
    client
}
