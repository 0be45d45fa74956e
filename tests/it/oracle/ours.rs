//! Messages as our own parser reads them, and as they would be sent on.

use tether::http::body::{BodyFormat, BodyReader};
use tether::http::framing::BodyFraming;
use tether::http::method::Method;
use tether::http::request::{Request, read_request};
use tether::http::response::{ClientConnection, ResponseKind, read_response};
use tether::http::target::Target;

use super::{Body, Message};

/// Our name in `Via`.
const US: &str = "tether-oracle";

/// What we made of a message, and the bytes we would send on for it; none for tunnels and requests to ourselves.
#[derive(Debug)]
pub struct Read {
    /// As we understand it.
    pub message: Message,
    /// The target of a request, as the client wrote it; empty for responses.
    pub target: String,
    /// As it goes on.
    pub sent: Option<Vec<u8>>,
}

/// Every request at the front of `input` that we would act on.
pub fn requests(input: &[u8]) -> Vec<Read> {
    let (mut rest, mut all) = (input, Vec::new());
    loop {
        // As a session does between requests.
        rest = rest.strip_prefix(b"\r\n").unwrap_or(rest);
        let mut sent = Vec::new();
        let Ok(Some(head)) = read_request(rest, None, US, &mut sent) else { return all };
        let request = head.request;
        let format = if request.framing == BodyFraming::Chunked { BodyFormat::Chunked } else { BodyFormat::Plain };
        let target = match &request.target {
            // `OPTIONS http://h` goes on as `OPTIONS *` (RFC 9112 section 3.2.4); hyper has no URI without a path.
            Target::Origin(authority) => format!("{authority} {}", path_of(&sent).replace('*', "/")),
            Target::Tunnel(authority) => authority.to_string(),
            Target::Own => String::new(),
        };
        let what = [head.method, " ", &target].concat();
        let (body, used) = read_body(&rest[head.length..], request.framing, format, &mut sent);
        rest = &rest[head.length + used..];
        let goes_on = matches!(request.target, Target::Origin(_)) && body != Body::Faulty;
        let last = !matches!(body, Body::Whole(_)) || !request.keep_alive || request.method == Method::Connect;
        let target = head.target.to_owned();
        all.push(Read { message: Message { what, body }, target, sent: goes_on.then_some(sent) });
        if last {
            return all;
        }
    }
}

/// The final response at the front of `input`, which ends with it, if we would pass it on.
pub fn response(input: &[u8], method: &str) -> Option<Read> {
    let request = request_for(method);
    let (mut rest, mut sent) = (input, Vec::new());
    loop {
        let read = read_response(rest, &request, ClientConnection::MustClose, US, &mut sent).ok()??;
        rest = &rest[read.0..];
        if read.1.kind != ResponseKind::Final {
            continue;
        }
        let (mut body, _) = read_body(rest, read.1.framing, read.1.format, &mut sent);
        if read.1.framing == BodyFraming::UntilClose {
            body = Body::Whole(rest.to_vec());
        }
        let message = Message { what: read.1.status.to_string(), body };
        return Some(Read { message, target: String::new(), sent: Some(sent) });
    }
}

fn request_for(method: &str) -> Request {
    let head = format!("{method} http://h/ HTTP/1.1\r\nHost: h\r\n\r\n");
    read_request(head.as_bytes(), None, US, &mut Vec::new()).expect("good").expect("whole").request
}

/// Reads a body, and appends it to `sent` as it goes on; gives the bytes used too.
fn read_body(input: &[u8], framing: BodyFraming, format: BodyFormat, sent: &mut Vec<u8>) -> (Body, usize) {
    let mut decoded = Vec::new();
    let mut reader = BodyReader::new(framing);
    let Ok(taken) = reader.read(input, BodyFormat::Plain, &mut decoded) else { return (Body::Faulty, 0) };
    BodyReader::new(framing).read(input, format, sent).expect("read once already");
    (if reader.is_done() { Body::Whole(decoded) } else { Body::Unfinished }, taken.used)
}

fn path_of(head: &[u8]) -> String {
    String::from_utf8_lossy(head).split(' ').nth(1).expect("a path").to_owned()
}
