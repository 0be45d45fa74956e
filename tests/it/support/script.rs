//! An origin that plays a script on every connection and keeps every byte it gets.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use socket2::SockRef;

use super::proxy::SOON;
use super::wire::{How, find};

/// What the origin saw of one connection.
#[derive(Clone, Debug)]
pub struct Seen {
    /// Who connected.
    peer: SocketAddr,
    /// Every byte that came.
    pub bytes: Vec<u8>,
    /// How the other side ended it; `None` while it is open, or when the script reset it.
    pub end: Option<How>,
}

impl Seen {
    /// The bytes as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes).into_owned()
    }
}

#[derive(Default)]
struct Book {
    seen: Mutex<Vec<Seen>>,
    /// Connections of our own, see [`Scripted::seen`].
    markers: Mutex<Vec<SocketAddr>>,
    changed: Condvar,
}

impl Book {
    fn note(&self, number: usize, note: impl FnOnce(&mut Seen)) {
        note(&mut self.seen.lock().expect("book")[number]);
        self.changed.notify_all();
    }

    fn wait(&self, what: &str, holds: impl Fn(&[Seen]) -> bool) -> Vec<Seen> {
        let seen = self.seen.lock().expect("book");
        let (seen, late) = self.changed.wait_timeout_while(seen, SOON, |seen| !holds(seen)).expect("book");
        assert!(!late.timed_out(), "the origin never saw {what}; it saw {seen:?}");
        seen.clone()
    }
}

/// A scripted origin; dropping it closes its port.
pub struct Scripted {
    listener: TcpListener,
    book: Arc<Book>,
    thread: Option<JoinHandle<()>>,
}

impl Scripted {
    /// Plays `script` on every connection to a port of its own, each on a thread of its own.
    pub fn start(script: impl Fn(&mut Visit) + Send + Sync + 'static) -> Scripted {
        Scripted::on("127.0.0.1:0", script)
    }

    /// As [`Scripted::start`], at this address.
    pub fn on(address: &str, script: impl Fn(&mut Visit) + Send + Sync + 'static) -> Scripted {
        let listener = TcpListener::bind(address).expect("bind");
        let (accepting, book, script) =
            (listener.try_clone().expect("handle"), Arc::new(Book::default()), Arc::new(script));
        let written = book.clone();
        let thread = std::thread::spawn(move || {
            while let Ok((stream, peer)) = accepting.accept() {
                let (mut visit, script) = (Visit::new(stream, peer, written.clone()), script.clone());
                std::thread::spawn(move || {
                    script(&mut visit);
                    visit.see_the_end();
                });
            }
        });
        Scripted { listener, book, thread: Some(thread) }
    }

    /// Answers every head with the same bytes.
    pub fn answering(bytes: impl Into<Vec<u8>>) -> Scripted {
        let bytes = bytes.into();
        Scripted::start(move |visit| {
            while visit.head().is_some() {
                visit.send(&bytes);
            }
        })
    }

    /// Answers every head with its own path as the body.
    pub fn echoing_paths() -> Scripted {
        Scripted::start(|visit| {
            while let Some(head) = visit.head() {
                visit.send(ok(path(&head)));
            }
        })
    }

    /// Its address.
    pub fn address(&self) -> SocketAddr {
        self.listener.local_addr().expect("address")
    }

    /// What every connection so far has brought. A connection of our own is made and left out again: connections are
    /// accepted in order, so none that was made before can be missing. The script sees that connection end at once.
    pub fn seen(&self) -> Vec<Seen> {
        let marker = TcpStream::connect(self.address()).expect("marker");
        let own = marker.local_addr().expect("address");
        let mut seen = self.book.wait("our own marker", |seen| seen.iter().any(|one| one.peer == own));
        let mut markers = self.book.markers.lock().expect("book");
        markers.push(own);
        seen.retain(|one| !markers.contains(&one.peer));
        seen
    }

    /// Waits until `holds` of what every connection has brought.
    ///
    /// # Panics
    /// When it does not hold after [`SOON`].
    pub fn wait_for(&self, what: &str, holds: impl Fn(&[Seen]) -> bool) -> Vec<Seen> {
        self.book.wait(what, holds)
    }

    /// Waits until the other side has ended this connection; gives all that came on it.
    pub fn ended(&self, number: usize) -> Seen {
        let ended = |seen: &[Seen]| seen.get(number).is_some_and(|one| one.end.is_some());
        self.wait_for(&format!("the end of connection {number}"), ended).swap_remove(number)
    }
}

impl Drop for Scripted {
    fn drop(&mut self) {
        // Wakes the thread out of `accept`.
        let _ = rustix::net::shutdown(&self.listener, rustix::net::Shutdown::Both);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// One connection as the script has it. Its writes do not fail: who does not read is a matter for the test.
pub struct Visit {
    /// Which connection this is, from 0.
    pub number: usize,
    stream: TcpStream,
    unused: Vec<u8>,
    book: Arc<Book>,
    ended: bool,
}

impl Visit {
    fn new(stream: TcpStream, peer: SocketAddr, book: Arc<Book>) -> Visit {
        stream.set_nodelay(true).expect("no delay");
        stream.set_write_timeout(Some(SOON)).expect("time-out");
        let number = {
            let mut seen = book.seen.lock().expect("book");
            seen.push(Seen { peer, bytes: Vec::new(), end: None });
            seen.len() - 1
        };
        book.changed.notify_all();
        Visit { number, stream, unused: Vec::new(), book, ended: false }
    }

    /// The address that was dialled.
    pub fn dialled(&self) -> SocketAddr {
        self.stream.local_addr().expect("address")
    }

    /// The next head, its empty line included; `None` when the connection ended first.
    pub fn head(&mut self) -> Option<String> {
        loop {
            if let Some(at) = find(&self.unused, b"\r\n\r\n") {
                return Some(String::from_utf8_lossy(&self.unused.drain(..at + 4).collect::<Vec<_>>()).into_owned());
            }
            self.more()?;
        }
    }

    /// As [`Visit::head`], but `None` also when nothing comes for `limit`.
    pub fn head_within(&mut self, limit: Duration) -> Option<String> {
        self.stream.set_read_timeout(Some(limit)).expect("a time-out");
        let head = self.head();
        self.stream.set_read_timeout(None).expect("no time-out");
        head
    }

    /// The next request: its head, and its body as it came; `None` when the connection ended first.
    pub fn request(&mut self) -> Option<(String, Vec<u8>)> {
        let head = self.head()?;
        let field = |name: &str| {
            let fields = head.lines().filter_map(|line| line.split_once(':'));
            fields.filter(|(own, _)| own.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim().to_owned()).next()
        };
        let body = match (field("Transfer-Encoding"), field("Content-Length")) {
            (Some(_), _) => self.until(b"\r\n\r\n")?,
            (_, Some(length)) => self.exactly(length.parse().expect("a length"))?,
            _ => Vec::new(),
        };
        Some((head, body))
    }

    /// Exactly `count` bytes; `None` when the connection ended first.
    pub fn exactly(&mut self, count: usize) -> Option<Vec<u8>> {
        while self.unused.len() < count {
            self.more()?;
        }
        Some(self.unused.drain(..count).collect())
    }

    /// Everything up to and with `mark`; `None` when the connection ended first.
    pub fn until(&mut self, mark: &[u8]) -> Option<Vec<u8>> {
        loop {
            if let Some(at) = find(&self.unused, mark) {
                return Some(self.unused.drain(..at + mark.len()).collect());
            }
            self.more()?;
        }
    }

    /// What has come so far and nobody has asked for, as text. Does not wait.
    pub fn pending(&mut self) -> String {
        self.stream.set_nonblocking(true).expect("non-blocking");
        let mut buffer = [0; 16 * 1024];
        let count = self.stream.read(&mut buffer).unwrap_or(0);
        self.stream.set_nonblocking(false).expect("blocking");
        self.unused.extend_from_slice(&buffer[..count]);
        String::from_utf8_lossy(&std::mem::take(&mut self.unused)).into_owned()
    }

    /// Sends; gives whether everything was taken.
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) -> bool {
        let sent = self.stream.write_all(bytes.as_ref());
        if let Err(fault) = &sent
            && matches!(fault.kind(), ErrorKind::ConnectionReset | ErrorKind::BrokenPipe)
        {
            // The kernel tells of a reset once, and this was the time.
            self.ended = true;
            self.book.note(self.number, |seen| seen.end = Some(How::Reset));
        }
        sent.is_ok()
    }

    /// Says that nothing more will be sent (FIN).
    pub fn finish(&mut self) {
        let _ = self.stream.shutdown(Shutdown::Write);
    }

    /// Ends the connection by RST, once the script is over.
    pub fn reset(&mut self) {
        SockRef::from(&self.stream).set_linger(Some(Duration::ZERO)).expect("linger");
        self.ended = true;
    }

    /// Waits until the other side has ended the connection, without reading what it has sent.
    pub fn wait_for_their_end(&mut self) {
        let ended = PollFlags::RDHUP | PollFlags::ERR | PollFlags::HUP;
        let mut watched = [PollFd::new(&self.stream, PollFlags::RDHUP)];
        let limit = Timespec::try_from(SOON).expect("a limit");
        while poll(&mut watched, Some(&limit)) == Err(rustix::io::Errno::INTR) {}
        assert!(watched[0].revents().intersects(ended), "the other side never ended it");
        self.ended = true;
    }

    fn more(&mut self) -> Option<()> {
        let mut buffer = [0; 16 * 1024];
        let got = self.stream.read(&mut buffer);
        let (count, end) = match got {
            Ok(0) => (0, Some(How::Fin)),
            Ok(count) => (count, None),
            Err(fault) if fault.kind() == ErrorKind::WouldBlock => return None,
            Err(_) => (0, Some(How::Reset)),
        };
        self.unused.extend_from_slice(&buffer[..count]);
        self.ended |= end.is_some();
        self.book.note(self.number, |seen| {
            seen.bytes.extend_from_slice(&buffer[..count]);
            seen.end = seen.end.or(end);
        });
        if count > 0 { Some(()) } else { None }
    }

    fn see_the_end(&mut self) {
        while !self.ended {
            self.more();
        }
    }
}

/// A 200 with this body.
pub fn ok(body: &str) -> String {
    format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len())
}

/// The path of a request head.
pub fn path(head: &str) -> &str {
    head.split(' ').nth(1).unwrap_or_default()
}
