//! One blocking request to the admin port, with a deadline and a bound on the answer.

use std::fmt;
use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::table::printable_lines;
use crate::admin::settings::AdminToken;

#[cfg(test)]
mod tests;

/// Largest answer that is read; 100,000 streams have about 25 MiB.
const ANSWER_LIMIT: usize = 64 << 20;

/// Fields an answer may have.
const FIELD_LIMIT: usize = 64;

/// How long the admin port is waited for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Patience {
    /// Until it accepts.
    pub connect: Duration,
    /// Until its whole answer is here.
    pub answer: Duration,
}

/// Enough for a busy machine, short enough for a health check.
pub(super) const PATIENCE: Patience = Patience { connect: Duration::from_secs(2), answer: Duration::from_secs(10) };

/// What the admin port answered.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Answer {
    address: SocketAddr,
    /// The HTTP status.
    pub status: u16,
    /// The body, all of it.
    pub body: Vec<u8>,
}

/// Why there is no answer to use.
#[derive(Debug)]
pub(super) enum ClientError {
    /// Nobody listens there, or nobody answers in time.
    Unreachable {
        /// Where.
        address: SocketAddr,
        /// Why.
        error: io::Error,
    },
    /// Somebody answers, but not as the admin port does.
    NotUnderstood {
        /// Where.
        address: SocketAddr,
        /// What is wrong with the answer.
        what: &'static str,
    },
    /// The admin port says no.
    Refused {
        /// Where.
        address: SocketAddr,
        /// The HTTP status.
        status: u16,
        /// Its reason, if it gives one.
        said: Option<String>,
    },
}

impl fmt::Display for ClientError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ClientError::Unreachable { address, error } => {
                write!(f, "the admin port {address} does not answer: {error}; is tether running?")
            }
            ClientError::NotUnderstood { address, what } => {
                write!(f, "{address} does not answer like an admin port: {what}")
            }
            ClientError::Refused { address, status, said: None } => {
                write!(f, "the admin port {address} answered {status}")
            }
            ClientError::Refused { address, status, said: Some(said) } => {
                write!(f, "the admin port {address} answered {status}: {said}")
            }
        }
    }
}

/// The record that the admin port at `address` has under `path`, and the text of it.
///
/// # Errors
/// No answer, another status than 200, or something else: `what` says what it is not.
pub(super) fn read<T: DeserializeOwned>(
    address: SocketAddr,
    path: &str,
    what: &'static str,
) -> Result<(T, String), ClientError> {
    let answer = get(address, path, PATIENCE)?;
    let text = String::from_utf8_lossy(&answer.body).trim_end().to_owned();
    Ok((answer.read(what)?, text))
}

impl Answer {
    /// The body of a 200.
    pub fn ok(self) -> Result<Vec<u8>, ClientError> {
        match self.status {
            200 => Ok(self.body),
            status => Err(ClientError::Refused { address: self.address, status, said: self.said() }),
        }
    }

    /// The reason that the answer gives, harmless for a terminal.
    pub fn said(&self) -> Option<String> {
        let problem: Problem = serde_json::from_slice(&self.body).ok()?;
        Some(printable_lines(&problem.error))
    }

    /// The body of a 200 as the record that is expected.
    ///
    /// # Errors
    /// Another status, or something else: `what` says what it is not.
    pub fn read<T: DeserializeOwned>(self, what: &'static str) -> Result<T, ClientError> {
        let address = self.address;
        serde_json::from_slice(&self.ok()?).map_err(|_| ClientError::NotUnderstood { address, what })
    }
}

/// What every refusal of the API says.
#[derive(Deserialize)]
struct Problem {
    error: String,
}

/// What is asked of the admin port.
#[derive(Clone, Copy, Debug)]
enum Ask<'a> {
    /// A look.
    Get,
    /// A change: the method, what is sent with it, the token.
    Change(&'static str, Option<&'a serde_json::Value>, Option<&'a AdminToken>),
}

impl Ask<'_> {
    /// The request for `path`: it has no `Origin`, since no page asks.
    fn request(self, address: SocketAddr, path: &str) -> Vec<u8> {
        let (method, fields, body) = match self {
            Ask::Get => ("GET", String::new(), String::new()),
            Ask::Change(method, json, token) => {
                let body = json.map(|json| json.to_string()).unwrap_or_default();
                let kind = if json.is_some() { "Content-Type: application/json\r\n" } else { "" };
                let token = token.map(|token| format!("Authorization: Bearer {}\r\n", token.secret()));
                (method, format!("{kind}{}Content-Length: {}\r\n", token.unwrap_or_default(), body.len()), body)
            }
        };
        format!("{method} {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n{fields}\r\n{body}").into_bytes()
    }
}

/// An admin port that is asked for a change.
#[derive(Clone, Debug)]
pub(super) struct AdminPort {
    /// Where it is.
    pub address: SocketAddr,
    /// What is shown there.
    pub token: Option<AdminToken>,
}

/// Asks the admin port at `address` for `path`; an unspecified address means this machine.
pub(super) fn get(address: SocketAddr, path: &str, patience: Patience) -> Result<Answer, ClientError> {
    ask(address, path, Ask::Get, patience)
}

/// Sends `json` to `path` with PUT.
pub(super) fn put(
    port: &AdminPort,
    path: &str,
    json: &serde_json::Value,
    patience: Patience,
) -> Result<Answer, ClientError> {
    ask(port.address, path, Ask::Change("PUT", Some(json), port.token.as_ref()), patience)
}

/// Sends `json`, or nothing, to `path` with POST.
pub(super) fn post(
    port: &AdminPort,
    path: &str,
    json: Option<&serde_json::Value>,
    patience: Patience,
) -> Result<Answer, ClientError> {
    ask(port.address, path, Ask::Change("POST", json, port.token.as_ref()), patience)
}

/// Asks for the end of what is under `path`.
pub(super) fn delete(port: &AdminPort, path: &str, patience: Patience) -> Result<Answer, ClientError> {
    ask(port.address, path, Ask::Change("DELETE", None, port.token.as_ref()), patience)
}

fn ask(address: SocketAddr, path: &str, ask: Ask<'_>, patience: Patience) -> Result<Answer, ClientError> {
    let address = reachable(address);
    let request = ask.request(address, path);
    let bytes = exchange(address, &request, patience).map_err(|error| ClientError::Unreachable { address, error })?;
    if bytes.len() > ANSWER_LIMIT {
        return Err(ClientError::NotUnderstood { address, what: "the answer is too large" });
    }
    match parse(&bytes) {
        Ok((status, body)) => Ok(Answer { address, status, body }),
        Err(what) => Err(ClientError::NotUnderstood { address, what }),
    }
}

fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        ip if !ip.is_unspecified() => return address,
        IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::LOCALHOST),
    };
    SocketAddr::new(ip, address.port())
}

/// Sends the request and reads until the other side closes, at most one byte more than the limit.
fn exchange(address: SocketAddr, request: &[u8], patience: Patience) -> io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect_timeout(&address, patience.connect)?;
    let deadline = Instant::now() + patience.answer;
    stream.set_write_timeout(Some(patience.answer))?;
    stream.write_all(request)?;
    let mut bytes = Vec::new();
    let mut part = vec![0; 64 << 10];
    while bytes.len() <= ANSWER_LIMIT {
        match read_until(&mut stream, &mut part, deadline) {
            Ok(0) => break,
            Ok(read) => bytes.extend_from_slice(&part[..read]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Err(late()),
            Err(error) => return Err(error),
        }
    }
    Ok(bytes)
}

fn read_until(stream: &mut TcpStream, part: &mut [u8], deadline: Instant) -> io::Result<usize> {
    let left = deadline.saturating_duration_since(Instant::now());
    if left.is_zero() {
        return Err(late());
    }
    stream.set_read_timeout(Some(left))?;
    stream.read(part)
}

fn late() -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, "no answer in time")
}

/// Status and body of a whole answer.
fn parse(bytes: &[u8]) -> Result<(u16, Vec<u8>), &'static str> {
    let mut fields = [httparse::EMPTY_HEADER; FIELD_LIMIT];
    let mut head = httparse::Response::new(&mut fields);
    let length = match head.parse(bytes) {
        Ok(httparse::Status::Complete(length)) => length,
        Ok(httparse::Status::Partial) => return Err("the answer ends too early"),
        Err(_) => return Err("that is not HTTP"),
    };
    let status = head.code.ok_or("that is not HTTP")?;
    let rest = &bytes[length..];
    let field = |name: &str| head.headers.iter().find(|field| field.name.eq_ignore_ascii_case(name));
    let body = match (field("transfer-encoding"), field("content-length")) {
        (Some(coding), _) if coding.value.eq_ignore_ascii_case(b"chunked") => unchunked(rest)?,
        (Some(_), _) => return Err("its transfer coding is not known"),
        (None, Some(field)) => sized(rest, field.value)?.to_vec(),
        (None, None) => rest.to_vec(),
    };
    Ok((status, body))
}

fn sized<'b>(rest: &'b [u8], length: &[u8]) -> Result<&'b [u8], &'static str> {
    let length = std::str::from_utf8(length).ok().and_then(|digits| digits.trim().parse::<usize>().ok());
    rest.get(..length.ok_or("its length is not a number")?).ok_or("the answer ends too early")
}

fn unchunked(mut rest: &[u8]) -> Result<Vec<u8>, &'static str> {
    let mut body = Vec::new();
    loop {
        let (start, size) = match httparse::parse_chunk_size(rest) {
            Ok(httparse::Status::Complete(chunk)) => chunk,
            Ok(httparse::Status::Partial) => return Err("the answer ends too early"),
            Err(_) => return Err("its chunks are broken"),
        };
        if size == 0 {
            return Ok(body);
        }
        let end = usize::try_from(size).ok().and_then(|size| start.checked_add(size)).ok_or("its chunks are broken")?;
        body.extend_from_slice(rest.get(start..end).ok_or("the answer ends too early")?);
        rest = rest[end..].strip_prefix(b"\r\n").ok_or("its chunks are broken")?;
    }
}
