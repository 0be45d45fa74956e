//! The request half of a conversation: what is still to be written, and when the body is wanted.

use super::super::error::ErrorKind;
use super::super::opening::{BodyPresence, Opening, PreviewEnd};
use crate::http::chunked::write_chunk;

/// Bytes that may wait to be written before more of the body is wanted.
const ENOUGH: usize = 64 * 1024;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// The preview is out; the rest waits for 100.
    AwaitsContinue,
    /// The body goes out.
    Body,
    /// Everything is said.
    Complete,
    /// What is left will never be said.
    Stopped,
}

/// Whether the server has nothing but a preview.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shown {
    Preview,
    Everything,
}

#[derive(Debug)]
pub(super) struct Sender {
    out: Vec<u8>,
    /// Bytes of `out` that were written.
    sent: usize,
    written_before: u64,
    state: State,
    shown: Shown,
    body_at: u64,
    length: Option<u64>,
}

impl Sender {
    /// For a request without a body.
    pub fn without_body(out: Vec<u8>) -> Self {
        let state = State::Complete;
        Self { out, sent: 0, written_before: 0, state, shown: Shown::Everything, body_at: 0, length: Some(0) }
    }

    /// For a message; `out` holds everything up to the first wait.
    pub fn new(out: Vec<u8>, opening: &Opening) -> Self {
        let mut sender = Self::without_body(out);
        if let Some(preview) = &opening.preview {
            sender.shown = Shown::Preview;
            sender.body_at = preview.bytes.len() as u64;
        }
        if opening.body == BodyPresence::Present {
            sender.length = opening.length;
            sender.state = match &opening.preview {
                None => State::Body,
                Some(preview) if preview.end == PreviewEnd::Whole => State::Complete,
                Some(_) => State::AwaitsContinue,
            };
        }
        sender
    }

    pub fn pending(&self) -> &[u8] {
        match self.state {
            State::Stopped => &[],
            _ => &self.out[self.sent..],
        }
    }

    pub fn written(&mut self, count: usize) {
        self.sent += count;
        if self.sent >= self.out.len() {
            self.written_before += self.out.len() as u64;
            self.out.clear();
            self.sent = 0;
        }
    }

    pub fn has_written_nothing(&self) -> bool {
        self.written_before == 0 && self.sent == 0
    }

    pub fn wants_body(&self) -> Option<u64> {
        (self.state == State::Body && self.pending().len() < ENOUGH).then_some(self.body_at)
    }

    pub fn give_body(&mut self, bytes: &[u8]) -> Result<(), ErrorKind> {
        if self.state != State::Body {
            return Ok(());
        }
        self.body_at += bytes.len() as u64;
        match self.length {
            Some(length) if self.body_at > length || (bytes.is_empty() && self.body_at < length) => {
                return Err(ErrorKind::BodyCut);
            }
            _ => {}
        }
        if self.sent > 0 {
            self.written_before += self.sent as u64;
            self.out.drain(..self.sent);
            self.sent = 0;
        }
        if !bytes.is_empty() {
            write_chunk(bytes, &mut self.out);
        }
        // A body whose length is known is over with its last byte; asking for one more could take for ever.
        if bytes.is_empty() || self.length == Some(self.body_at) {
            self.out.extend_from_slice(b"0\r\n\r\n");
            self.state = State::Complete;
        }
        Ok(())
    }

    /// 100: the rest is wanted, if there is any.
    pub fn go_on(&mut self) {
        if self.state == State::AwaitsContinue {
            self.state = State::Body;
            self.shown = Shown::Everything;
        }
    }

    /// The answer is there, and nothing more of the body is of use.
    pub fn answered(&mut self) {
        match self.state {
            State::AwaitsContinue => self.state = State::Complete,
            State::Body => self.stop(),
            State::Complete | State::Stopped => {}
        }
    }

    /// The answer is there, and its body may be made of what is still to be sent.
    pub fn answered_with_body(&mut self) {
        if self.state == State::AwaitsContinue {
            self.state = State::Complete;
        }
    }

    pub fn stop(&mut self) {
        self.state = State::Stopped;
    }

    pub fn is_in_preview(&self) -> bool {
        self.shown == Shown::Preview
    }

    pub fn is_up_to_server(&self) -> bool {
        self.state != State::Body && self.pending().is_empty()
    }

    pub fn is_complete(&self) -> bool {
        self.state == State::Complete && self.pending().is_empty()
    }

    pub fn body_given(&self) -> u64 {
        self.body_at
    }

    pub fn length(&self) -> Option<u64> {
        self.length
    }
}
