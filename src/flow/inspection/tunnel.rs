//! A CONNECT that services see before anything is dialled: the tunnel itself is seen by nobody.

use std::sync::Arc;

use super::ask::{Replaced, clients};
use super::request::{Done, asked};
use crate::base::authority::Authority;
use crate::base::inspection::Verdict;
use crate::base::reason::Reason;
use crate::flow::session::Session;
use crate::icap::body::NoBody;
use crate::icap::client::IcapClient;
use crate::icap::message::Message;
use crate::icap::settings::IcapMethod;
use crate::inspect::book::Whose;
use crate::inspect::course::Direction;
use crate::policy::bypass::skips::Skip;

/// What became of a CONNECT.
pub enum Seen {
    /// It goes on.
    GoesOn,
    /// It goes on to another place, which is not judged yet.
    Elsewhere(Arc<Authority>),
    /// A service has answered it.
    Answered(Box<Replaced>),
}

/// Whether services are to see a CONNECT to `authority`. Allocates nothing where none is.
pub fn is_seen(session: &Session<'_>, authority: &Authority) -> bool {
    !services(session, authority).is_empty()
}

/// Shows a CONNECT to the services of its course. `head` is what the client sent, or nothing where that is not at hand.
///
/// # Errors
/// The [`Reason`] to refuse it.
pub async fn see(session: &Session<'_>, authority: &Arc<Authority>, head: &[u8]) -> Result<Seen, Reason> {
    let services = services(session, authority);
    if services.is_empty() {
        return Ok(Seen::GoesOn);
    }
    if session.skips.contains(Skip::Scan) {
        return Ok(Seen::GoesOn);
    }
    let message = Message::connect(authority, head).map_err(|_| Reason::ScannerFailed)?;
    let done = Box::pin(asked(session, &services, message, &mut NoBody)).await?;
    let seen = match done {
        Done::GoesOn => Seen::GoesOn,
        Done::Answered(answer) if looks_like_a_tunnel(&answer) => return Err(Reason::ContentBlocked),
        Done::Answered(answer) => return Ok(Seen::Answered(answer)),
        Done::Changed(now) => changed(authority, &now)?,
    };
    if let Seen::Elsewhere(_) = &seen {
        session.note_scan(|noted| noted.verdict = Verdict::Modified);
    }
    Ok(seen)
}

/// The services that see it, in their order. It has no body and is of no kind, so where it goes decides.
fn services(session: &Session<'_>, authority: &Authority) -> Vec<Arc<IcapClient>> {
    let policy = session.services.policy.load();
    let inspect = &policy.inspect;
    if inspect.book.is_off() {
        return Vec::new();
    }
    let whose = Whose { authority, source: session.source(), direction: Direction::Request };
    clients(inspect, &inspect.book.course_of_request(whose), IcapMethod::Reqmod)
}

/// Behind a 2xx the client takes what comes for the words of the origin (RFC 9110 section 9.3.6).
fn looks_like_a_tunnel(answer: &Replaced) -> bool {
    answer.head.status().is_some_and(|status| (200..300).contains(&status))
}

/// Where the CONNECT goes that a service has put in the place of another.
fn changed(before: &Authority, now: &Replaced) -> Result<Seen, Reason> {
    let place = now.head.connect_target().map_err(|_| Reason::ScannerFailed)?;
    match now.body.len() {
        0 if place.text() == before.text() => Ok(Seen::GoesOn),
        0 => Ok(Seen::Elsewhere(Arc::new(place))),
        _ => Err(Reason::ScannerFailed),
    }
}
