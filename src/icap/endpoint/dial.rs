//! From the address of a service to a connected socket.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::{TcpStream, lookup_host};
use tokio::time::timeout;

use super::super::error::ErrorKind;
use crate::base::authority::{Authority, Host};
use crate::net::socket::set_upstream_options;

/// Connects to the first address of `authority` that takes us, each within `limit`, as the lookup of its name.
pub(super) async fn dial(authority: &Authority, limit: Duration) -> Result<TcpStream, ErrorKind> {
    let mut last = ErrorKind::Unresolved;
    for address in addresses(authority, limit).await? {
        match timeout(limit, connect(address)).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(_)) => last = ErrorKind::Unreachable,
            Err(_) => last = ErrorKind::ConnectTimeout,
        }
    }
    Err(last)
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
