//! Reading ahead of a client that sends before its turn, within a bound: while its window is open, its FIN can be seen.

use std::task::{Context, Poll};

use tokio::net::TcpStream;

use super::pump::READ_AHEAD;
use super::services::Services;
use crate::base::reason::Reason;
use crate::http::framing::BodyFraming;
use crate::http::method::Method;
use crate::http::request::Request;
use crate::net::socket::poll_recv;

/// What happens to a client that sends more than the read-ahead holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WhenFull {
    /// It pipelines without measure: its connection ends.
    Refuse,
    /// It sends a body that cannot move on yet: its window may close.
    Stop,
}

impl WhenFull {
    /// What follows a head without a body is the next request; what follows others, or a CONNECT, belongs to it.
    pub fn of(request: &Request) -> WhenFull {
        let awaits_more = request.framing != BodyFraming::None || request.method == Method::Connect;
        if awaits_more { WhenFull::Stop } else { WhenFull::Refuse }
    }
}

/// Reads what the client has sent, up to the bound, and registers for more. FIN and RST are left to the tether.
///
/// # Errors
/// [`Reason::ReadAheadFull`] where that is wanted.
pub fn read_ahead(
    client: &TcpStream,
    ahead: &mut Vec<u8>,
    full: WhenFull,
    services: &Services,
    cx: &mut Context<'_>,
) -> Result<(), Reason> {
    loop {
        let room = READ_AHEAD.saturating_sub(ahead.len());
        if room == 0 {
            return if full == WhenFull::Refuse { Err(Reason::ReadAheadFull) } else { Ok(()) };
        }
        let got = services.scratch.with(|scratch| {
            let got = poll_recv(client, cx, &mut scratch[..room]);
            if let Poll::Ready(Ok(count @ 1..)) = got {
                if ahead.capacity() == 0 {
                    *ahead = services.buffers.take();
                }
                ahead.extend_from_slice(&scratch[..count]);
            }
            got
        });
        if !matches!(got, Poll::Ready(Ok(1..))) {
            return Ok(());
        }
    }
}
