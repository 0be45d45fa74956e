//! Asking the ICAP services of a course, one after the other, about a body that is at hand.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::Noted;
use super::known::{Known, WholeBody, look_up, settle};
use super::policy::InspectPolicy;
use super::reading::Found;
use crate::base::inspection::Verdict;
use crate::base::phase::Phase;
use crate::base::reason::Reason;
use crate::flow::session::Session;
use crate::http::framing::BodyFraming;
use crate::http::reply::ConnectionFate;
use crate::icap::adapted::AdaptedHead;
use crate::icap::body::{BodySource, NoBody};
use crate::icap::client::IcapClient;
use crate::icap::error::{Blame, ErrorKind, IcapError};
use crate::icap::message::Message;
use crate::icap::outcome::{AdaptedBody, Judgement, Outcome, Report, Sameness};
use crate::icap::settings::{IcapMethod, OnFailure, VerdictUse};
use crate::inspect::course::{Course, ScannerName};
use crate::inspect::plan::Unscanned;
use crate::inspect::spool::Spool;
use crate::inspect::verdicts::{Flight, Verdict as Said};

/// Longer than any transaction: each has its own deadlines.
const LONGEST: Duration = Duration::from_secs(24 * 3600);

/// Something else in the place of a message.
#[derive(Debug)]
pub struct Replaced {
    /// Its head.
    pub head: AdaptedHead,
    /// Its body.
    pub body: Spool,
    /// What it means.
    pub verdict: Verdict,
}

impl Replaced {
    /// How its body is framed: a request without one has none, a response always has one.
    fn framing(&self) -> BodyFraming {
        match (self.head.status(), self.body.len()) {
            (None, 0) => BodyFraming::None,
            (_, length) => BodyFraming::Length(length),
        }
    }

    /// Writes its head for the client whose connection has this fate.
    pub fn write_head(&self, fate: ConnectionFate, out: &mut Vec<u8>) {
        self.head.write(self.framing(), out);
        if fate == ConnectionFate::Close {
            out.truncate(out.len() - 2);
            out.extend_from_slice(b"Connection: close\r\n\r\n");
        }
    }
}

/// What the services made of a message.
#[derive(Debug)]
pub enum Answered {
    /// It stays as it is.
    Same,
    /// Something else takes its place.
    Replaced(Box<Replaced>),
}

/// The clients of those services of `course` that do `method`, in order. Allocates nothing where there are none.
pub fn clients(policy: &InspectPolicy, course: &Course, method: IcapMethod) -> Vec<Arc<IcapClient>> {
    let names = course.scanners.iter().filter_map(|scanner| match scanner {
        ScannerName::Icap(name) => policy.services.get(name),
        ScannerName::BuiltIn => None,
    });
    names.filter(|client| client.settings().methods.contains(&method)).cloned().collect()
}

/// What services are asked.
pub struct Question<'q> {
    /// Those who are asked, in this order.
    pub clients: &'q [Arc<IcapClient>],
    /// The message.
    pub message: Message,
    /// The status of the response; `None` for a request.
    pub original: Option<u16>,
    /// Its body, where what was said of it before may be said again.
    pub known: Option<WholeBody<'q>>,
}

/// Has every client judge the message. What one puts in its place goes to the next.
///
/// # Errors
/// The [`Reason`] for which the message does not go on, noted with the service.
pub async fn ask<B: BodySource>(
    session: &Session<'_>,
    question: Question<'_>,
    body: &mut B,
) -> Result<Answered, Reason> {
    let Question { clients, message, original, known } = question;
    let mut replaced: Option<Box<Replaced>> = None;
    for client in clients {
        let answered = match &mut replaced {
            None => one_known(session, client, &message, (original, known.as_ref()), body).await,
            Some(now) => {
                let Ok(message) = of_replaced(&message, now) else { return Err(Reason::ScannerFailed) };
                match now.framing() {
                    BodyFraming::None => one_known(session, client, &message, (original, None), &mut NoBody).await,
                    _ => one_known(session, client, &message, (original, None), &mut now.body).await,
                }
            }
        };
        match answered? {
            Answered::Same => {}
            Answered::Replaced(now) if now.verdict == Verdict::Blocked => return Ok(Answered::Replaced(now)),
            Answered::Replaced(now) => replaced = Some(now),
        }
    }
    Ok(replaced.map_or(Answered::Same, Answered::Replaced))
}

/// The message as it stands after a service has changed it.
fn of_replaced(message: &Message, now: &Replaced) -> Result<Message, crate::icap::message::BadMessage> {
    let mut head = Vec::new();
    now.head.write(now.framing(), &mut head);
    message.adapted(&head)
}

/// Asks a service, unless it is known what it would say.
async fn one_known<B: BodySource>(
    session: &Session<'_>,
    client: &IcapClient,
    message: &Message,
    (original, known): (Option<u16>, Option<&WholeBody<'_>>),
    body: &mut B,
) -> Result<Answered, Reason> {
    let known = known.filter(|_| client.settings().verdicts == VerdictUse::Kept);
    let flight = match known {
        None => None,
        Some(whole) => match look_up(session, client, whole).await {
            Known::Nothing(flight) => flight,
            Known::Verdict(Said::Clean) => return Ok(Answered::Same),
            Known::Verdict(Said::Infected(what)) => {
                session.note_found(&Found { what, by: client.settings().name.clone() });
                return Err(Reason::ContentBlocked);
            }
        },
    };
    // Of the service's connections, none of which is taken from the others while one client has its share.
    let asked = async {
        let share = client.share_of(session.source(), message.method()).await?;
        Ok((client.adapt(message, body).await?, share))
    };
    let (outcome, _share) = match watched(session, asked).await {
        Ok(judged) => judged,
        Err(error) => {
            flight.into_iter().for_each(Flight::decline);
            return failed(session, client, original, &error);
        }
    };
    let judgement = outcome.judgement(original);
    if judgement == Judgement::Blocked {
        session.note_found(&found(client, outcome.report()));
    }
    let verdicts = &session.services.inspection.verdicts;
    let report = outcome.report();
    verdicts.tagged(&client.settings().name, &report.server, report.istag.as_deref(), std::time::Instant::now());
    settle(flight, judgement, report, known);
    match outcome {
        Outcome::Unchanged { .. } if judgement == Judgement::Blocked => Err(Reason::ContentBlocked),
        Outcome::Unchanged { .. } => Ok(Answered::Same),
        Outcome::Replaced { head, body, .. } => match watched(session, keep(session, body)).await {
            // What was found bad is not delivered, with or without a page.
            Err(_) if judgement == Judgement::Blocked => Err(Reason::ContentBlocked),
            Err(Kept::Failed(error)) => failed(session, client, original, &error),
            Err(Kept::NoRoom) => Err(Reason::ScanOverload),
            Ok((body, sameness)) => taken(judgement, original, head, body, sameness),
        },
    }
}

/// What takes the place of a message. A response whose body came back as it went is as good as unchanged; of a request the
/// head counts.
fn taken(
    judgement: Judgement,
    original: Option<u16>,
    head: AdaptedHead,
    body: Spool,
    sameness: Sameness,
) -> Result<Answered, Reason> {
    let is_page = head.status() != original || (original.is_some() && sameness != Sameness::Same);
    let verdict = match judgement {
        // What something was found in is not delivered because the service sends it along.
        Judgement::Blocked if !is_page => return Err(Reason::ContentBlocked),
        Judgement::Blocked => Verdict::Blocked,
        Judgement::Unchanged | Judgement::Modified if original.is_some() && sameness == Sameness::Same => {
            return Ok(Answered::Same);
        }
        Judgement::Unchanged | Judgement::Modified => Verdict::Modified,
    };
    Ok(Answered::Replaced(Box::new(Replaced { head, body, verdict })))
}

/// Why a body that takes the place of another could not be kept.
enum Kept {
    Failed(IcapError),
    NoRoom,
}

async fn keep<B: BodySource>(session: &Session<'_>, mut body: AdaptedBody<B>) -> Result<(Spool, Sameness), Kept> {
    let mut spool = session.spool();
    while let Some(bytes) = body.next().await.map_err(Kept::Failed)? {
        spool.push(&bytes).map_err(|_| Kept::NoRoom)?;
        poll_fn(|cx| spool.poll_ready(cx)).await.map_err(|_| Kept::NoRoom)?;
    }
    spool.complete();
    Ok((spool, body.sameness()))
}

/// What becomes of a message that a service could not judge.
fn failed(
    session: &Session<'_>,
    client: &IcapClient,
    original: Option<u16>,
    error: &IcapError,
) -> Result<Answered, Reason> {
    tracing::debug!(%error, "a scanner could not be asked");
    let service = &client.settings().name;
    match client.settings().becomes(error.kind) {
        OnFailure::Block => {
            session.note_scan(|noted: &mut Noted| {
                noted.scanner = Some(service.clone());
                noted.threat = Some(error.kind.to_string().into());
            });
            Err(if error.kind.blame() == Blame::Load { Reason::ScanOverload } else { Reason::ScannerFailed })
        }
        OnFailure::Pass => {
            session.note_scan(|noted: &mut Noted| {
                noted.scanner = Some(service.clone());
                let which = if original.is_some() { &mut noted.unscanned } else { &mut noted.upload_unscanned };
                (noted.verdict, *which) = (Verdict::Unscanned, Some(unscanned(error.kind).label()));
            });
            Ok(Answered::Same)
        }
    }
}

/// Why a message passes that a service could not judge.
pub fn unscanned(kind: ErrorKind) -> Unscanned {
    if kind.blame() == Blame::Load { Unscanned::Overload } else { Unscanned::ScannerDown }
}

/// What a service found, in its own words.
pub fn found(client: &IcapClient, report: &Report) -> Found {
    let what = report.findings.threat().unwrap_or("no name given");
    Found { what: what.into(), by: client.settings().name.clone() }
}

/// Waits for a scanner.
pub async fn watched<T>(session: &Session<'_>, work: impl Future<Output = T>) -> T {
    let mut work = pin!(work);
    loop {
        session.tether.waits(Phase::Scan, Instant::now() + LONGEST);
        if let Ok(done) = session.tether.until(|cx| work.as_mut().poll(cx)).await {
            return done;
        }
    }
}
