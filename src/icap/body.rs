//! Where the body to be judged comes from: bytes that can be had again, from any place on.

use std::fs::File;
use std::future::poll_fn;
use std::io;
use std::os::unix::fs::FileExt;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::time::timeout;

use super::opening::{Preview, PreviewEnd};

/// What is known of the length of a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyLength {
    /// There is no body.
    NoBody,
    /// Exactly this many bytes.
    Known(u64),
    /// Known when it ends.
    Unknown,
}

impl BodyLength {
    /// The number of bytes, where it is known.
    pub fn known(self) -> Option<u64> {
        match self {
            BodyLength::NoBody => Some(0),
            BodyLength::Known(length) => Some(length),
            BodyLength::Unknown => None,
        }
    }
}

/// A body that is held until it has its verdict: every byte can be read as often as needed.
pub trait BodySource {
    /// Its length.
    fn length(&self) -> BodyLength;

    /// Reads what begins at `at` into `buffer`, which is not empty; 0 is the end of the body. Pending while it has not
    /// come yet.
    ///
    /// # Errors
    /// Whatever keeps it from being read; the transaction is given up and its connection closed.
    fn poll_read_at(&mut self, cx: &mut Context<'_>, at: u64, buffer: &mut [u8]) -> Poll<io::Result<usize>>;
}

impl<B: BodySource + ?Sized> BodySource for &mut B {
    fn length(&self) -> BodyLength {
        (**self).length()
    }

    fn poll_read_at(&mut self, cx: &mut Context<'_>, at: u64, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        (**self).poll_read_at(cx, at, buffer)
    }
}

/// No body.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoBody;

impl BodySource for NoBody {
    fn length(&self) -> BodyLength {
        BodyLength::NoBody
    }

    fn poll_read_at(&mut self, _: &mut Context<'_>, _: u64, _: &mut [u8]) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(0))
    }
}

/// A body in memory.
#[derive(Clone, Copy, Debug)]
pub struct InMemory<'a>(pub &'a [u8]);

impl BodySource for InMemory<'_> {
    fn length(&self) -> BodyLength {
        BodyLength::Known(self.0.len() as u64)
    }

    fn poll_read_at(&mut self, _: &mut Context<'_>, at: u64, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        let rest = usize::try_from(at).ok().and_then(|at| self.0.get(at..)).unwrap_or_default();
        let count = rest.len().min(buffer.len());
        buffer[..count].copy_from_slice(&rest[..count]);
        Poll::Ready(Ok(count))
    }
}

/// A body in a file. It is read where it is asked for, at most 64 KiB at a time: for files on this machine.
#[derive(Debug)]
pub struct InFile {
    file: File,
    length: u64,
}

impl InFile {
    /// The whole of `file`, as long as it is now.
    ///
    /// # Errors
    /// When its length cannot be had.
    pub fn new(file: File) -> io::Result<Self> {
        let length = file.metadata()?.len();
        Ok(Self { file, length })
    }
}

impl BodySource for InFile {
    fn length(&self) -> BodyLength {
        BodyLength::Known(self.length)
    }

    fn poll_read_at(&mut self, _: &mut Context<'_>, at: u64, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        // A file that grows meanwhile is judged as it was.
        let left = usize::try_from(self.length.saturating_sub(at)).unwrap_or(usize::MAX).min(buffer.len());
        Poll::Ready(self.file.read_at(&mut buffer[..left], at))
    }
}

/// Gathers at most `most` bytes from the beginning. Waits for the first of them as long as it takes, since nothing is held
/// for it yet, and for the others at most `fill`.
///
/// # Errors
/// Those of the source.
pub(super) async fn gather(body: &mut impl BodySource, most: usize, fill: Duration) -> io::Result<Preview> {
    let mut preview = Preview { bytes: Vec::new(), end: PreviewEnd::Begun };
    if body.length().known() == Some(0) {
        preview.end = PreviewEnd::Whole;
        return Ok(preview);
    }
    if most == 0 {
        return Ok(preview);
    }
    poll_fn(|cx| poll_gather(cx, body, most, &mut preview)).await?;
    if preview.end == PreviewEnd::Begun && preview.bytes.len() < most {
        let filled = timeout(fill, async {
            while preview.end == PreviewEnd::Begun && preview.bytes.len() < most {
                poll_fn(|cx| poll_gather(cx, body, most, &mut preview)).await?;
            }
            io::Result::Ok(())
        });
        filled.await.unwrap_or(Ok(()))?;
    }
    Ok(preview)
}

fn poll_gather(
    cx: &mut Context<'_>,
    body: &mut impl BodySource,
    most: usize,
    preview: &mut Preview,
) -> Poll<io::Result<()>> {
    let held = preview.bytes.len();
    preview.bytes.resize(most, 0);
    let read = body.poll_read_at(cx, held as u64, &mut preview.bytes[held..]);
    let count = match &read {
        Poll::Ready(Ok(count)) => *count,
        _ => 0,
    };
    preview.bytes.truncate(held + count);
    if ready!(read)? == 0 || body.length().known() == Some(preview.bytes.len() as u64) {
        preview.end = PreviewEnd::Whole;
    }
    Poll::Ready(Ok(()))
}
