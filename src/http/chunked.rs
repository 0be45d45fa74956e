//! The chunked transfer coding (RFC 9112 section 7.1), decoded and written anew. Strict: what is not the grammar is refused.

/// Most bytes of chunk extensions in one body. They are read past, never passed on.
const MAX_EXTENSIONS: u32 = 16 * 1024;
/// Most bytes of a trailer section.
const MAX_TRAILERS: usize = 16 * 1024;
/// Most fields of a trailer section.
const MAX_TRAILER_FIELDS: usize = 32;

/// The body breaks the grammar or a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadChunk;

/// What stands next in the input.
#[derive(Debug, PartialEq, Eq)]
pub enum Piece<'a> {
    /// Body bytes.
    Data(&'a [u8]),
    /// The last chunk and the trailer section are over.
    End,
    /// The input is used up; more is needed.
    More,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Size { digits: u8 },
    Extension,
    SizeLineFeed,
    Data,
    DataReturn,
    DataLineFeed,
    Trailers,
    End,
}

/// A decoder between two inputs: 40 bytes, and the trailer section once it is reached.
#[derive(Debug)]
pub struct Decoder {
    state: State,
    left: u64,
    extensions: u32,
    trailers: Vec<u8>,
}

impl Default for Decoder {
    fn default() -> Self {
        Self { state: State::Size { digits: 0 }, left: 0, extensions: 0, trailers: Vec::new() }
    }
}

impl Decoder {
    /// Takes the next piece from the front of `input`, moving `input` past what was used.
    ///
    /// # Errors
    /// [`BadChunk`]; the decoder must not be used after it.
    pub fn next<'a>(&mut self, input: &mut &'a [u8]) -> Result<Piece<'a>, BadChunk> {
        loop {
            if self.state == State::End {
                return Ok(Piece::End);
            }
            if input.is_empty() {
                return Ok(Piece::More);
            }
            match self.state {
                State::Data => return Ok(Piece::Data(self.take_data(input))),
                State::Trailers => self.take_trailers(input)?,
                _ => self.step(take_byte(input))?,
            }
        }
    }

    /// Whether the end of the body has been decoded.
    pub fn is_done(&self) -> bool {
        self.state == State::End
    }

    fn take_data<'a>(&mut self, input: &mut &'a [u8]) -> &'a [u8] {
        let count = usize::try_from(self.left).unwrap_or(usize::MAX).min(input.len());
        let (data, rest) = input.split_at(count);
        *input = rest;
        self.left -= count as u64;
        if self.left == 0 {
            self.state = State::DataReturn;
        }
        data
    }

    fn step(&mut self, byte: u8) -> Result<(), BadChunk> {
        self.state = match (self.state, byte) {
            (State::Size { digits }, byte) if byte.is_ascii_hexdigit() && digits < 16 => {
                self.left = (self.left << 4) | u64::from(hex_value(byte));
                State::Size { digits: digits + 1 }
            }
            (State::Size { digits: 1.. }, b';') => State::Extension,
            (State::Size { digits: 1.. }, b'\r') => State::SizeLineFeed,
            (State::Extension, b'\r') => State::SizeLineFeed,
            (State::Extension, b'\t' | b' '..=b'~' | 0x80..) => {
                self.extensions += 1;
                if self.extensions > MAX_EXTENSIONS {
                    return Err(BadChunk);
                }
                State::Extension
            }
            (State::SizeLineFeed, b'\n') if self.left == 0 => State::Trailers,
            (State::SizeLineFeed, b'\n') => State::Data,
            (State::DataReturn, b'\r') => State::DataLineFeed,
            (State::DataLineFeed, b'\n') => State::Size { digits: 0 },
            _ => return Err(BadChunk),
        };
        Ok(())
    }

    /// Trailer lines are gathered up to the empty line, then looked at as a whole.
    fn take_trailers(&mut self, input: &mut &[u8]) -> Result<(), BadChunk> {
        while !input.is_empty() {
            let byte = take_byte(input);
            self.trailers.push(byte);
            if byte != b'\n' {
                continue;
            }
            if self.trailers == b"\r\n" || self.trailers.ends_with(b"\r\n\r\n") {
                self.trailers = pass_on(&self.trailers)?;
                self.state = State::End;
                return Ok(());
            }
            if !self.trailers.ends_with(b"\r\n") {
                return Err(BadChunk);
            }
        }
        if self.trailers.len() > MAX_TRAILERS { Err(BadChunk) } else { Ok(()) }
    }

    /// Writes the end of the body: the last chunk, and the trailer fields that may be passed on.
    pub fn write_end(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"0\r\n");
        out.extend_from_slice(&self.trailers);
        out.extend_from_slice(b"\r\n");
    }
}

/// Writes one chunk. `data` must not be empty: an empty chunk would end the body.
pub fn write_chunk(data: &[u8], out: &mut Vec<u8>) {
    debug_assert!(!data.is_empty());
    write_size(data.len(), out);
    out.extend_from_slice(data);
    out.extend_from_slice(b"\r\n");
}

fn write_size(size: usize, out: &mut Vec<u8>) {
    let digits = (usize::BITS - size.leading_zeros()).div_ceil(4).max(1);
    for place in (0..digits).rev() {
        out.push(b"0123456789abcdef"[(size >> (4 * place)) & 0xf]);
    }
    out.extend_from_slice(b"\r\n");
}

/// The trailer fields that go on: none that frames, routes or belongs to one hop (RFC 9110 section 6.5.1).
fn pass_on(section: &[u8]) -> Result<Vec<u8>, BadChunk> {
    let mut fields = [httparse::EMPTY_HEADER; MAX_TRAILER_FIELDS];
    let fields = match httparse::parse_headers(section, &mut fields) {
        Ok(httparse::Status::Complete((length, fields))) if length == section.len() => fields,
        _ => return Err(BadChunk),
    };
    if section.len() > MAX_TRAILERS
        || section.windows(2).any(|pair| pair[0] == b'\n' && matches!(pair[1], b' ' | b'\t'))
    {
        return Err(BadChunk);
    }
    let mut kept = Vec::new();
    for field in
        fields.iter().filter(|field| crate::http::field::known(field.name.as_bytes()) == super::field::Known::Other)
    {
        kept.extend_from_slice(field.name.as_bytes());
        kept.extend_from_slice(b": ");
        kept.extend_from_slice(field.value);
        kept.extend_from_slice(b"\r\n");
    }
    Ok(kept)
}

fn take_byte(input: &mut &[u8]) -> u8 {
    let byte = input[0];
    *input = &input[1..];
    byte
}

fn hex_value(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        b'a'..=b'f' => digit - b'a' + 10,
        _ => digit - b'A' + 10,
    }
}

#[cfg(test)]
mod tests;
