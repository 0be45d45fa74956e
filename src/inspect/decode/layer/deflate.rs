//! deflate: with the frame of zlib, as it should be, or without, as some send it.

use flate2::{Decompress, FlushDecompress, Status};

use super::{Fault, Progress, Step};

/// Most bytes that are kept to begin anew with, while nothing has come out of them. Browsers keep as many.
const KEPT: usize = 1000;

/// A deflate body.
pub(super) enum Deflate {
    /// It is not known yet which of the two it is; this may be its first byte.
    Unknown(Option<u8>),
    /// It looks as if it had a frame, and nothing has come out of these bytes of it: it may be without one all the same.
    Likely(Decompress, Vec<u8>),
    /// It has none, and begins anew with these bytes, of which so many were read.
    Anew(Decompress, Vec<u8>, usize),
    /// It is known.
    Known(Decompress),
    /// It was over before all that was kept of it was read.
    Over,
}

impl Deflate {
    pub(super) fn new() -> Self {
        Deflate::Unknown(None)
    }

    pub(super) fn step(&mut self, input: &[u8], out: &mut [u8]) -> Result<Step, Fault> {
        match self {
            Deflate::Known(inflate) => decompress(inflate, input, out),
            Deflate::Likely(..) => self.try_framed(input, out),
            Deflate::Anew(..) => self.begin_anew(input, out),
            Deflate::Over => Err(Fault::Trailing),
            Deflate::Unknown(held) => match (*held, input) {
                (_, []) => Ok(Step { used: 0, made: 0, progress: Progress::Hungry }),
                (Some(first), [second, ..]) => self.begin(first, *second, out),
                (None, [first, ..]) => {
                    *held = Some(*first);
                    Ok(Step { used: 1, made: 0, progress: Progress::Hungry })
                }
            },
        }
    }

    /// Two bytes tell, most of the time: a zlib frame names its method and window, and is divisible by 31. One body in a
    /// thousand without a frame begins so, too.
    fn begin(&mut self, first: u8, second: u8, out: &mut [u8]) -> Result<Step, Fault> {
        let is_framed = first & 0x8f == 8 && u16::from_be_bytes([first, second]).is_multiple_of(31);
        *self = match is_framed {
            true => Deflate::Likely(Decompress::new(true), Vec::new()),
            false => Deflate::Known(Decompress::new(false)),
        };
        let step = self.step(&[first, second], out)?;
        match step.used {
            // The first of them was told as used before.
            2 => Ok(Step { used: 1, ..step }),
            _ => Err(Fault::Broken),
        }
    }

    fn try_framed(&mut self, input: &[u8], out: &mut [u8]) -> Result<Step, Fault> {
        let Deflate::Likely(mut framed, mut kept) = std::mem::replace(self, Deflate::Over) else {
            return Err(Fault::Broken);
        };
        let before = totals(&framed);
        let Ok(status) = framed.decompress(input, out, FlushDecompress::None) else {
            *self = Deflate::Anew(Decompress::new(false), kept, 0);
            return match made_since(&framed, before) {
                0 => self.begin_anew(input, out),
                // Whichever of the two it is, what it means is seen.
                made => Ok(Step { used: 0, made, progress: Progress::Going }),
            };
        };
        let step = inflated(&framed, before, status, out.len());
        kept.extend_from_slice(&input[..step.used]);
        let is_settled = step.made > 0 || step.progress == Progress::Ended || kept.len() > KEPT;
        *self = if is_settled { Deflate::Known(framed) } else { Deflate::Likely(framed, kept) };
        Ok(step)
    }

    /// Reads what was kept, and then what is at hand.
    fn begin_anew(&mut self, input: &[u8], out: &mut [u8]) -> Result<Step, Fault> {
        let Deflate::Anew(mut raw, kept, mut read) = std::mem::replace(self, Deflate::Over) else {
            return Err(Fault::Broken);
        };
        while read < kept.len() {
            let step = decompress(&mut raw, &kept[read..], out)?;
            read += step.used;
            match step.progress {
                // `Over` stays where something is left of it.
                Progress::Ended if read < kept.len() => return Ok(Step { used: 0, progress: Progress::Going, ..step }),
                Progress::Ended => {
                    *self = Deflate::Known(raw);
                    return Ok(Step { used: 0, ..step });
                }
                Progress::Going | Progress::Hungry if step.made > 0 => {
                    *self = Deflate::Anew(raw, kept, read);
                    return Ok(Step { used: 0, progress: Progress::Going, ..step });
                }
                Progress::Going | Progress::Hungry if step.used == 0 => return Err(Fault::Broken),
                Progress::Going | Progress::Hungry => {}
            }
        }
        let step = decompress(&mut raw, input, out)?;
        *self = Deflate::Known(raw);
        Ok(step)
    }
}

/// One step. What came out before it failed is given as a step of its own; the next one fails again.
pub(super) fn decompress(inflate: &mut Decompress, input: &[u8], out: &mut [u8]) -> Result<Step, Fault> {
    let before = totals(inflate);
    match inflate.decompress(input, out, FlushDecompress::None) {
        Ok(status) => Ok(inflated(inflate, before, status, out.len())),
        Err(_) if made_since(inflate, before) > 0 => {
            Ok(Step { progress: Progress::Going, ..inflated(inflate, before, Status::Ok, out.len()) })
        }
        Err(_) => Err(Fault::Broken),
    }
}

/// Bytes in and out so far.
fn totals(inflate: &Decompress) -> (u64, u64) {
    (inflate.total_in(), inflate.total_out())
}

fn made_since(inflate: &Decompress, before: (u64, u64)) -> usize {
    usize::try_from(inflate.total_out() - before.1).unwrap_or(usize::MAX)
}

/// What a step did that left `inflate` as it is now; `before` are the bytes in and out until then.
fn inflated(inflate: &Decompress, before: (u64, u64), status: Status, room: usize) -> Step {
    // The difference is the length of a slice.
    let used = usize::try_from(inflate.total_in() - before.0).unwrap_or(usize::MAX);
    let made = made_since(inflate, before);
    let progress = match status {
        Status::StreamEnd => Progress::Ended,
        Status::Ok | Status::BufError if made == room => Progress::Going,
        Status::Ok | Status::BufError => Progress::Hungry,
    };
    Step { used, made, progress }
}
