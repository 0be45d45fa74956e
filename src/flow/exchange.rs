//! One request to an origin and its response, in order: upstream, request, response head, body, what is left behind.

use std::sync::Arc;

use tokio::time::Instant;

use super::answer::{linger, refuse};
use super::connect::dial_tied;
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
pub async fn run(session: &mut Session<'_>, request: Request, authority: Arc<Authority>, mut head: Vec<u8>) -> Next {
    let began = session.began.unwrap_or_else(Instant::now);
    let mut found = take_kept(session, &request, &authority, began);
    loop {
        let (socket, provenance) = match found {
            Some(socket) => (socket, Provenance::Kept),
            None => match dial_tied(session, &request, &authority).await {
                Ok(socket) => (socket, Provenance::Fresh),
                Err(reason) => return refuse(session, Some(&request), reason).await,
            },
        };
        let mut transfer =
            Transfer::new(session.services, session.tether, session.client, socket.stream(), &request, began);
        transfer.send_head(&head);
        match transfer.response(&request, &mut session.ahead).await {
            Ok(response) => {
                session.services.buffers.put(&mut head);
                let sent = Sent { authority, response };
                return deliver(session, sent, transfer, &socket).await.settle(session, socket).await;
            }
            Err(TransferFault::Unanswered(_)) if provenance == Provenance::Kept && may_repeat(&request) => {
                session.services.counters.stale_retries.add(1);
                session.ledger.note(|record| record.retried = true);
                found = None;
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
async fn refuse_in_the_middle(session: &mut Session<'_>, mut request: Request, reason: Reason) -> Next {
    request.keep_alive &= request.framing == BodyFraming::None;
    refuse(session, Some(&request), reason).await
}

/// Where a request went, and the head of its response.
struct Sent {
    authority: Arc<Authority>,
    response: Response,
}

/// How a response was delivered, and what that means for both connections.
enum Delivered {
    /// To its end. The origin's connection may be kept for this long; the client's may go on.
    Whole { next: Next, keep: Option<Kept> },
    /// Not to its end: the client is cut.
    Cut(Reason),
    /// The connection became a tunnel.
    Switched { surplus: Vec<u8>, pump: super::pump::Pump },
}

/// An upstream connection that may be used again.
struct Kept {
    authority: Arc<Authority>,
    expires: Instant,
}

async fn deliver(
    session: &mut Session<'_>,
    sent: Sent,
    mut transfer: Transfer<'_>,
    socket: &UpstreamSocket,
) -> Delivered {
    let response = sent.response;
    session.ledger.note(|record| {
        record.status = response.status;
        record.first_byte = Some(record.began.elapsed());
    });
    if response.kind == ResponseKind::Switching {
        let (surplus, pump) = transfer.into_tunnel_parts();
        return Delivered::Switched { surplus, pump };
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
    let reusable = whole && transfer.is_upstream_clean() && response.upstream_keep_alive;
    let keep =
        if reusable { keep_for(session.services.timeouts.upstream_idle, response.upstream_idle_seconds) } else { None };
    let keep = keep.map(|time| Kept { authority: sent.authority, expires: transfer.last_moved() + time });
    let next = if whole && response.client_keep_alive { Next::Request } else { Next::Close };
    Delivered::Whole { next, keep }
}

impl Delivered {
    /// Leaves both connections as the delivery says.
    async fn settle(self, session: &mut Session<'_>, socket: UpstreamSocket) -> Next {
        match self {
            Delivered::Whole { next, keep } => {
                match keep {
                    Some(keep) => {
                        let now = Instant::now();
                        session.kept.put(socket, keep.authority, now, keep.expires);
                    }
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
            Delivered::Switched { surplus, pump } => {
                session.tether.row().set_kind(Kind::Upgrade);
                Box::pin(tunnel::run(session, socket, surplus, pump)).await
            }
        }
    }
}
