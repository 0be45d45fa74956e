//! A raw connection as the tests hold it, on the client's or the origin's side: exact bytes in, exact bytes out, and how
//! it ended.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use socket2::{Domain, SockRef, Socket, Type};

use super::proxy::SOON;

/// How the other side ended a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// It sent FIN.
    Fin,
    /// It sent RST.
    Reset,
}

/// The end of a connection as its peer saw it.
#[derive(Clone, Copy, Debug)]
pub struct Ending {
    /// By FIN or by RST.
    pub how: How,
    /// When it was seen.
    pub at: Instant,
}

/// One connection, and what was read of it beyond what was asked for.
pub struct Wire {
    stream: TcpStream,
    ahead: Vec<u8>,
}

impl Wire {
    /// Takes over a connected socket; every read and write gives up after [`SOON`].
    pub fn new(stream: TcpStream) -> Wire {
        stream.set_read_timeout(Some(SOON)).expect("a read time-out");
        stream.set_write_timeout(Some(SOON)).expect("a write time-out");
        stream.set_nodelay(true).expect("no delay");
        Wire { stream, ahead: Vec::new() }
    }

    /// Connects.
    pub fn connect(to: SocketAddr) -> Wire {
        Wire::new(TcpStream::connect(to).expect("connect"))
    }

    /// Connects from the address `source`: on loopback every one is ours.
    pub fn connect_from(source: &str, to: SocketAddr) -> Wire {
        let source = SocketAddr::new(source.parse().expect("an address"), 0);
        let socket = Socket::new(Domain::for_address(to), Type::STREAM, None).expect("socket");
        socket.bind(&source.into()).expect("bind");
        socket.connect(&to.into()).expect("connect");
        Wire::new(socket.into())
    }

    /// A second handle on the same connection, for a thread that sends while another receives.
    pub fn twin(&self) -> Wire {
        assert!(self.ahead.is_empty(), "what was read already belongs to one of them");
        Wire { stream: self.stream.try_clone().expect("a second handle"), ahead: Vec::new() }
    }

    /// Our own address on this connection.
    pub fn local(&self) -> SocketAddr {
        self.stream.local_addr().expect("a local address")
    }

    /// The address of the other side.
    pub fn peer(&self) -> SocketAddr {
        self.stream.peer_addr().expect("a peer address")
    }

    /// Sends all of `bytes`.
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.write_all(bytes.as_ref()).expect("send");
    }

    /// Sends what the other side takes; a connection that ends meanwhile is no failure of the test.
    pub fn try_send(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        self.stream.write_all(bytes.as_ref())
    }

    /// Sends from `bytes` until the connection takes no more, for now or because it has ended; gives how many it took.
    pub fn send_until_full(&mut self, bytes: &[u8]) -> usize {
        self.stream.set_nonblocking(true).expect("non-blocking");
        let mut sent = 0;
        while sent < bytes.len() {
            match self.stream.write(&bytes[sent..]) {
                Ok(count) => sent += count,
                Err(_) => break,
            }
        }
        self.stream.set_nonblocking(false).expect("blocking");
        sent
    }

    /// Reads a head, its empty line included; what follows it stays for the next read.
    ///
    /// # Panics
    /// When the connection ends first.
    pub fn head(&mut self) -> String {
        self.next_head().unwrap_or_else(|| panic!("ended in a head: {:?}", String::from_utf8_lossy(&self.ahead)))
    }

    /// As [`Wire::head`]; `None` when the connection ends first.
    pub fn next_head(&mut self) -> Option<String> {
        let length = loop {
            if let Some(at) = find(&self.ahead, b"\r\n\r\n") {
                break at + 4;
            }
            if self.more().ok()? == 0 {
                return None;
            }
        };
        Some(String::from_utf8(self.ahead.drain(..length).collect()).expect("a head in UTF-8"))
    }

    /// Reads exactly `count` bytes.
    pub fn exactly(&mut self, count: usize) -> Vec<u8> {
        while self.ahead.len() < count {
            assert!(self.more().expect("bytes") > 0, "ended after {} of {count} bytes", self.ahead.len());
        }
        self.ahead.drain(..count).collect()
    }

    /// Reads a line, without its end.
    pub fn line(&mut self) -> String {
        let length = loop {
            if let Some(at) = find(&self.ahead, b"\r\n") {
                break at;
            }
            assert!(self.more().expect("bytes") > 0, "ended in a line");
        };
        let line = self.exactly(length);
        self.exactly(2);
        String::from_utf8(line).expect("a line in UTF-8")
    }

    /// Reads a chunked body without trailers to its last chunk.
    pub fn chunked(&mut self) -> Vec<u8> {
        let mut body = Vec::new();
        loop {
            let size = usize::from_str_radix(&self.line(), 16).expect("a chunk size");
            body.extend(self.exactly(size));
            assert_eq!(self.line(), "", "behind a chunk of {size}");
            if size == 0 {
                return body;
            }
        }
    }

    /// Reads what there is into `buffer`; 0 at the end of the stream.
    pub fn some(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.ahead.is_empty() {
            return self.stream.read(buffer);
        }
        let count = buffer.len().min(self.ahead.len());
        buffer[..count].copy_from_slice(&self.ahead[..count]);
        self.ahead.drain(..count);
        Ok(count)
    }

    /// Reads to the end; gives the bytes and how it ended.
    pub fn rest(&mut self) -> (Vec<u8>, How) {
        let mut bytes = std::mem::take(&mut self.ahead);
        let how = match self.stream.read_to_end(&mut bytes) {
            Ok(_) => How::Fin,
            Err(fault) if fault.kind() == ErrorKind::ConnectionReset => How::Reset,
            Err(fault) => panic!("no end after {} bytes: {fault}", bytes.len()),
        };
        (bytes, how)
    }

    /// Waits for the end without reading: also behind unread bytes.
    ///
    /// # Panics
    /// When it has not come after [`SOON`].
    pub fn ending(&self) -> Ending {
        self.ending_within(SOON).unwrap_or_else(|| panic!("the connection to {} was not ended", self.peer()))
    }

    /// As [`Wire::ending`], but gives up after `limit`.
    pub fn ending_within(&self, limit: Duration) -> Option<Ending> {
        let (seen, at) = (self.watch(PollFlags::RDHUP, limit), Instant::now());
        let how = if seen.contains(PollFlags::ERR) { How::Reset } else { How::Fin };
        (!seen.is_empty()).then_some(Ending { how, at })
    }

    /// Waits for an RST, also behind a FIN.
    ///
    /// # Panics
    /// When it has not come after [`SOON`].
    pub fn wait_for_reset(&self) {
        assert!(self.watch(PollFlags::empty(), SOON).contains(PollFlags::ERR), "no reset by {}", self.peer());
    }

    /// Whether anything has come that was not read, or the end.
    pub fn has_more(&self) -> bool {
        self.comes_within(Duration::ZERO)
    }

    /// As [`Wire::has_more`], after waiting for it for at most `limit`.
    pub fn comes_within(&self, limit: Duration) -> bool {
        !self.ahead.is_empty() || !self.watch(PollFlags::IN, limit).is_empty()
    }

    /// Waits for one of `flags`; gives what was seen, with ERR and HUP whether asked for or not.
    fn watch(&self, flags: PollFlags, limit: Duration) -> PollFlags {
        let mut watched = [PollFd::new(&self.stream, flags)];
        let limit = Timespec::try_from(limit).expect("a limit");
        while let Err(fault) = poll(&mut watched, Some(&limit)) {
            assert_eq!(fault, rustix::io::Errno::INTR);
        }
        watched[0].revents()
    }

    /// Says that nothing more will be sent (FIN), and goes on receiving. The other end may have reset the connection already.
    pub fn finish(&self) {
        let done = self.stream.shutdown(Shutdown::Write);
        assert!(done.is_ok() || done.is_err_and(|fault| fault.kind() == ErrorKind::NotConnected), "shutdown");
    }

    /// Ends the connection by RST.
    pub fn reset(self) {
        SockRef::from(&self.stream).set_linger(Some(Duration::ZERO)).expect("linger");
    }

    fn more(&mut self) -> io::Result<usize> {
        let mut buffer = [0; 16 * 1024];
        let count = self.stream.read(&mut buffer)?;
        self.ahead.extend_from_slice(&buffer[..count]);
        Ok(count)
    }
}

/// Where `needle` begins in `bytes`.
pub fn find(bytes: &[u8], needle: &[u8]) -> Option<usize> {
    bytes.windows(needle.len()).position(|window| window == needle)
}
