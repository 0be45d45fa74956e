//! The messages of gRPC: each says how long it is.

/// Bits of the flags that no message has. The lowest says that it is compressed, the highest that it holds the trailers
/// (gRPC over HTTP/2, "Length-Prefixed-Message"; gRPC-Web, "Message framing").
const NO_FLAGS: u8 = 0x7e;
/// Bytes in front of a message: its flags, and its length with the highest byte first.
const PREFIX: u8 = 5;

/// Where a stream of messages stands.
#[derive(Clone, Debug)]
pub(super) enum Messages {
    /// Behind so many bytes of a prefix; the length as far as it is known.
    Prefix(u8, u32),
    /// So many bytes before the end of a message.
    Inside(u32),
    /// Behind something that is no message: nobody knows where one begins.
    Lost,
}

impl Messages {
    /// At the beginning of a stream.
    pub(super) fn new() -> Self {
        Messages::Prefix(0, 0)
    }

    /// Bytes at the front of the next piece that end with a message; all of it once the stream turned out to be another.
    pub(super) fn boundary(&mut self, piece: &[u8]) -> usize {
        let (mut at, mut end) = (0, 0);
        while at < piece.len() {
            match *self {
                Messages::Prefix(read, length) => {
                    *self = after(read, length, piece[at]);
                    at += 1;
                }
                Messages::Inside(left) => {
                    let count = usize::try_from(left).map_or(piece.len() - at, |left| left.min(piece.len() - at));
                    at += count;
                    // No more than what is left, which fits.
                    *self = Messages::Inside(left - count as u32);
                }
                Messages::Lost => return piece.len(),
            }
            if let Messages::Inside(0) = self {
                (end, *self) = (at, Messages::new());
            }
        }
        if let Messages::Lost = self { piece.len() } else { end }
    }
}

/// The place behind one more byte of a prefix.
fn after(read: u8, length: u32, byte: u8) -> Messages {
    match read {
        0 if byte & NO_FLAGS != 0 => Messages::Lost,
        0 => Messages::Prefix(1, 0),
        _ if read + 1 < PREFIX => Messages::Prefix(read + 1, length << 8 | u32::from(byte)),
        _ => Messages::Inside(length << 8 | u32::from(byte)),
    }
}
