//! The admin port's listener: a bounded number of connections, none of which may be silent for ever.
//!
//! Whoever reaches this port could use up the proxy's descriptors otherwise.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::extract::connect_info::Connected;
use axum::serve::{IncomingStream, Listener};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, Sleep, sleep};

/// Connections open at once; more wait in the kernel's queue.
pub(super) const CONNECTIONS: usize = 64;

/// A connection on which nothing moves for this long is closed.
const IDLE_LIMIT: Duration = Duration::from_secs(60);

/// A listener that accepts while there is room.
pub(super) struct BoundedListener {
    inner: TcpListener,
    room: Arc<Semaphore>,
    idle_limit: Duration,
}

impl BoundedListener {
    pub(super) fn new(inner: TcpListener) -> Self {
        Self { inner, room: Arc::new(Semaphore::new(CONNECTIONS)), idle_limit: IDLE_LIMIT }
    }
}

impl Listener for BoundedListener {
    type Io = IdleLimited<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        // The semaphore is never closed; without a permit a connection would only go uncounted.
        let permit = self.room.clone().acquire_owned().await.ok();
        let (stream, peer) = Listener::accept(&mut self.inner).await;
        (IdleLimited::new(stream, permit, self.idle_limit), peer)
    }

    fn local_addr(&self) -> io::Result<Self::Addr> {
        self.inner.local_addr()
    }
}

/// Who connected.
#[derive(Clone, Copy, Debug)]
pub(super) struct Peer(pub SocketAddr);

impl Connected<IncomingStream<'_, BoundedListener>> for Peer {
    fn connect_info(stream: IncomingStream<'_, BoundedListener>) -> Self {
        Peer(*stream.remote_addr())
    }
}

/// A connection that fails with `TimedOut` when nothing moves on it. Gives its place back when dropped.
pub(super) struct IdleLimited<S> {
    stream: S,
    _permit: Option<OwnedSemaphorePermit>,
    limit: Duration,
    silence: Pin<Box<Sleep>>,
}

impl<S> IdleLimited<S> {
    fn new(stream: S, permit: Option<OwnedSemaphorePermit>, limit: Duration) -> Self {
        Self { stream, _permit: permit, limit, silence: Box::pin(sleep(limit)) }
    }

    /// Passes `progress` on; while there is none, checks how long that has been so.
    fn watch<T>(&mut self, progress: Poll<io::Result<T>>, cx: &mut Context<'_>) -> Poll<io::Result<T>> {
        if progress.is_ready() {
            let until = Instant::now() + self.limit;
            self.silence.as_mut().reset(until);
            return progress;
        }
        ready!(self.silence.as_mut().poll(cx));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for IdleLimited<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let progress = Pin::new(&mut self.stream).poll_read(cx, into);
        self.watch(progress, cx)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for IdleLimited<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, from: &[u8]) -> Poll<io::Result<usize>> {
        let progress = Pin::new(&mut self.stream).poll_write(cx, from);
        self.watch(progress, cx)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        from: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let progress = Pin::new(&mut self.stream).poll_write_vectored(cx, from);
        self.watch(progress, cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn silence_ends_a_connection_and_bytes_put_it_off() {
        let (mut far, near) = duplex(64);
        let mut near = IdleLimited::new(near, None, Duration::from_secs(60));
        let begun = Instant::now();
        let mut byte = [0];
        for _ in 0..3 {
            tokio::time::advance(Duration::from_secs(40)).await;
            far.write_all(b"x").await.expect("written");
            near.read_exact(&mut byte).await.expect("bytes put the end off");
        }
        let error = near.read_exact(&mut byte).await.expect_err("silent for too long");
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert_eq!(begun.elapsed().as_secs(), 3 * 40 + 60);
    }
}
