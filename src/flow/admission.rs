//! Before anything is done for a request: is there a slot for it? If not, it is refused, or waits its turn.

use std::sync::Arc;
use std::task::Poll;

use super::ahead::{WhenFull, read_ahead};
use super::holding::Event;
use super::session::Session;
use crate::base::authority::Authority;
use crate::base::phase::Phase;
use crate::base::reason::Reason;
use crate::http::push::Push;
use crate::http::request::Request;
use crate::http::response::{Response, ResponseKind};
use crate::limits::guard::Guard;
use crate::limits::ticket::Ticket;
use crate::upstream::socket::UpstreamSocket;

/// Takes the slots of a request to `authority`; waits for them where the rules say so.
///
/// # Errors
/// The [`Reason`] to refuse it.
pub async fn admit(session: &mut Session<'_>, request: &Request, authority: &Arc<Authority>) -> Result<(), Reason> {
    if let Some(ticket) = session.holding.admit(authority, session.began())? {
        let guard = Box::pin(queue(session, request, ticket)).await?;
        session.holding.keep_exchange(guard);
    }
    match request.push {
        // Where rules go by the address, a stream is judged once it is known.
        Push::Declared if !session.holding.counts_addresses() => Box::pin(stream(session, request)).await,
        Push::Declared | Push::Unsaid => Ok(()),
    }
}

/// Judges the address that `socket` is connected to, where rules go by addresses.
///
/// # Errors
/// The [`Reason`] to refuse the request.
pub async fn admit_address(
    session: &mut Session<'_>,
    request: &Request,
    socket: &UpstreamSocket,
) -> Result<(), Reason> {
    if !session.holding.counts_addresses() {
        return Ok(());
    }
    if let Some(ticket) = session.holding.admit_address(socket.address().ip())? {
        let guard = Box::pin(queue(session, request, ticket)).await?;
        session.holding.keep_address(guard);
    }
    Ok(())
}

/// Judges a response whose head has come: a push stream needs the slot of one before its first byte goes out.
///
/// # Errors
/// The [`Reason`] to answer with instead.
pub async fn admit_response(session: &mut Session<'_>, request: &Request, response: &Response) -> Result<(), Reason> {
    match (response.push, response.kind) {
        (Push::Declared, _) | (_, ResponseKind::Switching) => Box::pin(stream(session, request)).await,
        (Push::Unsaid, _) if request.push == Push::Declared => {
            session.holding.release_stream(session.began());
            Ok(())
        }
        _ => Ok(()),
    }
}

/// Waits in the queue of the limit that is reached. A client that leaves takes its place in the queue with it.
async fn queue(session: &mut Session<'_>, request: &Request, mut ticket: Ticket) -> Result<Guard, Reason> {
    let (services, client, full) = (session.services, session.client, WhenFull::of(request));
    loop {
        session.tether.waits(Phase::Queued, ticket.deadline().into());
        let ahead = &mut session.ahead;
        let wait = session.tether.until(|cx| {
            read_ahead(client, ahead, full, services, cx)?;
            ticket.poll(cx).map(Ok)
        });
        return match wait.await {
            Ok(Ok(Ok(guard))) => Ok(guard),
            Ok(Ok(Err(refusal))) => Err(session.holding.refused(&refusal)),
            Ok(Err(reason)) => Err(reason),
            Err(_) if std::time::Instant::now() < ticket.deadline() => continue,
            Err(_) => Err(session.holding.refused(&ticket.give_up())),
        };
    }
}

/// Takes the slot of a stream; waits for it where the rules say so.
async fn stream(session: &mut Session<'_>, request: &Request) -> Result<(), Reason> {
    session.holding.admit_stream()?;
    let (services, client, full) = (session.services, session.client, WhenFull::of(request));
    while let Some(deadline) = session.holding.waits_until() {
        session.tether.waits(Phase::Queued, deadline);
        let (ahead, holding) = (&mut session.ahead, session.holding);
        let wait = session.tether.until(|cx| {
            read_ahead(client, ahead, full, services, cx)?;
            holding.poll(Event::Between, cx)?;
            if holding.waits_until().is_some() { Poll::Pending } else { Poll::Ready(Ok(())) }
        });
        // A deadline that has passed is told by the next look at the ticket.
        if let Ok(done) = wait.await {
            return done;
        }
    }
    Ok(())
}
