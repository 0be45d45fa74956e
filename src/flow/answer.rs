//! Answers of our own: the error page, what is left of the request body, and a close that lets the page arrive.

use std::time::Duration;

use tokio::time::Instant;

use super::outbox::Outbox;
use super::session::{Next, Session};
use crate::base::phase::Phase;
use crate::base::reason::Reason;
use crate::http::framing::BodyFraming;
use crate::http::method::Method;
use crate::http::reply::{ConnectionFate, PageKind, ReplyBody, ReplyFacts, error_reply};
use crate::http::request::Request;
use crate::net::socket::{poll_recv, reset_on_drop};
use crate::tether::tie::OnFin;

/// A request body this small is read to its end so that the connection can stay.
const DRAINED: u64 = 64 * 1024;
/// How long we wait for such a body.
const DRAIN_TIME: Duration = Duration::from_secs(1);
/// How long a client may take to read its answer before the connection is closed under it.
const LINGER_TIME: Duration = Duration::from_secs(2);
/// How long a client may take to accept the answer itself.
const ANSWER_TIME: Duration = Duration::from_secs(10);

/// Ends the exchange under way with `reason`. Where the reason has a status the client gets a page; otherwise it is cut.
pub async fn refuse(session: &mut Session<'_>, request: Option<&Request>, reason: Reason) -> Next {
    session.ledger.stop();
    // Nothing is done for the request any more: its slots are for others, however long the client takes to read.
    session.holding.release();
    let Some(status) = reason.status() else {
        reset_on_drop(session.client);
        session.ledger.end(reason);
        return Next::Close;
    };
    session.ledger.note(|record| record.status = status);
    session.tether.set_on_fin(OnFin::LeaveToWork);
    let next = Box::pin(answer(session, request, reason)).await;
    session.tether.set_on_fin(session.on_fin());
    session.ledger.end(reason);
    next
}

async fn answer(session: &mut Session<'_>, request: Option<&Request>, reason: Reason) -> Next {
    let drainable = request.filter(|_| !session.services.drain.is_draining()).and_then(drainable);
    let fate = if drainable.is_some() { ConnectionFate::KeepAlive } else { ConnectionFate::Close };
    let sent = send_page(session, request, reason, fate).await;
    match drainable {
        Some(body) if sent && drain_body(session, body).await => Next::Request,
        _ => {
            linger(session).await;
            Next::Close
        }
    }
}

/// The bytes of a request body that are worth reading so that the connection can stay; `None` when it must close.
///
/// Nothing behind a refused CONNECT is read as a request: it was meant for a tunnel (security.md S11).
fn drainable(request: &Request) -> Option<u64> {
    if !request.keep_alive || request.method == Method::Connect || request.expects_continue {
        return None;
    }
    match request.framing {
        BodyFraming::None => Some(0),
        BodyFraming::Length(length) if length <= DRAINED => Some(length),
        _ => None,
    }
}

async fn send_page(
    session: &Session<'_>,
    request: Option<&Request>,
    reason: Reason,
    connection: ConnectionFate,
) -> bool {
    let destination = session.tether.row().destination();
    let limit = session.ledger.limit();
    let head_only = request.is_some_and(|request| request.method == Method::Head);
    let page = error_reply(
        reason,
        &ReplyFacts {
            wants: request.map_or(PageKind::Text, |request| request.page),
            exchange_id: &session.ledger.exchange_id(),
            destination: &destination,
            connection,
            retry_after: limit.as_ref().map(|limit| limit.retry_after),
            rule: limit.as_ref().map_or("", |limit| &limit.rule),
            body: if head_only { ReplyBody::HeadOnly } else { ReplyBody::Full },
        },
    );
    let mut outbox = Outbox::default();
    outbox.buffer(&session.services.buffers).extend_from_slice(&page);
    let (mut sent, ends) = (0, Instant::now() + ANSWER_TIME);
    let flushed = session
        .tether
        .until(|cx| {
            session.tether.waits(Phase::OwnAnswer, ends);
            outbox.poll_flush(session.client, &session.services.buffers, cx, &mut sent)
        })
        .await;
    session.tether.row().moved(std::time::Instant::now(), 0, sent);
    session.services.counters.bytes_to_clients.add(sent);
    matches!(flushed, Ok(Ok(())))
}

/// Reads `left` body bytes and forgets them; false when they do not come in time.
async fn drain_body(session: &mut Session<'_>, mut left: u64) -> bool {
    let read_already = left.min(session.ahead.len() as u64);
    session.ahead.drain(..read_already as usize);
    left -= read_already;
    let ends = Instant::now() + DRAIN_TIME;
    while left > 0 {
        match discard(session, left, ends).await {
            Some(count) => left -= count,
            None => return false,
        }
    }
    true
}

/// Says that we are done, and then reads until the client is too: closing with unread bytes would send RST, and the
/// page would be lost on its way (performance.md A.6).
pub async fn linger(session: &mut Session<'_>) {
    session.holding.release();
    session.tether.set_on_fin(OnFin::LeaveToWork);
    if rustix::net::shutdown(session.client, rustix::net::Shutdown::Write).is_err() {
        return;
    }
    let ends = Instant::now() + LINGER_TIME;
    while discard(session, u64::MAX, ends).await.is_some() {}
}

/// Reads at most `limit` bytes and forgets them; `None` at the end of the stream or of the time.
async fn discard(session: &Session<'_>, limit: u64, ends: Instant) -> Option<u64> {
    let services = session.services;
    let wait = session.tether.until(|cx| {
        session.tether.waits(Phase::OwnAnswer, ends);
        services.scratch.with(|scratch| {
            let room = usize::try_from(limit).unwrap_or(usize::MAX).min(scratch.len());
            poll_recv(session.client, cx, &mut scratch[..room])
        })
    });
    match wait.await {
        Ok(Ok(count @ 1..)) if Instant::now() < ends => Some(count as u64),
        _ => None,
    }
}
