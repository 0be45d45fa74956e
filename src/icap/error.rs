//! What can go wrong with an ICAP transaction, and what follows from it for the next one.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// How an answer breaks the protocol or a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// No ICAP status line.
    StatusLine,
    /// A field of the ICAP head cannot be read.
    Field,
    /// The ICAP head has no end within 64 KiB or 200 lines.
    HeadTooLarge,
    /// `Encapsulated` is missing where a message is announced.
    NoEncapsulated,
    /// `Encapsulated` names unknown or unfit parts, or its offsets cannot be.
    Encapsulated,
    /// The HTTP head inside is not strictly HTTP/1.
    InnerHead,
    /// The chunked coding is broken.
    Chunk,
    /// More than three times 100.
    TooManyContinues,
    /// 204 where it was not allowed.
    UnaskedUnchanged,
    /// 206 where it was not offered, or it points outside the original.
    Partial,
    /// A status that has no meaning here.
    Status,
    /// The server spoke before it was asked.
    Unasked,
    /// The adapted body is shorter or longer than its head says.
    AdaptedLength,
    /// The adapted body is larger than 64 MiB and twice the original.
    AdaptedTooLarge,
    /// The adapted request has another method than the original.
    ChangedMethod,
    /// The adapted request goes where no request of this kind may go.
    ChangedTarget,
}

impl Fault {
    /// The word in logs and metrics.
    pub const fn label(self) -> &'static str {
        match self {
            Fault::StatusLine => "status_line",
            Fault::Field => "field",
            Fault::HeadTooLarge => "head_too_large",
            Fault::NoEncapsulated => "no_encapsulated",
            Fault::Encapsulated => "encapsulated",
            Fault::InnerHead => "inner_head",
            Fault::Chunk => "chunk",
            Fault::TooManyContinues => "too_many_continues",
            Fault::UnaskedUnchanged => "unasked_unchanged",
            Fault::Partial => "partial",
            Fault::Status => "status",
            Fault::Unasked => "unasked",
            Fault::AdaptedLength => "adapted_length",
            Fault::AdaptedTooLarge => "adapted_too_large",
            Fault::ChangedMethod => "changed_method",
            Fault::ChangedTarget => "changed_target",
        }
    }
}

/// Why there is no verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// The service is not set to adapt this kind of message.
    NotOffered,
    /// Every server is known not to work.
    Unavailable,
    /// No server is asked: those that work have asked to be left alone for a while, as they had too much to do.
    HeldOff {
        /// When the first of them may be asked again.
        retry_after: Duration,
    },
    /// All connections that the server allows are in use, and stayed so.
    Busy,
    /// The name of the server has no address.
    Unresolved,
    /// No connection could be made.
    Unreachable,
    /// No connection was made in time.
    ConnectTimeout,
    /// The server is not who it should be: its certificate is for another name, out of date, or nobody we trust vouches.
    Untrusted,
    /// The server speaks no TLS that we speak.
    Tls,
    /// The server closed or reset the connection before its answer was whole.
    Closed,
    /// No answer in time.
    NoReply,
    /// The answer stopped in the middle.
    Idle,
    /// The server stopped taking what is written to it.
    WriteStalled,
    /// The transaction as a whole took too long.
    Deadline,
    /// The answer breaks the protocol or a limit.
    Protocol(Fault),
    /// The server finds our request bad (400).
    BadRequest,
    /// The service does not exist, is not for us, has no licence, or cannot do what it is asked to: a matter of
    /// configuration.
    Configuration(u16),
    /// The server has too much to do.
    Overloaded {
        /// Its status.
        status: u16,
        /// When it wants to be asked again; at most 60 s.
        retry_after: Option<Duration>,
    },
    /// The server gave up waiting for us (408).
    WeWereSlow,
    /// The server failed.
    Failed(u16),
    /// The server could not scan, and said so in the message it sent back.
    NotScanned(u16),
    /// The body to be judged could not be read.
    BodyFailed,
    /// The body to be judged ended before its length, or went on after it.
    BodyCut,
}

/// What a failure means for the server it came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Blame {
    /// Nothing: it is ours, or the message's.
    None,
    /// It counts against the server.
    Server,
    /// The server will not work until somebody changes a configuration.
    Configuration,
    /// The server works, but has too much to do.
    Load,
}

impl ErrorKind {
    /// What an ICAP status other than success stands for.
    pub fn of_status(status: u16, retry_after: Option<Duration>) -> Self {
        match status {
            400 => ErrorKind::BadRequest,
            401 | 403..=405 | 407 | 418 | 501 | 505 | 539 | 551 | 558 => ErrorKind::Configuration(status),
            408 => ErrorKind::WeWereSlow,
            503 | 506 => ErrorKind::Overloaded { status, retry_after },
            _ if matches!(status, 400..=599) => ErrorKind::Failed(status),
            _ => ErrorKind::Protocol(Fault::Status),
        }
    }

    /// Whom it speaks against.
    pub const fn blame(self) -> Blame {
        match self {
            ErrorKind::Configuration(_) | ErrorKind::Untrusted => Blame::Configuration,
            ErrorKind::Overloaded { .. } | ErrorKind::HeldOff { .. } | ErrorKind::Busy => Blame::Load,
            ErrorKind::NotOffered
            | ErrorKind::Unavailable
            | ErrorKind::BadRequest
            | ErrorKind::WeWereSlow
            | ErrorKind::BodyFailed
            | ErrorKind::BodyCut => Blame::None,
            _ => Blame::Server,
        }
    }

    /// Whether another server, or the same one on a new connection where there is no other, may do better.
    pub const fn is_worth_another_try(self) -> bool {
        !matches!(
            self,
            ErrorKind::NotOffered
                | ErrorKind::Unavailable
                | ErrorKind::HeldOff { .. }
                | ErrorKind::BadRequest
                | ErrorKind::BodyFailed
                | ErrorKind::BodyCut
                | ErrorKind::Deadline
        )
    }

    /// How long the servers asked to be left alone, where they did.
    pub const fn retry_after(self) -> Option<Duration> {
        match self {
            ErrorKind::HeldOff { retry_after } => Some(retry_after),
            ErrorKind::Overloaded { retry_after, .. } => retry_after,
            _ => None,
        }
    }

    /// The word in logs and metrics.
    pub const fn label(self) -> &'static str {
        match self {
            ErrorKind::NotOffered => "not_offered",
            ErrorKind::Unavailable => "unavailable",
            ErrorKind::HeldOff { .. } => "held_off",
            ErrorKind::Busy => "busy",
            ErrorKind::Unresolved => "unresolved",
            ErrorKind::Unreachable => "unreachable",
            ErrorKind::ConnectTimeout => "connect_timeout",
            ErrorKind::Untrusted => "untrusted",
            ErrorKind::Tls => "tls",
            ErrorKind::Closed => "closed",
            ErrorKind::NoReply => "no_reply",
            ErrorKind::Idle => "idle",
            ErrorKind::WriteStalled => "write_stalled",
            ErrorKind::Deadline => "deadline",
            ErrorKind::Protocol(_) => "protocol",
            ErrorKind::BadRequest => "bad_request",
            ErrorKind::Configuration(_) => "configuration",
            ErrorKind::Overloaded { .. } => "overloaded",
            ErrorKind::WeWereSlow => "we_were_slow",
            ErrorKind::Failed(_) => "failed",
            ErrorKind::NotScanned(_) => "not_scanned",
            ErrorKind::BodyFailed => "body_failed",
            ErrorKind::BodyCut => "body_cut",
        }
    }
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ErrorKind::NotOffered => f.write_str("it is not set to adapt this kind of message"),
            ErrorKind::Unavailable => f.write_str("none of its servers works at the moment"),
            ErrorKind::HeldOff { .. } => f.write_str("it has too much to do, and asked to be left alone for a while"),
            ErrorKind::Busy => f.write_str("all connections it allows are in use"),
            ErrorKind::Unresolved => f.write_str("its name has no address"),
            ErrorKind::Unreachable => f.write_str("it refuses connections or cannot be reached"),
            ErrorKind::ConnectTimeout => f.write_str("it does not accept connections in time"),
            ErrorKind::Untrusted => {
                f.write_str("its certificate is for another name, out of date, or not to be trusted")
            }
            ErrorKind::Tls => f.write_str("it speaks no TLS that we speak"),
            ErrorKind::Closed => f.write_str("it closed the connection before its answer was whole"),
            ErrorKind::NoReply => f.write_str("it did not answer in time"),
            ErrorKind::Idle => f.write_str("its answer stopped in the middle"),
            ErrorKind::WriteStalled => f.write_str("it stopped taking the message"),
            ErrorKind::Deadline => f.write_str("it took too long altogether"),
            ErrorKind::Protocol(fault) => write!(f, "its answer is not ICAP as it must be ({})", fault.label()),
            ErrorKind::BadRequest => f.write_str("it finds the request bad (400)"),
            ErrorKind::Configuration(404) => {
                f.write_str("it has no such service (404); look at the path of the address")
            }
            ErrorKind::Configuration(405) => f.write_str("the service does not take this method (405)"),
            ErrorKind::Configuration(403) => f.write_str("it does not let us in (403)"),
            ErrorKind::Configuration(status) => write!(f, "it will not do this as it is configured ({status})"),
            ErrorKind::Overloaded { status, .. } => write!(f, "it has too much to do ({status})"),
            ErrorKind::WeWereSlow => f.write_str("it gave up waiting for the message (408)"),
            ErrorKind::Failed(status) => write!(f, "it failed ({status})"),
            ErrorKind::NotScanned(status) => write!(f, "it could not scan the message (HTTP {status} inside)"),
            ErrorKind::BodyFailed => f.write_str("the body to be scanned could not be read"),
            ErrorKind::BodyCut => f.write_str("the body to be scanned is not as long as announced"),
        }
    }
}

/// Why a message has no verdict, and from whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IcapError {
    /// What went wrong.
    pub kind: ErrorKind,
    /// The service.
    pub service: Arc<str>,
    /// The server that was asked last; none when none was.
    pub server: Option<Arc<str>>,
}

impl fmt::Display for IcapError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.server {
            Some(server) => write!(f, "ICAP service {} at {server}: {}", self.service, self.kind),
            None => write!(f, "ICAP service {}: {}", self.service, self.kind),
        }
    }
}

impl std::error::Error for IcapError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_are_sorted() {
        for (status, blame) in [
            (400, Blame::None),
            (401, Blame::Configuration),
            (403, Blame::Configuration),
            (404, Blame::Configuration),
            (405, Blame::Configuration),
            (408, Blame::None),
            (418, Blame::Configuration),
            (500, Blame::Server),
            (502, Blame::Server),
            (503, Blame::Load),
            (506, Blame::Load),
            (539, Blame::Configuration),
            (558, Blame::Configuration),
            (302, Blame::Server),
            (999, Blame::Server),
        ] {
            assert_eq!(ErrorKind::of_status(status, None).blame(), blame, "{status}");
        }
    }
}
