//! Every way an exchange or a tunnel can end, whose doing it was, and what the client is told.

mod table;

use table::{Row, TABLE};

/// Whose doing an end was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fault {
    /// Nobody's: the exchange ended as it should.
    Nobody,
    /// The client left, was too slow, or sent what is not HTTP.
    Client,
    /// The origin, its name or the way to it.
    Upstream,
    /// Our configuration said no.
    Policy,
    /// This process: draining, out of descriptors.
    Us,
}

impl Fault {
    /// The label in logs (`closed_by`).
    pub fn label(self) -> &'static str {
        match self {
            Fault::Nobody => "nobody",
            Fault::Client => "client",
            Fault::Upstream => "upstream",
            Fault::Policy => "policy",
            Fault::Us => "proxy",
        }
    }
}

/// Why an exchange or a tunnel ended. The first cause wins and is logged once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Reason {
    /// The response was delivered to its end, or the tunnel closed in both directions.
    Done,
    /// The client sent FIN while its answer was under way.
    ClientFin,
    /// The client reset the connection.
    ClientReset,
    /// A half-closed client did not get its answer within the half-close limit.
    HalfCloseLimit,
    /// The request head did not arrive in time.
    RequestHeadTimeout,
    /// The request body came slower than the floor, or stopped.
    RequestBodyTimeout,
    /// The client did not take bytes we held for it.
    ClientWriteTimeout,
    /// The client pipelined more than the read-ahead holds.
    ReadAheadFull,
    /// Not HTTP/1, or a field that must not be there.
    BadRequest,
    /// Two ways to read the length of the request body, or none.
    BadRequestFraming,
    /// The request body broke its own framing.
    BadRequestBody,
    /// The request body ended before its announced length.
    RequestBodyCut,
    /// The request target cannot be understood.
    BadTarget,
    /// HTTP version other than 1.0 or 1.1.
    BadVersion,
    /// An `Expect` other than `100-continue`.
    BadExpectation,
    /// Head over the size limit.
    RequestHeadTooLarge,
    /// A request for ourselves for which there is no page.
    NotFound,
    /// Our own pseudonym in `Via`, or our own address as the destination.
    Loop,
    /// The destination's address is not allowed.
    DestinationDenied,
    /// CONNECT to a port that is not listed.
    PortDenied,
    /// The name does not exist or has no address.
    NameNotFound,
    /// The name servers failed.
    NameFailed,
    /// The name servers did not answer in time.
    NameTimeout,
    /// The origin refused the connection.
    ConnectRefused,
    /// The origin cannot be reached.
    ConnectFailed,
    /// The connection was not made in time.
    ConnectTimeout,
    /// The origin closed before it answered.
    UpstreamClosed,
    /// The origin reset the connection before it answered.
    UpstreamReset,
    /// The origin did not answer in time.
    ResponseHeadTimeout,
    /// The origin's head is not HTTP/1 or frames its body in two ways.
    BadResponse,
    /// The origin's head is over the size limit.
    ResponseHeadTooLarge,
    /// More interim responses than allowed.
    TooManyInterim,
    /// `101` without a matching `Upgrade` request.
    UnaskedUpgrade,
    /// The origin closed before the end of the response body.
    ResponseCut,
    /// The origin reset the connection before the end of the response body.
    ResponseReset,
    /// The response body broke its own framing.
    BadResponseBody,
    /// The origin sent nothing for the stream idle limit.
    ResponseBodyTimeout,
    /// The origin stopped taking the request body.
    UpstreamWriteTimeout,
    /// The tunnel was silent for its idle limit.
    TunnelIdle,
    /// One direction of the tunnel ended and the other did not follow.
    TunnelHalfClose,
    /// The origin reset the tunnel.
    TunnelUpstreamReset,
    /// This process is going down.
    Drained,
    /// No descriptors, ports or memory for an upstream connection.
    OutOfResources,
    /// The client's address, or its range, holds as much as it may.
    SourceLimit,
    /// The client's address holds as much of that destination as it may.
    PairLimit,
    /// The destination is used as much as it may be.
    DestinationLimit,
    /// The listener, or the proxy as a whole, is full.
    ProxyLimit,
    /// The client asks more often than it may.
    SourceRate,
    /// The destination is asked more often than it may be.
    DestinationRate,
    /// The proxy is short of slots, memory or time.
    Overloaded,
    /// An answer turned out to be a stream, and no slot for streams was left for it.
    StreamLimit,
    /// The stream was the longest silent one, and another needed its slot.
    StreamEvicted,
    /// A scanner found something in a body, or in what is said of it, before any of it had gone out.
    ContentBlocked,
    /// A scanner found something in a body whose beginning had gone out.
    ContentCut,
    /// Something was found in a stream from the same address a moment ago.
    UrlBlocked,
    /// The request body is larger than its rule lets pass.
    RequestTooLarge,
    /// The response body is larger than its rule lets pass.
    ResponseTooLarge,
    /// The response body turned out to be larger than its rule lets pass after its beginning had gone out.
    SizeCut,
    /// A scanner without which nothing may pass could not be asked.
    ScannerFailed,
    /// The same, after the beginning of the body had gone out.
    ScannerCut,
    /// There was no room to hold the body until it was scanned, or the scanner had too much to do.
    ScanOverload,
    /// A file that was held for its client has been handed out, or its client went.
    DownloadGone,
    /// A file of unknown length that an ICAP service was to see did not come to its end in the time there is to scan it whole.
    SlowFile,
}

impl Reason {
    /// How many reasons there are.
    pub const COUNT: usize = TABLE.len();

    /// Every reason, in the order of the discriminants.
    pub fn all() -> impl Iterator<Item = Reason> {
        TABLE.iter().map(|row| row.reason)
    }

    fn row(self) -> &'static Row {
        &TABLE[self as usize]
    }

    /// The label in metrics and logs.
    pub fn label(self) -> &'static str {
        self.row().label
    }

    /// Whose doing it was.
    pub fn fault(self) -> Fault {
        self.row().fault
    }

    /// The status of our answer, or `None` when the client is not answered.
    pub fn status(self) -> Option<u16> {
        match self.row().status {
            0 => None,
            status => Some(status),
        }
    }

    /// The error type for `Proxy-Status` (RFC 9209 section 2.3); empty when there is none.
    pub fn proxy_status(self) -> &'static str {
        self.row().proxy_status
    }

    /// One sentence for the error page; empty when the client is not answered.
    pub fn text(self) -> &'static str {
        self.row().text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_stand_at_their_discriminants() {
        for (number, row) in TABLE.iter().enumerate() {
            assert_eq!(row.reason as usize, number, "{}", row.label);
        }
    }

    #[test]
    fn labels_are_unique_and_answers_have_words() {
        let labels: std::collections::HashSet<_> = TABLE.iter().map(|row| row.label).collect();
        assert_eq!(labels.len(), Reason::COUNT);
        for row in &TABLE {
            assert_eq!(row.status == 0, row.text.is_empty(), "{}", row.label);
            assert!(row.status == 0 || (400..=599).contains(&row.status), "{}", row.label);
        }
    }
}
