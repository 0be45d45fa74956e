//! `host:port`, read once and strictly, so that policy, the dial and the Host field speak of the same server.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;

/// Port of the scheme `http`.
pub const HTTP_PORT: u16 = 80;

/// A name or an address.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Host {
    /// Lower-case ASCII name without a trailing dot.
    Name(Box<str>),
    /// An address literal, whatever its spelling was.
    Ip(IpAddr),
}

/// Not a host and port that we understand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadAuthority;

/// A server to go to. Cheap to share, cheap to recognise in the next request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Authority {
    host: Host,
    port: u16,
    /// The bytes the client wrote.
    spelled: Box<[u8]>,
    /// Canonical `host:port`.
    text: Arc<str>,
    /// Length of the part of `text` that goes into `Host`: all of it, or without `:80`.
    host_field: usize,
}

impl Authority {
    /// Reads `host`, `host:port`, `[v6]` or `[v6]:port`; `default_port` where no port is written.
    ///
    /// # Errors
    /// [`BadAuthority`] for user info, an empty or zero port, zone ids, percent or non-ASCII characters, labels over 63
    /// or names over 253 characters, and numbers that are no IPv4 address.
    pub fn parse(spelled: &[u8], default_port: Option<u16>) -> Result<Authority, BadAuthority> {
        let text = std::str::from_utf8(spelled).map_err(|_| BadAuthority)?;
        let (host, port) = split_port(text)?;
        let port = match port {
            Some(digits) => parse_port(digits)?,
            None => default_port.ok_or(BadAuthority)?,
        };
        let host = parse_host(host)?;
        let text: Arc<str> = match &host {
            Host::Name(name) => format!("{name}:{port}").into(),
            Host::Ip(IpAddr::V4(v4)) => format!("{v4}:{port}").into(),
            Host::Ip(IpAddr::V6(v6)) => format!("[{v6}]:{port}").into(),
        };
        let host_field = if port == HTTP_PORT { text.len() - ":80".len() } else { text.len() };
        Ok(Authority { host, port, spelled: spelled.into(), text, host_field })
    }

    /// Whether parsing `spelled` with the default port of `http` would give this authority for certain.
    pub fn is_spelled(&self, spelled: &[u8]) -> bool {
        *self.spelled == *spelled
    }

    /// The host.
    pub fn host(&self) -> &Host {
        &self.host
    }

    /// The port, never 0.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Canonical `host:port`.
    pub fn text(&self) -> &Arc<str> {
        &self.text
    }

    /// The value of a `Host` field: the port is left out when it is that of `http`.
    pub fn host_field(&self) -> &str {
        &self.text[..self.host_field]
    }
}

impl fmt::Display for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

fn split_port(text: &str) -> Result<(&str, Option<&str>), BadAuthority> {
    if let Some(inside) = text.strip_prefix('[') {
        let (_, after) = inside.split_once(']').ok_or(BadAuthority)?;
        let host = &text[..text.len() - after.len()];
        return match after.strip_prefix(':') {
            Some(port) => Ok((host, Some(port))),
            None if after.is_empty() => Ok((host, None)),
            None => Err(BadAuthority),
        };
    }
    match text.split_once(':') {
        Some((host, port)) => Ok((host, Some(port))),
        None => Ok((text, None)),
    }
}

fn parse_port(digits: &str) -> Result<u16, BadAuthority> {
    let plain = !digits.is_empty() && digits.len() <= 5 && digits.bytes().all(|b| b.is_ascii_digit());
    match digits.parse::<u16>() {
        Ok(port) if plain && port != 0 => Ok(port),
        _ => Err(BadAuthority),
    }
}

fn parse_host(host: &str) -> Result<Host, BadAuthority> {
    if let Some(inside) = host.strip_prefix('[') {
        let v6 = inside.strip_suffix(']').ok_or(BadAuthority)?;
        return v6.parse::<Ipv6Addr>().map(|v6| Host::Ip(v6.into())).map_err(|_| BadAuthority);
    }
    let name = host.strip_suffix('.').unwrap_or(host);
    if !is_name(name) {
        return Err(BadAuthority);
    }
    if looks_like_a_number(name) {
        // 127.1, 2130706433 and 0x7f.1 are addresses to some resolvers: read them as browsers do (WHATWG URL).
        return match url::Host::parse(name) {
            Ok(url::Host::Ipv4(v4)) => Ok(Host::Ip(v4.into())),
            _ => Err(BadAuthority),
        };
    }
    Ok(Host::Name(name.to_ascii_lowercase().into()))
}

fn is_name(name: &str) -> bool {
    name.len() <= 253
        && name.split('.').all(|label| {
            (1..=63).contains(&label.len())
                && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
        })
}

fn looks_like_a_number(name: &str) -> bool {
    let last = name.rsplit('.').next().unwrap_or(name);
    let hex = last.strip_prefix("0x").or_else(|| last.strip_prefix("0X"));
    match hex {
        Some(digits) => digits.bytes().all(|b| b.is_ascii_hexdigit()),
        None => last.bytes().all(|b| b.is_ascii_digit()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<String, BadAuthority> {
        Authority::parse(text.as_bytes(), Some(80)).map(|authority| authority.to_string())
    }

    #[test]
    fn canonical_forms() {
        for (written, canonical) in [
            ("example.com", "example.com:80"),
            ("EXAMPLE.com.:8080", "example.com:8080"),
            ("a_b.example", "a_b.example:80"),
            ("127.0.0.1:81", "127.0.0.1:81"),
            ("127.1", "127.0.0.1:80"),
            ("2130706433", "127.0.0.1:80"),
            ("0x7f.1", "127.0.0.1:80"),
            ("0177.0.0.1", "127.0.0.1:80"),
            ("127.0.0.1.", "127.0.0.1:80"),
            ("0", "0.0.0.0:80"),
            ("[::1]:8080", "[::1]:8080"),
            ("[0:0:0:0:0:ffff:7f00:1]", "[::ffff:127.0.0.1]:80"),
        ] {
            assert_eq!(read(written).as_deref(), Ok(canonical), "{written}");
        }
    }

    #[test]
    fn refused() {
        for written in [
            "",
            ":80",
            "h:",
            "h:0",
            "h:65536",
            "h:+80",
            "h:80:80",
            "u@h",
            "h h",
            "h/",
            "%31%32%37.0.0.1",
            "１２７.0.0.1",
            "ex\u{e4}mple.com",
            "a..b",
            ".a",
            "1.2.3.4.5",
            "256.1.1.1",
            "0x100000000",
            "[::1",
            "[::1]x",
            "[::1%25eth0]",
            "[fe80::1%eth0]",
            "[1.2.3.4]",
            "h\0",
            "a.",
            "..",
        ] {
            if written == "a." {
                assert!(read(written).is_ok(), "one trailing dot is the root");
            } else {
                assert_eq!(read(written), Err(BadAuthority), "{written:?}");
            }
        }
        assert!(read(&"a".repeat(64)).is_err());
        assert!(read(&format!("{}a", "a.".repeat(127))).is_err());
    }

    #[test]
    fn host_field_leaves_the_http_port_out() {
        let with = |text: &str| Authority::parse(text.as_bytes(), Some(80)).expect("authority").host_field().to_owned();
        assert_eq!(with("h:80"), "h");
        assert_eq!(with("h:8080"), "h:8080");
        assert_eq!(with("[::1]"), "[::1]");
    }
}
