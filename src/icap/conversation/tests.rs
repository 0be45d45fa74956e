//! Conversations by hand: golden exchanges byte for byte, and servers that are odd or hostile.

mod golden;
mod hostile;
mod odd;

use super::super::message::Message;
use super::super::opening::{BodyPresence, Preview, PreviewEnd};
use super::*;

/// The inner request of every example: 46 bytes.
const REQUEST: &[u8] = b"GET http://o.test/p HTTP/1.1\r\nHost: o.test\r\n\r\n";
/// A response head of 64 bytes to a body of five.
const RESPONSE: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\n";

fn url(path: &str) -> ServiceUrl {
    format!("icap://s.test/{path}").parse().expect("an address")
}

fn response() -> Message {
    Message::response(REQUEST, RESPONSE).expect("good heads")
}

fn begun(bytes: &[u8]) -> Option<Preview> {
    Some(Preview { bytes: bytes.to_vec(), end: PreviewEnd::Begun })
}

fn whole(bytes: &[u8]) -> Option<Preview> {
    Some(Preview { bytes: bytes.to_vec(), end: PreviewEnd::Whole })
}

fn about(message: &Message, opening: &Opening) -> Conversation {
    Conversation::about(message, &url("respmod"), opening)
}

/// "hello" in five bytes with nothing before it.
fn straight() -> Conversation {
    about(&response(), &Opening { length: Some(5), ..Opening::default() })
}

/// "hel" as a preview of "hello".
fn previewed() -> Conversation {
    about(&response(), &Opening { preview: begun(b"hel"), length: Some(5), ..Opening::default() })
}

/// Takes everything that is to be written, giving `body` from where it is wanted.
fn write_all(talk: &mut Conversation, body: &[u8]) -> String {
    let mut out = Vec::new();
    loop {
        out.extend_from_slice(talk.pending());
        talk.written(talk.pending().len());
        match talk.wants_body() {
            Some(at) => talk.give_body(&body[at as usize..]).expect("a body as long as announced"),
            None => return String::from_utf8(out).expect("text"),
        }
    }
}

/// What came of an answer.
#[derive(Debug, PartialEq, Eq)]
struct Read {
    verdict: Option<Verdict>,
    data: Vec<u8>,
    end: Option<Option<u64>>,
}

fn drain(talk: &mut Conversation, read: &mut Read) -> Result<(), Fault> {
    loop {
        match talk.advance()? {
            Event::Wait => return Ok(()),
            Event::Answer(answer) => assert!(read.verdict.replace(answer.verdict).is_none(), "one answer"),
            Event::Data(bytes) => read.data.extend_from_slice(bytes),
            Event::End { original_from } => {
                read.end = Some(original_from);
                return Ok(());
            }
        }
    }
}

fn read(talk: &mut Conversation, answer: &[u8]) -> Result<Read, Fault> {
    read_in(talk, answer, answer.len().max(1))
}

fn read_in(talk: &mut Conversation, answer: &[u8], step: usize) -> Result<Read, Fault> {
    let mut read = Read { verdict: None, data: Vec::new(), end: None };
    for piece in answer.chunks(step) {
        talk.feed(piece)?;
        drain(talk, &mut read)?;
    }
    Ok(read)
}

/// An adapted answer with this inner head and this chunked body.
fn adapted(inner: &str, body: &str) -> String {
    let length = inner.len();
    format!("ICAP/1.0 200 OK\r\nISTag: \"r1\"\r\nEncapsulated: res-hdr=0, res-body={length}\r\n\r\n{inner}{body}")
}

fn status(read: &Read) -> Option<u16> {
    match read.verdict.as_ref()? {
        Verdict::Adapted(head) | Verdict::Partial(head) => head.status(),
        _ => None,
    }
}
