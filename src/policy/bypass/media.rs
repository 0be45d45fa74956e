//! Media types as the bypass list names them.

use super::Unclear;

/// A media type, `video/mp4`, or all of one kind, `video/*`. Lower case, without parameters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MediaRange(Box<str>);

impl MediaRange {
    /// The range written as `text`.
    pub(super) fn parse(text: &str) -> Result<Self, Unclear> {
        let is_token = |text: &str| !text.is_empty() && text.bytes().all(is_token_byte);
        let good = text.split_once('/').is_some_and(|(kind, subtype)| {
            is_token(kind) && !kind.contains('*') && (subtype == "*" || is_token(subtype))
        });
        if good {
            return Ok(Self(text.to_ascii_lowercase().into()));
        }
        let help = "write it as `type:video/mp4`, or `type:video/*` for all of a kind";
        Err(Unclear::new(format!("`{text}` is not a media type"), help))
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
