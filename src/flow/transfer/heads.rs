//! Response heads as they come: the interim ones for the client, and the final one.

use std::io;
use std::task::{Context, Poll};

use super::{Began, Transfer, TransferFault, UploadState};
use crate::base::reason::Reason;
use crate::flow::pump::PumpFault;
use crate::http::push::Push;
use crate::http::request::Request;
use crate::http::response::{ClientConnection, Response, ResponseKind, read_response};
use crate::net::socket::poll_recv;

/// Most interim responses before the final one.
const MAX_INTERIM: u8 = 20;

impl Transfer<'_> {
    pub(super) fn poll_head(
        &mut self,
        request: &Request,
        cx: &mut Context<'_>,
    ) -> Result<Poll<Response>, TransferFault> {
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
            let waiting = self.download.waiting() as u64;
            let out = self.download.head_buffer(self.services);
            let before = out.len();
            let read = read_response(input, request, client, &self.services.pseudonym, out);
            self.head_length = out.len() - before;
            self.head_from = self.download.sent + waiting;
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
        if response.push == Push::Declared || self.began == Began::Judged {
            // Not a byte of it goes out before it has the slot of a stream, or is judged.
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
}

fn upstream_reason(fault: &io::Error) -> Reason {
    match fault.kind() {
        io::ErrorKind::ConnectionReset => Reason::UpstreamReset,
        _ => Reason::UpstreamClosed,
    }
}
