//! What is done with a request: judged by its head, held to be scanned whole, or scanned as it flows.

use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tokio::time::Instant;

use super::ask::{Answered, Question, Replaced, ask, clients};
use super::gather::SLICE;
use super::held::{Ending, Held};
use super::reading::{Reading, Turn};
use super::{Inspection, Noted};
use crate::base::inspection::ScanMode;
use crate::base::phase::Phase;
use crate::base::reason::Reason;
use crate::flow::floor::RateFloor;
use crate::flow::pump::{Pump, ReadAhead};
use crate::flow::session::Session;
use crate::flow::tap::Tap;
use crate::http::body::BodyFormat;
use crate::http::content::extension;
use crate::http::framing::BodyFraming;
use crate::http::request::Request;
use crate::http::rewrite::drop_expect;
use crate::icap::body::NoBody;
use crate::icap::client::IcapClient;
use crate::icap::message::Message;
use crate::icap::settings::{IcapMethod, OnFailure};
use crate::inspect::course::{Course, Direction, OnOverload, Over, ScannerName};
use crate::inspect::decode::DecodeLimits;
use crate::inspect::decode::coding::Codings;
use crate::inspect::events::Events;
use crate::inspect::plan::{
    BodyFacts, CodingSight, Extent, Plan, Unscannable, Unscanned, WindowCause, judge_oversize, plan_request,
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
    let clients = clients(inspection, &course, IcapMethod::Reqmod);
    if request.framing == BodyFraming::None {
        return match clients.is_empty() {
            true => Ok(Done::GoesOn),
            false => asked(session, inspection, &clients, head, &mut NoBody).await,
        };
    }
    let built_in = course.scanners.contains(&ScannerName::BuiltIn);
    if clients.is_empty() && !built_in {
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
    let plan = match plan_request(&facts, &course) {
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
    let scanner = inspection.policy.scanner.as_ref().filter(|_| built_in);
    let reading = scanner.map(|scanner| Reading::new(scanner, &codings.unwrap_or_default(), DecodeLimits::default()));
    let format = if request.framing == BodyFraming::Chunked { BodyFormat::Chunked } else { BodyFormat::Plain };
    let pump = Pump::new(request.framing, format, ReadAhead::Bounded);
    let small = matches!(request.framing, BodyFraming::Length(length) if length <= SMALL);
    if plan != Plan::Whole || (clients.is_empty() && !small) {
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
    let mut gathering = Gathering { pump, reading, spool: spool(session), rest: Vec::new(), course: &course, unseen };
    match gathering.run(session).await? {
        Gathered::Whole => {}
        Gathered::FlowsOn => {
            note_unseen(session, &clients);
            let Gathering { pump, reading, spool, rest, .. } = gathering;
            inspection.upload = Some(flowing(session, pump, reading, Some((spool, rest))));
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
        false => asked(session, inspection, &clients, head, &mut spool).await?,
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

fn spool(session: &Session<'_>) -> Spool {
    session.services.inspection.spools.open(session.tether.row().client().ip())
}

async fn asked<B: crate::icap::body::BodySource>(
    session: &Session<'_>,
    inspection: &Inspection,
    clients: &[Arc<IcapClient>],
    head: &[u8],
    body: &mut B,
) -> Result<Done, Reason> {
    let message = Message::request_to(&inspection.url, head).map_err(|_| Reason::ScannerFailed)?;
    let message = message.from_client(session.tether.row().client().ip());
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

/// A request body that is held.
struct Gathering<'c> {
    pump: Pump,
    reading: Option<Reading>,
    spool: Spool,
    /// Bytes that had no room there.
    rest: Vec<u8>,
    course: &'c Course,
    unseen: Unseen,
}

/// What becomes of a body that REQMOD services cannot be shown whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unseen {
    /// It goes on, told as not scanned.
    Passes,
    /// It does not: one of them is set to block what it could not judge.
    Refused,
}

impl Unseen {
    fn by(clients: &[Arc<IcapClient>]) -> Self {
        let blocks = clients.iter().any(|client| client.settings().on_failure == OnFailure::Block);
        if blocks { Unseen::Refused } else { Unseen::Passes }
    }
}

/// How gathering ended.
enum Gathered {
    Whole,
    /// It is a stream, too large, or there is no room for it.
    FlowsOn,
}

/// What came of the client.
enum Came {
    Some,
    End,
    /// Nothing, for as long as a stream is silent.
    Silence,
}

impl Gathering<'_> {
    async fn run(&mut self, session: &mut Session<'_>) -> Result<Gathered, Reason> {
        let (mut floor, mut paused) = (RateFloor::default(), 0);
        loop {
            let mut bytes = session.services.buffers.take();
            let came = self.take(session, &mut floor, &mut bytes).await?;
            let went_on = match came {
                Came::Some => self.add(session, &bytes).await?,
                Came::End => Some(self.end(session)?),
                Came::Silence => Some(Gathered::FlowsOn),
            };
            session.services.buffers.put(&mut bytes);
            if let Some(gathered) = went_on {
                return Ok(gathered);
            }
            if self.spool.len() - paused >= SLICE {
                paused = self.spool.len();
                tokio::task::yield_now().await;
            }
        }
    }

    async fn take(
        &mut self,
        session: &mut Session<'_>,
        floor: &mut RateFloor,
        bytes: &mut Vec<u8>,
    ) -> Result<Came, Reason> {
        let (began, before) = (Instant::now(), self.pump.received);
        let timeouts = session.services.timeouts();
        // Only what has no length of its own is taken for a stream by its silence, and only once something has come.
        let gap = session.services.policy.load().inspect.hold.idle_gap;
        let may_flow = self.unseen == Unseen::Passes && self.pump.has_no_length() && !self.spool.is_empty();
        let silent_at = may_flow.then(|| began + gap);
        loop {
            let window = floor.window(began, self.pump.received, timeouts.body_window);
            let until = silent_at.map_or(window, |at| at.min(window));
            let (tether, ahead, client, services) =
                (session.tether, &mut session.ahead, session.client, session.services);
            let pump = &mut self.pump;
            let mut poll = |cx: &mut Context<'_>| {
                tether.waits(Phase::RequestBody, until);
                pump.poll_take(client, ahead, bytes, services, cx)
            };
            match tether.until(&mut poll).await {
                Ok(taken) => {
                    taken.map_err(|fault| fault.of_upload())?;
                    break;
                }
                Err(_) if silent_at.is_some_and(|at| at <= Instant::now()) => return Ok(Came::Silence),
                Err(_) if floor.is_kept(self.pump.received, timeouts.body_floor, timeouts.body_window) => {}
                Err(_) => return Err(Reason::RequestBodyTimeout),
            }
        }
        let count = self.pump.received - before;
        session.tether.row().moved(std::time::Instant::now(), count, 0);
        session.services.counters.bytes_from_clients.add(count);
        session.holding.spend(count);
        Ok(if bytes.is_empty() { Came::End } else { Came::Some })
    }

    async fn add(&mut self, session: &Session<'_>, bytes: &[u8]) -> Result<Option<Gathered>, Reason> {
        self.read(session, bytes).await?;
        let stored = match self.spool.push(bytes) {
            Ok(()) => std::future::poll_fn(|cx| self.spool.poll_ready(cx)).await,
            Err(fault) => {
                self.rest.extend_from_slice(bytes);
                Err(fault)
            }
        };
        let over = match stored {
            Err(_) => match self.course.on_overload {
                OnOverload::Block => return Err(Reason::ScanOverload),
                OnOverload::PassUnscanned | OnOverload::Window => Some(Unscanned::Overload),
            },
            Ok(()) if self.spool.len() > self.course.cap.max_body => match judge_oversize(None, self.course) {
                _ if self.unseen == Unseen::Refused && self.course.cap.over.is_none() => {
                    return Err(Reason::RequestTooLarge);
                }
                Over::Block => return Err(Reason::RequestTooLarge),
                Over::PassUnscanned | Over::Window => Some(Unscanned::TooLarge),
            },
            Ok(()) => None,
        };
        Ok(over.map(|why| {
            session.note_scan(|noted| noted.unscanned = Some(why.label()));
            Gathered::FlowsOn
        }))
    }

    async fn read(&mut self, session: &Session<'_>, bytes: &[u8]) -> Result<(), Reason> {
        let Some(reading) = &mut self.reading else { return Ok(()) };
        let mut at = 0;
        loop {
            match session.services.decoded.with(|out| reading.turn(bytes, &mut at, out)) {
                Turn::Done => return Ok(()),
                Turn::More => tokio::task::yield_now().await,
                Turn::Found(found) => {
                    session.note_found(&found);
                    return Err(Reason::ContentBlocked);
                }
            }
        }
    }

    fn end(&mut self, session: &Session<'_>) -> Result<Gathered, Reason> {
        self.spool.complete();
        match self.reading.as_mut().and_then(Reading::end) {
            None => Ok(Gathered::Whole),
            Some(found) => {
                session.note_found(&found);
                Err(Reason::ContentBlocked)
            }
        }
    }
}
