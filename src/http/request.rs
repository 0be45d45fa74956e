//! A request head: read, judged, and written anew for the origin.

use std::mem::MaybeUninit;
use std::sync::Arc;

use httparse::{Header, Status};

use super::field::{ConnectionOptions, Known, binds_connection, known, list};
use super::framing::{BodyFraming, FramingFields, Version};
use super::head::{BadHead, MAX_REQUEST_FIELDS, head_length};
use super::method::Method;
use super::push::{Push, of_accept};
use super::reply::{PageKind, page_kind};
use super::target::{Target, read_target};
use crate::base::authority::{Authority, HTTP_PORT};
use crate::base::reason::Reason;

/// What is known of a request once its head is read.
#[derive(Clone, Debug)]
pub struct Request {
    /// The method.
    pub method: Method,
    /// The client's version.
    pub version: Version,
    /// Where it goes.
    pub target: Target,
    /// How its body is framed.
    pub framing: BodyFraming,
    /// `Expect: 100-continue` was sent and goes on to the origin.
    pub expects_continue: bool,
    /// Protocols of an `Upgrade` that goes on to the origin.
    pub upgrade: Option<Box<[u8]>>,
    /// The client would like to send another request on this connection.
    pub keep_alive: bool,
    /// It asks for a push stream and nothing else.
    pub push: Push,
    /// The form in which it would like an error page.
    pub page: PageKind,
    /// It brings credentials that hold for the whole upstream connection (NTLM, Negotiate).
    pub binds_upstream: bool,
}

/// A head that was read.
#[derive(Debug)]
pub struct RequestHead<'a> {
    /// Bytes of the head, the empty line included.
    pub length: usize,
    /// The method as sent.
    pub method: &'a str,
    /// The target as sent.
    pub target: &'a str,
    /// What it means.
    pub request: Request,
}

/// Reads the head at the start of `input` and appends the head for the origin to `out`, which stays as it is for
/// CONNECT and for requests to ourselves. `Ok(None)`: more bytes are needed.
///
/// `recent` is the authority of the request before, `pseudonym` our own name in `Via`.
///
/// # Errors
/// The [`Reason`] to refuse it; the connection must then be closed.
pub fn read_request<'a>(
    input: &'a [u8],
    recent: Option<&Arc<Authority>>,
    pseudonym: &str,
    out: &mut Vec<u8>,
) -> Result<Option<RequestHead<'a>>, Reason> {
    let complete = head_length(input).map_err(refuse_head)?;
    let mut fields = [const { MaybeUninit::uninit() }; MAX_REQUEST_FIELDS];
    let mut head = httparse::Request::new(&mut []);
    // An unfinished head is parsed too: what can never become a request, such as TLS, is refused without a wait.
    let length = complete.unwrap_or(input.len());
    match head.parse_with_uninit_headers(&input[..length], &mut fields) {
        Ok(Status::Complete(parsed)) if Some(parsed) == complete => {}
        Ok(Status::Partial) if complete.is_none() => return Ok(None),
        Ok(_) => return Err(Reason::BadRequest),
        Err(fault) => return Err(refuse_parse(fault)),
    }
    let (Some(method_token), Some(target_text), Some(minor)) = (head.method, head.path, head.version) else {
        return Err(Reason::BadRequest);
    };
    let version = if minor == 0 { Version::Http10 } else { Version::Http11 };
    let method = Method::of(method_token);
    let mut kinds = [Known::Other; MAX_REQUEST_FIELDS];
    let facts = Facts::gather(head.headers, &mut kinds, pseudonym)?;
    let (target, path) = read_target(method, target_text, recent).map_err(|_| Reason::BadTarget)?;
    facts.check_host(version, &target)?;
    let request = facts.to_request(method, version, target)?;
    if let Target::Origin(authority) = &request.target {
        let line = RequestLine { method: method_token, path, authority };
        write_head(&line, head.headers, &kinds, &request, &facts.connection, out);
        write_last_fields(version, pseudonym, &request, out);
    }
    Ok(Some(RequestHead { length, method: method_token, target: target_text, request }))
}

fn refuse_head(fault: BadHead) -> Reason {
    match fault {
        BadHead::LineEnd => Reason::BadRequest,
        BadHead::TooLarge => Reason::RequestHeadTooLarge,
    }
}

fn refuse_parse(fault: httparse::Error) -> Reason {
    match fault {
        httparse::Error::TooManyHeaders => Reason::RequestHeadTooLarge,
        httparse::Error::Version => Reason::BadVersion,
        _ => Reason::BadRequest,
    }
}

/// Everything the fields of a head say to us.
#[derive(Default)]
struct Facts<'a> {
    framing: FramingFields,
    connection: ConnectionOptions<'a>,
    host: Option<&'a [u8]>,
    expect: Option<&'a [u8]>,
    upgrade: Option<&'a [u8]>,
    accept: Option<&'a [u8]>,
    binds_upstream: bool,
}

impl<'a> Facts<'a> {
    /// Reads every field once; `kinds` gets what each of them is.
    fn gather(fields: &[Header<'a>], kinds: &mut [Known], pseudonym: &str) -> Result<Self, Reason> {
        let mut facts = Facts::default();
        for (field, kind) in fields.iter().zip(kinds) {
            *kind = known(field.name.as_bytes());
            facts.read(*kind, field.value, pseudonym)?;
        }
        Ok(facts)
    }

    fn read(&mut self, kind: Known, value: &'a [u8], pseudonym: &str) -> Result<(), Reason> {
        match kind {
            Known::ContentLength => self.framing.content_length(value).map_err(|_| Reason::BadRequestFraming)?,
            Known::TransferEncoding => self.framing.transfer_encoding(value).map_err(|_| Reason::BadRequestFraming)?,
            Known::Connection => self.connection.read(value).map_err(|_| Reason::BadRequest)?,
            Known::Host if self.host.replace(value).is_some() => return Err(Reason::BadRequest),
            Known::Expect if self.expect.replace(value).is_some() => return Err(Reason::BadExpectation),
            Known::Via if names_us(value, pseudonym) => return Err(Reason::Loop),
            Known::Upgrade => self.upgrade = Some(value),
            Known::Accept => self.accept = Some(value),
            Known::Authorization => self.binds_upstream |= binds_connection(value),
            _ => {}
        }
        Ok(())
    }

    /// Exactly one good Host in HTTP/1.1 (RFC 9112 section 3.2), none or one before.
    fn check_host(&self, version: Version, target: &Target) -> Result<(), Reason> {
        match self.host {
            // What nearly every client sends: the same bytes as in the target, which are known to be good.
            Some(host) if target.authority().is_some_and(|authority| authority.is_spelled(host)) => Ok(()),
            Some(host) => Authority::parse(host, Some(HTTP_PORT)).map(drop).map_err(|_| Reason::BadRequest),
            None if version == Version::Http10 => Ok(()),
            None => Err(Reason::BadRequest),
        }
    }

    fn to_request(&self, method: Method, version: Version, target: Target) -> Result<Request, Reason> {
        let framing = self.framing.of_request(version).map_err(|_| Reason::BadRequestFraming)?;
        // The bytes after a CONNECT head are the tunnel's; a body there would be read as a request by somebody.
        if method == Method::Connect && self.framing.announces_body() {
            return Err(Reason::BadRequestFraming);
        }
        let modern = version == Version::Http11;
        let keep_alive = !self.connection.close && (modern || self.connection.keep_alive);
        let upgrade = self.upgrade.filter(|_| modern && self.connection.upgrade && framing == BodyFraming::None);
        Ok(Request {
            method,
            version,
            target,
            framing,
            expects_continue: self.expects_continue(version)? && framing != BodyFraming::None,
            upgrade: upgrade.and_then(upgrade_to_pass_on),
            keep_alive,
            push: self.accept.map_or(Push::Unsaid, of_accept),
            page: page_kind(self.accept),
            binds_upstream: self.binds_upstream,
        })
    }

    fn expects_continue(&self, version: Version) -> Result<bool, Reason> {
        match self.expect {
            None => Ok(false),
            Some(value) if value.eq_ignore_ascii_case(b"100-continue") => Ok(version == Version::Http11),
            Some(_) => Err(Reason::BadExpectation),
        }
    }
}

/// Whether a `Via` value holds our pseudonym as a received-by.
pub(super) fn names_us(via: &[u8], pseudonym: &str) -> bool {
    list(via).any(|member| member.split(u8::is_ascii_whitespace).any(|word| word == pseudonym.as_bytes()))
}

/// The protocols worth passing on: all but `h2c`, which would put HTTP/2 past our eyes (RFC 9113 section 3.1).
fn upgrade_to_pass_on(value: &[u8]) -> Option<Box<[u8]>> {
    let kept: Vec<&[u8]> = list(value).filter(|protocol| !protocol.eq_ignore_ascii_case(b"h2c")).collect();
    if kept.is_empty() { None } else { Some(kept.join(&b", "[..]).into()) }
}

struct RequestLine<'a> {
    method: &'a str,
    path: &'a str,
    authority: &'a Authority,
}

/// Writes the request line and the fields in their order and letter case, the ones we own rebuilt in their places.
fn write_head(
    line: &RequestLine<'_>,
    fields: &[Header<'_>],
    kinds: &[Known],
    request: &Request,
    connection: &ConnectionOptions<'_>,
    out: &mut Vec<u8>,
) {
    out.extend_from_slice(line.method.as_bytes());
    out.push(b' ');
    out.extend_from_slice(line.path.as_bytes());
    out.extend_from_slice(b" HTTP/1.1\r\n");
    let host = line.authority.host_field().as_bytes();
    if !kinds[..fields.len()].contains(&Known::Host) {
        push_field(b"Host", host, out);
    }
    let mut framing_written = false;
    for (field, kind) in fields.iter().zip(kinds) {
        let name = field.name.as_bytes();
        match kind {
            Known::Host => push_field(name, host, out),
            Known::ContentLength | Known::TransferEncoding if !framing_written => {
                framing_written = true;
                push_framing(name, field.value, request.framing, out);
            }
            Known::Expect if request.expects_continue => push_field(name, b"100-continue", out),
            Known::Via | Known::Accept => push_field(name, field.value, out),
            Known::Other | Known::ContentType | Known::Authorization | Known::WwwAuthenticate
                if !connection.names(name) =>
            {
                push_field(name, field.value, out);
            }
            _ => {}
        }
    }
}

fn push_framing(name: &[u8], value: &[u8], framing: BodyFraming, out: &mut Vec<u8>) {
    match framing {
        BodyFraming::Chunked => push_field(name, b"chunked", out),
        // Digits only and equal to its repetitions, or it would have been refused.
        BodyFraming::Length(_) | BodyFraming::None => push_field(name, value, out),
        BodyFraming::UntilClose => {}
    }
}

fn write_last_fields(version: Version, pseudonym: &str, request: &Request, out: &mut Vec<u8>) {
    push_via(version, pseudonym, out);
    if let Some(upgrade) = &request.upgrade {
        push_field(b"Upgrade", upgrade, out);
        push_field(b"Connection", b"Upgrade", out);
    }
    out.extend_from_slice(b"\r\n");
}

/// Appends `Via` with the version the message came in (RFC 9110 section 7.6.3).
pub(super) fn push_via(received: Version, pseudonym: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(match received {
        Version::Http10 => b"Via: 1.0 ",
        Version::Http11 => b"Via: 1.1 ",
    });
    out.extend_from_slice(pseudonym.as_bytes());
    out.extend_from_slice(b"\r\n");
}

/// Appends one field line.
pub(super) fn push_field(name: &[u8], value: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(name);
    out.extend_from_slice(b": ");
    out.extend_from_slice(value);
    out.extend_from_slice(b"\r\n");
}

#[cfg(test)]
mod tests;
