//! How a message is sent: what goes first, and what the server may answer.

use super::settings::{AllowUnchanged, Credentials, PartialContent};

/// Whether a message has a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyPresence {
    /// It has none.
    Absent,
    /// It has one, which may turn out empty.
    Present,
}

/// The part of a body that is held when a request begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Preview {
    /// Its bytes; as many are announced, never more.
    pub bytes: Vec<u8>,
    /// Whether that is all.
    pub end: PreviewEnd,
}

/// Whether a preview is the whole body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PreviewEnd {
    /// It is.
    Whole,
    /// More follows, or may.
    Begun,
}

/// How a message is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opening {
    /// Whether it has a body.
    pub body: BodyPresence,
    /// What goes first, then a wait; `None` to send everything at once. A message without a body has an empty one.
    pub preview: Option<Preview>,
    /// Where 204 is allowed.
    pub allow_unchanged: AllowUnchanged,
    /// Whether 206 is.
    pub partial: PartialContent,
    /// Whether the service sees credentials.
    pub credentials: Credentials,
    /// The length of the body, where it is known.
    pub length: Option<u64>,
}

impl Default for Opening {
    fn default() -> Self {
        Self {
            body: BodyPresence::Present,
            preview: None,
            allow_unchanged: AllowUnchanged::default(),
            partial: PartialContent::default(),
            credentials: Credentials::default(),
            length: None,
        }
    }
}
