//! Shape to settings: every value checked, defaults filled in, every problem noted.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use serde_spanned::Spanned;

use super::defaults::MOST_WORKERS;
use super::overrides::Overrides;
use super::problem::{Place, Problems};
use super::read::{Completeness, Draft};
use super::settings::{PolicySettings, Settings};
use super::shape::{DestinationsShape, LogShape, PoliciesShape, ResolverShape, Shape, Strings, Text, Whole};
use super::suggest::nearest;
use super::value::{self, Ports, Wrong};
use crate::admin::settings::AdminSettings;
use crate::flow::settings::Timeouts;
use crate::net::resolver::settings::{ResolverKind, ResolverSettings};
use crate::observe::access_log::{AccessFormat, LogSettings};
use crate::policy::destination::{DestinationSettings, PortSet};

mod access;
mod binds;
mod forward;
mod half_close;
mod hosts;
mod icap;
mod icap_server;
mod inspect;
mod limits;
mod log;
mod names;
mod timeouts;

use binds::Bind;

pub(super) use access::LEARN;
pub(super) use half_close::{FIN_POLICIES, HalfCloseTexts, PROFILES, SERVER_FINS, half_close};
pub(super) use icap::{ICAP, ON_FAILURE, VERDICTS};
pub(super) use inspect::{Scanners, UNDECODABLE, WHILE_HELD, scanners};
pub(super) use limits::LIMIT_MODES;
pub(super) use log::{OFF, STDOUT};
pub(super) use names::unique_names;

/// Where rule files lie when the configuration does not say, beside its file.
const POLICIES: &str = "policies";

/// A closed set of words and what they stand for.
pub(super) type Words<T> = &'static [(&'static str, T)];

/// `[resolver] kind`.
pub(super) const RESOLVER_KINDS: Words<ResolverKind> =
    &[("hickory", ResolverKind::Hickory), ("system", ResolverKind::System)];

/// `[log] format`.
pub(super) const LOG_FORMATS: Words<AccessFormat> =
    &[("json", AccessFormat::Json), ("squid", AccessFormat::Squid), ("combined", AccessFormat::Combined)];

/// The settings that `draft` and `overrides` make together, with the built-in rules. Relative paths begin at `base`. Where
/// something is wrong it is noted and the default used, so that the search goes on.
pub(super) fn check(draft: &Draft<'_, Shape>, overrides: &Overrides, base: &Path, problems: &mut Problems) -> Settings {
    let default = Settings::default();
    let shape = &draft.shape;
    let timeouts = timeouts::check(&shape.timeouts, problems);
    let admin = admin_bind(shape.admin.bind.as_ref(), overrides, default.admin.bind, problems);
    let (forward, mut binds) = forward::check(draft, overrides, &default.forward, problems);
    let (icap_server, icap_binds) = icap_server::check(draft, problems);
    binds.extend(icap_binds);
    binds.push(admin.clone());
    binds::check(&binds, problems);
    let icap = icap::services(draft, base, problems);
    let scanners = match draft.completeness(ICAP) {
        Completeness::Whole => Scanners::Named(&icap),
        Completeness::Cut => Scanners::Unknown,
    };
    Settings {
        workers: workers(shape.workers.as_ref(), problems).unwrap_or(default.workers),
        admin: AdminSettings {
            bind: admin.address,
            tokens: access::tokens(shape.admin.token_file.as_ref(), base, problems),
        },
        forward,
        destinations: destinations(&shape.destinations, problems),
        limits: limits::check(&shape.limits, problems),
        policies: PolicySettings { dir: policies(&shape.policies, base, problems), ..default.policies },
        rules: default.rules,
        destination_rules: default.destination_rules,
        inspect: inspect::check(&shape.inspect, scanners, base, problems),
        icap,
        icap_server,
        inspect_rules: default.inspect_rules,
        scan_rules: default.scan_rules,
        bypass: access::bypass(&shape.bypass, problems),
        bypass_book: default.bypass_book,
        state: access::state(&shape.state, base, problems),
        resolver: resolver(&shape.resolver, &timeouts, problems),
        log: log(&shape.log, problems),
        timeouts,
    }
}

/// The word's meaning, for a value from a closed set.
pub(super) fn word<T: Copy>(words: Words<T>) -> impl Fn(&str) -> Result<T, Wrong> {
    move |text| match words.iter().find(|(word, _)| *word == text) {
        Some((_, meaning)) => Ok(*meaning),
        None => Err(unknown_word(text, words)),
    }
}

fn unknown_word<T>(text: &str, words: Words<T>) -> Wrong {
    let known = words.iter().map(|(word, _)| *word);
    let help = match nearest(text, known.clone()) {
        Some(meant) => format!("did you mean `{meant}`?"),
        None => format!("write one of: `{}`", known.collect::<Vec<_>>().join("`, `")),
    };
    Wrong::new(format!("`{text}` is not known here"), help)
}

fn workers(written: Option<&Spanned<Whole>>, problems: &mut Problems) -> Option<usize> {
    let help = "write 1 to 1024, or leave the key out for one worker for each processor";
    let count = problems.number(written?, 1..=MOST_WORKERS as u64, ("there are 1 to 1024 workers", help))?;
    usize::try_from(count).ok()
}

/// The directory of the rule files. One that is named must be there; the one that is not may be missing.
fn policies(shape: &PoliciesShape, base: &Path, problems: &mut Problems) -> Option<PathBuf> {
    let directory = |name: &str| Some(base.join(name)).filter(|dir| !name.is_empty() && dir.is_dir());
    let Some(written) = &shape.dir else { return directory(POLICIES) };
    let found = directory(written.get_ref());
    if found.is_none() {
        let shown = base.join(written.get_ref());
        let message = format!("there is no directory `{}`", shown.display());
        let help = "create it, or leave the key out for the built-in rules; a relative path begins beside this file";
        problems.add(Place::Text(written.span()), message, help);
    }
    found
}

/// Where the admin port is, whatever else is written.
pub(super) fn admin_address(draft: &Draft<'_, Shape>, overrides: &Overrides, problems: &mut Problems) -> SocketAddr {
    let default = Settings::default().admin.bind;
    admin_bind(draft.shape.admin.bind.as_ref(), overrides, default, problems).address
}

fn admin_bind(written: Option<&Text>, overrides: &Overrides, default: SocketAddr, problems: &mut Problems) -> Bind {
    let mut bind = Bind { owner: "the admin port".to_owned(), address: default, place: Place::File };
    if let Some(text) = written {
        // A bad address has been noted; port 0 collides with nothing.
        bind.address = problems.value(text, value::address).unwrap_or(SocketAddr::new(default.ip(), 0));
        bind.place = Place::Text(text.span());
    }
    if let Some((address, place)) = overrides.admin.as_ref().and_then(|given| given.read(problems)) {
        (bind.address, bind.place) = (address, place);
    }
    bind
}

fn destinations(shape: &DestinationsShape, problems: &mut Problems) -> DestinationSettings {
    let allow = shape.allow.iter().flatten().filter_map(|text| problems.value(text, value::network)).collect();
    let connect_ports = match &shape.connect_ports {
        Some(strings) => port_set(Strings::texts(strings).iter().filter_map(|text| problems.value(text, value::ports))),
        None => PortSet::default(),
    };
    DestinationSettings { allow, connect_ports, own: Vec::new() }
}

fn port_set(entries: impl Iterator<Item = Ports>) -> PortSet {
    let mut ranges = Vec::new();
    let mut any = false;
    for entry in entries {
        match entry {
            Ports::Any => any = true,
            Ports::Range(first, last) => ranges.push((first, last)),
        }
    }
    if any { PortSet::Any } else { PortSet::Ranges(ranges) }
}

fn resolver(shape: &ResolverShape, timeouts: &Timeouts, problems: &mut Problems) -> ResolverSettings {
    let kind = shape.kind.as_ref().and_then(|text| problems.value(text, word(RESOLVER_KINDS)));
    ResolverSettings {
        kind: kind.unwrap_or_default(),
        hosts: hosts::check(shape.hosts.iter().flatten(), problems),
        deadline: timeouts.resolve,
    }
}

fn log(shape: &LogShape, problems: &mut Problems) -> LogSettings {
    let access = shape.access.as_ref().and_then(|text| problems.value(text, log::sink));
    let format = shape.format.as_ref().and_then(|text| problems.value(text, word(LOG_FORMATS)));
    LogSettings { access: access.unwrap_or_default(), format: format.unwrap_or_default() }
}
