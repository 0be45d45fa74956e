//! Seeing the client go, at once and without reading.

use std::io;

use tokio::io::{Interest, Ready};
use tokio::net::TcpStream;

/// How a peer went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hangup {
    /// It sent FIN: it will send no more, and may or may not read on.
    Fin,
    /// It reset the connection, or the kernel gave it up (keepalive).
    Reset,
}

/// Resolves when the peer has sent FIN or RST. Never reads, is not woken by data, and is not fooled by unread bytes.
///
/// The mask of `Interest::PRIORITY` in tokio is `PRIORITY | READ_CLOSED`, and a `TcpStream` is never registered for
/// out-of-band data; so this resolves exactly on `EPOLLRDHUP` and `EPOLLHUP`.
pub async fn hung_up(socket: &TcpStream) -> Hangup {
    watch(socket, Interest::PRIORITY | Interest::ERROR).await
}

/// Resolves when the peer has reset the connection; a FIN is not enough.
pub async fn reset(socket: &TcpStream) {
    while watch(socket, Interest::ERROR).await != Hangup::Reset {}
}

async fn watch(socket: &TcpStream, interest: Interest) -> Hangup {
    loop {
        match socket.ready(interest).await {
            Err(_) => return Hangup::Reset,
            Ok(ready) if ready.is_error() && is_gone(socket, ready) => return Hangup::Reset,
            // The error was spurious and would be reported for ever: clear it.
            Ok(ready) if ready.is_error() => {
                let _ = socket.try_io(Interest::ERROR, || Err::<(), _>(io::ErrorKind::WouldBlock.into()));
            }
            Ok(ready) if ready.is_read_closed() => return Hangup::Fin,
            Ok(_) => {}
        }
    }
}

/// An error event without an error behind it, on a socket that is open both ways, is not an end.
fn is_gone(socket: &TcpStream, ready: Ready) -> bool {
    !matches!(socket.take_error(), Ok(None)) || ready.is_write_closed() || ready.is_read_closed()
}

#[cfg(test)]
mod tests;
