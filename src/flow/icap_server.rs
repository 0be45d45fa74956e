//! Our ICAP server: one task per connection of another proxy, tied to it. It holds no thread, no file, and of a body at
//! most 48 KiB behind its preview; a stream costs it a few kilobytes for as long as it lives.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::task::Poll;

use tokio::net::TcpStream;

use super::services::Services;
use crate::icap::server::refusal::Refusal;
use crate::icap::server::settings::IcapServerSettings;
use crate::observe::live::Row;
use crate::tether::tie::{OnFin, Tether, tied};

mod account;
mod blocked;
pub mod filter;
mod session;
mod transaction;
mod turns;
mod waits;

use session::Session;

/// One ICAP port, shared by the workers that serve it.
#[derive(Debug)]
pub struct IcapPort {
    /// What is set for it.
    pub settings: IcapServerSettings,
    open: AtomicU32,
}

impl IcapPort {
    /// A port that nobody has connected to yet.
    pub fn new(settings: IcapServerSettings) -> Self {
        Self { settings, open: AtomicU32::new(0) }
    }
}

/// The peer's socket, its place in the live table and in the counts.
struct PeerRow {
    peer: TcpStream,
    row: Arc<Row>,
    services: Rc<Services>,
    port: Arc<IcapPort>,
}

impl Drop for PeerRow {
    fn drop(&mut self) {
        self.row.client_closed();
        self.port.open.fetch_sub(1, Relaxed);
        self.services.counters.icap_server.open.sub(1);
        if std::thread::panicking() {
            self.services.counters.panics.add(1);
        }
    }
}

/// Serves one connection to its end, which is that of its peer at the latest: a FIN at any point is an abort (RFC 3507 has
/// no half-closed clients). The connection counts from this call on, polled or not.
pub fn serve(peer: TcpStream, row: Arc<Row>, services: Rc<Services>, port: Arc<IcapPort>) -> impl Future<Output = ()> {
    services.counters.icap_server.open.add(1);
    let open = port.open.fetch_add(1, Relaxed) + 1;
    let guard = PeerRow { peer, row, services, port };
    async move {
        let services = &*guard.services;
        let _entered = services.drain.enter(poll_fn(|cx| Poll::Ready(cx.waker().clone())).await);
        let tether = Tether::new(guard.row.clone(), OnFin::Cancel);
        let refused = if !guard.port.settings.admits(guard.row.client().ip()) {
            Some(Refusal::Forbidden)
        } else if open > guard.port.settings.max_connections {
            Some(Refusal::Overloaded)
        } else {
            None
        };
        let mut session = Session::new(&guard.peer, services, &guard.port, &tether);
        let mut work = pin!(Some(session.run(refused)));
        // Whichever of both ends first: what was under way counts itself as aborted when it is dropped.
        let _ = tied(&guard.peer, &tether, work.as_mut()).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn size_of_output<A, B, C, D, F>(_: fn(A, B, C, D) -> F) -> usize {
        size_of::<F>()
    }

    /// A held stream costs its task, and every byte of it as often as there are streams.
    #[test]
    fn a_connection_stays_small() {
        let size = size_of_output(serve);
        assert!(size <= 2048, "{size} bytes");
    }
}
