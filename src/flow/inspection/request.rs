//! What is done with a request: judged by its head, held to be scanned whole, or scanned as it flows.

use std::sync::Arc;
use std::task::{Poll, ready};

use tokio::time::Instant;

use super::ask::{Answered, Question, Replaced, ask, clients};
use super::held::{Ending, Held};
use super::reading::Reading;
use super::sniffer::Sniffer;
use super::upload::{Gathered, Gathering, Unseen, Until};
use super::{Inspection, Noted};
use crate::base::inspection::ScanMode;
use crate::base::phase::Phase;
use crate::base::reason::Reason;
use crate::flow::pump::{Pump, ReadAhead};
use crate::flow::session::Session;
use crate::flow::tap::Tap;
use crate::http::body::BodyFormat;
use crate::http::content::extension;
use crate::http::framing::BodyFraming;
use crate::http::request::Request;
use crate::http::rewrite::drop_expect;
use crate::icap::body::{BodySource, NoBody};
use crate::icap::client::IcapClient;
use crate::icap::message::Message;
use crate::icap::settings::IcapMethod;
use crate::inspect::course::{Direction, Over};
use crate::inspect::decode::coding::{Coded, Codings};
use crate::inspect::events::Events;
use crate::inspect::plan::{
    BodyFacts, CodingSight, Extent, Plan, Unscannable, Unscanned, WindowCause, judge_oversize, plan_request,
    until_class_is_known,
};
use crate::inspect::spool::Spool;
use crate::net::socket::poll_send;

/// Known lengths up to this are read whole before the origin sees anything, whoever scans.
const SMALL: u64 = 1 << 20;

/// The body of a request that was looked at: how it goes on.
pub struct Upload {
    /// What reads the rest of it, if anything is left.
    pub pump: Pump,
    /// What is at hand of it.
    pub held: Option<Box<Held>>,
}

/// What became of a request.
pub enum Done {
    /// It goes on.
    GoesOn,
    /// A service has answered it.
    Answered(Box<Replaced>),
    /// A service has put another in its place.
    Changed(Box<Replaced>),
}

/// Judges a request before an origin hears of it; `head` is its head as the origin would get it.
///
/// # Errors
/// The [`Reason`] to refuse it.
pub async fn inspect(
    session: &mut Session<'_>,
    inspection: &mut Inspection,
    request: &Request,
    head: &mut Vec<u8>,
) -> Result<Done, Reason> {
    let content = &inspection.said.content;
    let course = inspection.refined(session, &inspection.of_request, &content.media_type, None, Direction::Request);
    let clients = clients(&inspection.policy, &course, IcapMethod::Reqmod);
    if request.framing == BodyFraming::None {
        return match clients.is_empty() {
            true => Ok(Done::GoesOn),
            false => asked(session, &clients, message(inspection, head)?, &mut NoBody).await,
        };
    }
    let built_in = inspection.policy.built_in(&course);
    if clients.is_empty() && built_in.is_none() {
        return Ok(Done::GoesOn);
    }
    let codings = Codings::parse([&*content.codings]);
    let facts = BodyFacts {
        framing: request.framing,
        media_type: &content.media_type,
        extension: &extension(inspection.path().as_bytes()),
        codings: CodingSight::of(&codings),
        extent: Extent::of_request(content.range),
    };
    let unseen = Unseen::by(&clients);
    let by_class = inspection.may_go_by_class(session, &content.media_type, Direction::Request);
    let plan = plan_request(&facts, &course);
    let plan = match if by_class { until_class_is_known(plan) } else { plan } {
        // What it is called does not take it past a service that has to see it.
        Plan::Window(WindowCause::MediaType | WindowCause::Request | WindowCause::Media)
            if unseen == Unseen::Refused =>
        {
            Plan::Whole
        }
        Plan::Window(_) | Plan::Look if unseen == Unseen::Refused && course.cap.over.is_none() => {
            return Err(Reason::RequestTooLarge);
        }
        plan => plan,
    };
    match plan {
        Plan::Pass(Unscanned::NoScanner | Unscanned::NoBody) => return Ok(Done::GoesOn),
        Plan::Pass(why) => {
            session.note_scan(|noted| noted.unscanned = Some(why.label()));
            return Ok(Done::GoesOn);
        }
        Plan::Block(Unscannable::TooLarge) => return Err(Reason::RequestTooLarge),
        Plan::Block(Unscannable::Layers) => return Err(Reason::ContentBlocked),
        Plan::Whole | Plan::Window(_) | Plan::Look => {}
    }
    let reading = built_in.map(|scanner| Reading::new(scanner, &codings.unwrap_or_default()));
    let format = if request.framing == BodyFraming::Chunked { BodyFormat::Chunked } else { BodyFormat::Plain };
    let pump = Pump::new(request.framing, format, ReadAhead::Bounded);
    let small = matches!(request.framing, BodyFraming::Length(length) if length <= SMALL);
    let flows = plan != Plan::Whole || (clients.is_empty() && !small);
    if flows && !by_class {
        note_unseen(session, &clients);
        let mut upload = flowing(session, pump, reading, None);
        if judge_oversize(None, &course) == Over::Block && plan == Plan::Whole {
            upload.pump.cap(course.cap.max_body);
        }
        inspection.upload = Some(upload);
        return Ok(Done::GoesOn);
    }
    if request.expects_continue {
        say_continue(session).await?;
        drop_expect(head);
    }
    let until = if flows { Until::Sighted } else { Until::Whole };
    let (spool, rest, kind, sniffer) = (session.spool(), Vec::new(), None, Sniffer::new(Coded::by(&content.codings)));
    let mut gathering = Gathering { pump, reading, spool, rest, course, until, sniffer, kind, unseen };
    match gathering.run(session, inspection).await? {
        Gathered::Whole => {}
        Gathered::FlowsOn => {
            note_unseen(session, &clients);
            let Gathering { pump, reading, spool, rest, course, kind, .. } = gathering;
            let left = course.cap.max_body.saturating_sub(spool.len() + rest.len() as u64);
            let mut upload = flowing(session, pump, reading, Some((spool, rest)));
            if until == Until::Sighted && judge_oversize(kind, &course) == Over::Block {
                upload.pump.cap(left);
            }
            inspection.upload = Some(upload);
            return Ok(Done::GoesOn);
        }
    }
    session.note_scan(|noted| noted.upload = Some(ScanMode::Whole));
    let Gathering { pump, reading, mut spool, .. } = gathering;
    if let Some(why) = facts.doubt().or_else(|| reading.as_ref().and_then(Reading::doubt)) {
        session.note_doubt(why);
    }
    let done = match clients.is_empty() {
        true => Done::GoesOn,
        false => asked(session, &clients, message(inspection, head)?, &mut spool).await?,
    };
    if let Done::GoesOn = done {
        let held = Held::new(spool, 0, Vec::new(), Ending::Whole);
        inspection.upload = Some(Upload { pump, held: Some(Box::new(held)) });
    }
    Ok(done)
}

/// Notes that `clients`, who see uploads whole or not at all, do not see one that flows on.
fn note_unseen(session: &Session<'_>, clients: &[Arc<IcapClient>]) {
    if !clients.is_empty() {
        session.note_scan(|noted| {
            noted.unscanned.get_or_insert(Unscanned::Stream.label());
        });
    }
}

/// A body that is scanned on its way, behind what is at hand of it.
fn flowing(
    session: &Session<'_>,
    mut pump: Pump,
    reading: Option<Reading>,
    at_hand: Option<(Spool, Vec<u8>)>,
) -> Upload {
    let mode = if reading.is_some() { ScanMode::Window } else { ScanMode::None };
    session.note_scan(|noted: &mut Noted| noted.upload = Some(mode));
    pump.set_tap(Box::new(Tap::new(reading, None, Events::of("", None))));
    let held = at_hand.map(|(mut spool, rest)| {
        spool.complete();
        Box::new(Held::new(spool, 0, rest, Ending::GoesOn))
    });
    Upload { pump, held }
}

/// The request as services are to see it.
fn message(inspection: &Inspection, head: &[u8]) -> Result<Message, Reason> {
    Message::request_to(&inspection.url, head).map_err(|_| Reason::ScannerFailed)
}

/// Asks `clients` about a request.
///
/// # Errors
/// The [`Reason`] to refuse it.
pub async fn asked<B: BodySource>(
    session: &Session<'_>,
    clients: &[Arc<IcapClient>],
    message: Message,
    body: &mut B,
) -> Result<Done, Reason> {
    let message = message.from_client(session.source());
    let question = Question { clients, message, original: None, known: None };
    Ok(match Box::pin(ask(session, question, body)).await? {
        Answered::Same => Done::GoesOn,
        Answered::Replaced(now) if now.head.status().is_some() => Done::Answered(now),
        Answered::Replaced(now) => Done::Changed(now),
    })
}

/// Tells a client that waits for it to go on with its body: the origin is not asked before the body is here.
async fn say_continue(session: &Session<'_>) -> Result<(), Reason> {
    const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";
    let mut sent = 0;
    let ends = Instant::now() + session.services.timeouts().client_write;
    let wait = session.tether.until(|cx| {
        session.tether.waits(Phase::ContinueWait, ends);
        while sent < CONTINUE.len() {
            let slices = [std::io::IoSlice::new(&CONTINUE[sent..])];
            match ready!(poll_send(session.client, cx, &slices)) {
                Ok(count) => sent += count,
                Err(_) => return Poll::Ready(Err(Reason::ClientReset)),
            }
        }
        Poll::Ready(Ok(()))
    });
    wait.await.unwrap_or(Err(Reason::ClientWriteTimeout))
}
