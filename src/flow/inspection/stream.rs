//! A body that flows on while ICAP services see it in batches.

use std::future::{Future, poll_fn};
use std::net::IpAddr;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use tokio::time::{Instant, sleep, sleep_until};

use super::ask::{found, unscanned};
use super::batches::{Batch, Batches};
use super::reading::Found;
use super::sniffer::Parts;
use crate::base::inspection::Verdict;
use crate::base::reason::Reason;
use crate::flow::ledger::Ledger;
use crate::flow::services::Services;
use crate::flow::session::Session;
use crate::flow::transfer::Transfer;
use crate::icap::body::InMemory;
use crate::icap::client::IcapClient;
use crate::icap::error::{Blame, ErrorKind, IcapError};
use crate::icap::message::Message;
use crate::icap::outcome::{Judgement, Outcome};
use crate::icap::settings::OnFailure;
use crate::inspect::plan::Unscanned;
use crate::inspect::verdicts::Verdicts;

/// Those who see a stream in batches.
pub struct Watchers {
    /// Their clients.
    pub clients: Vec<Arc<IcapClient>>,
    /// What they are sent.
    pub batches: Rc<Batches>,
    /// The message, without the length of any batch.
    pub message: Message,
    /// Who else sees the body, all of it.
    pub left_out: LeftOut,
    /// What its batches are worth by themselves.
    pub parts: Parts,
    /// Bytes that were shown before the first batch.
    pub held: u64,
}

/// Who sees the bytes of a stream that services do not see, or cannot read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LeftOut {
    /// The built-in scanner reads all of it.
    Read,
    /// Nobody: they count as not scanned.
    Unseen,
}

/// How long a batch that has had its turn is tried again at a service that has too much to do: events come to all streams in
/// the same moment, and their batches are due in the same moment too.
const PATIENCE: Duration = Duration::from_secs(5);
/// Between two tries.
const PAUSE: Duration = Duration::from_millis(100);

/// What ended a stream before its end.
enum Stop {
    Found(Found),
    Failed(IcapError),
}

/// What a service is shown of a stream.
#[derive(Clone, Copy)]
struct Shown<'b> {
    batch: &'b Batch,
    /// Its number.
    window: u64,
    /// Whose stream it is.
    client: IpAddr,
    /// Where it counts what the service says its tag is.
    verdicts: &'b Verdicts,
}

/// Whether a service has seen a batch that goes on.
enum Seen {
    Yes,
    /// It failed or had too much to do, and is set to be passed by.
    No(Unscanned),
}

/// Delivers the body while its batches are scanned, the last one before its end.
///
/// # Errors
/// The [`Reason`] to cut it for.
pub async fn deliver(
    session: &mut Session<'_>,
    transfer: &mut Transfer<'_>,
    watchers: &Watchers,
) -> Result<(), Reason> {
    let stop = {
        let mut scans = pin!(scan(watchers, session.source(), session.services, session.ledger));
        let mut body = pin!(transfer.body(&mut session.ahead));
        poll_fn(|cx| {
            loop {
                if let Poll::Ready(stop) = scans.as_mut().poll(cx) {
                    return Poll::Ready(Err(stop));
                }
                let moved = body.as_mut().poll(cx);
                watchers.note_left_out(session.ledger);
                if let Poll::Ready(done) = moved {
                    return Poll::Ready(Ok(done));
                }
                if !watchers.batches.take_news() {
                    return Poll::Pending;
                }
            }
        })
        .await
    };
    match stop {
        Ok(done) => done,
        Err(Stop::Found(found)) => {
            session.note_found(&found);
            Err(Reason::ContentCut)
        }
        Err(Stop::Failed(error)) => {
            session.note_scan(|noted| {
                noted.scanner = Some(error.service.clone());
                noted.threat = Some(error.kind.to_string().into());
            });
            Err(Reason::ScannerCut)
        }
    }
}

impl Watchers {
    /// Notes that a batch could not be read by whom it was shown to, nor by anybody else.
    fn note_opaque(&self, batch: &Batch, ledger: &Ledger<'_>) {
        let is_beginning = self.held == 0 && batch.end == batch.bytes.len() as u64;
        if self.parts == Parts::Opaque && self.left_out == LeftOut::Unseen && !is_beginning {
            ledger.note_scan(|noted| {
                noted.verdict = Verdict::Unscanned;
                noted.unscanned.get_or_insert(Unscanned::Coding.label());
            });
        }
    }

    /// Notes how much was left out so far: clients of stations leave in the middle.
    fn note_left_out(&self, ledger: &Ledger<'_>) {
        let skipped = self.batches.skipped();
        if self.left_out == LeftOut::Unseen && skipped > 0 {
            ledger.note_scan(|noted| {
                noted.skipped = skipped;
                noted.unscanned.get_or_insert(Unscanned::Media.label());
            });
        }
    }
}

/// Has one batch after the other scanned; ends with what must stop the stream, and never otherwise.
async fn scan(watchers: &Watchers, client: IpAddr, services: &Services, ledger: &Ledger<'_>) -> Stop {
    let mut window = 0;
    while let Some(batch) = next(&watchers.batches).await {
        window += 1;
        services.counters.inspection.windows.add(1);
        watchers.note_opaque(&batch, ledger);
        for service in &watchers.clients {
            let shown = Shown { batch: &batch, window, client, verdicts: &services.inspection.verdicts };
            match Box::pin(scan_one(service, &watchers.message, shown)).await {
                Ok(Seen::Yes) => {}
                Ok(Seen::No(why)) => ledger.note_scan(|noted| {
                    noted.scanner = Some(service.settings().name.clone());
                    (noted.verdict, noted.unscanned) = (Verdict::Unscanned, Some(why.label()));
                }),
                Err(stop) => return stop,
            }
        }
        watchers.batches.clear(batch.end);
    }
    std::future::pending().await
}

async fn next(batches: &Batches) -> Option<Batch> {
    let mut clock = pin!(sleep_until(Instant::now()));
    poll_fn(|cx| {
        loop {
            if let Poll::Ready(batch) = batches.poll_batch(Instant::now(), cx) {
                return Poll::Ready(batch);
            }
            let Some(due) = batches.due() else { return Poll::Pending };
            if clock.deadline() != due {
                clock.as_mut().reset(due);
            }
            if clock.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
        }
    })
    .await
}

async fn scan_one(client: &IcapClient, message: &Message, shown: Shown<'_>) -> Result<Seen, Stop> {
    match ask(client, message, shown).await {
        Ok(None) => Ok(Seen::Yes),
        Ok(Some(found)) => Err(Stop::Found(found)),
        Err(error) => match client.settings().becomes(error.kind) {
            OnFailure::Pass => Ok(Seen::No(unscanned(error.kind))),
            OnFailure::Block => Err(Stop::Failed(error)),
        },
    }
}

/// Shows a batch that is due to a service, again where it had too much to do: nothing is held up but this stream. It waits
/// for its turns, and for servers that asked to be left alone, no longer than a transaction may last; what comes then has
/// its own deadlines.
async fn ask(client: &IcapClient, message: &Message, shown: Shown<'_>) -> Result<Option<Found>, IcapError> {
    let message = message.window(shown.window, shown.batch.bytes.len() as u64);
    let until = Instant::now() + client.settings().timeouts.whole;
    let mut ends = None;
    loop {
        let turn = client.turn_of_a_piece(shown.client, message.method(), until).await?;
        let ends = ends.get_or_insert_with(|| Instant::now() + PATIENCE);
        let judged = judged(client, &message, shown).await;
        drop(turn);
        let now = Instant::now();
        let kind = judged.as_ref().err().map(|error| error.kind);
        match kind.and_then(ErrorKind::retry_after) {
            // Nobody is asked meanwhile, so there is nothing to try.
            Some(pause) if now < until => {
                sleep_until(until.min(now + pause)).await;
                *ends = (*ends).max(Instant::now() + PATIENCE);
            }
            None if kind.map(ErrorKind::blame) == Some(Blame::Load) && now < *ends => sleep(PAUSE).await,
            _ => return judged,
        }
    }
}

/// What a service finds in a batch. What it changes in a part cannot be put in its place, as that would be for the whole,
/// but has to come to its end: some servers break off where they find something.
async fn judged(client: &IcapClient, message: &Message, shown: Shown<'_>) -> Result<Option<Found>, IcapError> {
    let outcome = client.adapt(message, InMemory(&shown.batch.bytes)).await?;
    let report = outcome.report();
    shown.verdicts.tagged(&client.settings().name, &report.server, report.istag.as_deref(), Instant::now().into_std());
    if outcome.judgement(message.status()) == Judgement::Blocked {
        return Ok(Some(found(client, report)));
    }
    if let Outcome::Replaced { mut body, .. } = outcome {
        while body.next().await?.is_some() {}
    }
    Ok(None)
}
