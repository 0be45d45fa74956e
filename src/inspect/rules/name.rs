//! Rules about what a body is called: file extensions, URLs.

use std::fmt;

use crate::inspect::settings::SettingError;

/// The end of a file's name behind its last dot, in lower case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Extension(Box<str>);

impl Extension {
    /// The extension written as `text`, without its dot.
    ///
    /// # Errors
    /// When it is no extension.
    pub fn parse(text: &str) -> Result<Self, SettingError> {
        let is_good = |byte: u8| byte.is_ascii_alphanumeric() || b"-_+".contains(&byte);
        if text.is_empty() || !text.bytes().all(is_good) {
            return Err(SettingError::NotExtension);
        }
        Ok(Self(text.to_ascii_lowercase().into()))
    }

    /// The extension as text.
    pub fn text(&self) -> &str {
        &self.0
    }

    /// Whether a file of this name has it. Dots and spaces at the end do not count: Windows drops them.
    pub fn ends(&self, file_name: &[u8]) -> bool {
        let end = file_name.iter().rposition(|byte| !matches!(byte, b'.' | b' '));
        let Some(name) = end.and_then(|end| file_name.get(..=end)) else { return false };
        let dot = name.iter().rposition(|byte| *byte == b'.');
        dot.is_some_and(|dot| name[dot + 1..].eq_ignore_ascii_case(self.0.as_bytes()))
    }
}

/// The name a browser would give the file at `url`: the last segment of the path, its escapes resolved.
pub fn file_name(url: &[u8]) -> Vec<u8> {
    let behind_scheme = position(url, b"://").map_or(url, |at| &url[at + 3..]);
    let path = behind_scheme.iter().position(|byte| *byte == b'/').map_or(&[][..], |at| &behind_scheme[at..]);
    let path = path.split(|byte| matches!(byte, b'?' | b'#')).next().unwrap_or_default();
    let segment = path.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
    unescape(segment.split(|byte| *byte == b';').next().unwrap_or_default())
}

fn unescape(text: &[u8]) -> Vec<u8> {
    let mut name = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((first, behind)) = rest.split_first() {
        let escaped = if *first == b'%' { behind.first_chunk().and_then(escaped) } else { None };
        name.push(escaped.unwrap_or(*first));
        rest = if escaped.is_some() { &behind[2..] } else { behind };
    }
    name
}

fn escaped([high, low]: &[u8; 2]) -> Option<u8> {
    let digit = |digit: u8| char::from(digit).to_digit(16);
    u8::try_from(digit(*high)? << 4 | digit(*low)?).ok()
}

fn position(text: &[u8], part: &[u8]) -> Option<usize> {
    text.windows(part.len()).position(|window| window == part)
}

/// A URL in which `*` stands for any bytes, none included. Without a scheme, any scheme is meant; upper and lower case
/// are the same.
#[derive(Clone, PartialEq, Eq)]
pub struct UrlPattern(Box<[u8]>);

impl UrlPattern {
    /// The pattern written as `text`.
    ///
    /// # Errors
    /// When it is empty.
    pub fn parse(text: &str) -> Result<Self, SettingError> {
        let text = text.to_ascii_lowercase().into_bytes();
        if text.is_empty() { Err(SettingError::Empty) } else { Ok(Self(text.into())) }
    }

    /// Whether `url` is meant.
    pub fn matches(&self, url: &[u8]) -> bool {
        let any_scheme = position(&self.0, b"://").is_none();
        let from = if any_scheme { position(url, b"://").map_or(0, |at| at + 3) } else { 0 };
        matches_stars(&self.0, &url[from..])
    }
}

impl fmt::Debug for UrlPattern {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "UrlPattern(\"{}\")", self.0.escape_ascii())
    }
}

/// Whether `text` is what `pattern` means. A star that took too little is widened only until the next star fits, so the
/// time is at most the product of both lengths.
fn matches_stars(pattern: &[u8], text: &[u8]) -> bool {
    let (mut at, mut read) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while let Some(byte) = text.get(read) {
        match (pattern.get(at), star) {
            (Some(b'*'), _) => {
                star = Some((at + 1, read));
                at += 1;
            }
            (Some(wanted), _) if *wanted == byte.to_ascii_lowercase() => {
                at += 1;
                read += 1;
            }
            (_, Some((behind, taken))) => {
                star = Some((behind, taken + 1));
                (at, read) = (behind, taken + 1);
            }
            (_, None) => return false,
        }
    }
    pattern[at..].iter().all(|byte| *byte == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_extension_is_that_of_the_file_a_browser_would_save() {
        let exe = Extension::parse("EXE").expect("extension");
        for (url, meant) in [
            ("http://a.example/setup.exe", true),
            ("http://a.example/setup.EXE?x=1.txt", true),
            ("http://a.example/a/setup.ex%65#top", true),
            ("http://a.example/setup%2Eexe", true),
            ("http://a.example/setup.exe;v=1", true),
            ("http://a.example/setup.exe.%20", true),
            ("http://a.example/setup.exe/", false),
            ("http://a.example/exe", false),
            ("http://a.exe", false),
            ("http://a.exe/", false),
            ("/setup.exe", true),
            ("http://a.example/x?y=/setup.exe", false),
            ("http://a.example/%zz%4", false),
        ] {
            assert_eq!(exe.ends(&file_name(url.as_bytes())), meant, "{url}");
        }
        assert!(!exe.ends(b""));
        assert!(!exe.ends(b"..."));
        assert_eq!(Extension::parse(".exe"), Err(SettingError::NotExtension));
    }

    #[test]
    fn stars_stand_for_anything_in_a_url() {
        for (pattern, url, meant) in [
            ("*.example/ads/*", "http://www.a.example/ads/", true),
            ("a.example/ads/*", "https://A.example/ADS/1.js", true),
            ("a.example/ads/*", "https://b.example/?a.example/ads/1.js", false),
            ("http://a.example/*", "https://a.example/", false),
            ("*://a.example/*", "https://a.example/x", true),
            ("a.example/", "http://a.example/", true),
            ("a.example/", "http://a.example/x", false),
            ("*a*b*c", "http://xaybzc", true),
            ("*a*b*c", "http://xaybz", false),
            ("*", "", true),
        ] {
            let parsed = UrlPattern::parse(pattern).expect("pattern");
            assert_eq!(parsed.matches(url.as_bytes()), meant, "{pattern} {url}");
        }
        let many = UrlPattern::parse(&"*a".repeat(64)).expect("pattern");
        assert!(!many.matches(&[b'a'; 63]));
        assert!(many.matches(&[b'a'; 8192]));
    }
}
