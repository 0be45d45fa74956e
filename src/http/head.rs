//! Where a head ends, and whether its line ends are what they must be, before anything in it is believed.

/// A head that must be refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadHead {
    /// A line feed without a carriage return, or a line that begins with white space (obs-fold, RFC 9112 section 5.2).
    LineEnd,
    /// No end within the limit.
    TooLarge,
}

/// Largest head we read, in bytes.
pub const MAX_HEAD: usize = 64 * 1024;
/// Most fields of a request head.
pub const MAX_REQUEST_FIELDS: usize = 100;
/// Most fields of a response head.
pub const MAX_RESPONSE_FIELDS: usize = 200;

/// Finds the length of the head at the start of `bytes`, its empty line included.
///
/// `Ok(None)` means that more bytes are needed.
///
/// # Errors
/// [`BadHead`] as soon as it is certain.
pub fn head_length(bytes: &[u8]) -> Result<Option<usize>, BadHead> {
    let mut line_start = 0;
    while let Some(offset) = find_line_feed(&bytes[line_start..]) {
        let at = line_start + offset;
        let line = &bytes[line_start..at];
        if line.last() != Some(&b'\r') || matches!(line.first(), Some(b' ' | b'\t')) {
            return Err(BadHead::LineEnd);
        }
        if at + 1 > MAX_HEAD {
            return Err(BadHead::TooLarge);
        }
        // An empty first line is no head; httparse would skip it (RFC 9112 section 2.2 leaves that to us).
        if line.len() == 1 {
            return if line_start == 0 { Err(BadHead::LineEnd) } else { Ok(Some(at + 1)) };
        }
        line_start = at + 1;
    }
    if bytes.len() >= MAX_HEAD { Err(BadHead::TooLarge) } else { Ok(None) }
}

fn find_line_feed(bytes: &[u8]) -> Option<usize> {
    memchr::memchr(b'\n', bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_end_and_only_the_end() {
        assert_eq!(head_length(b"GET / HTTP/1.1\r\nHost: h\r\n\r\nbody"), Ok(Some(27)));
        assert_eq!(head_length(b"GET / HTTP/1.1\r\nHost: h\r\n\r"), Ok(None));
        assert_eq!(head_length(b""), Ok(None));
    }

    #[test]
    fn refuses_bare_line_feeds_folds_and_empty_first_lines() {
        for bad in [
            &b"GET / HTTP/1.1\nHost: h\r\n\r\n"[..],
            b"GET / HTTP/1.1\r\nHost: h\n\r\n",
            b"GET / HTTP/1.1\r\nA: b\r\n c\r\n\r\n",
            b"GET / HTTP/1.1\r\n\tfold: x\r\n\r\n",
            b" GET / HTTP/1.1\r\n\r\n",
            b"\r\nGET / HTTP/1.1\r\n\r\n",
            b"\n",
        ] {
            assert_eq!(head_length(bad), Err(BadHead::LineEnd), "{:?}", String::from_utf8_lossy(bad));
        }
    }

    #[test]
    fn gives_up_at_the_limit() {
        let endless = [b"GET / HTTP/1.1\r\n".to_vec(), b"A: b\r\n".repeat(MAX_HEAD)].concat();
        assert_eq!(head_length(&endless), Err(BadHead::TooLarge));
        assert_eq!(head_length(&vec![b'a'; MAX_HEAD]), Err(BadHead::TooLarge));
        assert_eq!(head_length(&vec![b'a'; MAX_HEAD - 1]), Ok(None));
    }
}
