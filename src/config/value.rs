//! Single values as they are written: addresses, durations, networks, ports, host names. Pure.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use ipnet::IpNet;

use crate::base::authority::{Authority, Host};

mod size;
mod whom;

pub(super) use size::{percent, size, spell_size};
pub(super) use whom::{Destination, destination, group_host, source};

/// The longest wait that may be set; far beyond it, adding it to a clock would overflow.
const LONGEST: Duration = Duration::from_secs(365 * 24 * 3600);

/// Units of durations, shortest first, in milliseconds.
const UNITS: [(&str, u64); 5] = [("ms", 1), ("s", 1000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)];

/// A value that is not understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wrong {
    /// What is wrong with it.
    pub message: String,
    /// What to write instead.
    pub help: String,
}

impl Wrong {
    pub(super) fn new(message: impl Into<String>, help: impl Into<String>) -> Self {
        Self { message: message.into(), help: help.into() }
    }
}

/// An address and a port to listen on.
///
/// # Errors
/// [`Wrong`] for anything else, names included: they are not resolved here.
pub fn address(text: &str) -> Result<SocketAddr, Wrong> {
    text.parse().map_err(|_| {
        let message = format!("`{text}` is not an address and a port");
        Wrong::new(message, address_help(text))
    })
}

fn address_help(text: &str) -> String {
    if let Ok(ip) = text.parse::<IpAddr>() {
        return format!("add a port, such as `{}`", SocketAddr::new(ip, 3128));
    }
    let port = text.strip_prefix(':').unwrap_or(text).parse::<u16>();
    match (port, text.rsplit_once(':')) {
        (Ok(port), _) => format!("write `127.0.0.1:{port}`, or `0.0.0.0:{port}` to listen on every address"),
        (_, Some(("localhost", port))) => format!("write `127.0.0.1:{port}`"),
        _ => "write an IP address and a port, such as `127.0.0.1:3128` or `[::1]:3128`".to_owned(),
    }
}

/// Whether a wait may be zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Zero {
    /// Zero has a meaning of its own.
    Allowed,
    /// A wait of zero would end everything at once.
    Refused,
}

/// A duration: a whole number and a unit.
pub(super) fn duration(text: &str, zero: Zero) -> Result<Duration, Wrong> {
    const HELP: &str = "write a whole number and a unit, such as `250ms`, `10s`, `5m` or `1h`";
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    if unit.is_empty() && !number.is_empty() {
        return Err(Wrong::new(format!("`{text}` has no unit"), format!("write `{text}s` for seconds")));
    }
    let unit = UNITS.iter().find(|(name, _)| *name == unit);
    let (Some((_, scale)), false) = (unit, number.is_empty()) else {
        return Err(Wrong::new(format!("`{text}` is not a duration"), HELP));
    };
    let wait = number.parse::<u64>().ok().and_then(|number| number.checked_mul(*scale)).map(Duration::from_millis);
    match wait {
        Some(wait) if wait.is_zero() && zero == Zero::Refused => {
            Err(Wrong::new("a wait of zero would end everything at once", HELP))
        }
        Some(wait) if wait <= LONGEST => Ok(wait),
        _ => Err(Wrong::new(format!("`{text}` is longer than a year"), "write `365d` or less")),
    }
}

/// The shortest way to write `wait`, which is rounded up to whole milliseconds.
pub(super) fn spell_duration(wait: Duration) -> String {
    let ms = wait.as_nanos().div_ceil(1_000_000);
    let exact = UNITS.iter().rev().find(|(_, scale)| ms >= u128::from(*scale) && ms.is_multiple_of(u128::from(*scale)));
    match exact {
        Some((unit, scale)) => format!("{}{unit}", ms / u128::from(*scale)),
        None => "0s".to_owned(),
    }
}

/// A range of addresses in CIDR notation.
pub(super) fn network(text: &str) -> Result<IpNet, Wrong> {
    if let Ok(ip) = text.parse::<IpAddr>() {
        let help = format!("write `{}` for this address alone", IpNet::from(ip));
        return Err(Wrong::new(format!("`{text}` is an address, not a range"), help));
    }
    let net: IpNet = text.parse().map_err(|_| {
        Wrong::new(format!("`{text}` is not a range of addresses"), "write it as `10.1.0.0/16` or `fd00:1::/32`")
    })?;
    if net.trunc() == net {
        return Ok(net);
    }
    // Somebody who writes 10.1.2.3/8 may mean one address or sixteen million: do not guess what to open.
    let help =
        format!("write `{}` for the whole range, or `{}` for this address alone", net.trunc(), IpNet::from(net.addr()));
    Err(Wrong::new(format!("`{text}` has bits set behind its prefix"), help))
}

/// What one entry of a list of ports says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ports {
    /// Every port.
    Any,
    /// First and last.
    Range(u16, u16),
}

/// A port, a range of ports, or `any`.
pub(super) fn ports(text: &str) -> Result<Ports, Wrong> {
    if text == "any" {
        return Ok(Ports::Any);
    }
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let (first, last) = (port(first, text)?, port(last, text)?);
    if first > last {
        return Err(Wrong::new(format!("the range `{text}` is reversed"), format!("write `{last}-{first}`")));
    }
    Ok(Ports::Range(first, last))
}

fn port(digits: &str, text: &str) -> Result<u16, Wrong> {
    let plain = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
    match digits.parse::<u16>() {
        Ok(0) => Err(Wrong::new("there is no port 0 to connect to", "ports begin at 1")),
        Ok(port) if plain => Ok(port),
        Err(_) if plain => Err(Wrong::new(format!("`{digits}` is not a port"), "ports end at 65535")),
        _ => Err(Wrong::new(
            format!("`{text}` is not a port"),
            "write a port such as `443`, a range such as `8000-8999`, or `any`",
        )),
    }
}

/// A host name in lower case, spelt as lookups will spell it.
pub(super) fn host_name(text: &str) -> Result<Box<str>, Wrong> {
    let not = |what: &str, help: String| Wrong::new(format!("`{text}` is {what}, not a host name"), help);
    if text.contains(':') && text.parse::<IpAddr>().is_err() {
        return Err(not(
            "more than a name",
            "leave the port out: a name has the same addresses at every port".to_owned(),
        ));
    }
    if text.contains('*') {
        return Err(not("a pattern", "write every name in full".to_owned()));
    }
    let ip = || not("an address", "addresses need no entry: they are never looked up".to_owned());
    if text.parse::<IpAddr>().is_ok() {
        return Err(ip());
    }
    // The same rules as for the names that clients ask for, so that an entry here is one that can be asked for.
    match Authority::parse(text.as_bytes(), Some(80)).map(|authority| authority.host().clone()) {
        Ok(Host::Name(name)) => Ok(name),
        Ok(Host::Ip(_)) => Err(ip()),
        Err(_) => Err(Wrong::new(format!("`{text}` is not a host name"), host_name_help(text))),
    }
}

fn host_name_help(text: &str) -> String {
    match url::Host::parse(text) {
        Ok(url::Host::Domain(ascii)) if !text.is_ascii() => format!("write it in its ASCII form: `{ascii}`"),
        _ => "names are letters, digits, `-` and `_` between dots".to_owned(),
    }
}

/// An IP address.
pub(super) fn ip(text: &str) -> Result<IpAddr, Wrong> {
    text.parse().map_err(|_| {
        Wrong::new(format!("`{text}` is not an IP address"), "write an address such as `192.0.2.7` or `2001:db8::7`")
    })
}

/// A name for metrics and logs.
pub(super) fn label(text: &str) -> Result<&str, Wrong> {
    let fits = (1..=64).contains(&text.len());
    if fits && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b)) {
        return Ok(text);
    }
    Err(Wrong::new(format!("`{text}` cannot be a name"), "write 1 to 64 letters, digits, `-`, `_` or `.`"))
}
