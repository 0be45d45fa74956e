//! Answers as a client reads them: status, head, body, and how the end of the body was found.

use std::io::ErrorKind;

use super::wire::{How, Wire};

/// How the end of an answer's body was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyEnd {
    /// By its own framing: it is whole.
    Framed,
    /// The connection ended a body that has no other end.
    Closed(How),
    /// The connection ended before the body did.
    Cut(How),
}

/// An answer as a client reads it.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Status code.
    pub status: u16,
    /// Status line and fields.
    pub head: String,
    /// The body, decoded.
    pub body: Vec<u8>,
    /// The trailer section of a chunked body.
    pub trailers: String,
    /// How the body ended.
    pub end: BodyEnd,
}

impl Answer {
    /// The value of the first field of this name.
    pub fn field(&self, name: &str) -> Option<&str> {
        self.head
            .lines()
            .filter_map(|line| line.split_once(':'))
            .find(|(own, _)| own.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.trim())
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// What the connection gave in place of an answer.
#[derive(Debug)]
pub struct NoAnswer {
    /// The bytes that came, if any.
    pub bytes: Vec<u8>,
    /// How the connection ended.
    pub end: How,
}

/// Reads the next answer, interim ones too.
///
/// # Panics
/// When there is none.
pub fn answer(client: &mut Wire) -> Answer {
    try_answer(client).expect("an answer")
}

/// Reads the next answer, if there is one.
pub fn try_answer(client: &mut Wire) -> Result<Answer, NoAnswer> {
    answer_head(client).map(|head| answer_body(client, head))
}

/// Reads the body of an answer to anything but HEAD.
pub fn answer_body(client: &mut Wire, mut answer: Answer) -> Answer {
    let (body, end) = match (answer.status, answer.field("Transfer-Encoding"), answer.field("Content-Length")) {
        (100..=199 | 204 | 304, ..) => return answer,
        (_, Some(_), _) => return read_chunked(client, answer),
        (_, _, Some(length)) => read_up_to(client, length.parse().expect("a length")),
        _ => match read_up_to(client, usize::MAX) {
            (body, BodyEnd::Cut(how)) => (body, BodyEnd::Closed(how)),
            whole => whole,
        },
    };
    (answer.body, answer.end) = (body, end);
    answer
}

/// Reads the head of an answer and takes it for the whole of it, as a client does after HEAD.
pub fn answer_head(client: &mut Wire) -> Result<Answer, NoAnswer> {
    let (bytes, end) = read_line_ends(client, b"\r\n\r\n");
    if let BodyEnd::Cut(end) = end {
        return Err(NoAnswer { bytes, end });
    }
    let head = String::from_utf8(bytes).expect("a head in UTF-8");
    let status = head.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3)).and_then(|code| code.parse().ok());
    let status = status.unwrap_or_else(|| panic!("no status line: {head:?}"));
    Ok(Answer { status, head, body: Vec::new(), trailers: String::new(), end: BodyEnd::Framed })
}

fn read_chunked(client: &mut Wire, mut answer: Answer) -> Answer {
    loop {
        let (line, end) = read_line_ends(client, b"\r\n");
        answer.end = end;
        let size = String::from_utf8_lossy(&line).trim_end().to_owned();
        if end != BodyEnd::Framed {
            return answer;
        }
        let size = usize::from_str_radix(&size, 16).unwrap_or_else(|_| panic!("chunk size {size:?}"));
        if size == 0 {
            break;
        }
        let (mut data, end) = read_up_to(client, size + 2);
        answer.end = end;
        assert!(end != BodyEnd::Framed || data.ends_with(b"\r\n"), "a chunk of {size} bytes does not end: {data:?}");
        data.truncate(size);
        answer.body.extend_from_slice(&data);
        if end != BodyEnd::Framed {
            return answer;
        }
    }
    while answer.end == BodyEnd::Framed && !answer.trailers.ends_with("\r\n\r\n") && answer.trailers != "\r\n" {
        let (line, end) = read_line_ends(client, b"\r\n");
        answer.trailers.push_str(&String::from_utf8_lossy(&line));
        answer.end = end;
    }
    answer
}

fn read_line_ends(client: &mut Wire, mark: &[u8]) -> (Vec<u8>, BodyEnd) {
    let mut bytes = Vec::new();
    while !bytes.ends_with(mark) {
        let (byte, end) = read_up_to(client, 1);
        bytes.extend_from_slice(&byte);
        if end != BodyEnd::Framed {
            return (bytes, end);
        }
    }
    (bytes, BodyEnd::Framed)
}

fn read_up_to(client: &mut Wire, count: usize) -> (Vec<u8>, BodyEnd) {
    let (mut bytes, mut buffer) = (Vec::new(), vec![0; count.min(64 * 1024)]);
    while bytes.len() < count {
        let room = buffer.len().min(count - bytes.len());
        match client.some(&mut buffer[..room]) {
            Ok(0) => return (bytes, BodyEnd::Cut(How::Fin)),
            Ok(got) => bytes.extend_from_slice(&buffer[..got]),
            Err(fault) if fault.kind() == ErrorKind::ConnectionReset => return (bytes, BodyEnd::Cut(How::Reset)),
            Err(fault) => panic!("no end after {} bytes: {fault}", bytes.len()),
        }
    }
    (bytes, BodyEnd::Framed)
}
