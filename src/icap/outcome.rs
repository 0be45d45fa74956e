//! What a service made of a message.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;

use super::adapted::AdaptedHead;
use super::body::BodySource;
use super::endpoint::{Freshness, Transaction};
use super::error::{ErrorKind, Fault, IcapError};
use super::exchange::{Exchange, Turn};
use super::findings::Findings;
use super::settings::IcapMethod;
use super::stats::{Ended, Underway};

/// Bytes of the original that are read at a time.
const SLICE: usize = 16 * 1024;

/// What is known of a transaction besides its outcome.
#[derive(Clone, Debug)]
pub struct Report {
    /// The server that answered.
    pub server: Arc<str>,
    /// Its ICAP status.
    pub status: u16,
    /// Its service tag.
    pub istag: Option<String>,
    /// What it says it found.
    pub findings: Findings,
    /// Bytes of the body that it was given before it answered.
    pub body_given: u64,
    /// How the connection came about.
    pub connection: Freshness,
}

impl Report {
    /// What is worth a place in a log: what was found, and whatever else is known; on one line, fit to be shown.
    pub fn summary(&self) -> String {
        let istag = self.istag.as_deref().unwrap_or("none");
        let found = self.findings.to_string();
        let found = if found.is_empty() { "nothing found" } else { &found };
        format!("{found}; ICAP {}, tag {istag}, {} bytes given", self.status, self.body_given)
    }
}

/// What a service made of a message.
#[derive(Debug)]
pub enum Outcome<B> {
    /// The message is to stay as it is. That it is clean is what most services mean by it, not what all of them know.
    Unchanged {
        /// The rest that is known.
        report: Report,
        /// The body that was judged.
        body: B,
    },
    /// Another message is to take its place: the cleaned one, or a page that says why there is none.
    Replaced {
        /// The rest that is known.
        report: Report,
        /// Its head.
        head: AdaptedHead,
        /// Its body.
        body: AdaptedBody<B>,
    },
}

/// What an outcome means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Judgement {
    /// It stays as it is.
    Unchanged,
    /// It is replaced by something that is as good.
    Modified,
    /// It was found bad.
    Blocked,
}

impl<B> Outcome<B> {
    /// The rest that is known.
    pub fn report(&self) -> &Report {
        match self {
            Outcome::Unchanged { report, .. } | Outcome::Replaced { report, .. } => report,
        }
    }

    /// What it means for a message whose own status is `original`; `None` for a request. What the service says it found
    /// comes first, then whether it answers with a page instead.
    pub fn judgement(&self, original: Option<u16>) -> Judgement {
        match self {
            Outcome::Unchanged { report, .. } => judge(report, None, original),
            Outcome::Replaced { report, head, .. } => judge(report, Some(head), original),
        }
    }
}

fn judge(report: &Report, head: Option<&AdaptedHead>, original: Option<u16>) -> Judgement {
    if report.findings.is_bad() {
        return Judgement::Blocked;
    }
    match (head.map(AdaptedHead::status), original) {
        (None, _) => Judgement::Unchanged,
        // A request that is answered does not go on.
        (Some(Some(_)), None) => Judgement::Blocked,
        (Some(Some(status @ 300..)), Some(original)) if status != original => Judgement::Blocked,
        _ => Judgement::Modified,
    }
}

/// What a server answered, before it is counted.
pub(super) enum Reply<B> {
    Unchanged { report: Report, body: B },
    Replaced { report: Report, head: AdaptedHead, exchange: Box<Exchange<B>>, transaction: Transaction },
}

impl<B: BodySource> Reply<B> {
    /// Counts it, as far as it is known what it comes to. `original` is the status of the message.
    pub fn outcome(self, original: Option<u16>, mut underway: Underway) -> Outcome<B> {
        match self {
            Reply::Unchanged { report, body } => {
                let blocked = judge(&report, None, original) == Judgement::Blocked;
                underway.end(if blocked { Ended::Blocked } else { Ended::Clean });
                Outcome::Unchanged { report, body }
            }
            Reply::Replaced { report, head, exchange, mut transaction } => {
                // Whoever is told so may not care for the page.
                if judge(&report, Some(&head), original) == Judgement::Blocked {
                    underway.count(Ended::Blocked);
                    transaction.has_verdict();
                }
                let body = AdaptedBody::new(exchange, head.declared, transaction, underway);
                Outcome::Replaced { report, head, body }
            }
        }
    }
}

#[derive(Debug)]
enum Coming<B> {
    Adapted(Box<Exchange<B>>),
    Original { body: B, at: u64, received: u64 },
    Over(B),
    Failed,
}

/// The body of the message that takes the place of another. It holds a connection of the service until its end, so it is
/// to be read at once; dropped before that, the connection is reset.
#[derive(Debug)]
pub struct AdaptedBody<B> {
    coming: Coming<B>,
    declared: Option<u64>,
    /// Bytes that came and are those of the original.
    same: Sameness,
    transaction: Transaction,
    underway: Underway,
}

/// Whether a body that came back is the one that was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sameness {
    /// Not known before its end; what came so far is the same.
    SoFar {
        /// Bytes that came.
        bytes: u64,
    },
    /// It is the same, from the first to the last byte.
    Same,
    /// It is not.
    Different,
}

impl<B: BodySource> AdaptedBody<B> {
    fn new(exchange: Box<Exchange<B>>, declared: Option<u64>, transaction: Transaction, underway: Underway) -> Self {
        let (coming, same) = (Coming::Adapted(exchange), Sameness::SoFar { bytes: 0 });
        Self { coming, declared, same, transaction, underway }
    }

    /// The next bytes, never none; `None` at the end, which comes only if the body is as long as its head says.
    ///
    /// # Errors
    /// [`IcapError`]: the body is not whole, and whoever was given its beginning must see that it is cut.
    pub async fn next(&mut self) -> Result<Option<Vec<u8>>, IcapError> {
        loop {
            match std::mem::replace(&mut self.coming, Coming::Failed) {
                Coming::Adapted(mut exchange) => match exchange.turn().await {
                    Ok(Turn::Data(bytes)) => {
                        self.compare(&mut exchange, &bytes).await;
                        self.coming = Coming::Adapted(exchange);
                        return Ok(Some(bytes));
                    }
                    Ok(Turn::Answer(_)) => self.coming = Coming::Adapted(exchange),
                    Ok(Turn::End { original_from }) => self.end(*exchange, original_from).await?,
                    Err(kind) => return Err(self.fail(kind)),
                },
                Coming::Original { mut body, at, received } => {
                    let bytes = read_slice(&mut body, at, SLICE).await.map_err(|kind| self.fail(kind))?;
                    let (at, received) = (at + bytes.len() as u64, received + bytes.len() as u64);
                    let wrong = |declared: u64| received > declared || (bytes.is_empty() && received < declared);
                    if self.declared.is_some_and(wrong) {
                        return Err(self.fail(ErrorKind::Protocol(Fault::AdaptedLength)));
                    }
                    if bytes.is_empty() {
                        self.over(body);
                    } else {
                        self.coming = Coming::Original { body, at, received };
                        return Ok(Some(bytes));
                    }
                }
                Coming::Over(body) => {
                    self.coming = Coming::Over(body);
                    return Ok(None);
                }
                Coming::Failed => return Err(self.error(ErrorKind::Closed)),
            }
        }
    }

    /// Whether it is the body that was sent: services send everything back where they may not say "unchanged", or do not
    /// care to.
    pub fn sameness(&self) -> Sameness {
        self.same
    }

    async fn compare(&mut self, exchange: &mut Exchange<B>, bytes: &[u8]) {
        if let Sameness::SoFar { bytes: at } = self.same {
            self.same = match exchange.is_original(at, bytes).await {
                true => Sameness::SoFar { bytes: at + bytes.len() as u64 },
                false => Sameness::Different,
            };
        }
    }

    /// All of it, at most `most` bytes.
    ///
    /// # Errors
    /// [`IcapError`]; [`Fault::AdaptedTooLarge`] when there is more.
    pub async fn collect(&mut self, most: usize) -> Result<Vec<u8>, IcapError> {
        let mut all = Vec::new();
        while let Some(bytes) = self.next().await? {
            if all.len() + bytes.len() > most {
                return Err(self.fail(ErrorKind::Protocol(Fault::AdaptedTooLarge)));
            }
            all.extend_from_slice(&bytes);
        }
        Ok(all)
    }

    async fn end(&mut self, exchange: Exchange<B>, original_from: Option<u64>) -> Result<(), IcapError> {
        let received = exchange.received();
        let mut body = exchange.finish(self.transaction.endpoint().pool());
        let same = matches!(self.same, Sameness::SoFar { .. }) && original_from.is_none();
        self.same = if same && ends_at(&mut body, received).await { Sameness::Same } else { Sameness::Different };
        match original_from {
            None => self.over(body),
            Some(at) => {
                // The byte before is there, or the place is outside.
                let inside = match at.checked_sub(1) {
                    None => true,
                    Some(before) => {
                        let read = read_slice(&mut body, before, 1).await;
                        !read.map_err(|kind| self.fail(kind))?.is_empty()
                    }
                };
                if !inside {
                    return Err(self.fail(ErrorKind::Protocol(Fault::Partial)));
                }
                self.coming = Coming::Original { body, at, received };
            }
        }
        Ok(())
    }

    /// It is whole. A response whose body came back as it went is as good as unchanged; of a request the head counts.
    fn over(&mut self, body: B) {
        self.coming = Coming::Over(body);
        self.transaction.settle(Ok(()));
        let untouched = self.same == Sameness::Same && self.underway.method() == IcapMethod::Respmod;
        self.underway.end(if untouched { Ended::Clean } else { Ended::Modified });
    }

    fn fail(&mut self, kind: ErrorKind) -> IcapError {
        self.coming = Coming::Failed;
        self.transaction.settle(Err(kind));
        self.underway.end(Ended::by(kind));
        self.error(kind)
    }

    fn error(&self, kind: ErrorKind) -> IcapError {
        let server = self.transaction.endpoint().url().text().clone();
        IcapError { kind, service: self.underway.service().clone(), server: Some(server) }
    }
}

/// Whether the original ends after this many bytes; where that cannot be told yet, it does not.
async fn ends_at(body: &mut impl BodySource, length: u64) -> bool {
    if let Some(known) = body.length().known() {
        return known == length;
    }
    let ended = poll_fn(|cx| Poll::Ready(body.poll_read_at(cx, length, &mut [0])));
    matches!(ended.await, Poll::Ready(Ok(0)))
}

async fn read_slice(body: &mut impl BodySource, at: u64, most: usize) -> Result<Vec<u8>, ErrorKind> {
    let mut bytes = vec![0; most];
    let count = poll_fn(|cx| body.poll_read_at(cx, at, &mut bytes)).await.map_err(|_| ErrorKind::BodyFailed)?;
    bytes.truncate(count);
    Ok(bytes)
}
