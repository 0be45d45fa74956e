//! A response body that is held until it is known what is done with it: to its end, or until it turns out to flow on.

use std::future::poll_fn;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::Inspection;
use super::comfort::{Awaited, Comfort, Page};
use super::flow::Flow;
use super::held::AtHand;
use super::reading::{Found, Reading};
use super::sniffer::{Parts, Sniffer};
use crate::base::reason::Reason;
use crate::flow::session::Session;
use crate::flow::transfer::{Took, Transfer};
use crate::http::content::ResponseContent;
use crate::inspect::course::{Course, Direction, HoldSettings, OnOverload, Over, WhileHeld};
use crate::inspect::decode::coding::Coded;
use crate::inspect::detector::{Detector, Evidence, Length, Verdict};
use crate::inspect::events::Events;
use crate::inspect::magic::{FileKind, Leaning};
use crate::inspect::plan::kind::{Trickling, may_trickle};
use crate::inspect::plan::{
    Extent, Plan, Unscanned, WindowCause, is_lost_in_parts, judge_decoded, judge_oversize, on_first_bytes, plan_stream,
};
use crate::inspect::sampling::Sampling;
use crate::inspect::spool::{Spool, SpoolFault};
use crate::inspect::verdicts::BodyHash;

/// Bytes read and scanned before others on the worker get their turn.
pub const SLICE: u64 = 64 * 1024;

/// How gathering ended.
#[derive(Debug)]
pub enum Gathered {
    /// All of the body is here.
    Whole,
    /// What is here goes on, and the rest is scanned as it flows.
    Window(Flow),
    /// What is here goes on, and the rest is not scanned.
    Pass(Unscanned),
    /// The origin ended it before its end.
    Cut(Reason),
    /// A rule holds.
    Found(Found),
}

/// One body that is held.
pub struct Gathering {
    /// What came.
    pub spool: Spool,
    /// Bytes that had no room there.
    pub rest: Vec<u8>,
    /// The built-in scanner, where it is on the course.
    pub reading: Option<Reading>,
    /// Where events end.
    pub events: Events,
    /// What is known of its kind by its first bytes.
    pub kind: Option<FileKind>,
    /// What its client sees of it meanwhile.
    pub comfort: Comfort,
    /// The sum of what came, where services may know it.
    pub hash: Option<BodyHash>,
    /// What its head says.
    pub content: ResponseContent,
    /// What is set for it.
    pub course: Arc<Course>,
    plan: Plan,
    length: Length,
    extent: Extent,
    hold: HoldSettings,
    detector: Detector,
    began: Instant,
    /// When the first bytes did.
    came: Option<Instant>,
    sniffer: Sniffer,
}

/// What is known when gathering begins.
pub struct Beginning {
    /// Where it is held.
    pub spool: Spool,
    /// The built-in scanner, where it is on the course.
    pub reading: Option<Reading>,
    /// What is set for it.
    pub course: Arc<Course>,
    /// What its head says.
    pub content: ResponseContent,
    /// What is to be done with it by its head.
    pub plan: Plan,
    /// How long it is.
    pub length: Length,
    /// How much of a thing it is.
    pub extent: Extent,
    /// How long what is held.
    pub hold: HoldSettings,
    /// What time tells.
    pub detector: Detector,
    /// Whether a page may stand in for it.
    pub page: Page,
    /// To be summed up, where services may know the sum.
    pub hash: Option<BodyHash>,
}

/// When to look again, or what it came to.
enum Look {
    At(Instant),
    Done(Gathered),
}

impl Gathering {
    /// Nothing has come yet.
    pub fn new(beginning: Beginning) -> Self {
        let Beginning { spool, reading, course, content, plan, length, extent, hold, detector, page, hash } = beginning;
        let coded = Coded::by(&content.content.codings);
        let events = match coded {
            Coded::No => Events::of(&content.content.media_type, content.content.boundary.as_deref()),
            // Where events end in it shows only once it is decoded.
            Coded::Known | Coded::Unknown => Events::of("", None),
        };
        let (began, came, kind) = (Instant::now(), None, None);
        let comfort = Comfort::new(page, length, began + hold.trickle_after);
        Self {
            spool,
            rest: Vec::new(),
            reading,
            events,
            kind,
            comfort,
            hash,
            content,
            course,
            plan,
            length,
            extent,
            hold,
            detector,
            began,
            came,
            sniffer: Sniffer::new(coded),
        }
    }

    /// Gathers until it is known what is done with the body.
    ///
    /// # Errors
    /// The [`Reason`] for which it does not go on at all.
    pub async fn run(
        &mut self,
        session: &mut Session<'_>,
        inspection: &Inspection,
        transfer: &mut Transfer<'_>,
    ) -> Result<Gathered, Reason> {
        let mut paused = 0;
        loop {
            let until = match self.look(Instant::now(), session, inspection, transfer).await? {
                Look::At(until) => until,
                Look::Done(gathered) => return Ok(gathered),
            };
            let mut bytes = session.services.buffers.take();
            let took = transfer.take(&mut session.ahead, until, &mut bytes).await;
            let done = match took {
                Ok(Took::Some) => self.add(session, inspection, &bytes).await?,
                Ok(Took::End) => Some(self.end()),
                Ok(Took::Nothing) => None,
                Err(reason) => Some(Gathered::Cut(reason)),
            };
            session.services.buffers.put(&mut bytes);
            if let Some(gathered) = done {
                return Ok(gathered);
            }
            // A source that never runs dry would keep the worker to itself, and reading costs more than moving.
            if self.spool.len() - paused >= SLICE {
                paused = self.spool.len();
                tokio::task::yield_now().await;
            }
        }
    }

    /// What its head calls it.
    pub fn media_type(&self) -> &str {
        &self.content.content.media_type
    }

    /// Which bytes behind those at hand services are shown of a film or a station; `None` where it is not to be sampled.
    pub fn sampling(&self) -> Option<Sampling> {
        self.sniffer.sampling(self.spool.len() + self.rest.len() as u64)
    }

    /// What has come of it so far.
    pub fn at_hand(&mut self) -> AtHand<'_> {
        AtHand { spool: &mut self.spool, rest: &self.rest }
    }

    /// What parts of it are worth by themselves.
    pub fn parts(&self) -> Parts {
        self.sniffer.parts()
    }

    /// Whether its client may get anything of it while it is held.
    pub fn trickling(&self) -> Trickling {
        match self.course.while_held {
            WhileHeld::Nothing => Trickling::Never,
            WhileHeld::Trickle | WhileHeld::Page => may_trickle(self.media_type(), self.kind),
        }
    }

    /// Decides by what has come so far, and by the time.
    async fn look(
        &mut self,
        now: Instant,
        session: &Session<'_>,
        inspection: &Inspection,
        transfer: &mut Transfer<'_>,
    ) -> Result<Look, Reason> {
        if self.plan != Plan::Whole {
            let told = self.came.map_or(self.began + self.hold.first_byte_gap, |first| first + self.hold.idle_gap);
            let sighted = match self.plan {
                // They come fast enough to wait for certainty, and services do not see all of them.
                Plan::Window(WindowCause::Media) => self.sniffer.is_certain(),
                _ => self.sniffer.is_sighted(self.reading.as_ref()),
            };
            if !sighted && now < told {
                return Ok(Look::At(told));
            }
            if let Some(until) = self.may_be_file(now) {
                return Ok(Look::At(until));
            }
        }
        self.plan = on_first_bytes(self.plan, (self.kind_so_far(), self.extent), self.length, &self.course);
        match self.plan {
            Plan::Whole => self.look_at_whole(now, session, inspection, transfer).await,
            Plan::Window(cause) => Ok(Look::Done(Gathered::Window(Flow::Said(cause)))),
            Plan::Pass(why) => Ok(Look::Done(Gathered::Pass(why))),
            Plan::Block(why) => Err(session.refusal_of(why, Reason::ResponseTooLarge)),
            Plan::Look => Ok(Look::Done(Gathered::Window(Flow::Said(WindowCause::TooLarge)))),
        }
    }

    async fn look_at_whole(
        &mut self,
        now: Instant,
        session: &Session<'_>,
        inspection: &Inspection,
        transfer: &mut Transfer<'_>,
    ) -> Result<Look, Reason> {
        match self.detector.judge(now.into_std()) {
            Verdict::Hold(until) => return Ok(Look::At(until.into())),
            // What is a file but for its last letter is never a stream.
            Verdict::Stream(_) if self.is_file() => {}
            Verdict::Stream(evidence) => {
                if let Some(until) = self.may_be_file(now).or_else(|| self.is_hasty(evidence, now)) {
                    return Ok(Look::At(until));
                }
                return Ok(Look::Done(match plan_stream(WindowCause::Request, &self.course) {
                    Plan::Pass(why) => Gathered::Pass(why),
                    _ => Gathered::Window(Flow::Stream(evidence)),
                }));
            }
            Verdict::Bounded(_) | Verdict::File(_) => {}
        }
        let trickles = self.trickling() == Trickling::Allowed;
        let deadline = self.began + self.hold.deadline + Duration::from_secs(self.spool.len() >> 20);
        let slow = now >= deadline && (self.length == Length::Unknown || !trickles);
        match slow {
            true if is_lost_in_parts(self.kind_so_far(), &self.course) => return Err(Reason::SlowFile),
            true => return Ok(Look::Done(Gathered::Window(Flow::Slow))),
            false => {}
        }
        if !trickles {
            return Ok(Look::At(deadline));
        }
        let awaited = Awaited { inspection, content: &self.content, while_held: self.course.while_held };
        Ok(Look::At(self.comfort.give(now, session, &awaited, &mut self.spool, transfer).await?))
    }

    /// Takes bytes that came.
    async fn add(
        &mut self,
        session: &Session<'_>,
        inspection: &Inspection,
        bytes: &[u8],
    ) -> Result<Option<Gathered>, Reason> {
        let now = Instant::now();
        self.came.get_or_insert(now);
        self.detector.add(bytes.len() as u64, now.into_std());
        self.events.boundary(bytes);
        if let Some(hash) = &mut self.hash {
            hash.push(bytes);
        }
        if let Some(reading) = &mut self.reading
            && let Some(found) = reading.all(bytes, &session.services.decoded).await
        {
            return Ok(Some(Gathered::Found(found)));
        }
        if let Some(kind) = self.sniffer.add(self.reading.as_ref(), bytes) {
            self.kind = Some(kind);
            self.detector.set_kind(kind);
            let (media_type, class) = (&self.content.content.media_type, Some(kind.class));
            self.course = inspection.refined(session, &self.course, media_type, class, Direction::Response);
        }
        if store(&mut self.spool, &mut self.rest, bytes).await.is_err() {
            return self.no_room().map(Some);
        }
        self.over_cap().map(too_large).transpose()
    }

    /// What becomes of it where it is larger than the cap, as it came or decoded.
    fn over_cap(&self) -> Option<Over> {
        let is_too_long = self.length == Length::Unknown && self.spool.len() > self.course.cap.max_body;
        match (self.plan, &self.reading) {
            (Plan::Whole, _) if is_too_long => Some(judge_oversize(self.kind, &self.course)),
            (Plan::Whole, Some(reading)) => judge_decoded(reading.decoded(), &self.course),
            _ => None,
        }
    }

    /// What is known of its kind, or as good as known: of a file its class may show before its kind.
    fn kind_so_far(&self) -> Option<FileKind> {
        self.kind.or_else(|| match self.sniffer.leaning(self.reading.as_ref()) {
            Leaning::File(kind) => Some(kind),
            Leaning::Perhaps | Leaning::No => None,
        })
    }

    fn is_file(&self) -> bool {
        self.kind_so_far().is_some_and(|kind| kind.class.is_always_whole())
    }

    /// How long it is held on because what came of it may well be the beginning of a file that is of no use in parts.
    fn may_be_file(&self, now: Instant) -> Option<Instant> {
        let longest = self.began + self.hold.longest;
        let may_be = now < longest && self.sniffer.leaning(self.reading.as_ref()) == Leaning::Perhaps;
        may_be.then_some(longest)
    }

    /// How long it is held on though such addresses gave streams: a byte or two may still become a file.
    fn is_hasty(&self, evidence: Evidence, now: Instant) -> Option<Instant> {
        let told = self.came? + self.hold.idle_gap;
        let is_hasty = matches!(evidence, Evidence::History { .. }) && now < told;
        (is_hasty && !self.sniffer.is_sighted(self.reading.as_ref())).then_some(told)
    }

    fn no_room(&self) -> Result<Gathered, Reason> {
        match self.course.on_overload {
            OnOverload::Block => Err(Reason::ScanOverload),
            OnOverload::PassUnscanned => Ok(Gathered::Pass(Unscanned::Overload)),
            OnOverload::Window => Ok(Gathered::Window(Flow::NoRoom)),
        }
    }

    fn end(&mut self) -> Gathered {
        self.spool.complete();
        match self.reading.as_mut().and_then(Reading::end) {
            Some(found) => Gathered::Found(found),
            None => Gathered::Whole,
        }
    }
}

fn too_large(over: Over) -> Result<Gathered, Reason> {
    match over {
        Over::Block => Err(Reason::ResponseTooLarge),
        Over::PassUnscanned => Ok(Gathered::Pass(Unscanned::TooLarge)),
        Over::Window => Ok(Gathered::Window(Flow::Said(WindowCause::TooLarge))),
    }
}

/// Puts bytes into `spool`, or behind it into `rest` where it has no room for them; waits until it takes more.
///
/// # Errors
/// When it does not.
pub async fn store(spool: &mut Spool, rest: &mut Vec<u8>, bytes: &[u8]) -> Result<(), SpoolFault> {
    spool.push(bytes).inspect_err(|_| rest.extend_from_slice(bytes))?;
    poll_fn(|cx| spool.poll_ready(cx)).await
}
