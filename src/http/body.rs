//! A body on its way: which bytes of the input belong to it, and how they are framed on the other side.

use super::chunked::{self, Decoder, Piece};
use super::framing::BodyFraming;

/// Reads a body by its framing.
#[derive(Debug)]
pub enum BodyReader {
    /// Bytes still to come.
    Length(u64),
    /// Chunked.
    Chunked(Box<Decoder>),
    /// Until the connection closes.
    UntilClose,
}

/// How the body is framed where it goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyFormat {
    /// As it is: by length, or until close.
    Plain,
    /// In chunks.
    Chunked,
}

impl BodyFormat {
    /// Writes `data` as part of a body in this format; nothing where there is none, since an empty chunk would end it.
    pub fn write(self, data: &[u8], out: &mut Vec<u8>) {
        match self {
            BodyFormat::Plain => out.extend_from_slice(data),
            BodyFormat::Chunked if data.is_empty() => {}
            BodyFormat::Chunked => chunked::write_chunk(data, out),
        }
    }
}

/// What one input gave.
#[derive(Debug, PartialEq, Eq)]
pub struct Taken {
    /// Bytes of the input that were used; the rest belongs to whatever follows the body.
    pub used: usize,
    /// Body bytes in them.
    pub data: usize,
}

/// The body breaks its framing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadBody;

impl BodyReader {
    /// A reader for a body framed so.
    pub fn new(framing: BodyFraming) -> Self {
        match framing {
            BodyFraming::None => BodyReader::Length(0),
            BodyFraming::Length(length) => BodyReader::Length(length),
            BodyFraming::Chunked => BodyReader::Chunked(Box::default()),
            BodyFraming::UntilClose => BodyReader::UntilClose,
        }
    }

    /// Whether the body has ended by its own framing.
    pub fn is_done(&self) -> bool {
        match self {
            BodyReader::Length(left) => *left == 0,
            BodyReader::Chunked(decoder) => decoder.is_done(),
            BodyReader::UntilClose => false,
        }
    }

    /// Whether the end of the connection is the end of the body here, not a cut.
    pub fn may_end_with_connection(&self) -> bool {
        self.is_done() || matches!(self, BodyReader::UntilClose)
    }

    /// How many bytes may be moved without looking at them: 0 for a chunked body.
    pub fn plain_left(&self) -> u64 {
        match self {
            BodyReader::Length(left) => *left,
            BodyReader::Chunked(_) => 0,
            BodyReader::UntilClose => u64::MAX,
        }
    }

    /// Notes that `count` bytes, at most [`Self::plain_left`], were moved without looking at them.
    pub fn moved_plain(&mut self, count: u64) {
        if let BodyReader::Length(left) = self {
            *left -= count;
        }
    }

    /// Writes what ends the body in this format: the last chunk, with the trailers of the body that was read.
    pub fn write_end(&self, format: BodyFormat, out: &mut Vec<u8>) {
        if let (BodyReader::Chunked(decoder), BodyFormat::Chunked) = (self, format) {
            decoder.write_end(out);
        }
    }

    /// Takes body bytes from the front of `input` and writes them, framed as `format`, to the end of `out`; at the end
    /// of a chunked body that goes out in chunks, the last chunk and the trailers too.
    ///
    /// # Errors
    /// [`BadBody`]; what was written before the fault stays in `out`.
    pub fn read(&mut self, input: &[u8], format: BodyFormat, out: &mut Vec<u8>) -> Result<Taken, BadBody> {
        let BodyReader::Chunked(decoder) = self else {
            let count = usize::try_from(self.plain_left()).unwrap_or(usize::MAX).min(input.len());
            out.extend_from_slice(&input[..count]);
            self.moved_plain(count as u64);
            return Ok(Taken { used: count, data: count });
        };
        let (mut rest, mut data) = (input, 0);
        let already_done = decoder.is_done();
        loop {
            match decoder.next(&mut rest).map_err(|_| BadBody)? {
                Piece::Data(bytes) => {
                    data += bytes.len();
                    format.write(bytes, out);
                }
                Piece::More => break,
                Piece::End => {
                    if format == BodyFormat::Chunked && !already_done {
                        decoder.write_end(out);
                    }
                    break;
                }
            }
        }
        Ok(Taken { used: input.len() - rest.len(), data })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn length_takes_its_own_and_leaves_the_rest() {
        let mut reader = BodyReader::new(BodyFraming::Length(3));
        let mut out = Vec::new();
        assert_eq!(reader.read(b"abcdef", BodyFormat::Plain, &mut out), Ok(Taken { used: 3, data: 3 }));
        assert_eq!(out, b"abc");
        assert!(reader.is_done() && reader.may_end_with_connection());
        assert_eq!(reader.read(b"def", BodyFormat::Plain, &mut out), Ok(Taken { used: 0, data: 0 }));
    }

    #[test]
    fn chunked_is_framed_anew_without_extensions() {
        let mut reader = BodyReader::new(BodyFraming::Chunked);
        let mut out = Vec::new();
        let taken = reader.read(b"3;ext=1\r\nabc\r\n0\r\nT: v\r\n\r\nnext", BodyFormat::Chunked, &mut out);
        assert_eq!(taken, Ok(Taken { used: 25, data: 3 }));
        assert_eq!(out, b"3\r\nabc\r\n0\r\nT: v\r\n\r\n");
        assert!(reader.is_done());
    }

    #[test]
    fn chunked_for_a_client_that_knows_no_chunks() {
        let mut reader = BodyReader::new(BodyFraming::Chunked);
        let mut out = Vec::new();
        reader.read(b"3\r\nabc\r\n0\r\n\r\n", BodyFormat::Plain, &mut out).expect("valid");
        assert_eq!(out, b"abc");
    }

    #[test]
    fn a_cut_is_told_from_an_end() {
        let mut reader = BodyReader::new(BodyFraming::Chunked);
        reader.read(b"3\r\nab", BodyFormat::Plain, &mut Vec::new()).expect("valid");
        assert!(!reader.may_end_with_connection());
        assert!(BodyReader::new(BodyFraming::UntilClose).may_end_with_connection());
        assert!(!BodyReader::new(BodyFraming::Length(1)).may_end_with_connection());
    }
}
