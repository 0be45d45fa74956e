//! What a running proxy cannot change.

use super::settings::Settings;
use crate::listen::settings::ForwardSettings;

/// The keys that differ between `old` and `new` and are read once, at the start: threads, sockets, the resolver, the
/// access log and the state directory. All others hold as soon as `new` is in use. Each is named once, in the order of the file.
pub fn changes_needing_restart(old: &Settings, new: &Settings) -> Vec<&'static str> {
    let names = |settings: &Settings| each(settings, |port| port.name.clone());
    let binds = |settings: &Settings| each(settings, |port| port.bind);
    let same_ports = old.forward.len() == new.forward.len();
    [
        ("workers", old.workers != new.workers),
        ("admin.bind", old.admin.bind != new.admin.bind),
        ("forward", !same_ports),
        ("forward.name", same_ports && names(old) != names(new)),
        ("forward.bind", same_ports && binds(old) != binds(new)),
        ("icap_server", old.icap_server != new.icap_server),
        ("resolver.kind", old.resolver.kind != new.resolver.kind),
        ("resolver.hosts", old.resolver.hosts != new.resolver.hosts),
        ("log.access", old.log.access != new.log.access),
        ("log.format", old.log.format != new.log.format),
        ("state.dir", old.state != new.state),
        ("timeouts.resolve", old.resolver.deadline != new.resolver.deadline),
    ]
    .into_iter()
    .filter_map(|(key, changed)| changed.then_some(key))
    .collect()
}

fn each<T>(settings: &Settings, of: impl Fn(&ForwardSettings) -> T) -> Vec<T> {
    settings.forward.iter().map(of).collect()
}
