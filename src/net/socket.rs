//! Receiving and sending on a shared socket without a system call more than needed, and the options we set.

use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use rustix::net::{RecvFlags, SendAncillaryBuffer, SendFlags, recv, send, sendmsg};
use socket2::{Domain, Protocol, SockRef, Socket, TcpKeepalive, Type};
use tokio::io::Interest;
use tokio::net::TcpStream;

/// Pending connections of a listener; the kernel cuts it to `net.core.somaxconn`.
const BACKLOG: i32 = 4096;

/// Receives into `buffer`; 0 is the peer's end of stream.
///
/// A read that does not fill the buffer has emptied the socket, so the next one waits for an event instead of asking
/// the kernel in vain. That halves the reads of a keep-alive connection.
///
/// # Errors
/// What the kernel says, never `WouldBlock`.
pub fn poll_recv(socket: &TcpStream, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
    loop {
        ready!(socket.poll_read_ready(cx))?;
        let mut got = None;
        let tried = socket.try_io(Interest::READABLE, || {
            let (count, _) = recv(socket, &mut *buffer, RecvFlags::DONTWAIT)?;
            got = Some(count);
            emptied(count > 0 && count < buffer.len())
        });
        match (got, tried) {
            (Some(count), _) => return Poll::Ready(Ok(count)),
            (None, Err(fault)) if fault.kind() == io::ErrorKind::WouldBlock => {}
            (None, Err(fault)) => return Poll::Ready(Err(fault)),
            (None, Ok(())) => {}
        }
    }
}

/// Sends from `slices`; gives the bytes the kernel took, at least one.
///
/// # Errors
/// What the kernel says, never `WouldBlock`.
pub fn poll_send(socket: &TcpStream, cx: &mut Context<'_>, slices: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
    let wanted: usize = slices.iter().map(|slice| slice.len()).sum();
    let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
    loop {
        ready!(socket.poll_write_ready(cx))?;
        let mut sent = None;
        let tried = socket.try_io(Interest::WRITABLE, || {
            let count = match slices {
                [one] => send(socket, one, flags)?,
                many => sendmsg(socket, many, &mut SendAncillaryBuffer::default(), flags)?,
            };
            sent = Some(count);
            emptied(count < wanted)
        });
        match (sent, tried) {
            (Some(count), _) => return Poll::Ready(Ok(count)),
            (None, Err(fault)) if fault.kind() == io::ErrorKind::WouldBlock => {}
            (None, Err(fault)) => return Poll::Ready(Err(fault)),
            (None, Ok(())) => {}
        }
    }
}

/// Tells tokio that the socket would block now, although this call did not: readiness is cleared for the next wait.
fn emptied(now: bool) -> io::Result<()> {
    if now { Err(io::ErrorKind::WouldBlock.into()) } else { Ok(()) }
}

/// What a look at an idle connection shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Idle {
    /// Open, and nothing to read.
    Quiet,
    /// The peer has sent FIN.
    Fin,
    /// It is reset, or the kernel gave it up.
    Reset,
    /// The peer has said something unasked.
    Spoken,
}

/// Looks at an idle connection: one byte is peeked at, none taken. A reset is told once.
pub fn look(socket: &impl AsFd) -> Idle {
    let mut byte = [0u8; 1];
    match recv(socket, &mut byte, RecvFlags::PEEK | RecvFlags::DONTWAIT) {
        Err(rustix::io::Errno::AGAIN) => Idle::Quiet,
        Err(_) => Idle::Reset,
        Ok((0, _)) => Idle::Fin,
        Ok(_) => Idle::Spoken,
    }
}

/// Ready when the peer of an idle connection has closed it or sent something; nothing is read.
pub fn poll_disturbed(socket: &TcpStream, cx: &mut Context<'_>) -> Poll<Idle> {
    loop {
        if socket.poll_read_ready(cx).is_pending() {
            return Poll::Pending;
        }
        // Readiness may be old news: only the kernel knows, and where it knows of nothing the next turn registers.
        let mut seen = Idle::Quiet;
        let looked = socket.try_io(Interest::READABLE, || {
            seen = look(socket);
            emptied(seen == Idle::Quiet)
        });
        if looked.is_ok() {
            return Poll::Ready(seen);
        }
    }
}

/// Closes the socket at once when it is dropped, with RST: unsent bytes do not keep it (performance.md verdict 3).
pub fn reset_on_drop(socket: &TcpStream) {
    // Fails only when the socket is gone already, which is what is wanted.
    let _ = SockRef::from(socket).set_linger(Some(Duration::ZERO));
}

/// Options of an accepted socket: no Nagle delay; a client that vanished without FIN is found within 30 s.
///
/// # Errors
/// What the kernel says.
pub fn set_client_options(socket: &TcpStream) -> io::Result<()> {
    let keepalive =
        TcpKeepalive::new().with_time(Duration::from_secs(15)).with_interval(Duration::from_secs(5)).with_retries(3);
    let socket = SockRef::from(socket);
    socket.set_tcp_nodelay(true)?;
    socket.set_tcp_keepalive(&keepalive)
}

/// Options of a socket to an origin: no Nagle delay; a vanished origin is found within two minutes.
///
/// # Errors
/// What the kernel says.
pub fn set_upstream_options(socket: &TcpStream) -> io::Result<()> {
    let keepalive =
        TcpKeepalive::new().with_time(Duration::from_secs(60)).with_interval(Duration::from_secs(15)).with_retries(4);
    let socket = SockRef::from(socket);
    socket.set_tcp_nodelay(true)?;
    socket.set_tcp_keepalive(&keepalive)
}

/// How long an origin may leave what we sent unacknowledged, `None` for as long as the kernel tries: a middlebox that has
/// forgotten the connection is found out after this, and not after the whole wait for an answer.
pub fn set_unacknowledged_limit(socket: &TcpStream, limit: Option<Duration>) {
    // Fails only on a socket that is dead already, which the next use of it shows.
    let _ = SockRef::from(socket).set_tcp_user_timeout(limit);
}

/// Binds a listening socket that other workers may bind too (`SO_REUSEPORT`).
///
/// # Errors
/// What the kernel says: the port is taken by somebody else, or not ours to take.
pub fn listen(bind: SocketAddr) -> io::Result<std::net::TcpListener> {
    let socket = Socket::new(Domain::for_address(bind), Type::STREAM.nonblocking(), Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(true)?;
    if bind.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.bind(&bind.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}
