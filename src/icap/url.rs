//! The address of an ICAP service: `icap://host[:port]/path?query`, kept byte for byte.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use crate::base::authority::{Authority, Host};

/// The port of `icap` (RFC 3507 section 4.2).
pub const ICAP_PORT: u16 = 1344;

/// The address of a service. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceUrl {
    text: Arc<str>,
    authority: Arc<Authority>,
    host_field: Arc<str>,
}

/// Why a text is no address of a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadUrl {
    /// It begins with no scheme that we know.
    Scheme,
    /// `icaps`: not supported yet.
    TlsNotYet,
    /// A unix socket: not supported yet.
    UnixNotYet,
    /// The host or port cannot be read, or there is user info.
    Authority,
    /// White space, a fragment, or anything but printable ASCII.
    Characters,
}

impl fmt::Display for BadUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            BadUrl::Scheme => "an ICAP service is written icap://host:port/path",
            BadUrl::TlsNotYet => "icaps:// is not supported yet; use icap://",
            BadUrl::UnixNotYet => "unix sockets are not supported yet; use icap://host:port/path",
            BadUrl::Authority => {
                "the host or the port cannot be read; it is written icap://host:port/path, without user info"
            }
            BadUrl::Characters => "only printable ASCII without spaces and `#` may stand in an ICAP address",
        })
    }
}

impl std::error::Error for BadUrl {}

impl ServiceUrl {
    /// The whole address as it was written: the target of every request.
    pub fn text(&self) -> &Arc<str> {
        &self.text
    }

    /// The server.
    pub fn authority(&self) -> &Arc<Authority> {
        &self.authority
    }

    /// The value of `Host`: the port is left out when it is that of `icap`.
    pub fn host_field(&self) -> &str {
        &self.host_field
    }
}

impl fmt::Display for ServiceUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl FromStr for ServiceUrl {
    type Err = BadUrl;

    fn from_str(text: &str) -> Result<Self, BadUrl> {
        let (scheme, rest) = text.split_once("://").or_else(|| text.split_once(':')).ok_or(BadUrl::Scheme)?;
        match scheme.to_ascii_lowercase().as_str() {
            "icap" => {}
            "icaps" => return Err(BadUrl::TlsNotYet),
            "unix" | "icap+unix" => return Err(BadUrl::UnixNotYet),
            _ => return Err(BadUrl::Scheme),
        }
        if !text[scheme.len()..].starts_with("://") {
            return Err(BadUrl::Scheme);
        }
        if !text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#') {
            return Err(BadUrl::Characters);
        }
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let authority = Authority::parse(&rest.as_bytes()[..end], Some(ICAP_PORT)).map_err(|_| BadUrl::Authority)?;
        let host_field = host_field(&authority);
        Ok(Self { text: text.into(), authority: Arc::new(authority), host_field })
    }
}

fn host_field(authority: &Authority) -> Arc<str> {
    match (authority.host(), authority.port()) {
        (Host::Name(name), ICAP_PORT) => Arc::from(&**name),
        (Host::Ip(ip), ICAP_PORT) if ip.is_ipv4() => ip.to_string().into(),
        (Host::Ip(ip), ICAP_PORT) => format!("[{ip}]").into(),
        _ => authority.text().clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kept_byte_for_byte() {
        let url: ServiceUrl = "icap://AV.test:1345/avscan?allow204=on&mode=simple".parse().expect("good");
        assert_eq!(&**url.text(), "icap://AV.test:1345/avscan?allow204=on&mode=simple");
        assert_eq!(url.host_field(), "av.test:1345");
        assert_eq!(url.authority().port(), 1345);
    }

    #[test]
    fn the_usual_port_is_left_out_of_host() {
        for (written, host) in [
            ("icap://av.test/respmod", "av.test"),
            ("icap://127.0.0.1:1344/x", "127.0.0.1"),
            ("icap://[::1]/x", "[::1]"),
            ("icap://[::1]:1345/x", "[::1]:1345"),
            ("icap://av.test", "av.test"),
            ("icap://av.test?q", "av.test"),
        ] {
            assert_eq!(written.parse::<ServiceUrl>().expect(written).host_field(), host);
        }
    }

    #[test]
    fn refused() {
        for (written, why) in [
            ("", BadUrl::Scheme),
            ("av.test", BadUrl::Scheme),
            ("av.test:1344", BadUrl::Scheme),
            ("icap:av.test", BadUrl::Scheme),
            ("http://av.test/", BadUrl::Scheme),
            ("icaps://av.test/", BadUrl::TlsNotYet),
            ("unix:/run/av.sock", BadUrl::UnixNotYet),
            ("icap://", BadUrl::Authority),
            ("icap:///respmod", BadUrl::Authority),
            ("icap://user@av.test/", BadUrl::Authority),
            ("icap://av.test:0/", BadUrl::Authority),
            ("icap://av.test/a b", BadUrl::Characters),
            ("icap://av.test/a\r\nX: y", BadUrl::Characters),
            ("icap://av.test/#x", BadUrl::Characters),
            ("icap://av.test/\u{e4}", BadUrl::Characters),
        ] {
            assert_eq!(written.parse::<ServiceUrl>(), Err(why), "{written:?}");
        }
    }
}
