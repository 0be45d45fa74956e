//! One connection to our server: bytes in, what they ask out; and answers, which are bytes again. Sans-io.

use std::sync::Arc;

use super::super::chunks::{Decoder, Piece, Preview};
use super::super::head::HeadEnd;
use super::parts::Parts;
use super::refusal::Refusal;
use super::request::{Asked, FirstLine, Keep, LARGEST_PREVIEW, RequestHead, first_line};
use super::subject::{InnerHead, PreviewFirst, Subject};
use crate::icap::opening::BodyPresence;
use crate::icap::settings::IcapMethod;

mod answers;

/// What the input asks for next.
#[derive(Debug, PartialEq, Eq)]
pub enum Event<'a> {
    /// Nothing yet: more input is needed.
    More,
    /// What the service that adapts these offers; to be answered by [`Conversation::options`].
    Options(IcapMethod),
    /// To judge a message. Its body follows, and then [`Event::End`], for one without a body at once.
    Judge(Box<Subject>),
    /// More of its body.
    Data(&'a [u8]),
    /// The preview is over and more of the body may follow: the peer waits for [`Conversation::go_on`] or an answer.
    PreviewEnd,
    /// The message is whole; the peer waits for an answer, unless it has one.
    End,
}

/// A connection between two inputs. It holds the head that is not whole yet and what was not sent yet, no body.
#[derive(Debug)]
pub struct Conversation {
    state: State,
    istag: Arc<str>,
    keep: Keep,
    out: Vec<u8>,
    sent: usize,
    /// The status line of the answer that was begun last.
    said: &'static str,
}

#[derive(Debug)]
enum State {
    Head { bytes: Vec<u8>, end: HeadEnd, line: FirstLine },
    InnerHeads { head: Box<RequestHead>, method: IcapMethod, parts: Parts, bytes: Vec<u8> },
    NoBody,
    Body { decoder: Box<Decoder>, stage: Stage },
    AfterPreview,
    Over,
}

/// Which part of a body is being read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// Its preview, of which so much has come.
    Preview(u64),
    /// All of it, or what follows the preview.
    Rest,
}

impl State {
    fn between() -> Self {
        State::Head { bytes: Vec::new(), end: HeadEnd::default(), line: FirstLine::Unread }
    }

    fn body(stage: Stage) -> Self {
        State::Body { decoder: Box::new(Decoder::new()), stage }
    }
}

/// What a connection waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Waits {
    /// A request; none has begun.
    Request,
    /// The rest of the heads of one.
    Heads,
    /// More of a body.
    Body,
    /// Our answer.
    Answer,
    /// Nothing: it is refused.
    Nothing,
}

impl Conversation {
    /// A new connection; answers carry this service tag, without quotes.
    pub fn new(istag: Arc<str>) -> Self {
        Self { state: State::between(), istag, keep: Keep::Open, out: Vec::new(), sent: 0, said: "" }
    }

    /// Answers carry this service tag from now on.
    pub fn set_istag(&mut self, istag: Arc<str>) {
        self.istag = istag;
    }

    /// No request is taken after the one under way.
    pub fn close(&mut self) {
        self.keep = Keep::Close;
    }

    /// Whether the connection ends once everything is sent and the request under way is answered.
    pub fn closes(&self) -> bool {
        self.keep == Keep::Close
    }

    /// The status of the answer to the message under way or, after its end, to the last one; 0 when none was begun.
    pub fn status(&self) -> u16 {
        self.said.get(..3).and_then(|code| code.parse().ok()).unwrap_or(0)
    }

    /// What the next input has to bring.
    pub fn waits(&self) -> Waits {
        match &self.state {
            State::Head { bytes, .. } if bytes.is_empty() => Waits::Request,
            State::Head { .. } | State::InnerHeads { .. } => Waits::Heads,
            State::Body { .. } => Waits::Body,
            State::NoBody | State::AfterPreview => Waits::Answer,
            State::Over => Waits::Nothing,
        }
    }

    /// What is to be sent.
    pub fn pending(&self) -> &[u8] {
        &self.out[self.sent..]
    }

    /// So many bytes of [`Conversation::pending`] were sent. No memory is kept once all are.
    pub fn sent(&mut self, count: usize) {
        self.sent += count;
        if self.sent >= self.out.len() {
            (self.out, self.sent) = (Vec::new(), 0);
        }
    }

    /// Takes what is next from the front of `input`, moving `input` past what was used.
    ///
    /// # Errors
    /// When the request cannot be taken; nothing more can be read then.
    pub fn next<'a>(&mut self, input: &mut &'a [u8]) -> Result<Event<'a>, Refusal> {
        let next = self.read(input);
        if next.is_err() {
            self.state = State::Over;
        }
        next
    }

    fn read<'a>(&mut self, input: &mut &'a [u8]) -> Result<Event<'a>, Refusal> {
        loop {
            match &mut self.state {
                State::NoBody => {
                    self.state = State::between();
                    return Ok(Event::End);
                }
                State::Over | State::AfterPreview => return Ok(Event::More),
                _ if input.is_empty() => return Ok(Event::More),
                State::Head { .. } => {
                    let Some(head) = self.take_head(input)? else { return Ok(Event::More) };
                    self.keep = if self.closes() { Keep::Close } else { head.keep };
                    match head.asked {
                        Asked::Options(service) => {
                            self.state = State::between();
                            return Ok(Event::Options(service));
                        }
                        Asked::Judge { method, parts } => {
                            let bytes = Vec::new();
                            self.state = State::InnerHeads { head: Box::new(head), method, parts, bytes };
                        }
                    }
                    if let Some(subject) = self.take_inner_heads(input)? {
                        return Ok(Event::Judge(subject));
                    }
                }
                State::InnerHeads { .. } => {
                    if let Some(subject) = self.take_inner_heads(input)? {
                        return Ok(Event::Judge(subject));
                    }
                }
                State::Body { .. } => return self.take_body(input),
            }
        }
    }

    fn take_head(&mut self, input: &mut &[u8]) -> Result<Option<RequestHead>, Refusal> {
        let State::Head { bytes, end, line } = &mut self.state else { return Ok(None) };
        bytes.extend_from_slice(input);
        if *line == FirstLine::Unread {
            *line = first_line(bytes)?;
        }
        let Some(length) = end.find_any(bytes)? else {
            *input = &[];
            return Ok(None);
        };
        *input = &input[input.len() - (bytes.len() - length)..];
        RequestHead::parse(&bytes[..length]).map(Some)
    }

    fn take_inner_heads(&mut self, input: &mut &[u8]) -> Result<Option<Box<Subject>>, Refusal> {
        let State::InnerHeads { head, method, parts, bytes } = &mut self.state else { return Ok(None) };
        let (taken, rest) = input.split_at((parts.heads() - bytes.len()).min(input.len()));
        bytes.extend_from_slice(taken);
        *input = rest;
        if bytes.len() < parts.heads() {
            return Ok(None);
        }
        let (request, response) = bytes.split_at(parts.request);
        let subject = Box::new(Subject {
            method: *method,
            body: parts.body,
            allow: head.allow,
            preview: if head.preview.is_some() { PreviewFirst::Yes } else { PreviewFirst::No },
            client: head.client,
            request: InnerHead::request(request)?,
            response: InnerHead::response(response)?,
        });
        self.said = "";
        self.state = match (subject.body, subject.preview) {
            (BodyPresence::Absent, _) => State::NoBody,
            (BodyPresence::Present, PreviewFirst::Yes) => State::body(Stage::Preview(0)),
            (BodyPresence::Present, PreviewFirst::No) => State::body(Stage::Rest),
        };
        Ok(Some(subject))
    }

    fn take_body<'a>(&mut self, input: &mut &'a [u8]) -> Result<Event<'a>, Refusal> {
        let State::Body { decoder, stage } = &mut self.state else { return Ok(Event::More) };
        match decoder.next(input)? {
            Piece::More => Ok(Event::More),
            Piece::Data(data) => {
                if let Stage::Preview(came) = stage {
                    *came += data.len() as u64;
                    if *came > LARGEST_PREVIEW {
                        return Err(Refusal::TooLarge);
                    }
                }
                Ok(Event::Data(data))
            }
            Piece::End { .. } => {
                let begun = matches!(stage, Stage::Preview(_)) && decoder.preview() == Preview::Begun;
                self.state = if begun { State::AfterPreview } else { State::between() };
                Ok(if begun { Event::PreviewEnd } else { Event::End })
            }
        }
    }
}

#[cfg(test)]
mod tests;
