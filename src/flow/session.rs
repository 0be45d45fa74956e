//! The life of one client connection: requests are read one after the other and each is seen to its end.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::net::TcpStream;
use tokio::time::Instant;

use super::answer::refuse;
use super::holding::Holding;
use super::inspection::offers::Offer;
use super::inspection::tunnel;
use super::ledger::Ledger;
use super::services::Services;
use super::settings::Patience;
use super::{admission, connect, exchange};
use crate::base::authority::Authority;
use crate::base::phase::Phase;
use crate::base::reason::Reason;
use crate::http::method::Method;
use crate::http::request::{Request, read_request};
use crate::http::target::Target;
use crate::net::socket::poll_recv;
use crate::observe::live::Row;
use crate::observe::record::Profiles;
use crate::policy::bypass::skips::Skips;
use crate::policy::half_close::{FinPolicy, HalfClose, Profile};
use crate::tether::tie::{Expired, OnFin, Tether, tied};
use crate::upstream::kept::Kept;
use crate::upstream::settings::DestinationRule;

/// A client connection while it is served.
pub struct Session<'a> {
    /// The client's socket.
    pub client: &'a TcpStream,
    /// What the worker offers.
    pub services: &'a Services,
    /// What ties everything to the client.
    pub tether: &'a Tether,
    /// Its exchanges, counted and logged.
    pub ledger: &'a Ledger<'a>,
    /// What it holds of the limits.
    pub holding: &'a Holding<'a>,
    /// What they mean for the request under way.
    pub half_close: HalfClose,
    /// What is set for the destination of the request under way.
    pub rule: Option<Arc<DestinationRule>>,
    /// What the bypass list leaves out for the request under way.
    pub skips: Skips,
    /// Bytes of the client that were read before their time.
    pub ahead: Vec<u8>,
    /// The origin of the request before.
    pub recent: Option<Arc<Authority>>,
    /// Upstream connections kept for this client.
    pub kept: Kept,
    /// A file that waits for this client: it goes with the connection.
    pub offer: Option<Offer>,
    /// When the first byte of the request under way came.
    pub began: Option<Instant>,
}

/// What follows an exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Another request on the same connection.
    Request,
    /// The connection ends.
    Close,
}

/// What came instead of, or as, the next request.
enum Arrival {
    /// A request, and its head as the origin will get it; of a CONNECT that services are to see, as it came.
    Request(Request, Vec<u8>),
    /// Bytes that must be refused.
    Refused(Reason),
    /// The client is done, or we are.
    End,
}

/// Whether there are bytes that no attempt was made to read a head from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unread {
    No,
    /// Those read ahead during the exchange before.
    Ahead,
}

/// The client's socket and its place in the live table.
struct ClientRow {
    client: TcpStream,
    row: Arc<Row>,
    services: Rc<Services>,
}

impl Drop for ClientRow {
    fn drop(&mut self) {
        self.row.client_closed();
        self.services.counters.client_connections.sub(1);
        if std::thread::panicking() {
            self.services.counters.panics.add(1);
        }
    }
}

/// Serves one client connection to its end. Everything opened on the way is owned by this future: dropping it closes
/// all of it. The connection counts from this call on, polled or not.
pub fn serve(client: TcpStream, row: Arc<Row>, services: Rc<Services>) -> impl Future<Output = ()> {
    services.counters.client_connections.add(1);
    let guard = ClientRow { client, row, services };
    async move {
        let services = &*guard.services;
        let _entered = services.drain.enter(poll_fn(|cx| Poll::Ready(cx.waker().clone())).await);
        let half_close = services.half_close(guard.row.listener());
        let tether = Tether::new(guard.row.clone(), on_fin(half_close, services));
        let ledger = Ledger::new(services, &guard.client, &guard.row);
        let present = services.sources.enter(guard.row.client().ip());
        let holding = Holding::new(services, &tether, &ledger, present);
        let mut work = pin!(Some(run(&guard.client, &holding, half_close)));
        if let Err(cancelled) = tied(&guard.client, &tether, work.as_mut()).await {
            ledger.cancelled(&cancelled);
        }
    }
}

/// What a client's FIN means to the tether.
fn on_fin(half_close: HalfClose, services: &Services) -> OnFin {
    match half_close.on_client_fin.unwrap_or_default() {
        FinPolicy::Cancel => OnFin::Cancel,
        FinPolicy::Finish => OnFin::FinishWithin(half_close.limit_or(services.timeouts().half_close_http)),
    }
}

/// The work of a connection. It owns the session, so that whoever drops it drops all that was opened.
async fn run(client: &TcpStream, holding: &Holding<'_>, half_close: HalfClose) {
    let (ledger, tether) = (holding.ledger(), holding.tether());
    let (services, rule, skips) = (ledger.services(), None, Skips::NONE);
    let (ahead, recent, kept, offer, began) = (Vec::new(), None, Kept::default(), None, None);
    let mut session = Session {
        client,
        services,
        tether,
        ledger,
        holding,
        half_close,
        rule,
        skips,
        ahead,
        recent,
        kept,
        offer,
        began,
    };
    loop {
        let next = match session.arrival().await {
            Arrival::Request(request, mut head) => session.handle(&request, &mut head).await,
            Arrival::Refused(reason) => refuse(&mut session, None, reason).await,
            Arrival::End => Next::Close,
        };
        if next == Next::Close {
            return;
        }
    }
}

impl Session<'_> {
    async fn handle(&mut self, request: &Request, head: &mut Vec<u8>) -> Next {
        match &request.target {
            Target::Origin(authority) => {
                self.name_destination(authority);
                self.recent = Some(authority.clone());
                self.find_skips(authority, head);
                if let Err(reason) = admission::admit(self, request, authority).await {
                    return refuse(self, Some(request), reason).await;
                }
                let next = exchange::run(self, request, authority, head).await;
                self.holding.release();
                next
            }
            Target::Tunnel(authority) => {
                self.name_destination(authority);
                Box::pin(connect::run(self, request, authority, head)).await
            }
            Target::Own => refuse(self, Some(request), Reason::NotFound).await,
        }
    }

    /// What a client's FIN means to the tether while the answer is under way.
    pub fn on_fin(&self) -> OnFin {
        on_fin(self.half_close, self.services)
    }

    /// When the first byte of the request under way came.
    pub fn began(&self) -> Instant {
        self.began.unwrap_or_else(Instant::now)
    }

    /// How long the destination may be silent.
    pub fn patience(&self) -> Patience {
        let timeouts = self.services.timeouts();
        let rule = self.rule.as_deref();
        let idle = rule.and_then(|rule| rule.stream_idle).unwrap_or(timeouts.stream_idle);
        Patience {
            response_head: rule.and_then(|rule| rule.response_head).unwrap_or(timeouts.response_head),
            stream_idle: self.half_close.idle_within(idle),
        }
    }

    /// Finds what is set for the destination.
    fn follow_rules(&mut self, authority: &Authority) {
        let rule = self.services.policy.load().rules.find(authority).cloned();
        if rule.is_some() || self.rule.is_some() {
            let of_listener = self.services.half_close(self.tether.row().listener());
            self.half_close = rule.as_ref().map_or(of_listener, |rule| rule.half_close.or(of_listener));
            self.rule = rule;
        }
        self.tether.set_on_fin(self.on_fin());
        if self.half_close.profile.is_some() {
            self.name_profiles();
        }
    }

    /// Notes the profiles whose timers hold, for the log.
    fn name_profiles(&self) {
        let rule = self.rule.as_deref();
        let idle = rule.and_then(|rule| rule.stream_idle).unwrap_or(self.services.timeouts().stream_idle);
        let profiles = Profiles {
            half_close: self.half_close.limiting_profile().map(Profile::label),
            idle: self.half_close.idle_profile(idle).map(Profile::label),
        };
        self.ledger.note(|record| record.profiles = profiles);
    }

    /// The request under way goes to `authority` instead: what it held for the other is given back.
    pub fn move_to(&mut self, authority: &Arc<Authority>) {
        self.holding.release();
        self.name_destination(authority);
    }

    fn name_destination(&mut self, authority: &Authority) {
        self.follow_rules(authority);
        self.tether.row().set_destination(authority.text());
        self.ledger.note(|record| record.destination = authority.text().clone());
    }

    /// Waits for the next request head.
    async fn arrival(&mut self) -> Arrival {
        let mut head = Vec::new();
        let idle_ends = Instant::now() + self.services.timeouts().client_idle;
        self.began = None;
        if self.services.policy.load().rules.speak_of_client_fin() {
            // What a FIN right behind the next request means is known once its destination is.
            self.tether.set_on_fin(OnFin::LeaveToWork);
        }
        let mut unread = if self.ahead.is_empty() { Unread::No } else { Unread::Ahead };
        let tether = self.tether;
        loop {
            let wait = tether.until(|cx| self.poll_arrival(&mut head, &mut unread, idle_ends, cx)).await;
            match wait {
                Ok(Ok(Some(request))) => return Arrival::Request(request, head),
                Ok(Ok(None)) => return Arrival::End,
                Ok(Err(reason)) => return Arrival::Refused(reason),
                Err(Expired) if self.began.is_some() => {
                    self.begin_unread();
                    return Arrival::Refused(Reason::RequestHeadTimeout);
                }
                Err(Expired) if Instant::now() >= idle_ends => return Arrival::End,
                Err(Expired) => self.kept.close_expired(Instant::now()),
            }
        }
    }

    /// Ready with a request, with nothing when the connection is over, or with the reason to refuse what came.
    fn poll_arrival(
        &mut self,
        head: &mut Vec<u8>,
        unread: &mut Unread,
        idle_ends: Instant,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Option<Request>, Reason>> {
        if std::mem::replace(unread, Unread::No) == Unread::Ahead
            && let Some(request) = self.take_ahead(&[], head)?
        {
            return Poll::Ready(Ok(Some(request)));
        }
        let services = self.services;
        loop {
            let got = services.scratch.with(|scratch| match poll_recv(self.client, cx, scratch) {
                Poll::Pending => Poll::Pending,
                Poll::Ready(Ok(0) | Err(_)) => Poll::Ready(Ok(None)),
                Poll::Ready(Ok(count)) if self.ahead.is_empty() => {
                    Poll::Ready(self.take_head(&scratch[..count], head).map(Some))
                }
                Poll::Ready(Ok(count)) => Poll::Ready(self.take_ahead(&scratch[..count], head).map(Some)),
            });
            match got {
                Poll::Pending => break,
                Poll::Ready(Err(reason)) => return Poll::Ready(Err(reason)),
                Poll::Ready(Ok(None)) => return Poll::Ready(Ok(None)),
                Poll::Ready(Ok(Some(None))) => {}
                Poll::Ready(Ok(Some(Some(request)))) => return Poll::Ready(Ok(Some(request))),
            }
        }
        if services.drain.is_draining() && self.began.is_none() {
            return Poll::Ready(Ok(None));
        }
        self.kept.poll_closed(&services.news, cx);
        match self.began {
            Some(began) => self.tether.waits(Phase::RequestHead, began + services.timeouts().request_head),
            None => {
                let expiry = self.kept.next_expiry().unwrap_or(idle_ends);
                self.tether.waits(Phase::Idle, idle_ends.min(expiry));
            }
        }
        Poll::Pending
    }

    /// Opens the account of a request whose head cannot be read: it is answered and logged all the same.
    fn begin_unread(&self) {
        let began = self.began.unwrap_or_else(Instant::now);
        self.ledger.begin(began.into_std(), (Method::Other, ""), "", self.ahead.len());
    }

    /// Reads a head from the bytes read ahead, with `more` behind them.
    fn take_ahead(&mut self, more: &[u8], head: &mut Vec<u8>) -> Result<Option<Request>, Reason> {
        let mut bytes = std::mem::take(&mut self.ahead);
        bytes.extend_from_slice(more);
        let taken = self.take_head(&bytes, head);
        self.services.buffers.put(&mut bytes);
        taken
    }

    /// Reads a head from `input`; what is left of it, or all of it while the head is unfinished, is kept.
    fn take_head(&mut self, input: &[u8], head: &mut Vec<u8>) -> Result<Option<Request>, Reason> {
        let began = *self.began.get_or_insert_with(Instant::now);
        if head.capacity() == 0 {
            *head = self.services.buffers.take();
        }
        // One empty line between requests is forgiven (RFC 9112 section 2.2); alone it begins none.
        let line = input.strip_prefix(b"\r\n").unwrap_or(input);
        if line.is_empty() {
            self.began = None;
        }
        let read = read_request(line, self.recent.as_ref(), &self.services.pseudonym, head);
        let (length, request) = match read {
            Ok(Some(read)) => {
                let method = (read.request.method, read.method);
                self.ledger.begin(began.into_std(), method, read.target, read.length);
                if let Target::Tunnel(authority) = &read.request.target
                    && tunnel::is_seen(self, authority)
                {
                    head.extend_from_slice(&line[..read.length]);
                }
                (input.len() - line.len() + read.length, Some(read.request))
            }
            Ok(None) => (0, None),
            Err(reason) => {
                self.begin_unread();
                return Err(reason);
            }
        };
        if length < input.len() {
            self.ahead = self.services.buffers.take();
            self.ahead.extend_from_slice(&input[length..]);
        }
        Ok(request)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn size_of_output<A, B, C, F>(_: fn(A, B, C) -> F) -> usize {
        size_of::<F>()
    }

    /// Pitfall T17: a held stream costs its task, and every byte of it ten thousand times.
    #[test]
    fn a_connection_stays_small() {
        let size = size_of_output(serve);
        assert!(size <= 2048, "{size} bytes");
    }
}
