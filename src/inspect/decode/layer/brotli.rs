//! br, without the large windows that no browser takes.

use brotli_decompressor::{BrotliDecompressStream, BrotliResult, BrotliState, StandardAlloc};

use super::{Fault, Progress, Step};

/// A br body.
pub(super) struct Brotli(Box<BrotliState<StandardAlloc, StandardAlloc, StandardAlloc>>);

impl Brotli {
    pub(super) fn new() -> Self {
        let memory = StandardAlloc::default();
        // Strict: windows over 16 MiB are refused.
        Self(Box::new(BrotliState::new_strict(memory, memory, memory)))
    }

    pub(super) fn step(&mut self, input: &[u8], out: &mut [u8]) -> Result<Step, Fault> {
        let (mut unread, mut used) = (input.len(), 0);
        let (mut room, mut made, mut total) = (out.len(), 0, 0);
        let result =
            BrotliDecompressStream(&mut unread, &mut used, input, &mut room, &mut made, out, &mut total, &mut self.0);
        let progress = match result {
            BrotliResult::ResultSuccess => Progress::Ended,
            BrotliResult::NeedsMoreInput => Progress::Hungry,
            BrotliResult::NeedsMoreOutput => Progress::Going,
            BrotliResult::ResultFailure => return Err(Fault::Broken),
        };
        Ok(Step { used, made, progress })
    }
}
