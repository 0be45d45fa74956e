//! What the scanner looks for: the rules of `policies/scan.toml`, checked but not yet compiled.

use std::fmt;
use std::sync::Arc;

use crate::base::media_range::MediaRange;
use crate::inspect::magic::Class;
use crate::inspect::rules::name::{Extension, UrlPattern};

/// What is done with a body in which a rule holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Action {
    /// It is not delivered: an error page, or a cut where its head is out already.
    #[default]
    Block,
}

/// Whether upper and lower case of ASCII letters differ.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LetterCase {
    /// They differ.
    #[default]
    Exact,
    /// They are the same.
    Either,
}

/// Bytes that are looked for as they are, at least one.
#[derive(Clone, PartialEq, Eq)]
pub struct Literal(Box<[u8]>);

impl Literal {
    /// The bytes of `text`.
    ///
    /// # Errors
    /// When there is none.
    pub fn text(text: &str) -> Result<Self, SettingError> {
        Self::bytes(text.as_bytes())
    }

    /// These bytes.
    ///
    /// # Errors
    /// When there is none.
    pub fn bytes(bytes: &[u8]) -> Result<Self, SettingError> {
        if bytes.is_empty() { Err(SettingError::Empty) } else { Ok(Self(bytes.into())) }
    }

    /// The bytes written as pairs of hexadecimal digits; spaces between pairs are left out.
    ///
    /// # Errors
    /// When there is no byte, a digit is missing, or something is no digit.
    pub fn hex(text: &str) -> Result<Self, SettingError> {
        let mut bytes = Vec::with_capacity(text.len() / 2);
        for group in text.split_ascii_whitespace() {
            let digits: Vec<u8> = group.chars().map(hex_digit).collect::<Option<_>>().ok_or(SettingError::NotHex)?;
            let (pairs, odd) = digits.as_chunks::<2>();
            if !odd.is_empty() {
                return Err(SettingError::OddHex);
            }
            bytes.extend(pairs.iter().map(|[high, low]| high << 4 | low));
        }
        Self::bytes(&bytes)
    }

    /// The bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

fn hex_digit(digit: char) -> Option<u8> {
    digit.to_digit(16).and_then(|value| u8::try_from(value).ok())
}

impl fmt::Debug for Literal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Literal(b\"{}\")", self.0.escape_ascii())
    }
}

/// Why a value cannot be part of a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SettingError {
    /// It is empty.
    Empty,
    /// Something in it is no hexadecimal digit.
    NotHex,
    /// A byte has only one hexadecimal digit.
    OddHex,
    /// It is no media type: `type/subtype`, where the subtype may be `*`.
    NotMediaType,
    /// It is no file extension: letters, digits, `-`, `_` and `+`, without the dot.
    NotExtension,
    /// It is no magic class.
    NotClass,
}

impl fmt::Display for SettingError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            SettingError::Empty => "nothing is given to look for",
            SettingError::NotHex => "only hexadecimal digits and spaces may stand here",
            SettingError::OddHex => "a byte is two hexadecimal digits",
            SettingError::NotMediaType => "a media type is written type/subtype; the subtype may be *",
            SettingError::NotExtension => "an extension is made of letters and digits, without the dot",
            SettingError::NotClass => "the classes are executable, archive, document, script and media",
        })
    }
}

impl std::error::Error for SettingError {}

/// A `[[rule]]`: it holds as soon as one thing that it lists is there.
#[derive(Clone, Debug, PartialEq)]
pub struct ScanRule {
    /// Its name, unique in the file.
    pub name: Arc<str>,
    /// What an operator is told about it; may be empty.
    pub note: Arc<str>,
    /// What is done.
    pub action: Action,
    /// Whether case matters, in literals and regexes.
    pub letters: LetterCase,
    /// Bytes in the body, raw or decoded.
    pub literals: Vec<Literal>,
    /// Regular expressions over bytes, in the syntax of the `regex` crate without Unicode.
    pub regexes: Vec<Arc<str>>,
    /// Kinds of file, by their first bytes.
    pub classes: Vec<Class>,
    /// What the head calls the body.
    pub media_types: Vec<MediaRange>,
    /// Ends of the file's name.
    pub extensions: Vec<Extension>,
    /// Where it comes from.
    pub urls: Vec<UrlPattern>,
}

impl ScanRule {
    /// A rule of this name that looks for nothing yet, and blocks.
    pub fn new(name: &str) -> Self {
        Self {
            name: name.into(),
            note: "".into(),
            action: Action::Block,
            letters: LetterCase::Exact,
            literals: Vec::new(),
            regexes: Vec::new(),
            classes: Vec::new(),
            media_types: Vec::new(),
            extensions: Vec::new(),
            urls: Vec::new(),
        }
    }
}

/// The EICAR test file. It stands here in two parts, so that no scanner takes this program for it.
pub fn eicar() -> Vec<u8> {
    const HEAD: &[u8] = br"X5O!P%@AP[4\PZX54(P^)7CC)7}$EICAR-";
    const TAIL: &[u8] = b"STANDARD-ANTIVIRUS-TEST-FILE!$H+H*";
    [HEAD, TAIL].concat()
}

/// The rules that hold when there is no `policies/scan.toml`.
pub fn built_in() -> Vec<ScanRule> {
    let rule = ScanRule::new("eicar");
    let literals = Literal::bytes(&eicar()).into_iter().collect();
    vec![ScanRule { note: "The harmless test file of virus scanners.".into(), literals, ..rule }]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hex_is_read_as_bytes() {
        for (text, bytes) in [("4d5A", &b"MZ"[..]), (" 4d 5a\n00 ", b"MZ\0"), ("7f454c46", b"\x7fELF")] {
            assert_eq!(Literal::hex(text).as_ref().map(Literal::as_bytes), Ok(bytes), "{text}");
        }
        for (text, error) in [
            ("", SettingError::Empty),
            ("  ", SettingError::Empty),
            ("4d5", SettingError::OddHex),
            ("4 d", SettingError::OddHex),
            ("0x4d", SettingError::NotHex),
            ("4dé", SettingError::NotHex),
        ] {
            assert_eq!(Literal::hex(text), Err(error), "{text}");
        }
        assert_eq!(Literal::text(""), Err(SettingError::Empty));
    }

    #[test]
    fn the_test_file_is_the_known_one() {
        // Its CRC-32, as every description of the file gives it.
        let mut sum = flate2::Crc::new();
        sum.update(&eicar());
        assert_eq!((eicar().len(), sum.sum()), (68, 0x6851_cf3c));
        assert_eq!(built_in()[0].literals[0].as_bytes(), eicar());
    }
}
