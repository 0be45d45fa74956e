//! The floor of a proxy's CPU time: moves each connection's bytes to its origin and back, and does nothing else.

// `relay ADDRESS:PORT`, started by `benches/peers/run`; docs/decisions/007-the-floor-of-small-requests.md says why. A
// small request takes two recv and two send. Nothing is parsed but the address in the first request of a connection,
// which must come in one piece and name an IP address; all later requests go where the first one went.

#![forbid(unsafe_code)]

use std::convert::Infallible;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::thread;

use anyhow::Context;
use rustix::buffer::spare_capacity;
use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use rustix::io::Errno;
use slab::Slab;
use socket2::{Domain, Socket, Type};

/// As many as every proxy beside it gets.
const WORKERS: usize = 2;
const SCRATCH: usize = 64 * 1024;
const EVENTS: usize = 256;
const LISTENER: u64 = u64::MAX;
/// One registration for the life of a socket, as an event loop that scales has it.
const BOTH_WAYS: EventFlags = EventFlags::IN.union(EventFlags::OUT).union(EventFlags::RDHUP).union(EventFlags::ET);

fn main() -> anyhow::Result<()> {
    let address: SocketAddr = std::env::args().nth(1).context("usage: relay ADDRESS:PORT")?.parse()?;
    let workers: Vec<Worker> = (0..WORKERS).map(|_| Worker::bind(address)).collect::<io::Result<_>>()?;
    let threads: Vec<_> = workers.into_iter().map(|worker| thread::spawn(|| end_with(worker))).collect();
    threads.into_iter().try_for_each(|thread| thread.join()).map_err(|_| anyhow::anyhow!("a worker panicked"))
}

/// A worker that fails ends the process: with one worker fewer, the figures would be another program's.
fn end_with(worker: Worker) {
    let Err(error) = worker.run();
    eprintln!("relay: {error}");
    std::process::exit(1);
}

/// One thread's listener, event queue and connections.
struct Worker {
    listener: TcpListener,
    epoll: OwnedFd,
    links: Slab<Link>,
    scratch: Vec<u8>,
}

impl Worker {
    fn bind(address: SocketAddr) -> io::Result<Self> {
        let listener = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
        listener.set_reuse_address(true)?;
        listener.set_reuse_port(true)?;
        listener.set_nonblocking(true)?;
        listener.bind(&address.into())?;
        listener.listen(4096)?;
        let epoll = epoll::create(CreateFlags::CLOEXEC)?;
        epoll::add(&epoll, &listener, EventData::new_u64(LISTENER), EventFlags::IN)?;
        Ok(Self { listener: listener.into(), epoll, links: Slab::new(), scratch: vec![0; SCRATCH] })
    }

    fn run(mut self) -> io::Result<Infallible> {
        let mut events: Vec<Event> = Vec::with_capacity(EVENTS);
        loop {
            match epoll::wait(&self.epoll, spare_capacity(&mut events), None) {
                Ok(_) | Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
            for event in events.drain(..) {
                match event.data.u64() {
                    LISTENER => self.accept()?,
                    token => self.turn(Token::from(token), event.flags),
                }
            }
        }
    }

    fn accept(&mut self) -> io::Result<()> {
        loop {
            let client = match self.listener.accept() {
                Ok((client, _)) => client,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == ErrorKind::ConnectionAborted => continue,
                Err(error) => return Err(error),
            };
            client.set_nonblocking(true)?;
            client.set_nodelay(true)?;
            let entry = self.links.vacant_entry();
            epoll::add(&self.epoll, &client, Token { link: entry.key(), side: Side::Client }.data(), BOTH_WAYS)?;
            entry.insert(Link { client: End::new(client), origin: None });
        }
    }

    /// One event of one socket. Whatever ends or breaks one end of a link ends both.
    fn turn(&mut self, token: Token, flags: EventFlags) {
        // An event may come behind the one, in the same batch, that ended its link.
        let Some(link) = self.links.get_mut(token.link) else { return };
        let done = match &mut link.origin {
            Some(origin) => turn(&mut link.client, origin, token.side, flags, &mut self.scratch),
            None => link.begin(token.link, &self.epoll, &mut self.scratch),
        };
        if done.is_err() {
            self.links.remove(token.link);
        }
    }
}

#[derive(Clone, Copy)]
enum Side {
    Client,
    Origin,
}

/// Which socket an event is about.
#[derive(Clone, Copy)]
struct Token {
    link: usize,
    side: Side,
}

impl Token {
    fn data(self) -> EventData {
        EventData::new_u64((self.link as u64) << 1 | self.side as u64)
    }
}

impl From<u64> for Token {
    fn from(data: u64) -> Self {
        let side = if data & 1 == Side::Client as u64 { Side::Client } else { Side::Origin };
        Self { link: (data >> 1) as usize, side }
    }
}

/// A client's connection and, from its first request on, the one to its origin.
struct Link {
    client: End,
    origin: Option<End>,
}

/// One socket, and what it has not taken yet of the bytes read from the other one.
struct End {
    socket: TcpStream,
    owed: Vec<u8>,
}

impl Link {
    /// Reads the first request, if it is there, and sends it where it says.
    fn begin(&mut self, own: usize, epoll: &OwnedFd, scratch: &mut [u8]) -> io::Result<()> {
        let Some(length) = receive(&self.client.socket, scratch)? else { return Ok(()) };
        let request = &scratch[..length];
        let address = target(request).ok_or(ErrorKind::InvalidData)?;
        // The only call that waits: once for each connection, and over loopback.
        let origin = TcpStream::connect(address)?;
        origin.set_nonblocking(true)?;
        origin.set_nodelay(true)?;
        epoll::add(epoll, &origin, Token { link: own, side: Side::Origin }.data(), BOTH_WAYS)?;
        self.origin.insert(End::new(origin)).send(request)
    }
}

/// The address in `GET http://192.0.2.1:80/path HTTP/1.1`.
fn target(request: &[u8]) -> Option<SocketAddr> {
    let line = str::from_utf8(request).ok()?;
    let (authority, _) = line.split_once(" http://")?.1.split_once('/')?;
    authority.parse().ok()
}

/// When to stop reading a socket.
#[derive(Clone, Copy)]
enum Until {
    /// A read that does not fill the buffer has taken everything, and whatever comes later brings an event of its own.
    Short,
    /// An end or an error may stand behind the bytes, whose event has come already.
    Empty,
}

/// One event of a link that has both ends.
fn turn(client: &mut End, origin: &mut End, side: Side, flags: EventFlags, scratch: &mut [u8]) -> io::Result<()> {
    let (own, other) = match side {
        Side::Client => (client, origin),
        Side::Origin => (origin, client),
    };
    // Writable again: what waited for it goes on, and the event of the bytes behind has come long ago.
    if flags.contains(EventFlags::OUT) && !own.owed.is_empty() {
        pump(&other.socket, own, Until::Empty, scratch)?;
    }
    if flags.intersects(EventFlags::RDHUP | EventFlags::HUP | EventFlags::ERR) {
        pump(&own.socket, other, Until::Empty, scratch)
    } else if flags.contains(EventFlags::IN) {
        pump(&own.socket, other, Until::Short, scratch)
    } else {
        Ok(())
    }
}

/// Moves what there is, until one socket is empty or the other one full.
fn pump(from: &TcpStream, to: &mut End, until: Until, scratch: &mut [u8]) -> io::Result<()> {
    while to.flush()? {
        let Some(length) = receive(from, scratch)? else { return Ok(()) };
        to.send(&scratch[..length])?;
        if matches!(until, Until::Short) && length < scratch.len() {
            return Ok(());
        }
    }
    Ok(())
}

/// How many bytes came, or `None` when there are none now; the end of the stream is an error.
fn receive(mut from: &TcpStream, scratch: &mut [u8]) -> io::Result<Option<usize>> {
    match from.read(scratch) {
        Ok(0) => Err(ErrorKind::UnexpectedEof.into()),
        Ok(length) => Ok(Some(length)),
        Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(None),
        Err(error) => Err(error),
    }
}

impl End {
    fn new(socket: TcpStream) -> Self {
        Self { socket, owed: Vec::new() }
    }

    /// Sends bytes when nothing is owed; keeps what the socket does not take.
    fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        let taken = self.offer(bytes)?;
        self.owed.extend_from_slice(&bytes[taken..]);
        Ok(())
    }

    /// Whether nothing is owed any more.
    fn flush(&mut self) -> io::Result<bool> {
        if !self.owed.is_empty() {
            let taken = self.offer(&self.owed)?;
            self.owed.drain(..taken);
        }
        Ok(self.owed.is_empty())
    }

    /// How many of the bytes the socket took; less than all of them means that it is full.
    fn offer(&self, bytes: &[u8]) -> io::Result<usize> {
        let mut taken = 0;
        while taken < bytes.len() {
            match (&self.socket).write(&bytes[taken..]) {
                Ok(more) => taken += more,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
        }
        Ok(taken)
    }
}
