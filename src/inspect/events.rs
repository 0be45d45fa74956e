//! Where whole events end in a stream, so that what goes out is what its reader can make use of. Pure.

mod messages;
mod parts;

use self::messages::Messages;
use self::parts::Parts;
use super::plan::kind::is_grpc;

/// The events of one stream, as it comes without a content coding. Constant memory, however long an event is.
#[derive(Clone, Debug)]
pub struct Events(Kind);

#[derive(Clone, Debug)]
enum Kind {
    /// Events end with an empty line.
    EventStream(Line),
    /// Every line is an event.
    Lines,
    /// Parts end with a line of their own.
    Parts(Parts),
    /// Messages say how long they are.
    Messages(Messages),
    /// Nobody knows.
    Anything,
}

/// Where an event stream stands in a line. Lines end with LF, CR, or both (WHATWG HTML section 9.2.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Line {
    /// At the beginning of one.
    Start,
    /// Behind its first character.
    Inside,
    /// Behind a CR that ended a line with something in it. An LF may belong to it.
    AfterReturn,
    /// Behind a CR that ended an empty line. An LF may belong to it.
    AfterEmptyReturn,
}

impl Events {
    /// The events of a stream of this media type, in lower case and without parameters; `boundary` is that parameter of
    /// it, if it has one.
    pub fn of(media_type: &str, boundary: Option<&[u8]>) -> Self {
        Self(match media_type {
            "text/event-stream" => Kind::EventStream(Line::Start),
            "application/x-ndjson"
            | "application/ndjson"
            | "application/jsonl"
            | "application/stream+json"
            | "application/json-seq"
            | "application/geo+json-seq"
            | "application/x-json-stream" => Kind::Lines,
            "multipart/x-mixed-replace" => boundary.and_then(Parts::new).map_or(Kind::Anything, Kind::Parts),
            // As text it is base64, in which messages have no border.
            _ if is_grpc(media_type) && !media_type.starts_with("application/grpc-web-text") => {
                Kind::Messages(Messages::new())
            }
            _ => Kind::Anything,
        })
    }

    /// Reads the next piece, which follows whatever was read before, and tells how many bytes at its front end with a
    /// whole event: they, and all that was held before them, may go out. 0 where no event ends in the piece. For streams
    /// of an unknown kind that is the whole piece.
    pub fn boundary(&mut self, piece: &[u8]) -> usize {
        match &mut self.0 {
            Kind::EventStream(line) => of_event_stream(line, piece),
            Kind::Lines => memchr::memrchr(b'\n', piece).map_or(0, |at| at + 1),
            Kind::Parts(parts) => parts.boundary(piece),
            Kind::Messages(messages) => messages.boundary(piece),
            Kind::Anything => piece.len(),
        }
    }
}

fn of_event_stream(line: &mut Line, piece: &[u8]) -> usize {
    let (mut at, mut end) = (0, 0);
    while let Some(byte) = piece.get(at) {
        at += 1;
        let was = *line;
        *line = was.after(*byte);
        match (was, *byte) {
            // An empty line, or the second half of its end.
            (Line::Start | Line::AfterEmptyReturn, b'\n')
            | (Line::Start | Line::AfterReturn | Line::AfterEmptyReturn, b'\r') => {
                end = at;
            }
            _ => {}
        }
        if *line == Line::Inside {
            at += memchr::memchr2(b'\r', b'\n', &piece[at..]).unwrap_or(piece.len() - at);
        }
    }
    end
}

impl Line {
    fn after(self, byte: u8) -> Self {
        match (byte, self) {
            (b'\n', _) => Line::Start,
            (b'\r', Line::Inside) => Line::AfterReturn,
            (b'\r', _) => Line::AfterEmptyReturn,
            (_, _) => Line::Inside,
        }
    }
}

#[cfg(test)]
mod tests;
