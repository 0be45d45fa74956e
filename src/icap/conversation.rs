//! One ICAP request and its answer, without io and without a clock: bytes in, bytes out, and a verdict.
//!
//! Both directions move on their own: a final answer may come at any time, and from then on what is left to write is a
//! courtesy. Whoever drives this writes [`Conversation::pending`], reads while [`Conversation::advance`] waits, and gives
//! the body when it is wanted; none of the three may hold up the others.

mod answer;
mod sending;

use std::ops::Range;

pub use self::answer::{Answer, Event, Verdict};
use self::answer::{read_inner, retry_after};
use self::sending::Sender;
use super::adapted::AdaptedHead;
use super::chunks::{Decoder, Piece};
use super::encapsulated::{Encapsulated, InnerBody, InnerHead};
use super::error::{ErrorKind, Fault};
use super::head::{HeadEnd, IcapHead};
use super::message::Message;
use super::opening::Opening;
use super::request::{write_message, write_options};
use super::settings::{AllowUnchanged, IcapMethod, PartialContent};
use super::url::ServiceUrl;

/// Most answers of 100 in one conversation.
const MOST_CONTINUES: u8 = 3;
/// An adapted body may always be this large, in bytes; beyond, twice the original.
const ADAPTED_MAX: u64 = 64 * 1024 * 1024;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Asked {
    Options,
    Message { method: IcapMethod, answers_head: bool },
}

#[derive(Debug)]
enum Reading {
    Head(HeadEnd),
    Inner(Box<IcapHead>, Encapsulated),
    Body { decoder: Decoder, declared: Option<u64> },
    Over { original_from: Option<u64> },
}

enum Next {
    Wait,
    Answer(Box<Answer>),
    Data(Range<usize>),
    End(Option<u64>),
}

/// What the connection is worth after the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Afterwards {
    MayStay,
    MustClose,
}

/// A conversation.
#[derive(Debug)]
pub struct Conversation {
    asked: Asked,
    allow_unchanged: AllowUnchanged,
    partial: PartialContent,
    sender: Sender,
    input: Vec<u8>,
    used: usize,
    reading: Reading,
    continues: u8,
    received: u64,
    partial_answer: Option<Decided>,
    afterwards: Afterwards,
}

/// Marks that the answer is a 206.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Decided;

impl Conversation {
    /// Asks what a service is like.
    pub fn options(url: &ServiceUrl) -> Self {
        let mut out = Vec::new();
        write_options(url, &mut out);
        Self::new(Asked::Options, Sender::without_body(out), &Opening::default())
    }

    /// Asks a service to judge a message.
    pub fn about(message: &Message, url: &ServiceUrl, opening: &Opening) -> Self {
        let mut out = Vec::new();
        write_message(url, message, opening, &mut out);
        let asked = Asked::Message { method: message.method(), answers_head: message.answers_head() };
        Self::new(asked, Sender::new(out, opening), opening)
    }

    fn new(asked: Asked, sender: Sender, opening: &Opening) -> Self {
        Self {
            asked,
            allow_unchanged: opening.allow_unchanged,
            partial: opening.partial,
            sender,
            input: Vec::new(),
            used: 0,
            reading: Reading::Head(HeadEnd::default()),
            continues: 0,
            received: 0,
            partial_answer: None,
            afterwards: Afterwards::MayStay,
        }
    }

    // === The request ===

    /// The bytes to be written next; may be none.
    pub fn pending(&self) -> &[u8] {
        self.sender.pending()
    }

    /// Notes that the first `count` of the pending bytes were written.
    pub fn written(&mut self, count: usize) {
        self.sender.written(count);
    }

    /// From which byte on the body is wanted now, if it is.
    pub fn wants_body(&self) -> Option<u64> {
        self.sender.wants_body()
    }

    /// Gives the next bytes of the body that was wanted; none says that it has ended.
    ///
    /// # Errors
    /// [`ErrorKind::BodyCut`] when it is shorter or longer than was known; the connection must be closed.
    pub fn give_body(&mut self, bytes: &[u8]) -> Result<(), ErrorKind> {
        self.sender.give_body(bytes)
    }

    /// Stops writing: the server takes no more, and what is written no longer matters.
    pub fn stop_writing(&mut self) {
        self.sender.stop();
    }

    /// Bytes of the original body that were given so far.
    pub fn body_given(&self) -> u64 {
        self.sender.body_given()
    }

    /// Bytes of the adapted body that came so far.
    pub fn received(&self) -> u64 {
        self.received
    }

    // === The answer ===

    /// Takes what the server sent.
    ///
    /// # Errors
    /// [`Fault::Unasked`] when it came before anything was written.
    pub fn feed(&mut self, bytes: &[u8]) -> Result<(), Fault> {
        if self.sender.has_written_nothing() {
            return Err(Fault::Unasked);
        }
        self.input.drain(..self.used);
        self.used = 0;
        self.input.extend_from_slice(bytes);
        Ok(())
    }

    /// Whether the final answer has begun: what is left to write is a courtesy now.
    pub fn is_answered(&self) -> bool {
        !matches!(self.reading, Reading::Head(_))
    }

    /// Whether everything is done that the server could be waiting for.
    pub fn is_up_to_server(&self) -> bool {
        self.sender.is_up_to_server()
    }

    /// Whether the connection can carry another request: everything was written that the server expects, the answer was
    /// read to its end, nothing came behind it, and nobody said otherwise.
    pub fn leaves_connection_clean(&self) -> bool {
        matches!(self.reading, Reading::Over { .. })
            && self.used == self.input.len()
            && self.afterwards == Afterwards::MayStay
            && self.sender.is_complete()
    }

    /// What comes next from the bytes that were fed.
    ///
    /// # Errors
    /// [`Fault`]; nothing may be asked of this any more, and the connection must be closed.
    pub fn advance(&mut self) -> Result<Event<'_>, Fault> {
        Ok(match self.next()? {
            Next::Wait => Event::Wait,
            Next::Answer(answer) => Event::Answer(answer),
            Next::Data(range) => Event::Data(&self.input[range]),
            Next::End(original_from) => Event::End { original_from },
        })
    }

    fn next(&mut self) -> Result<Next, Fault> {
        loop {
            match std::mem::replace(&mut self.reading, Reading::Over { original_from: None }) {
                Reading::Head(mut end) => match end.find(&self.input[self.used..])? {
                    None => return Ok(self.wait(Reading::Head(end))),
                    Some(length) => {
                        let head = IcapHead::parse(&self.input[self.used..self.used + length])?;
                        self.used += length;
                        if let Some(answer) = self.take_head(head)? {
                            return Ok(Next::Answer(answer));
                        }
                    }
                },
                Reading::Inner(head, parts) => {
                    let Some(inner) = self.input[self.used..].get(..parts.head_length) else {
                        return Ok(self.wait(Reading::Inner(head, parts)));
                    };
                    let inner = read_inner(inner, parts)?;
                    self.used += parts.head_length;
                    return self.take_inner(*head, inner, parts).map(Next::Answer);
                }
                Reading::Body { decoder, declared } => return self.take_body(decoder, declared),
                Reading::Over { original_from } => {
                    self.reading = Reading::Over { original_from };
                    return Ok(Next::End(original_from));
                }
            }
        }
    }

    fn wait(&mut self, reading: Reading) -> Next {
        self.reading = reading;
        Next::Wait
    }

    /// Decides by the status; `None` when more has to be read before there is an answer.
    fn take_head(&mut self, head: IcapHead) -> Result<Option<Box<Answer>>, Fault> {
        // ICAP has none of its own (RFC 3507 section 4.4.2): there would be two ways to read what follows.
        if head.field("Transfer-Encoding").is_some() {
            return Err(Fault::Field);
        }
        if head.lists("Connection", "close") || head.field("Trailer").is_some() {
            self.afterwards = Afterwards::MustClose;
        }
        let verdict = match (head.status, self.asked) {
            (100, Asked::Message { .. }) => {
                self.go_on()?;
                return Ok(None);
            }
            (200, Asked::Options) => self.take_options(&head),
            (204, Asked::Message { .. }) => self.take_unchanged(&head)?,
            (200 | 201 | 206, Asked::Message { method, .. }) => {
                let parts = self.parts_of(&head, method)?;
                if parts.head_length > 0 {
                    self.reading = Reading::Inner(Box::new(head), parts);
                    return Ok(None);
                }
                // Some servers say "unchanged" by sending back nothing at all.
                Verdict::Unchanged
            }
            (status, _) => {
                self.afterwards = Afterwards::MustClose;
                Verdict::Refused(ErrorKind::of_status(status, retry_after(&head)))
            }
        };
        // Nothing that could still be written would be looked at.
        self.sender.answered();
        Ok(Some(Box::new(Answer { head, verdict })))
    }

    fn go_on(&mut self) -> Result<(), Fault> {
        self.continues += 1;
        if self.continues > MOST_CONTINUES {
            return Err(Fault::TooManyContinues);
        }
        // One that was not waited for is ignored: some servers send it early, or after a body that is over.
        self.sender.go_on();
        self.reading = Reading::Head(HeadEnd::default());
        Ok(())
    }

    fn take_options(&mut self, head: &IcapHead) -> Verdict {
        let parts = head.field("Encapsulated").map(Encapsulated::parse);
        if !matches!(parts, None | Some(Ok(None | Some(Encapsulated { body: InnerBody::None, .. })))) {
            self.afterwards = Afterwards::MustClose;
        }
        Verdict::Options
    }

    fn take_unchanged(&mut self, head: &IcapHead) -> Result<Verdict, Fault> {
        if self.allow_unchanged == AllowUnchanged::InPreview && !self.sender.is_in_preview() {
            return Err(Fault::UnaskedUnchanged);
        }
        let parts = head.field("Encapsulated").map(Encapsulated::parse).transpose()?.flatten();
        if parts.is_some_and(|parts| parts.body != InnerBody::None || parts.head_length > 0) {
            return Err(Fault::Encapsulated);
        }
        Ok(Verdict::Unchanged)
    }

    fn parts_of(&mut self, head: &IcapHead, method: IcapMethod) -> Result<Encapsulated, Fault> {
        if head.status == 206 {
            let asked_for = self.allow_unchanged == AllowUnchanged::Anywhere || self.sender.is_in_preview();
            if self.partial == PartialContent::Refused || !asked_for {
                return Err(Fault::Partial);
            }
            self.partial_answer = Some(Decided);
        }
        if head.fields("Encapsulated").count() > 1 {
            return Err(Fault::Encapsulated);
        }
        let parts = head.field("Encapsulated").ok_or(Fault::NoEncapsulated)?;
        let parts = Encapsulated::parse(parts)?.ok_or(Fault::NoEncapsulated)?;
        let fits = match (parts.head, method) {
            (Some(InnerHead::Request), IcapMethod::Respmod) => false,
            (_, _) if parts.head_length == 0 => parts.body == InnerBody::None,
            _ => true,
        };
        if fits { Ok(parts) } else { Err(Fault::Encapsulated) }
    }

    fn take_inner(&mut self, head: IcapHead, inner: AdaptedHead, parts: Encapsulated) -> Result<Box<Answer>, Fault> {
        let bodiless = matches!(inner.status(), Some(204 | 304));
        let declared = inner.declared;
        if parts.body == InnerBody::None {
            let length_of_another = matches!(self.asked, Asked::Message { answers_head: true, .. }) || bodiless;
            if declared.is_some_and(|length| length > 0) && !length_of_another {
                return Err(Fault::AdaptedLength);
            }
            // `Reading::Over` is what it is already.
            self.sender.answered();
        } else {
            // A client would take such a body for the next answer.
            let declared = if bodiless { Some(0) } else { declared };
            self.reading = Reading::Body { decoder: Decoder::new(), declared };
            self.sender.answered_with_body();
        }
        let verdict = match self.partial_answer {
            None => Verdict::Adapted(inner),
            Some(Decided) => Verdict::Partial(inner),
        };
        Ok(Box::new(Answer { head, verdict }))
    }

    fn take_body(&mut self, mut decoder: Decoder, declared: Option<u64>) -> Result<Next, Fault> {
        let mut rest = &self.input[self.used..];
        let piece = decoder.next(&mut rest)?;
        let at = self.input.len() - rest.len();
        let next = match piece {
            Piece::Data(bytes) => Next::Data(at - bytes.len()..at),
            Piece::More => Next::Wait,
            Piece::End { original_from } => Next::End(original_from),
        };
        self.used = at;
        match &next {
            Next::Data(range) => {
                self.received += range.len() as u64;
                self.check_growing(declared)?;
                self.reading = Reading::Body { decoder, declared };
            }
            Next::End(original_from) => {
                self.check_ended(declared, *original_from)?;
                self.reading = Reading::Over { original_from: *original_from };
            }
            Next::Wait | Next::Answer(_) => self.reading = Reading::Body { decoder, declared },
        }
        Ok(next)
    }

    fn check_growing(&self, declared: Option<u64>) -> Result<(), Fault> {
        if declared.is_some_and(|declared| self.received > declared) {
            return Err(Fault::AdaptedLength);
        }
        let original = self.sender.length().unwrap_or(0).max(self.sender.body_given());
        if self.received > ADAPTED_MAX.max(original.saturating_mul(2)) { Err(Fault::AdaptedTooLarge) } else { Ok(()) }
    }

    /// An early end is how some scanners say that they found something in what they had passed on already.
    fn check_ended(&self, declared: Option<u64>, original_from: Option<u64>) -> Result<(), Fault> {
        match (self.partial_answer, original_from, declared) {
            (None, Some(_), _) => Err(Fault::Partial),
            (_, None, Some(declared)) if declared != self.received => Err(Fault::AdaptedLength),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests;
