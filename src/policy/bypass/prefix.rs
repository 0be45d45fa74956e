//! Prefixes of URLs: a server and how the path there begins.

use std::sync::Arc;

use super::Unclear;
use crate::base::authority::{Authority, HTTP_PORT, Host};

const SCHEME: &str = "http://";

/// `http://host/path`: everything at this server whose path begins so, letter by letter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UrlPrefix {
    authority: Arc<Authority>,
    path: Box<str>,
}

impl UrlPrefix {
    /// The prefix written as `text`, which has `://` in it.
    pub(super) fn parse(text: &str) -> Result<Self, Unclear> {
        let bad = |help: String| Unclear::new(format!("`{text}` cannot be the beginning of a URL"), help);
        let Some(rest) = after_scheme(text.as_bytes()).and_then(|at| text.get(at..)) else {
            let host = text.split_once("://").map_or("", |(_, rest)| rest).split(['/', '?', '#']).next();
            let help =
                format!("only `http://` shows its URLs to a proxy; write the host alone: `{}`", host.unwrap_or(""));
            return Err(bad(help));
        };
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let authority = Authority::parse(authority.as_bytes(), Some(HTTP_PORT))
            // Once more from its one spelling, so that prefixes which mean the same are the same.
            .and_then(|read| Authority::parse(read.host_field().as_bytes(), Some(HTTP_PORT)))
            .map_err(|_| bad("write it as `http://host/path`".to_owned()))?;
        let path = if path.is_empty() { "/" } else { path };
        let plain = path.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'#' | b'*'));
        if !plain || climbs(path.as_bytes()) {
            let help = "write the path as browsers send it: in ASCII, without `..`, `#`, `*`, `%2e`, `%2f` and `%5c`";
            return Err(bad(help.to_owned()));
        }
        Ok(Self { authority: Arc::new(authority), path: path.into() })
    }

    /// The prefix as text.
    pub fn text(&self) -> String {
        format!("{SCHEME}{}{}", self.authority.host_field(), self.path)
    }

    /// The host it lies at, when that has a name.
    pub(super) fn name(&self) -> Option<&str> {
        match self.authority.host() {
            Host::Name(name) => Some(name),
            Host::Ip(_) => None,
        }
    }

    /// Whether `url`, which goes to `authority`, begins so. One that leads out of its folder again never does.
    pub(super) fn matches(&self, authority: &Authority, url: &[u8]) -> bool {
        if self.authority.text() != authority.text() {
            return false;
        }
        let Some(rest) = after_scheme(url).map(|at| &url[at..]) else { return false };
        let path = rest.iter().position(|byte| *byte == b'/').map_or(&b"/"[..], |at| &rest[at..]);
        path.starts_with(self.path.as_bytes()) && !climbs(path)
    }
}

/// Where the authority of an absolute URL begins.
fn after_scheme(url: &[u8]) -> Option<usize> {
    let scheme = url.get(..SCHEME.len())?;
    scheme.eq_ignore_ascii_case(SCHEME.as_bytes()).then_some(SCHEME.len())
}

/// Whether a server could read another folder out of `path` than the one it begins with.
fn climbs(path: &[u8]) -> bool {
    let path = path.split(|byte| *byte == b'?').next().unwrap_or_default();
    let escaped = |bytes: &[u8]| [&b"%2e"[..], b"%2f", b"%5c"].iter().any(|escape| bytes.eq_ignore_ascii_case(escape));
    path.contains(&b'\\') || path.windows(3).any(escaped) || path.split(|byte| *byte == b'/').any(|part| part == b"..")
}
