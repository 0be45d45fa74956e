//! One request to an origin and its response, in order: upstream, request, response head, body, what is left behind.

use std::sync::Arc;

use tokio::time::Instant;

use super::admission;
use super::answer::{linger, refuse};
use super::connect::dial_tied;
use super::pump::Pump;
use super::reuse;
use super::session::{Next, Session};
use super::transfer::{Attempt, Transfer, TransferFault};
use super::tunnel;
use crate::base::authority::Authority;
use crate::base::reason::Reason;
use crate::http::framing::BodyFraming;
use crate::http::request::Request;
use crate::http::response::{Response, ResponseKind};
use crate::net::socket::reset_on_drop;
use crate::observe::live::Kind;
use crate::upstream::connection::{Promise, Upstream};
use crate::upstream::rules::reuse_of;
use crate::upstream::settings::{DestinationRule, Reuse};
use crate::upstream::socket::{OnDrop, UpstreamSocket};

/// Where an upstream connection came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Provenance {
    /// Dialled for this request.
    Fresh,
    /// It lay idle before, and may have been closed since.
    Kept,
}

/// Sees one request to its end. `head` is the head as the origin gets it.
pub async fn run(session: &mut Session<'_>, request: &Request, authority: &Arc<Authority>, head: &mut Vec<u8>) -> Next {
    let began = session.began.unwrap_or_else(Instant::now);
    let rule = session.rule.clone();
    let rule = rule.as_deref();
    if reuse_of(rule) == Reuse::Off {
        reuse::announce_close(request, head);
    }
    let mut kept = reuse::take(session, request, authority, rule, began);
    let mut attempt: Option<Box<Attempt>> = None;
    loop {
        let (mut upstream, provenance) = match kept.take() {
            Some(upstream) => (upstream, Provenance::Kept),
            None => match dial_tied(session, request, authority).await {
                Ok(socket) => (Box::new(Upstream::fresh(socket, authority.clone(), began)), Provenance::Fresh),
                Err(reason) if attempt.is_some() => return refuse_in_the_middle(session, request, reason).await,
                Err(reason) => return refuse(session, Some(request), reason).await,
            },
        };
        if let Err(reason) = admission::admit_address(session, request, &upstream.socket).await {
            upstream.socket.set_on_drop(OnDrop::Close);
            drop(upstream);
            return refuse_in_the_middle(session, request, reason).await;
        }
        upstream.used_by(session.ledger.exchange());
        if request.binds_upstream {
            upstream.bind();
        }
        let (services, holding, client) = (session.services, session.holding, session.client);
        let upstream_socket = upstream.socket.stream();
        // Apart from the connection's own memory: an idle connection and a tunnel have none.
        let mut transfer =
            Box::new(Transfer::new(holding, client, upstream_socket, request, began, session.patience()));
        match attempt.take() {
            Some(before) => transfer.resume(*before),
            None => transfer.send_head(head),
        }
        if provenance == Provenance::Kept && reuse::may_repeat(request) {
            transfer.retain_request(reuse::REPLAYABLE as usize);
        }
        match transfer.response(request, &mut session.ahead).await {
            Ok(response) => {
                if let Err(reason) = admission::admit_response(session, request, &response).await {
                    drop(transfer);
                    drop(upstream);
                    return refuse_in_the_middle(session, request, reason).await;
                }
                let delivered = deliver(session, &response, &mut transfer, &upstream.socket).await;
                drop(transfer);
                if response.binds_upstream {
                    upstream.bind();
                }
                return settle(session, delivered, rule, upstream).await;
            }
            Err(TransferFault::Unanswered(reason)) if provenance == Provenance::Kept => {
                attempt = transfer.into_attempt();
                upstream.has_failed(&services.news.learned, began);
                if attempt.is_none() {
                    drop(upstream);
                    return refuse_in_the_middle(session, request, reason).await;
                }
                services.counters.stale_retries.add(1);
                session.ledger.note(|record| record.retried = true);
            }
            Err(TransferFault::Unanswered(reason) | TransferFault::Failed(reason)) => {
                drop(transfer);
                drop(upstream);
                return refuse_in_the_middle(session, request, reason).await;
            }
        }
    }
}

/// A request whose body may be half read cannot leave the connection open behind its refusal.
async fn refuse_in_the_middle(session: &mut Session<'_>, request: &Request, reason: Reason) -> Next {
    let mut request = request.clone();
    request.keep_alive &= request.framing == BodyFraming::None;
    refuse(session, Some(&request), reason).await
}

/// How a response was delivered, and what that means for both connections.
enum Delivered {
    /// To its end, at that time. The origin's connection may be used again, or not; the client's goes on, or not.
    Whole { next: Next, reusable: Option<Promise>, ended: Instant },
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
    let reusable = whole && transfer.is_upstream_clean() && response.upstream_keep_alive;
    let promise =
        Promise { idle_seconds: response.upstream_idle_seconds, requests_left: response.upstream_requests_left };
    Delivered::Whole { next, reusable: reusable.then_some(promise), ended: transfer.last_moved() }
}

/// Leaves both connections as the delivery says.
async fn settle(
    session: &mut Session<'_>,
    delivered: Delivered,
    rule: Option<&DestinationRule>,
    upstream: Box<Upstream>,
) -> Next {
    match delivered {
        Delivered::Whole { next, reusable, ended } => {
            reuse::keep_spare(session.services, upstream.authority(), rule);
            match reusable {
                Some(promise) => reuse::lay_aside(session, upstream, rule, promise, next, ended),
                None => drop(upstream),
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
            Box::pin(tunnel::run(session, upstream.socket, surplus, *to_client)).await
        }
    }
}
