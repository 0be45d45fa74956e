//! zstd: frames one after the other, with a window of 8 MiB at most.

use zstd::zstd_safe::{DCtx, DParameter, InBuffer, OutBuffer, get_error_name};

use super::{Fault, Progress, Step};

/// Largest window, as a power of two: what RFC 9659 lets a sender of this coding use.
const WINDOW_LOG: u32 = 23;

/// What the library says of a frame with a larger window.
const TOO_LARGE: &str = "Frame requires too much memory for decoding";

/// A zstd body.
pub(super) struct Zstd(Option<DCtx<'static>>);

impl Zstd {
    pub(super) fn new() -> Self {
        let context = DCtx::try_create().and_then(|mut context| {
            // Without its limit it is not used.
            context.set_parameter(DParameter::WindowLogMax(WINDOW_LOG)).is_ok().then_some(context)
        });
        Self(context)
    }

    pub(super) fn step(&mut self, input: &[u8], out: &mut [u8]) -> Result<Step, Fault> {
        let context = self.0.as_mut().ok_or(Fault::Window)?;
        let room = out.len();
        let mut source = InBuffer::around(input);
        let mut sink = OutBuffer::around(out);
        let left = context.decompress_stream(&mut sink, &mut source).map_err(|code| match get_error_name(code) {
            TOO_LARGE => Fault::Window,
            _ => Fault::Broken,
        })?;
        let (used, made) = (source.pos(), sink.pos());
        let progress = match left {
            0 => Progress::Ended,
            _ if made == room => Progress::Going,
            _ => Progress::Hungry,
        };
        Ok(Step { used, made, progress })
    }
}
