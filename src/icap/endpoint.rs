//! One server of a service: its connections, its breaker, and what it told of itself.

mod dial;
mod notices;
mod tally;

use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use self::dial::Dialler;
use self::notices::Told;
pub use self::tally::{Endpoints, Transaction};
use super::body::NoBody;
use super::breaker::{Breaker, BreakerState};
use super::conversation::{Conversation, Verdict};
use super::error::{Blame, ErrorKind};
use super::exchange::{Exchange, Turn};
use super::options::ServiceOptions;
use super::pool::{Link, Pool, PoolUsage, Taken, Wanted};
use super::settings::IcapTimeouts;
use super::stats::Counters;
use super::url::ServiceUrl;

/// Longest wait for an answer to OPTIONS, which costs a server nothing.
const OPTIONS_REPLY: Duration = Duration::from_secs(5);
/// OPTIONS that were asked for ahead of need are not asked for again within this time, whatever came of it.
const SHORTEST_GAP: Duration = Duration::from_secs(30);

/// When a server is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rank {
    /// Always.
    First,
    /// Where none of the first can be.
    StandBy,
}

impl Rank {
    /// From the first to the last.
    pub const ALL: [Rank; 2] = [Rank::First, Rank::StandBy];

    /// The word in the API.
    pub const fn label(self) -> &'static str {
        match self {
            Rank::First => "first",
            Rank::StandBy => "stand_by",
        }
    }
}

/// How a connection came about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Freshness {
    /// It was made for this.
    New,
    /// It has carried requests before.
    Reused,
}

#[derive(Debug, Default)]
struct Known {
    options: Option<Arc<ServiceOptions>>,
    until: Option<Instant>,
    /// From when on it is asked for again while it still holds, so that no message has to wait for it.
    renew: Option<Instant>,
    /// It asked to be left alone until then.
    held: Option<Instant>,
    /// What went wrong last, since something went right.
    trouble: Option<ErrorKind>,
    /// The service tag that it told last.
    istag: Option<String>,
    told: Told,
}

/// One server of a service.
#[derive(Debug)]
pub struct Endpoint {
    url: ServiceUrl,
    rank: Rank,
    dialler: Dialler,
    pool: Arc<Pool>,
    breaker: Mutex<Breaker>,
    known: Mutex<Known>,
    /// Held while OPTIONS is asked, so that it is asked once.
    asking: tokio::sync::Mutex<()>,
    open: AtomicU32,
    counters: Arc<Counters>,
}

/// A server as it stands.
#[derive(Clone, Debug)]
pub struct EndpointState {
    /// Its address.
    pub server: Arc<str>,
    /// When it is asked.
    pub rank: Rank,
    /// Transactions under way.
    pub open: u32,
    /// Its connections.
    pub connections: PoolUsage,
    /// Whether it works.
    pub breaker: BreakerState,
    /// What it told of itself, if it was asked.
    pub options: Option<Arc<ServiceOptions>>,
    /// The service tag of its last answer that had one, whatever it was asked.
    pub istag: Option<String>,
    /// What went wrong last, if nothing went right since.
    pub trouble: Option<ErrorKind>,
}

impl Endpoint {
    /// The server at `url`, with at most `connections`. Nothing is connected.
    fn new(url: ServiceUrl, rank: Rank, (connections, dialler): (u32, Dialler), counters: &Arc<Counters>) -> Arc<Self> {
        Arc::new(Self {
            url,
            rank,
            dialler,
            pool: Pool::new(connections),
            breaker: Mutex::new(Breaker::new(Instant::now().into_std())),
            known: Mutex::default(),
            asking: tokio::sync::Mutex::default(),
            open: AtomicU32::new(0),
            counters: counters.clone(),
        })
    }

    /// Its address.
    pub fn url(&self) -> &ServiceUrl {
        &self.url
    }

    /// Its connections.
    pub fn pool(&self) -> &Arc<Pool> {
        &self.pool
    }

    /// Transactions under way.
    pub fn open(&self) -> u32 {
        self.open.load(Relaxed)
    }

    /// How it stands.
    pub fn state(&self) -> EndpointState {
        let (options, istag, trouble) = {
            let known = self.known();
            (known.options.clone(), known.istag.clone(), known.trouble)
        };
        EndpointState {
            server: self.url.text().clone(),
            rank: self.rank,
            open: self.open(),
            connections: self.pool.usage(),
            breaker: self.breaker().state(),
            options,
            istag,
            trouble,
        }
    }

    /// Whether it would be asked now.
    pub fn is_available(&self, now: Instant) -> bool {
        self.held_for(now).is_none() && self.breaker().would_admit(now.into_std())
    }

    /// How long it asked to be left alone yet.
    fn held_for(&self, now: Instant) -> Option<Duration> {
        let held = self.known().held?;
        (held > now).then(|| held - now)
    }

    /// A connection: an idle one where that will do, else a new one.
    ///
    /// # Errors
    /// [`ErrorKind`] of the queue or the dial.
    pub async fn connect(&self, wanted: Wanted, timeouts: &IcapTimeouts) -> Result<(Link, Freshness), ErrorKind> {
        let asked = Instant::now();
        let taken = self.pool.take(wanted, timeouts.queue).await;
        self.counters.queued(asked.elapsed());
        match taken? {
            Taken::Idle(link) => Ok((link, Freshness::Reused)),
            Taken::Seat(seat) => {
                let wire = self.dialler.dial(self.url.server(), timeouts.connect).await?;
                Ok((Link::new(wire, seat), Freshness::New))
            }
        }
    }

    /// What the service is like, asked for when it is not known or too old. A server that refuses to tell is treated as
    /// it was before, or as servers are.
    ///
    /// # Errors
    /// [`ErrorKind`] when it cannot even be connected to.
    pub async fn options(&self, timeouts: &IcapTimeouts) -> Result<Arc<ServiceOptions>, ErrorKind> {
        if let Some(options) = self.fresh_options() {
            return Ok(options);
        }
        let _asking = self.asking.lock().await;
        if let Some(options) = self.fresh_options() {
            return Ok(options);
        }
        // Whoever waited behind others that failed does not try in vain as well.
        if self.breaker().state() == BreakerState::Open {
            return Err(self.known().trouble.unwrap_or(ErrorKind::Unavailable));
        }
        self.renew_options(timeouts).await
    }

    /// Asks for what will soon be too old, or was never asked for, unless somebody does already or the server does not
    /// work. Nobody waits for this, and nobody is told when it fails: the next message will find out.
    pub async fn refresh_options(&self, timeouts: &IcapTimeouts) {
        let Ok(_asking) = self.asking.try_lock() else { return };
        let now = Instant::now();
        if !self.is_available(now) || self.breaker().state() != BreakerState::Closed {
            return;
        }
        {
            let mut known = self.known();
            if known.renew.is_some_and(|renew| renew > now) {
                return;
            }
            known.renew = Some(now + SHORTEST_GAP);
        }
        let _ = self.renew_options(timeouts).await;
    }

    async fn renew_options(&self, timeouts: &IcapTimeouts) -> Result<Arc<ServiceOptions>, ErrorKind> {
        let asked = self.ask_options(timeouts).await?;
        self.note_istag(asked.as_ref().and_then(|told| told.istag.as_deref()));
        if let Some(told) = &asked {
            let before = self.known().options.clone();
            self.tell_options(before.as_ref(), told);
        }
        let mut known = self.known();
        let options = match (asked, known.options.take()) {
            (Some(told), _) => Arc::new(told),
            (None, Some(before)) => before,
            (None, None) => Arc::new(ServiceOptions::assumed()),
        };
        let now = Instant::now();
        known.until = Some(now + options.ttl);
        known.renew = Some(now + options.ttl * 9 / 10);
        known.options = Some(options.clone());
        self.pool.told(options.max_connections);
        Ok(options)
    }

    /// Asks again before the next transaction, whatever is known.
    pub fn forget_options(&self) {
        self.known().until = None;
    }

    /// Notes the service tag of an answer: another one than before means other rules.
    pub(super) fn note_istag(&self, told: Option<&str>) {
        let Some(told) = told else { return };
        let mut known = self.known();
        if known.istag.as_deref() == Some(told) {
            return;
        }
        if known.istag.replace(told.to_owned()).is_some() {
            self.counters.istag_changed();
        }
    }

    fn fresh_options(&self) -> Option<Arc<ServiceOptions>> {
        let known = self.known();
        let fresh = known.until.is_some_and(|until| until > Instant::now());
        known.options.clone().filter(|_| fresh)
    }

    /// `None` when the server will not tell.
    async fn ask_options(&self, timeouts: &IcapTimeouts) -> Result<Option<ServiceOptions>, ErrorKind> {
        let mut timeouts = *timeouts;
        timeouts.first_reply = timeouts.first_reply.min(OPTIONS_REPLY);
        let mut wanted = Wanted::Any;
        loop {
            let (link, freshness) = self.connect(wanted, &timeouts).await?;
            let mut exchange = Exchange::new(link, Conversation::options(&self.url), NoBody, timeouts);
            match exchange.turn().await {
                Ok(Turn::Answer(answer)) if answer.verdict == Verdict::Options => {
                    exchange.finish(&self.pool);
                    return Ok(Some(ServiceOptions::told(&answer.head)));
                }
                Err(ErrorKind::Closed) if freshness == Freshness::Reused => wanted = Wanted::New,
                Ok(_) => {
                    exchange.finish(&self.pool);
                    return Ok(None);
                }
                Err(_) => return Ok(None),
            }
        }
    }

    fn settle(&self, outcome: Result<(), ErrorKind>, spread: u8) {
        let now = Instant::now();
        self.known().trouble = outcome.err();
        let (before, after) = {
            let mut breaker = self.breaker();
            let before = breaker.state();
            match outcome.map_err(ErrorKind::blame) {
                Ok(()) => breaker.succeeded(now.into_std()),
                Err(Blame::None | Blame::Load) => breaker.abandoned(now.into_std()),
                Err(Blame::Server) => breaker.failed(now.into_std(), spread),
                Err(Blame::Configuration) => breaker.misconfigured(now.into_std(), spread),
            }
            (before, breaker.state())
        };
        match outcome {
            Ok(()) => self.pool.succeeded(),
            Err(ErrorKind::Overloaded { retry_after, .. }) => {
                self.pool.overloaded();
                self.known().held = retry_after.map(|pause| now + pause);
            }
            Err(_) => {}
        }
        self.tell_breaker(before, after, outcome.err());
    }

    fn breaker(&self) -> MutexGuard<'_, Breaker> {
        self.breaker.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
