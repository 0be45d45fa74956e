//! One request and its response on one upstream connection: what is sent, what is read, in both directions at once.

mod attempt;
mod heads;
mod inspected;
mod waits;

use std::task::{Context, Poll, ready};

use tokio::net::TcpStream;
use tokio::time::Instant;

pub use self::attempt::Attempt;
pub use self::inspected::{Began, Took};
use super::ahead::{WhenFull, read_ahead};
use super::floor::RateFloor;
use super::holding::{Event, Holding, in_answer};
use super::inspection::held::{Ending, Held};
use super::pump::{Ends, Pump, PumpFault, ReadAhead, WaitsFor};
use super::services::Services;
use super::settings::Patience;
use super::stall::Stall;
use crate::base::phase::Phase;
use crate::base::reason::Reason;
use crate::http::body::BodyFormat;
use crate::http::framing::BodyFraming;
use crate::http::request::Request;
use crate::http::response::Response;
use crate::tether::tie::Tether;

/// Both directions of an exchange.
pub struct Transfer<'a> {
    services: &'a Services,
    tether: &'a Tether,
    holding: &'a Holding<'a>,
    patience: Patience,
    client: &'a TcpStream,
    upstream: &'a TcpStream,
    upload: Pump,
    download: Pump,
    /// The part of a response head that has come.
    partial: Vec<u8>,
    /// Bytes of the origin behind the end of its response.
    surplus: Vec<u8>,
    /// Most bytes of a response head read at once.
    head_room: usize,
    upload_state: UploadState,
    /// A request body that is at hand, and need not be read from the client.
    upload_from: Option<Box<Held>>,
    /// A response body that is, and need not be read from the origin.
    download_from: Option<Box<Held>>,
    began: Began,
    /// Bytes of the final head, at the end of what is queued for the client.
    head_length: usize,
    /// The final head, where a few bytes of a body that is taken go to the client behind it: it is queued no longer.
    trickles_behind: Option<Box<[u8]>>,
    /// Bytes that had to go to the client before the first one of it.
    head_from: u64,
    interim: u8,
    heard: bool,
    floor: RateFloor,
    upstream_stall: Stall,
    client_stall: Stall,
    /// Bytes that moved on either socket.
    moved: u64,
    /// Of them, what the live row was told: read from the client, written to it.
    told: (u64, u64),
    /// When a byte moved last.
    active: Instant,
    /// When the request had gone out whole.
    sent_at: Instant,
    /// When it had, on the connection before.
    first_sent: Option<Instant>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum UploadState {
    Running,
    Sent,
    /// The origin stopped taking it; its answer may be here all the same.
    Refused,
}

/// How an exchange failed; whether it may be tried again is for the caller to say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TransferFault {
    /// The upstream connection ended before a byte of a response.
    Unanswered(Reason),
    /// Any other end.
    Failed(Reason),
}

impl<'a> Transfer<'a> {
    /// Prepares to send `head` and the body of `request`.
    pub fn new(
        holding: &'a Holding<'a>,
        client: &'a TcpStream,
        upstream: &'a TcpStream,
        request: &Request,
        began: Instant,
        patience: Patience,
    ) -> Self {
        let format = match request.framing {
            BodyFraming::Chunked => BodyFormat::Chunked,
            _ => BodyFormat::Plain,
        };
        Self {
            services: holding.ledger().services(),
            tether: holding.tether(),
            holding,
            patience,
            client,
            upstream,
            upload: Pump::new(request.framing, format, ReadAhead::Bounded),
            download: Pump::new(BodyFraming::None, BodyFormat::Plain, ReadAhead::No),
            partial: Vec::new(),
            surplus: Vec::new(),
            head_room: usize::MAX,
            upload_state: UploadState::Running,
            upload_from: None,
            download_from: None,
            began: Began::AtOnce,
            head_length: 0,
            trickles_behind: None,
            head_from: 0,
            interim: 0,
            heard: false,
            floor: RateFloor::default(),
            upstream_stall: Stall::default(),
            client_stall: Stall::default(),
            moved: 0,
            told: (0, 0),
            active: began,
            sent_at: began,
            first_sent: None,
        }
    }

    /// Puts the request head first in line; `head` is left empty.
    pub fn send_head(&mut self, head: &mut Vec<u8>) {
        std::mem::swap(self.upload.head_buffer(self.services), head);
        self.services.buffers.put(head);
    }

    /// Whether the request went out whole.
    pub fn is_request_sent(&self) -> bool {
        self.upload_state == UploadState::Sent
    }

    /// Whether nothing came behind the response.
    pub fn is_upstream_clean(&self) -> bool {
        self.surplus.is_empty()
    }

    /// When a byte moved last.
    pub fn last_moved(&self) -> Instant {
        self.active
    }

    /// Bytes the origin sent behind the head of a switch, and what the client is still to get.
    pub fn take_tunnel_parts(&mut self) -> (Vec<u8>, Pump) {
        let nothing = Pump::new(BodyFraming::None, BodyFormat::Plain, ReadAhead::No);
        (std::mem::take(&mut self.surplus), std::mem::replace(&mut self.download, nothing))
    }

    /// Sends the request and waits for the head of the final (or switching) response; it stands ready to be sent to the
    /// client then. Interim responses are passed on meanwhile.
    ///
    /// # Errors
    /// [`TransferFault`].
    pub async fn response(&mut self, request: &Request, ahead: &mut Vec<u8>) -> Result<Response, TransferFault> {
        let tether = self.tether;
        loop {
            let wait = tether.until(|cx| self.poll_response(request, ahead, cx)).await;
            match wait {
                Ok(done) => return done,
                Err(_) => self.expired_before_response()?,
            }
        }
    }

    fn poll_response(
        &mut self,
        request: &Request,
        ahead: &mut Vec<u8>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Response, TransferFault>> {
        self.holding.poll(Event::Between, cx).map_err(TransferFault::Failed)?;
        if self.is_throttled() {
            return Poll::Pending;
        }
        self.poll_upload(ahead, cx)?;
        if let Poll::Ready(response) = self.poll_head(request, cx)? {
            return Poll::Ready(Ok(response));
        }
        if self.poll_interim_out(cx)?.is_pending() {
            self.waits_for_client();
        } else if self.upload_state == UploadState::Running {
            self.waits_for_upload(request);
        } else {
            self.tether.waits(Phase::ResponseHead, self.sent_at + self.patience.response_head);
        }
        Poll::Pending
    }

    /// Moves the request towards the origin, or reads ahead once it is sent.
    fn poll_upload(&mut self, ahead: &mut Vec<u8>, cx: &mut Context<'_>) -> Result<(), TransferFault> {
        match self.upload_state {
            UploadState::Running => {}
            UploadState::Sent => return self.read_ahead(ahead, WhenFull::Refuse, cx),
            UploadState::Refused => return self.read_ahead(ahead, WhenFull::Stop, cx),
        }
        let ends = Ends { source: self.client, ahead: &mut *ahead, sink: self.upstream };
        let polled = match &mut self.upload_from {
            None => self.upload.poll(ends, self.services, cx),
            Some(held) => match self.upload.poll_from(held, self.upstream, self.services, cx) {
                Poll::Ready(Ok(())) if held.ending() == Ending::GoesOn => {
                    self.upload_from = None;
                    self.upload.poll(ends, self.services, cx)
                }
                polled => polled,
            },
        };
        self.note_moved();
        match polled {
            Poll::Pending => Ok(()),
            Poll::Ready(Ok(())) => {
                self.upload_state = UploadState::Sent;
                self.sent_at = self.first_sent.unwrap_or(self.active);
                self.read_ahead(ahead, WhenFull::Refuse, cx)
            }
            // The origin may have answered and closed: what it said is worth more than the fault.
            Poll::Ready(Err(PumpFault::Sink(_))) => {
                self.upload_state = UploadState::Refused;
                self.sent_at = self.active;
                Ok(())
            }
            Poll::Ready(Err(fault)) => Err(TransferFault::Failed(fault.of_upload())),
        }
    }

    fn read_ahead(&self, ahead: &mut Vec<u8>, full: WhenFull, cx: &mut Context<'_>) -> Result<(), TransferFault> {
        read_ahead(self.client, ahead, full, self.services, cx).map_err(TransferFault::Failed)
    }

    fn poll_interim_out(&mut self, cx: &mut Context<'_>) -> Result<Poll<()>, TransferFault> {
        let ends = Ends { source: self.upstream, ahead: &mut self.surplus, sink: self.client };
        match self.download.poll(ends, self.services, cx) {
            Poll::Pending => Ok(Poll::Pending),
            Poll::Ready(Ok(())) => Ok(Poll::Ready(())),
            Poll::Ready(Err(fault)) => Err(TransferFault::Failed(fault.of_download())),
        }
    }

    /// Sends the response head and moves the body to the client, and what is left of the request to the origin.
    ///
    /// # Errors
    /// The [`Reason`]: the answer has begun, so the client can only be cut.
    pub async fn body(&mut self, ahead: &mut Vec<u8>) -> Result<(), Reason> {
        let tether = self.tether;
        match tether.until(|cx| self.poll_body(ahead, cx)).await {
            Ok(done) => done,
            Err(_) if tether.row().phase() == Phase::ClientWrite => Err(Reason::ClientWriteTimeout),
            Err(_) => Err(Reason::ResponseBodyTimeout),
        }
    }

    fn poll_body(&mut self, ahead: &mut Vec<u8>, cx: &mut Context<'_>) -> Poll<Result<(), Reason>> {
        let event = if self.download.waits_for() == WaitsFor::Sink { Event::Within } else { Event::Between };
        self.holding.poll(event, cx).map_err(in_answer)?;
        if self.is_throttled() {
            return Poll::Pending;
        }
        let down = self.poll_download(cx).map_err(|fault| fault.of_download())?;
        if down.is_ready() {
            self.note_moved();
            return Poll::Ready(Ok(()));
        }
        self.poll_upload(ahead, cx).map_err(|fault| match fault {
            TransferFault::Failed(reason) | TransferFault::Unanswered(reason) => reason,
        })?;
        self.note_moved();
        if self.download.waits_for() == WaitsFor::Sink {
            self.waits_for_client();
        } else {
            self.client_stall.clear();
            self.tether.waits(Phase::ResponseBody, self.active + self.patience.stream_idle);
        }
        Poll::Pending
    }

    fn poll_download(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), PumpFault>> {
        if let Some(held) = &mut self.download_from {
            ready!(self.download.poll_from(held, self.client, self.services, cx))?;
            if held.ending() != Ending::GoesOn {
                return Poll::Ready(Ok(()));
            }
            self.download_from = None;
        }
        let ends = Ends { source: self.upstream, ahead: &mut self.surplus, sink: self.client };
        let polled = self.download.poll(ends, self.services, cx);
        if let Some(at) = self.download.attention() {
            self.tether.attend(at);
        }
        polled
    }

    /// Tells the live row and the counters what moved since last time.
    fn note_moved(&mut self) {
        let moved = self.upload.received + self.upload.sent + self.download.received + self.download.sent;
        if moved == self.moved {
            return;
        }
        self.moved = moved;
        self.active = Instant::now();
        let (from_client, to_client) = (self.upload.received - self.told.0, self.download.sent - self.told.1);
        self.told = (self.upload.received, self.download.sent);
        self.tether.row().moved(self.active.into_std(), from_client, to_client);
        self.services.counters.bytes_from_clients.add(from_client);
        self.services.counters.bytes_to_clients.add(to_client);
        self.holding.spend(from_client + to_client);
    }
}
