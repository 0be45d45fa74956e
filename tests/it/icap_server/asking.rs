//! Requests to our server as other proxies write them, and its answers read apart.

use crate::support::wire::Wire;

/// 46 bytes.
pub const GET: &str = "GET http://o.test/p HTTP/1.1\r\nHost: o.test\r\n\r\n";
/// A response without a length.
pub const ENDLESS: &str = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\n";
/// A live stream that says so.
pub const DECLARED: &str = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n";

/// The answer "go on as it is".
pub const UNCHANGED: &str = "ICAP/1.0 204 No Content\r\n";

/// A RESPMOD up to its body; `fields` are lines of the ICAP head.
pub fn respmod(fields: &str, response: &str) -> String {
    let middle = GET.len();
    let end = middle + response.len();
    format!(
        "RESPMOD icap://s.test/respmod ICAP/1.0\r\nHost: s.test\r\n{fields}Encapsulated: req-hdr=0, res-hdr={middle}, res-body={end}\r\n\r\n\
         {GET}{response}"
    )
}

/// A REQMOD up to its body.
pub fn reqmod(fields: &str, request: &str) -> String {
    let end = request.len();
    format!("REQMOD icap://s.test/reqmod ICAP/1.0\r\n{fields}Encapsulated: req-hdr=0, req-body={end}\r\n\r\n{request}")
}

/// One chunk.
pub fn chunk(data: &[u8]) -> Vec<u8> {
    [format!("{:x}\r\n", data.len()).as_bytes(), data, b"\r\n"].concat()
}

/// The end of a body, or of a preview that is not all.
pub const END: &[u8] = b"0\r\n\r\n";

/// The answer to a message: its head, the head inside and the body.
pub struct Judged {
    pub head: String,
    pub inner: String,
    pub body: Vec<u8>,
}

/// Reads an answer with a message in it, to its end.
pub fn judged(wire: &mut Wire) -> Judged {
    let (head, inner) = begun(wire);
    let body = if head.contains("null-body=") { Vec::new() } else { wire.chunked() };
    Judged { head, inner, body }
}

/// Reads the heads of an answer with a message in it.
pub fn begun(wire: &mut Wire) -> (String, String) {
    let head = wire.head();
    assert!(head.starts_with("ICAP/1.0 200 "), "{head}");
    let offset = head.split("-body=").nth(1).expect("Encapsulated").lines().next().expect("an offset");
    let inner = wire.exactly(offset.parse().expect("a number"));
    (head, String::from_utf8(inner).expect("text"))
}

/// Reads one chunk of a body that goes on.
pub fn piece(wire: &mut Wire) -> Vec<u8> {
    let size = usize::from_str_radix(&wire.line(), 16).expect("a size");
    let data = wire.exactly(size);
    assert_eq!(wire.line(), "");
    data
}
