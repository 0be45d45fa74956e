//! Accepting clients: on every worker's own listener, with a hand-over to a worker that has clearly less to do.

use std::cell::RefCell;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rustix::io::Errno;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tracing::warn;

use super::settings::ForwardSettings;
use crate::flow::services::Services;
use crate::flow::session::serve;
use crate::net::socket::set_client_options;
use crate::observe::counters::WorkerCounters;

/// How long accepting rests when the process has no descriptor left.
const BACK_OFF: Duration = Duration::from_millis(50);
/// A worker may have this many connections more than the least loaded one before it hands any over.
const TOLERATED_LEAD: u64 = 4;

/// A client socket on its way to another worker.
#[derive(Debug)]
pub struct HandedOver {
    stream: std::net::TcpStream,
    peer: SocketAddr,
    listener: Arc<ForwardSettings>,
}

/// What the workers know of each other: who has how much, and where to send a socket.
#[derive(Debug)]
pub struct Workers {
    counters: Vec<Arc<WorkerCounters>>,
    inboxes: Vec<mpsc::Sender<HandedOver>>,
    next_id: AtomicU64,
}

impl Workers {
    /// The workers with these counters and inboxes, in the same order.
    pub fn new(counters: Vec<Arc<WorkerCounters>>, inboxes: Vec<mpsc::Sender<HandedOver>>) -> Self {
        Self { counters, inboxes, next_id: AtomicU64::new(1) }
    }

    /// An id for the next connection.
    pub(super) fn next_id(&self) -> u64 {
        self.next_id.fetch_add(1, Ordering::Relaxed)
    }

    /// The worker that should serve the next connection accepted by worker `own`.
    fn choose(&self, own: usize) -> usize {
        let load = |index: usize| self.counters[index].client_connections.get();
        let least = (0..self.counters.len()).min_by_key(|index| load(*index)).unwrap_or(own);
        if load(own) > load(least) + load(least) / 4 + TOLERATED_LEAD { least } else { own }
    }
}

/// One worker's view of accepting.
#[derive(Clone)]
pub struct Acceptor {
    /// Which worker this is.
    pub index: usize,
    /// All workers.
    pub workers: Arc<Workers>,
    /// What this worker's sessions share; a reload puts newer ones in its place.
    pub services: Rc<RefCell<Rc<Services>>>,
}

impl Acceptor {
    /// Accepts on `listener` until the future is dropped. No failure ends it.
    pub async fn run(self, listener: TcpListener, settings: Arc<ForwardSettings>) {
        loop {
            match listener.accept().await {
                Ok((stream, peer)) => self.dispatch(stream, peer, &settings),
                Err(fault) => self.survive(&fault).await,
            }
        }
    }

    /// Serves the sockets that other workers hand over, until the future is dropped.
    pub async fn run_inbox(self, mut inbox: mpsc::Receiver<HandedOver>) {
        while let Some(handed) = inbox.recv().await {
            // A socket that cannot be registered here is closed: the client sees it and tries again.
            match TcpStream::from_std(handed.stream) {
                Ok(stream) => self.serve(stream, handed.peer, handed.listener),
                Err(fault) => self.survive(&fault).await,
            }
        }
    }

    pub(super) fn newest(&self) -> Rc<Services> {
        self.services.borrow().clone()
    }

    fn dispatch(&self, stream: TcpStream, peer: SocketAddr, settings: &Arc<ForwardSettings>) {
        let services = self.newest();
        services.counters.accepted.add(1);
        let chosen = self.workers.choose(self.index);
        if chosen == self.index {
            return self.serve(stream, peer, settings.clone());
        }
        let Ok(stream) = stream.into_std() else { return };
        let handed = HandedOver { stream, peer, listener: settings.clone() };
        match self.workers.inboxes[chosen].try_send(handed) {
            Ok(()) => services.counters.handed_over.add(1),
            Err(mpsc::error::TrySendError::Full(back) | mpsc::error::TrySendError::Closed(back)) => {
                if let Ok(stream) = TcpStream::from_std(back.stream) {
                    self.serve(stream, back.peer, back.listener);
                }
            }
        }
    }

    fn serve(&self, stream: TcpStream, peer: SocketAddr, listener: Arc<ForwardSettings>) {
        // Options fail only on a socket that is dead already; serving it ends at once.
        let _ = set_client_options(&stream);
        let services = self.newest();
        let id = self.workers.next_id();
        let row = services.live.insert(id, peer, listener.name.clone(), &services.nothing);
        // The worker's runtime owns the task; it ends with its client, or with the worker.
        drop(tokio::task::spawn_local(serve(stream, row, services)));
    }

    pub(super) async fn survive(&self, fault: &io::Error) {
        match fault.raw_os_error().map(Errno::from_raw_os_error) {
            // The client left before it was accepted.
            Some(Errno::CONNABORTED | Errno::INTR | Errno::PROTO) => return,
            Some(Errno::MFILE | Errno::NFILE | Errno::NOBUFS | Errno::NOMEM) => {
                if self.newest().counters.accept_exhausted.get().is_multiple_of(20) {
                    warn!(%fault, "no descriptors left: clients wait in the listen queue; raise the limit of open files");
                }
                self.newest().counters.accept_exhausted.add(1);
            }
            _ => {
                warn!(%fault, "a client could not be accepted");
                self.newest().counters.accept_failed.add(1);
            }
        }
        tokio::time::sleep(BACK_OFF).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn workers(loads: &[u64]) -> Workers {
        let counters = loads.iter().map(|load| {
            let counters = Arc::new(WorkerCounters::default());
            counters.client_connections.add(*load);
            counters
        });
        Workers::new(counters.collect(), Vec::new())
    }

    #[test]
    fn only_a_clear_lead_moves_a_connection() {
        assert_eq!(workers(&[0, 0]).choose(1), 1);
        assert_eq!(workers(&[4, 0]).choose(0), 0);
        assert_eq!(workers(&[5, 0]).choose(0), 1);
        assert_eq!(workers(&[120, 100]).choose(0), 0);
        assert_eq!(workers(&[130, 100]).choose(0), 1);
        assert_eq!(workers(&[130, 100, 20]).choose(0), 2);
    }
}
