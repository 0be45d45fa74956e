//! The HTTP head that a service sends back: read as strictly as an origin's, its framing never believed.

pub mod request;

use httparse::{EMPTY_HEADER, Header, Status};

use super::error::Fault;
use super::message::is_of_one_hop;
use crate::http::field::{ConnectionOptions, Known, known};
use crate::http::framing::{BodyFraming, FramingFields, Version};
use crate::http::head::{MAX_RESPONSE_FIELDS, head_length};

/// What the head begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AdaptedKind {
    /// A response: the adapted one, or the answer to a request that shall not go on.
    Response {
        /// 200 to 599.
        status: u16,
        /// The reason phrase.
        reason: String,
    },
    /// The adapted request. Its target may be another one and must be judged again.
    Request {
        /// The method.
        method: String,
        /// The target.
        target: String,
    },
}

/// A head from a service, without framing and without what belongs to one hop.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AdaptedHead {
    /// Request or response.
    pub kind: AdaptedKind,
    /// The other fields, as lines.
    pub fields: Vec<u8>,
    /// The length it declares; what came has been or will be held against it.
    pub declared: Option<u64>,
}

impl AdaptedHead {
    /// Reads a response head that is exactly `head`.
    ///
    /// # Errors
    /// [`Fault::InnerHead`].
    pub fn response(head: &[u8]) -> Result<Self, Fault> {
        let mut fields = [EMPTY_HEADER; MAX_RESPONSE_FIELDS];
        let mut parsed = httparse::Response::new(&mut fields);
        check(head, parsed.parse(head))?;
        let (Some(status @ 200..=599), Some(minor)) = (parsed.code, parsed.version) else {
            return Err(Fault::InnerHead);
        };
        let (fields, framing) = cleaned(parsed.headers)?;
        framing.of_response(version(minor)).map_err(|_| Fault::InnerHead)?;
        let reason = parsed.reason.unwrap_or_default().to_owned();
        Ok(Self { kind: AdaptedKind::Response { status, reason }, fields, declared: framing.said_length() })
    }

    /// Reads a request head that is exactly `head`.
    ///
    /// # Errors
    /// [`Fault::InnerHead`].
    pub fn request(head: &[u8]) -> Result<Self, Fault> {
        let mut fields = [EMPTY_HEADER; MAX_RESPONSE_FIELDS];
        let mut parsed = httparse::Request::new(&mut fields);
        check(head, parsed.parse(head))?;
        let (Some(method), Some(target), Some(minor)) = (parsed.method, parsed.path, parsed.version) else {
            return Err(Fault::InnerHead);
        };
        let kind = AdaptedKind::Request { method: method.to_owned(), target: target.to_owned() };
        let (fields, framing) = cleaned(parsed.headers)?;
        framing.of_request(version(minor)).map_err(|_| Fault::InnerHead)?;
        Ok(Self { kind, fields, declared: framing.said_length() })
    }

    /// The status of a response.
    pub fn status(&self) -> Option<u16> {
        match &self.kind {
            AdaptedKind::Response { status, .. } => Some(*status),
            AdaptedKind::Request { .. } => None,
        }
    }

    /// Writes the whole head, framed as the body really is; one whose status allows no body tells of no length (RFC 9110
    /// section 8.6).
    pub fn write(&self, framing: BodyFraming, out: &mut Vec<u8>) {
        let line = match &self.kind {
            AdaptedKind::Response { status, reason } => format!("HTTP/1.1 {status} {reason}\r\n"),
            AdaptedKind::Request { method, target } => format!("{method} {target} HTTP/1.1\r\n"),
        };
        out.extend_from_slice(line.as_bytes());
        out.extend_from_slice(&self.fields);
        match framing {
            BodyFraming::Length(_) if matches!(self.status(), Some(204 | 304)) => {}
            BodyFraming::Length(length) => out.extend_from_slice(format!("Content-Length: {length}\r\n").as_bytes()),
            BodyFraming::Chunked => out.extend_from_slice(b"Transfer-Encoding: chunked\r\n"),
            BodyFraming::None | BodyFraming::UntilClose => {}
        }
        out.extend_from_slice(b"\r\n");
    }
}

fn check(head: &[u8], parsed: httparse::Result<usize>) -> Result<(), Fault> {
    match parsed {
        Ok(Status::Complete(length)) if length == head.len() && head_length(head) == Ok(Some(length)) => Ok(()),
        _ => Err(Fault::InnerHead),
    }
}

fn version(minor: u8) -> Version {
    if minor == 0 { Version::Http10 } else { Version::Http11 }
}

fn cleaned(fields: &[Header<'_>]) -> Result<(Vec<u8>, FramingFields), Fault> {
    let (mut connection, mut framing) = (ConnectionOptions::default(), FramingFields::default());
    for field in fields {
        match known(field.name.as_bytes()) {
            Known::Connection => connection.read(field.value).map_err(|_| Fault::InnerHead)?,
            Known::ContentLength => framing.content_length(field.value).map_err(|_| Fault::InnerHead)?,
            Known::TransferEncoding => framing.transfer_encoding(field.value).map_err(|_| Fault::InnerHead)?,
            _ => {}
        }
    }
    let mut kept = Vec::new();
    for field in fields {
        let name = field.name.as_bytes();
        if known(name) == Known::ContentLength || is_of_one_hop(name, &connection) {
            continue;
        }
        kept.extend_from_slice(name);
        kept.extend_from_slice(b": ");
        kept.extend_from_slice(field.value);
        kept.extend_from_slice(b"\r\n");
    }
    Ok((kept, framing))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_page_as_scanners_write_it() {
        let head = b"HTTP/1.0 403 Forbidden\r\nServer: C-ICAP\r\nConnection: close\r\nContent-Type: text/html\r\nVia: ICAP/1.0 c\r\n\r\n";
        let head = AdaptedHead::response(head).expect("good");
        assert_eq!((head.status(), head.declared), (Some(403), None));
        let mut out = Vec::new();
        head.write(BodyFraming::Length(5), &mut out);
        assert_eq!(
            String::from_utf8_lossy(&out),
            "HTTP/1.1 403 Forbidden\r\nServer: C-ICAP\r\nContent-Type: text/html\r\nVia: ICAP/1.0 c\r\nContent-Length: 5\r\n\r\n"
        );
    }

    #[test]
    fn what_belongs_to_one_hop_is_dropped() {
        let head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: X-Own\r\nX-Own: 1\r\nKeep-Alive: timeout=5\r\n\
            Proxy-Authenticate: Basic\r\nTrailer: X\r\nUpgrade: h2c\r\nETag: \"1\"\r\n\r\n";
        let head = AdaptedHead::response(head).expect("good");
        assert_eq!(head.fields, b"ETag: \"1\"\r\n");
    }

    #[test]
    fn refused_responses() {
        for head in [
            "HTTP/1.1 101 Switching Protocols\r\n\r\n",
            "HTTP/1.1 100 Continue\r\n\r\n",
            "HTTP/1.1 600 What\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n",
            "HTTP/1.1 200 OK\r\nA: b\r\n folded\r\n\r\n",
            "HTTP/1.1 200 OK\nA: b\n\n",
            "HTTP/1.1 200 OK\r\nA: b\0\r\n\r\n",
            "HTTP/1.1 200 OK\r\nA: b\r\n\r\nmore",
            "HTTP/1.1 200 OK\r\nA: b\r\n",
            "GET / HTTP/1.1\r\n\r\n",
            "",
        ] {
            assert_eq!(AdaptedHead::response(head.as_bytes()), Err(Fault::InnerHead), "{head:?}");
        }
    }

    #[test]
    fn a_request_may_have_changed_its_target() {
        let head =
            AdaptedHead::request(b"GET http://other.test/ HTTP/1.1\r\nHost: o.test\r\nTE: x\r\n\r\n").expect("good");
        assert_eq!(head.kind, AdaptedKind::Request { method: "GET".into(), target: "http://other.test/".into() });
        assert_eq!(head.fields, b"Host: o.test\r\n");
        assert!(AdaptedHead::request(b"HTTP/1.1 200 OK\r\n\r\n").is_err());
    }
}
