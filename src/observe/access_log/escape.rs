//! Text from outside, made harmless for logs and terminals: nothing but printable ASCII leaves here.

use std::fmt::{self, Display};
use std::io::{self, Write};

use serde::Serialize;
use serde_json::ser::{Formatter, Serializer};

/// Longest text of one field, in bytes before escaping.
pub const FIELD_LIMIT: usize = 2048;

/// A field's text, cut to [`FIELD_LIMIT`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Clipped<'a> {
    /// It was short enough.
    Whole(&'a str),
    /// Only its beginning; an ellipsis is to follow.
    Cut(&'a str),
}

impl<'a> Clipped<'a> {
    /// `text`, or as much of it as may be logged.
    pub fn new(text: &'a str) -> Self {
        if text.len() <= FIELD_LIMIT {
            Clipped::Whole(text)
        } else {
            Clipped::Cut(&text[..text.floor_char_boundary(FIELD_LIMIT)])
        }
    }
}

/// A field of a line-oriented format: every byte that is not visible ASCII, and each `"` and `\`, is percent-encoded,
/// so that it can end neither its field nor its line. Cut like every field; `-` when empty.
#[derive(Clone, Copy, Debug)]
pub struct Percent<'a>(pub &'a str);

impl Display for Percent<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match Clipped::new(self.0) {
            Clipped::Whole("") => f.write_str("-"),
            Clipped::Whole(text) => percent_encode(text, f),
            Clipped::Cut(text) => percent_encode(text, f).and_then(|()| f.write_str("...")),
        }
    }
}

fn percent_encode(text: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let mut rest = text;
    while let Some(at) = rest.find(|c: char| !c.is_ascii_graphic() || c == '"' || c == '\\') {
        let (clean, unclean) = rest.split_at(at);
        f.write_str(clean)?;
        let width = unclean.chars().next().map_or(unclean.len(), char::len_utf8);
        for byte in &unclean.as_bytes()[..width] {
            write!(f, "%{byte:02X}")?;
        }
        rest = &unclean[width..];
    }
    f.write_str(rest)
}

/// Appends `value` as one line of JSON in which every character that is not printable ASCII is escaped. A JSON reader
/// sees the same text, but no terminal sees a control sequence, a change of direction or an invisible letter.
///
/// # Errors
/// `value` cannot be shown as JSON (a map with keys that are no strings), or the writer fails.
pub fn write_ascii_json<W: Write>(to: &mut W, value: &impl Serialize) -> io::Result<()> {
    value.serialize(&mut Serializer::with_formatter(to, AsciiOnly)).map_err(io::Error::from)
}

/// serde_json escapes quotes and the control characters below space; this escapes the rest.
struct AsciiOnly;

impl Formatter for AsciiOnly {
    fn write_string_fragment<W: ?Sized + Write>(&mut self, to: &mut W, fragment: &str) -> io::Result<()> {
        // Nearly every fragment is clean; looking at all of it at once, without an early end, is the fast way to know.
        if fragment.bytes().fold(true, |clean, byte| clean & is_printable(byte)) {
            return to.write_all(fragment.as_bytes());
        }
        fragment.chars().try_for_each(|c| match u8::try_from(c) {
            Ok(byte) if is_printable(byte) => to.write_all(&[byte]),
            _ => write_escaped(to, c),
        })
    }
}

fn is_printable(byte: u8) -> bool {
    (b' '..=b'~').contains(&byte)
}

fn write_escaped<W: ?Sized + Write>(to: &mut W, unprintable: char) -> io::Result<()> {
    for unit in unprintable.encode_utf16(&mut [0; 2]) {
        write!(to, "\\u{unit:04x}")?;
    }
    Ok(())
}
