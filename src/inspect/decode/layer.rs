//! One coding being undone, step by step; each of the four libraries with the same face.

mod brotli;
mod deflate;
mod gzip;
mod zstandard;

use crate::inspect::decode::coding::Coding;

/// What one step did.
pub(super) struct Step {
    pub(super) used: usize,
    pub(super) made: usize,
    pub(super) progress: Progress,
}

/// Where a layer stands after a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Progress {
    /// More may come out of what it has.
    Going,
    /// It needs input.
    Hungry,
    /// It is at its end.
    Ended,
}

/// Why a layer cannot go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    Broken,
    Trailing,
    Window,
}

/// A coding being undone.
pub(super) struct Layer {
    engine: Engine,
    made: u64,
    place: Place,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Inside,
    AtEnd,
}

enum Engine {
    Gzip(gzip::Gzip),
    Deflate(deflate::Deflate),
    Brotli(brotli::Brotli),
    Zstd(zstandard::Zstd),
}

impl Layer {
    pub(super) fn new(coding: Coding) -> Self {
        let engine = match coding {
            Coding::Gzip => Engine::Gzip(gzip::Gzip::new()),
            Coding::Deflate => Engine::Deflate(deflate::Deflate::new()),
            Coding::Brotli => Engine::Brotli(brotli::Brotli::new()),
            Coding::Zstd => Engine::Zstd(zstandard::Zstd::new()),
        };
        Self { engine, made: 0, place: Place::Inside }
    }

    pub(super) fn coding(&self) -> Coding {
        match self.engine {
            Engine::Gzip(_) => Coding::Gzip,
            Engine::Deflate(_) => Coding::Deflate,
            Engine::Brotli(_) => Coding::Brotli,
            Engine::Zstd(_) => Coding::Zstd,
        }
    }

    /// Bytes that came out.
    pub(super) fn made(&self) -> u64 {
        self.made
    }

    /// Whether the body may end here.
    pub(super) fn is_at_end(&self) -> bool {
        self.place == Place::AtEnd
    }

    pub(super) fn step(&mut self, input: &[u8], out: &mut [u8]) -> Result<Step, Fault> {
        if self.is_at_end() {
            if input.is_empty() {
                return Ok(Step { used: 0, made: 0, progress: Progress::Ended });
            }
            self.begin_next_part(input)?;
        }
        let step = match &mut self.engine {
            Engine::Gzip(gzip) => gzip.step(input, out),
            Engine::Deflate(deflate) => deflate.step(input, out),
            Engine::Brotli(brotli) => brotli.step(input, out),
            Engine::Zstd(zstd) => zstd.step(input, out),
        }?;
        // Neither in nor out with input at hand: it would stand still for ever.
        if step.used == 0 && step.made == 0 && !input.is_empty() && step.progress != Progress::Ended {
            return Err(Fault::Broken);
        }
        self.made += step.made as u64;
        self.place = if step.progress == Progress::Ended { Place::AtEnd } else { Place::Inside };
        Ok(step)
    }

    /// Gzip has members and zstd has frames; what else follows an end does not belong there.
    fn begin_next_part(&mut self, input: &[u8]) -> Result<(), Fault> {
        match (&mut self.engine, input) {
            (Engine::Gzip(gzip), [gzip::FIRST_BYTE, ..]) => gzip.begin_member(),
            // A frame, or one to be skipped.
            (Engine::Zstd(_), [0x28 | 0x50..=0x5f, ..]) => {}
            _ => return Err(Fault::Trailing),
        }
        Ok(())
    }
}
