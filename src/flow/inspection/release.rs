//! What goes on of a response body that was gathered: all of it, what came so far, what a service put in its place, or nothing.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use super::ask::{Answered, Question, Replaced, ask};
use super::batches::{Batches, OVERLAP};
use super::comfort::{Awaited, Lent};
use super::flow::Flow;
use super::gather::{Gathered, Gathering};
use super::held::{AtHand, Ending, Held};
use super::known::WholeBody;
use super::progress::Progress;
use super::reading::Found;
use super::response::Judged;
use super::stream::{LeftOut, Watchers};
use super::{Inspection, Noted};
use crate::base::inspection::{ScanMode, Verdict};
use crate::base::reason::Reason;
use crate::flow::session::Session;
use crate::flow::tap::Tap;
use crate::flow::transfer::Transfer;
use crate::http::body::BodyFormat;
use crate::http::framing::BodyFraming;
use crate::http::reply::ConnectionFate;
use crate::http::response::Response;
use crate::icap::client::IcapClient;
use crate::icap::message::Message;
use crate::inspect::course::{Course, StreamScan, WhileHeld};
use crate::inspect::plan::kind::Trickling;
use crate::inspect::plan::{Unscanned, WindowCause};
use crate::inspect::spool::Spool;
use crate::inspect::trickle::KEPT;

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
    let Gathering { mut spool, comfort, rest, .. } = gathering;
    spool.complete();
    Held::new(spool, comfort.out(), rest, ending)
}

/// A response body, and what is set for it.
pub struct Subject<'s> {
    /// Its exchange.
    pub inspection: &'s Inspection,
    /// What is set for it.
    pub course: &'s Course,
    /// The services that see it.
    pub watch: Option<Watch>,
}

/// The services that see a response body, and the message that they see it in.
pub struct Watch {
    clients: Vec<Arc<IcapClient>>,
    message: Message,
}

impl Watch {
    /// These clients, shown the response of `transfer`; `None` where there are none.
    ///
    /// # Errors
    /// [`Reason::ScannerFailed`] for a head that cannot be shown to them.
    pub fn of(
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
        let message = message.from_client(session.source());
        let message = inspection.server.into_iter().fold(message, Message::from_server);
        Ok(Some(Self { clients, message }))
    }

    /// For a body that flows on behind what was gathered of it.
    fn of_stream(self, gathering: &Gathering, flow: Flow, mode: StreamScan) -> Watchers {
        let sampled = flow == Flow::Said(WindowCause::Media) && mode == StreamScan::Async;
        let sampling = gathering.sampling().filter(|_| sampled);
        let batches = sampling.map_or_else(|| Batches::new(mode), Batches::sampled);
        let left_out = if gathering.reading.is_some() { LeftOut::Read } else { LeftOut::Unseen };
        let (parts, held) = (gathering.parts(), gathering.spool.len());
        Watchers { clients: self.clients, batches: Rc::new(batches), message: self.message, left_out, parts, held }
    }
}

impl Subject<'_> {
    /// Lets go what gathering has ended with. Where a page has stood in for the body, that is told how it ended.
    ///
    /// # Errors
    /// The [`Reason`] to refuse it, or to cut the client for.
    pub async fn release(
        self,
        session: &mut Session<'_>,
        mut gathering: Gathering,
        gathered: Result<Gathered, Reason>,
        response: &mut Response,
        transfer: &mut Transfer<'_>,
    ) -> Result<Judged, Reason> {
        let page = match gathered {
            Ok(Gathered::Whole) => None,
            _ => gathering.comfort.take_page(),
        };
        if let Some(page) = page {
            let why = no_file(session, gathered);
            return Ok(page.close(session, self.inspection, Err(why), response, transfer));
        }
        match gathered.map_err(|reason| refusal(transfer, reason))? {
            Gathered::Found(found) => {
                note_found(session, &found);
                Err(refusal(transfer, Reason::ContentBlocked))
            }
            Gathered::Whole => self.release_whole(session, gathering, response, transfer).await,
            Gathered::Window(flow) => self.flow_on(session, gathering, flow, response, transfer).await,
            Gathered::Pass(why) => {
                session.note_unscanned(why);
                transfer.deliver_from(rest(gathering, Ending::GoesOn));
                Ok(Judged::Goes)
            }
            Gathered::Cut(reason) => self.pass_cut(gathering, reason, transfer).map(|()| Judged::Goes),
        }
    }

    /// The whole body is here, and the built-in scanner found nothing: the services are asked, and it goes on.
    async fn release_whole(
        mut self,
        session: &mut Session<'_>,
        mut gathering: Gathering,
        response: &mut Response,
        transfer: &mut Transfer<'_>,
    ) -> Result<Judged, Reason> {
        let asked = Box::pin(self.asked(session, &mut gathering, response.status, transfer)).await;
        if let Some(page) = gathering.comfort.take_page() {
            let file = asked.and_then(|answered| file(session, answered, &page, gathering.spool));
            return Ok(page.close(session, self.inspection, file, response, transfer));
        }
        match asked.map_err(|reason| refusal(transfer, reason))? {
            Answered::Same => transfer.deliver_from(rest(gathering, Ending::Whole)),
            Answered::Replaced(now) => replace(session, *now, response, transfer)?,
        }
        Ok(Judged::Goes)
    }

    /// What the services make of a whole body. Its client sees meanwhile that it is not forgotten.
    async fn asked(
        &mut self,
        session: &Session<'_>,
        gathering: &mut Gathering,
        status: u16,
        transfer: &mut Transfer<'_>,
    ) -> Result<Answered, Reason> {
        session.note_scan(|noted| (noted.mode, noted.verdict) = (ScanMode::Whole, Verdict::Clean));
        let Some(Watch { clients, message }) = self.watch.take() else { return Ok(Answered::Same) };
        let trickling = gathering.trickling();
        let Gathering { spool, content, course, comfort, hash, .. } = gathering;
        let known = hash.take().map(|hash| WholeBody {
            digest: hash.finish(),
            length: spool.len(),
            content,
            extension: &self.inspection.extension,
        });
        let question = Question { clients: &clients, message, original: Some(status), known };
        // There is nothing of small ones to go out, and a page only where that is set.
        let is_small = spool.len() <= KEPT && course.while_held != WhileHeld::Page;
        if trickling == Trickling::Never || is_small {
            return ask(session, question, spool).await;
        }
        let spool = RefCell::new(spool);
        let mut lent = Lent(&spool);
        let awaited = Awaited { inspection: self.inspection, content, while_held: course.while_held };
        comfort.beside(ask(session, question, &mut lent), session, &awaited, &spool, transfer).await
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
        if let Some(watchers) = &watchers {
            let shown = show_first(session, watchers, gathering.at_hand(), response.status).await;
            if let Some(page) = shown.map_err(|reason| refusal(transfer, reason))? {
                replace(session, *page, response, transfer)?;
                return Ok(Judged::Goes);
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

/// The file that a page has stood in for, once everybody has seen it; or why it is not handed out.
fn file(session: &Session<'_>, answered: Answered, page: &Progress, spool: Spool) -> Result<Replaced, Reason> {
    match answered {
        Answered::Same => Ok(Replaced { head: page.file_head(), body: spool, verdict: Verdict::Clean }),
        Answered::Replaced(now) if now.verdict == Verdict::Blocked => Err(Reason::ContentBlocked),
        Answered::Replaced(now) => {
            session.note_scan(|noted| noted.verdict = now.verdict);
            Ok(*now)
        }
    }
}

/// Why there is no file behind a page.
fn no_file(session: &Session<'_>, gathered: Result<Gathered, Reason>) -> Reason {
    match gathered {
        Ok(Gathered::Found(found)) => {
            note_found(session, &found);
            Reason::ContentBlocked
        }
        Ok(Gathered::Cut(reason)) | Err(reason) => reason,
        // A file of known length is not held to its end for want of room alone.
        Ok(Gathered::Whole | Gathered::Window(_) | Gathered::Pass(_)) => Reason::ScanOverload,
    }
}

fn note_found(session: &Session<'_>, found: &Found) {
    session.note_scan(|noted| noted.mode = ScanMode::Whole);
    session.note_found(found);
}

/// Shows what is at hand of a body that flows on, before any of it does, and readies the batches of the rest. Gives the page
/// of a service that blocks it.
async fn show_first(
    session: &Session<'_>,
    watchers: &Watchers,
    mut at_hand: AtHand<'_>,
    status: u16,
) -> Result<Option<Box<Replaced>>, Reason> {
    if at_hand.bytes() == 0 {
        return Ok(None);
    }
    let message = watchers.message.window(0, at_hand.bytes());
    let question = Question { clients: &watchers.clients, message, original: Some(status), known: None };
    match Box::pin(ask(session, question, &mut at_hand)).await? {
        Answered::Replaced(now) if now.verdict == Verdict::Blocked => return Ok(Some(now)),
        // What a service changes in a part cannot be put in its place.
        Answered::Same | Answered::Replaced(_) => {}
    }
    watchers.batches.follow(at_hand.last(OVERLAP).await.map_err(|_| Reason::ScanOverload)?);
    Ok(None)
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
