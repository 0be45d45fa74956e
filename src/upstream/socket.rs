//! The socket to an origin. It is counted in its own construction and drop, so that what is open is measured.

use std::cell::Cell;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::{TcpSocket, TcpStream};

use crate::net::socket::{reset_on_drop, set_upstream_options};
use crate::observe::counters::WorkerCounters;
use crate::observe::live::Row;

/// Counts one upstream socket for as long as it lives.
#[derive(Debug)]
struct Counted {
    /// The client it is tied to; none while it belongs to the worker.
    row: Option<Arc<Row>>,
    counters: Arc<WorkerCounters>,
}

impl Counted {
    fn new(row: Option<&Arc<Row>>, counters: &Arc<WorkerCounters>) -> Self {
        counters.upstream_opened.add(1);
        counters.upstream_open.add(1);
        let mut counted = Self { row: None, counters: counters.clone() };
        counted.tie(row);
        counted
    }

    fn tie(&mut self, row: Option<&Arc<Row>>) {
        if let Some(row) = row {
            row.upstream_opened();
        }
        if let Some(before) = std::mem::replace(&mut self.row, row.cloned()) {
            before.upstream_closed();
        }
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.counters.upstream_open.sub(1);
        self.tie(None);
    }
}

/// What happens to the connection when the socket is dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnDrop {
    /// RST: what is under way is void, unsent bytes included.
    Reset,
    /// FIN: everything was said.
    Close,
}

/// A connection to an origin, tied to the client connection of its row, or to none while the worker has it. Dropped in
/// the middle of an exchange it is reset, so that the origin learns of it at once.
#[derive(Debug)]
pub struct UpstreamSocket {
    // Dropped before `counted`: a socket is open until the kernel has closed it.
    stream: TcpStream,
    on_drop: Cell<OnDrop>,
    address: SocketAddr,
    counted: Counted,
}

impl UpstreamSocket {
    /// Connects to exactly `address`. Dropping the future closes the half-made connection.
    ///
    /// # Errors
    /// What the kernel says.
    pub async fn connect(
        address: SocketAddr,
        row: Option<&Arc<Row>>,
        counters: &Arc<WorkerCounters>,
    ) -> io::Result<Self> {
        let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
        let counted = Counted::new(row, counters);
        let stream = socket.connect(address).await?;
        set_upstream_options(&stream)?;
        Ok(Self { stream, on_drop: Cell::new(OnDrop::Reset), address, counted })
    }

    /// The socket itself.
    pub fn stream(&self) -> &TcpStream {
        &self.stream
    }

    /// The address it is connected to.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Says how the connection ends when this is dropped; at first it is a reset.
    pub fn set_on_drop(&self, on_drop: OnDrop) {
        self.on_drop.set(on_drop);
    }

    /// Ties the connection to another client, or to none: it is the worker's then.
    pub fn tie(&mut self, row: Option<&Arc<Row>>) {
        self.counted.tie(row);
    }

    /// Where this connection is counted.
    pub fn counters(&self) -> &WorkerCounters {
        &self.counted.counters
    }
}

impl Drop for UpstreamSocket {
    fn drop(&mut self) {
        if self.on_drop.get() == OnDrop::Reset {
            reset_on_drop(&self.stream);
        }
    }
}
