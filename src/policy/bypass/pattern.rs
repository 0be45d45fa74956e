//! What a bypass entry speaks of, as it is written and as it matches.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};

use ipnet::IpNet;

use super::Unclear;
use super::list::BypassSubject;
use super::prefix::UrlPrefix;
use crate::base::authority::{Authority, Host};
use crate::base::media_range::MediaRange;
use crate::policy::pattern::HostPattern;

const DOMAIN: &str = "domain:";
const TYPE: &str = "type:";

/// Longer ones are refused; no URL prefix that somebody writes is.
const LONGEST: usize = 2048;

/// What an entry speaks of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pattern {
    /// `*`: everything.
    Any,
    /// `host` or `host:port`: this name alone, lower case.
    Host {
        /// The name.
        name: Box<str>,
        /// The port, where one is written.
        port: Option<u16>,
    },
    /// `*.example` or `*.example:port`: names with something in common. Address literals are never meant.
    Wildcard {
        /// The names.
        hosts: HostPattern,
        /// The port, where one is written.
        port: Option<u16>,
    },
    /// `domain:example.com`: a registrable domain and every name below it.
    Domain(Box<str>),
    /// An address or a range of them, by the address that is dialled.
    Network {
        /// The range.
        net: IpNet,
        /// The port, where one is written.
        port: Option<u16>,
    },
    /// `http://host/path`: URLs that begin so.
    Url(UrlPrefix),
    /// `type:video/*`: responses of this type.
    MediaType(MediaRange),
}

impl Pattern {
    /// What `text` speaks of.
    ///
    /// # Errors
    /// [`Unclear`], with what to write instead.
    pub fn parse(text: &str) -> Result<Pattern, Unclear> {
        if text.len() > LONGEST {
            return Err(Unclear::new(format!("this is longer than {LONGEST} bytes"), "write a shorter beginning"));
        }
        if text == "*" {
            return Ok(Pattern::Any);
        }
        if let Some(domain) = text.strip_prefix(DOMAIN) {
            return domain_of(domain);
        }
        if let Some(range) = text.strip_prefix(TYPE) {
            let help = "write it as `type:video/mp4`, or `type:video/*` for all of a kind";
            let unclear = || Unclear::new(format!("`{range}` is not a media type"), help);
            return MediaRange::parse(range).map(Pattern::MediaType).ok_or_else(unclear);
        }
        if text.contains("://") {
            return UrlPrefix::parse(text).map(Pattern::Url);
        }
        if text.split_once('/').is_some_and(|(ip, _)| ip.parse::<IpAddr>().is_ok()) {
            return network(text).map(|net| Pattern::Network { net, port: None });
        }
        if text.contains(['/', '?', '#', '@']) {
            let help =
                "write a host, `*.example`, `domain:example.com`, `10.1.0.0/16`, `http://host/path` or `type:video/*`";
            return Err(Unclear::new(format!("`{text}` is not understood"), help));
        }
        if text.contains('*') { wildcard(text) } else { host(text) }
    }

    /// The same for hosts that are never bypassed: a name, a wildcard or a domain.
    ///
    /// # Errors
    /// [`Unclear`], with what to write instead.
    pub fn parse_never(text: &str) -> Result<Pattern, Unclear> {
        let pattern = Pattern::parse(text)?;
        match pattern {
            Pattern::Host { port: None, .. } | Pattern::Wildcard { port: None, .. } | Pattern::Domain(_) => Ok(pattern),
            _ => {
                let help = "write a host, `*.example` or `domain:example.com`, without a port";
                Err(Unclear::new(format!("`{text}` is more or less than hosts by name"), help))
            }
        }
    }

    /// Whether the host of this name is meant, at any port. Ranges, types and prefixes mean no host.
    pub(super) fn names(&self, name: &str) -> bool {
        match self {
            Pattern::Host { name: meant, .. } => **meant == *name,
            Pattern::Wildcard { hosts, .. } => hosts.matches(name),
            Pattern::Domain(domain) => psl::domain_str(name) == Some(domain),
            Pattern::Any | Pattern::Network { .. } | Pattern::Url(_) | Pattern::MediaType(_) => false,
        }
    }

    /// Whether a request is meant. Types are known only of responses and never match here.
    pub(super) fn matches(&self, subject: &BypassSubject<'_>) -> bool {
        let authority = subject.authority;
        match (self, authority.host()) {
            (Pattern::Any, _) => true,
            (Pattern::Host { port, .. } | Pattern::Wildcard { port, .. }, Host::Name(name)) => {
                fits(*port, authority) && self.names(name)
            }
            (Pattern::Domain(_), Host::Name(name)) => self.names(name),
            (Pattern::Network { net, port }, host) => {
                let address = match host {
                    Host::Ip(ip) => Some(*ip),
                    Host::Name(_) => subject.address,
                };
                fits(*port, authority) && address.is_some_and(|ip| net.contains(&ip.to_canonical()))
            }
            (Pattern::Url(prefix), _) => prefix.matches(authority, subject.url),
            (Pattern::Host { .. } | Pattern::Wildcard { .. } | Pattern::Domain(_), Host::Ip(_)) => false,
            (Pattern::MediaType(_), _) => false,
        }
    }
}

fn fits(port: Option<u16>, authority: &Authority) -> bool {
    port.is_none_or(|port| port == authority.port())
}

impl fmt::Display for Pattern {
    /// In the one way that all spellings of it share.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let with_port = |f: &mut fmt::Formatter<'_>, host: &str, port: &Option<u16>| match port {
            Some(port) => write!(f, "{host}:{port}"),
            None => f.write_str(host),
        };
        match self {
            Pattern::Any => f.write_str("*"),
            Pattern::Host { name, port } => with_port(f, name, port),
            Pattern::Wildcard { hosts, port } => with_port(f, hosts.text(), port),
            Pattern::Domain(domain) => write!(f, "{DOMAIN}{domain}"),
            Pattern::Network { net, port } if net.prefix_len() == net.max_prefix_len() => match (net.addr(), port) {
                (IpAddr::V6(v6), Some(port)) => write!(f, "[{v6}]:{port}"),
                (ip, port) => with_port(f, &ip.to_string(), port),
            },
            Pattern::Network { net, .. } => net.fmt(f),
            Pattern::Url(prefix) => f.write_str(&prefix.text()),
            Pattern::MediaType(range) => write!(f, "{TYPE}{}", range.text()),
        }
    }
}

/// Clients: an address, a range of them, or `*` for all, which is `None`.
///
/// # Errors
/// [`Unclear`], with what to write instead.
pub fn source(text: &str) -> Result<Option<IpNet>, Unclear> {
    match text.parse::<IpAddr>() {
        _ if text == "*" => Ok(None),
        Ok(ip) => Ok(Some(ip.to_canonical().into())),
        Err(_) => network(text).map(Some),
    }
}

fn network(text: &str) -> Result<IpNet, Unclear> {
    let bad = |help: String| Unclear::new(format!("`{text}` is not a range of addresses"), help);
    let net: IpNet = text.parse().map_err(|_| bad("write it as `10.1.0.0/16` or `fd00:1::/32`".to_owned()))?;
    if net.trunc() == net {
        return Ok(net);
    }
    // One address or sixteen million: do not guess what to open.
    Err(bad(format!("write `{}` for the whole range, or `{}` for the address alone", net.trunc(), net.addr())))
}

fn domain_of(text: &str) -> Result<Pattern, Unclear> {
    let bad = |help: String| Unclear::new(format!("`{text}` is not a registrable domain"), help);
    let Some(Pattern::Host { name, port: None }) = host(text).ok() else {
        return Err(bad("write it as `domain:example.com`, which means every name below it too".to_owned()));
    };
    match psl::domain_str(&name) {
        Some(domain) if *domain == *name => Ok(Pattern::Domain(name)),
        Some(domain) => Err(bad(format!("write `domain:{domain}` for all of it, or `*.{name}` for what is below"))),
        None => Err(bad(format!("everybody may register names below `{name}`; write a domain of one owner"))),
    }
}

fn host(text: &str) -> Result<Pattern, Unclear> {
    // As it stands in URLs, but without a port nobody writes the brackets.
    let bare = text.parse::<Ipv6Addr>().ok().map(|v6| format!("[{v6}]"));
    let text = bare.as_deref().unwrap_or(text);
    let (authority, port) = match Authority::parse(text.as_bytes(), None) {
        Ok(authority) => {
            let port = authority.port();
            (authority, Some(port))
        }
        Err(_) => (Authority::parse(text.as_bytes(), Some(80)).map_err(|_| not_a_host(text))?, None),
    };
    Ok(match authority.host() {
        Host::Name(name) => Pattern::Host { name: name.clone(), port },
        Host::Ip(ip) => Pattern::Network { net: ip.to_canonical().into(), port },
    })
}

fn not_a_host(text: &str) -> Unclear {
    let help = match url::Host::parse(text) {
        Ok(url::Host::Domain(ascii)) if !text.is_ascii() => format!("write it in its ASCII form: `{ascii}`"),
        _ => "names are letters, digits, `-` and `_` between dots".to_owned(),
    };
    Unclear::new(format!("`{text}` is not a host"), help)
}

fn wildcard(text: &str) -> Result<Pattern, Unclear> {
    let bad = || {
        let help = "wildcards are letters, digits, `-`, `_` and `*` between dots, such as `*.example`";
        Unclear::new(format!("`{text}` is not a wildcard for hosts"), help)
    };
    let (name, port) = match text.split_once(':') {
        // A host with that port is known to be one or not.
        Some((name, digits)) => match host(&format!("x:{digits}")) {
            Ok(Pattern::Host { port, .. }) => (name, port),
            _ => return Err(bad()),
        },
        None => (text, None),
    };
    let name = name.strip_suffix('.').unwrap_or(name);
    let known = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.*".contains(&byte);
    let in_form = name.len() <= 253 && name.bytes().all(known) && name.split('.').all(|label| !label.is_empty());
    // `*.*` and the like mean everything, and do not look like it.
    if !in_form || !name.bytes().any(|byte| byte.is_ascii_alphanumeric()) {
        return Err(bad());
    }
    Ok(Pattern::Wildcard { hosts: HostPattern::new(name), port })
}
