//! One request to an origin and its response, in order: upstream, request, response head, body, what is left behind.

use std::sync::Arc;

use tokio::time::Instant;

use super::answer::{linger, refuse};
use super::connect::dial_tied;
use super::pump::Pump;
use super::session::{Next, Session};
use super::transfer::{Transfer, TransferFault};
use super::tunnel;
use crate::base::authority::Authority;
use crate::base::reason::Reason;
use crate::http::framing::BodyFraming;
use crate::http::request::Request;
use crate::http::response::{Response, ResponseKind};
use crate::net::socket::reset_on_drop;
use crate::observe::live::Kind;
use crate::upstream::kept::{Found, Freshness, keep_for};
use crate::upstream::socket::{OnDrop, UpstreamSocket};

/// Where an upstream connection came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Provenance {
    /// Dialled for this request.
    Fresh,
    /// It has served a request before, and may have been closed since.
    Kept,
}

/// Sees one request to its end. `head` is the head as the origin gets it.
pub async fn run(session: &mut Session<'_>, request: &Request, authority: &Arc<Authority>, head: &mut Vec<u8>) -> Next {
    let began = session.began.unwrap_or_else(Instant::now);
    let mut kept = take_kept(session, request, authority, began);
    loop {
        let (socket, provenance) = match kept.take() {
            Some(socket) => (socket, Provenance::Kept),
            None => match dial_tied(session, request, authority).await {
                Ok(socket) => (socket, Provenance::Fresh),
                Err(reason) => return refuse(session, Some(request), reason).await,
            },
        };
        let (services, holding, client) = (session.services, session.holding, session.client);
        let mut transfer = Transfer::new(holding, client, socket.stream(), request, began, session.patience());
        transfer.send_head(head);
        match transfer.response(request, &mut session.ahead).await {
            Ok(response) => {
                services.buffers.put(head);
                let delivered = deliver(session, &response, &mut transfer, &socket).await;
                drop(transfer);
                return settle(session, delivered, authority, socket).await;
            }
            Err(TransferFault::Unanswered(_)) if provenance == Provenance::Kept && may_repeat(request) => {
                services.counters.stale_retries.add(1);
                session.ledger.note(|record| record.retried = true);
            }
            Err(TransferFault::Unanswered(reason) | TransferFault::Failed(reason)) => {
                drop(transfer);
                drop(socket);
                return refuse_in_the_middle(session, request, reason).await;
            }
        }
    }
}

/// A kept connection fit for this request. What must not be sent twice goes only on one that is just proven.
fn take_kept(
    session: &mut Session<'_>,
    request: &Request,
    authority: &Authority,
    now: Instant,
) -> Option<UpstreamSocket> {
    let freshness = if may_repeat(request) { Freshness::Any } else { Freshness::JustProven };
    match session.kept.take(authority, freshness, now) {
        Found::Ready(socket) => {
            socket.set_on_drop(OnDrop::Reset);
            session.services.counters.upstream_reused.add(1);
            session.ledger.note(|record| record.upstream_reused = true);
            Some(socket)
        }
        Found::Stale => {
            session.services.counters.upstream_stale.add(1);
            None
        }
        Found::Nothing => None,
    }
}

/// Whether the request may be sent again: once more does no harm, and there is no body that is gone by then.
fn may_repeat(request: &Request) -> bool {
    request.method.is_idempotent() && request.framing == BodyFraming::None
}

/// A request whose body may be half read cannot leave the connection open behind its refusal.
async fn refuse_in_the_middle(session: &mut Session<'_>, request: &Request, reason: Reason) -> Next {
    let mut request = request.clone();
    request.keep_alive &= request.framing == BodyFraming::None;
    refuse(session, Some(&request), reason).await
}

/// How a response was delivered, and what that means for both connections.
enum Delivered {
    /// To its end. The origin's connection may be used again until then; the client's goes on, or not.
    Whole { next: Next, keep_until: Option<Instant> },
    /// Not to its end: the client is cut.
    Cut(Reason),
    /// The connection became a tunnel.
    Switched { surplus: Vec<u8>, to_client: Box<Pump> },
}

async fn deliver(
    session: &mut Session<'_>,
    response: &Response,
    transfer: &mut Transfer<'_>,
    socket: &UpstreamSocket,
) -> Delivered {
    session.ledger.note(|record| {
        record.status = response.status;
        record.first_byte = Some(record.began.elapsed());
    });
    if response.kind == ResponseKind::Switching {
        let (surplus, to_client) = transfer.take_tunnel_parts();
        return Delivered::Switched { surplus, to_client: Box::new(to_client) };
    }
    if let Err(reason) = transfer.body(&mut session.ahead).await {
        if !response.ends_by_framing() {
            // Only a reset tells this client that the body is not whole (RFC 9112 section 8).
            reset_on_drop(session.client);
        }
        return Delivered::Cut(reason);
    }
    let whole = transfer.is_request_sent();
    if whole {
        socket.set_on_drop(OnDrop::Close);
    }
    let next = if whole && response.client_keep_alive { Next::Request } else { Next::Close };
    let reusable = next == Next::Request && transfer.is_upstream_clean() && response.upstream_keep_alive;
    let setting = session.services.timeouts().upstream_idle;
    let keep = if reusable { keep_for(setting, response.upstream_idle_seconds) } else { None };
    Delivered::Whole { next, keep_until: keep.map(|time| transfer.last_moved() + time) }
}

/// Leaves both connections as the delivery says.
async fn settle(
    session: &mut Session<'_>,
    delivered: Delivered,
    authority: &Arc<Authority>,
    socket: UpstreamSocket,
) -> Next {
    match delivered {
        Delivered::Whole { next, keep_until } => {
            match keep_until {
                Some(until) => session.kept.put(socket, authority.clone(), Instant::now(), until),
                None => drop(socket),
            }
            session.ledger.end(Reason::Done);
            if next == Next::Close {
                Box::pin(linger(session)).await;
            }
            next
        }
        Delivered::Cut(reason) => {
            session.ledger.end(reason);
            Next::Close
        }
        Delivered::Switched { surplus, to_client } => {
            session.tether.row().set_kind(Kind::Upgrade);
            Box::pin(tunnel::run(session, socket, surplus, *to_client)).await
        }
    }
}
