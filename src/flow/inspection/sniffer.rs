//! What the first bytes of a held body tell of its kind, whatever it is called.

use super::reading::Reading;
use crate::inspect::decode::coding::Coded;
use crate::inspect::magic::{FileKind, LOOKED_AT, Leaning, Rest, Sight, begins_like_file, leaning, look};
use crate::inspect::sampling::Sampling;

/// Kinds of file that are one coding from their first byte to their last.
const PACKED: [&str; 4] = ["gzip", "bzip2", "xz", "zstd"];

/// What parts of a body are worth by themselves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parts {
    /// They can be read.
    Plain,
    /// Only its beginning can be decoded: it is coded, whether its head says so or not.
    Opaque,
}

/// Looks at the first bytes of one body. Where a built-in scanner reads it, by its eyes: what a coding looks like says
/// nothing of what is in it.
pub struct Sniffer {
    coded: Coded,
    /// The bytes that say nothing yet, where nobody else has them.
    first: Vec<u8>,
    sight: Sight,
}

impl Sniffer {
    /// Of a body with such codings, of which nothing has come.
    pub fn new(coded: Coded) -> Self {
        Self { coded, first: Vec::new(), sight: Sight::NotYet }
    }

    /// Takes bytes that came, which `reading` has read. Gives the kind of file where they are the ones that tell it.
    pub fn add(&mut self, reading: Option<&Reading>, bytes: &[u8]) -> Option<FileKind> {
        if self.sight != Sight::NotYet {
            return None;
        }
        self.sight = match reading {
            Some(reading) => reading.sight(),
            None if self.coded == Coded::Known => Sight::Unknown,
            None => {
                let room = LOOKED_AT.saturating_sub(self.first.len()).min(bytes.len());
                self.first.extend_from_slice(&bytes[..room]);
                look(&self.first, Rest::MayFollow)
            }
        };
        if self.sight != Sight::NotYet {
            self.first = Vec::new();
        }
        match self.sight {
            Sight::Kind(kind) => Some(kind),
            Sight::NotYet | Sight::Unknown => None,
        }
    }

    /// Whether what came tells the kind for certain, or tells that there is none.
    pub fn is_certain(&self) -> bool {
        self.sight != Sight::NotYet
    }

    /// How readable a part of the body is without what stands before it.
    pub fn parts(&self) -> Parts {
        let is_packed = matches!(self.sight, Sight::Kind(kind) if PACKED.contains(&kind.name));
        if is_packed || self.coded != Coded::No { Parts::Opaque } else { Parts::Plain }
    }

    /// How services are shown the rest of a film or a station of which `at` bytes were shown; `None` where all of it is.
    pub fn sampling(&self, at: u64) -> Option<Sampling> {
        Sampling::of(self.sight, self.coded, at)
    }

    /// Whether enough came to tell a file from a stream: most of those that are of no use in parts show at their very beginning.
    pub fn is_sighted(&self, reading: Option<&Reading>) -> bool {
        let first = reading.map_or(&*self.first, Reading::first_bytes);
        self.sight != Sight::NotYet || (!first.is_empty() && !begins_like_file(first))
    }

    /// What it looks like where more bytes would have to come to tell.
    pub fn leaning(&self, reading: Option<&Reading>) -> Leaning {
        match self.sight {
            Sight::NotYet => leaning(reading.map_or(&*self.first, Reading::first_bytes)),
            Sight::Kind(_) | Sight::Unknown => Leaning::No,
        }
    }
}
