//! Clients, and the ways in which they leave.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::kernel::taken_by_the_kernel;
use super::patience::until;
use super::proxy::Proxy;
use super::wire::Wire;

/// A way of leaving.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leaving {
    /// FIN.
    Fin,
    /// RST.
    Reset,
    /// FIN behind one byte of what would follow.
    FinBehindOne,
    /// FIN behind 32 KiB of what would follow.
    FinBehindMany,
}

impl Leaving {
    /// Every way.
    pub const ALL: [Leaving; 4] = [Leaving::Fin, Leaving::Reset, Leaving::FinBehindOne, Leaving::FinBehindMany];

    /// What is sent just before the FIN: the beginning of a request that does not end, or more of a body, or bytes of a
    /// tunnel.
    pub fn behind(self) -> &'static [u8] {
        match self {
            Leaving::FinBehindOne => b"G",
            Leaving::FinBehindMany => &[b'G'; 32 * 1024],
            Leaving::Fin | Leaving::Reset => b"",
        }
    }

    /// Leaves; gives the moment just before. After a FIN the socket is still there, half closed, so that unread bytes
    /// do not turn the FIN into an RST; it goes when the [`Left`] is dropped.
    pub fn leave(self, mut client: Wire) -> Left {
        client.send(self.behind());
        let at = Instant::now();
        if self == Leaving::Reset {
            client.reset();
            return Left { at, client: None };
        }
        client.finish();
        Left { at, client: Some(client) }
    }
}

/// A client that has left.
pub struct Left {
    /// When it began to leave.
    pub at: Instant,
    /// Its half of the connection, unless it was reset.
    pub client: Option<Wire>,
}

/// A GET by way of the proxy.
pub fn get(origin: SocketAddr, path: &str) -> String {
    format!("GET http://{origin}{path} HTTP/1.1\r\nHost: {origin}\r\n\r\n")
}

/// A CONNECT.
pub fn connect(origin: SocketAddr) -> String {
    format!("CONNECT {origin} HTTP/1.1\r\nHost: {origin}\r\n\r\n")
}

/// A client with a request on its way.
pub fn asking(proxy: &Proxy, request: impl AsRef<[u8]>) -> Wire {
    let mut client = Wire::connect(proxy.address());
    client.send(request);
    client
}

/// A client in a tunnel, and the origin's end of it.
pub fn tunnel(proxy: &Proxy, origin: &super::origin::Origin) -> (Wire, Wire) {
    let mut client = asking(proxy, connect(origin.address()));
    let served = origin.accept();
    let head = client.head();
    assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
    (client, served)
}

/// Uploads to an origin that has read nothing, of the only client there is, until the proxy itself holds part of it.
/// `sent` bytes are on their way already.
pub fn fill_origin(proxy: &Proxy, client: &mut Wire, served: &Wire, sent: usize) {
    let mut sent = sent as u64;
    let read = || proxy.streams()[0].bytes_in;
    until("full", || {
        for _ in 0..4 {
            // Pieces below those that are spliced: what is held is held in memory.
            client.send([b'u'; 12 * 1024]);
            sent += 12 * 1024;
            let sent_at = Instant::now();
            while read() < sent && sent_at.elapsed() < Duration::from_millis(250) {}
            if read() < sent {
                break;
            }
        }
        let stuck = || {
            let held = read().saturating_sub(taken_by_the_kernel(served));
            held > 8 * 1024 || held > 0 && read() < sent
        };
        // Looked at twice: bytes that change queues meanwhile are missed in both, and those of probes need their time.
        stuck() && !client.comes_within(Duration::from_millis(250)) && stuck()
    });
}
