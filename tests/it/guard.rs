//! The destination guard through the whole proxy: every spelling, every way to ask (security.md 2.3).

use std::net::{IpAddr, UdpSocket};

use tether::config::settings::Settings;
use tether::policy::destination::PortSet;

use crate::support::answer::{Answer, answer, answer_body, answer_head};
use crate::support::client::asking;
use crate::support::proxy::Proxy;
use crate::support::script::{Scripted, ok};

/// Hosts that are refused by default, and the status.
const REFUSED: &[(&str, &str, u16)] = &[
    ("loopback", "127.0.0.1", 403),
    ("loopback, another", "127.8.8.8", 403),
    ("loopback, two parts", "127.1", 403),
    ("loopback, three parts", "127.0.1", 403),
    ("loopback, one number", "2130706433", 403),
    ("loopback, one hexadecimal number", "0x7f000001", 403),
    ("loopback, hexadecimal part", "0x7f.1", 403),
    ("loopback, octal part", "0177.0.0.1", 403),
    ("loopback, final dot", "127.0.0.1.", 403),
    ("this network", "0", 403),
    ("unspecified", "0.0.0.0", 403),
    ("this network, another", "0.1.2.3", 403),
    ("unspecified v6", "[::]", 403),
    ("loopback v6", "[::1]", 403),
    ("loopback v6, long", "[0:0:0:0:0:0:0:1]", 403),
    ("localhost", "localhost", 403),
    ("localhost, capitals", "LocalHost", 403),
    ("localhost, final dot", "localhost.", 403),
    ("below localhost", "foo.localhost", 403),
    ("v4 mapped", "[::ffff:127.0.0.1]", 403),
    ("v4 mapped, hexadecimal", "[::ffff:7f00:1]", 403),
    ("v4 translated", "[::ffff:0:127.0.0.1]", 403),
    ("v4 compatible", "[::127.0.0.1]", 403),
    ("NAT64", "[64:ff9b::127.0.0.1]", 403),
    ("NAT64 of a private address", "[64:ff9b::a00:1]", 403),
    ("NAT64, local prefix", "[64:ff9b:1::1]", 403),
    ("6to4", "[2002:7f00:1::]", 403),
    ("Teredo", "[2001:0:1:2:3:4:80ff:fffe]", 403),
    ("private 10", "10.1.2.3", 403),
    ("private 172.16", "172.16.0.1", 403),
    ("private 192.168", "192.168.1.1", 403),
    ("private, mapped", "[::ffff:10.0.0.1]", 403),
    ("carrier-grade NAT", "100.64.0.1", 403),
    ("link-local", "169.254.1.1", 403),
    ("metadata", "169.254.169.254", 403),
    ("metadata, one number", "2852039166", 403),
    ("metadata, v6", "[fd00:ec2::254]", 403),
    ("metadata, Alibaba", "100.100.100.200", 403),
    ("metadata, Azure", "168.63.129.16", 403),
    ("unique local", "[fc00::1]", 403),
    ("link-local v6", "[fe80::1]", 403),
    ("site-local", "[fec0::1]", 403),
    ("multicast", "224.0.0.1", 403),
    ("multicast v6", "[ff02::1]", 403),
    ("broadcast", "255.255.255.255", 403),
    ("reserved", "240.0.0.1", 403),
    ("protocol assignments", "192.0.0.1", 403),
    ("benchmarking", "198.18.0.1", 403),
    ("documentation", "203.0.113.1", 403),
    ("documentation v6", "[2001:db8::1]", 403),
    ("percent-encoded", "%31%32%37.0.0.1", 400),
    ("full-width digits", "\u{ff11}\u{ff12}\u{ff17}.0.0.1", 400),
    ("circled digits", "\u{2460}\u{2461}\u{2466}.0.0.1", 400),
    ("ideographic full stop", "127\u{3002}0\u{3002}0\u{3002}1", 400),
    ("soft hyphen", "local\u{ad}host", 400),
    ("zone id", "[fe80::1%eth0]", 400),
    ("zone id, encoded", "[::1%25lo]", 400),
    ("v4 in brackets", "[127.0.0.1]", 400),
    ("five parts", "127.0.0.0.1", 400),
    ("part over 255", "127.0.0.256", 400),
    ("octal that is none", "0189.0.0.1", 400),
    ("one number over 32 bits", "4294967296", 400),
    ("user info", "example.com@127.0.0.1", 400),
    ("backslash", "example.com\\@127.0.0.1", 400),
    ("no host", "", 400),
];

/// The two ways to ask for a destination.
const WAYS: [fn(&str) -> String; 2] = [
    |to| format!("GET http://{to}/ HTTP/1.1\r\nHost: h\r\n\r\n"),
    |to| format!("CONNECT {to} HTTP/1.1\r\nHost: h\r\n\r\n"),
];

/// An origin on every address of loopback that says which one was dialled.
fn everywhere() -> (Scripted, u16) {
    let origin = Scripted::on("0.0.0.0:0", |visit| {
        let dialled = visit.dialled().ip().to_string();
        while visit.head().is_some() {
            visit.send(ok(&dialled));
        }
    });
    let port = origin.address().port();
    (origin, port)
}

fn dials(proxy: &Proxy) -> u64 {
    proxy.app().counters().iter().map(|worker| worker.upstream_opened.get()).sum()
}

/// What the proxy says to the request for `to`, and, where it opens a tunnel, what the origin behind it says.
fn ask(proxy: &Proxy, way: fn(&str) -> String, to: &str) -> Answer {
    println!("{to}");
    let request = way(to);
    let mut client = asking(proxy, &request);
    let first = answer_head(&mut client).expect("an answer");
    if first.status != 200 || request.starts_with("GET") {
        return answer_body(&mut client, first);
    }
    client.send("GET / HTTP/1.1\r\n\r\n");
    answer(&mut client)
}

#[test]
fn what_is_not_public_is_refused_without_a_dial() {
    let proxy = Proxy::with(|settings| settings.destinations.allow.clear());
    let (origin, port) = everywhere();
    for (name, host, status) in REFUSED {
        for way in WAYS {
            let refusal = ask(&proxy, way, &format!("{host}:{port}"));
            assert_eq!(refusal.status, *status, "{name}: {refusal:?}");
            assert!(refusal.field("Proxy-Status").is_some(), "{name}: not our own answer: {refusal:?}");
            assert_eq!(dials(&proxy), 0, "{name}: it was dialled");
        }
    }
    assert!(origin.seen().is_empty());
}

#[test]
fn an_allowed_range_is_opened_exactly() {
    let proxy = Proxy::with(|settings| settings.destinations.allow = vec!["127.0.0.2/31".parse().expect("net")]);
    let (origin, port) = everywhere();
    for (host, dialled) in [
        ("127.0.0.1", None),
        ("127.0.0.2", Some("127.0.0.2")),
        ("127.0.0.3", Some("127.0.0.3")),
        ("127.0.0.4", None),
        ("127.2", Some("127.0.0.2")),
        ("0x7f000003", Some("127.0.0.3")),
        ("127.1", None),
        ("10.0.0.2", None),
        ("[::1]", None),
        ("localhost", None),
    ] {
        for way in WAYS {
            let got = ask(&proxy, way, &format!("{host}:{port}"));
            match dialled {
                Some(dialled) => assert_eq!((got.status, got.text().as_str()), (200, dialled), "{host}: {got:?}"),
                None => assert_eq!(got.status, 403, "{host}: {got:?}"),
            }
        }
    }
    assert_eq!(origin.seen().len(), 8);
}

/// Spellings of this very machine.
const OURSELVES: [&str; 14] = [
    "127.0.0.1",
    "127.1",
    "2130706433",
    "0x7f.1",
    "0177.0.0.1",
    "127.0.0.1.",
    "0",
    "0.0.0.0",
    "[::]",
    "[::ffff:127.0.0.1]",
    "[::ffff:7f00:1]",
    "[64:ff9b::7f00:1]",
    "localhost",
    "us.example",
];

fn open_to_all(settings: &mut Settings) {
    settings.destinations.allow = vec!["0.0.0.0/0".parse().expect("net"), "::/0".parse().expect("net")];
    settings.resolver.hosts.insert("us.example".into(), vec!["127.0.0.1".parse().expect("address")]);
}

fn refuses_ourselves(proxy: &Proxy, host: &str) {
    let accepted = || proxy.app().counters().iter().map(|worker| worker.accepted.get()).sum::<u64>();
    for (name, port) in [("proxy", proxy.address().port()), ("admin", proxy.admin().port())] {
        for way in WAYS {
            let before = accepted();
            let refusal = ask(proxy, way, &format!("{host}:{port}"));
            assert_eq!(refusal.status, 502, "{name} at {host}: {refusal:?}");
            assert!(refusal.field("Proxy-Status").is_some(), "{name} at {host}: {refusal:?}");
            assert_eq!(accepted() - before, 1, "{name} at {host}: the proxy talked to itself");
        }
    }
}

#[test]
fn our_own_ports_are_refused_whatever_is_allowed() {
    let proxy = Proxy::with(open_to_all);
    for host in OURSELVES {
        refuses_ourselves(&proxy, host);
    }
}

#[test]
fn our_own_ports_on_every_address_are_refused_on_every_address() {
    let proxy = Proxy::with(|settings| {
        open_to_all(settings);
        settings.forward[0].bind = "0.0.0.0:0".parse().expect("address");
        settings.admin.bind = "0.0.0.0:0".parse().expect("address");
    });
    for host in ["127.0.0.1", "127.5.5.5", "0.0.0.0", "[::ffff:127.5.5.5]", "localhost"] {
        refuses_ourselves(&proxy, host);
    }
}

/// The address by which others know this machine; none where there is no network. No packet is sent.
fn own_address() -> Option<IpAddr> {
    let socket = UdpSocket::bind("0.0.0.0:0").ok()?;
    socket.connect("192.0.2.1:9").ok()?;
    let own = socket.local_addr().ok()?.ip();
    (!own.is_loopback()).then_some(own)
}

#[test]
fn our_own_ports_behind_the_address_of_this_machine_are_refused() {
    let Some(own) = own_address() else { return };
    let proxy = Proxy::with(|settings| {
        open_to_all(settings);
        settings.forward[0].bind = "0.0.0.0:0".parse().expect("address");
        settings.admin.bind = "0.0.0.0:0".parse().expect("address");
    });
    for port in [proxy.address().port(), proxy.admin().port()] {
        for way in WAYS {
            let refusal = ask(&proxy, way, &format!("{own}:{port}"));
            assert_eq!(refusal.status, 502, "{refusal:?}");
            let status = refusal.field("Proxy-Status").unwrap_or_default();
            assert!(status.contains("proxy_loop_detected"), "{refusal:?}");
        }
    }
}

#[test]
fn of_a_name_with_several_addresses_only_the_allowed_are_dialled() {
    let (origin, port) = everywhere();
    let proxy = Proxy::with(|settings| {
        settings.destinations.allow = vec!["127.0.0.2/32".parse().expect("net")];
        for (name, addresses) in [
            ("first.example", &["127.0.0.2", "127.0.0.1"][..]),
            ("last.example", &["127.0.0.1", "10.0.0.1", "::1", "::ffff:127.0.0.1", "127.0.0.2"]),
            ("none.example", &["127.0.0.1", "::1"]),
        ] {
            let addresses = addresses.iter().map(|address| address.parse().expect("address")).collect();
            settings.resolver.hosts.insert(name.into(), addresses);
        }
    });
    for way in WAYS {
        for name in ["first.example", "LAST.example", "last.example."] {
            assert_eq!(ask(&proxy, way, &format!("{name}:{port}")).text(), "127.0.0.2");
        }
        let refusal = ask(&proxy, way, &format!("none.example:{port}"));
        assert_eq!(refusal.status, 403, "{refusal:?}");
    }
    assert_eq!(origin.seen().len(), 6);
    // Where the allowed address does not answer, the others are no way out.
    let elsewhere = Scripted::on("127.0.0.1:0", |visit| _ = visit.send(ok("reached")));
    for way in WAYS {
        let refusal = ask(&proxy, way, &format!("last.example:{}", elsewhere.address().port()));
        assert_eq!(refusal.status, 502, "{refusal:?}");
    }
    assert!(elsewhere.seen().is_empty());
}

#[test]
fn connect_goes_to_listed_ports_only() {
    let proxy = Proxy::with(|settings| settings.destinations.connect_ports = PortSet::default());
    for (port, status) in [
        ("25", 403),
        ("22", 403),
        ("80", 403),
        ("442", 403),
        ("444", 403),
        ("6379", 403),
        ("8442", 403),
        ("65535", 403),
        ("0", 400),
        ("65536", 400),
        ("+443", 400),
    ] {
        let refusal = ask(&proxy, WAYS[1], &format!("127.0.0.1:{port}"));
        assert_eq!(refusal.status, status, "{port}: {refusal:?}");
        assert_eq!(dials(&proxy), 0, "{port}: it was dialled");
    }
    let (_origin, port) = everywhere();
    let listed = Proxy::with(|settings| settings.destinations.connect_ports = PortSet::Ranges(vec![(port, port)]));
    assert_eq!(ask(&listed, WAYS[1], &format!("127.0.0.1:{port}")).text(), "127.0.0.1");
    assert_eq!(ask(&listed, WAYS[1], &format!("127.0.0.1:{}", port ^ 1)).status, 403);
}

#[test]
fn redirects_are_left_to_the_client() {
    let proxy = Proxy::start();
    let (elsewhere, _) = everywhere();
    let origin = Scripted::answering(format!(
        "HTTP/1.1 302 Found\r\nLocation: http://{}/\r\nContent-Length: 0\r\n\r\n",
        elsewhere.address()
    ));
    assert_eq!(ask(&proxy, WAYS[0], &origin.address().to_string()).status, 302);
    assert!(elsewhere.seen().is_empty());
}
