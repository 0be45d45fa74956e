//! An adapted request made into one that can go on: in origin form, with what was kept from the service put back, and
//! with everything that has to be judged again because the service may have changed it.

use super::{AdaptedHead, AdaptedKind};
use crate::base::authority::{Authority, HTTP_PORT, Host};
use crate::http::framing::BodyFraming;
use crate::http::method::Method;
use crate::icap::error::Fault;
use crate::icap::message::{in_ascii, is_credential};
use crate::icap::settings::Credentials;

/// Port of the scheme `https`.
const HTTPS_PORT: u16 = 443;

/// The scheme of a target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// `http`.
    Http,
    /// `https`.
    Https,
}

impl Scheme {
    const fn port(self) -> u16 {
        match self {
            Scheme::Http => HTTP_PORT,
            Scheme::Https => HTTPS_PORT,
        }
    }
}

/// The request before it was adapted.
#[derive(Clone, Copy, Debug)]
pub struct Original<'a> {
    /// Where it goes, in absolute form.
    pub url: &'a str,
    /// Its head as it would have gone to the origin, in origin form.
    pub head: &'a [u8],
}

/// A request that may take the place of the original, once its target has been judged as any other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AdaptedRequest {
    /// The scheme of its target.
    pub scheme: Scheme,
    /// Host and port of its target.
    pub authority: Authority,
    /// Path and query.
    pub path: String,
    /// The whole head in origin form.
    pub head: Vec<u8>,
}

impl AdaptedHead {
    /// Makes this the head of a request to the origin, framed as the body really is. `Authorization` and `Cookie` that the
    /// service did not see are those of the original, as long as the request goes where it went: nobody else may see them.
    ///
    /// # Errors
    /// [`Fault::ChangedMethod`]; [`Fault::ChangedTarget`] for one that is neither `http` nor `https`, and for CONNECT (see
    /// [`AdaptedHead::connect_target`]); [`Fault::InnerHead`] for a head that is no request.
    pub fn into_request(
        self,
        original: Original<'_>,
        credentials: Credentials,
        framing: BodyFraming,
    ) -> Result<AdaptedRequest, Fault> {
        let AdaptedKind::Request { method, target } = &self.kind else { return Err(Fault::InnerHead) };
        if original.head.split(|byte| *byte == b' ').next() != Some(method.as_bytes()) {
            return Err(Fault::ChangedMethod);
        }
        if Method::of(method) == Method::Connect {
            return Err(Fault::ChangedTarget);
        }
        let before = Place::of(original.url)?;
        // Some services write what an origin would be sent: the place is the same then.
        let mut now = match target.as_bytes().first() {
            Some(b'/' | b'*') => Place { path: target.clone(), ..before.clone() },
            _ => Place::of(target)?,
        };
        // What it left as it was shown goes on as the client wrote it.
        if now.path == *in_ascii(&before.path) {
            now.path.clone_from(&before.path);
        }
        let mut head = format!("{method} {} HTTP/1.1\r\nHost: {}\r\n", now.path, now.host_field()).into_bytes();
        let (held_back, put_back) = match credentials {
            Credentials::Sent => (Keep::All, Keep::None),
            Credentials::Withheld if now.is_at(&before) => (Keep::Others, Keep::Credentials),
            Credentials::Withheld => (Keep::Others, Keep::None),
        };
        push_lines(&self.fields, held_back, &mut head);
        push_lines(original.head, put_back, &mut head);
        push_framing(framing, self.declared, &mut head);
        push_lines(original.head, Keep::Hop, &mut head);
        head.extend_from_slice(b"\r\n");
        Ok(AdaptedRequest { scheme: now.scheme, authority: now.authority, path: now.path, head })
    }

    /// Where the tunnel goes that this, an adapted CONNECT, asks for; nothing else of it counts.
    ///
    /// # Errors
    /// [`Fault::ChangedMethod`]; [`Fault::ChangedTarget`] for one that is not `host:port`; [`Fault::InnerHead`] for a head
    /// that is no request, or announces a body.
    pub fn connect_target(&self) -> Result<Authority, Fault> {
        let AdaptedKind::Request { method, target } = &self.kind else { return Err(Fault::InnerHead) };
        if Method::of(method) != Method::Connect {
            return Err(Fault::ChangedMethod);
        }
        if self.declared.is_some_and(|length| length > 0) {
            return Err(Fault::InnerHead);
        }
        Authority::parse(target.as_bytes(), None).map_err(|_| Fault::ChangedTarget)
    }
}

/// Which lines of a head are taken.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Keep {
    None,
    /// All but `Host`, which follows from the target.
    All,
    /// All but `Host` and credentials.
    Others,
    Credentials,
    /// What is between the origin and us, and was never shown to the service: a switch of protocols.
    Hop,
}

impl Keep {
    fn takes(self, line: &[u8]) -> bool {
        let is = |name: &str| has_name(line, name);
        match self {
            Keep::None => false,
            Keep::All => !is("host"),
            Keep::Others => !is("host") && !is_credential(line),
            Keep::Credentials => is_credential(line),
            Keep::Hop => is("upgrade") || is("connection"),
        }
    }
}

fn has_name(line: &[u8], name: &str) -> bool {
    let (begin, rest) = line.split_at(name.len().min(line.len()));
    begin.eq_ignore_ascii_case(name.as_bytes()) && rest.first() == Some(&b':')
}

fn push_lines(lines: &[u8], keep: Keep, out: &mut Vec<u8>) {
    let taken = lines.split_inclusive(|byte| *byte == b'\n').filter(|line| keep.takes(line));
    taken.for_each(|line| out.extend_from_slice(line));
}

fn push_framing(framing: BodyFraming, declared: Option<u64>, out: &mut Vec<u8>) {
    match (framing, declared) {
        (BodyFraming::Length(length), _) => out.extend_from_slice(format!("Content-Length: {length}\r\n").as_bytes()),
        (BodyFraming::Chunked, _) => out.extend_from_slice(b"Transfer-Encoding: chunked\r\n"),
        // An empty body that was announced: a POST without it is refused by some origins.
        (BodyFraming::None, Some(0)) => out.extend_from_slice(b"Content-Length: 0\r\n"),
        (BodyFraming::None | BodyFraming::UntilClose, _) => {}
    }
}

/// Where a request goes.
#[derive(Clone)]
struct Place {
    scheme: Scheme,
    authority: Authority,
    path: String,
}

impl Place {
    /// Reads a target in absolute form.
    fn of(url: &str) -> Result<Self, Fault> {
        let (scheme, rest) = url.split_once("://").ok_or(Fault::ChangedTarget)?;
        let scheme = match scheme {
            _ if scheme.eq_ignore_ascii_case("http") => Scheme::Http,
            _ if scheme.eq_ignore_ascii_case("https") => Scheme::Https,
            _ => return Err(Fault::ChangedTarget),
        };
        if rest.contains('#') {
            return Err(Fault::ChangedTarget);
        }
        let (authority, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
        let authority =
            Authority::parse(authority.as_bytes(), Some(scheme.port())).map_err(|_| Fault::ChangedTarget)?;
        let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
        Ok(Self { scheme, authority, path })
    }

    fn is_at(&self, other: &Place) -> bool {
        self.scheme == other.scheme && self.authority.text() == other.authority.text()
    }

    /// The value of `Host`: the port is left out when it is that of the scheme.
    fn host_field(&self) -> String {
        match (self.authority.host(), self.authority.port()) {
            (_, port) if port != self.scheme.port() => self.authority.text().to_string(),
            (Host::Name(name), _) => name.to_string(),
            (Host::Ip(ip), _) if ip.is_ipv4() => ip.to_string(),
            (Host::Ip(ip), _) => format!("[{ip}]"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ORIGINAL: Original<'_> = Original {
        url: "http://o.test/p?q",
        head: b"GET /p?q HTTP/1.1\r\nHost: o.test\r\nCookie: a=b\r\nX: 1\r\nauthorization: Bearer z\r\nVia: 1.1 us\r\n\r\n",
    };

    fn adapted(head: &str) -> AdaptedHead {
        AdaptedHead::request(head.as_bytes()).expect("a head")
    }

    fn request(head: &str, credentials: Credentials) -> Result<AdaptedRequest, Fault> {
        adapted(head).into_request(ORIGINAL, credentials, BodyFraming::None)
    }

    fn text(request: &AdaptedRequest) -> String {
        String::from_utf8_lossy(&request.head).into_owned()
    }

    #[test]
    fn what_was_withheld_is_put_back() {
        let head = "GET http://O.test:80/p?q=2 HTTP/1.1\r\nHost: o.test\r\nX: 2\r\nVia: 1.1 us, ICAP/1.0 av\r\n\r\n";
        let request = request(head, Credentials::Withheld).expect("good");
        assert_eq!(
            text(&request),
            "GET /p?q=2 HTTP/1.1\r\nHost: o.test\r\nX: 2\r\nVia: 1.1 us, ICAP/1.0 av\r\nCookie: a=b\r\n\
             authorization: Bearer z\r\n\r\n"
        );
        assert_eq!((request.scheme, request.authority.port(), &*request.path), (Scheme::Http, 80, "/p?q=2"));
    }

    #[test]
    fn nobody_else_sees_it() {
        for (target, host) in [
            ("http://other.test/", "other.test"),
            ("http://o.test:81/", "o.test:81"),
            ("https://o.test/", "o.test"),
            ("https://[::1]:443/", "[::1]"),
        ] {
            let head = format!("GET {target} HTTP/1.1\r\nHost: o.test\r\nCookie: made=up\r\n\r\n");
            let request = request(&head, Credentials::Withheld).expect("good");
            assert_eq!(text(&request), format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n"), "{target}");
        }
    }

    #[test]
    fn what_the_service_saw_is_as_it_left_it() {
        let head = "GET http://o.test/ HTTP/1.1\r\nHost: o.test\r\nCookie: cleaned\r\n\r\n";
        let request = request(head, Credentials::Sent).expect("good");
        assert_eq!(text(&request), "GET / HTTP/1.1\r\nHost: o.test\r\nCookie: cleaned\r\n\r\n");
    }

    #[test]
    fn a_target_without_a_host_is_at_the_same_one() {
        let original = Original { url: "https://o.test:8443/x", ..ORIGINAL };
        let head = adapted("GET /y HTTP/1.1\r\nHost: evil.test\r\n\r\n");
        let request = head.into_request(original, Credentials::Withheld, BodyFraming::None).expect("good");
        assert!(text(&request).starts_with("GET /y HTTP/1.1\r\nHost: o.test:8443\r\nCookie: a=b\r\n"));
        assert_eq!((request.scheme, &**request.authority.text()), (Scheme::Https, "o.test:8443"));
    }

    #[test]
    fn a_path_that_was_shown_in_ascii_is_as_the_client_wrote_it() {
        let original = Original { url: "http://o.test/\u{e4}?q", ..ORIGINAL };
        for (target, path) in [("http://o.test/%C3%A4?q", "/\u{e4}?q"), ("/%C3%A4?q=2", "/%C3%A4?q=2")] {
            let head = adapted(&format!("GET {target} HTTP/1.1\r\nHost: o.test\r\n\r\n"));
            let request = head.into_request(original, Credentials::Sent, BodyFraming::None).expect("good");
            assert_eq!(text(&request), format!("GET {path} HTTP/1.1\r\nHost: o.test\r\n\r\n"));
            assert_eq!(request.path, path);
        }
    }

    #[test]
    fn framing_is_that_of_the_body() {
        let original = Original { url: "http://o.test/", head: b"POST / HTTP/1.1\r\nHost: o.test\r\n\r\n" };
        for (declared, framing, lines) in [
            ("Content-Length: 5\r\n", BodyFraming::Length(7), "Content-Length: 7\r\n"),
            ("Content-Length: 5\r\n", BodyFraming::Chunked, "Transfer-Encoding: chunked\r\n"),
            ("Content-Length: 0\r\n", BodyFraming::None, "Content-Length: 0\r\n"),
            ("", BodyFraming::None, ""),
        ] {
            let head = adapted(&format!("POST http://o.test HTTP/1.1\r\n{declared}\r\n"));
            let request = head.into_request(original, Credentials::Sent, framing).expect("good");
            assert_eq!(text(&request), format!("POST / HTTP/1.1\r\nHost: o.test\r\n{lines}\r\n"));
        }
    }

    #[test]
    fn a_switch_of_protocols_is_ours() {
        let original = Original {
            url: "http://o.test/",
            head: b"GET / HTTP/1.1\r\nHost: o.test\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
        };
        let head = adapted("GET http://o.test/ HTTP/1.1\r\nUpgrade: h2c\r\nConnection: X, Upgrade\r\nX: 1\r\n\r\n");
        let request = head.into_request(original, Credentials::Withheld, BodyFraming::None).expect("good");
        assert_eq!(request.head, original.head, "{}", text(&request));
    }

    #[test]
    fn a_tunnel_goes_to_a_host_and_port() {
        for (head, place) in [
            ("CONNECT O.test:443", Ok("o.test:443")),
            ("CONNECT [::1]:8443", Ok("[::1]:8443")),
            ("CONNECT o.test", Err(Fault::ChangedTarget)),
            ("CONNECT o.test:0", Err(Fault::ChangedTarget)),
            ("CONNECT http://o.test:443", Err(Fault::ChangedTarget)),
            ("CONNECT o.test:443/", Err(Fault::ChangedTarget)),
            ("CONNECT u@o.test:443", Err(Fault::ChangedTarget)),
            ("connect o.test:443", Err(Fault::ChangedMethod)),
            ("GET o.test:443", Err(Fault::ChangedMethod)),
        ] {
            let target = adapted(&format!("{head} HTTP/1.1\r\n\r\n")).connect_target();
            assert_eq!(target.as_ref().map(|target| &**target.text()), place.as_ref().copied(), "{head}");
        }
        let with_body = adapted("CONNECT o.test:443 HTTP/1.1\r\nContent-Length: 5\r\n\r\n");
        assert_eq!(with_body.connect_target(), Err(Fault::InnerHead));
    }

    #[test]
    fn refused() {
        for (target, fault) in [
            ("POST http://o.test/", Fault::ChangedMethod),
            ("get http://o.test/", Fault::ChangedMethod),
            ("GET ftp://o.test/", Fault::ChangedTarget),
            ("GET file:///etc/passwd", Fault::ChangedTarget),
            ("GET o.test:80", Fault::ChangedTarget),
            ("GET http://user@o.test/", Fault::ChangedTarget),
            ("GET http:///p", Fault::ChangedTarget),
            ("GET http://o.test/#x", Fault::ChangedTarget),
        ] {
            let refused = request(&format!("{target} HTTP/1.1\r\n\r\n"), Credentials::Withheld);
            assert_eq!(refused.err(), Some(fault), "{target}");
        }
        let tunnel = Original { url: "https://o.test", head: b"CONNECT o.test:443 HTTP/1.1\r\n\r\n" };
        let head = adapted("CONNECT evil.test:443 HTTP/1.1\r\n\r\n");
        let refused = head.into_request(tunnel, Credentials::Withheld, BodyFraming::None);
        assert_eq!(refused.err(), Some(Fault::ChangedTarget));
        let page = AdaptedHead::response(b"HTTP/1.1 403 No\r\n\r\n").expect("a head");
        assert_eq!(page.connect_target(), Err(Fault::InnerHead));
        assert_eq!(page.into_request(ORIGINAL, Credentials::Sent, BodyFraming::None).err(), Some(Fault::InnerHead));
    }
}
