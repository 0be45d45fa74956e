//! One body that is held: taken in as it comes, read from anywhere and as often as needed.

use std::fmt;
use std::io;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};

use tokio::runtime::Handle;
use tokio::task::{JoinHandle, spawn_blocking};

use super::budget::{STEP, Share};
use super::file::Backing;
use super::{SpoolFault, Spools};
use crate::icap::body::{BodyLength, BodySource};
use crate::net::scratch::SCRATCH;

/// Bytes from which a write is worth its way to another thread.
pub(super) const BATCH: usize = 128 << 10;

/// One body that is held until it has its verdict. Used by one task.
///
/// Dropped at any time, it gives its whole budget back and its file is gone; while a write is on its way, what is in the
/// file counts until that write ends. A file is closed on another thread, since that takes time for a large one.
pub struct Spool {
    // In the order in which they go: the bytes before the leave to hold them.
    front: Vec<u8>,
    overflow: Option<Box<Overflow>>,
    share: Share,
    /// Most bytes of `front`.
    memory: usize,
    expected: Option<u64>,
    progress: Progress,
    reader: Option<Waker>,
}

/// How far the body has come.
#[derive(Clone, Copy, Debug)]
enum Progress {
    /// More is to come.
    Coming,
    /// All of it is here.
    Complete,
    /// Some of it had no room.
    Refused(SpoolFault),
}

impl Spool {
    pub(super) fn new(spools: Arc<Spools>, client: IpAddr, memory: usize) -> Self {
        let share = Share::new(spools, client);
        let (expected, progress, reader) = (None, Progress::Coming, None);
        Self { front: Vec::new(), overflow: None, share, memory, expected, progress, reader }
    }

    /// Says that the body will have `length` bytes: no more than that is set aside. A body of at most 64 KiB has its whole
    /// room from here on; of a larger one it is only looked whether it would fit now, as nothing of it has come yet.
    ///
    /// # Errors
    /// When it does not fit.
    pub fn expect(&mut self, length: u64) -> Result<(), SpoolFault> {
        self.check()?;
        self.expected = Some(length);
        let fits = self.share.fits(length).and_then(|()| self.share.cover(length.min(STEP), length));
        fits.map_err(|fault| self.refuse(fault))
    }

    /// Takes the next bytes in, all or none. Call it when [`Spool::poll_ready`] says so, with at most 64 KiB: then the
    /// body is in memory with no more than its share, and two batches of 192 KiB on the way to the disk.
    ///
    /// # Errors
    /// When there is no room for them, or an earlier write failed; what was taken in before can still be read, and
    /// nothing more is taken in.
    ///
    /// # Panics
    /// Outside a tokio runtime, when the body does not fit in memory.
    pub fn push(&mut self, bytes: &[u8]) -> Result<(), SpoolFault> {
        self.check()?;
        let needed = (self.in_memory() + bytes.len()) as u64;
        let ceiling = self.expected.map_or(u64::MAX, |length| length.saturating_sub(self.handed_over()));
        self.share.cover(needed, ceiling).map_err(|fault| self.refuse(fault))?;
        let (front, rest) = bytes.split_at(bytes.len().min(self.memory.saturating_sub(self.front.len())));
        let taken = usize::try_from(self.share.held()).unwrap_or(usize::MAX);
        append(&mut self.front, front, taken.min(self.memory));
        if !rest.is_empty() {
            let overflow = self.overflow.get_or_insert_with(|| Box::new(Overflow::new(self.share.backing())));
            append(&mut overflow.filling, rest, BATCH + SCRATCH);
            overflow.write_if_due(BATCH, &mut self.share);
        }
        self.wake_reader();
        Ok(())
    }

    /// Ready when more may be taken in: at once, unless the disk is behind.
    ///
    /// # Errors
    /// When there was no room, or a write failed.
    pub fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), SpoolFault>> {
        self.check()?;
        let Some(overflow) = &mut self.overflow else { return Poll::Ready(Ok(())) };
        match overflow.poll_written(cx) {
            Poll::Ready(Ok(())) => overflow.write_if_due(BATCH, &mut self.share),
            Poll::Ready(Err(fault)) => return Poll::Ready(Err(self.refuse(fault))),
            Poll::Pending if overflow.filling.len() < BATCH => {}
            Poll::Pending => return Poll::Pending,
        }
        Poll::Ready(Ok(()))
    }

    /// Says that nothing more comes: the length is known now. What was set aside beyond it is given back. Without effect
    /// after a refusal, since some of it is missing then.
    pub fn complete(&mut self) {
        if let Progress::Coming = self.progress {
            self.progress = Progress::Complete;
            self.share.trim(self.in_memory() as u64);
            self.wake_reader();
        }
    }

    /// Ready when all that does not fit in memory is in the file. It can be read before that as well.
    ///
    /// # Errors
    /// When there was no room, or a write failed.
    pub fn poll_finish(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), SpoolFault>> {
        self.check()?;
        while let Some(overflow) = &mut self.overflow {
            if let Err(fault) = ready!(overflow.poll_written(cx)) {
                return Poll::Ready(Err(self.refuse(fault)));
            }
            if overflow.filling.is_empty() {
                overflow.free_buffers();
                break;
            }
            overflow.write_if_due(1, &mut self.share);
        }
        Poll::Ready(Ok(()))
    }

    /// Bytes that were taken in.
    pub fn len(&self) -> u64 {
        let beyond = self.overflow.as_ref().map_or(0, |overflow| overflow.len());
        self.front.len() as u64 + beyond
    }

    /// Whether nothing was taken in.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes that this body itself has to answer for, and not its file.
    fn in_memory(&self) -> usize {
        self.front.len() + self.overflow.as_ref().map_or(0, |overflow| overflow.filling.len())
    }

    fn handed_over(&self) -> u64 {
        self.len() - self.in_memory() as u64
    }

    fn check(&self) -> Result<(), SpoolFault> {
        if let Progress::Refused(fault) = self.progress { Err(fault) } else { Ok(()) }
    }

    fn refuse(&mut self, fault: SpoolFault) -> SpoolFault {
        self.progress = Progress::Refused(fault);
        self.share.spools().count_refusal(fault);
        fault
    }

    fn wake_reader(&mut self) {
        if let Some(reader) = self.reader.take() {
            reader.wake();
        }
    }
}

impl BodySource for Spool {
    fn length(&self) -> BodyLength {
        match self.progress {
            Progress::Complete => BodyLength::Known(self.len()),
            Progress::Coming | Progress::Refused(_) => BodyLength::Unknown,
        }
    }

    fn poll_read_at(&mut self, cx: &mut Context<'_>, at: u64, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        let front = self.front.len() as u64;
        if at < front {
            return Poll::Ready(Ok(copy(&self.front, at, buffer)));
        }
        match &self.overflow {
            Some(overflow) if at - front < overflow.len() => Poll::Ready(overflow.read(at - front, buffer)),
            _ if matches!(self.progress, Progress::Complete) => Poll::Ready(Ok(0)),
            _ => {
                self.reader = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }
}

impl Drop for Spool {
    fn drop(&mut self) {
        self.share.spools().count_closed();
        if let Some(overflow) = self.overflow.take() {
            overflow.let_go();
        }
    }
}

impl fmt::Debug for Spool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Spool");
        shown.field("len", &self.len()).field("in_memory", &self.in_memory()).field("progress", &self.progress);
        shown.finish_non_exhaustive()
    }
}

/// What does not fit in memory.
struct Overflow {
    backing: Arc<Backing>,
    /// Bytes that are in the file for certain.
    written: u64,
    /// What is being written, or could not be: it is read from here until it is in the file.
    batch: Arc<Vec<u8>>,
    write: Option<JoinHandle<io::Result<()>>>,
    /// What comes after it.
    filling: Vec<u8>,
}

impl Overflow {
    fn new(backing: Arc<Backing>) -> Self {
        Self { backing, written: 0, batch: Arc::default(), write: None, filling: Vec::new() }
    }

    fn len(&self) -> u64 {
        self.written + (self.batch.len() + self.filling.len()) as u64
    }

    /// Begins to write when nothing is on its way and at least `due` bytes wait.
    fn write_if_due(&mut self, due: usize, share: &mut Share) {
        if !self.batch.is_empty() || self.filling.len() < due {
            return;
        }
        match Arc::get_mut(&mut self.batch) {
            Some(batch) => std::mem::swap(batch, &mut self.filling),
            None => self.batch = Arc::new(std::mem::take(&mut self.filling)),
        }
        share.hand_over(self.batch.len() as u64, &self.backing);
        let (backing, batch, at) = (self.backing.clone(), self.batch.clone(), self.written);
        self.write = Some(spawn_blocking(move || {
            let written = backing.write(&batch, at);
            // Before the answer, so that the memory can be used again; and before the file, which answers for it.
            drop(batch);
            written
        }));
    }

    /// Ready when nothing is on its way.
    fn poll_written(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), SpoolFault>> {
        let Some(write) = &mut self.write else { return Poll::Ready(Ok(())) };
        let ended = ready!(Pin::new(write).poll(cx));
        self.write = None;
        // It fails to be run when the runtime ends.
        let outcome = ended.unwrap_or_else(|_| Err(io::ErrorKind::Interrupted.into()));
        outcome.map_err(|error| SpoolFault::Disk(error.kind()))?;
        self.written += self.batch.len() as u64;
        match Arc::get_mut(&mut self.batch) {
            Some(batch) => batch.clear(),
            None => self.batch = Arc::default(),
        }
        Poll::Ready(Ok(()))
    }

    fn read(&self, at: u64, buffer: &mut [u8]) -> io::Result<usize> {
        if at < self.written {
            let left = usize::try_from(self.written - at).unwrap_or(usize::MAX);
            let most = buffer.len().min(left).min(SCRATCH);
            return self.backing.read(&mut buffer[..most], at);
        }
        let (at, batch) = (at - self.written, self.batch.len() as u64);
        Ok(if at < batch { copy(&self.batch, at, buffer) } else { copy(&self.filling, at - batch, buffer) })
    }

    fn free_buffers(&mut self) {
        self.batch = Arc::default();
        self.filling = Vec::new();
    }

    /// What is still to be written is not any more, and the file is closed where nobody waits for it.
    fn let_go(self) {
        if let Some(write) = &self.write {
            write.abort();
        }
        let backing = self.backing;
        match Handle::try_current() {
            Ok(runtime) if backing.is_made() && !std::thread::panicking() => {
                drop(runtime.spawn_blocking(move || drop(backing)));
            }
            _ => drop(backing),
        }
    }
}

/// Copies what begins at `at`, as much as there is room for.
fn copy(bytes: &[u8], at: u64, buffer: &mut [u8]) -> usize {
    let rest = usize::try_from(at).ok().and_then(|at| bytes.get(at..)).unwrap_or_default();
    let count = rest.len().min(buffer.len());
    buffer[..count].copy_from_slice(&rest[..count]);
    count
}

/// Appends; memory grows by doubling, but not beyond `bound` unless the bytes themselves do.
fn append(held: &mut Vec<u8>, bytes: &[u8], bound: usize) {
    let needed = held.len() + bytes.len();
    if needed > held.capacity() {
        let capacity = held.capacity().saturating_mul(2).min(bound).max(needed);
        held.reserve_exact(capacity - held.len());
    }
    held.extend_from_slice(bytes);
}
