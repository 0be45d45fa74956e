//! From an authority to a connected socket: resolve, judge every address, race the good ones (RFC 8305).

use std::future::{Future, poll_fn};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Instant, timeout};

use super::socket::UpstreamSocket;
use crate::base::authority::{Authority, Host};
use crate::base::phase::Phase;
use crate::base::reason::Reason;
use crate::net::resolver::Resolver;
use crate::observe::counters::WorkerCounters;
use crate::observe::live::Row;
use crate::policy::destination::{DestinationSettings, Refusal};

/// What a dial needs of its surroundings.
#[derive(Clone, Copy)]
pub struct DialContext<'a> {
    /// Names to addresses.
    pub resolver: &'a Resolver,
    /// Which addresses may be dialled.
    pub destinations: &'a DestinationSettings,
    /// The client connection everything is tied to; none for a connection of the worker itself.
    pub row: Option<&'a Arc<Row>>,
    /// Where connections are counted.
    pub counters: &'a Arc<WorkerCounters>,
    /// To one address.
    pub connect: Duration,
    /// Head start of one address over the next.
    pub head_start: Duration,
}

impl DialContext<'_> {
    fn set_phase(&self, phase: Phase) {
        if let Some(row) = self.row {
            row.set_phase(phase);
        }
    }
}

/// A made connection and what it took.
#[derive(Debug)]
pub struct Dialled {
    /// The connection; reset when dropped, unless told otherwise.
    pub socket: UpstreamSocket,
    /// Time for the name; `None` for an address.
    pub dns: Option<Duration>,
    /// Time for the TCP connect.
    pub connect: Duration,
}

/// Dials `authority`. Dropping the future closes every half-made connection; losers of the race are closed too.
///
/// # Errors
/// The [`Reason`] to answer with: of the name, the guard, or the last address that failed.
pub async fn dial(authority: &Authority, cx: DialContext<'_>) -> Result<Dialled, Reason> {
    let began = Instant::now();
    let (addresses, dns) = match authority.host() {
        Host::Ip(ip) => (vec![*ip], None),
        Host::Name(name) => {
            cx.set_phase(Phase::Resolving);
            let found = cx.resolver.resolve(name).await.map_err(Reason::from)?;
            (found.iter().copied().collect(), Some(began.elapsed()))
        }
    };
    let allowed = judge(&addresses, authority.port(), cx.destinations)?;
    cx.set_phase(Phase::Connecting);
    let began = Instant::now();
    let socket = race(&allowed, cx).await?;
    check_connected(&socket, cx.destinations)?;
    let connect = began.elapsed();
    cx.counters.connect_duration.observe(connect);
    Ok(Dialled { socket, dns, connect })
}

/// The addresses that may be dialled; refused ones are dropped from the set, and an empty set is a refusal.
fn judge(addresses: &[IpAddr], port: u16, destinations: &DestinationSettings) -> Result<Vec<SocketAddr>, Reason> {
    let mut refusal = None;
    let mut allowed = Vec::with_capacity(addresses.len());
    for ip in addresses {
        let address = SocketAddr::new(*ip, port);
        match destinations.judge(address) {
            Ok(()) => allowed.push(address),
            Err(why) => refusal = Some(why),
        }
    }
    match refusal {
        Some(why) if allowed.is_empty() => Err(reason_of(why)),
        _ if allowed.is_empty() => Err(Reason::NameNotFound),
        _ => Ok(allowed),
    }
}

fn reason_of(refusal: Refusal) -> Reason {
    match refusal {
        Refusal::OwnPort => Reason::Loop,
        Refusal::NotPublic => Reason::DestinationDenied,
    }
}

fn check_connected(socket: &UpstreamSocket, destinations: &DestinationSettings) -> Result<(), Reason> {
    let ends = (socket.stream().local_addr(), socket.stream().peer_addr());
    let (Ok(local), Ok(peer)) = ends else { return Err(Reason::ConnectFailed) };
    destinations.judge_connected(local, peer).map_err(reason_of)
}

type Attempt<'a> = Pin<Box<dyn Future<Output = Result<UpstreamSocket, Reason>> + 'a>>;

/// Starts with the first address, gives each the head start over the next, or starts the next at once when one fails.
async fn race(addresses: &[SocketAddr], cx: DialContext<'_>) -> Result<UpstreamSocket, Reason> {
    let mut waiting = addresses.iter();
    let mut running: Vec<Attempt<'_>> = Vec::new();
    let mut last = Reason::ConnectFailed;
    loop {
        match waiting.next() {
            Some(address) => running.push(Box::pin(attempt(*address, cx))),
            None if running.is_empty() => return Err(last),
            None => {}
        }
        let first_done = poll_fn(|task| poll_any(&mut running, task));
        let done = match waiting.len() {
            0 => Some(first_done.await),
            _ => timeout(cx.head_start, first_done).await.ok(),
        };
        match done {
            Some(Ok(socket)) => return Ok(socket),
            Some(Err(reason)) => last = reason,
            None => {}
        }
    }
}

/// The first of the attempts that ended; it is taken out.
fn poll_any(running: &mut Vec<Attempt<'_>>, task: &mut Context<'_>) -> Poll<Result<UpstreamSocket, Reason>> {
    for at in 0..running.len() {
        if let Poll::Ready(done) = running[at].as_mut().poll(task) {
            drop(running.swap_remove(at));
            return Poll::Ready(done);
        }
    }
    Poll::Pending
}

async fn attempt(address: SocketAddr, cx: DialContext<'_>) -> Result<UpstreamSocket, Reason> {
    match timeout(cx.connect, UpstreamSocket::connect(address, cx.row, cx.counters)).await {
        Ok(Ok(socket)) => Ok(socket),
        Ok(Err(fault)) => Err(connect_reason(&fault)),
        Err(_) => Err(Reason::ConnectTimeout),
    }
}

/// What a failed connect is called.
fn connect_reason(fault: &io::Error) -> Reason {
    use rustix::io::Errno;
    match fault.kind() {
        io::ErrorKind::ConnectionRefused => Reason::ConnectRefused,
        io::ErrorKind::TimedOut => Reason::ConnectTimeout,
        io::ErrorKind::AddrNotAvailable | io::ErrorKind::OutOfMemory => Reason::OutOfResources,
        _ => match fault.raw_os_error().map(Errno::from_raw_os_error) {
            Some(Errno::MFILE | Errno::NFILE | Errno::NOBUFS) => Reason::OutOfResources,
            _ => Reason::ConnectFailed,
        },
    }
}
