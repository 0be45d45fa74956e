//! Whom a rule speaks of: client addresses, host patterns, destinations. Pure.

use std::net::IpAddr;

use ipnet::IpNet;

use super::{Wrong, host_name_help, network};
use crate::base::authority::{Authority, Host};
use crate::policy::pattern::HostPattern;

const EVERYBODY: &str = "*";
const GROUP: &str = "group:";

/// Clients: an address, a range of them, or `*` for all.
pub(in crate::config) fn source(text: &str) -> Result<Option<IpNet>, Wrong> {
    if text == EVERYBODY {
        return Ok(None);
    }
    match text.parse::<IpAddr>() {
        Ok(ip) => Ok(Some(IpNet::from(ip))),
        Err(_) => network(text).map(Some),
    }
}

/// What is written as `destination`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::config) enum Destination {
    /// `*`.
    Any,
    /// A range of addresses.
    Network(IpNet),
    /// A group, by name.
    Group(String),
    /// One host, at any port or at one.
    Host(HostPattern, Option<u16>),
    /// Hosts with something in common, at any port or at one.
    Pattern(HostPattern, Option<u16>),
}

/// Destinations: `host`, `host:port`, a pattern with `*`, a range of addresses, `group:NAME`, or `*`.
pub(in crate::config) fn destination(text: &str) -> Result<Destination, Wrong> {
    if text == EVERYBODY {
        return Ok(Destination::Any);
    }
    if let Some(name) = text.strip_prefix(GROUP) {
        return Ok(Destination::Group(name.to_owned()));
    }
    if text.split_once('/').is_some_and(|(ip, _)| ip.parse::<IpAddr>().is_ok()) {
        return network(text).map(Destination::Network);
    }
    refuse_url(text)?;
    if text.contains('*') {
        return with_port(text).map(|(pattern, port)| Destination::Pattern(pattern, port));
    }
    host(text).map(|(host, port)| Destination::Host(host, port))
}

/// A host of a group: a name or a pattern with `*`, at every port.
pub(in crate::config) fn group_host(text: &str) -> Result<HostPattern, Wrong> {
    if text.split('/').next().is_some_and(|ip| ip.parse::<IpAddr>().is_ok()) {
        let help = "groups are made of names; give addresses a rule of their own";
        return Err(Wrong::new(format!("`{text}` is not a name"), help));
    }
    refuse_url(text)?;
    let (pattern, port) = if text.contains('*') { with_port(text)? } else { host(text)? };
    match port {
        None => Ok(pattern),
        Some(_) => Err(Wrong::new(
            format!("`{text}` has a port"),
            format!("write `{}`: the hosts of a group are meant at every port", pattern.text()),
        )),
    }
}

/// Notes what is copied from an address bar.
fn refuse_url(text: &str) -> Result<(), Wrong> {
    if !text.contains(['/', '?', '#', '@']) {
        return Ok(());
    }
    let behind = text.split_once("://").map_or(text, |(_, behind)| behind);
    let host = behind.split(['/', '?', '#']).next().and_then(|authority| authority.rsplit('@').next());
    let help = match host {
        Some(host) if !host.is_empty() => format!("write the host alone: `{host}`"),
        _ => "write a host, such as `www.example` or `*.example`".to_owned(),
    };
    Err(Wrong::new(format!("`{text}` is more than a host"), help))
}

fn host(text: &str) -> Result<(HostPattern, Option<u16>), Wrong> {
    // As it stands in URLs, but without a port nobody writes the brackets.
    let bare = text.parse::<std::net::Ipv6Addr>().ok().map(|v6| format!("[{v6}]"));
    let text = bare.as_deref().unwrap_or(text);
    let (authority, port) = match Authority::parse(text.as_bytes(), None) {
        Ok(authority) => {
            let port = authority.port();
            (authority, Some(port))
        }
        Err(_) => (Authority::parse(text.as_bytes(), Some(80)).map_err(|_| not_a_host(text))?, None),
    };
    let pattern = match authority.host() {
        Host::Name(name) => HostPattern::new(name),
        Host::Ip(ip) => HostPattern::new(&ip.to_string()),
    };
    Ok((pattern, port))
}

fn not_a_host(text: &str) -> Wrong {
    Wrong::new(format!("`{text}` is not a host"), host_name_help(text))
}

fn with_port(text: &str) -> Result<(HostPattern, Option<u16>), Wrong> {
    let (name, port) = match text.split_once(':') {
        Some((name, digits)) => (name, Some(super::port(digits, digits)?)),
        None => (text, None),
    };
    let name = name.strip_suffix('.').unwrap_or(name);
    let known = |b: u8| b.is_ascii_alphanumeric() || b"-_.*".contains(&b);
    let in_form = name.len() <= 253 && name.bytes().all(known) && name.split('.').all(|label| !label.is_empty());
    if in_form {
        return Ok((HostPattern::new(name), port));
    }
    let help = "patterns are letters, digits, `-`, `_` and `*` between dots, such as `*.example`";
    Err(Wrong::new(format!("`{text}` is not a pattern of hosts"), help))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(destination: Destination) -> String {
        match destination {
            Destination::Any => "any".to_owned(),
            Destination::Network(net) => format!("net {net}"),
            Destination::Group(name) => format!("group {name}"),
            Destination::Host(pattern, port) => format!("host {} {port:?}", pattern.text()),
            Destination::Pattern(pattern, port) => format!("pattern {} {port:?}", pattern.text()),
        }
    }

    #[test]
    fn destinations_in_all_their_shapes() {
        for (text, meant) in [
            ("*", "any"),
            ("group:livesport", "group livesport"),
            ("198.51.100.0/24", "net 198.51.100.0/24"),
            ("2001:db8::/32", "net 2001:db8::/32"),
            ("API.Example.", "host api.example None"),
            ("api.example:8080", "host api.example Some(8080)"),
            ("192.0.2.7", "host 192.0.2.7 None"),
            ("192.0.2.7:80", "host 192.0.2.7 Some(80)"),
            ("2001:DB8::7", "host 2001:db8::7 None"),
            ("[2001:db8::7]:443", "host 2001:db8::7 Some(443)"),
            ("*.Example", "pattern *.example None"),
            ("p*.livesport.*:81", "pattern p*.livesport.* Some(81)"),
        ] {
            assert_eq!(destination(text).map(written).as_deref(), Ok(meant), "{text}");
        }
    }

    #[test]
    fn destinations_that_are_none() {
        for (text, help) in [
            ("", "letters"),
            ("http://www.example/x", "`www.example`"),
            ("www.example/x", "`www.example`"),
            ("https://u@*.example:8/", "`*.example:8`"),
            ("a b", "letters"),
            ("a..b", "letters"),
            ("h:0", "letters"),
            ("*.example:0", "begin at 1"),
            ("*.exam ple", "patterns are"),
            ("*..example", "patterns are"),
            ("10.0.0.1/8", "10.0.0.0/8"),
            ("10.0.0.0/40", "10.1.0.0/16"),
            ("m\u{fc}nchen.example", "xn--mnchen-3ya.example"),
        ] {
            let wrong = destination(text).expect_err(text);
            assert!(wrong.help.contains(help), "{text}: {wrong:?}");
        }
    }

    #[test]
    fn groups_are_made_of_names() {
        assert_eq!(
            group_host("P*.Livesport.example").map(|host| host.text().to_owned()).as_deref(),
            Ok("p*.livesport.example")
        );
        assert_eq!(group_host("www.example").map(|host| host.text().to_owned()).as_deref(), Ok("www.example"));
        for text in ["www.example:80", "*.example:80", "10.0.0.0/8", "10.0.0.1", "http://www.example", ""] {
            assert!(group_host(text).is_err(), "{text}");
        }
    }

    #[test]
    fn sources_are_addresses_or_ranges() {
        assert_eq!(source("*"), Ok(None));
        assert_eq!(source("10.0.0.7"), Ok("10.0.0.7/32".parse().ok()));
        assert_eq!(source("2001:db8::/32"), Ok("2001:db8::/32".parse().ok()));
        for text in ["", "10.0.0.7/8", "office", "10.0.0.*"] {
            assert!(source(text).is_err(), "{text}");
        }
    }
}
