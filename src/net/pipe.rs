//! Kernel pipes for splice(2): borrowed while bytes are in flight, pooled, never lent with bytes of somebody else.

use std::cell::{Cell, RefCell};
use std::io;
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use rustix::pipe::{PipeFlags, SpliceFlags, fcntl_setpipe_size, pipe_with, splice};
use tokio::io::Interest;
use tokio::net::TcpStream;

use crate::observe::counters::WorkerCounters;

/// Bytes asked for in one splice, and the size a pipe is set to where the kernel allows it.
pub const PIPE_SIZE: usize = 256 * 1024;
/// Most pipes of one worker, lent or kept; without one a transfer goes on copying.
const MAX_PIPES: usize = 128;
/// Most pipes kept for later.
const KEPT_PIPES: usize = 16;

struct Pipe {
    read: OwnedFd,
    write: OwnedFd,
}

/// The pipes of one worker.
pub struct PipePool {
    kept: RefCell<Vec<Pipe>>,
    open: Cell<usize>,
    counters: Arc<WorkerCounters>,
}

impl PipePool {
    /// An empty pool that counts its pipes in `counters`.
    pub fn new(counters: Arc<WorkerCounters>) -> Rc<Self> {
        Rc::new(Self { kept: RefCell::default(), open: Cell::new(0), counters })
    }

    /// Lends an empty pipe; `None` when there is none to be had.
    pub fn lend(self: &Rc<Self>) -> Option<LentPipe> {
        let kept = self.kept.borrow_mut().pop();
        let pipe = match kept {
            Some(pipe) => pipe,
            None => self.open_one()?,
        };
        self.counters.pipes_in_use.add(1);
        Some(LentPipe { pipe: Some(pipe), bytes: 0, pool: self.clone() })
    }

    fn open_one(&self) -> Option<Pipe> {
        if self.open.get() >= MAX_PIPES {
            return None;
        }
        let (read, write) = pipe_with(PipeFlags::NONBLOCK | PipeFlags::CLOEXEC).ok()?;
        // Over the user's soft limit the kernel leaves it smaller; it works all the same.
        let _ = fcntl_setpipe_size(&write, PIPE_SIZE);
        self.open.set(self.open.get() + 1);
        self.counters.pipes_open.add(1);
        Some(Pipe { read, write })
    }

    fn give_back(&self, pipe: Pipe, bytes: usize) {
        self.counters.pipes_in_use.sub(1);
        let mut kept = self.kept.borrow_mut();
        // A pipe with bytes in it belongs to one client; the next must never see them.
        if bytes == 0 && kept.len() < KEPT_PIPES {
            kept.push(pipe);
        } else {
            self.open.set(self.open.get() - 1);
            self.counters.pipes_open.sub(1);
        }
    }
}

/// A pipe on loan. Dropped empty it goes back to the pool, dropped with bytes it is closed.
pub struct LentPipe {
    pipe: Option<Pipe>,
    bytes: usize,
    pool: Rc<PipePool>,
}

impl LentPipe {
    /// Bytes in the pipe.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Moves up to `limit` bytes from `source` into the pipe, which must be empty; 0 is the peer's end of stream.
    ///
    /// Only into an empty pipe: there `EAGAIN` can only mean that the socket is empty, and tokio may be told so.
    /// With bytes in the pipe it could as well mean that the pipe has no slot left, and the wait would never end.
    ///
    /// # Errors
    /// What the kernel says, never `WouldBlock`.
    pub fn poll_fill(&mut self, source: &TcpStream, limit: u64, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        debug_assert_eq!(self.bytes, 0);
        let Some(pipe) = &self.pipe else { return Poll::Ready(Ok(0)) };
        let wanted = usize::try_from(limit).unwrap_or(usize::MAX).min(PIPE_SIZE);
        let flags = SpliceFlags::MOVE | SpliceFlags::NONBLOCK;
        loop {
            ready!(source.poll_read_ready(cx))?;
            let moved =
                source.try_io(Interest::READABLE, || Ok(splice(source, None, &pipe.write, None, wanted, flags)?));
            match moved {
                Ok(count) => {
                    self.bytes = count;
                    return Poll::Ready(Ok(count));
                }
                Err(fault) if fault.kind() == io::ErrorKind::WouldBlock => {}
                Err(fault) => return Poll::Ready(Err(fault)),
            }
        }
    }

    /// Moves bytes from the pipe to `sink`; gives how many went.
    ///
    /// # Errors
    /// What the kernel says, never `WouldBlock`.
    pub fn poll_drain(&mut self, sink: &TcpStream, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let Some(pipe) = &self.pipe else { return Poll::Ready(Ok(0)) };
        let flags = SpliceFlags::MOVE | SpliceFlags::NONBLOCK;
        loop {
            ready!(sink.poll_write_ready(cx))?;
            let moved =
                sink.try_io(Interest::WRITABLE, || Ok(splice(&pipe.read, None, sink, None, self.bytes, flags)?));
            match moved {
                Ok(count) => {
                    // The kernel may count segments, not pages: never trust the sum to stay within the pipe's size.
                    self.bytes = self.bytes.saturating_sub(count);
                    return Poll::Ready(Ok(count));
                }
                Err(fault) if fault.kind() == io::ErrorKind::WouldBlock => {}
                Err(fault) => return Poll::Ready(Err(fault)),
            }
        }
    }
}

impl Drop for LentPipe {
    fn drop(&mut self) {
        if let Some(pipe) = self.pipe.take() {
            self.pool.give_back(pipe, self.bytes);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_pipe_is_kept_and_a_dirty_one_closed() {
        let counters = Arc::new(WorkerCounters::default());
        let pool = PipePool::new(counters.clone());
        drop(pool.lend().expect("a pipe"));
        assert_eq!((counters.pipes_open.get(), counters.pipes_in_use.get()), (1, 0));
        let mut dirty = pool.lend().expect("the same pipe");
        assert_eq!(counters.pipes_open.get(), 1);
        dirty.bytes = 1;
        drop(dirty);
        assert_eq!((counters.pipes_open.get(), counters.pipes_in_use.get()), (0, 0));
    }

    #[test]
    fn the_pool_has_an_end() {
        let pool = PipePool::new(Arc::default());
        let lent: Vec<_> = std::iter::from_fn(|| pool.lend()).take(MAX_PIPES + 1).collect();
        assert_eq!(lent.len(), MAX_PIPES);
        drop(lent);
        assert!(pool.lend().is_some());
    }
}
