//! What stands before every route: the `Host` check against DNS rebinding, the check of who may change something, and
//! headers that keep browsers careful.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::extract::{ConnectInfo, Request, State};
use axum::http::header::{self, HeaderName};
use axum::http::uri::Authority;
use axum::http::{HeaderValue, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::listener::Peer;
use super::operations::Who;
use super::routes::Site;

/// Put on every answer, refusals included.
const HEADERS: [(HeaderName, HeaderValue); 6] = [
    (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (header::CONTENT_SECURITY_POLICY, HeaderValue::from_static("default-src 'self'; frame-ancestors 'none'")),
    (header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY")),
    (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    (HeaderName::from_static("cross-origin-resource-policy"), HeaderValue::from_static("same-origin")),
];

/// Under which names the admin port may be asked for.
///
/// A page that points its own name at our address reaches us with that name in `Host`; it cannot make a browser send
/// another. So loopback and the bound address pass, with any port, and names do not. A port bound to every address
/// passes any address, for the same reason.
#[derive(Debug)]
pub(super) struct AllowedHosts {
    bound: IpAddr,
}

impl AllowedHosts {
    pub(super) fn new(bound: SocketAddr) -> Self {
        Self { bound: bound.ip().to_canonical() }
    }

    /// Whether `request` is meant for us. Exactly one `Host` is needed, and an absolute target must pass as well.
    fn admit(&self, request: &Request) -> bool {
        let mut named = request.headers().get_all(header::HOST).iter();
        let (Some(host), None) = (named.next(), named.next()) else { return false };
        let Ok(host) = Authority::try_from(host.as_bytes()) else { return false };
        self.allows(&host) && request.uri().authority().is_none_or(|target| self.allows(target))
    }

    fn allows(&self, authority: &Authority) -> bool {
        if authority.as_str().contains('@') {
            return false;
        }
        let host = authority.host();
        let host = host.strip_prefix('[').and_then(|inner| inner.strip_suffix(']')).unwrap_or(host);
        match host.parse::<IpAddr>() {
            Ok(address) => self.allows_address(address.to_canonical()),
            Err(_) => host.strip_suffix('.').unwrap_or(host).eq_ignore_ascii_case("localhost"),
        }
    }

    fn allows_address(&self, address: IpAddr) -> bool {
        address.is_loopback() || address == self.bound || self.bound.is_unspecified()
    }
}

/// Refuses requests under another name and completes the headers of every answer.
pub(super) async fn guard(
    State(site): State<Arc<Site>>,
    ConnectInfo(Peer(remote)): ConnectInfo<Peer>,
    mut request: Request,
    next: Next,
) -> Response {
    let mut response = if !site.hosts.admit(&request) {
        refusal()
    } else {
        match site.changes.admit(&request, &(site.view.operations.tokens)()) {
            Ok(token) => {
                request.extensions_mut().insert(Who { remote, token });
                next.run(request).await
            }
            Err(forbidden) => {
                tracing::warn!(%remote, method = %request.method(), ?forbidden, "the admin port refused a change");
                forbidden.into_response()
            }
        }
    };
    response.headers_mut().extend(HEADERS);
    response
}

fn refusal() -> Response {
    let text = "The admin port answers under its address or as localhost only.\n";
    (StatusCode::MISDIRECTED_REQUEST, text).into_response()
}

#[cfg(test)]
mod tests {
    use axum::body::Body;

    use super::*;

    fn admits(bound: &str, target: &str, hosts: &[&str]) -> bool {
        let mut request = Request::builder().uri(target);
        for host in hosts {
            request = request.header(header::HOST, *host);
        }
        let request = request.body(Body::empty()).expect("request");
        AllowedHosts::new(bound.parse().expect("address")).admit(&request)
    }

    #[test]
    fn loopback_and_the_bound_address_pass() {
        for host in ["localhost", "LOCALHOST:9128", "localhost.", "127.0.0.1", "127.8.9.1:80", "[::1]:9128", "10.1.2.3"]
        {
            assert!(admits("10.1.2.3:9128", "/", &[host]), "{host}");
        }
        assert!(admits("0.0.0.0:9128", "/", &["192.0.2.7:9128"]));
        assert!(admits("[::]:9128", "/", &["[2001:db8::7]"]));
        assert!(admits("127.0.0.1:9128", "http://localhost:9128/", &["localhost:9128"]));
    }

    #[test]
    fn other_names_do_not() {
        let others = [
            "evil.example",
            "localhost.evil.example",
            "127.0.0.1.evil.example",
            "evil.example@localhost",
            "localhost@evil.example",
            "10.1.2.4",
            "192.0.2.7",
            "",
            "[::1",
            "::1",
            "2130706433",
        ];
        for host in others {
            assert!(!admits("10.1.2.3:9128", "/", &[host]), "{host}");
        }
        assert!(!admits("0.0.0.0:9128", "/", &["evil.example"]));
        assert!(!admits("10.1.2.3:9128", "/", &[]), "none");
        assert!(!admits("10.1.2.3:9128", "/", &["localhost", "localhost"]), "two");
        assert!(!admits("10.1.2.3:9128", "http://evil.example/", &["localhost"]), "absolute target");
    }
}
