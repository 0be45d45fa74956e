//! Reloads: newer rules and settings hold at once, bad files change nothing, and what is open stays open.

mod admin_port;
mod files;

use std::path::Path;
use std::sync::Arc;

use tempfile::TempDir;

use crate::support::proxy::Proxy;
use crate::support::rules::{HOSTS, load, write};

/// What every test here has in its configuration.
const MAIN: &str = "[destinations]\nallow = [\"127.0.0.0/8\"]\nconnect_ports = \"any\"\n";

/// A proxy that was started from files, and its files.
struct Filed {
    proxy: Proxy,
    folder: TempDir,
}

impl Filed {
    /// Starts with these rules.
    fn start(limits: &str) -> Filed {
        Filed::start_with(MAIN, limits)
    }

    /// Starts with this behind what every configuration has.
    fn start_with(main: &str, limits: &str) -> Filed {
        let folder = TempDir::new().expect("a folder");
        let files = folder.path().to_owned();
        write(&files, &with_hosts(main), limits);
        let proxy = Proxy::reloading(Arc::new(move || load(&files)));
        Filed { proxy, folder }
    }

    /// Writes other rules.
    fn set_limits(&self, limits: &str) {
        self.set(MAIN, limits);
    }

    /// Writes both files anew.
    fn set(&self, main: &str, limits: &str) {
        write(self.path(), &with_hosts(main), limits);
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Reloads; it must be done. Gives the keys that need a restart.
    fn reload(&self) -> Vec<&'static str> {
        self.proxy.app().reloader().reload().unwrap_or_else(|diagnostic| panic!("{diagnostic}")).needs_restart
    }
}

fn with_hosts(main: &str) -> String {
    let hosts: String = HOSTS.iter().map(|name| format!("\"{name}\" = \"127.0.0.1\"\n")).collect();
    format!("{main}[resolver.hosts]\n{hosts}")
}

/// One limit for each client.
fn per_source(exchanges: u32, streams: u32, more: &str) -> String {
    format!("[[limit]]\nname = \"source\"\nper = \"source\"\nexchanges = {exchanges}\nstreams = {streams}\n{more}\n")
}
