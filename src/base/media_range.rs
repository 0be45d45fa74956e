//! Media types as rules name them.

/// A media type, `video/mp4`, or all of one kind, `video/*`. Lower case, without parameters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MediaRange(Box<str>);

impl MediaRange {
    /// The range written as `text`; `None` when it is no media type.
    pub fn parse(text: &str) -> Option<Self> {
        let is_token = |text: &str| !text.is_empty() && text.bytes().all(is_token_byte);
        let (kind, subtype) = text.split_once('/')?;
        let is_good = is_token(kind) && (subtype == "*" || is_token(subtype));
        is_good.then(|| Self(text.to_ascii_lowercase().into()))
    }

    /// The range as text.
    pub fn text(&self) -> &str {
        &self.0
    }

    /// Whether the value of a `Content-Type` field is meant (RFC 9110 section 8.3.1).
    pub fn matches(&self, field: &[u8]) -> bool {
        let essence = field.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
        match self.0.strip_suffix('*') {
            Some(kind) => essence.get(..kind.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(kind.as_bytes())),
            None => essence.eq_ignore_ascii_case(self.0.as_bytes()),
        }
    }
}

/// RFC 9110 section 5.6.2, without the star, which stands alone.
fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'+-.^_`|~".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_type_or_all_of_a_kind() {
        for (range, field, meant) in [
            ("video/*", &b"Video/MP4; codecs=x"[..], true),
            ("video/mp4", b" video/mp4 ;x", true),
            ("Video/MP4", b"video/mp4", true),
            ("video/mp4", b"video/mp4v", false),
            ("video/*", b"videos/mp4", false),
            ("video/*", b"", false),
        ] {
            let parsed = MediaRange::parse(range).expect("a range");
            assert_eq!(parsed.matches(field), meant, "{range} {}", field.escape_ascii());
        }
        for bad in ["", "video", "video/", "/mp4", "*/*", "*", "video/m*", "video/mp4; x", "video /mp4"] {
            assert_eq!(MediaRange::parse(bad), None, "{bad}");
        }
    }
}
