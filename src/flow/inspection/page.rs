//! An answer at hand in the place of an origin's, on its way to the client: of a service that stopped the request, or a file
//! that was held.

use tokio::time::Instant;

use super::ask::Replaced;
use super::held::{Ending, Held};
use crate::base::phase::Phase;
use crate::base::reason::Reason;
use crate::flow::answer::linger;
use crate::flow::pump::{Pump, ReadAhead};
use crate::flow::session::{Next, Session};
use crate::http::body::BodyFormat;
use crate::http::framing::BodyFraming;
use crate::http::method::Method;
use crate::http::reply::ConnectionFate;
use crate::http::request::Request;
use crate::net::socket::reset_on_drop;
use crate::tether::tie::OnFin;

/// Sends `answer` and ends the exchange for `reason`. All of the request is read.
pub async fn send(session: &mut Session<'_>, request: &Request, answer: Replaced, reason: Reason) -> Next {
    session.ledger.stop();
    session.holding.release();
    let status = answer.head.status().unwrap_or(403);
    session.ledger.note(|record| record.status = status);
    session.tether.set_on_fin(OnFin::LeaveToWork);
    // What stands behind a CONNECT was meant for a tunnel, and is not read as a request (security.md S11).
    let stays = request.keep_alive && request.method != Method::Connect && !session.services.drain.is_draining();
    let fate = if stays { ConnectionFate::KeepAlive } else { ConnectionFate::Close };
    let sent = Box::pin(send_all(session, request, answer, fate)).await;
    session.tether.set_on_fin(session.on_fin());
    session.ledger.end(sent.err().unwrap_or(reason));
    match (sent, fate) {
        (Ok(()), ConnectionFate::KeepAlive) => Next::Request,
        (Ok(()), ConnectionFate::Close) => {
            linger(session).await;
            Next::Close
        }
        (Err(_), _) => {
            reset_on_drop(session.client);
            Next::Close
        }
    }
}

async fn send_all(
    session: &Session<'_>,
    request: &Request,
    answer: Replaced,
    fate: ConnectionFate,
) -> Result<(), Reason> {
    let mut pump = Pump::new(BodyFraming::None, BodyFormat::Plain, ReadAhead::No);
    let head = pump.head_buffer(session.services);
    answer.write_head(fate, head);
    // A client that asked for the head takes what stands behind it for the next answer.
    let from = if request.method == Method::Head { answer.body.len() } else { 0 };
    let mut held = Held::new(answer.body, from, Vec::new(), Ending::Whole);
    let (services, limit) = (session.services, session.services.timeouts().client_write);
    loop {
        let before = pump.sent;
        let ends = Instant::now() + limit;
        let wait = session.tether.until(|cx| {
            session.tether.waits(Phase::OwnAnswer, ends);
            pump.poll_from(&mut held, session.client, services, cx)
        });
        match wait.await {
            Ok(Ok(())) => break,
            Ok(Err(fault)) => return Err(fault.of_download()),
            Err(_) if pump.sent > before => {}
            Err(_) => return Err(Reason::ClientWriteTimeout),
        }
    }
    session.tether.row().moved(std::time::Instant::now(), 0, pump.sent);
    services.counters.bytes_to_clients.add(pump.sent);
    Ok(())
}
