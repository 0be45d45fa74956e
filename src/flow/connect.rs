//! CONNECT: judge the port, dial, answer 200, and become a tunnel. Also the dial itself, tied to the client.

use std::sync::Arc;

use tokio::time::Instant;

use super::ahead::{WhenFull, read_ahead};
use super::answer::refuse;
use super::pump::{Pump, ReadAhead};
use super::session::{Next, Session};
use super::{admission, tunnel};
use crate::base::authority::Authority;
use crate::base::phase::Phase;
use crate::base::reason::Reason;
use crate::http::body::BodyFormat;
use crate::http::framing::BodyFraming;
use crate::http::request::Request;
use crate::observe::live::Kind;
use crate::tether::tie::Expired;
use crate::upstream::dial::{DialContext, dial};
use crate::upstream::socket::{OnDrop, UpstreamSocket};

/// The answer to a CONNECT that was dialled (RFC 9110 section 9.3.6).
const ESTABLISHED: &[u8] = b"HTTP/1.1 200 Connection established\r\n\r\n";

/// Opens a tunnel to `authority`. The client hears 200 only once the connection stands.
pub async fn run(session: &mut Session<'_>, request: &Request, authority: &Arc<Authority>) -> Next {
    if !session.services.policy.load().destinations.connect_ports.contains(authority.port()) {
        return refuse(session, Some(request), Reason::PortDenied).await;
    }
    session.tether.row().set_kind(Kind::Tunnel);
    session.find_skips(authority, &[]);
    if let Err(reason) = admission::admit(session, request, authority).await {
        return refuse(session, Some(request), reason).await;
    }
    let socket = match dial_tied(session, request, authority).await {
        Ok(socket) => socket,
        Err(reason) => return refuse(session, Some(request), reason).await,
    };
    if let Err(reason) = admission::admit_address(session, request, &socket).await {
        socket.set_on_drop(OnDrop::Close);
        drop(socket);
        return refuse(session, Some(request), reason).await;
    }
    session.ledger.note(|record| {
        record.status = 200;
        record.first_byte = Some(record.began.elapsed());
    });
    let mut to_client = Pump::new(BodyFraming::None, BodyFormat::Plain, ReadAhead::No);
    to_client.head_buffer(session.services).extend_from_slice(ESTABLISHED);
    tunnel::run(session, socket, Vec::new(), to_client).await
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
