//! deflate: with the frame of zlib, as it should be, or without, as some send it.

use flate2::{Decompress, FlushDecompress, Status};

use super::{Fault, Progress, Step};

/// A deflate body.
pub(super) enum Deflate {
    /// It is not known yet which of the two it is; this may be its first byte.
    Unknown(Option<u8>),
    /// It is known.
    Known(Decompress),
}

impl Deflate {
    pub(super) fn new() -> Self {
        Deflate::Unknown(None)
    }

    pub(super) fn step(&mut self, input: &[u8], out: &mut [u8]) -> Result<Step, Fault> {
        match self {
            Deflate::Known(inflate) => decompress(inflate, input, out),
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

    /// Two bytes tell: a zlib frame names its method and window, and is divisible by 31.
    fn begin(&mut self, first: u8, second: u8, out: &mut [u8]) -> Result<Step, Fault> {
        let is_framed = first & 0x8f == 8 && u16::from_be_bytes([first, second]).is_multiple_of(31);
        let mut inflate = Decompress::new(is_framed);
        let step = decompress(&mut inflate, &[first, second], out)?;
        *self = Deflate::Known(inflate);
        match step.used {
            // The first of them was told as used before.
            2 => Ok(Step { used: 1, ..step }),
            _ => Err(Fault::Broken),
        }
    }
}

fn decompress(inflate: &mut Decompress, input: &[u8], out: &mut [u8]) -> Result<Step, Fault> {
    let before = (inflate.total_in(), inflate.total_out());
    let status = inflate.decompress(input, out, FlushDecompress::None).map_err(|_| Fault::Broken)?;
    Ok(inflated(inflate, before, status, out.len()))
}

/// What a step did that left `inflate` as it is now; `before` are the bytes in and out until then.
pub(super) fn inflated(inflate: &Decompress, before: (u64, u64), status: Status, room: usize) -> Step {
    // Both differences are lengths of slices.
    let used = usize::try_from(inflate.total_in() - before.0).unwrap_or(usize::MAX);
    let made = usize::try_from(inflate.total_out() - before.1).unwrap_or(usize::MAX);
    let progress = match status {
        Status::StreamEnd => Progress::Ended,
        Status::Ok | Status::BufError if made == room => Progress::Going,
        Status::Ok | Status::BufError => Progress::Hungry,
    };
    Step { used, made, progress }
}
