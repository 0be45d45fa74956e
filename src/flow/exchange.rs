//! One request to an origin and its response, in order: upstream, request, response head, body, what is left behind.

use std::sync::Arc;

use tokio::time::Instant;

use super::admission;
use super::answer::{linger, refuse};
use super::connect::dial_tied;
use super::inspection::request::{Done, Upload};
use super::inspection::response::Judged;
use super::inspection::{self, Begun, Inspection, changed, page};
use super::pump::Pump;
use super::reuse;
use super::session::{Next, Session};
use super::transfer::{Attempt, Transfer, TransferFault};
use super::tunnel;
use crate::base::authority::Authority;
use crate::base::inspection::ScanMode;
use crate::base::reason::Reason;
use crate::http::framing::BodyFraming;
use crate::http::request::Request;
use crate::http::response::{Response, ResponseKind};
use crate::inspect::plan::Unscanned;
use crate::net::socket::reset_on_drop;
use crate::observe::live::Kind;
use crate::upstream::connection::{Promise, Upstream};
use crate::upstream::rules::reuse_of;
use crate::upstream::settings::Reuse;
use crate::upstream::socket::{OnDrop, UpstreamSocket};

/// Where an upstream connection came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Provenance {
    /// Dialled for this request.
    Fresh,
    /// It lay idle before, and may have been closed since.
    Kept,
}

/// The connection a request goes out on.
struct Chosen {
    upstream: Box<Upstream>,
    provenance: Provenance,
}

/// What goes out on it.
struct Outgoing<'o> {
    head: &'o mut Vec<u8>,
    /// An attempt that came to nothing.
    before: Option<Box<Attempt>>,
    inspection: Option<&'o mut Inspection>,
}

/// What became of one attempt.
enum Tried {
    /// The exchange is over.
    Ended(Next),
    /// There is no answer of the origin's, and nothing of one has gone to the client.
    Failed(Reason),
    /// The connection was dead before it was used: once more, on a fresh one.
    Again(Box<Attempt>),
}

/// Sees one request to its end. `head` is the head as the origin gets it.
pub async fn run(session: &mut Session<'_>, request: &Request, authority: &Arc<Authority>, head: &mut Vec<u8>) -> Next {
    if reuse_of(session.rule.as_deref()) == Reuse::Off {
        reuse::announce_close(request, head);
    }
    match inspection::begin(session, request, authority, head) {
        Ok(Begun::Free) => go(session, request, authority, head, None).await,
        Ok(Begun::Inspected(inspection)) => Box::pin(inspected(session, request, inspection, head)).await,
        Ok(Begun::Fetches(file)) => {
            session.note_scan(|noted| (noted.mode, noted.verdict) = (ScanMode::Whole, file.verdict));
            page::send(session, request, *file, Reason::Done).await
        }
        Err(reason) => refuse(session, Some(request), reason).await,
    }
}

/// As [`run`], once it is known that somebody has to look at the request or at its answer.
async fn inspected(
    session: &mut Session<'_>,
    request: &Request,
    mut inspection: Box<Inspection>,
    head: &mut Vec<u8>,
) -> Next {
    match inspection::request::inspect(session, &mut inspection, request, head).await {
        Ok(Done::GoesOn) => {
            let authority = inspection.authority.clone();
            go(session, request, &authority, head, Some(&mut inspection)).await
        }
        Ok(Done::Answered(answer)) => page::send(session, request, *answer, Reason::ContentBlocked).await,
        Ok(Done::Changed(now)) => match changed::enter(session, request, &mut inspection, head, *now).await {
            Ok(changed) => {
                let authority = inspection.authority.clone();
                go(session, &changed, &authority, head, Some(&mut inspection)).await
            }
            Err(reason) => refuse(session, Some(request), reason).await,
        },
        Err(reason) => refuse_in_the_middle(session, request, reason).await,
    }
}

/// Gets the answer to a request that may go out.
async fn go(
    session: &mut Session<'_>,
    request: &Request,
    authority: &Arc<Authority>,
    head: &mut Vec<u8>,
    mut inspection: Option<&mut Inspection>,
) -> Next {
    let mut kept = reuse::take(session, request, authority);
    let mut before = None;
    loop {
        let chosen = match choose(session, request, authority, kept.take()).await {
            Ok(chosen) => chosen,
            Err(reason) if before.is_some() => return refuse_in_the_middle(session, request, reason).await,
            Err(reason) => return refuse(session, Some(request), reason).await,
        };
        let outgoing = Outgoing { head, before: before.take(), inspection: inspection.as_deref_mut() };
        match attempt(session, request, chosen, outgoing).await {
            Tried::Ended(next) => return next,
            Tried::Failed(reason) => return refuse_in_the_middle(session, request, reason).await,
            Tried::Again(again) => before = Some(again),
        }
    }
}

/// The kept connection, or a fresh one that the limits allow.
async fn choose(
    session: &mut Session<'_>,
    request: &Request,
    authority: &Arc<Authority>,
    kept: Option<Box<Upstream>>,
) -> Result<Chosen, Reason> {
    let (mut upstream, provenance) = match kept {
        Some(upstream) => (upstream, Provenance::Kept),
        None => {
            let socket = dial_tied(session, request, authority).await?;
            (Box::new(Upstream::fresh(socket, authority.clone(), session.began())), Provenance::Fresh)
        }
    };
    if let Err(reason) = admission::admit_address(session, request, &upstream.socket).await {
        upstream.socket.set_on_drop(OnDrop::Close);
        return Err(reason);
    }
    upstream.used_by(session.ledger.exchange());
    if request.framing != BodyFraming::None || request.upgrade.is_some() {
        upstream.unguard();
    }
    if request.binds_upstream {
        upstream.bind();
    }
    Ok(Chosen { upstream, provenance })
}

/// Sends the request on one connection and delivers the response.
async fn attempt(session: &mut Session<'_>, request: &Request, chosen: Chosen, outgoing: Outgoing<'_>) -> Tried {
    let Outgoing { head, before, mut inspection } = outgoing;
    let Chosen { mut upstream, provenance } = chosen;
    let (holding, client, began, patience) = (session.holding, session.client, session.began(), session.patience());
    // Apart from the connection's own memory: an idle connection and a tunnel have none.
    let mut transfer = Box::new(Transfer::new(holding, client, upstream.socket.stream(), request, began, patience));
    if let Some(inspection) = &mut inspection {
        inspection.dialled(session, upstream.socket.address().ip());
        transfer.judge_response();
        if let Some(Upload { pump, held }) = inspection.upload.take() {
            transfer.send_by(pump, held);
        }
    }
    match before {
        Some(before) => transfer.resume(*before),
        None => transfer.send_head(head),
    }
    if provenance == Provenance::Kept && reuse::may_repeat(request) {
        transfer.retain_request(reuse::REPLAYABLE as usize);
    }
    let mut response = match transfer.response(request, &mut session.ahead).await {
        Ok(response) => response,
        Err(TransferFault::Unanswered(reason)) if provenance == Provenance::Kept => {
            let again = transfer.into_attempt();
            upstream.has_failed(&session.services.news.learned, began);
            return repeat(session, again, reason);
        }
        Err(TransferFault::Unanswered(reason) | TransferFault::Failed(reason)) => {
            return Tried::Failed(inspection::stopped(session, &transfer, reason));
        }
    };
    if let Err(reason) = admission::admit_response(session, request, &response).await {
        return Tried::Failed(reason);
    }
    let judged = match inspection {
        Some(ref inspection) if response.kind == ResponseKind::Final => {
            let judged =
                Box::pin(inspection::response::inspect(session, inspection, &mut response, &mut transfer)).await;
            inspection.note_finding(session);
            match judged {
                Ok(judged) => judged,
                Err(reason) if transfer.has_begun() => return Tried::Ended(cut(session, &response, reason)),
                Err(reason) => return Tried::Failed(reason),
            }
        }
        _ => Judged::Goes,
    };
    let delivered = deliver(session, &response, &mut transfer, &upstream.socket, judged).await;
    if let Some(inspection) = inspection {
        inspection.note_end(session, &transfer);
        if let Delivered::Whole { reason: Reason::Done, .. } = delivered {
            inspection.note_whole(session);
        }
    }
    drop(transfer);
    if let Delivered::Refused(reason) = delivered {
        return Tried::Failed(reason);
    }
    if response.binds_upstream {
        upstream.bind();
    }
    Tried::Ended(settle(session, delivered, upstream).await)
}

/// A kept connection died unanswered: the request goes out again if all of it is still at hand.
fn repeat(session: &Session<'_>, again: Option<Box<Attempt>>, reason: Reason) -> Tried {
    let Some(again) = again else { return Tried::Failed(reason) };
    session.services.counters.stale_retries.add(1);
    session.ledger.note(|record| record.retried = true);
    Tried::Again(again)
}

/// A request whose body may be half read cannot leave the connection open behind its refusal.
async fn refuse_in_the_middle(session: &mut Session<'_>, request: &Request, reason: Reason) -> Next {
    let mut request = request.clone();
    request.keep_alive &= request.framing == BodyFraming::None;
    refuse(session, Some(&request), reason).await
}

/// Ends an answer that has begun and must not go on.
fn cut(session: &Session<'_>, response: &Response, reason: Reason) -> Next {
    if !response.ends_by_framing() {
        reset_on_drop(session.client);
    }
    session.ledger.end(reason);
    Next::Close
}

/// How a response was delivered, and what that means for both connections.
enum Delivered {
    /// To its end, at that time, be it a page that tells `reason`. The origin's connection may be used again, or not; the client's goes on, or not.
    Whole { next: Next, reason: Reason, reusable: Option<Promise>, ended: Instant },
    /// Not to its end: the client is cut.
    Cut(Reason),
    /// Not at all: the client can still be told why.
    Refused(Reason),
    /// The connection became a tunnel.
    Switched { surplus: Vec<u8>, to_client: Box<Pump> },
}

async fn deliver(
    session: &mut Session<'_>,
    response: &Response,
    transfer: &mut Transfer<'_>,
    socket: &UpstreamSocket,
    judged: Judged,
) -> Delivered {
    session.ledger.note(|record| record.status = response.status);
    session.ledger.note_first_byte();
    if response.kind == ResponseKind::Switching {
        session.note_switched(Unscanned::WebSocket);
        let (surplus, to_client) = transfer.take_tunnel_parts();
        return Delivered::Switched { surplus, to_client: Box::new(to_client) };
    }
    let sent = match &judged {
        Judged::Goes | Judged::Told(_) => transfer.body(&mut session.ahead).await,
        Judged::Watched(watchers) => Box::pin(inspection::stream::deliver(session, transfer, watchers)).await,
    };
    if let Err(reason) = sent {
        if reason == Reason::ContentCut && !transfer.has_begun() {
            return Delivered::Refused(Reason::ContentBlocked);
        }
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
    let reason = if let Judged::Told(reason) = judged { reason } else { Reason::Done };
    Delivered::Whole { next, reason, reusable: reusable.then_some(promise), ended: transfer.last_moved() }
}

/// Leaves both connections as the delivery says.
async fn settle(session: &mut Session<'_>, delivered: Delivered, upstream: Box<Upstream>) -> Next {
    match delivered {
        Delivered::Whole { next, reason, reusable, ended } => {
            reuse::keep_spare(session, upstream.authority());
            match reusable {
                Some(promise) => reuse::lay_aside(session, upstream, promise, next, ended),
                None => drop(upstream),
            }
            session.ledger.end(reason);
            if next == Next::Close {
                Box::pin(linger(session)).await;
            }
            next
        }
        Delivered::Cut(reason) | Delivered::Refused(reason) => {
            session.ledger.end(reason);
            Next::Close
        }
        Delivered::Switched { surplus, to_client } => {
            session.tether.row().set_kind(Kind::Upgrade);
            Box::pin(tunnel::run(session, upstream.socket, surplus, *to_client)).await
        }
    }
}
