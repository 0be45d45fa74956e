//! The address of an ICAP service: `icap://host[:port]/path?query`, the same with `icaps`, or `unix:/socket:/path?query`.

use std::fmt;
use std::path::Path;
use std::str::FromStr;
use std::sync::Arc;

use crate::base::authority::{Authority, Host};

/// The port of `icap` (RFC 3507 section 4.2).
pub const ICAP_PORT: u16 = 1344;
/// The port of `icaps`, by convention.
pub const ICAPS_PORT: u16 = 11344;
/// Longest path of a socket, in bytes; the kernel has no room for more.
const LONGEST_SOCKET: usize = 107;

/// Where a service listens. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Server {
    /// `icap`.
    Tcp(Arc<Authority>),
    /// `icaps`: under TLS from the first byte on.
    Tls(Arc<Authority>),
    /// `unix`: a socket of this machine.
    Unix(Arc<Path>),
}

/// The address of a service. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceUrl {
    text: Arc<str>,
    target: Arc<str>,
    server: Server,
    host_field: Arc<str>,
}

/// Why a text is no address of a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadUrl {
    /// It begins with no scheme that we know.
    Scheme,
    /// The host or port cannot be read, or there is user info.
    Authority,
    /// The path of a socket does not begin at the root, or is too long.
    Socket,
    /// White space, a fragment, or anything but printable ASCII.
    Characters,
}

impl fmt::Display for BadUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            BadUrl::Scheme => {
                "an ICAP service is written icap://host:port/path, icaps://host:port/path or unix:/socket:/path"
            }
            BadUrl::Authority => {
                "the host or the port cannot be read; it is written icap://host:port/path, without user info"
            }
            BadUrl::Socket => "a socket is written unix:/path/of/the/socket:/path/of/the/service, 107 bytes at most",
            BadUrl::Characters => "only printable ASCII without spaces and `#` may stand in an ICAP address",
        })
    }
}

impl std::error::Error for BadUrl {}

impl ServiceUrl {
    /// The whole address as it was written.
    pub fn text(&self) -> &Arc<str> {
        &self.text
    }

    /// The target of every request: what was written, byte for byte; for a socket, which ICAP knows no address of, a service
    /// of this machine.
    pub fn target(&self) -> &str {
        &self.target
    }

    /// Where it listens.
    pub fn server(&self) -> &Server {
        &self.server
    }

    /// The value of `Host`: the port is left out when it is that of the scheme.
    pub fn host_field(&self) -> &str {
        &self.host_field
    }

    fn of_host(text: &str, rest: &str, (port, server): (u16, fn(Arc<Authority>) -> Server)) -> Result<Self, BadUrl> {
        let rest = rest.strip_prefix("//").ok_or(BadUrl::Scheme)?;
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let authority = Authority::parse(&rest.as_bytes()[..end], Some(port)).map_err(|_| BadUrl::Authority)?;
        let host_field = host_field(&authority, port);
        Ok(Self { text: text.into(), target: text.into(), server: server(Arc::new(authority)), host_field })
    }

    fn of_socket(text: &str, rest: &str) -> Result<Self, BadUrl> {
        let rest = rest.strip_prefix("//").unwrap_or(rest);
        let (socket, service) = match rest.split_once(":/") {
            Some((socket, _)) => rest.split_at(socket.len()),
            None => (rest, ""),
        };
        if !socket.starts_with('/') || socket.ends_with('/') || socket.len() > LONGEST_SOCKET {
            return Err(BadUrl::Socket);
        }
        let target = format!("icap://localhost{}", service.trim_start_matches(':'));
        let server = Server::Unix(Path::new(socket).into());
        Ok(Self { text: text.into(), target: target.into(), server, host_field: "localhost".into() })
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
        let (scheme, rest) = text.split_once(':').ok_or(BadUrl::Scheme)?;
        let scheme = scheme.to_ascii_lowercase();
        if !["icap", "icaps", "unix"].contains(&&*scheme) {
            return Err(BadUrl::Scheme);
        }
        if !text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#') {
            return Err(BadUrl::Characters);
        }
        match &*scheme {
            "icap" => Self::of_host(text, rest, (ICAP_PORT, Server::Tcp)),
            "icaps" => Self::of_host(text, rest, (ICAPS_PORT, Server::Tls)),
            _ => Self::of_socket(text, rest),
        }
    }
}

fn host_field(authority: &Authority, usual: u16) -> Arc<str> {
    match (authority.host(), authority.port()) {
        (_, port) if port != usual => authority.text().clone(),
        (Host::Name(name), _) => Arc::from(&**name),
        (Host::Ip(ip), _) if ip.is_ipv4() => ip.to_string().into(),
        (Host::Ip(ip), _) => format!("[{ip}]").into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kept_byte_for_byte() {
        let url: ServiceUrl = "icap://AV.test:1345/avscan?allow204=on&mode=simple".parse().expect("good");
        assert_eq!(
            (&**url.text(), url.target()),
            ("icap://AV.test:1345/avscan?allow204=on&mode=simple", &**url.text())
        );
        assert_eq!(url.host_field(), "av.test:1345");
        assert!(matches!(url.server(), Server::Tcp(authority) if authority.port() == 1345));
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
            ("icap://av.test:11344/", "av.test:11344"),
            ("icaps://av.test/", "av.test"),
            ("icaps://av.test:11344/", "av.test"),
            ("icaps://av.test:1344/", "av.test:1344"),
        ] {
            assert_eq!(written.parse::<ServiceUrl>().expect(written).host_field(), host);
        }
    }

    #[test]
    fn sockets_of_this_machine() {
        for (written, socket, target) in [
            ("unix:/run/av.sock:/respmod?x=1", "/run/av.sock", "icap://localhost/respmod?x=1"),
            ("unix:///run/av.sock:/respmod", "/run/av.sock", "icap://localhost/respmod"),
            ("UNIX:/run/c-icap:1/av.sock", "/run/c-icap:1/av.sock", "icap://localhost"),
        ] {
            let url: ServiceUrl = written.parse().expect(written);
            assert_eq!((&**url.text(), url.target(), url.host_field()), (written, target, "localhost"));
            assert_eq!(url.server(), &Server::Unix(Path::new(socket).into()), "{written}");
        }
    }

    #[test]
    fn refused() {
        let long = format!("unix:/{}:/x", "a".repeat(LONGEST_SOCKET));
        for (written, why) in [
            ("", BadUrl::Scheme),
            ("av.test", BadUrl::Scheme),
            ("av.test:1344", BadUrl::Scheme),
            ("icap:av.test", BadUrl::Scheme),
            ("http://av.test/", BadUrl::Scheme),
            ("icaps:av.test", BadUrl::Scheme),
            ("icap+tls://av.test/", BadUrl::Scheme),
            ("unix:run/av.sock:/x", BadUrl::Socket),
            ("unix:/run/av.sock/", BadUrl::Socket),
            ("unix:", BadUrl::Socket),
            (long.as_str(), BadUrl::Socket),
            ("unix:/run/a b:/x", BadUrl::Characters),
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
