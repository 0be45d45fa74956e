//! Who may change something through the admin port: somebody on this machine, and no page in their browser.

use std::net::SocketAddr;

use axum::extract::Request;
use axum::http::header::{self, HeaderName};
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Response};

use super::answers::problem;

const FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Whether changes are taken at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Changes {
    /// Only this machine reaches the port.
    Taken,
    /// Others reach it, and nothing tells them apart.
    Refused,
}

/// Why a change is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Forbidden {
    /// The port is open to other machines.
    OpenPort,
    /// A page of another site asks.
    ForeignPage,
}

impl Changes {
    pub(super) fn new(bound: SocketAddr) -> Self {
        if bound.ip().to_canonical().is_loopback() { Changes::Taken } else { Changes::Refused }
    }

    /// Lets through what changes nothing, and what somebody on this machine asks for by no foreign page: browsers put
    /// `Origin` on every request of a page that is not a mere look, and a page cannot take it off.
    pub(super) fn admit(self, request: &Request) -> Result<(), Forbidden> {
        let looks = matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS);
        match self {
            _ if looks => Ok(()),
            Changes::Refused => Err(Forbidden::OpenPort),
            Changes::Taken if is_foreign(request) => Err(Forbidden::ForeignPage),
            Changes::Taken => Ok(()),
        }
    }
}

/// Whether a page of another origin asks. The guard has found `Host` to be one of our names already.
fn is_foreign(request: &Request) -> bool {
    let headers = request.headers();
    let host = headers.get(header::HOST).map_or(&b""[..], |host| host.as_bytes());
    let is_own = |origin: &[u8]| origin.strip_prefix(b"http://").is_some_and(|rest| rest.eq_ignore_ascii_case(host));
    let foreign_origin = headers.get_all(header::ORIGIN).iter().any(|origin| !is_own(origin.as_bytes()));
    let foreign_site =
        headers.get_all(FETCH_SITE).iter().any(|site| !matches!(site.as_bytes(), b"same-origin" | b"none"));
    foreign_origin || foreign_site
}

impl IntoResponse for Forbidden {
    fn into_response(self) -> Response {
        let text = match self {
            Forbidden::OpenPort => "changes are taken only where the admin port is bound to a loopback address",
            Forbidden::ForeignPage => "changes are not taken from pages of other sites",
        };
        problem(StatusCode::FORBIDDEN, text)
    }
}

#[cfg(test)]
mod tests {
    use axum::body::Body;

    use super::*;

    fn admitted(bound: &str, method: Method, headers: &[(&str, &str)]) -> Result<(), Forbidden> {
        let mut request = Request::builder().method(method).uri("/").header("host", "127.0.0.1:9128");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Body::empty()).expect("request");
        Changes::new(bound.parse().expect("address")).admit(&request)
    }

    #[test]
    fn an_open_port_shows_and_takes_nothing() {
        for bound in ["0.0.0.0:9128", "10.1.2.3:9128", "[::]:9128"] {
            for method in [Method::PUT, Method::POST, Method::DELETE, Method::PATCH] {
                assert_eq!(admitted(bound, method, &[]), Err(Forbidden::OpenPort), "{bound}");
            }
            assert_eq!(admitted(bound, Method::GET, &[]), Ok(()), "{bound}");
        }
        for bound in ["127.0.0.1:9128", "127.3.2.1:1", "[::1]:9128", "[::ffff:127.0.0.1]:9128"] {
            assert_eq!(admitted(bound, Method::PUT, &[]), Ok(()), "{bound}");
        }
    }

    #[test]
    fn pages_of_others_change_nothing() {
        let put = |headers: &[(&str, &str)]| admitted("127.0.0.1:9128", Method::PUT, headers);
        assert_eq!(put(&[("origin", "http://127.0.0.1:9128")]), Ok(()));
        assert_eq!(put(&[("sec-fetch-site", "same-origin"), ("origin", "http://127.0.0.1:9128")]), Ok(()));
        for foreign in [
            &[("origin", "http://evil.example")][..],
            &[("origin", "null")],
            &[("origin", "https://127.0.0.1:9128")],
            &[("origin", "http://127.0.0.1:8000")],
            &[("origin", "http://localhost:9128")],
            &[("origin", "http://127.0.0.1:9128"), ("origin", "http://evil.example")],
            &[("sec-fetch-site", "cross-site")],
            &[("sec-fetch-site", "same-site")],
        ] {
            assert_eq!(put(foreign), Err(Forbidden::ForeignPage), "{foreign:?}");
        }
    }
}
