//! A response head: read, judged, and written anew for the client.

use std::mem::MaybeUninit;

use httparse::{Header, Status};

use super::body::BodyFormat;
use super::field::{ConnectionOptions, Known, binds_connection, known, list};
use super::framing::{BodyFraming, FramingFields, Version, decimal};
use super::head::{BadHead, MAX_RESPONSE_FIELDS, head_length};
use super::method::Method;
use super::push::{Push, of_content_type};
use super::request::{Request, push_field, push_via};
use crate::base::reason::Reason;

/// What kind of response a head begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResponseKind {
    /// 1xx other than 101: the final one follows.
    Interim,
    /// 101 to an upgrade that was asked for.
    Switching,
    /// The final response.
    Final,
}

/// What is known of a response once its head is read.
#[derive(Clone, Copy, Debug)]
pub struct Response {
    /// Interim, switching or final.
    pub kind: ResponseKind,
    /// Status code, 100 to 999.
    pub status: u16,
    /// How its body is framed by the origin.
    pub framing: BodyFraming,
    /// How its body is framed for the client.
    pub format: BodyFormat,
    /// The origin would take another request on this connection.
    pub upstream_keep_alive: bool,
    /// Seconds the origin keeps an idle connection, where it says so (`Keep-Alive: timeout=`).
    pub upstream_idle_seconds: Option<u64>,
    /// Requests the origin would still take on this connection, where it says so (`Keep-Alive: max=`).
    pub upstream_requests_left: Option<u64>,
    /// It brings a challenge or an identity that holds for the whole upstream connection (NTLM, Negotiate).
    pub binds_upstream: bool,
    /// The client may send another request after this response.
    pub client_keep_alive: bool,
    /// Its type is that of a push stream.
    pub push: Push,
}

impl Response {
    /// Whether the client can tell a cut body from a whole one by its framing.
    pub fn ends_by_framing(&self) -> bool {
        match self.framing {
            BodyFraming::Chunked => self.format == BodyFormat::Chunked,
            BodyFraming::UntilClose => false,
            BodyFraming::None | BodyFraming::Length(_) => true,
        }
    }
}

/// Whether the client connection may outlive this exchange as far as we are concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientConnection {
    /// It may.
    MayStay,
    /// It must not: the process is going down, or the request body will not be read to its end.
    MustClose,
}

/// Reads the head at the start of `input` and appends the head for the client to `out`. `Ok(None)`: more bytes are
/// needed. For interim responses to HTTP/1.0 clients nothing is appended: those know none.
///
/// # Errors
/// The [`Reason`] for a 502; the upstream connection must be closed.
pub fn read_response(
    input: &[u8],
    request: &Request,
    client: ClientConnection,
    pseudonym: &str,
    out: &mut Vec<u8>,
) -> Result<Option<(usize, Response)>, Reason> {
    let complete = head_length(input).map_err(refuse_head)?;
    let mut fields = [const { MaybeUninit::uninit() }; MAX_RESPONSE_FIELDS];
    let mut head = httparse::Response::new(&mut []);
    // An unfinished head is parsed too: what can never become a response, such as a banner, is refused without a wait.
    let length = complete.unwrap_or(input.len());
    let parsed =
        httparse::ParserConfig::default().parse_response_with_uninit_headers(&mut head, &input[..length], &mut fields);
    match parsed {
        Ok(Status::Complete(parsed)) if Some(parsed) == complete => {}
        Ok(Status::Partial) if complete.is_none() => return Ok(None),
        _ => return Err(Reason::BadResponse),
    }
    let (Some(status @ 100..), Some(minor)) = (head.code, head.version) else { return Err(Reason::BadResponse) };
    let version = if minor == 0 { Version::Http10 } else { Version::Http11 };
    let mut kinds = [Known::Other; MAX_RESPONSE_FIELDS];
    let facts = Facts::gather(head.headers, &mut kinds)?;
    let response = facts.judge(status, version, request, client)?;
    if response.kind != ResponseKind::Interim || request.version == Version::Http11 {
        write_status_line(status, head.reason.unwrap_or_default(), out);
        write_fields(head.headers, &kinds, request, &response, &facts, out);
        push_via(version, pseudonym, out);
        write_connection(request, &response, &facts, out);
    }
    Ok(Some((length, response)))
}

fn refuse_head(fault: BadHead) -> Reason {
    match fault {
        BadHead::LineEnd => Reason::BadResponse,
        BadHead::TooLarge => Reason::ResponseHeadTooLarge,
    }
}

/// Everything the fields of a head say to us.
#[derive(Default)]
struct Facts<'a> {
    framing: FramingFields,
    connection: ConnectionOptions<'a>,
    upgrade: Option<&'a [u8]>,
    idle_seconds: Option<u64>,
    push: Push,
    requests_left: Option<u64>,
    binds_upstream: bool,
}

impl<'a> Facts<'a> {
    fn gather(fields: &[Header<'a>], kinds: &mut [Known]) -> Result<Self, Reason> {
        let mut facts = Facts::default();
        for (field, kind) in fields.iter().zip(kinds) {
            *kind = known(field.name.as_bytes());
            match kind {
                Known::ContentLength => facts.framing.content_length(field.value).map_err(|_| Reason::BadResponse)?,
                Known::TransferEncoding => {
                    facts.framing.transfer_encoding(field.value).map_err(|_| Reason::BadResponse)?;
                }
                Known::Connection => facts.connection.read(field.value).map_err(|_| Reason::BadResponse)?,
                Known::Upgrade => facts.upgrade = Some(field.value),
                Known::KeepAlive => {
                    facts.idle_seconds = parameter(field.value, b"timeout=");
                    facts.requests_left = parameter(field.value, b"max=");
                }
                Known::WwwAuthenticate => facts.binds_upstream |= binds_connection(field.value),
                Known::ContentType => facts.push = of_content_type(field.value),
                _ => {}
            }
        }
        Ok(facts)
    }

    fn judge(
        &self,
        status: u16,
        version: Version,
        request: &Request,
        client: ClientConnection,
    ) -> Result<Response, Reason> {
        let kind = self.kind(status, version, request)?;
        let announced = self.framing.of_response(version).map_err(|_| Reason::BadResponse)?;
        let bodiless = request.method == Method::Head || matches!(status, 100..=199 | 204 | 304);
        let framing = if bodiless { BodyFraming::None } else { announced };
        let chunks = framing == BodyFraming::Chunked && request.version == Version::Http11;
        let ends_itself = chunks || matches!(framing, BodyFraming::None | BodyFraming::Length(_));
        let modern = version == Version::Http11;
        let upstream_keep_alive = !self.connection.close && (modern || self.connection.keep_alive);
        Ok(Response {
            kind,
            status,
            framing,
            format: if chunks { BodyFormat::Chunked } else { BodyFormat::Plain },
            upstream_keep_alive: upstream_keep_alive && framing != BodyFraming::UntilClose,
            upstream_idle_seconds: self.idle_seconds,
            upstream_requests_left: self.requests_left,
            binds_upstream: self.binds_upstream,
            client_keep_alive: ends_itself && request.keep_alive && client == ClientConnection::MayStay,
            push: if framing == BodyFraming::None { Push::Unsaid } else { self.push },
        })
    }

    fn kind(&self, status: u16, version: Version, request: &Request) -> Result<ResponseKind, Reason> {
        match status {
            101 if self.switches_as_asked(version, request) => Ok(ResponseKind::Switching),
            101 => Err(Reason::UnaskedUpgrade),
            100..=199 => Ok(ResponseKind::Interim),
            _ => Ok(ResponseKind::Final),
        }
    }

    /// A switch counts only if it names a protocol that was asked for (RFC 9110 section 7.8).
    fn switches_as_asked(&self, version: Version, request: &Request) -> bool {
        let (Some(asked), Some(given)) = (request.upgrade.as_deref(), self.upgrade) else { return false };
        version == Version::Http11
            && self.connection.upgrade
            && list(given).all(|given| list(asked).any(|asked| asked.eq_ignore_ascii_case(given)))
            && list(given).next().is_some()
    }
}

/// The number behind `name` in `Keep-Alive: timeout=N, max=N`; the name ends in `=`.
fn parameter(value: &[u8], name: &[u8]) -> Option<u64> {
    list(value).find_map(|parameter| {
        let (own, number) = parameter.split_at_checked(name.len())?;
        if own.eq_ignore_ascii_case(name) { decimal(number) } else { None }
    })
}

fn write_status_line(status: u16, reason: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(b"HTTP/1.1 ");
    out.extend_from_slice(&[100, 10, 1].map(|place| b'0' + (status / place % 10) as u8));
    out.push(b' ');
    out.extend_from_slice(reason.as_bytes());
    out.extend_from_slice(b"\r\n");
}

/// Writes the fields in their order and letter case, the framing rebuilt in its place.
fn write_fields(
    fields: &[Header<'_>],
    kinds: &[Known],
    request: &Request,
    response: &Response,
    facts: &Facts<'_>,
    out: &mut Vec<u8>,
) {
    let mut framing_written = false;
    for (field, kind) in fields.iter().zip(kinds) {
        let name = field.name.as_bytes();
        match kind {
            Known::ContentLength | Known::TransferEncoding if !framing_written => {
                framing_written = true;
                write_framing(name, *kind, field.value, request, response, out);
            }
            Known::Via | Known::Accept | Known::Expect | Known::Host => push_field(name, field.value, out),
            Known::Other | Known::ContentType | Known::Authorization | Known::WwwAuthenticate
                if !facts.connection.names(name) =>
            {
                push_field(name, field.value, out);
            }
            _ => {}
        }
    }
}

/// The framing of the body, or of the body that HEAD and 304 leave out. Never in 1xx and 204 (RFC 9112 section 6.1).
fn write_framing(name: &[u8], kind: Known, value: &[u8], request: &Request, response: &Response, out: &mut Vec<u8>) {
    match (response.status, kind) {
        (100..=199 | 204, _) => {}
        // Digits only and equal to its repetitions, or it would have been refused.
        (_, Known::ContentLength) => push_field(name, value, out),
        (_, _) if request.version == Version::Http11 => push_field(name, b"chunked", out),
        _ => {}
    }
}

fn write_connection(request: &Request, response: &Response, facts: &Facts<'_>, out: &mut Vec<u8>) {
    match response.kind {
        ResponseKind::Interim => {}
        ResponseKind::Switching => {
            push_field(b"Upgrade", facts.upgrade.unwrap_or_default(), out);
            push_field(b"Connection", b"Upgrade", out);
        }
        ResponseKind::Final if !response.client_keep_alive => push_field(b"Connection", b"close", out),
        ResponseKind::Final if request.version == Version::Http10 => push_field(b"Connection", b"keep-alive", out),
        ResponseKind::Final => {}
    }
    out.extend_from_slice(b"\r\n");
}

#[cfg(test)]
mod tests;
