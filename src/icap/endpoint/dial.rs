//! From the address of a service to a connected socket.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::{TcpStream, UnixStream, lookup_host};
use tokio::time::timeout;

use super::super::error::ErrorKind;
use super::super::settings::IcapService;
use super::super::url::Server;
use super::super::wire::Wire;
use crate::base::authority::{Authority, Host};
use crate::net::socket::set_upstream_options;
use crate::tls::connect::{TlsClient, TlsFault};

/// Connects to the servers of one service. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Dialler {
    /// Where a server of the service wants it.
    tls: Option<TlsClient>,
}

impl Dialler {
    /// For the servers of `settings`. Reads the certificates of the machine where they are needed.
    pub fn new(settings: &IcapService) -> Self {
        let mut urls = settings.urls.iter().chain(&settings.standby_urls);
        let wanted = urls.any(|url| matches!(url.server(), Server::Tls(_)));
        Self { tls: wanted.then(|| TlsClient::trusting(&settings.trust).ok()).flatten() }
    }

    /// Connects to the first address of `server` that takes us. Each of its steps has `limit`: the lookup of the name, each
    /// address, and the handshake.
    pub async fn dial(&self, server: &Server, limit: Duration) -> Result<Wire, ErrorKind> {
        match server {
            Server::Tcp(authority) => reach(authority, limit).await.map(Wire::Tcp),
            Server::Tls(authority) => {
                let tls = self.tls.as_ref().ok_or(ErrorKind::Tls)?;
                let stream = reach(authority, limit).await?;
                match timeout(limit, tls.connect(authority.host(), stream)).await {
                    Ok(Ok(stream)) => Ok(Wire::Tls(stream)),
                    Ok(Err(TlsFault::Untrusted)) => Err(ErrorKind::Untrusted),
                    Ok(Err(TlsFault::Handshake)) => Err(ErrorKind::Tls),
                    Err(_) => Err(ErrorKind::ConnectTimeout),
                }
            }
            Server::Unix(path) => within(limit, UnixStream::connect(path)).await.map(Wire::Unix),
        }
    }
}

async fn reach(authority: &Authority, limit: Duration) -> Result<TcpStream, ErrorKind> {
    let mut last = ErrorKind::Unresolved;
    for address in addresses(authority, limit).await? {
        match within(limit, connect(address)).await {
            Ok(stream) => return Ok(stream),
            Err(kind) => last = kind,
        }
    }
    Err(last)
}

async fn within<T>(limit: Duration, connecting: impl Future<Output = io::Result<T>>) -> Result<T, ErrorKind> {
    match timeout(limit, connecting).await {
        Ok(connected) => connected.map_err(|_| ErrorKind::Unreachable),
        Err(_) => Err(ErrorKind::ConnectTimeout),
    }
}

async fn connect(address: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(address).await?;
    set_upstream_options(&stream)?;
    Ok(stream)
}

/// Services are named by whoever configures them, so any address will do.
async fn addresses(authority: &Authority, limit: Duration) -> Result<Vec<SocketAddr>, ErrorKind> {
    match authority.host() {
        Host::Ip(ip) => Ok(vec![SocketAddr::new(*ip, authority.port())]),
        Host::Name(name) => match timeout(limit, lookup_host((&**name, authority.port()))).await {
            Ok(Ok(found)) => Ok(found.collect()),
            _ => Err(ErrorKind::Unresolved),
        },
    }
}
