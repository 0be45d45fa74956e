//! What is sent to be judged: HTTP heads without what belongs to one hop, and what the service is told about them.

mod part;
mod tunnel;

use std::borrow::Cow;
use std::net::IpAddr;

use httparse::{EMPTY_HEADER, Header, Status};

use super::settings::{Credentials, IcapMethod};
use crate::http::field::{ConnectionOptions, Known, known};
use crate::http::head::{MAX_RESPONSE_FIELDS, head_length};

/// Longest file extension that is looked for in the lists of a server.
const LONGEST_EXTENSION: usize = 16;

/// What cannot be sent to a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadMessage {
    /// A head is not strictly HTTP/1, or more than one head.
    Head,
    /// A field for the service has a name or value that cannot stand in a head.
    Field,
}

/// A message without its body.
#[derive(Clone, Debug)]
pub struct Message {
    method: IcapMethod,
    request: Vec<u8>,
    response: Vec<u8>,
    /// Field lines for the ICAP head.
    told: Vec<u8>,
    extension: String,
    answers_head: bool,
    status: Option<u16>,
}

impl Message {
    /// A request to be adapted (REQMOD), from its whole head in absolute form.
    ///
    /// # Errors
    /// [`BadMessage::Head`].
    pub fn request(head: &[u8]) -> Result<Self, BadMessage> {
        Self::of_request(None, head)
    }

    /// A request to be adapted (REQMOD) that goes to `url`, from its whole head in any other form.
    ///
    /// # Errors
    /// [`BadMessage::Head`], also for a `url` that is not absolute or cannot stand in a request line.
    pub fn request_to(url: &str, head: &[u8]) -> Result<Self, BadMessage> {
        if !url.contains("://") || !url.bytes().all(|byte| byte.is_ascii_graphic() || !byte.is_ascii()) {
            return Err(BadMessage::Head);
        }
        Self::of_request(Some(url), head)
    }

    /// The target of the head, unless `target` takes its place.
    fn of_request(target: Option<&str>, head: &[u8]) -> Result<Self, BadMessage> {
        let mut fields = [EMPTY_HEADER; MAX_RESPONSE_FIELDS];
        let mut parsed = httparse::Request::new(&mut fields);
        match parsed.parse(head) {
            Ok(Status::Complete(length)) if is_whole(head, length) => {}
            _ => return Err(BadMessage::Head),
        }
        let (Some(method), Some(written), Some(minor)) = (parsed.method, parsed.path, parsed.version) else {
            return Err(BadMessage::Head);
        };
        let target = &*in_ascii(target.unwrap_or(written));
        let line = format!("{method} {target} HTTP/1.{minor}\r\n");
        Ok(Self {
            method: IcapMethod::Reqmod,
            extension: extension(target),
            answers_head: method == "HEAD",
            request: without_hop(line.as_bytes(), parsed.headers)?,
            response: Vec::new(),
            told: Vec::new(),
            status: None,
        })
    }

    /// A response to be adapted (RESPMOD), from its own whole head and that of its request.
    ///
    /// # Errors
    /// [`BadMessage::Head`].
    pub fn response(request: &[u8], response: &[u8]) -> Result<Self, BadMessage> {
        Self::of_response(Self::request(request)?, response)
    }

    /// A response to be adapted (RESPMOD), from its own whole head and that of its request, which went to `url`.
    ///
    /// # Errors
    /// Those of [`Message::request_to`].
    pub fn response_to(url: &str, request: &[u8], response: &[u8]) -> Result<Self, BadMessage> {
        Self::of_response(Self::request_to(url, request)?, response)
    }

    fn of_response(request: Self, response: &[u8]) -> Result<Self, BadMessage> {
        let mut fields = [EMPTY_HEADER; MAX_RESPONSE_FIELDS];
        let mut parsed = httparse::Response::new(&mut fields);
        match parsed.parse(response) {
            Ok(Status::Complete(length)) if is_whole(response, length) => {}
            _ => return Err(BadMessage::Head),
        }
        let line = memchr::memchr(b'\n', response).ok_or(BadMessage::Head)?;
        Ok(Self {
            method: IcapMethod::Respmod,
            response: without_hop(&response[..=line], parsed.headers)?,
            status: parsed.code,
            ..request
        })
    }

    /// A file that nobody sent: the answer to a made-up request for it. `name` is reduced to what may stand in a path.
    ///
    /// # Errors
    /// Never for any name; the type says so because heads are read like any others.
    pub fn file(name: &str, length: u64) -> Result<Self, BadMessage> {
        let mut path = String::new();
        for byte in name.bytes() {
            match byte {
                b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'.' | b'-' | b'_' | b'~' => path.push(char::from(byte)),
                _ => path.push_str(&format!("%{byte:02X}")),
            }
        }
        let request = format!("GET http://file.invalid/{path} HTTP/1.1\r\nHost: file.invalid\r\n\r\n");
        let response =
            format!("HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nContent-Length: {length}\r\n\r\n");
        Self::response(request.as_bytes(), response.as_bytes())
    }

    /// Tells the service the client's address (`X-Client-IP`).
    #[must_use]
    pub fn from_client(mut self, client: IpAddr) -> Self {
        push_field("X-Client-IP", &client.to_canonical().to_string(), &mut self.told);
        self
    }

    /// Tells the service the address of the origin (`X-Server-IP`).
    #[must_use]
    pub fn from_server(mut self, server: IpAddr) -> Self {
        push_field("X-Server-IP", &server.to_canonical().to_string(), &mut self.told);
        self
    }

    /// Tells the service anything else, in a field of the ICAP head.
    ///
    /// # Errors
    /// [`BadMessage::Field`] for a name that is no token, a value with control characters, and names that frame.
    pub fn with_field(mut self, name: &str, value: &str) -> Result<Self, BadMessage> {
        let framing = ["Host", "Allow", "Preview", "Encapsulated", "Connection", "Transfer-Encoding"];
        let is_token = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        let is_text = value.chars().all(|letter| !letter.is_control());
        if !is_token || !is_text || framing.iter().any(|own| own.eq_ignore_ascii_case(name)) {
            return Err(BadMessage::Field);
        }
        push_field(name, value, &mut self.told);
        Ok(self)
    }

    /// What the service is asked to do.
    pub fn method(&self) -> IcapMethod {
        self.method
    }

    /// The status of the response that is to be adapted.
    pub fn status(&self) -> Option<u16> {
        self.status
    }

    /// Whether a length in the head of the answer is that of a body that is not sent.
    pub(super) fn answers_head(&self) -> bool {
        self.answers_head
    }

    /// The extension of the file that was asked for, in lower case; empty when there is none.
    pub fn extension(&self) -> &str {
        &self.extension
    }

    /// The request head as the service may see it.
    pub(super) fn request_head(&self, credentials: Credentials) -> Vec<u8> {
        match credentials {
            Credentials::Sent => self.request.clone(),
            Credentials::Withheld => {
                let lines = self.request.split_inclusive(|byte| *byte == b'\n');
                lines.filter(|line| !is_credential(line)).flatten().copied().collect()
            }
        }
    }

    /// The response head; empty in a request.
    pub(super) fn response_head(&self) -> &[u8] {
        &self.response
    }

    /// The field lines for the ICAP head.
    pub(super) fn told(&self) -> &[u8] {
        &self.told
    }
}

/// A target as services see it: origins are sent the bytes beyond ASCII that browsers would escape (RFC 3986 section 2.1),
/// where a client wrote them so, but a service may not take them.
pub(super) fn in_ascii(target: &str) -> Cow<'_, str> {
    if target.is_ascii() {
        return Cow::Borrowed(target);
    }
    let mut escaped = String::new();
    for byte in target.bytes() {
        match byte.is_ascii() {
            true => escaped.push(char::from(byte)),
            false => escaped.push_str(&format!("%{byte:02X}")),
        }
    }
    Cow::Owned(escaped)
}

fn is_whole(head: &[u8], parsed: usize) -> bool {
    parsed == head.len() && head_length(head) == Ok(Some(parsed))
}

/// The head with this first line and without the fields of one hop. Lengths stay: they are those of the body that is sent
/// along.
fn without_hop(line: &[u8], fields: &[Header<'_>]) -> Result<Vec<u8>, BadMessage> {
    let mut connection = ConnectionOptions::default();
    for field in fields.iter().filter(|field| known(field.name.as_bytes()) == Known::Connection) {
        connection.read(field.value).map_err(|_| BadMessage::Head)?;
    }
    let mut kept = line.to_vec();
    for field in fields.iter().filter(|field| !is_of_one_hop(field.name.as_bytes(), &connection)) {
        kept.extend_from_slice(field.name.as_bytes());
        kept.extend_from_slice(b": ");
        kept.extend_from_slice(field.value);
        kept.extend_from_slice(b"\r\n");
    }
    kept.extend_from_slice(b"\r\n");
    Ok(kept)
}

/// Whether a field must not be passed on to or taken from a service.
pub(super) fn is_of_one_hop(name: &[u8], connection: &ConnectionOptions<'_>) -> bool {
    match known(name) {
        Known::Connection | Known::KeepAlive | Known::TransferEncoding | Known::Upgrade | Known::PerHop => true,
        Known::Other => name.eq_ignore_ascii_case(b"trailer") || connection.names(name),
        _ => false,
    }
}

/// Whether a line of a head holds what services see only if they are meant to.
pub(super) fn is_credential(line: &[u8]) -> bool {
    let name = line.split(|byte| *byte == b':').next().unwrap_or_default();
    name.len() < line.len() && (name.eq_ignore_ascii_case(b"authorization") || name.eq_ignore_ascii_case(b"cookie"))
}

fn push_field(name: &str, value: &str, out: &mut Vec<u8>) {
    for piece in [name, ": ", value, "\r\n"] {
        out.extend_from_slice(piece.as_bytes());
    }
}

fn extension(target: &str) -> String {
    let path = target.split(['?', '#']).next().unwrap_or_default();
    let file = path.rsplit('/').next().unwrap_or_default();
    match file.rsplit_once('.') {
        Some((_, extension)) if extension.len() <= LONGEST_EXTENSION => extension.to_ascii_lowercase(),
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(bytes: &[u8]) -> String {
        String::from_utf8_lossy(bytes).into_owned()
    }

    #[test]
    fn what_belongs_to_one_hop_stays_here() {
        let head =
            b"GET http://o.test/a.EXE?b.txt HTTP/1.1\r\nHost: o.test\r\nConnection: close, x-secret\r\nX-Secret: 1\r\n\
            Proxy-Authorization: Basic eDp5\r\nTE: trailers\r\nTransfer-Encoding: chunked\r\nX-Kept: 2\r\n\r\n";
        let message = Message::request(head).expect("good");
        assert_eq!(
            text(&message.request_head(Credentials::Sent)),
            "GET http://o.test/a.EXE?b.txt HTTP/1.1\r\nHost: o.test\r\nX-Kept: 2\r\n\r\n"
        );
        assert_eq!(message.extension(), "exe");
    }

    #[test]
    fn credentials_are_withheld_unless_wanted() {
        let head =
            b"GET http://o.test/ HTTP/1.1\r\nHost: o.test\r\nCOOKIE: a=b\r\nAuthorization: Bearer x\r\nX: y\r\n\r\n";
        let message = Message::request(head).expect("good");
        assert_eq!(
            text(&message.request_head(Credentials::Withheld)),
            "GET http://o.test/ HTTP/1.1\r\nHost: o.test\r\nX: y\r\n\r\n"
        );
        assert_eq!(message.request_head(Credentials::Sent), head);
    }

    #[test]
    fn heads_that_are_none() {
        for head in ["", "GET / HTTP/1.1\r\n", "GET / HTTP/1.1\r\nA: b\r\n\r\nmore", "GET / HTTP/1.1\nA: b\n\n"] {
            assert_eq!(Message::request(head.as_bytes()).err(), Some(BadMessage::Head), "{head:?}");
        }
    }

    #[test]
    fn what_is_told_cannot_break_the_head() {
        let message = Message::file("a", 0).expect("good");
        for (name, value) in
            [("A b", "x"), ("", "x"), ("A", "x\r\nB: y"), ("A", "\0"), ("encapsulated", "x"), ("A:", "x")]
        {
            assert_eq!(message.clone().with_field(name, value).err(), Some(BadMessage::Field), "{name:?} {value:?}");
        }
        let told = message.from_client("::ffff:10.0.0.1".parse().expect("address"));
        let told = told.from_server("2001:db8::1".parse().expect("address"));
        assert_eq!(text(told.told()), "X-Client-IP: 10.0.0.1\r\nX-Server-IP: 2001:db8::1\r\n");
    }

    #[test]
    fn a_head_in_origin_form_becomes_absolute() {
        let request = b"HEAD /a.zip?b HTTP/1.1\r\nHost: o.test\r\nCookie: a=b\r\nConnection: close\r\n\r\n";
        let response = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n";
        let message = Message::response_to("https://o.test/a.zip?b", request, response).expect("good");
        assert_eq!(
            text(&message.request_head(Credentials::Withheld)),
            "HEAD https://o.test/a.zip?b HTTP/1.1\r\nHost: o.test\r\n\r\n"
        );
        assert_eq!(text(message.response_head()), "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n");
        assert_eq!((message.extension(), message.answers_head(), message.status()), ("zip", true, Some(200)));
        let message = Message::request_to("http://o.test/a.zip", b"GET /a.zip HTTP/1.0\r\n\r\n").expect("good");
        assert_eq!(text(&message.request_head(Credentials::Sent)), "GET http://o.test/a.zip HTTP/1.0\r\n\r\n");
        for url in ["/a.zip", "o.test:443", "http://o.test/ HTTP/1.1\r\nX: y", "http://o.test/a b", ""] {
            assert_eq!(Message::request_to(url, b"GET / HTTP/1.1\r\n\r\n").err(), Some(BadMessage::Head), "{url:?}");
        }
    }

    #[test]
    fn services_see_targets_in_ascii() {
        let request = "GET /\u{e4}.exe?\u{20ac}=%C3 HTTP/1.1\r\nHost: o.test\r\n\r\n";
        let message = Message::request_to("http://o.test/\u{e4}.exe?\u{20ac}=%C3", request.as_bytes()).expect("good");
        assert_eq!(
            text(&message.request_head(Credentials::Sent)),
            "GET http://o.test/%C3%A4.exe?%E2%82%AC=%C3 HTTP/1.1\r\nHost: o.test\r\n\r\n"
        );
        assert_eq!(message.extension(), "exe");
    }

    #[test]
    fn any_file_name_makes_a_head() {
        for name in ["eicar.com", "with space\r\nX: y", "\u{e4}/../\u{1f600}", ""] {
            let message = Message::file(name, 5).expect("good");
            assert_eq!(message.status(), Some(200));
        }
        assert_eq!(Message::file("a b.PDF", 1).expect("good").extension(), "pdf");
    }
}
