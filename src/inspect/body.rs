//! One body under inspection: as it came and decoded, its bytes and its kind of file, a slice of work at a time.

use crate::inspect::decode::coding::Codings;
use crate::inspect::decode::{DecodeLimits, Decoder, Next, SLICE, Undecodable};
use crate::inspect::magic::{FileKind, LOOKED_AT, Rest, Sight, look};
use crate::inspect::scan::{Match, Scanner, Stream};

/// What was found in a body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finding {
    /// A rule holds for its bytes.
    Content {
        /// Which, and where.
        matched: Match,
        /// In which form.
        form: Form,
    },
    /// A rule holds for its kind of file.
    Kind {
        /// The rule, as a place in the list of rules.
        rule: usize,
        /// The kind.
        kind: FileKind,
    },
    /// It cannot be decoded further; as it came it goes on being scanned.
    Undecodable(Undecodable),
}

/// The two forms of a coded body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// As it came.
    Raw,
    /// Its codings undone.
    Decoded,
}

/// What one step did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// Bytes of the input that need not be given again.
    pub used: usize,
    /// How it goes on.
    pub next: Wants,
    /// What was found, if anything was.
    pub finding: Option<Finding>,
}

/// How inspection goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wants {
    /// With another step, given what was not used.
    Step,
    /// With more input, or the end of it.
    Input,
}

/// A body under inspection. Dropping it is all there is to do for one that ends early.
#[derive(Debug)]
pub struct BodyScan {
    scanner: Scanner,
    raw: Stream,
    raw_kind: Beginning,
    decoding: Option<Decoding>,
    /// Bytes not used yet that the raw stream has read.
    ahead: usize,
    /// The kind of a body that was said to be coded and is not at all.
    owed_kind: Option<FileKind>,
}

/// The decoded form, as long as decoding goes well.
#[derive(Debug)]
struct Decoding {
    decoder: Decoder,
    stream: Stream,
    kind: Beginning,
}

impl BodyScan {
    /// A body with these codings.
    pub fn new(scanner: &Scanner, codings: &Codings, limits: DecodeLimits) -> Self {
        let decoder = Decoder::new(codings, limits);
        let decoding =
            decoder.map(|decoder| Decoding { decoder, stream: scanner.stream(), kind: Beginning::default() });
        let raw_kind = Beginning::default();
        Self { scanner: scanner.clone(), raw: scanner.stream(), raw_kind, decoding, ahead: 0, owed_kind: None }
    }

    /// Bytes that came out of its codings, as long as decoding goes well.
    pub fn decoded(&self) -> u64 {
        self.decoding.as_ref().map_or(0, |decoding| decoding.decoder.grown())
    }

    /// Inspects some of `input`. `out` is lent for what is decoded, [`SLICE`] bytes or fewer; it keeps nothing of worth.
    /// What was not used has to be given again, with or without more behind it.
    pub fn step(&mut self, input: &[u8], out: &mut [u8]) -> Step {
        let slice = self.scanner.slice();
        if self.ahead == 0 {
            let piece = &input[..input.len().min(slice)];
            let found = self.read_raw(piece);
            if found.is_some() || self.decoding.is_none() {
                return Step { used: piece.len(), next: wants(piece.len() < input.len()), finding: found };
            }
            self.ahead = piece.len();
        }
        let piece = &input[..input.len().min(self.ahead)];
        let room = out.len().min(slice).min(SLICE);
        match self.decode(piece, &mut out[..room]) {
            Ok((used, next, finding)) => {
                self.ahead -= used.min(self.ahead);
                Step { used, next: wants(next == Next::Step || used < input.len()), finding }
            }
            Err(undecodable) => {
                let coded = self.decoding.take().is_some_and(|decoding| decoding.decoder.made() > 0);
                self.owed_kind = self.raw_kind.known.filter(|_| !coded);
                self.ahead = 0;
                let next = wants(piece.len() < input.len());
                Step { used: piece.len(), next, finding: Some(Finding::Undecodable(undecodable)) }
            }
        }
    }

    /// Says that no more input comes, once a step wanted input.
    pub fn end(&mut self) -> Option<Finding> {
        if let Some(matched) = self.raw.end() {
            return Some(Finding::Content { matched, form: Form::Raw });
        }
        let Some(decoding) = &mut self.decoding else {
            let kind = self.raw_kind.see(&[], Rest::None).or(self.owed_kind.take());
            return kind.and_then(|kind| of_kind(&self.scanner, kind));
        };
        let content = decoding.stream.end().map(|matched| Finding::Content { matched, form: Form::Decoded });
        let kind = || decoding.kind.see(&[], Rest::None).and_then(|kind| of_kind(&self.scanner, kind));
        content.or_else(kind).or_else(|| decoding.decoder.finish().err().map(Finding::Undecodable))
    }

    /// The kind of file, decoded if it is coded, as far as it is known.
    pub fn kind(&self) -> Option<FileKind> {
        self.beginning().known
    }

    /// What its first bytes say, decoded if it is coded.
    pub fn sight(&self) -> Sight {
        self.beginning().sight()
    }

    /// Those bytes, for as long as they say nothing yet.
    pub fn first_bytes(&self) -> &[u8] {
        &self.beginning().bytes
    }

    fn beginning(&self) -> &Beginning {
        self.decoding.as_ref().map_or(&self.raw_kind, |decoding| &decoding.kind)
    }

    fn read_raw(&mut self, piece: &[u8]) -> Option<Finding> {
        let content = self.raw.push(piece).map(|matched| Finding::Content { matched, form: Form::Raw });
        let kind = self.raw_kind.see(piece, Rest::MayFollow);
        // Of a coded body this is the kind of its coding.
        let kind = kind.filter(|_| self.decoding.is_none()).or(self.owed_kind.take());
        content.or_else(|| kind.and_then(|kind| of_kind(&self.scanner, kind)))
    }

    fn decode(&mut self, piece: &[u8], out: &mut [u8]) -> Result<(usize, Next, Option<Finding>), Undecodable> {
        let Some(decoding) = &mut self.decoding else { return Ok((piece.len(), Next::Input, None)) };
        let decoded = decoding.decoder.step(piece, out)?;
        let text = out.get(..decoded.made).unwrap_or_default();
        let content = decoding.stream.push(text).map(|matched| Finding::Content { matched, form: Form::Decoded });
        let kind = decoding.kind.see(text, Rest::MayFollow);
        let finding = content.or_else(|| kind.and_then(|kind| of_kind(&self.scanner, kind)));
        Ok((decoded.used, decoded.next, finding))
    }
}

fn wants(more: bool) -> Wants {
    if more { Wants::Step } else { Wants::Input }
}

fn of_kind(scanner: &Scanner, kind: FileKind) -> Option<Finding> {
    scanner.rules().of_class(kind.class).map(|rule| Finding::Kind { rule, kind })
}

/// The first bytes, kept until they tell what they are.
#[derive(Debug, Default)]
struct Beginning {
    bytes: Vec<u8>,
    known: Option<FileKind>,
    looking: Looking,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Looking {
    #[default]
    On,
    Over,
}

impl Beginning {
    fn sight(&self) -> Sight {
        match (self.known, self.looking) {
            (Some(kind), _) => Sight::Kind(kind),
            (None, Looking::On) => Sight::NotYet,
            (None, Looking::Over) => Sight::Unknown,
        }
    }

    /// Takes more bytes. The kind is told once, when it becomes known.
    fn see(&mut self, bytes: &[u8], rest: Rest) -> Option<FileKind> {
        if self.looking == Looking::Over {
            return None;
        }
        let room = LOOKED_AT.saturating_sub(self.bytes.len()).min(bytes.len());
        self.bytes.extend_from_slice(&bytes[..room]);
        self.known = match look(&self.bytes, rest) {
            Sight::NotYet => return None,
            Sight::Kind(kind) => Some(kind),
            Sight::Unknown => None,
        };
        self.looking = Looking::Over;
        self.bytes = Vec::new();
        self.known
    }
}

#[cfg(test)]
mod tests;
