//! Content codings undone in stream, by hand and within limits: never more than one slice of output at a time.

pub mod coding;
mod layer;

use std::fmt;

use crate::inspect::decode::coding::{Coding, Codings};
use crate::inspect::decode::layer::{Fault, Layer, Progress};

/// Output of one step at most, in bytes, when the caller lends as much.
pub const SLICE: usize = 16 * 1024;

/// Codings one above the other at most.
pub const MOST_LAYERS: usize = 2;

/// What decoding may cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DecodeLimits {
    /// Bytes that come out, of every layer.
    pub output: u64,
    /// Bytes that come out of any layer for each byte that went into the first.
    pub ratio: u64,
    /// Bytes that come out before the ratio counts.
    pub ratio_from: u64,
}

impl DecodeLimits {
    /// However much comes out, only what is far more than went in is too much: for what is on its way to somebody, and for
    /// what has no end. Whether it is larger than somebody may get is for others to say.
    pub const ANY_LENGTH: DecodeLimits = DecodeLimits { output: u64::MAX, ratio: 100, ratio_from: 1 << 20 };
}

impl Default for DecodeLimits {
    fn default() -> Self {
        Self { output: 25 << 20, ..Self::ANY_LENGTH }
    }
}

/// The limit by which something is called a bomb.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BombLimit {
    /// [`DecodeLimits::output`].
    Output,
    /// [`DecodeLimits::ratio`].
    Ratio,
}

/// Why a body cannot be decoded, or not to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Undecodable {
    /// It grows over a limit.
    Bomb(BombLimit),
    /// It is not what this coding makes.
    Broken(Coding),
    /// It ends before the coding does.
    Truncated(Coding),
    /// Something follows the end of the coding.
    Trailing(Coding),
    /// It asks for more memory than a window may take.
    Window(Coding),
    /// A coding of this name is not known here.
    Unknown(Box<str>),
    /// There are more than [`MOST_LAYERS`] codings.
    Layers,
}

impl Undecodable {
    /// The label in logs and metrics.
    pub const fn label(&self) -> &'static str {
        match self {
            Undecodable::Bomb(BombLimit::Output) => "bomb_output",
            Undecodable::Bomb(BombLimit::Ratio) => "bomb_ratio",
            Undecodable::Broken(_) => "broken",
            Undecodable::Truncated(_) => "truncated",
            Undecodable::Trailing(_) => "trailing",
            Undecodable::Window(_) => "window",
            Undecodable::Unknown(_) => "unknown_coding",
            Undecodable::Layers => "layers",
        }
    }

    /// Whether a browser might see what no scanner did. What is cut off, or has something behind its end, was read as far as
    /// it can be read.
    pub const fn may_hide(&self) -> bool {
        !matches!(self, Undecodable::Truncated(_) | Undecodable::Trailing(_))
    }

    fn new(fault: Fault, coding: Coding) -> Self {
        match fault {
            Fault::Broken => Undecodable::Broken(coding),
            Fault::Trailing => Undecodable::Trailing(coding),
            Fault::Window => Undecodable::Window(coding),
        }
    }
}

impl fmt::Display for Undecodable {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Undecodable::Bomb(BombLimit::Output) => write!(formatter, "decoded it is larger than allowed"),
            Undecodable::Bomb(BombLimit::Ratio) => write!(formatter, "decoded it is far larger than it came"),
            Undecodable::Broken(coding) => write!(formatter, "it is no {coding}, or broken"),
            Undecodable::Truncated(coding) => write!(formatter, "the {coding} is cut off"),
            Undecodable::Trailing(coding) => write!(formatter, "something follows the end of the {coding}"),
            Undecodable::Window(coding) => write!(formatter, "the {coding} needs a window that is too large"),
            Undecodable::Unknown(name) => write!(formatter, "the coding {name:?} is not known"),
            Undecodable::Layers => write!(formatter, "it is coded more than {MOST_LAYERS} times"),
        }
    }
}

impl std::error::Error for Undecodable {}

/// What one step did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decoded {
    /// Bytes of the input that need not be given again.
    pub used: usize,
    /// Bytes that stand in the output.
    pub made: usize,
    /// How it goes on.
    pub next: Next,
}

/// How decoding goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// With another step, whether or not there is more input. It may have used and made nothing, when bytes only moved
    /// from one layer to the other.
    Step,
    /// With more input only.
    Input,
    /// Not at all: the end is reached. More input is [`Undecodable::Trailing`], or another part of the same coding.
    End,
}

/// One body being decoded. It takes up to 64 KiB for gzip and deflate, 8 MiB for zstd and 16 MiB for br, as far as the
/// body makes use of it, and gives all of it back when dropped.
pub struct Decoder {
    /// From the coding applied last to the one applied first; at least one.
    outer: Layer,
    inner: Option<Inner>,
    limits: DecodeLimits,
    /// Bytes that went into the outer layer.
    taken: u64,
}

/// The second layer, and what stands between the two.
struct Inner {
    layer: Layer,
    between: Box<[u8; SLICE]>,
    /// The part of `between` that the layer has not read.
    unread: std::ops::Range<usize>,
}

impl fmt::Debug for Decoder {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let inner = self.inner.as_ref().map(|inner| inner.layer.coding());
        let mut shown = formatter.debug_struct("Decoder");
        shown.field("outer", &self.outer.coding()).field("inner", &inner).field("taken", &self.taken).finish()
    }
}

impl Decoder {
    /// A decoder for `codings`; `None` when there is nothing to decode.
    pub fn new(codings: &Codings, limits: DecodeLimits) -> Option<Self> {
        let mut layers = codings.list().iter().rev().map(|coding| Layer::new(*coding));
        let outer = layers.next()?;
        let inner = layers.next();
        let inner = inner.map(|layer| Inner { layer, between: Box::new([0; SLICE]), unread: 0..0 });
        Some(Self { outer, inner, limits, taken: 0 })
    }

    /// Bytes that went in.
    pub fn taken(&self) -> u64 {
        self.taken
    }

    /// Bytes that came out.
    pub fn made(&self) -> u64 {
        self.inner.as_ref().map_or(&self.outer, |inner| &inner.layer).made()
    }

    /// Bytes that came out of the layer that grew most.
    pub fn grown(&self) -> u64 {
        self.outer.made().max(self.made())
    }

    /// Decodes some of `input` into `out`, which must not be empty.
    ///
    /// # Errors
    /// When it cannot be decoded or grows over a limit. Nothing more can be decoded then.
    pub fn step(&mut self, input: &[u8], out: &mut [u8]) -> Result<Decoded, Undecodable> {
        let decoded = match &mut self.inner {
            None => single(&mut self.outer, input, out),
            Some(inner) => stacked(&mut self.outer, inner, input, out),
        }?;
        self.taken += decoded.used as u64;
        self.check_growth()?;
        Ok(decoded)
    }

    /// Says that no more input comes. To be called when the last step wanted [`Next::Input`] or said [`Next::End`].
    ///
    /// # Errors
    /// When something is missing. A body without any byte is whole, though no coding makes one.
    pub fn finish(&self) -> Result<(), Undecodable> {
        if self.taken == 0 {
            return Ok(());
        }
        let layers = [Some(&self.outer), self.inner.as_ref().map(|inner| &inner.layer)];
        match layers.into_iter().flatten().find(|layer| !layer.is_at_end()) {
            Some(layer) => Err(Undecodable::Truncated(layer.coding())),
            None => Ok(()),
        }
    }

    fn check_growth(&self) -> Result<(), Undecodable> {
        let made = self.grown();
        if made > self.limits.output {
            Err(Undecodable::Bomb(BombLimit::Output))
        } else if made > self.limits.ratio_from && made > self.taken.saturating_mul(self.limits.ratio) {
            Err(Undecodable::Bomb(BombLimit::Ratio))
        } else {
            Ok(())
        }
    }
}

fn single(layer: &mut Layer, input: &[u8], out: &mut [u8]) -> Result<Decoded, Undecodable> {
    let step = layer.step(input, out).map_err(|fault| Undecodable::new(fault, layer.coding()))?;
    let next = match step.progress {
        Progress::Ended if step.used == input.len() => Next::End,
        Progress::Hungry if step.used == input.len() => Next::Input,
        Progress::Ended | Progress::Hungry | Progress::Going => Next::Step,
    };
    Ok(Decoded { used: step.used, made: step.made, next })
}

fn stacked(outer: &mut Layer, inner: &mut Inner, input: &[u8], out: &mut [u8]) -> Result<Decoded, Undecodable> {
    let mut first = Decoded { used: 0, made: 0, next: Next::Step };
    if inner.unread.is_empty() {
        first = single(outer, input, inner.between.as_mut_slice())?;
        inner.unread = 0..first.made;
    }
    let unread = inner.between.get(inner.unread.clone()).unwrap_or_default();
    let second = single(&mut inner.layer, unread, out)?;
    inner.unread.start += second.used;
    let next = match (first.next, second.next) {
        (Next::Step, _) | (_, Next::Step) => Next::Step,
        (Next::Input, _) => Next::Input,
        (Next::End, Next::Input) => Next::Input,
        (Next::End, Next::End) => Next::End,
    };
    Ok(Decoded { used: first.used, made: second.made, next })
}

#[cfg(test)]
mod tests;
