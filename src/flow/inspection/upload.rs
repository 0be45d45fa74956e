//! A request body that is held: read from its client until it is whole, or known to flow on.

use std::sync::Arc;
use std::task::Context;

use tokio::time::Instant;

use super::Inspection;
use super::gather::{SLICE, store};
use super::reading::{Found, Reading};
use super::sniffer::Sniffer;
use crate::base::phase::Phase;
use crate::base::reason::Reason;
use crate::flow::floor::RateFloor;
use crate::flow::pump::Pump;
use crate::flow::session::Session;
use crate::icap::client::IcapClient;
use crate::icap::settings::OnFailure;
use crate::inspect::course::{Course, Direction, OnOverload, Over};
use crate::inspect::magic::FileKind;
use crate::inspect::plan::{Unscanned, judge_decoded, judge_oversize};
use crate::inspect::spool::Spool;

/// A request body that is held.
pub struct Gathering {
    /// What reads it.
    pub pump: Pump,
    /// The built-in scanner, where it is on the course.
    pub reading: Option<Reading>,
    /// What came.
    pub spool: Spool,
    /// Bytes that had no room there.
    pub rest: Vec<u8>,
    /// What is set for it.
    pub course: Arc<Course>,
    /// How long.
    pub until: Until,
    /// Looks for its kind.
    pub sniffer: Sniffer,
    /// What that is, once it is known.
    pub kind: Option<FileKind>,
    /// What becomes of it where services cannot see it whole.
    pub unseen: Unseen,
}

/// How long a request body is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Until {
    /// Until all of it is here.
    Whole,
    /// Until its first bytes have told what it is: there are rules for that, and nobody has to see it whole.
    Sighted,
}

/// What becomes of a body that REQMOD services cannot be shown whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unseen {
    /// It goes on, told as not scanned.
    Passes,
    /// It does not: one of them is set to block what it could not judge.
    Refused,
}

impl Unseen {
    /// As the services are set that were to see it.
    pub fn by(clients: &[Arc<IcapClient>]) -> Self {
        let blocks = clients.iter().any(|client| client.settings().on_failure == OnFailure::Block);
        if blocks { Unseen::Refused } else { Unseen::Passes }
    }
}

/// How gathering ended.
pub enum Gathered {
    /// All of it is here, and nothing was found.
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

impl Gathering {
    /// Gathers until the body is whole, or known to flow on.
    ///
    /// # Errors
    /// The [`Reason`] to refuse the request.
    pub async fn run(&mut self, session: &mut Session<'_>, inspection: &Inspection) -> Result<Gathered, Reason> {
        let (mut floor, mut paused) = (RateFloor::default(), 0);
        loop {
            let mut bytes = session.services.buffers.take();
            let came = self.take(session, &mut floor, &mut bytes).await?;
            let went_on = match came {
                Came::Some => self.add(session, inspection, &bytes).await?,
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
        let gap = session.services.policy.load().inspect.hold().idle_gap;
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

    async fn add(
        &mut self,
        session: &Session<'_>,
        inspection: &Inspection,
        bytes: &[u8],
    ) -> Result<Option<Gathered>, Reason> {
        if let Some(reading) = &mut self.reading
            && let Some(found) = reading.all(bytes, &session.services.decoded).await
        {
            return Err(refused(session, &found));
        }
        if let Some(kind) = self.sniffer.add(self.reading.as_ref(), bytes) {
            self.kind = Some(kind);
            let media_type = &inspection.said.content.media_type;
            self.course = inspection.refined(session, &self.course, media_type, Some(kind.class), Direction::Request);
        }
        let over = match store(&mut self.spool, &mut self.rest, bytes).await {
            Err(_) => match self.course.on_overload {
                OnOverload::Block => return Err(Reason::ScanOverload),
                OnOverload::PassUnscanned | OnOverload::Window => Some(Unscanned::Overload),
            },
            Ok(()) if self.spool.len() > self.course.cap.max_body => match judge_oversize(self.kind, &self.course) {
                _ if self.unseen == Unseen::Refused && self.course.cap.over.is_none() => {
                    return Err(Reason::RequestTooLarge);
                }
                Over::Block => return Err(Reason::RequestTooLarge),
                Over::PassUnscanned | Over::Window => Some(Unscanned::TooLarge),
            },
            Ok(()) if self.is_refused_decoded() => return Err(Reason::RequestTooLarge),
            Ok(()) if self.until == Until::Sighted && self.sniffer.is_sighted(self.reading.as_ref()) => {
                return Ok(Some(Gathered::FlowsOn));
            }
            Ok(()) => None,
        };
        Ok(over.map(|why| {
            session.note_unscanned_upload(why);
            Gathered::FlowsOn
        }))
    }

    /// Whether it is refused for what came out of its codings.
    fn is_refused_decoded(&self) -> bool {
        let decoded = self.reading.as_ref().map_or(0, Reading::decoded);
        judge_decoded(decoded, &self.course) == Some(Over::Block)
    }

    fn end(&mut self, session: &Session<'_>) -> Result<Gathered, Reason> {
        self.spool.complete();
        match self.reading.as_mut().and_then(Reading::end) {
            None => Ok(Gathered::Whole),
            Some(found) => Err(refused(session, &found)),
        }
    }
}

fn refused(session: &Session<'_>, found: &Found) -> Reason {
    session.note_found(found);
    Reason::ContentBlocked
}
