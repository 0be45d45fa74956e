//! Settings to TOML and back.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;
use proptest::prelude::*;

use super::good;
use crate::admin::settings::{AdminSettings, AdminTokens};
use crate::config::render;
use crate::config::settings::{PolicySettings, Settings, StateSettings};
use crate::flow::settings::Timeouts;
use crate::icap::server::settings::IcapServerSettings;
use crate::icap::settings::{IcapMethod, IcapService, IcapTimeouts, OnFailure, PartialContent, VerdictUse};
use crate::inspect::course::{HoldSettings, InspectSettings, OnUndecodable, ScannerName, SpoolSettings, WhileHeld};
use crate::limits::settings::{LimitMode, LimitSettings};
use crate::listen::settings::ForwardSettings;
use crate::net::resolver::settings::{ResolverKind, ResolverSettings};
use crate::observe::access_log::{AccessFormat, AccessSink, LogSettings};
use crate::policy::bypass::{BypassSettings, Learn};
use crate::policy::destination::{DestinationSettings, PortSet};
use crate::policy::half_close::{FinPolicy, HalfClose, Profile, ServerFin};

#[test]
fn defaults_come_back() {
    let settings = Settings::default();
    assert_eq!(good(&render(&settings)), settings);
}

#[test]
fn the_text_is_a_file_a_person_would_write() {
    let text = render(&good("workers = 2\n[resolver.hosts]\n\"a.example\" = [\"::1\"]\n"));
    let expected = "workers = 2\n\n[admin]\nbind = \"127.0.0.1:9128\"\n\n[[forward]]\nname = \"default\"\nbind = \"127.0.0.1:3128\"\n\
                    on_client_fin = \"cancel\"\n\n[destinations]\nallow = []\nconnect_ports = [\"443\", \"8443\"]\n\n\
                    [limits]\nmode = \"enforce\"\nstream_after = \"10s\"\nstream_rate = 4096\nstream_lane = 50\n\n[policies]\n\n[resolver]\n\
                    kind = \"hickory\"\n\n[resolver.hosts]\n\"a.example\" = \"::1\"\n\n[log]\naccess = \"stdout\"\nformat = \"json\"\n\n\
                    [inspect]\ndefault = [\"builtin\"]\nwhile_held = \"trickle\"\nhold = \"10s\"\nidle_gap = \"1s\"\nfirst_byte_gap = \"2s\"\n\
                    trickle_after = \"5s\"\ndeadline = \"30s\"\nmemory = \"256KiB\"\nper_client = \"256MiB\"\ntotal = \"2GiB\"\n\n\
                    [bypass]\nlearn = \"suggest\"\n\n[state]\n\n[timeouts]\nclient_idle = \"1m\"\n";
    assert!(text.starts_with(expected), "{text}");
}

fn wait() -> impl Strategy<Value = Duration> {
    prop_oneof![1..100_000u64, Just(3_600_000), Just(86_400_000), Just(365 * 86_400_000)]
        .prop_map(Duration::from_millis)
}

fn network() -> impl Strategy<Value = IpNet> {
    (any::<IpAddr>(), 0..=32u8).prop_map(|(ip, prefix)| IpNet::new(ip, prefix).expect("prefix").trunc())
}

fn ports() -> impl Strategy<Value = PortSet> {
    let range = (1..=u16::MAX, 1..=u16::MAX).prop_map(|(a, b)| (a.min(b), a.max(b)));
    prop_oneof![Just(PortSet::Any), prop::collection::vec(range, 0..4).prop_map(PortSet::Ranges)]
}

fn log() -> impl Strategy<Value = LogSettings> {
    let file = "/proc/[ -~\u{e4}\u{4e2d}&&[^/]]{1,12}x".prop_map(|path| AccessSink::File(PathBuf::from(path)));
    let access = prop_oneof![Just(AccessSink::Off), Just(AccessSink::Stdout), file];
    let format = prop_oneof![Just(AccessFormat::Json), Just(AccessFormat::Squid), Just(AccessFormat::Combined)];
    (access, format).prop_map(|(access, format)| LogSettings { access, format })
}

fn timeouts() -> impl Strategy<Value = Timeouts> {
    (prop::array::uniform16(wait()), 0..1_000_000_000u64).prop_map(|(w, body_floor)| Timeouts {
        client_idle: w[0],
        request_head: w[1],
        body_window: w[2],
        body_floor,
        connect: w[3],
        connect_total: w[4],
        connect_head_start: w[5],
        response_head: w[6],
        stream_idle: w[7],
        upstream_write: w[8],
        client_write: w[9],
        half_close_http: w[10],
        half_close_tunnel: w[11],
        upstream_idle: w[12],
        resolve: w[13],
        drain: w[14],
    })
}

fn half_close() -> impl Strategy<Value = HalfClose> {
    let client = prop_oneof![Just(FinPolicy::Cancel), Just(FinPolicy::Finish)];
    let server = prop::option::of(prop_oneof![Just(ServerFin::Pass), Just(ServerFin::Close)]);
    let profile = prop::option::of(prop::sample::select(&Profile::ALL[..]));
    (client, server, prop::option::of(wait()), profile).prop_map(|(client, on_server_fin, limit, profile)| HalfClose {
        on_client_fin: Some(client),
        on_server_fin,
        limit,
        profile,
    })
}

fn forward() -> impl Strategy<Value = Vec<ForwardSettings>> {
    prop::collection::vec(("[A-Za-z0-9._-]{1,30}", any::<IpAddr>(), half_close()), 1..5).prop_map(|ports| {
        let numbered = ports.into_iter().enumerate();
        numbered
            .map(|(n, (name, ip, half_close))| ForwardSettings {
                name: format!("{name}{n}").into(),
                bind: SocketAddr::new(ip, 1000 + n as u16),
                half_close,
            })
            .collect()
    })
}

fn limits() -> impl Strategy<Value = LimitSettings> {
    let mode = prop_oneof![Just(LimitMode::Enforce), Just(LimitMode::Simulate), Just(LimitMode::Off)];
    let memory = prop::option::of(prop_oneof![(16u64 << 20)..(1 << 50), (16u64..4096).prop_map(|mib| mib << 20)]);
    (mode, wait(), 1..=1_000_000_000u64, 1..=100u8, memory).prop_map(
        |(mode, stream_after, stream_rate, stream_lane, memory)| LimitSettings {
            mode,
            stream_after,
            stream_rate,
            stream_lane,
            memory,
        },
    )
}

fn resolver() -> impl Strategy<Value = ResolverSettings> {
    let kind = prop_oneof![Just(ResolverKind::Hickory), Just(ResolverKind::System)];
    let name = "[a-z0-9_-]{1,20}(\\.[a-z0-9-]{1,10}){0,3}\\.[a-z]{2,5}".prop_map(String::into_boxed_str);
    let hosts = prop::collection::hash_map(name, prop::collection::vec(any::<IpAddr>(), 1..4), 0..5);
    (kind, hosts).prop_map(|(kind, hosts)| ResolverSettings { kind, hosts, deadline: Duration::ZERO })
}

/// A name; whether it lets pass, whether it does both; numbers; waits.
type Written = (String, ((bool, bool), (u32, u32), (Duration, Duration, Duration)));

fn services() -> impl Strategy<Value = Vec<IcapService>> {
    let words = (any::<bool>(), any::<bool>());
    let numbers = (1..=65_536u32, 0..=1_048_576u32);
    let waits = (wait(), wait(), wait());
    prop::collection::btree_map("[A-Za-z0-9._-]{1,20}x", (words, numbers, waits), 0..4).prop_map(|services| {
        let service = |(name, (words, (max_connections, preview), (connect, first_reply, whole))): Written| {
            let (pass, both) = words;

            let url = "icap://av.example:1345/x?y=1".parse().expect("address");
            let mut service = IcapService::new(&name, vec![url]);
            service.on_failure = if pass { OnFailure::Pass } else { OnFailure::Block };
            service.on_overload = if both { OnFailure::Pass } else { OnFailure::Block };
            service.partial = if pass { PartialContent::Offered } else { PartialContent::Refused };
            service.verdicts = if both { VerdictUse::Asked } else { VerdictUse::Kept };
            service.methods.extend(both.then_some(IcapMethod::Reqmod));
            service.timeouts = IcapTimeouts { connect, first_reply, whole, ..service.timeouts };
            IcapService { max_connections, preview, ..service }
        };
        services.into_iter().map(service).collect()
    })
}

fn icap_servers() -> impl Strategy<Value = Vec<IcapServerSettings>> {
    let port = (any::<IpAddr>(), prop::collection::vec(network(), 0..3), 1..=65_536_u32);
    prop::collection::btree_map("[A-Za-z0-9._-]{1,20}", port, 0..3).prop_map(|ports| {
        let port = |(name, (ip, allow, max_connections)): (String, (IpAddr, _, _))| IcapServerSettings {
            allow,
            max_connections,
            ..IcapServerSettings::new(&name, SocketAddr::new(ip, 0))
        };
        ports.into_iter().map(port).collect()
    })
}

fn hold() -> impl Strategy<Value = HoldSettings> {
    prop::array::uniform5(wait()).prop_map(|[longest, idle_gap, first_byte_gap, trickle_after, deadline]| {
        HoldSettings { longest, idle_gap, first_byte_gap, trickle_after, deadline }
    })
}

fn spool() -> impl Strategy<Value = SpoolSettings> {
    let size = prop_oneof![4096..1u64 << 50, (4..4096u64).prop_map(|kib| kib << 10)];
    let sizes = prop::array::uniform3(size);
    (sizes, prop::option::of(Just(PathBuf::from("/proc")))).prop_map(|(mut sizes, dir)| {
        sizes.sort_unstable();
        let [memory, per_client, total] = sizes;
        SpoolSettings { memory, per_client, total, dir }
    })
}

// Boxed where it is large: all of it together is too much for the stack of a test.
prop_compose! {
    // Boxed, because all of them together are too large for the stack of a test.
    fn settings()(
        workers in 1..=1024usize,
        admin in any::<IpAddr>(),
        forward in forward().boxed(),
        allow in prop::collection::vec(network(), 0..4),
        connect_ports in ports(),
        limits in limits().boxed(),
        dir in prop::option::of(Just(PathBuf::from("/proc"))),
        mut resolver in resolver().boxed(),
        log in log().boxed(),
        timeouts in timeouts().boxed(),
        icap in services().boxed(),
        while_held in prop::sample::select(&[WhileHeld::Trickle, WhileHeld::Page, WhileHeld::Nothing][..]),
        undecodable in prop::sample::select(&[None, Some(OnUndecodable::Pass), Some(OnUndecodable::Block)][..]),
        hold in hold().boxed(),
        spool in spool().boxed(),
        learn in prop::sample::select(&[Learn::Off, Learn::Suggest, Learn::On][..]),
        state in prop::option::of(Just(PathBuf::from("/proc/state"))),
        icap_server in icap_servers().boxed(),
    ) -> Settings {
        resolver.deadline = timeouts.resolve;
        let default = icap.iter().rev().map(|service| ScannerName::Icap(service.name.clone())).collect();
        Settings {
            workers,
            admin: AdminSettings { bind: SocketAddr::new(admin, 9128), tokens: AdminTokens::default() },
            forward,
            destinations: DestinationSettings { allow, connect_ports, own: Vec::new() },
            limits,
            policies: PolicySettings { dir, ..PolicySettings::default() },
            icap,
            icap_server,
            inspect: InspectSettings { default, while_held, undecodable, hold, spool },
            bypass: BypassSettings { learn },
            state: StateSettings { dir: state },
            resolver,
            log,
            timeouts,
            ..Settings::default()
        }
    }
}

proptest! {
    #[test]
    fn settings_come_back(settings in settings()) {
        prop_assert_eq!(good(&render(&settings)), settings);
    }
}
