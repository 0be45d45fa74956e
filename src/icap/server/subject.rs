//! What a request to our server is about: the HTTP heads inside, and what they say of the body.

use std::net::IpAddr;

use httparse::{EMPTY_HEADER, Header, Status};

use super::refusal::Refusal;
use crate::http::field::{ConnectionOptions, Known, known};
use crate::http::framing::FramingFields;
use crate::http::head::MAX_RESPONSE_FIELDS;
use crate::http::push::{self, Push};
use crate::icap::message::is_of_one_hop;
use crate::icap::opening::BodyPresence;
use crate::icap::settings::{AllowUnchanged, IcapMethod};

/// A message to be judged, without its body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subject {
    /// REQMOD or RESPMOD.
    pub method: IcapMethod,
    /// Whether a body follows.
    pub body: BodyPresence,
    /// Where 204 is allowed.
    pub allow: AllowUnchanged,
    /// Whether a preview comes first.
    pub preview: PreviewFirst,
    /// Who the message is for (`X-Client-IP`).
    pub client: Option<IpAddr>,
    pub(super) request: Option<InnerHead>,
    pub(super) response: Option<InnerHead>,
}

/// How a body comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PreviewFirst {
    /// Its beginning, and then a wait for our answer. A message without a body has an empty one.
    Yes,
    /// All at once.
    No,
}

/// A HTTP head inside, without what belongs to one hop.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct InnerHead {
    line: Vec<u8>,
    /// Method and target of a request.
    target: Option<(String, Vec<u8>)>,
    fields: Vec<(Vec<u8>, Vec<u8>)>,
    /// The length that the head declares.
    declared: Option<u64>,
}

impl Subject {
    /// Where the message goes to or comes from; empty when there is no request head.
    pub fn url(&self) -> Vec<u8> {
        self.request.as_ref().map(InnerHead::url).unwrap_or_default()
    }

    /// Method of the request; empty when there is no request head.
    pub fn request_method(&self) -> &str {
        let target = self.request.as_ref().and_then(|head| head.target.as_ref());
        target.map(|(method, _)| method.as_str()).unwrap_or_default()
    }

    /// `Content-Type` of the message.
    pub fn media_type(&self) -> Option<&[u8]> {
        self.message()?.first(b"content-type")
    }

    /// The name of the file in `Content-Disposition` of the message.
    pub fn file_name(&self) -> Option<&[u8]> {
        file_name(self.message()?.first(b"content-disposition")?)
    }

    /// Every `Content-Encoding` of the message.
    pub fn codings(&self) -> impl Iterator<Item = &[u8]> {
        self.message().into_iter().flat_map(|head| head.all(b"content-encoding"))
    }

    /// How long the message says its body is.
    pub fn declared(&self) -> Option<u64> {
        self.message()?.declared
    }

    /// Whether the type of a response is that of a stream.
    pub fn response_push(&self) -> Push {
        let media_type = self.response.as_ref().and_then(|head| head.first(b"content-type"));
        media_type.map_or(Push::Unsaid, push::of_content_type)
    }

    /// Whether the request for a response asked for a stream.
    pub fn request_push(&self) -> Push {
        let (Some(head), IcapMethod::Respmod) = (&self.request, self.method) else { return Push::Unsaid };
        if head.first(b"last-event-id").is_some() {
            return Push::Declared;
        }
        head.first(b"accept").map_or(Push::Unsaid, push::of_accept)
    }

    /// The head of the message that is judged.
    pub(super) fn message(&self) -> Option<&InnerHead> {
        match self.method {
            IcapMethod::Reqmod => self.request.as_ref(),
            IcapMethod::Respmod => self.response.as_ref(),
        }
    }
}

impl InnerHead {
    /// Reads a request head that is exactly `head`; `None` when it is empty.
    pub fn request(head: &[u8]) -> Result<Option<Self>, Refusal> {
        let mut fields = [EMPTY_HEADER; MAX_RESPONSE_FIELDS];
        let mut parsed = httparse::Request::new(&mut fields);
        if head.is_empty() {
            return Ok(None);
        }
        whole(head, parsed.parse(head))?;
        let target = parsed.method.zip(parsed.path).map(|(method, path)| (method.to_owned(), path.as_bytes().to_vec()));
        Self::new(head, target, parsed.headers).map(Some)
    }

    /// Reads a response head that is exactly `head`; `None` when it is empty.
    pub fn response(head: &[u8]) -> Result<Option<Self>, Refusal> {
        let mut fields = [EMPTY_HEADER; MAX_RESPONSE_FIELDS];
        let mut parsed = httparse::Response::new(&mut fields);
        if head.is_empty() {
            return Ok(None);
        }
        whole(head, parsed.parse(head))?;
        Self::new(head, None, parsed.headers).map(Some)
    }

    fn new(head: &[u8], target: Option<(String, Vec<u8>)>, fields: &[Header<'_>]) -> Result<Self, Refusal> {
        let line = head.split(|byte| *byte == b'\n').next().unwrap_or_default();
        let (mut connection, mut framing) = (ConnectionOptions::default(), FramingFields::default());
        let mut is_chunked = false;
        for field in fields {
            match known(field.name.as_bytes()) {
                Known::Connection => connection.read(field.value).map_err(|_| Refusal::Malformed)?,
                Known::ContentLength => framing.content_length(field.value).map_err(|_| Refusal::Malformed)?,
                Known::TransferEncoding => is_chunked = true,
                _ => {}
            }
        }
        // A length beside a transfer coding is void (RFC 9112 section 6.3), and must not be sent on.
        let goes_on = |field: &&Header<'_>| {
            let name = field.name.as_bytes();
            !(is_of_one_hop(name, &connection) || is_chunked && known(name) == Known::ContentLength)
        };
        let kept = fields.iter().filter(goes_on);
        Ok(Self {
            line: line.strip_suffix(b"\r").unwrap_or(line).to_vec(),
            target,
            declared: framing.said_length().filter(|_| !is_chunked),
            fields: kept.map(|field| (field.name.as_bytes().to_vec(), field.value.to_vec())).collect(),
        })
    }

    /// Writes the head as it is to go on.
    pub fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.line);
        out.extend_from_slice(b"\r\n");
        for (name, value) in &self.fields {
            for piece in [name, &b": "[..], value, b"\r\n"] {
                out.extend_from_slice(piece);
            }
        }
        out.extend_from_slice(b"\r\n");
    }

    fn first(&self, name: &'static [u8]) -> Option<&[u8]> {
        self.all(name).next()
    }

    fn all(&self, name: &'static [u8]) -> impl Iterator<Item = &[u8]> {
        let named = self.fields.iter().filter(move |(own, _)| own.eq_ignore_ascii_case(name));
        named.map(|(_, value)| value.as_slice())
    }

    /// The target, made absolute with `Host` where it is a path.
    fn url(&self) -> Vec<u8> {
        let Some((_, target)) = &self.target else { return Vec::new() };
        match self.first(b"host") {
            Some(host) if target.starts_with(b"/") => [b"http://", host, target].concat(),
            _ => target.clone(),
        }
    }
}

fn whole(head: &[u8], parsed: httparse::Result<usize>) -> Result<(), Refusal> {
    match parsed {
        Ok(Status::Complete(length)) if length == head.len() => Ok(()),
        Err(httparse::Error::TooManyHeaders) => Err(Refusal::TooLarge),
        _ => Err(Refusal::Malformed),
    }
}

/// The plain `filename` of a `Content-Disposition`, with or without quotes.
fn file_name(disposition: &[u8]) -> Option<&[u8]> {
    let mut parameters = disposition.split(|byte| *byte == b';').skip(1).map(<[u8]>::trim_ascii);
    parameters.find_map(|parameter| {
        let equals = memchr::memchr(b'=', parameter)?;
        let (name, value) = (parameter[..equals].trim_ascii(), parameter[equals + 1..].trim_ascii());
        if name.eq_ignore_ascii_case(b"filename*") {
            // charset'language'name
            return value.rsplit(|byte| *byte == b'\'').next();
        }
        let bare = value.strip_prefix(b"\"").map(|rest| rest.strip_suffix(b"\"").unwrap_or(rest));
        name.eq_ignore_ascii_case(b"filename").then(|| bare.unwrap_or(value))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn subject(method: IcapMethod, request: &str, response: &str) -> Subject {
        let request = InnerHead::request(request.as_bytes()).expect("a request head");
        let response = InnerHead::response(response.as_bytes()).expect("a response head");
        let (body, allow, preview) = (BodyPresence::Present, AllowUnchanged::InPreview, PreviewFirst::No);
        Subject { method, body, allow, preview, client: None, request, response }
    }

    #[test]
    fn where_it_comes_from() {
        for (request, url) in [
            ("GET http://o.test/p?q HTTP/1.1\r\nHost: other.test\r\n\r\n", "http://o.test/p?q"),
            ("GET /p HTTP/1.1\r\nHost: o.test:81\r\n\r\n", "http://o.test:81/p"),
            ("GET /p HTTP/1.0\r\n\r\n", "/p"),
            ("CONNECT o.test:443 HTTP/1.1\r\n\r\n", "o.test:443"),
            ("OPTIONS * HTTP/1.1\nHost: o.test\n\n", "*"),
            ("", ""),
        ] {
            let url_of = subject(IcapMethod::Respmod, request, "HTTP/1.0 200 OK\r\n\r\n").url();
            assert_eq!(String::from_utf8_lossy(&url_of), url);
        }
    }

    #[test]
    fn what_the_heads_say_of_the_body() {
        let request = "POST /p HTTP/1.1\r\nAccept: text/event-stream\r\nContent-Type: text/x-sent\r\n\r\n";
        let response = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; a=b\r\ncontent-encoding: gzip\r\nContent-Encoding: br\r\n\
            Content-Disposition: attachment; filename=\"a.exe\"\r\nContent-Length: 5\r\n\r\n";
        let given = subject(IcapMethod::Respmod, request, response);
        assert_eq!(given.media_type(), Some(&b"text/event-stream; a=b"[..]));
        assert_eq!(given.file_name(), Some(&b"a.exe"[..]));
        assert_eq!(given.codings().collect::<Vec<_>>(), [&b"gzip"[..], b"br"]);
        assert_eq!(given.declared(), Some(5));
        assert_eq!((given.response_push(), given.request_push()), (Push::Declared, Push::Declared));
        let sent = subject(IcapMethod::Reqmod, request, "");
        assert_eq!((sent.media_type(), sent.declared()), (Some(&b"text/x-sent"[..]), None));
        assert_eq!((sent.response_push(), sent.request_push()), (Push::Unsaid, Push::Unsaid), "an upload is none");
    }

    #[test]
    fn names_of_files() {
        for (field, name) in [
            ("attachment; filename=a.exe", Some("a.exe")),
            ("attachment; FileName = \"a b.exe\"; size=5", Some("a b.exe")),
            ("attachment; filename*=UTF-8''a%20b.exe", Some("a%20b.exe")),
            ("attachment; filename=\"cut", Some("cut")),
            ("inline", None),
            ("filename=a.exe", None),
        ] {
            assert_eq!(file_name(field.as_bytes()), name.map(str::as_bytes), "{field}");
        }
    }

    #[test]
    fn heads_go_on_as_they_came_but_for_one_hop() {
        for (came, goes) in [
            ("HTTP/1.0 200 OK\r\n\r\n", "HTTP/1.0 200 OK\r\n\r\n"),
            ("HTTP/1.1 200\nX-A:  b \n\n", "HTTP/1.1 200\r\nX-A: b\r\n\r\n"),
            ("HTTP/1.1 200 OK\r\nConnection: X-B\r\nX-B: 1\r\nETag: x\r\n\r\n", "HTTP/1.1 200 OK\r\nETag: x\r\n\r\n"),
            (
                "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\nA: b\r\n\r\n",
                "HTTP/1.1 200 OK\r\nA: b\r\n\r\n",
            ),
        ] {
            let head = InnerHead::response(came.as_bytes()).expect("good").expect("there");
            let mut out = Vec::new();
            head.write(&mut out);
            assert_eq!(String::from_utf8_lossy(&out), goes);
        }
    }

    #[test]
    fn refused() {
        let many = format!("HTTP/1.1 200 OK\r\n{}\r\n", "A: b\r\n".repeat(MAX_RESPONSE_FIELDS + 1));
        for (head, refusal) in [
            ("GET / HTTP/1.1\r\n\r\n", Refusal::Malformed),
            ("HTTP/1.1 200 OK\r\nA: b\r\n", Refusal::Malformed),
            ("HTTP/1.1 200 OK\r\n\r\n\r\n", Refusal::Malformed),
            ("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n", Refusal::Malformed),
            ("HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n", Refusal::Malformed),
            ("HTTP/1.1 200 OK\r\nA: b\0\r\n\r\n", Refusal::Malformed),
            (&many, Refusal::TooLarge),
        ] {
            assert_eq!(InnerHead::response(head.as_bytes()), Err(refusal), "{head:?}");
        }
    }
}
