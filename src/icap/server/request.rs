//! The head of a request to our server: what is asked of which service, and what may be answered.

use std::net::IpAddr;

use super::super::head::{Fields, MAX_HEAD, lines};
use super::parts::Parts;
use super::refusal::Refusal;
use crate::http::framing::decimal;
use crate::icap::settings::{AllowUnchanged, IcapMethod};

/// Largest preview: as much as is held of a body while nothing is decided.
pub(super) const LARGEST_PREVIEW: u64 = 256 << 10;

/// What the methods of HTTP are called; a service has none of them.
const OTHER_METHODS: [&[u8]; 9] =
    [b"GET", b"HEAD", b"POST", b"PUT", b"DELETE", b"CONNECT", b"TRACE", b"PATCH", b"PROPFIND"];

/// Longest method that is waited for.
const LONGEST_METHOD: usize = 32;

/// Whether the connection may serve another request after this one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Keep {
    Open,
    Close,
}

/// What is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    /// OPTIONS, of the service that adapts these.
    Options(IcapMethod),
    /// To judge a message.
    Judge { method: IcapMethod, parts: Parts },
}

/// A head, understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct RequestHead {
    pub asked: Asked,
    pub keep: Keep,
    pub allow: AllowUnchanged,
    /// The size of the preview that follows; none when the whole body does.
    pub preview: Option<u64>,
    /// Who the message is for, as the other proxy says.
    pub client: Option<IpAddr>,
}

impl RequestHead {
    /// Reads a complete head.
    pub fn parse(head: &[u8]) -> Result<Self, Refusal> {
        let mut lines = lines(head);
        let line = StartLine::parse(lines.next().unwrap_or_default())?;
        let service = line.service()?;
        let method = line.method()?;
        let fields = Fields::read(lines)?;
        if fields.first("Transfer-Encoding").is_some() {
            return Err(Refusal::Malformed);
        }
        let encapsulated = only(&fields, "Encapsulated")?;
        let asked = match method {
            Method::Options if encapsulated.is_none_or(is_nothing) => Asked::Options(service),
            Method::Options => return Err(Refusal::Malformed),
            Method::Judge(method) => {
                let parts = Parts::parse(encapsulated.ok_or(Refusal::Malformed)?, method)?;
                Asked::Judge { method, parts }
            }
        };
        let close = fields.lists("Connection", "close");
        let anywhere = fields.lists("Allow", "204");
        Ok(Self {
            asked,
            keep: if close { Keep::Close } else { Keep::Open },
            allow: if anywhere { AllowUnchanged::Anywhere } else { AllowUnchanged::InPreview },
            preview: only(&fields, "Preview")?.map(preview).transpose()?,
            client: fields.first("X-Client-IP").and_then(address),
        })
    }
}

/// The value of a field that may come once.
fn only<'a>(fields: &'a Fields, name: &'a str) -> Result<Option<&'a [u8]>, Refusal> {
    let mut values = fields.all(name);
    match (values.next(), values.next()) {
        (_, Some(_)) => Err(Refusal::Malformed),
        (value, None) => Ok(value),
    }
}

fn is_nothing(encapsulated: &[u8]) -> bool {
    let squeezed: Vec<u8> = encapsulated.iter().filter(|byte| !byte.is_ascii_whitespace()).copied().collect();
    squeezed.is_empty() || squeezed.eq_ignore_ascii_case(b"null-body=0")
}

fn preview(value: &[u8]) -> Result<u64, Refusal> {
    match decimal(value).ok_or(Refusal::Malformed)? {
        size if size > LARGEST_PREVIEW => Err(Refusal::TooLarge),
        size => Ok(size),
    }
}

/// An address that cannot be read is as good as none: it is only told on.
fn address(value: &[u8]) -> Option<IpAddr> {
    std::str::from_utf8(value).ok()?.parse::<IpAddr>().ok().map(|address| address.to_canonical())
}

enum Method {
    Options,
    Judge(IcapMethod),
}

/// The first line, its version known to be ours.
struct StartLine<'a> {
    method: &'a [u8],
    target: &'a [u8],
}

impl<'a> StartLine<'a> {
    fn parse(line: &'a [u8]) -> Result<Self, Refusal> {
        let mut words = line.split(|byte| *byte == b' ');
        let (Some(method), Some(target), Some(version), None) =
            (words.next(), words.next(), words.next(), words.next())
        else {
            return Err(Refusal::Malformed);
        };
        let is_word = |word: &[u8]| !word.is_empty() && word.iter().all(u8::is_ascii_graphic);
        if method.is_empty() || !may_be_method(method) || !is_word(target) {
            return Err(Refusal::Malformed);
        }
        match version.strip_prefix(b"ICAP/") {
            Some([b'1', b'.', minor]) if minor.is_ascii_digit() => Ok(Self { method, target }),
            Some([major, b'.', minor]) if major.is_ascii_digit() && minor.is_ascii_digit() => Err(Refusal::Version),
            _ => Err(Refusal::Malformed),
        }
    }

    /// The service by the path; its query and a slash at its end mean nothing here.
    fn service(&self) -> Result<IcapMethod, Refusal> {
        let end = self.target.iter().position(|byte| *byte == b':').ok_or(Refusal::Malformed)?;
        let (scheme, rest) = self.target.split_at(end);
        let is_ours = scheme.eq_ignore_ascii_case(b"icap") || scheme.eq_ignore_ascii_case(b"icaps");
        let rest = rest.strip_prefix(b"://").filter(|_| is_ours).ok_or(Refusal::Malformed)?;
        let path = rest.iter().position(|byte| matches!(byte, b'/' | b'?')).map_or(&b""[..], |at| &rest[at..]);
        if rest.len() == path.len() {
            return Err(Refusal::Malformed);
        }
        let path = path.split(|byte| *byte == b'?').next().unwrap_or_default();
        match path.strip_suffix(b"/").unwrap_or(path) {
            b"/reqmod" => Ok(IcapMethod::Reqmod),
            b"/respmod" => Ok(IcapMethod::Respmod),
            _ => Err(Refusal::NotFound),
        }
    }

    /// Either method is taken on either path: clients are set up with one of them, and the method says what it is.
    fn method(&self) -> Result<Method, Refusal> {
        match self.method {
            b"OPTIONS" => Ok(Method::Options),
            b"REQMOD" => Ok(Method::Judge(IcapMethod::Reqmod)),
            b"RESPMOD" => Ok(Method::Judge(IcapMethod::Respmod)),
            other if OTHER_METHODS.contains(&other) => Err(Refusal::MethodNotAllowed),
            _ => Err(Refusal::NotImplemented),
        }
    }
}

/// Whether a method may begin so.
fn may_be_method(word: &[u8]) -> bool {
    let fits = |byte: &u8| byte.is_ascii_uppercase() || matches!(byte, b'_' | b'-');
    word.len() <= LONGEST_METHOD && word.iter().all(fits)
}

/// Whether the first line is known to be good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FirstLine {
    Unread,
    Good,
}

/// Looks at the beginning of a head: what cannot become one is refused without waiting for its end.
pub(super) fn first_line(bytes: &[u8]) -> Result<FirstLine, Refusal> {
    let end = memchr::memchr(b'\n', &bytes[..bytes.len().min(MAX_HEAD)]);
    let line = &bytes[..end.unwrap_or(bytes.len())];
    let word = line.split(|byte| *byte == b' ').next().unwrap_or_default();
    if end.is_none() && may_be_method(word) {
        return Ok(FirstLine::Unread);
    }
    StartLine::parse(line.strip_suffix(b"\r").unwrap_or(line)).map(|_| FirstLine::Good)
}

#[cfg(test)]
mod tests;
