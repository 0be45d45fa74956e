//! Bodies as they come over the wire: framed in every way, and coded in every way.

use std::io::Write;

use flate2::Compression;
use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};

/// How the end of a body is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// By `Content-Length`.
    Length,
    /// By chunks of at most so many bytes.
    Chunked(usize),
    /// By the end of the connection.
    Close,
}

impl Framing {
    /// Each of them, chunks of odd sizes among them.
    pub const ALL: [Framing; 4] = [Framing::Length, Framing::Chunked(7), Framing::Chunked(65_537), Framing::Close];

    /// Whether nothing else tells the end.
    pub fn is_ended_by_close(self) -> bool {
        self == Framing::Close
    }

    /// The head of a 200 with these further fields and a body of this length.
    pub fn head(self, fields: &str, length: usize) -> String {
        format!("HTTP/1.1 200 OK\r\n{}{fields}\r\n", self.field(length))
    }

    /// The field that tells the end of a body of this length.
    pub fn field(self, length: usize) -> String {
        match self {
            Framing::Length => format!("Content-Length: {length}\r\n"),
            Framing::Chunked(_) => "Transfer-Encoding: chunked\r\n".into(),
            Framing::Close => String::new(),
        }
    }

    /// A piece of the body.
    pub fn piece(self, bytes: &[u8]) -> Vec<u8> {
        match self {
            Framing::Length | Framing::Close => bytes.to_vec(),
            Framing::Chunked(most) => bytes.chunks(most).flat_map(chunk).collect(),
        }
    }

    /// What stands behind the last piece.
    pub fn end(self) -> &'static [u8] {
        if let Framing::Chunked(_) = self { b"0\r\n\r\n" } else { b"" }
    }

    /// The whole body.
    pub fn body(self, bytes: &[u8]) -> Vec<u8> {
        [&self.piece(bytes), self.end()].concat()
    }

    /// A whole 200.
    pub fn response(self, fields: &str, bytes: &[u8]) -> Vec<u8> {
        [self.head(fields, bytes.len()).into_bytes(), self.body(bytes)].concat()
    }
}

/// One chunk.
pub fn chunk(bytes: &[u8]) -> Vec<u8> {
    [format!("{:x}\r\n", bytes.len()).as_bytes(), bytes, b"\r\n"].concat()
}

/// Of a body of `pieces`, one chunk each.
pub fn chunked(pieces: &[&[u8]]) -> Vec<u8> {
    let chunks = pieces.iter().filter(|piece| !piece.is_empty()).flat_map(|piece| chunk(piece));
    chunks.chain(*b"0\r\n\r\n").collect()
}

/// Codes a text.
pub type Encode = fn(&[u8]) -> Vec<u8>;

/// Every coding, by what `Content-Encoding` says, and what makes it.
pub const CODINGS: [(&str, Encode); 9] = [
    ("gzip", gzip),
    ("x-gzip", gzip),
    ("deflate", zlib),
    ("deflate", deflate),
    ("br", brotli),
    ("zstd", zstd),
    ("gzip, gzip", |text| gzip(&gzip(text))),
    ("identity, GZIP", gzip),
    ("zstd, br", |text| brotli(&zstd(text))),
];

/// gzip.
pub fn gzip(text: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(text).expect("memory");
    encoder.finish().expect("memory")
}

/// gzip of `pieces`, each of which can be decoded as soon as it is here.
pub fn gzip_in_pieces(pieces: &[&[u8]]) -> Vec<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    let flushed = pieces.iter().map(|piece| {
        encoder.write_all(piece).expect("memory");
        encoder.flush().expect("memory");
        std::mem::take(encoder.get_mut())
    });
    flushed.collect()
}

/// deflate with the frame that RFC 9110 means.
pub fn zlib(text: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(text).expect("memory");
    encoder.finish().expect("memory")
}

/// deflate without it, as some send it.
pub fn deflate(text: &[u8]) -> Vec<u8> {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(text).expect("memory");
    encoder.finish().expect("memory")
}

/// zstd.
pub fn zstd(text: &[u8]) -> Vec<u8> {
    zstd::encode_all(text, 1).expect("memory")
}

/// br without compression: a window of 64 KiB and meta-blocks of text as it is (RFC 7932 section 9.2).
pub fn brotli(text: &[u8]) -> Vec<u8> {
    let mut coded = Vec::new();
    for (number, piece) in text.chunks(1 << 16).enumerate() {
        // Behind the bit for the window: not the last, four nibbles of length less one, uncompressed.
        let (window, header) = (usize::from(number == 0), (piece.len() - 1) << 3 | 1 << 19);
        let bits = (header << window).to_le_bytes();
        coded.extend_from_slice(&bits[..3]);
        coded.extend_from_slice(piece);
    }
    coded.push(if text.is_empty() { 0b110 } else { 0b11 });
    coded
}
