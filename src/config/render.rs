//! Settings back to TOML, for `config show`: what it prints can be used as a configuration file.

use std::collections::BTreeMap;

use serde_spanned::Spanned;

use super::check::{FIN_POLICIES, LOG_FORMATS, OFF, RESOLVER_KINDS, STDOUT, Words};
use super::settings::Settings;
use super::shape::{
    AdminShape, DestinationsShape, ForwardShape, LogShape, ResolverShape, Section, Shape, Strings, Text, TimeoutsShape,
    Whole,
};
use super::value::spell_duration;
use crate::flow::settings::Timeouts;
use crate::listen::settings::ForwardSettings;
use crate::net::resolver::settings::ResolverSettings;
use crate::observe::access_log::{AccessSink, LogSettings};
use crate::policy::destination::{DestinationSettings, PortSet};

/// `settings` as a configuration file that reads back as the same settings. Durations are written in whole
/// milliseconds; the ports found open at run time ([`DestinationSettings::own`]) are not settings and are left out.
pub fn render(settings: &Settings) -> String {
    let shape = Shape {
        workers: Some(unplaced(Whole(settings.workers as u64))),
        admin: Section(AdminShape { bind: text(settings.admin.bind) }),
        forward: Some(unplaced(settings.forward.iter().map(|port| unplaced(Section(forward(port)))).collect())),
        destinations: Section(destinations(&settings.destinations)),
        resolver: Section(resolver(&settings.resolver)),
        log: Section(log(&settings.log)),
        timeouts: Section(timeouts(&settings.timeouts)),
    };
    toml::to_string(&shape).expect("a shape is made of what TOML has: strings, arrays, tables and numbers below 2^63")
}

fn unplaced<T>(value: T) -> Spanned<T> {
    Spanned::new(0..0, value)
}

fn text(value: impl ToString) -> Option<Text> {
    Some(unplaced(value.to_string()))
}

fn word<T: PartialEq>(words: Words<T>, meaning: &T) -> Option<Text> {
    words.iter().find(|(_, known)| known == meaning).and_then(|(word, _)| text(word))
}

fn forward(port: &ForwardSettings) -> ForwardShape {
    ForwardShape {
        name: text(&port.name),
        bind: text(port.bind),
        on_client_fin: word(FIN_POLICIES, &port.half_close.on_client_fin.unwrap_or_default()),
    }
}

fn destinations(settings: &DestinationSettings) -> DestinationsShape {
    let ports = match &settings.connect_ports {
        PortSet::Any => Strings::One("any".to_owned()),
        PortSet::Ranges(ranges) => Strings::Many(ranges.iter().map(|&range| unplaced(spell_ports(range))).collect()),
    };
    DestinationsShape {
        allow: Some(settings.allow.iter().map(|net| unplaced(net.to_string())).collect()),
        connect_ports: Some(unplaced(ports)),
    }
}

fn spell_ports((first, last): (u16, u16)) -> String {
    if first == last { first.to_string() } else { format!("{first}-{last}") }
}

fn resolver(settings: &ResolverSettings) -> ResolverShape {
    let hosts: BTreeMap<_, _> = settings
        .hosts
        .iter()
        .map(|(name, addresses)| {
            let strings = match addresses.as_slice() {
                [one] => Strings::One(one.to_string()),
                many => Strings::Many(many.iter().map(|ip| unplaced(ip.to_string())).collect()),
            };
            (unplaced(name.to_string()), unplaced(strings))
        })
        .collect();
    ResolverShape { kind: word(RESOLVER_KINDS, &settings.kind), hosts: (!hosts.is_empty()).then_some(hosts) }
}

fn log(settings: &LogSettings) -> LogShape {
    let access = match &settings.access {
        AccessSink::Off => text(OFF),
        AccessSink::Stdout => text(STDOUT),
        AccessSink::File(path) => text(path.display()),
    };
    LogShape { access, format: word(LOG_FORMATS, &settings.format) }
}

fn timeouts(settings: &Timeouts) -> TimeoutsShape {
    let wait = |wait| text(spell_duration(wait));
    TimeoutsShape {
        client_idle: wait(settings.client_idle),
        request_head: wait(settings.request_head),
        body_window: wait(settings.body_window),
        // TOML's numbers end at 2^63.
        body_floor: Some(unplaced(Whole(settings.body_floor.min(i64::MAX as u64)))),
        connect: wait(settings.connect),
        connect_total: wait(settings.connect_total),
        connect_head_start: wait(settings.connect_head_start),
        response_head: wait(settings.response_head),
        stream_idle: wait(settings.stream_idle),
        upstream_write: wait(settings.upstream_write),
        client_write: wait(settings.client_write),
        half_close_http: wait(settings.half_close_http),
        half_close_tunnel: wait(settings.half_close_tunnel),
        upstream_idle: wait(settings.upstream_idle),
        resolve: wait(settings.resolve),
        drain: wait(settings.drain),
    }
}
