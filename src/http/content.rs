//! What a head says of its body: its type, its codings, which part of the whole it is, how the file is called.

mod parameter;

use super::field::list;
use super::framing::decimal;
use super::lines::{FieldLine, field_lines};
use super::push::{Push, of_accept};
use parameter::{extended, parameter};

/// What is said of any body.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Content {
    /// The media type in lower case, without parameters; empty where none is said. Of several fields, the last.
    pub media_type: Box<str>,
    /// The parameter `boundary` of the media type.
    pub boundary: Option<Box<[u8]>>,
    /// The values of all `Content-Encoding` fields, with commas between them; empty where there is none.
    pub codings: Box<[u8]>,
    /// Which part of the whole it is. It counts in requests, and in responses with status 206 (RFC 9110 section 14.4).
    pub range: Option<ContentRange>,
}

/// What a response head says of its body.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ResponseContent {
    /// What is said of any body.
    pub content: Content,
    /// The name in `Content-Disposition`, its escapes resolved (RFC 6266 section 4.3).
    pub file_name: Option<Box<[u8]>>,
    /// The extension of that name, as [`extension`] tells it.
    pub extension: Box<str>,
}

/// What a request head says of its body, and of the body that it asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RequestContent {
    /// What is said of any body.
    pub content: Content,
    /// It asks for nothing but an event stream, or goes on with one (`Last-Event-ID`).
    pub push: Push,
    /// What the answer is for.
    pub wish: Wish,
}

/// What the answer to a request is for, as far as its head tells.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Wish {
    /// To stand in a window of a browser: `Accept` names `text/html`, all of the thing is asked for, and nothing says that
    /// a script, another page or a look ahead is behind it (`Sec-Fetch-Dest`, `X-Requested-With`, `Sec-Purpose`).
    Page,
    /// To be played by a page: `Sec-Fetch-Dest` is `video` or `audio`, which no script can say.
    Media,
    /// Anything else.
    #[default]
    Other,
}

/// A part of a whole: `Content-Range: bytes first-last/total` (RFC 9110 section 14.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ContentRange {
    /// The first byte, counted from 0.
    pub first: u64,
    /// The last byte, not smaller than the first.
    pub last: u64,
    /// Bytes of the whole, more than `last`; none where it is not known.
    pub total: Option<u64>,
}

impl ContentRange {
    /// Whether nothing of the whole is missing.
    pub fn is_whole(self) -> bool {
        self.first == 0 && self.total.and_then(|total| total.checked_sub(1)) == Some(self.last)
    }

    /// A unit other than bytes, `*` in place of a range, and numbers that contradict each other are none.
    fn parse(value: &[u8]) -> Option<Self> {
        let (unit, rest) = value.split_at_checked("bytes ".len())?;
        let (range, total) = split_once(rest, b'/').filter(|_| unit.eq_ignore_ascii_case(b"bytes "))?;
        let (first, last) = split_once(range.trim_ascii(), b'-')?;
        let (first, last) = (decimal(first)?, decimal(last)?);
        let total = if total == b"*" { None } else { Some(decimal(total)?) };
        (first <= last && total.is_none_or(|total| last < total)).then_some(Self { first, last, total })
    }
}

impl ResponseContent {
    /// Reads the head of a response; any bytes give an answer.
    pub fn of(head: &[u8]) -> Self {
        let mut said = Self { content: Content::of(head), ..Self::default() };
        said.file_name = file_name_of(head);
        said.extension = said.file_name.as_deref().map(extension).unwrap_or_default();
        said
    }
}

impl RequestContent {
    /// Reads the head of a request; any bytes give an answer.
    pub fn of(head: &[u8]) -> Self {
        let mut said = Self { content: Content::of(head), ..Self::default() };
        let (mut resumes, mut contrary, mut played) = (Push::Unsaid, None, None);
        for line in field_lines(head) {
            if line.is("accept") {
                said.push = of_accept(line.value);
                said.wish = wish(line.value);
            } else if line.is("last-event-id") {
                resumes = Push::Declared;
            } else if is_player(&line) {
                played = Some(Wish::Media);
            } else if is_no_window(&line) {
                contrary = Some(Wish::Other);
            }
        }
        said.wish = played.or(contrary).unwrap_or(said.wish);
        if resumes == Push::Declared {
            said.push = Push::Declared;
        }
        said
    }
}

impl Content {
    fn of(head: &[u8]) -> Self {
        let mut said = Self::default();
        let mut codings: Vec<u8> = Vec::new();
        for line in field_lines(head) {
            if line.is("content-type") {
                said.media_type = essence(line.value);
                said.boundary = parameter(line.value, "boundary").map(Into::into);
            } else if line.is("content-encoding") {
                let comma: &[u8] = if codings.is_empty() { b"" } else { b", " };
                codings.extend_from_slice(comma);
                codings.extend_from_slice(line.value);
            } else if line.is("content-range") {
                said.range = ContentRange::parse(line.value);
            }
        }
        said.codings = codings.into();
        said
    }
}

/// The name in the last `Content-Disposition` of a head, its escapes resolved.
pub fn file_name_of(head: &[u8]) -> Option<Box<[u8]>> {
    let line = field_lines(head).filter(|line| line.is("content-disposition")).last()?;
    file_name(line.value)
}

/// The extension of a file's name in lower case, without its dot; empty where there is none. Dots and spaces at the end
/// do not count: Windows drops them.
pub fn extension(file_name: &[u8]) -> Box<str> {
    let end = file_name.iter().rposition(|byte| !matches!(byte, b'.' | b' ')).map_or(0, |at| at + 1);
    let name = &file_name[..end];
    let name = name.rsplit(|byte| matches!(byte, b'/' | b'\\')).next().unwrap_or_default();
    let dot = name.iter().rposition(|byte| *byte == b'.');
    dot.map(|dot| lower(&name[dot + 1..])).unwrap_or_default()
}

fn essence(content_type: &[u8]) -> Box<str> {
    lower(content_type.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii())
}

fn lower(text: &[u8]) -> Box<str> {
    String::from_utf8_lossy(text).to_ascii_lowercase().into()
}

/// The name in `Content-Disposition`: the extended form before the plain one (RFC 6266 section 4.3).
fn file_name(disposition: &[u8]) -> Option<Box<[u8]>> {
    let extended = parameter(disposition, "filename*").and_then(|value| extended(&value));
    extended.or_else(|| parameter(disposition, "filename")).map(Into::into)
}

fn wish(accept: &[u8]) -> Wish {
    let names_page = |range: &[u8]| essence(range).as_ref() == "text/html" && !is_refused(range);
    if list(accept).any(names_page) { Wish::Page } else { Wish::Other }
}

fn is_player(line: &FieldLine<'_>) -> bool {
    line.is("sec-fetch-dest") && [&b"video"[..], b"audio"].iter().any(|own| line.value.eq_ignore_ascii_case(own))
}

/// Whether a field says that the answer is not for a window, or not for all of it.
fn is_no_window(line: &FieldLine<'_>) -> bool {
    let is_elsewhere = line.is("sec-fetch-dest") && !line.value.eq_ignore_ascii_case(b"document");
    is_elsewhere || ["range", "x-requested-with", "sec-purpose", "purpose"].iter().any(|name| line.is(name))
}

/// Whether its weight is 0 (RFC 9110 section 12.4.2).
fn is_refused(range: &[u8]) -> bool {
    let is_zero = |weight: Vec<u8>| !weight.is_empty() && weight.iter().all(|byte| matches!(byte, b'0' | b'.'));
    parameter(range, "q").is_some_and(is_zero)
}

fn split_once(text: &[u8], at: u8) -> Option<(&[u8], &[u8])> {
    let place = memchr::memchr(at, text)?;
    Some((&text[..place], &text[place + 1..]))
}

#[cfg(test)]
mod tests;
