//! How a transaction ended, in a closed set of words.

use crate::icap::error::ErrorKind;

/// How a transaction with a service ended, whatever number of servers it took.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// The message stays as it is, or came back as it was.
    Clean,
    /// Another message takes its place.
    Modified,
    /// It was found bad.
    Blocked,
    /// No server could be connected to.
    Connect,
    /// A server was too slow.
    Timeout,
    /// A server closed in the middle.
    Closed,
    /// An answer broke the protocol or a limit, or our request was found bad.
    Protocol,
    /// The service cannot do what it is asked to before somebody changes a configuration.
    Configuration,
    /// A server failed, or could not scan.
    Server,
    /// No server was known to work, so that none was asked.
    Unavailable,
    /// The body to be judged could not be read.
    Body,
    /// The servers had too much to do, or had asked to be left alone for that, or all connections were in use.
    Overload,
    /// It was given up before it had an end: its client has left, or nobody wanted the rest of the answer.
    Abandoned,
}

impl Ended {
    /// How many there are.
    pub const COUNT: usize = Self::ALL.len();

    /// All of them, in their order.
    pub const ALL: [Ended; 13] = [
        Ended::Clean,
        Ended::Modified,
        Ended::Blocked,
        Ended::Connect,
        Ended::Timeout,
        Ended::Closed,
        Ended::Protocol,
        Ended::Configuration,
        Ended::Server,
        Ended::Unavailable,
        Ended::Body,
        Ended::Overload,
        Ended::Abandoned,
    ];

    /// What a failure counts as.
    pub const fn by(kind: ErrorKind) -> Self {
        match kind {
            ErrorKind::NotOffered | ErrorKind::Configuration(_) | ErrorKind::Untrusted => Ended::Configuration,
            ErrorKind::Unavailable => Ended::Unavailable,
            ErrorKind::Busy | ErrorKind::HeldOff { .. } | ErrorKind::Overloaded { .. } => Ended::Overload,
            ErrorKind::Unresolved | ErrorKind::Unreachable | ErrorKind::ConnectTimeout | ErrorKind::Tls => {
                Ended::Connect
            }
            ErrorKind::Closed => Ended::Closed,
            ErrorKind::NoReply
            | ErrorKind::Idle
            | ErrorKind::WriteStalled
            | ErrorKind::Deadline
            | ErrorKind::WeWereSlow => Ended::Timeout,
            ErrorKind::Protocol(_) | ErrorKind::BadRequest => Ended::Protocol,
            ErrorKind::Failed(_) | ErrorKind::NotScanned(_) => Ended::Server,
            ErrorKind::BodyFailed | ErrorKind::BodyCut => Ended::Body,
        }
    }

    /// The word in metrics and the API.
    pub const fn label(self) -> &'static str {
        match self {
            Ended::Clean => "clean",
            Ended::Modified => "modified",
            Ended::Blocked => "blocked",
            Ended::Connect => "error_connect",
            Ended::Timeout => "error_timeout",
            Ended::Closed => "error_closed",
            Ended::Protocol => "error_protocol",
            Ended::Configuration => "error_configuration",
            Ended::Server => "error_server",
            Ended::Unavailable => "error_unavailable",
            Ended::Body => "error_body",
            Ended::Overload => "overload",
            Ended::Abandoned => "abandoned",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_has_its_place_and_its_word() {
        let mut words: Vec<&str> = Ended::ALL.map(Ended::label).to_vec();
        for (at, ended) in Ended::ALL.into_iter().enumerate() {
            assert_eq!(ended as usize, at, "{ended:?}");
        }
        words.sort_unstable();
        words.dedup();
        assert_eq!(words.len(), Ended::COUNT);
    }
}
