//! Accepting other proxies on the ports of our ICAP server.

use std::sync::Arc;

use tokio::net::{TcpListener, TcpStream};

use super::accept::Acceptor;
use crate::flow::icap_server::{IcapPort, serve};
use crate::net::socket::set_client_options;

impl Acceptor {
    /// Accepts on an ICAP port until the future is dropped. No failure ends it. The kernel spreads connections over the
    /// workers; they are long-lived and few, so none is handed on.
    pub async fn run_icap(self, listener: TcpListener, port: Arc<IcapPort>) {
        loop {
            match listener.accept().await {
                Ok((stream, peer)) => self.serve_icap(stream, peer, &port),
                Err(fault) => self.survive(&fault).await,
            }
        }
    }

    fn serve_icap(&self, stream: TcpStream, peer: std::net::SocketAddr, port: &Arc<IcapPort>) {
        // Options fail only on a socket that is dead already; serving it ends at once.
        let _ = set_client_options(&stream);
        let services = self.newest();
        let row = services.live.insert(self.workers.next_id(), peer, port.settings.name.clone(), &services.nothing);
        // The worker's runtime owns the task; it ends with its peer, or with the worker.
        drop(tokio::task::spawn_local(serve(stream, row, services, port.clone())));
    }
}
