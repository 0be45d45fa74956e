//! Two sockets joined: CONNECT tunnels and upgraded connections. A FIN is passed on, a reset ends both sides.

use std::future::Future;
use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};

use rustix::net::Shutdown;
use tokio::net::TcpStream;
use tokio::time::Instant;

use super::holding::{Event, Holding, Pace, in_answer};
use super::pump::{Ends, Pump, PumpFault, ReadAhead};
use super::services::Services;
use super::session::{Next, Session};
use super::settings::Patience;
use crate::base::phase::Phase;
use crate::base::reason::Reason;
use crate::http::body::BodyFormat;
use crate::http::framing::BodyFraming;
use crate::net::socket::reset_on_drop;
use crate::observe::ends::{Closer, How, Manner};
use crate::policy::half_close::{HalfClose, HalfCloseClock, ServerFin};
use crate::tether::hangup::reset;
use crate::tether::tie::{OnFin, Tether};
use crate::upstream::socket::{OnDrop, UpstreamSocket};

/// One direction of a tunnel.
struct Direction {
    pump: Pump,
    closed: bool,
}

/// A tunnel on its way.
struct Tunnel<'a> {
    services: &'a Services,
    tether: &'a Tether,
    holding: &'a Holding<'a>,
    half_close: HalfClose,
    patience: Patience,
    client: &'a TcpStream,
    upstream: &'a TcpStream,
    up: Direction,
    down: Direction,
    /// Bytes of the client read before the tunnel stood.
    early: Vec<u8>,
    /// Bytes of the origin read with the head of its switch.
    surplus: Vec<u8>,
    active: Instant,
    /// Since when one direction has ended and the other is waited for.
    half_closed: Option<Instant>,
    told: (u64, u64),
}

/// Joins the client and `socket` until both directions have ended. `to_client` holds what the client gets first.
pub async fn run(session: &mut Session<'_>, socket: UpstreamSocket, surplus: Vec<u8>, mut to_client: Pump) -> Next {
    session.tether.set_on_fin(OnFin::LeaveToWork);
    to_client.set_body(BodyFraming::UntilClose, BodyFormat::Plain);
    let to_origin = Pump::new(BodyFraming::UntilClose, BodyFormat::Plain, ReadAhead::No);
    let told = (to_origin.received, to_client.sent);
    let mut tunnel = Tunnel {
        services: session.services,
        tether: session.tether,
        holding: session.holding,
        half_close: session.half_close,
        patience: session.patience(),
        client: session.client,
        upstream: socket.stream(),
        up: Direction { pump: to_origin, closed: false },
        down: Direction { pump: to_client, closed: false },
        early: std::mem::take(&mut session.ahead),
        surplus,
        active: Instant::now(),
        half_closed: None,
        told,
    };
    let reason = tunnel.run().await;
    match reason {
        Reason::Done | Reason::TunnelIdle | Reason::TunnelHalfClose => socket.set_on_drop(OnDrop::Close),
        _ => reset_on_drop(session.client),
    }
    drop(socket);
    session.ledger.end(reason);
    Next::Close
}

impl Tunnel<'_> {
    async fn run(&mut self) -> Reason {
        let tether = self.tether;
        // The origin's reset must end the tunnel even while the client takes nothing and the origin is not read.
        let mut upstream_reset = pin!(reset(self.upstream));
        match tether.until(|cx| self.poll(upstream_reset.as_mut(), cx)).await {
            Ok(reason) => reason,
            Err(_) if self.half_closed.is_some() => Reason::TunnelHalfClose,
            Err(_) => Reason::TunnelIdle,
        }
    }

    fn poll(&mut self, upstream_reset: Pin<&mut impl Future<Output = ()>>, cx: &mut Context<'_>) -> Poll<Reason> {
        if upstream_reset.poll(cx).is_ready() {
            return Poll::Ready(Reason::TunnelUpstreamReset);
        }
        if let Err(reason) = self.holding.poll(Event::Between, cx) {
            return Poll::Ready(in_answer(reason));
        }
        match self.holding.pace() {
            Pace::Free => {}
            Pace::AtMost(bytes) => {
                self.up.pump.set_turn(bytes);
                self.down.pump.set_turn(bytes);
            }
            Pace::NotBefore(until) => {
                self.tether.attend(until);
                self.tether.waits(Phase::Throttled, until + self.patience.stream_idle);
                return Poll::Pending;
            }
        }
        let up = Ends { source: self.client, ahead: &mut self.early, sink: self.upstream };
        if let Err(fault) = self.up.poll(up, self.services, cx) {
            return Poll::Ready(reason_of(&fault, Reason::ClientReset, Reason::TunnelUpstreamReset));
        }
        let down = Ends { source: self.upstream, ahead: &mut self.surplus, sink: self.client };
        if let Err(fault) = self.down.poll(down, self.services, cx) {
            return Poll::Ready(reason_of(&fault, Reason::TunnelUpstreamReset, Reason::ClientReset));
        }
        self.note_moved();
        let ended = self.up.closed || self.down.closed;
        if ended && self.half_closed.is_none() {
            // The wait for the other half begins now, however long the tunnel was silent before.
            self.active = Instant::now();
            self.half_closed = Some(self.active);
            let closer = if self.up.closed { Closer::Client } else { Closer::Upstream };
            self.holding.ledger().note(|record| record.first_close = Some(How { closer, manner: Manner::Fin }));
        }
        let server_ends_it = self.down.closed && self.half_close.on_server_fin == Some(ServerFin::Close);
        if self.down.closed && (self.up.closed || server_ends_it) {
            return Poll::Ready(Reason::Done);
        }
        self.tether.waits(Phase::Tunnel, self.ends());
        Poll::Pending
    }

    /// When it ends if nothing moves until then.
    fn ends(&self) -> Instant {
        let Some(since) = self.half_closed else { return self.active + self.patience.stream_idle };
        let from = match self.half_close.clock() {
            HalfCloseClock::FirstFin => since,
            HalfCloseClock::Silence => self.active,
        };
        from + self.half_close.limit_or(self.services.timeouts().half_close_tunnel)
    }

    fn note_moved(&mut self) {
        let now = (self.up.pump.received, self.down.pump.sent);
        if now == self.told {
            return;
        }
        self.active = Instant::now();
        let (from_client, to_client) = (now.0 - self.told.0, now.1 - self.told.1);
        self.told = now;
        self.tether.row().moved(self.active.into_std(), from_client, to_client);
        self.services.counters.bytes_from_clients.add(from_client);
        self.services.counters.bytes_to_clients.add(to_client);
        self.holding.spend(from_client + to_client);
    }
}

impl Direction {
    /// Moves bytes; at the end of the source the sink is told by a FIN of ours.
    fn poll(&mut self, ends: Ends<'_>, services: &Services, cx: &mut Context<'_>) -> Result<(), PumpFault> {
        if self.closed {
            return Ok(());
        }
        let sink = ends.sink;
        if self.pump.poll(ends, services, cx)?.is_ready() {
            self.closed = true;
            rustix::net::shutdown(sink, Shutdown::Write).map_err(|fault| PumpFault::Sink(io::Error::from(fault)))?;
        }
        Ok(())
    }
}

fn reason_of(fault: &PumpFault, source: Reason, sink: Reason) -> Reason {
    match fault {
        PumpFault::Sink(_) => sink,
        _ => source,
    }
}
