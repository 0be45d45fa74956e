//! Who may change something through the admin port: somebody on this machine or with a token, and no page in their browser.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::extract::Request;
use axum::http::header::{self, HeaderName};
use axum::http::{HeaderValue, Method, StatusCode};
use axum::response::{IntoResponse, Response};

use super::answers::problem;
use super::settings::AdminTokens;

const FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Whether changes are taken without a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Changes {
    /// Only this machine reaches the port.
    Taken,
    /// Others reach it, and nothing but a token tells them apart.
    Refused,
}

/// Why a change is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Forbidden {
    /// The port is open to other machines, and there are no tokens.
    OpenPort,
    /// A token is needed, and none of ours was shown.
    NoToken,
    /// A page of another site asks.
    ForeignPage,
}

impl Changes {
    pub(super) fn new(bound: SocketAddr) -> Self {
        if bound.ip().to_canonical().is_loopback() { Changes::Taken } else { Changes::Refused }
    }

    /// Lets through what changes nothing, and what somebody with one of `tokens`, or without any on this machine, asks for
    /// by no foreign page: browsers put `Origin` on every request of a page that is not a mere look, and a page cannot take
    /// it off. Gives the name of the token.
    pub(super) fn admit(self, request: &Request, tokens: &AdminTokens) -> Result<Option<Arc<str>>, Forbidden> {
        let looks = matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS);
        match self {
            _ if looks => Ok(None),
            Changes::Refused if tokens.is_empty() => Err(Forbidden::OpenPort),
            _ if is_foreign(request) => Err(Forbidden::ForeignPage),
            _ if tokens.is_empty() => Ok(None),
            _ => bearer(request).and_then(|secret| tokens.name_of(secret)).map(Some).ok_or(Forbidden::NoToken),
        }
    }
}

/// The secret that is shown (RFC 6750 section 2.1).
fn bearer(request: &Request) -> Option<&[u8]> {
    let (scheme, secret) =
        request.headers().get(header::AUTHORIZATION)?.as_bytes().split_at_checked("Bearer ".len())?;
    scheme.eq_ignore_ascii_case(b"Bearer ").then(|| secret.trim_ascii())
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
            Forbidden::OpenPort => {
                "changes are taken only where the admin port is bound to a loopback address, or with a token of `[admin] token_file`"
            }
            Forbidden::NoToken => return unauthorized(),
            Forbidden::ForeignPage => "changes are not taken from pages of other sites",
        };
        problem(StatusCode::FORBIDDEN, text)
    }
}

fn unauthorized() -> Response {
    let text = "changes need `Authorization: Bearer TOKEN`, with a token of `[admin] token_file`";
    let mut response = problem(StatusCode::UNAUTHORIZED, text);
    response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    response
}

#[cfg(test)]
mod tests {
    use axum::body::Body;

    use super::*;

    fn admitted(bound: &str, method: Method, headers: &[(&str, &str)]) -> Result<(), Forbidden> {
        admitted_with(&AdminTokens::default(), bound, method, headers).map(|token| assert_eq!(token, None))
    }

    fn admitted_with(
        tokens: &AdminTokens,
        bound: &str,
        method: Method,
        headers: &[(&str, &str)],
    ) -> Result<Option<Arc<str>>, Forbidden> {
        let mut request = Request::builder().method(method).uri("/").header("host", "127.0.0.1:9128");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Body::empty()).expect("request");
        Changes::new(bound.parse().expect("address")).admit(&request, tokens)
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
    #[test]
    fn tokens_open_every_port_and_close_it_for_others() {
        let tokens = AdminTokens::read("t".into(), "anna 0123456789abcdef\n").expect("tokens");
        for bound in ["0.0.0.0:9128", "127.0.0.1:9128"] {
            let put = |headers: &[(&str, &str)]| admitted_with(&tokens, bound, Method::PUT, headers);
            let right = ("authorization", "bearer 0123456789abcdef");
            assert_eq!(put(&[right]), Ok(Some("anna".into())), "{bound}");
            assert_eq!(put(&[right, ("origin", "http://evil.example")]), Err(Forbidden::ForeignPage));
            for wrong in ["Bearer 0123456789abcdeF", "Bearer ", "Bearer", "Basic 0123456789abcdef", "0123456789abcdef"]
            {
                assert_eq!(put(&[("authorization", wrong)]), Err(Forbidden::NoToken), "{wrong}");
            }
            assert_eq!(put(&[]), Err(Forbidden::NoToken));
            assert_eq!(admitted_with(&tokens, bound, Method::GET, &[]), Ok(None));
        }
    }
}
