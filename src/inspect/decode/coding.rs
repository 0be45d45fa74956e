//! The names of content codings.

use std::fmt;

use crate::inspect::decode::{MOST_LAYERS, Undecodable};

/// Longest name of an unknown coding that is kept, in characters.
const LONGEST_NAME: usize = 32;

/// A coding that can be undone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Coding {
    /// RFC 1952, any number of members.
    Gzip,
    /// RFC 1950, or RFC 1951 without its frame, as some send it.
    Deflate,
    /// RFC 7932.
    Brotli,
    /// RFC 8878 with the window of RFC 9659.
    Zstd,
}

impl Coding {
    /// Every coding.
    pub const ALL: [Coding; 4] = [Coding::Gzip, Coding::Deflate, Coding::Brotli, Coding::Zstd];

    /// The name in `Content-Encoding`.
    pub const fn label(self) -> &'static str {
        match self {
            Coding::Gzip => "gzip",
            Coding::Deflate => "deflate",
            Coding::Brotli => "br",
            Coding::Zstd => "zstd",
        }
    }

    /// The coding that a file begins with, for files that come without a head. Deflate and br do not show.
    pub fn of_file(head: &[u8]) -> Option<Self> {
        match head {
            [0x1f, 0x8b, 8, ..] => Some(Coding::Gzip),
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Some(Coding::Zstd),
            _ => None,
        }
    }

    fn parse(name: &[u8]) -> Option<Self> {
        let name = if name.eq_ignore_ascii_case(b"x-gzip") { b"gzip" } else { name };
        Coding::ALL.into_iter().find(|coding| name.eq_ignore_ascii_case(coding.label().as_bytes()))
    }
}

impl fmt::Display for Coding {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.label())
    }
}

/// The codings of a body, at most [`MOST_LAYERS`], in the order in which they were applied.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Codings(Vec<Coding>);

impl Codings {
    /// The codings of these `Content-Encoding` fields, in their order. `identity` is none.
    ///
    /// # Errors
    /// When one is not known, or there are too many.
    pub fn parse<'a>(fields: impl IntoIterator<Item = &'a [u8]>) -> Result<Self, Undecodable> {
        let mut codings = Vec::new();
        for name in fields.into_iter().flat_map(|field| field.split(|byte| *byte == b',')).map(<[u8]>::trim_ascii) {
            if name.is_empty() || name.eq_ignore_ascii_case(b"identity") {
                continue;
            }
            codings.push(Coding::parse(name).ok_or_else(|| unknown(name))?);
            if codings.len() > MOST_LAYERS {
                return Err(Undecodable::Layers);
            }
        }
        Ok(Self(codings))
    }

    /// The codings.
    pub fn list(&self) -> &[Coding] {
        &self.0
    }
}

/// Whether a body is coded, by its `Content-Encoding`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Coded {
    /// It is not.
    No,
    /// By codings that can be undone.
    Known,
    /// By others, or by too many.
    Unknown,
}

impl Coded {
    /// What these fields say.
    pub fn by(codings: &[u8]) -> Self {
        match Codings::parse([codings]) {
            Ok(codings) if codings.list().is_empty() => Coded::No,
            Ok(_) => Coded::Known,
            Err(_) => Coded::Unknown,
        }
    }
}

impl From<Coding> for Codings {
    fn from(coding: Coding) -> Self {
        Self(vec![coding])
    }
}

fn unknown(name: &[u8]) -> Undecodable {
    Undecodable::Unknown(String::from_utf8_lossy(name).chars().take(LONGEST_NAME).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(fields: &[&str]) -> Result<Vec<Coding>, Undecodable> {
        Codings::parse(fields.iter().map(|field| field.as_bytes())).map(|codings| codings.list().to_vec())
    }

    #[test]
    fn names_are_read_in_order_and_any_case() {
        use Coding::*;
        for (fields, codings) in [
            (&[][..], &[][..]),
            (&[""], &[]),
            (&["identity"], &[]),
            (&["GZip"], &[Gzip]),
            (&["x-gzip"], &[Gzip]),
            (&["identity, gzip"], &[Gzip]),
            (&["deflate ,, br"], &[Deflate, Brotli]),
            (&["gzip", "zstd"], &[Gzip, Zstd]),
            (&["gzip, gzip"], &[Gzip, Gzip]),
        ] {
            assert_eq!(parse(fields).as_deref(), Ok(codings), "{fields:?}");
        }
    }

    #[test]
    fn what_is_not_known_is_told() {
        assert_eq!(parse(&["gzip, gzip, identity, gzip"]), Err(Undecodable::Layers));
        assert_eq!(parse(&["dcb"]), Err(Undecodable::Unknown("dcb".into())));
        assert_eq!(parse(&["gzip;q=1"]), Err(Undecodable::Unknown("gzip;q=1".into())));
        assert_eq!(parse(&["x".repeat(99).as_str()]), Err(Undecodable::Unknown("x".repeat(32).into())));
        assert_eq!(Codings::parse([&b"\xff"[..]]), Err(Undecodable::Unknown("\u{fffd}".into())));
    }
}
