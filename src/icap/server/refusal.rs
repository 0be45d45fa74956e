//! Why a request to our ICAP server is not answered as it was asked. Each ends its connection.

use super::super::error::Fault;

/// A request that is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// It is not ICAP, or not as it must be.
    Malformed,
    /// A head, a preview or a chunk is larger than we take.
    TooLarge,
    /// The peer is not among those that may ask.
    Forbidden,
    /// There is no such service here.
    NotFound,
    /// A method that is none of a service.
    MethodNotAllowed,
    /// It stopped in the middle of a request.
    Timeout,
    /// A method that nobody knows.
    NotImplemented,
    /// There is too much to do.
    Overloaded,
    /// Another version of the protocol.
    Version,
}

impl Refusal {
    /// The status and its reason phrase (RFC 3507 section 4.3.3).
    pub const fn status(self) -> &'static str {
        match self {
            Refusal::Malformed => "400 Bad Request",
            Refusal::TooLarge => "400 Request Too Large",
            Refusal::Forbidden => "403 Forbidden",
            Refusal::NotFound => "404 ICAP Service Not Found",
            Refusal::MethodNotAllowed => "405 Method Not Allowed For Service",
            Refusal::Timeout => "408 Request Timeout",
            Refusal::NotImplemented => "501 Method Not Implemented",
            Refusal::Overloaded => "503 Service Overloaded",
            Refusal::Version => "505 ICAP Version Not Supported",
        }
    }

    /// The word in logs.
    pub const fn label(self) -> &'static str {
        match self {
            Refusal::Malformed => "malformed",
            Refusal::TooLarge => "too_large",
            Refusal::Forbidden => "forbidden",
            Refusal::NotFound => "not_found",
            Refusal::MethodNotAllowed => "method_not_allowed",
            Refusal::Timeout => "timeout",
            Refusal::NotImplemented => "not_implemented",
            Refusal::Overloaded => "overloaded",
            Refusal::Version => "version",
        }
    }
}

impl From<Fault> for Refusal {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::HeadTooLarge => Refusal::TooLarge,
            _ => Refusal::Malformed,
        }
    }
}
