//! CONNECT: judge the port, show it to services, dial, answer 200, and become a tunnel. Also the dial itself, tied to the client.

use std::sync::Arc;

use tokio::time::Instant;

use super::ahead::{WhenFull, read_ahead};
use super::answer::refuse;
use super::inspection::page;
use super::inspection::tunnel::{Seen, see};
use super::pump::{Pump, ReadAhead};
use super::session::{Next, Session};
use super::{admission, tunnel};
use crate::base::authority::Authority;
use crate::base::phase::Phase;
use crate::base::reason::Reason;
use crate::http::body::BodyFormat;
use crate::http::framing::BodyFraming;
use crate::http::request::Request;
use crate::inspect::plan::Unscanned;
use crate::observe::live::Kind;
use crate::tether::tie::Expired;
use crate::upstream::dial::{DialContext, dial};
use crate::upstream::socket::{OnDrop, UpstreamSocket};

/// The answer to a CONNECT that was dialled (RFC 9110 section 9.3.6).
const ESTABLISHED: &[u8] = b"HTTP/1.1 200 Connection established\r\n\r\n";

/// Opens a tunnel to `authority`, or to where a service sends it. The client hears 200 only once the connection stands.
/// `head` is what it sent, where services are to see that.
pub async fn run(session: &mut Session<'_>, request: &Request, authority: &Arc<Authority>, head: &mut Vec<u8>) -> Next {
    let authority = match judge_and_show(session, request, authority, head).await {
        Ok(Seen::GoesOn) => authority.clone(),
        Ok(Seen::Elsewhere(place)) => place,
        Ok(Seen::Answered(answer)) => {
            return Box::pin(page::send(session, request, *answer, Reason::ContentBlocked)).await;
        }
        Err(reason) => return refuse(session, Some(request), reason).await,
    };
    // A tunnel is held for long: it keeps no buffer.
    session.services.buffers.put(head);
    let socket = match open(session, request, &authority).await {
        Ok(socket) => socket,
        Err(reason) => return refuse(session, Some(request), reason).await,
    };
    session.ledger.note(|record| {
        record.status = 200;
        record.first_byte = Some(record.began.elapsed());
    });
    session.note_switched(Unscanned::Tunnel);
    let mut to_client = Pump::new(BodyFraming::None, BodyFormat::Plain, ReadAhead::No);
    to_client.head_buffer(session.services).extend_from_slice(ESTABLISHED);
    tunnel::run(session, socket, Vec::new(), to_client).await
}

/// Judges where the tunnel goes, has services see it, and judges where they send it.
async fn judge_and_show(
    session: &mut Session<'_>,
    request: &Request,
    authority: &Arc<Authority>,
    head: &[u8],
) -> Result<Seen, Reason> {
    judge(session, request, authority).await?;
    let seen = see(session, authority, head).await?;
    if let Seen::Elsewhere(place) = &seen {
        session.move_to(place);
        judge(session, request, place).await?;
    }
    Ok(seen)
}

/// Judges a tunnel to `authority`, and takes its slots.
async fn judge(session: &mut Session<'_>, request: &Request, authority: &Arc<Authority>) -> Result<(), Reason> {
    if !session.services.policy.load().destinations.connect_ports.contains(authority.port()) {
        return Err(Reason::PortDenied);
    }
    session.tether.row().set_kind(Kind::Tunnel);
    session.find_skips(authority, &[]);
    admission::admit(session, request, authority).await
}

/// Dials, and judges the address that was dialled.
async fn open(session: &mut Session<'_>, request: &Request, authority: &Authority) -> Result<UpstreamSocket, Reason> {
    let socket = dial_tied(session, request, authority).await?;
    if let Err(reason) = admission::admit_address(session, request, &socket).await {
        socket.set_on_drop(OnDrop::Close);
        return Err(reason);
    }
    Ok(socket)
}

/// Dials `authority` for as long as the client is there and the time allows.
///
/// # Errors
/// The [`Reason`] to answer with.
pub async fn dial_tied(
    session: &mut Session<'_>,
    request: &Request,
    authority: &Authority,
) -> Result<UpstreamSocket, Reason> {
    let (services, tether, client) = (session.services, session.tether, session.client);
    let policy = services.policy.load_full();
    let context = DialContext {
        resolver: &services.resolver,
        destinations: &policy.destinations,
        row: Some(tether.row()),
        counters: &services.counters,
        connect: services.timeouts().connect,
        head_start: services.timeouts().connect_head_start,
    };
    let full = WhenFull::of(request);
    tether.waits(Phase::Connecting, Instant::now() + services.timeouts().connect_total);
    let mut dialling = Box::pin(dial(authority, context));
    let wait = tether.until(|cx| {
        read_ahead(client, &mut session.ahead, full, services, cx)?;
        dialling.as_mut().poll(cx)
    });
    let dialled = match wait.await {
        Ok(done) => done?,
        Err(Expired) if tether.row().phase() == Phase::Resolving => return Err(Reason::NameTimeout),
        Err(Expired) => return Err(Reason::ConnectTimeout),
    };
    session.ledger.note(|record| (record.dns, record.connect) = (dialled.dns, Some(dialled.connect)));
    Ok(dialled.socket)
}
