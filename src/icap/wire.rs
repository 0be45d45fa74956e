//! The bytes of a connection to a server: plain, under TLS, or over a socket of this machine.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};

use crate::net::socket::{Idle, look, poll_recv, poll_send, reset_on_drop};
use crate::tls::connect::TlsStream;

/// A connected socket.
#[derive(Debug)]
pub enum Wire {
    /// `icap://`.
    Tcp(TcpStream),
    /// `icaps://`.
    Tls(TlsStream),
    /// `unix:`.
    Unix(UnixStream),
}

impl Wire {
    /// Receives into `buffer`; 0 is the peer's end of stream.
    ///
    /// # Errors
    /// What the kernel or the TLS library says.
    pub fn poll_recv(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        match self {
            Wire::Tcp(stream) => poll_recv(stream, cx, buffer),
            Wire::Tls(stream) => stream.poll_recv(cx, buffer),
            Wire::Unix(stream) => {
                let mut room = ReadBuf::new(buffer);
                ready!(Pin::new(stream).poll_read(cx, &mut room))?;
                Poll::Ready(Ok(room.filled().len()))
            }
        }
    }

    /// Sends `bytes`; gives how many were taken, at least one.
    ///
    /// # Errors
    /// What the kernel or the TLS library says.
    pub fn poll_send(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self {
            Wire::Tcp(stream) => poll_send(stream, cx, &[IoSlice::new(bytes)]),
            Wire::Tls(stream) => stream.poll_send(cx, bytes),
            Wire::Unix(stream) => Pin::new(stream).poll_write(cx, bytes),
        }
    }

    /// Sends what was taken and still waits here; only TLS has any.
    ///
    /// # Errors
    /// What the kernel or the TLS library says.
    pub fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Wire::Tcp(_) | Wire::Unix(_) => Poll::Ready(Ok(())),
            Wire::Tls(stream) => stream.poll_flush(cx),
        }
    }

    /// Looks at it while it is idle; nothing that is meant for us is taken.
    pub fn look(&mut self) -> Idle {
        match self {
            Wire::Tcp(stream) => look(stream),
            Wire::Tls(stream) => stream.look(),
            Wire::Unix(stream) => look(stream),
        }
    }

    /// Has the server see a reset when this is dropped. A socket of this machine knows none: there the missing end of the
    /// body says the same.
    pub fn reset_on_drop(&self) {
        match self {
            Wire::Tcp(stream) => reset_on_drop(stream),
            Wire::Tls(stream) => reset_on_drop(stream.socket()),
            Wire::Unix(_) => {}
        }
    }
}
