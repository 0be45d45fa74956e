//! The one decision how a message body is framed (RFC 9112 section 6.3). Nothing else reads these fields.

/// How the end of a body is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyFraming {
    /// There is no body.
    None,
    /// Exactly this many bytes.
    Length(u64),
    /// Chunked transfer coding.
    Chunked,
    /// Responses only: the body ends with the connection.
    UntilClose,
}

/// Largest length of a body that we believe, in bytes.
const LARGEST_LENGTH: u64 = i64::MAX as u64;

/// Protocol version of a head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// HTTP/1.0
    Http10,
    /// HTTP/1.1
    Http11,
}

/// The framing fields contradict each other or cannot be read in one way only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadFraming;

/// What the framing fields of a head say, gathered field by field.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FramingFields {
    content_length: Option<u64>,
    chunked: bool,
}

impl FramingFields {
    /// Reads a `Content-Length` field. Equal repetitions are one; lists, signs and anything but digits are refused.
    ///
    /// # Errors
    /// [`BadFraming`] when the value is malformed or differs from an earlier one.
    pub fn content_length(&mut self, value: &[u8]) -> Result<(), BadFraming> {
        // Many peers count in signed numbers: a length that some of them cannot hold is read in two ways.
        let length = decimal(value).filter(|length| *length <= LARGEST_LENGTH).ok_or(BadFraming)?;
        match self.content_length.replace(length) {
            Some(before) if before != length => Err(BadFraming),
            _ => Ok(()),
        }
    }

    /// Reads a `Transfer-Encoding` field: there may be one, and it may only be `chunked`.
    ///
    /// # Errors
    /// [`BadFraming`] for any other coding, a list, or a second field.
    pub fn transfer_encoding(&mut self, value: &[u8]) -> Result<(), BadFraming> {
        if self.chunked || !value.eq_ignore_ascii_case(b"chunked") {
            return Err(BadFraming);
        }
        self.chunked = true;
        Ok(())
    }

    /// Framing of a request.
    ///
    /// # Errors
    /// [`BadFraming`] for both fields together, or a transfer coding in HTTP/1.0.
    pub fn of_request(self, version: Version) -> Result<BodyFraming, BadFraming> {
        match (self.content_length, self.chunked) {
            (None, false) | (Some(0), false) => Ok(BodyFraming::None),
            (Some(length), false) => Ok(BodyFraming::Length(length)),
            (None, true) if version == Version::Http11 => Ok(BodyFraming::Chunked),
            _ => Err(BadFraming),
        }
    }

    /// Framing of a response that may have a body (not to HEAD, not 1xx, 204 or 304).
    ///
    /// # Errors
    /// [`BadFraming`] for both fields together, or a transfer coding in HTTP/1.0.
    pub fn of_response(self, version: Version) -> Result<BodyFraming, BadFraming> {
        match (self.content_length, self.chunked) {
            (None, false) => Ok(BodyFraming::UntilClose),
            (Some(0), false) => Ok(BodyFraming::None),
            (Some(length), false) => Ok(BodyFraming::Length(length)),
            (None, true) if version == Version::Http11 => Ok(BodyFraming::Chunked),
            _ => Err(BadFraming),
        }
    }

    /// The `Content-Length` that was said, for heads that carry it without a body (HEAD, 304).
    pub fn said_length(self) -> Option<u64> {
        self.content_length
    }

    /// Whether a request says that it has a body, were it empty: CONNECT may not.
    pub fn announces_body(self) -> bool {
        self.chunked || self.content_length.is_some()
    }
}

/// Digits only, no sign, no space, no overflow.
pub fn decimal(value: &[u8]) -> Option<u64> {
    if value.is_empty() || value.len() > 20 {
        return None;
    }
    value.iter().try_fold(0u64, |sum, byte| {
        let digit = byte.is_ascii_digit().then(|| u64::from(byte - b'0'))?;
        sum.checked_mul(10)?.checked_add(digit)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(lengths: &[&str], codings: &[&str]) -> Result<FramingFields, BadFraming> {
        let mut fields = FramingFields::default();
        lengths.iter().try_for_each(|value| fields.content_length(value.as_bytes()))?;
        codings.iter().try_for_each(|value| fields.transfer_encoding(value.as_bytes()))?;
        Ok(fields)
    }

    fn request(lengths: &[&str], codings: &[&str]) -> Result<BodyFraming, BadFraming> {
        fields(lengths, codings)?.of_request(Version::Http11)
    }

    #[test]
    fn requests() {
        assert_eq!(request(&[], &[]), Ok(BodyFraming::None));
        assert_eq!(request(&["0"], &[]), Ok(BodyFraming::None));
        assert_eq!(request(&["5"], &[]), Ok(BodyFraming::Length(5)));
        assert_eq!(request(&["5", "5"], &[]), Ok(BodyFraming::Length(5)));
        assert_eq!(request(&["0005"], &[]), Ok(BodyFraming::Length(5)));
        assert_eq!(request(&[], &["Chunked"]), Ok(BodyFraming::Chunked));
        assert_eq!(request(&["9223372036854775807"], &[]), Ok(BodyFraming::Length(LARGEST_LENGTH)));
    }

    #[test]
    fn refused_lengths() {
        for value in [
            "5, 6",
            "5, 5",
            "+5",
            "-5",
            "0x5",
            "5.0",
            "1_0",
            "1 0",
            "",
            " ",
            "18446744073709551621",
            "5;",
            "9223372036854775808",
            "\u{b}5",
            "99999999999999999999999",
        ] {
            assert_eq!(request(&[value], &[]), Err(BadFraming), "{value:?}");
        }
        assert_eq!(request(&["5", "6"], &[]), Err(BadFraming));
    }

    #[test]
    fn refused_codings() {
        for value in [
            "identity",
            "xchunked",
            "chunked, identity",
            "gzip, chunked",
            "\u{b}chunked",
            "\"chunked\"",
            "",
            "chunked,",
        ] {
            assert_eq!(request(&[], &[value]), Err(BadFraming), "{value:?}");
        }
        assert_eq!(request(&[], &["chunked", "chunked"]), Err(BadFraming));
        assert_eq!(request(&["5"], &["chunked"]), Err(BadFraming));
        let old = fields(&[], &["chunked"]).expect("fields");
        assert_eq!(old.of_request(Version::Http10), Err(BadFraming));
        assert_eq!(old.of_response(Version::Http10), Err(BadFraming));
    }

    #[test]
    fn responses() {
        assert_eq!(fields(&[], &[]).expect("fields").of_response(Version::Http11), Ok(BodyFraming::UntilClose));
        assert_eq!(fields(&["5"], &["chunked"]).expect("fields").of_response(Version::Http11), Err(BadFraming));
    }
}
