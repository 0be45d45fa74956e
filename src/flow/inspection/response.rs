//! What is done with a response: passed, held to be scanned whole, scanned as it flows, replaced or refused.

use std::rc::Rc;
use std::sync::Arc;

use tokio::time::Instant;

use super::ask::{Answered, Question, Replaced, ask, clients};
use super::batches::Batches;
use super::flow::Flow;
use super::gather::{Beginning, Gathered, Gathering, Page};
use super::held::{Ending, Held};
use super::known::WholeBody;
use super::progress::Progress;
use super::reading::Reading;
use super::shed::{is_shed, shed};
use super::stream::{LeftOut, Watchers};
use super::{Inspection, Noted, by_rules};
use crate::base::inspection::{ScanMode, Verdict};
use crate::base::reason::Reason;
use crate::flow::session::Session;
use crate::flow::tap::Tap;
use crate::flow::transfer::Transfer;
use crate::http::body::BodyFormat;
use crate::http::content::{ResponseContent, Wish};
use crate::http::framing::BodyFraming;
use crate::http::push::Push;
use crate::http::reply::ConnectionFate;
use crate::http::reply::progress::SCANNING;
use crate::http::response::Response;
use crate::icap::client::IcapClient;
use crate::icap::message::Message;
use crate::icap::settings::{IcapMethod, VerdictUse};
use crate::inspect::course::{Course, Direction, OnOverload, StreamScan};
use crate::inspect::decode::coding::Codings;
use crate::inspect::detector::{Detector, DetectorSettings, Length, Signs};
use crate::inspect::plan::{
    BodyFacts, CodingSight, Extent, Plan, ResponseFacts, Unscanned, WindowCause, length, plan_response,
    until_class_is_known,
};
use crate::inspect::rules::Head;
use crate::inspect::verdicts::BodyHash;

/// What becomes of a response.
pub enum Judged {
    /// It is delivered, or what is in its place.
    Goes,
    /// It is delivered while ICAP services see it in batches.
    Watched(Watchers),
    /// A page is delivered that tells why it is not.
    Told(Reason),
}

/// Judges a response whose head is here, and readies its body to be delivered.
///
/// # Errors
/// The [`Reason`] to answer with instead, or to cut the client for.
pub async fn inspect(
    session: &mut Session<'_>,
    inspection: &Inspection,
    response: &mut Response,
    transfer: &mut Transfer<'_>,
) -> Result<Judged, Reason> {
    let content = ResponseContent::of(transfer.response_head());
    if inspection.is_bypassed(session, &content.content.media_type) {
        session.note_unscanned(Unscanned::Bypassed);
        return Ok(Judged::Goes);
    }
    let course =
        inspection.refined(session, &inspection.course, &content.content.media_type, None, Direction::Response);
    let head = Head {
        url: inspection.url.as_bytes(),
        media_type: Some(content.content.media_type.as_bytes()),
        file_name: content.file_name.as_deref(),
    };
    by_rules(session, &inspection.policy, &course, &head)?;
    let built_in = inspection.policy.built_in(&course);
    let clients = clients(&inspection.policy, &course, IcapMethod::Respmod);
    if clients.is_empty() && built_in.is_none() {
        session.note_unscanned(Unscanned::NoScanner);
        return Ok(Judged::Goes);
    }
    let codings = Codings::parse([&*content.content.codings]);
    let facts = ResponseFacts {
        asked: inspection.said.push,
        saved_as: &content.extension,
        body: BodyFacts {
            framing: response.framing,
            media_type: &content.content.media_type,
            extension: &inspection.extension,
            codings: CodingSight::of(&codings),
            extent: Extent::of_response(response.status, content.content.range),
        },
    };
    let plan = match inspection.may_go_by_class(session, &content.content.media_type, Direction::Response) {
        true => until_class_is_known(plan_response(&facts, &course)),
        false => plan_response(&facts, &course),
    };
    let (doubt, extent) = (facts.body.doubt(), facts.body.extent);
    if let Some(done) = without_body(session, plan)? {
        return Ok(done);
    }
    let Some(length) = length(response.framing) else { return Ok(Judged::Goes) };
    let plan = if is_shed(session, plan, length) { shed(session, &course)? } else { plan };
    if let Plan::Pass(Unscanned::Overload) = plan {
        return Ok(Judged::Goes);
    }
    let keeps_verdicts = clients.iter().any(|client| client.settings().verdicts == VerdictUse::Kept);
    // Before anything trickles: the head is here whole.
    let watch = Watch::of(session, inspection, clients, transfer)?;
    let reading = built_in.map(|scanner| Reading::new(scanner, &codings.unwrap_or_default(), course.undecodable));
    let mut spool = session.spool();
    if let (Length::Known(bytes), Plan::Whole) = (length, plan)
        && spool.expect(bytes).is_err()
        && course.on_overload == OnOverload::Block
    {
        return Err(Reason::ScanOverload);
    }
    let detector = detector(session, inspection, &content, length);
    let hold = *inspection.policy.hold();
    let hash = keeps_verdicts.then(BodyHash::default);
    let course_of_body = course.clone();
    let page = may_have_page(session, inspection, response);
    let beginning =
        Beginning { spool, reading, course: course_of_body, content, plan, length, extent, hold, detector, page, hash };
    let mut gathering = Box::new(Gathering::new(beginning));
    let gathered = Box::pin(gathering.run(session, inspection, transfer)).await;
    if let Some(why) = doubt.or_else(|| gathering.reading.as_ref().and_then(Reading::doubt)) {
        session.note_doubt(why);
    }
    let subject = Subject { inspection, course: &course, watch };
    if let Some(page) = gathering.page.take() {
        let file = match gathered {
            Ok(gathered) => subject.file(session, *gathering, gathered, (response.status, &page), transfer).await,
            Err(reason) => Err(reason),
        };
        return Ok(page.close(session, inspection, file, response, transfer));
    }
    match gathered.map_err(|reason| refusal(transfer, reason))? {
        Gathered::Found(found) => {
            session.note_scan(|noted| noted.mode = ScanMode::Whole);
            session.note_found(&found);
            Err(refusal(transfer, Reason::ContentBlocked))
        }
        Gathered::Whole => subject.release_whole(session, *gathering, response, transfer).await.map(|()| Judged::Goes),
        Gathered::Window(flow) => subject.flow_on(session, *gathering, flow, response, transfer).await,
        Gathered::Pass(why) => {
            session.note_unscanned(why);
            transfer.deliver_from(rest(*gathering, Ending::GoesOn));
            Ok(Judged::Goes)
        }
        Gathered::Cut(reason) => subject.pass_cut(*gathering, reason, transfer).map(|()| Judged::Goes),
    }
}

/// What is decided by the plan alone.
fn without_body(session: &Session<'_>, plan: Plan) -> Result<Option<Judged>, Reason> {
    match plan {
        Plan::Pass(Unscanned::Stream) | Plan::Whole | Plan::Window(_) | Plan::Look => Ok(None),
        Plan::Pass(why) => {
            session.note_unscanned(why);
            Ok(Some(Judged::Goes))
        }
        Plan::Block(why) => Err(session.refusal_of(why, Reason::ResponseTooLarge)),
    }
}

/// Whether a page may stand in for a body while it is held. The file behind it goes with the client's connection, so that
/// has to stay.
fn may_have_page(session: &Session<'_>, inspection: &Inspection, response: &Response) -> Page {
    let stays = response.client_keep_alive && !session.services.drain.is_draining();
    let is_window = inspection.said.wish == Wish::Page && response.status == 200;
    if stays && is_window { Page::Possible } else { Page::No }
}

fn detector(session: &Session<'_>, inspection: &Inspection, content: &ResponseContent, length: Length) -> Detector {
    let settings = DetectorSettings::from(inspection.policy.hold());
    let hand_overs = session.services.inspection.hand_overs(inspection, session, &content.content.media_type);
    let signs = Signs { response: Push::Unsaid, request: Push::Unsaid, length, hand_overs };
    Detector::new(settings, signs, Instant::now().into_std())
}

/// A refusal where the answer has not begun, a cut where it has.
fn refusal(transfer: &Transfer<'_>, reason: Reason) -> Reason {
    match reason {
        _ if !transfer.has_begun() => reason,
        Reason::ContentBlocked => Reason::ContentCut,
        Reason::ResponseTooLarge => Reason::SizeCut,
        Reason::ScannerFailed | Reason::ScanOverload => Reason::ScannerCut,
        reason => reason,
    }
}

/// What is held of a body, without what trickled out.
fn rest(gathering: Gathering, ending: Ending) -> Held {
    let Gathering { mut spool, out, rest, .. } = gathering;
    spool.complete();
    Held::new(spool, out, rest, ending)
}

/// A response body, and what is set for it.
struct Subject<'s> {
    inspection: &'s Inspection,
    course: &'s Course,
    watch: Option<Watch>,
}

/// The services that see a response body, and the message that they see it in.
struct Watch {
    clients: Vec<Arc<IcapClient>>,
    message: Message,
}

impl Watch {
    fn of(
        session: &Session<'_>,
        inspection: &Inspection,
        clients: Vec<Arc<IcapClient>>,
        transfer: &mut Transfer<'_>,
    ) -> Result<Option<Self>, Reason> {
        if clients.is_empty() {
            return Ok(None);
        }
        let message = Message::response_to(&inspection.url, &inspection.request_head, transfer.response_head());
        let message = message.map_err(|_| Reason::ScannerFailed)?;
        Ok(Some(Self { clients, message: message.from_client(session.source()) }))
    }

    /// For a body that flows on behind what was gathered of it.
    fn of_stream(self, gathering: &Gathering, flow: Flow, mode: StreamScan) -> Watchers {
        let sampled = flow == Flow::Said(WindowCause::Media) && mode == StreamScan::Async;
        let sampling = gathering.sampling().filter(|_| sampled);
        let batches = sampling.map_or_else(|| Batches::new(mode), Batches::sampled);
        let left_out = if gathering.reading.is_some() { LeftOut::Read } else { LeftOut::Unseen };
        Watchers { clients: self.clients, batches: Rc::new(batches), message: self.message, left_out }
    }
}

impl Subject<'_> {
    /// The whole body is here, and the built-in scanner found nothing: the services are asked, and it goes on.
    async fn release_whole(
        self,
        session: &mut Session<'_>,
        mut gathering: Gathering,
        response: &mut Response,
        transfer: &mut Transfer<'_>,
    ) -> Result<(), Reason> {
        let asked = self.asked(session, &mut gathering, response.status).await;
        match asked.map_err(|reason| refusal(transfer, reason))? {
            Answered::Same => transfer.deliver_from(rest(gathering, Ending::Whole)),
            Answered::Replaced(now) => replace(session, *now, response, transfer)?,
        }
        Ok(())
    }

    /// What the services make of a whole body.
    async fn asked(self, session: &Session<'_>, gathering: &mut Gathering, status: u16) -> Result<Answered, Reason> {
        session.note_scan(|noted| (noted.mode, noted.verdict) = (ScanMode::Whole, Verdict::Clean));
        let Some(Watch { clients, message }) = self.watch else { return Ok(Answered::Same) };
        let known = gathering.hash.take().map(|hash| WholeBody {
            digest: hash.finish(),
            length: gathering.spool.len(),
            content: &gathering.content,
            extension: &self.inspection.extension,
        });
        let question = Question { clients: &clients, message, original: Some(status), known };
        Box::pin(ask(session, question, &mut gathering.spool)).await
    }

    /// The file that a page has stood in for, once everybody has seen it; or why it is not handed out.
    async fn file(
        self,
        session: &Session<'_>,
        mut gathering: Gathering,
        gathered: Gathered,
        (status, page): (u16, &Progress),
        transfer: &mut Transfer<'_>,
    ) -> Result<Replaced, Reason> {
        match gathered {
            Gathered::Whole => {}
            Gathered::Found(found) => {
                session.note_scan(|noted| noted.mode = ScanMode::Whole);
                session.note_found(&found);
                return Err(Reason::ContentBlocked);
            }
            Gathered::Cut(reason) => return Err(reason),
            // A file of known length is not held to its end for want of room alone.
            Gathered::Window(_) | Gathered::Pass(_) => return Err(Reason::ScanOverload),
        }
        transfer.trickle(SCANNING.as_bytes());
        transfer.flush().await?;
        match self.asked(session, &mut gathering, status).await? {
            Answered::Same => Ok(Replaced { head: page.file_head(), body: gathering.spool, verdict: Verdict::Clean }),
            Answered::Replaced(now) if now.verdict == Verdict::Blocked => Err(Reason::ContentBlocked),
            Answered::Replaced(now) => {
                session.note_scan(|noted| noted.verdict = now.verdict);
                Ok(*now)
            }
        }
    }

    /// What is here goes on, seen by all who see streams; what comes goes through them.
    async fn flow_on(
        self,
        session: &mut Session<'_>,
        mut gathering: Gathering,
        flow: Flow,
        response: &mut Response,
        transfer: &mut Transfer<'_>,
    ) -> Result<Judged, Reason> {
        session.note_scan(|noted| {
            (noted.mode, noted.verdict) = (ScanMode::Window, Verdict::Clean);
            (noted.evidence, noted.flowed) = (Some(flow.label()), Some(std::time::Instant::now()));
        });
        session.services.inspection.note_flow(self.inspection, session, flow);
        let mode = self.course.streams;
        if self.watch.is_some() && mode == StreamScan::Off {
            session.note_scan(|noted| noted.unscanned = Some(Unscanned::Stream.label()));
        }
        let watch = self.watch.filter(|_| mode != StreamScan::Off);
        let watchers = watch.map(|watch| watch.of_stream(&gathering, flow, mode));
        gathering.spool.complete();
        if let Some(watchers) = watchers.as_ref().filter(|_| !gathering.spool.is_empty()) {
            let message = watchers.message.window(0, gathering.spool.len());
            let (clients, original) = (&watchers.clients, Some(response.status));
            let question = Question { clients, message, original, known: None };
            match Box::pin(ask(session, question, &mut gathering.spool))
                .await
                .map_err(|reason| refusal(transfer, reason))?
            {
                Answered::Replaced(now) if now.verdict == Verdict::Blocked => {
                    replace(session, *now, response, transfer)?;
                    return Ok(Judged::Goes);
                }
                // What a service changes in a part cannot be put in its place.
                Answered::Same | Answered::Replaced(_) => {}
            }
        }
        let batches = watchers.as_ref().map(|watchers| watchers.batches.clone());
        let mut tap = Tap::new(gathering.reading.take(), batches, gathering.events.clone());
        if let BodyFraming::Length(bytes) = response.framing {
            tap.expect(bytes.saturating_sub(gathering.spool.len() + gathering.rest.len() as u64));
        }
        transfer.deliver_from(rest(gathering, Ending::GoesOn));
        transfer.tap_response(Box::new(tap));
        Ok(watchers.map_or(Judged::Goes, Judged::Watched))
    }

    /// The origin ended the body before its end. What was seen by all who had to may go on, and is cut as it was; else
    /// nothing does.
    fn pass_cut(&self, gathering: Gathering, reason: Reason, transfer: &mut Transfer<'_>) -> Result<(), Reason> {
        let by_origin = match reason {
            Reason::ResponseCut => Reason::UpstreamClosed,
            Reason::ResponseReset => Reason::UpstreamReset,
            Reason::BadResponseBody => Reason::BadResponse,
            Reason::ResponseBodyTimeout => Reason::ResponseHeadTimeout,
            reason => return Err(reason),
        };
        if self.watch.is_some() || gathering.spool.is_empty() {
            return Err(if transfer.has_begun() { reason } else { by_origin });
        }
        transfer.deliver_from(rest(gathering, Ending::Cut(reason)));
        Ok(())
    }
}

/// Puts what a service made of a response in its place.
fn replace(
    session: &Session<'_>,
    now: Replaced,
    response: &mut Response,
    transfer: &mut Transfer<'_>,
) -> Result<(), Reason> {
    session.note_scan(|noted: &mut Noted| noted.verdict = now.verdict);
    if transfer.has_begun() {
        return Err(Reason::ContentCut);
    }
    let fate = if response.client_keep_alive { ConnectionFate::KeepAlive } else { ConnectionFate::Close };
    let mut head = Vec::new();
    now.write_head(fate, &mut head);
    response.status = now.head.status().unwrap_or(response.status);
    (response.framing, response.format) = (BodyFraming::Length(now.body.len()), BodyFormat::Plain);
    transfer.replace_response(&head, Held::new(now.body, 0, Vec::new(), Ending::Whole));
    Ok(())
}
