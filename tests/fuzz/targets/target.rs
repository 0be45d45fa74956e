//! A letter for the method (C, O, else GET), then any text as a request target: it is read in one way only, what we
//! write is read the same again, and no spelling of an address gets past the destination guard.

#![no_main]

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use libfuzzer_sys::fuzz_target;
use tether::base::authority::{Authority, Host};
use tether::http::method::Method;
use tether::http::target::{Target, read_target};
use tether::policy::destination::DestinationSettings;

fuzz_target!(|input: &[u8]| {
    let Some((method, text)) = input.split_first() else { return };
    for port in [None, Some(80)] {
        if let Ok(authority) = Authority::parse(text, port) {
            assert!(authority.is_spelled(text));
            is_one_server(&authority);
        }
    }
    let Ok(text) = std::str::from_utf8(text) else { return };
    let method = match method {
        b'C' => Method::Connect,
        b'O' => Method::Options,
        _ => Method::Get,
    };
    match read_target(method, text, None) {
        Ok((Target::Origin(authority), path)) => {
            is_one_server(&authority);
            assert!(path.starts_with('/') || (path == "*" && method == Method::Options), "{path:?}");
            let absolute = format!("http://{}{}", authority.host_field(), if path == "*" { "" } else { path });
            let (again, path_again) = read_target(method, &absolute, Some(&authority)).expect("ours is strict");
            assert!(
                matches!(&again, Target::Origin(same) if same.text() == authority.text()),
                "{absolute:?}: {again:?}"
            );
            assert_eq!(path_again, path);
        }
        Ok((Target::Tunnel(authority), path)) => {
            is_one_server(&authority);
            assert!(method == Method::Connect && path.is_empty());
        }
        Ok((Target::Own, path)) => assert_eq!(path, text),
        Err(_) => {}
    }
});

/// Its canonical text is read as the same server, and a host that any resolver takes for an address is one.
fn is_one_server(authority: &Authority) {
    let again = Authority::parse(authority.text().as_bytes(), None).expect("canonical text is an authority");
    assert_eq!((again.host(), again.port(), again.text()), (authority.host(), authority.port(), authority.text()));
    let from_host = Authority::parse(authority.host_field().as_bytes(), Some(80)).expect("so is the Host field");
    assert_eq!((from_host.host(), from_host.port()), (authority.host(), authority.port()));
    match authority.host() {
        Host::Name(name) => {
            assert!(
                name.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.')),
                "{name:?}"
            );
            assert_eq!(inet_aton(name), None, "{name:?} is an address to the system's resolver");
        }
        Host::Ip(ip) => no_spelling_gets_past(*ip),
    }
}

fn no_spelling_gets_past(ip: IpAddr) {
    let guard = DestinationSettings::default();
    let refused = |ip: IpAddr| guard.judge(SocketAddr::new(ip, 80)).is_err();
    let IpAddr::V4(v4) = ip else {
        assert!(refused(ip) || !is_plainly_inside(ip.to_canonical()), "{ip} is let through");
        return;
    };
    assert!(refused(ip) || !is_plainly_inside(ip), "{ip} is let through");
    let [a, b, c, d] = v4.octets().map(u16::from);
    let (high, low) = (a << 8 | b, c << 8 | d);
    for hidden in [
        v4.to_ipv6_mapped(),
        Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, high, low),
        Ipv6Addr::new(0x2002, high, low, 0, 0, 0, 0, 1),
    ] {
        assert!(!refused(ip) || refused(hidden.into()), "{ip} gets past as {hidden}");
    }
}

/// By the standard library's own words: not a public address.
fn is_plainly_inside(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(v4) => {
            v4.is_loopback()
                || v4.is_private()
                || v4.is_link_local()
                || v4.is_unspecified()
                || v4.is_multicast()
                || v4.is_broadcast()
        }
        IpAddr::V6(v6) => {
            v6.is_loopback()
                || v6.is_unspecified()
                || v6.is_multicast()
                || v6.is_unique_local()
                || v6.is_unicast_link_local()
        }
    }
}

/// The address that C libraries read from `text`: one to four numbers, decimal, octal or hexadecimal.
fn inet_aton(text: &str) -> Option<Ipv4Addr> {
    let numbers: Vec<u32> = text.split('.').map(c_number).collect::<Option<_>>()?;
    let (last, first) = numbers.split_last()?;
    let room = 32 - 8 * u32::try_from(first.len()).ok().filter(|count| *count < 4)?;
    if first.iter().any(|number| *number > 255) || u64::from(*last) >> room != 0 {
        return None;
    }
    let high = first.iter().enumerate().map(|(place, number)| number << (24 - 8 * place)).sum::<u32>();
    Some(Ipv4Addr::from(high | last))
}

fn c_number(text: &str) -> Option<u32> {
    match text.strip_prefix('0') {
        None => text.parse().ok(),
        Some("") => Some(0),
        Some(rest) => match rest.strip_prefix(['x', 'X']) {
            Some(hex) => u32::from_str_radix(hex, 16).ok(),
            None => u32::from_str_radix(rest, 8).ok(),
        },
    }
}
