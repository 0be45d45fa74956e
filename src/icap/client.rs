//! The client of one service: one call for one message, whatever its servers do.

use std::net::IpAddr;
use std::sync::Arc;

use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::{Instant, timeout_at};

use super::body::{BodyLength, BodySource, gather};
use super::conversation::{Answer, Conversation, Verdict};
use super::endpoint::{EndpointState, Endpoints, Freshness, Transaction};
use super::error::{ErrorKind, IcapError};
use super::exchange::{Exchange, Heard, Turn};
use super::findings::Findings;
use super::message::Message;
use super::opening::{BodyPresence, Opening, Preview, PreviewEnd};
use super::options::{ServiceOptions, Transfer};
use super::outcome::{Outcome, Reply, Report};
use super::pool::Wanted;
use super::request::write_head;
use super::settings::{IcapMethod, IcapService, PartialContent};
use super::shares::{Share, Shares};
use super::stats::{Counters, Ended, IcapStats, Underway};

/// Servers that one message is tried at, or tries at the only one.
const MOST_TRIES: usize = 2;
/// Of the connections to all servers, one in so many may be asked about pieces of streams.
const FOR_STREAMS: usize = 8;

/// The client of one service; shared by all threads, so that the limits of its servers hold for all of them together.
#[derive(Debug)]
pub struct IcapClient {
    settings: IcapService,
    endpoints: Endpoints,
    counters: Arc<Counters>,
    /// Of its connections, what each client of ours may have at once.
    shares: Shares,
    /// Turns of pieces of streams.
    pieces: Semaphore,
    /// Of these turns, the same.
    piece_shares: Shares,
}

/// A turn to have a piece of a stream judged. Dropping it gives it to the next.
#[derive(Debug)]
pub struct PieceTurn<'a> {
    _turn: SemaphorePermit<'a>,
    _share: Share<'a>,
}

/// A try that came to nothing; the body can be tried elsewhere.
struct Failed<B> {
    kind: ErrorKind,
    body: B,
}

impl IcapClient {
    /// A client; nothing is connected before there is something to be judged.
    pub fn new(settings: IcapService) -> Arc<Self> {
        let counters = Counters::new(&settings.name);
        Self::counting(settings, counters)
    }

    /// A client of the same service with other settings, that goes on counting where this one is.
    #[must_use]
    pub fn with_settings(&self, settings: IcapService) -> Arc<Self> {
        Self::counting(settings, self.counters.clone())
    }

    fn counting(settings: IcapService, counters: Arc<Counters>) -> Arc<Self> {
        let endpoints = Endpoints::new(&settings, &counters);
        let connections = settings.max_connections as usize * endpoints.all().len();
        let turns = (connections / FOR_STREAMS).max(1);
        Arc::new(Self {
            shares: Shares::of(connections),
            pieces: Semaphore::new(turns),
            piece_shares: Shares::of(turns),
            settings,
            endpoints,
            counters,
        })
    }

    /// What is set.
    pub fn settings(&self) -> &IcapService {
        &self.settings
    }

    /// What `client` may have of the service's connections: one of its share, within which it asks. All together would do for
    /// more than there are; what one may have does not. Dropping the future leaves the queue.
    ///
    /// # Errors
    /// [`ErrorKind::Busy`] when the client has had its whole share for as long as messages wait. It is counted as any other
    /// failure.
    pub async fn share_of(&self, client: IpAddr, method: IcapMethod) -> Result<Share<'_>, IcapError> {
        let until = Instant::now() + self.settings.timeouts.queue;
        self.shares.take(client, until).await.map_err(|kind| self.has_no_turn(kind, method))
    }

    /// A turn to have a piece of a stream of `client` judged by `method`, first come, first served, within its share: nobody
    /// waits for those as for a page, and all streams may have one in the same moment. Dropping the turn gives it to the
    /// next, dropping the future leaves the queue.
    ///
    /// # Errors
    /// [`ErrorKind::Busy`] when it has not come by `until`. It is counted as any other failure.
    pub async fn turn_of_a_piece(
        &self,
        client: IpAddr,
        method: IcapMethod,
        until: Instant,
    ) -> Result<PieceTurn<'_>, IcapError> {
        let share = self.piece_shares.take(client, until).await.map_err(|kind| self.has_no_turn(kind, method))?;
        match timeout_at(until, self.pieces.acquire()).await {
            Ok(Ok(turn)) => Ok(PieceTurn { _turn: turn, _share: share }),
            _ => Err(self.has_no_turn(ErrorKind::Busy, method)),
        }
    }

    fn has_no_turn(&self, kind: ErrorKind, method: IcapMethod) -> IcapError {
        self.counters.ended(method, Ended::by(kind));
        self.error(kind, None)
    }

    /// How its servers stand.
    pub fn servers(&self) -> Vec<EndpointState> {
        self.endpoints.all().iter().map(|endpoint| endpoint.state()).collect()
    }

    /// What it has done so far, and how it stands.
    pub fn stats(&self) -> IcapStats {
        self.counters.snapshot(self.servers())
    }

    /// Closes connections that have been idle for too long, and asks servers what the service is like before what is known
    /// gets too old, so that no message waits for that. To be called every second or so; may take seconds where a server is
    /// slow, and can be dropped at any time.
    pub async fn tidy(&self) {
        for endpoint in self.endpoints.all() {
            endpoint.pool().tidy();
            endpoint.refresh_options(&self.settings.timeouts).await;
        }
    }

    /// What each server tells of the service, asked for where it is not known.
    pub async fn options(&self) -> Vec<(Arc<str>, Result<Arc<ServiceOptions>, IcapError>)> {
        let mut told = Vec::new();
        for endpoint in self.endpoints.all() {
            let server = endpoint.url().text().clone();
            let options = endpoint.options(&self.settings.timeouts).await;
            told.push((server.clone(), options.map_err(|kind| self.error(kind, Some(server)))));
        }
        told
    }

    /// Has a message judged. No connection is taken before the beginning of the body is there. Dropping the future resets
    /// the connection; a body that could not be read to its end is never ended for the server.
    ///
    /// # Errors
    /// [`IcapError`]: there is no verdict, and [`IcapService::becomes`] says what becomes of the message.
    pub async fn adapt<B: BodySource>(&self, message: &Message, mut body: B) -> Result<Outcome<B>, IcapError> {
        if !self.settings.methods.contains(&message.method()) {
            return Err(self.error(ErrorKind::NotOffered, None));
        }
        let fill = self.settings.timeouts.preview_fill;
        let held = gather(&mut body, self.settings.preview as usize, fill).await;
        let held = held.map_err(|_| {
            self.counters.ended(message.method(), Ended::Body);
            self.error(ErrorKind::BodyFailed, None)
        })?;
        let mut underway = Underway::begin(&self.counters, message.method());
        match self.ask(message, &held, body).await {
            Ok(reply) => Ok(reply.outcome(message.status(), underway)),
            Err(error) => {
                underway.end(Ended::by(error.kind));
                Err(error)
            }
        }
    }

    /// Asks one server, and another where the first does not answer as it should.
    async fn ask<B: BodySource>(&self, message: &Message, held: &Preview, mut body: B) -> Result<Reply<B>, IcapError> {
        let mut transaction = self.endpoints.begin(None).ok_or_else(|| self.error(self.endpoints.why_none(), None))?;
        for tries in 1.. {
            let endpoint = transaction.endpoint().clone();
            let failed = match self.attempt(transaction, message, held, body).await {
                Ok(reply) => return Ok(reply),
                Err(failed) => failed,
            };
            let next = match failed.kind {
                _ if tries >= MOST_TRIES => None,
                // Ours was the delay, so the same server will do.
                ErrorKind::WeWereSlow => self.endpoints.begin(None),
                kind if kind.is_worth_another_try() => self.endpoints.begin(Some(&endpoint)),
                _ => None,
            };
            let Some(next) = next else {
                return Err(self.error(failed.kind, Some(endpoint.url().text().clone())));
            };
            self.counters.retried();
            (transaction, body) = (next, failed.body);
        }
        Err(self.error(ErrorKind::Unavailable, None))
    }

    /// One try at one server, and a second on a new connection where an idle one turned out to be closed.
    async fn attempt<B: BodySource>(
        &self,
        mut transaction: Transaction,
        message: &Message,
        held: &Preview,
        mut body: B,
    ) -> Result<Reply<B>, Failed<B>> {
        let endpoint = transaction.endpoint().clone();
        let options = match endpoint.options(&self.settings.timeouts).await {
            Ok(options) => options,
            Err(kind) => return Err(settled(&mut transaction, kind, body)),
        };
        let opening = self.opening(message, &options, held, body.length());
        let mut wanted = Wanted::Any;
        loop {
            let (link, freshness) = match endpoint.connect(wanted, &self.settings.timeouts).await {
                Ok(connected) => connected,
                Err(kind) => return Err(settled(&mut transaction, kind, body)),
            };
            let talk = Conversation::about(message, endpoint.url(), &opening);
            let mut exchange = Exchange::new(link, talk, body, self.settings.timeouts);
            let answered = match exchange.turn().await {
                Ok(Turn::Answer(answer)) => {
                    let concluded = self.conclude(transaction, message, exchange, *answer, freshness);
                    if matches!(concluded, Err(Failed { kind: ErrorKind::BadRequest, .. })) {
                        let mut head = Vec::new();
                        write_head(endpoint.url(), message, &opening, &mut head);
                        endpoint.tell_bad_request(&head);
                    }
                    return concluded;
                }
                Ok(Turn::Data(_) | Turn::End { .. }) => ErrorKind::Closed,
                Err(kind) => kind,
            };
            let lost_race =
                answered == ErrorKind::Closed && freshness == Freshness::Reused && exchange.heard() == Heard::Nothing;
            body = exchange.into_body();
            if !lost_race {
                return Err(settled(&mut transaction, answered, body));
            }
            endpoint.pool().lost_idle();
            self.counters.retried();
            wanted = Wanted::New;
        }
    }

    fn opening(&self, message: &Message, options: &ServiceOptions, held: &Preview, length: BodyLength) -> Opening {
        let partial = match options.takes_partial {
            true => self.settings.partial,
            false => PartialContent::Refused,
        };
        Opening {
            body: if length == BodyLength::NoBody { BodyPresence::Absent } else { BodyPresence::Present },
            preview: preview(message, options, held),
            allow_unchanged: self.settings.allow_unchanged,
            partial,
            credentials: self.settings.credentials,
            length: length.known(),
        }
    }

    fn conclude<B: BodySource>(
        &self,
        mut transaction: Transaction,
        message: &Message,
        exchange: Exchange<B>,
        answer: Answer,
        connection: Freshness,
    ) -> Result<Reply<B>, Failed<B>> {
        let endpoint = transaction.endpoint().clone();
        let report = Report {
            server: endpoint.url().text().clone(),
            status: answer.head.status,
            istag: answer.head.istag(),
            findings: Findings::of(&answer.head),
            body_given: exchange.body_given(),
            connection,
        };
        endpoint.note_istag(report.istag.as_deref());
        match answer.verdict {
            Verdict::Unchanged | Verdict::Options => {
                transaction.settle(Ok(()));
                let body = exchange.finish(endpoint.pool());
                Ok(Reply::Unchanged { report, body })
            }
            Verdict::Refused(kind) => Err(settled(&mut transaction, kind, exchange.finish(endpoint.pool()))),
            Verdict::Adapted(head) | Verdict::Partial(head) => {
                if let Some(status) = unscanned(message, head.status(), &report.findings) {
                    let kind = ErrorKind::NotScanned(status);
                    return Err(settled(&mut transaction, kind, exchange.into_body()));
                }
                Ok(Reply::Replaced { report, head, exchange: Box::new(exchange), transaction })
            }
        }
    }

    fn error(&self, kind: ErrorKind, server: Option<Arc<str>>) -> IcapError {
        IcapError { kind, service: self.settings.name.clone(), server }
    }
}

impl Drop for IcapClient {
    fn drop(&mut self) {
        self.endpoints.all().iter().for_each(|endpoint| endpoint.pool().retire());
    }
}

fn settled<B>(transaction: &mut Transaction, kind: ErrorKind, body: B) -> Failed<B> {
    transaction.settle(Err(kind));
    Failed { kind, body }
}

/// What of the held beginning goes first: as much as the server wants of such files, if it wants any.
fn preview(message: &Message, options: &ServiceOptions, held: &Preview) -> Option<Preview> {
    let most = options.preview? as usize;
    if options.transfer(message.extension()) == Transfer::Complete {
        return None;
    }
    let count = held.bytes.len().min(most);
    let end = if count == held.bytes.len() { held.end } else { PreviewEnd::Begun };
    Some(Preview { bytes: held.bytes[..count].to_vec(), end })
}

/// Some scanners tell of their own trouble as if it were the origin's.
fn unscanned(message: &Message, status: Option<u16>, findings: &Findings) -> Option<u16> {
    let status = status.filter(|status| *status >= 500)?;
    let of_origin = message.status().is_some_and(|original| original >= 500);
    (message.method() == IcapMethod::Respmod && !of_origin && findings.is_empty()).then_some(status)
}
