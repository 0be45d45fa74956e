//! The writing end of the access log: gathers lines, writes them in blocks, counts what it could not write.

use std::io::{self, BufWriter, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// Bytes gathered for one write; more than the longest line, so that no line is ever written around the buffer.
const BLOCK: usize = 128 * 1024;

/// Rest after a block. Without it the thread would be woken, and a system call made, for each line; with it a busy
/// proxy pays for both a hundred times a second, and a line is at most this late.
const REST: Duration = Duration::from_millis(10);

/// What the queue's thread writes to: one call of `write` is one line. Never fails, so that the thread goes on.
pub(super) struct Sink<W: Write> {
    out: BufWriter<W>,
    refused: Arc<AtomicU64>,
    health: Health,
}

#[derive(Clone, Copy, PartialEq)]
enum Health {
    Writing,
    Failing,
}

impl<W: Write> Sink<W> {
    pub(super) fn new(out: W, refused: Arc<AtomicU64>) -> Self {
        Self { out: BufWriter::with_capacity(BLOCK, out), refused, health: Health::Writing }
    }

    /// Tells the operator when the log begins to fail and when it works again, not once per line.
    fn note(&mut self, result: io::Result<()>) {
        match (self.health, result) {
            (Health::Writing, Err(error)) => {
                tracing::warn!(%error, "the access log cannot be written; lines will be lost");
                self.health = Health::Failing;
            }
            (Health::Failing, Ok(())) => {
                tracing::info!("the access log is written again");
                self.health = Health::Writing;
            }
            (Health::Writing, Ok(())) | (Health::Failing, Err(_)) => {}
        }
    }
}

impl<W: Write> Write for Sink<W> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        if let Err(error) = self.out.write_all(line) {
            self.refused.fetch_add(1, Relaxed);
            self.note(Err(error));
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        let result = self.out.flush();
        self.note(result);
        std::thread::sleep(REST);
        Ok(())
    }
}
