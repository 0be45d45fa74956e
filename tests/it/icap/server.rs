//! An ICAP server for tests: reads requests as they are on the wire, answers as it is told.

use crate::support::script::{Scripted, Visit};

/// Nothing is to be changed.
pub const UNCHANGED: &str = "ICAP/1.0 204 No Content\r\nISTag: \"t1\"\r\n\r\n";
/// The rest of the body is wanted.
pub const GO_ON: &str = "ICAP/1.0 100 Continue\r\n\r\n";

/// A request to judge something, after its head and encapsulated heads were read.
pub struct Ask {
    /// The ICAP head.
    pub head: String,
    /// The encapsulated heads.
    pub inner: String,
    /// The preview, or the whole body where there is no preview.
    pub body: Vec<u8>,
    /// Whether that is all.
    pub whole: bool,
}

/// Answers OPTIONS with `fields`, everything else with `answer`, on every connection until it ends.
pub fn serve(fields: &'static str, answer: impl Fn(&mut Visit, Ask) + Send + Sync + 'static) -> Scripted {
    Scripted::start(move |visit| {
        while let Some(head) = visit.head() {
            if head.starts_with("OPTIONS ") {
                visit.send(options(fields));
            } else if let Some(ask) = ask(visit, head) {
                answer(visit, ask);
            }
        }
    })
}

/// An answer to OPTIONS.
pub fn options(fields: &str) -> String {
    format!(
        "ICAP/1.0 200 OK\r\nMethods: RESPMOD\r\nISTag: \"t1\"\r\nAllow: 204\r\n{fields}Encapsulated: null-body=0\r\n\r\n"
    )
}

/// With a preview of everything.
pub const PREVIEW: &str = "Preview: 1024\r\nTransfer-Preview: *\r\n";

/// Reads what follows the head of a request; `None` when the connection ends first.
pub fn ask(visit: &mut Visit, head: String) -> Option<Ask> {
    let heads = head.split("-body=").nth(1)?.lines().next()?.parse().ok()?;
    let inner = String::from_utf8(visit.exactly(heads)?).ok()?;
    if head.contains("null-body=") {
        return Some(Ask { head, inner, body: Vec::new(), whole: true });
    }
    let (body, last) = chunks(visit)?;
    let whole = !head.contains("Preview:") || last.contains("ieof");
    Some(Ask { head, inner, body, whole })
}

/// Reads chunks to the last one; gives the data and the line of the last.
pub fn chunks(visit: &mut Visit) -> Option<(Vec<u8>, String)> {
    let mut data = Vec::new();
    loop {
        let line = String::from_utf8(visit.until(b"\r\n")?).ok()?;
        let size = usize::from_str_radix(line.split(';').next()?.trim(), 16).ok()?;
        data.extend(visit.exactly(size)?);
        visit.exactly(2)?;
        if size == 0 {
            return Some((data, line));
        }
    }
}

/// Asks for the rest where there is one; gives the whole body.
pub fn whole(visit: &mut Visit, ask: Ask) -> Vec<u8> {
    let mut body = ask.body;
    if !ask.whole {
        visit.send(GO_ON);
        body.extend(chunks(visit).map(|(rest, _)| rest).unwrap_or_default());
    }
    body
}

/// An answer that replaces the message by this head and chunked body.
pub fn replace(inner: &str, chunked: &str) -> String {
    format!(
        "ICAP/1.0 200 OK\r\nISTag: \"t1\"\r\nEncapsulated: res-hdr=0, res-body={}\r\n\r\n{inner}{chunked}",
        inner.len()
    )
}

/// An answer that replaces the message by this body.
pub fn replace_by(body: &[u8]) -> Vec<u8> {
    let head = replace(&format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len()), "");
    let mut answer = head.into_bytes();
    if !body.is_empty() {
        answer.extend(format!("{:x}\r\n", body.len()).into_bytes());
        answer.extend_from_slice(body);
        answer.extend_from_slice(b"\r\n");
    }
    answer.extend_from_slice(b"0\r\n\r\n");
    answer
}
