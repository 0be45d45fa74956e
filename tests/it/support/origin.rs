//! Origins: a port whose connections the test drives itself, and one that serves them on threads of its own.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use socket2::{Domain, SockRef, Socket, Type};

use super::proxy::SOON;
use super::wire::Wire;

/// A port of an origin; nothing is accepted until the test says so.
pub struct Origin {
    listener: TcpListener,
}

impl Origin {
    /// A port of its own on loopback.
    pub fn bind() -> Origin {
        Origin::bind_to("127.0.0.1:0".parse().expect("address"))
    }

    /// This port.
    pub fn bind_to(address: SocketAddr) -> Origin {
        Origin { listener: TcpListener::bind(address).expect("bind") }
    }

    /// A port whose connections hold few bytes that nobody reads: a small buffer here, and segments so small that the
    /// kernel of the sender gives them a small buffer too.
    pub fn narrow() -> Origin {
        let origin = Origin::bind();
        let socket = SockRef::from(&origin.listener);
        socket.set_recv_buffer_size(4096).expect("a small buffer");
        socket.set_tcp_mss(536).expect("small segments");
        origin
    }

    /// Its address.
    pub fn address(&self) -> SocketAddr {
        self.listener.local_addr().expect("an address")
    }

    /// The next connection.
    ///
    /// # Panics
    /// When none comes before [`SOON`] is over.
    pub fn accept(&self) -> Wire {
        assert!(self.is_called(SOON), "nobody connected to the origin");
        Wire::new(self.listener.accept().expect("accept").0)
    }

    /// Whether somebody connects within `limit`.
    pub fn is_called(&self, limit: std::time::Duration) -> bool {
        let mut watched = [PollFd::new(&self.listener, PollFlags::IN)];
        let limit = Timespec::try_from(limit).expect("a limit");
        poll(&mut watched, Some(&limit)).expect("poll") == 1
    }

    /// Serves every connection by `serve`, each on a thread of its own, until the result is dropped.
    pub fn serving(self, serve: impl Fn(Wire) + Send + Sync + 'static) -> Served {
        let address = self.address();
        let own = self.listener.try_clone().expect("a second handle");
        let (open, serve) = (Arc::new(AtomicU64::new(0)), Arc::new(serve));
        let counted = open.clone();
        let thread = std::thread::spawn(move || {
            while let Ok((stream, _)) = self.listener.accept() {
                let (serve, counted) = (serve.clone(), counted.clone());
                counted.fetch_add(1, Ordering::SeqCst);
                std::thread::spawn(move || {
                    let _open = Open(counted);
                    serve(Wire::new(stream));
                });
            }
        });
        Served { address, listener: own, open, thread: Some(thread) }
    }
}

/// Counts one connection for as long as it is served.
struct Open(Arc<AtomicU64>);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

/// An origin that serves by itself; dropping it closes its port.
pub struct Served {
    address: SocketAddr,
    listener: TcpListener,
    open: Arc<AtomicU64>,
    thread: Option<JoinHandle<()>>,
}

impl Served {
    /// Its address.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Connections being served now.
    pub fn open(&self) -> u64 {
        self.open.load(Ordering::SeqCst)
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        // Wakes the thread out of `accept`.
        let _ = rustix::net::shutdown(&self.listener, rustix::net::Shutdown::Both);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// A port that takes no more connections: its queue is full, so that the kernel drops every further SYN.
pub struct BlackHole {
    listener: Socket,
    _queued: TcpStream,
}

impl BlackHole {
    /// Takes what is queued, so that there is room for those who call again.
    pub fn open(&self) {
        drop(self.listener.accept().expect("the one that was queued"));
    }

    /// A full port on loopback.
    pub fn dig() -> BlackHole {
        BlackHole::dig_at("127.0.0.1:0".parse().expect("address"))
    }

    /// This port, full.
    pub fn dig_at(address: SocketAddr) -> BlackHole {
        let listener = Socket::new(Domain::IPV4, Type::STREAM, None).expect("socket");
        listener.bind(&address.into()).expect("bind");
        listener.listen(0).expect("listen");
        let to = listener.local_addr().expect("an address").as_socket().expect("an IP address");
        // A queue of length 0 takes one.
        let queued = TcpStream::connect(to).expect("the first connection is taken");
        BlackHole { listener, _queued: queued }
    }

    /// Its address.
    pub fn address(&self) -> SocketAddr {
        self.listener.local_addr().expect("an address").as_socket().expect("an IP address")
    }
}
