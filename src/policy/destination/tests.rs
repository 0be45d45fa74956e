//! Addresses in every spelling that has been used to get past a guard (security.md 2.3).

use super::*;

fn guard(allow: &[&str]) -> DestinationSettings {
    DestinationSettings {
        allow: allow.iter().map(|net| net.parse().expect("net")).collect(),
        own: vec!["127.0.0.1:3128".parse().expect("own"), "0.0.0.0:9128".parse().expect("own")],
        ..DestinationSettings::default()
    }
}

fn at(ip: &str, port: u16) -> SocketAddr {
    SocketAddr::new(ip.parse().expect("address"), port)
}

#[test]
fn refused_by_default() {
    let guard = guard(&[]);
    for ip in [
        "127.0.0.1",
        "127.8.8.8",
        "0.0.0.0",
        "0.1.2.3",
        "10.1.2.3",
        "172.16.0.1",
        "172.31.255.255",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "100.100.100.200",
        "168.63.129.16",
        "192.0.0.1",
        "198.18.0.1",
        "198.19.255.1",
        "224.0.0.1",
        "239.1.1.1",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::127.0.0.1",
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
        "::ffff:0:127.0.0.1",
        "64:ff9b::7f00:1",
        "64:ff9b::a00:1",
        "64:ff9b:1::1",
        "2002:7f00:1::",
        "2002:a00:1::1",
        "2001:0:1:2:3:4:80ff:fffe",
        "fe80::1",
        "fec0::1",
        "fc00::1",
        "fd00:ec2::254",
        "ff02::1",
        "2001:db8::1",
        "100::1",
    ] {
        assert_eq!(guard.judge(at(ip, 80)), Err(Refusal::NotPublic), "{ip}");
    }
}

#[test]
fn public_addresses_pass() {
    let guard = guard(&[]);
    for ip in [
        "1.1.1.1",
        "93.184.216.34",
        "172.32.0.1",
        "100.128.0.1",
        "192.0.1.1",
        "2606:4700::1111",
        "::ffff:1.1.1.1",
        "64:ff9b::101:101",
        "2002:101:101::1",
    ] {
        assert_eq!(guard.judge(at(ip, 80)), Ok(()), "{ip}");
    }
}

#[test]
fn allow_opens_a_range_in_every_spelling_and_nothing_else() {
    let guard = guard(&["127.0.0.0/8", "fd00::/8"]);
    for ip in ["127.0.0.1", "127.9.9.9", "::ffff:127.0.0.1", "64:ff9b::7f00:1", "fd12::1"] {
        assert_eq!(guard.judge(at(ip, 80)), Ok(()), "{ip}");
    }
    for ip in ["10.0.0.1", "::1", "fe80::1"] {
        assert_eq!(guard.judge(at(ip, 80)), Err(Refusal::NotPublic), "{ip}");
    }
}

#[test]
fn own_ports_are_refused_whatever_is_allowed() {
    let guard = guard(&["0.0.0.0/0", "::/0"]);
    for (ip, port) in [
        ("127.0.0.1", 3128),
        ("::ffff:127.0.0.1", 3128),
        ("64:ff9b::7f00:1", 3128),
        ("0.0.0.0", 3128),
        ("::", 3128),
        ("127.0.0.1", 9128),
        ("127.5.5.5", 9128),
        ("::1", 9128),
    ] {
        assert_eq!(guard.judge(at(ip, port)), Err(Refusal::OwnPort), "{ip}:{port}");
    }
    assert_eq!(guard.judge(at("127.0.0.2", 3128)), Ok(()), "another address, another listener");
    assert_eq!(guard.judge(at("127.0.0.1", 80)), Ok(()));
}

#[test]
fn a_connection_to_this_very_machine_is_told_by_its_two_ends() {
    let guard = guard(&["0.0.0.0/0"]);
    let lan = "192.168.7.7";
    assert_eq!(guard.judge_connected(at(lan, 50_000), at(lan, 9128)), Err(Refusal::OwnPort));
    assert_eq!(guard.judge_connected(at(lan, 50_000), at(lan, 80)), Ok(()));
    assert_eq!(guard.judge_connected(at(lan, 50_000), at("192.168.7.8", 9128)), Ok(()));
}

#[test]
fn port_sets() {
    let ports = PortSet::Ranges(vec![(443, 443), (8000, 8999)]);
    assert!(ports.contains(443) && ports.contains(8000) && ports.contains(8999));
    assert!(!ports.contains(25) && !ports.contains(9000));
    assert!(PortSet::Any.contains(22) && !PortSet::Any.contains(0));
}
