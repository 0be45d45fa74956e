//! Settings back to TOML, for `config show`: what it prints can be used as a configuration file.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde_spanned::Spanned;

use super::check::{
    FIN_POLICIES, LEARN, LIMIT_MODES, LOG_FORMATS, OFF, ON_FAILURE, PROFILES, RESOLVER_KINDS, SERVER_FINS, STDOUT,
    UNDECODABLE, VERDICTS, WHILE_HELD, Words,
};
use super::settings::{PolicySettings, Settings, StateSettings};
use super::shape::{
    AdminShape, Amount, BypassShape, DestinationsShape, ForwardShape, IcapServerShape, IcapShape, InspectShape,
    LimitsShape, LogShape, PoliciesShape, ResolverShape, Section, Shape, StateShape, Strings, Text, TimeoutsShape,
    Whole,
};
use super::value::{spell_duration, spell_size};
use crate::admin::settings::AdminSettings;
use crate::flow::settings::Timeouts;
use crate::icap::server::settings::IcapServerSettings;
use crate::icap::settings::{IcapMethod, IcapService, PartialContent};
use crate::inspect::course::{InspectSettings, ScannerName};
use crate::limits::settings::LimitSettings;
use crate::listen::settings::ForwardSettings;
use crate::net::resolver::settings::ResolverSettings;
use crate::observe::access_log::{AccessSink, LogSettings};
use crate::policy::destination::{DestinationSettings, PortSet};
use crate::tls::trust::Trust;

/// `settings` as a configuration file that reads back as the same settings. Durations are written in whole
/// milliseconds; the ports found open at run time ([`DestinationSettings::own`]) are not settings and are left out, and so
/// are the rules: they stand in files of their own.
pub fn render(settings: &Settings) -> String {
    let shape = Shape {
        workers: Some(unplaced(Whole(settings.workers as u64))),
        admin: Section(admin(&settings.admin)),
        forward: Some(unplaced(settings.forward.iter().map(|port| unplaced(Section(forward(port)))).collect())),
        destinations: Section(destinations(&settings.destinations)),
        limits: Section(limits(&settings.limits)),
        policies: Section(policies(&settings.policies)),
        resolver: Section(resolver(&settings.resolver)),
        log: Section(log(&settings.log)),
        inspect: Section(inspect(&settings.inspect)),
        bypass: Section(BypassShape { learn: word(LEARN, &settings.bypass.learn) }),
        state: Section(state(&settings.state)),
        icap: (!settings.icap.is_empty()).then(|| settings.icap.iter().map(service).collect()),
        icap_server: icap_servers(&settings.icap_server),
        timeouts: Section(timeouts(&settings.timeouts)),
    };
    toml::to_string(&shape).expect("a shape is made of what TOML has: strings, arrays, tables and numbers below 2^63")
}

fn unplaced<T>(value: T) -> Spanned<T> {
    Spanned::new(0..0, value)
}

fn number(value: u64) -> Spanned<Whole> {
    // TOML's numbers end at 2^63.
    unplaced(Whole(value.min(i64::MAX as u64)))
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
        on_server_fin: port.half_close.on_server_fin.and_then(|fin| word(SERVER_FINS, &fin)),
        half_close: port.half_close.limit.and_then(|limit| text(spell_duration(limit))),
        profile: port.half_close.profile.and_then(|profile| word(PROFILES, &profile)),
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

fn limits(settings: &LimitSettings) -> LimitsShape {
    LimitsShape {
        mode: word(LIMIT_MODES, &settings.mode),
        stream_after: text(spell_duration(settings.stream_after)),
        stream_rate: Some(number(settings.stream_rate)),
        stream_lane: Some(number(settings.stream_lane.into())),
        memory: settings.memory.map(|bytes| unplaced(Amount::Text(spell_size(bytes)))),
    }
}

fn policies(settings: &PolicySettings) -> PoliciesShape {
    PoliciesShape { dir: full(settings.dir.as_ref()) }
}

fn state(settings: &StateSettings) -> StateShape {
    StateShape { dir: full(settings.dir.as_ref()) }
}

fn admin(settings: &AdminSettings) -> AdminShape {
    AdminShape { bind: text(settings.bind), token_file: full(settings.tokens.file.as_ref()) }
}

/// In full, because what is printed here may be put into another directory.
fn full(path: Option<&PathBuf>) -> Option<Text> {
    path.and_then(|path| text(std::path::absolute(path).unwrap_or_else(|_| path.clone()).display()))
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

fn list<T: ToString>(values: impl Iterator<Item = T>) -> Option<Spanned<Strings>> {
    Some(unplaced(Strings::Many(values.map(|value| unplaced(value.to_string())).collect())))
}

fn inspect(settings: &InspectSettings) -> InspectShape {
    let (hold, spool) = (&settings.hold, &settings.spool);
    let wait = |wait| text(spell_duration(wait));
    let size = |bytes| Some(unplaced(Amount::Text(spell_size(bytes))));
    InspectShape {
        default: list(settings.default.iter().map(ScannerName::text)),
        while_held: word(WHILE_HELD, &settings.while_held),
        undecodable: settings.undecodable.and_then(|action| word(UNDECODABLE, &action)),
        hold: wait(hold.longest),
        idle_gap: wait(hold.idle_gap),
        first_byte_gap: wait(hold.first_byte_gap),
        trickle_after: wait(hold.trickle_after),
        deadline: wait(hold.deadline),
        memory: size(spool.memory),
        per_client: size(spool.per_client),
        total: size(spool.total),
        spool_dir: full(spool.dir.as_ref()),
    }
}

fn service(service: &IcapService) -> (Text, Spanned<Section<IcapShape>>) {
    let wait = |wait| text(spell_duration(wait));
    let shape = IcapShape {
        urls: list(service.urls.iter()),
        standby_urls: list(service.standby_urls.iter()).filter(|_| !service.standby_urls.is_empty()),
        ca_file: match &service.trust {
            Trust::System => None,
            Trust::Only { file, .. } => full(Some(file)),
        },
        methods: list(service.methods.iter().copied().map(IcapMethod::label)),
        on_failure: word(ON_FAILURE, &service.on_failure),
        on_overload: word(ON_FAILURE, &service.on_overload),
        verdicts: word(VERDICTS, &service.verdicts),
        max_connections: Some(number(service.max_connections.into())),
        preview: Some(unplaced(Amount::Text(spell_size(service.preview.into())))),
        partial: Some(unplaced(service.partial == PartialContent::Offered)),
        connect: wait(service.timeouts.connect),
        first_reply: wait(service.timeouts.first_reply),
        whole: wait(service.timeouts.whole),
    };
    (unplaced(service.name.to_string()), unplaced(Section(shape)))
}

fn icap_servers(ports: &[IcapServerSettings]) -> Option<Spanned<Vec<Spanned<Section<IcapServerShape>>>>> {
    let shape = |port: &IcapServerSettings| {
        let allow = Some(port.allow.iter().map(|net| unplaced(net.to_string())).collect());
        let max_connections = Some(number(port.max_connections.into()));
        unplaced(Section(IcapServerShape { name: text(&port.name), bind: text(port.bind), allow, max_connections }))
    };
    (!ports.is_empty()).then(|| unplaced(ports.iter().map(shape).collect()))
}

fn timeouts(settings: &Timeouts) -> TimeoutsShape {
    let wait = |wait| text(spell_duration(wait));
    TimeoutsShape {
        client_idle: wait(settings.client_idle),
        request_head: wait(settings.request_head),
        body_window: wait(settings.body_window),
        body_floor: Some(number(settings.body_floor)),
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
