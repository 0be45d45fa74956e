//! The chunked bodies of ICAP: like HTTP's, with the extensions that have a meaning on the last chunk.

use super::error::Fault;
use crate::http::framing::decimal;

/// Longest line of a chunk, extensions included, and longest line of a trailer.
const MAX_LINE: usize = 4096;
/// Most lines of a trailer.
const MAX_TRAILER_LINES: usize = 32;
/// Most bytes of chunk extensions in one body.
const MAX_EXTENSIONS: usize = 16 * 1024;
/// Largest chunk.
const MAX_CHUNK: u64 = 1 << 31;
/// From where the original body goes on after the last chunk (206).
const USE_ORIGINAL: &[u8] = b"use-original-body=";
/// The preview is the whole body.
const IEOF: &[u8] = b"ieof";

/// What stands next in the input.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Piece<'a> {
    Data(&'a [u8]),
    /// The body is over; of the original, what begins at this byte is to follow.
    End {
        original_from: Option<u64>,
    },
    More,
}

#[derive(Debug)]
enum State {
    Size,
    Data(u64),
    DataEnd { at: usize },
    Trailer { lines: usize },
    Done,
}

/// A decoder between two inputs.
#[derive(Debug)]
pub(super) struct Decoder {
    state: State,
    line: Vec<u8>,
    extensions: usize,
    original_from: Option<u64>,
    preview: Preview,
}

/// What the last chunk of a preview says of what follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Preview {
    /// More, or nobody knows.
    Begun,
    /// `ieof`: nothing, the preview was the whole body.
    Whole,
}

impl Decoder {
    pub fn new() -> Self {
        let (state, line, preview) = (State::Size, Vec::new(), Preview::Begun);
        Self { state, line, extensions: 0, original_from: None, preview }
    }

    /// What the last chunk said; of use once it came.
    pub fn preview(&self) -> Preview {
        self.preview
    }

    /// Takes the next piece from the front of `input`, moving `input` past what was used. Not to be used after a fault.
    pub fn next<'a>(&mut self, input: &mut &'a [u8]) -> Result<Piece<'a>, Fault> {
        loop {
            match self.state {
                State::Done => return Ok(Piece::End { original_from: self.original_from }),
                _ if input.is_empty() => return Ok(Piece::More),
                State::Data(left) => return Ok(Piece::Data(self.take_data(left, input))),
                State::DataEnd { at } => self.take_data_end(at, input)?,
                State::Size => {
                    if self.take_line(input)? {
                        self.read_size()?;
                    }
                }
                State::Trailer { lines } => {
                    if self.take_line(input)? {
                        self.read_trailer(lines)?;
                    }
                }
            }
        }
    }

    fn take_data<'a>(&mut self, left: u64, input: &mut &'a [u8]) -> &'a [u8] {
        let count = usize::try_from(left).unwrap_or(usize::MAX).min(input.len());
        let (data, rest) = input.split_at(count);
        *input = rest;
        let left = left - count as u64;
        self.state = if left == 0 { State::DataEnd { at: 0 } } else { State::Data(left) };
        data
    }

    fn take_data_end(&mut self, at: usize, input: &mut &[u8]) -> Result<(), Fault> {
        let Some((byte, rest)) = input.split_first() else { return Ok(()) };
        *input = rest;
        self.state = match (at, byte) {
            (0, b'\r') => State::DataEnd { at: 1 },
            (1, b'\n') => State::Size,
            _ => return Err(Fault::Chunk),
        };
        Ok(())
    }

    /// Gathers a line, its end left off; tells whether it is whole.
    fn take_line(&mut self, input: &mut &[u8]) -> Result<bool, Fault> {
        let (taken, whole) = match memchr::memchr(b'\n', input) {
            Some(at) => (at + 1, true),
            None => (input.len(), false),
        };
        if self.line.len() + taken > MAX_LINE {
            return Err(Fault::Chunk);
        }
        self.line.extend_from_slice(&input[..taken]);
        *input = &input[taken..];
        if whole {
            let length = self.line.strip_suffix(b"\r\n").ok_or(Fault::Chunk)?.len();
            self.line.truncate(length);
        }
        Ok(whole)
    }

    fn read_size(&mut self) -> Result<(), Fault> {
        let mut pieces = self.line.split(|byte| *byte == b';');
        let digits = pieces.next().unwrap_or_default();
        let size = hexadecimal(digits.trim_ascii_end()).ok_or(Fault::Chunk)?;
        self.extensions += self.line.len() - digits.len();
        if self.extensions > MAX_EXTENSIONS {
            return Err(Fault::Chunk);
        }
        if size == 0 {
            let mut pieces = pieces.map(<[u8]>::trim_ascii);
            if pieces.clone().any(|piece| piece.eq_ignore_ascii_case(IEOF)) {
                self.preview = Preview::Whole;
            }
            self.original_from = pieces.find_map(original_from).transpose()?;
            self.state = State::Trailer { lines: 0 };
        } else {
            self.state = State::Data(size);
        }
        self.line.clear();
        Ok(())
    }

    /// Trailers are read past: nothing here has asked for any.
    fn read_trailer(&mut self, lines: usize) -> Result<(), Fault> {
        self.state = match self.line.is_empty() {
            true => State::Done,
            false if lines < MAX_TRAILER_LINES => State::Trailer { lines: lines + 1 },
            false => return Err(Fault::Chunk),
        };
        self.line.clear();
        Ok(())
    }
}

fn original_from(extension: &[u8]) -> Option<Result<u64, Fault>> {
    let (name, value) = extension.split_at_checked(USE_ORIGINAL.len())?;
    name.eq_ignore_ascii_case(USE_ORIGINAL).then(|| decimal(value).ok_or(Fault::Partial))
}

fn hexadecimal(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() || digits.len() > 16 {
        return None;
    }
    let size = digits
        .iter()
        .try_fold(0u64, |sum, digit| Some((sum.checked_mul(16)?) | u64::from(char::from(*digit).to_digit(16)?)))?;
    (size <= MAX_CHUNK).then_some(size)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(input: &[u8], step: usize) -> Result<(Vec<u8>, Option<Option<u64>>), Fault> {
        let (mut decoder, mut data) = (Decoder::new(), Vec::new());
        for mut piece in input.chunks(step) {
            loop {
                match decoder.next(&mut piece)? {
                    Piece::Data(bytes) => data.extend_from_slice(bytes),
                    Piece::More => break,
                    Piece::End { original_from } => return Ok((data, Some(original_from))),
                }
            }
        }
        Ok((data, None))
    }

    #[test]
    fn the_same_whatever_the_pieces() {
        let whole = b"3;a=b\r\nabc\r\nA  \r\n0123456789\r\n0; use-original-body=12\r\nT: v\r\n\r\n";
        for step in 1..=whole.len() {
            assert_eq!(decode(whole, step), Ok((b"abc0123456789".to_vec(), Some(Some(12)))), "in steps of {step}");
        }
        assert_eq!(decode(b"0; ieof\r\n\r\n", 3), Ok((Vec::new(), Some(None))));
        assert_eq!(decode(b"1\r\na\r\n0\r\n", 3), Ok((b"a".to_vec(), None)), "a lone last chunk is no end");
    }

    #[test]
    fn refused() {
        let long = [&b"1;"[..], &[b'x'; MAX_LINE], b"\r\na\r\n"].concat();
        let extended = [&b"1;"[..], &[b'x'; 4000], b"\r\na\r\n"].concat().repeat(5);
        let trailers = [&b"0\r\n"[..], &b"T: v\r\n".repeat(MAX_TRAILER_LINES + 1), b"\r\n"].concat();
        for bad in [
            &b"x\r\n"[..],
            b"\r\n",
            b"-1\r\n",
            b"+1\r\n",
            b" 1\r\na",
            b"0x1\r\n",
            b"1\na\r\n",
            b"1\r\nab\r\n",
            b"1\r\na\n",
            b"80000001\r\n",
            b"8000000000000000\r\n",
            b"10000000000000000\r\n",
            b"0; use-original-body=-1\r\n\r\n",
            &long,
            &extended,
            &trailers,
        ] {
            assert!(decode(bad, bad.len()).is_err(), "{:?}", String::from_utf8_lossy(bad));
        }
    }
}
