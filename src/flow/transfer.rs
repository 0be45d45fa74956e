//! One request and its response on one upstream connection: what is sent, what is read, in both directions at once.

mod attempt;
mod waits;

use std::io;
use std::task::{Context, Poll};

use tokio::net::TcpStream;
use tokio::time::Instant;

pub use self::attempt::Attempt;
use super::ahead::{WhenFull, read_ahead};
use super::floor::RateFloor;
use super::holding::{Event, Holding, in_answer};
use super::pump::{Ends, Pump, PumpFault, ReadAhead, WaitsFor};
use super::services::Services;
use super::settings::Patience;
use super::stall::Stall;
use crate::base::phase::Phase;
use crate::base::reason::Reason;
use crate::http::body::BodyFormat;
use crate::http::framing::BodyFraming;
use crate::http::push::Push;
use crate::http::request::Request;
use crate::http::response::{ClientConnection, Response, ResponseKind, read_response};
use crate::net::socket::poll_recv;
use crate::tether::tie::Tether;

/// Most interim responses before the final one.
const MAX_INTERIM: u8 = 20;

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
        let polled = self.upload.poll(ends, self.services, cx);
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

    fn poll_head(&mut self, request: &Request, cx: &mut Context<'_>) -> Result<Poll<Response>, TransferFault> {
        let services = self.services;
        services.scratch.with(|scratch| {
            loop {
                let room = self.head_room.min(scratch.len());
                let Poll::Ready(got) = poll_recv(self.upstream, cx, &mut scratch[..room]) else {
                    return Ok(Poll::Pending);
                };
                let input = match got {
                    Ok(0) => return Err(self.ended_unanswered(Reason::UpstreamClosed)),
                    Err(fault) => return Err(self.ended_unanswered(upstream_reason(&fault))),
                    Ok(count) => &scratch[..count],
                };
                if !std::mem::replace(&mut self.heard, true) {
                    self.upload.forget(services);
                }
                if let Some(response) = self.take_heads(input, request, cx)? {
                    return Ok(Poll::Ready(response));
                }
            }
        })
    }

    fn ended_unanswered(&self, reason: Reason) -> TransferFault {
        if self.heard { TransferFault::Failed(reason) } else { TransferFault::Unanswered(reason) }
    }

    /// Reads heads from `input` until the final one; interim ones go to the client. What follows the final head is fed
    /// to the download.
    fn take_heads(
        &mut self,
        input: &[u8],
        request: &Request,
        cx: &mut Context<'_>,
    ) -> Result<Option<Response>, TransferFault> {
        let joined;
        let mut input = if self.partial.is_empty() {
            input
        } else {
            self.partial.extend_from_slice(input);
            joined = std::mem::take(&mut self.partial);
            &joined
        };
        loop {
            let client = self.client_connection();
            let out = self.download.head_buffer(self.services);
            let read = read_response(input, request, client, &self.services.pseudonym, out);
            let Some((length, response)) = read.map_err(TransferFault::Failed)? else {
                self.partial = input.to_vec();
                return Ok(None);
            };
            input = &input[length..];
            match response.kind {
                ResponseKind::Interim => self.count_interim()?,
                ResponseKind::Switching => {
                    self.surplus = input.to_vec();
                    return Ok(Some(response));
                }
                ResponseKind::Final => {
                    self.begin_download(&response, input, cx)?;
                    return Ok(Some(response));
                }
            }
        }
    }

    fn begin_download(&mut self, response: &Response, body: &[u8], cx: &mut Context<'_>) -> Result<(), TransferFault> {
        self.download.set_body(response.framing, response.format);
        if response.push == Push::Declared {
            // Not a byte of it goes out before it has the slot of a stream.
            self.surplus.extend_from_slice(body);
            return Ok(());
        }
        let fed = self.download.feed(body, self.client, self.services, cx);
        let used = fed.map_err(|fault| match fault {
            // Of a chunked body nothing has been sent yet, nor of the head before it: the client can still be told.
            PumpFault::Malformed => TransferFault::Failed(Reason::BadResponse),
            fault => TransferFault::Failed(fault.of_download()),
        })?;
        self.surplus.extend_from_slice(&body[used..]);
        Ok(())
    }

    fn count_interim(&mut self) -> Result<(), TransferFault> {
        self.interim += 1;
        if self.interim > MAX_INTERIM { Err(TransferFault::Failed(Reason::TooManyInterim)) } else { Ok(()) }
    }

    /// A request that was not sent whole when its answer came may still have bytes on their way to us.
    fn client_connection(&self) -> ClientConnection {
        if self.upload_state == UploadState::Sent && !self.services.drain.is_draining() {
            ClientConnection::MayStay
        } else {
            ClientConnection::MustClose
        }
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
        let ends = Ends { source: self.upstream, ahead: &mut self.surplus, sink: self.client };
        let down = self.download.poll(ends, self.services, cx).map_err(|fault| fault.of_download())?;
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

fn upstream_reason(fault: &io::Error) -> Reason {
    match fault.kind() {
        io::ErrorKind::ConnectionReset => Reason::UpstreamReset,
        _ => Reason::UpstreamClosed,
    }
}
