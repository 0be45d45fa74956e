//! Files that are right, and what they become.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::good;
use crate::config::settings::Settings;
use crate::config::shape::TimeoutsShape;
use crate::config::{DEFAULT_TOML, Overrides, parse, render};
use crate::icap::server::settings::IcapServerSettings;
use crate::icap::settings::{IcapMethod, IcapService, OnFailure, PartialContent};
use crate::inspect::course::{HoldSettings, InspectSettings, OnUndecodable, ScannerName, SpoolSettings, WhileHeld};
use crate::limits::settings::{LimitMode, LimitSettings};
use crate::net::resolver::settings::ResolverKind;
use crate::observe::access_log::{AccessFormat, AccessSink};
use crate::policy::destination::PortSet;
use crate::policy::half_close::{FinPolicy, HalfClose, Profile, ServerFin};
use crate::tls::trust::Trust;

#[test]
fn the_default_file_is_the_default() {
    assert_eq!(good(DEFAULT_TOML), Settings::default());
    assert_eq!(good(""), Settings::default());
}

#[test]
fn the_default_file_shows_every_key() {
    let everything = render(&good(
        "[[forward]]\nbind = \"127.0.0.1:1\"\non_server_fin = \"close\"\nhalf_close = \"5s\"\nprofile = \"panos\"\n\
         [limits]\nmemory = \"2GiB\"\n[policies]\ndir = \"/proc\"\n[resolver.hosts]\n\"intranet.example\" = \"10.1.2.3\"\n\
         [icap.av]\nurls = \"icap://127.0.0.1:1344/respmod\"\n[inspect]\nspool_dir = \"/proc\"\nundecodable = \"pass\"\n",
    ));
    let keys = everything.lines().filter_map(|line| line.split_once(" = ")).map(|(key, _)| key);
    let mut seen = 0;
    for key in keys {
        let shown = DEFAULT_TOML.lines().any(|line| {
            let line = line.strip_prefix("# ").unwrap_or(line);
            line.strip_prefix(key).is_some_and(|rest| rest.starts_with(" = "))
        });
        assert!(shown, "{key}");
        seen += 1;
    }
    assert!(seen > 53, "{seen} keys in\n{everything}");
}

#[test]
fn the_commented_examples_are_right() {
    let uncommented: Vec<&str> = DEFAULT_TOML
        .lines()
        // Where an example and the value stand one above the other, only one of them can be used.
        // A file of secrets is not part of this repository.
        .filter(|line| !["allow = []", "default = [\"builtin\"]", "# token_file = \"admin.tokens\""].contains(line))
        .map(|line| {
            if line.contains(" = ") || line.starts_with("# [") { line.strip_prefix("# ").unwrap_or(line) } else { line }
        })
        .filter(|line| !line.contains("(on_client_fin = "))
        .collect();
    // The rule files of the example are there when it stands beside those of this repository.
    let base = Path::new(env!("CARGO_MANIFEST_DIR"));
    let text = uncommented.join("\n").replace("/etc/tether/icap-ca.pem", "tests/it/icap/tls/ca.pem");
    let settings = parse("t.toml", base, text.into(), &Overrides::default()).expect("good");
    assert_eq!(settings.policies.dir, Some(base.join("policies")));
    assert_eq!(settings.state.dir.as_deref(), Some(Path::new("/var/lib/tether")));
    assert_eq!(settings.limits.memory, Some(2 << 30));
    assert_eq!(settings.forward[0].half_close.profile, Some(Profile::Panos));
    assert_eq!(settings.workers, 2);
    assert_eq!(settings.destinations.allow.len(), 2);
    assert_eq!(settings.resolver.hosts.len(), 2);
    let url = "icap://127.0.0.1:1344/respmod".parse().expect("address");
    let av = &settings.icap[0];
    assert!(matches!(&av.trust, Trust::Only { file, .. } if file.starts_with(base)));
    assert_eq!(&**av.standby_urls[0].text(), "icap://127.0.0.2:1344/respmod");
    let plain = IcapService { trust: Trust::System, standby_urls: Vec::new(), ..av.clone() };
    assert_eq!(plain, IcapService::new("av", vec![url]));
    assert_eq!(settings.inspect.default, [ScannerName::BuiltIn, ScannerName::Icap("av".into())]);
    assert_eq!(settings.inspect.spool.dir, Some(PathBuf::from("/var/tmp")));
}

#[test]
fn every_value_arrives() {
    let settings = good(
        "workers = 3\n[admin]\nbind = \"[::1]:9\"\n[[forward]]\nname = \"office\"\nbind = \"0.0.0.0:1\"\non_client_fin = \"finish\"\n\
         [[forward]]\nname = \"guests\"\nbind = \"127.0.0.1:2\"\n[destinations]\nallow = [\"127.0.0.0/8\"]\n\
         connect_ports = [\"443\", \"8000-8999\"]\n[resolver]\nkind = \"system\"\n[resolver.hosts]\n\
         \"P1.Livesport.example.\" = \"127.0.0.1\"\n\"p2.example\" = [\"127.0.0.2\", \"::2\"]\n\
         [log]\naccess = \"/proc/self/access.log\"\nformat = \"squid\"\n[timeouts]\nresolve = \"7s\"\nbody_floor = 0\ndrain = \"0s\"\n",
    );
    assert_eq!(settings.workers, 3);
    assert_eq!(settings.admin.bind.to_string(), "[::1]:9");
    let ports: Vec<_> = settings
        .forward
        .iter()
        .map(|port| (&*port.name, port.bind.to_string(), port.half_close.on_client_fin))
        .collect();
    let expected = [
        ("office", "0.0.0.0:1".to_owned(), Some(FinPolicy::Finish)),
        ("guests", "127.0.0.1:2".to_owned(), Some(FinPolicy::Cancel)),
    ];
    assert_eq!(ports, expected);
    assert_eq!(settings.destinations.allow, ["127.0.0.0/8".parse().expect("net")]);
    assert_eq!(settings.destinations.connect_ports, PortSet::Ranges(vec![(443, 443), (8000, 8999)]));
    assert_eq!(settings.resolver.kind, ResolverKind::System);
    let ip = |text: &str| text.parse::<IpAddr>().expect("ip");
    assert_eq!(settings.resolver.hosts["p1.livesport.example"], [ip("127.0.0.1")]);
    assert_eq!(settings.resolver.hosts["p2.example"], [ip("127.0.0.2"), ip("::2")]);
    assert_eq!(settings.resolver.deadline, Duration::from_secs(7));
    assert_eq!(settings.log.access, AccessSink::File(PathBuf::from("/proc/self/access.log")));
    assert_eq!(settings.log.format, AccessFormat::Squid);
    assert_eq!((settings.timeouts.body_floor, settings.timeouts.drain), (0, Duration::ZERO));
}

#[test]
fn services_arrive_and_are_asked_in_the_order_of_the_list() {
    let settings = good(
        "[icap.slow]\nurls = [\"icap://a.example/x\", \"icap://b.example:1345/x\"]\nmethods = [\"respmod\", \"REQMOD\"]\n\
         on_failure = \"pass\"\nmax_connections = 7\npreview = 0\nconnect = \"2s\"\nfirst_reply = \"3s\"\nwhole = \"4s\"\n\
         [icap.av]\nurls = \"icap://[::1]/y\"\n[inspect]\ndefault = [\"slow\", \"builtin\"]\n",
    );
    assert_eq!(settings.icap.iter().map(|service| &*service.name).collect::<Vec<_>>(), ["av", "slow"]);
    let slow = &settings.icap[1];
    let urls: Vec<&str> = slow.urls.iter().map(|url| &**url.text()).collect();
    assert_eq!(urls, ["icap://a.example/x", "icap://b.example:1345/x"]);
    assert_eq!(slow.methods, [IcapMethod::Respmod, IcapMethod::Reqmod]);
    assert_eq!((slow.on_failure, slow.max_connections, slow.preview), (OnFailure::Pass, 7, 0));
    assert_eq!(slow.on_overload, OnFailure::Pass, "it is the same where nothing is said");
    let strict =
        good("[icap.av]\nurls = \"icap://[::1]/y\"\non_failure = \"pass\"\non_overload = \"block\"\npartial = true\n");
    assert_eq!(strict.icap[0].partial, PartialContent::Offered);
    assert_eq!((strict.icap[0].on_failure, strict.icap[0].on_overload), (OnFailure::Pass, OnFailure::Block));
    let waits = [slow.timeouts.connect, slow.timeouts.first_reply, slow.timeouts.whole];
    assert_eq!(waits, [2, 3, 4].map(Duration::from_secs));
    assert_eq!(settings.inspect.default, [ScannerName::Icap("slow".into()), ScannerName::BuiltIn]);
    assert_eq!(good("[inspect]\ndefault = []\n").inspect.default, []);
    assert_eq!(good("").inspect.default, [ScannerName::BuiltIn]);
}

#[test]
fn how_bodies_are_held_arrives() {
    let settings = good(
        "[inspect]\nhold = \"1s\"\nidle_gap = \"2s\"\nfirst_byte_gap = \"3s\"\nwhile_held = \"page\"\nundecodable = \"block\"\ntrickle_after = \"4s\"\ndeadline = \"5s\"\n\
         memory = 4096\nper_client = \"1MiB\"\ntotal = \"1GB\"\nspool_dir = \"/proc\"\n",
    );
    let seconds = Duration::from_secs;
    let hold = HoldSettings {
        longest: seconds(1),
        idle_gap: seconds(2),
        first_byte_gap: seconds(3),
        trickle_after: seconds(4),
        deadline: seconds(5),
    };
    let spool =
        SpoolSettings { memory: 4096, per_client: 1 << 20, total: 1_000_000_000, dir: Some(PathBuf::from("/proc")) };
    assert_eq!(
        settings.inspect,
        InspectSettings {
            default: vec![ScannerName::BuiltIn],
            while_held: WhileHeld::Page,
            undecodable: Some(OnUndecodable::Block),
            hold,
            spool
        }
    );
}

#[test]
fn the_directory_of_held_bodies_is_found_beside_the_file() {
    let root = tempfile::tempdir().expect("directory");
    std::fs::create_dir(root.path().join("held")).expect("directory");
    let text = "[inspect]\nspool_dir = \"held\"\n";
    let settings = parse("t.toml", root.path(), text.into(), &Overrides::default()).expect("good");
    assert_eq!(settings.inspect.spool.dir, Some(root.path().join("held")));
}

#[test]
fn a_service_under_tls_arrives_with_those_who_stand_by() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("ca.pem"), include_str!("../../../tests/it/icap/tls/ca.pem")).expect("a file");
    let text =
        "[icap.av]\nurls = \"icaps://av.example/x\"\nstandby_urls = [\"unix:/run/av.sock:/x\"]\nca_file = \"ca.pem\"\n";
    let settings = parse("tether.toml", folder.path(), text.into(), &Overrides::default()).expect("good");
    let service = &settings.icap[0];
    assert_eq!(&**service.standby_urls[0].text(), "unix:/run/av.sock:/x");
    assert!(matches!(&service.trust, Trust::Only { file, .. } if *file == folder.path().join("ca.pem")));
    assert_eq!(good(&render(&settings)).icap, settings.icap);
}

#[test]
fn icap_servers_arrive_and_answer_this_machine_only() {
    let settings = good(
        "[[icap_server]]\nbind = \"127.0.0.1:1345\"\n[[icap_server]]\nname = \"squid\"\nbind = \"[::]:1346\"\nallow = [\"10.0.0.0/8\"]\nmax_connections = 9\n",
    );
    let ip = |text: &str| text.parse().expect("an address");
    let [plain, squid] = &settings.icap_server[..] else { panic!("two were written") };
    assert_eq!(*plain, IcapServerSettings::new("icap", "127.0.0.1:1345".parse().expect("address")));
    assert_eq!((&*squid.name, squid.allow.len(), squid.max_connections), ("squid", 1, 9));
    assert!(squid.admits(ip("10.1.2.3")) && !squid.admits(ip("127.0.0.1")) && plain.admits(ip("::1")));
    assert!(good("").icap_server.is_empty(), "there is none unless it is written");
}

#[test]
fn limits_and_half_close_arrive() {
    let settings = good(
        "[[forward]]\nbind = \"127.0.0.1:1\"\non_client_fin = \"finish\"\non_server_fin = \"close\"\nhalf_close = \"7s\"\n\
         profile = \"aws-nlb\"\n[limits]\nmode = \"simulate\"\nstream_after = \"3s\"\nstream_rate = 100\nstream_lane = 30\n\
         memory = 1000000000\n",
    );
    let half_close = HalfClose {
        on_client_fin: Some(FinPolicy::Finish),
        on_server_fin: Some(ServerFin::Close),
        limit: Some(Duration::from_secs(7)),
        profile: Some(Profile::AwsNlb),
    };
    assert_eq!(settings.forward[0].half_close, half_close);
    let limits = LimitSettings {
        mode: LimitMode::Simulate,
        stream_after: Duration::from_secs(3),
        stream_rate: 100,
        stream_lane: 30,
        memory: Some(1_000_000_000),
    };
    assert_eq!(settings.limits, limits);
}

#[test]
fn every_timeout_arrives_at_its_own_place() {
    let default = good("");
    let keys = toml::to_string(&toml::Table::try_from(TimeoutsShape::default()).expect("table")).expect("toml");
    assert!(keys.is_empty(), "an empty shape writes no key");
    for line in render(&default).split_once("[timeouts]\n").expect("section").1.lines() {
        let (key, value) = line.split_once(" = ").expect("key");
        let other = if value.starts_with('"') { "\"1234ms\"" } else { "1234" };
        let changed = render(&good(&format!("[timeouts]\n{key} = {other}\n")));
        let differing: Vec<_> = changed.lines().filter(|line| !render(&default).contains(*line)).collect();
        assert_eq!(differing, [format!("{key} = {other}")]);
    }
}

#[test]
fn connect_ports_in_all_its_shapes() {
    let ports =
        |written: &str| good(&format!("[destinations]\nconnect_ports = {written}\n")).destinations.connect_ports;
    assert_eq!(ports("\"any\""), PortSet::Any);
    assert_eq!(ports("[\"443\", \"any\"]"), PortSet::Any);
    assert_eq!(ports("\"443\""), PortSet::Ranges(vec![(443, 443)]));
    assert_eq!(ports("[]"), PortSet::Ranges(Vec::new()));
    assert_eq!(ports("[\"1-65535\"]"), PortSet::Ranges(vec![(1, 65535)]));
}

#[test]
fn ports_that_do_not_clash() {
    for binds in [["127.0.0.1:1", "127.0.0.2:1"], ["0.0.0.0:1", "0.0.0.0:2"], ["127.0.0.1:0", "127.0.0.1:0"]] {
        let sections = binds.iter().enumerate();
        let text: String =
            sections.map(|(n, bind)| format!("[[forward]]\nname = \"n{n}\"\nbind = \"{bind}\"\n")).collect();
        assert_eq!(good(&text).forward.len(), 2);
    }
}
