//! What is set for one ICAP service: `[icap.NAME]` of the configuration.

use std::sync::Arc;
use std::time::Duration;

use super::error::{Blame, ErrorKind};
use super::url::ServiceUrl;
use crate::tls::trust::Trust;

/// What a service adapts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IcapMethod {
    /// REQMOD: requests.
    Reqmod,
    /// RESPMOD: responses.
    Respmod,
}

impl IcapMethod {
    /// Both, in their order.
    pub const ALL: [IcapMethod; 2] = [IcapMethod::Reqmod, IcapMethod::Respmod];

    /// The word in configurations and on the wire.
    pub const fn label(self) -> &'static str {
        match self {
            IcapMethod::Reqmod => "REQMOD",
            IcapMethod::Respmod => "RESPMOD",
        }
    }

    /// The method a word names, in any letter case.
    pub fn of(word: &str) -> Option<IcapMethod> {
        Self::ALL.into_iter().find(|method| method.label().eq_ignore_ascii_case(word))
    }
}

/// What becomes of a message that could not be judged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnFailure {
    /// It is refused.
    #[default]
    Block,
    /// It passes as it is, told as not scanned.
    Pass,
}

impl OnFailure {
    /// The word in configurations.
    pub const fn label(self) -> &'static str {
        match self {
            OnFailure::Block => "block",
            OnFailure::Pass => "pass",
        }
    }
}

/// Where a server may say "unchanged" (204) instead of sending everything back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AllowUnchanged {
    /// At any time: what is sent can always be had again.
    #[default]
    Anywhere,
    /// Only in answer to a preview, for servers that cannot read `Allow`.
    InPreview,
}

/// Whether a server may send the beginning only and point to the original for the rest (206).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PartialContent {
    /// Not offered, and refused if it comes.
    #[default]
    Refused,
    /// Offered.
    Offered,
}

/// Whether what a service said of a body holds for the same body the next time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum VerdictUse {
    /// It does, until the service's tag changes.
    #[default]
    Kept,
    /// It is asked each time: it judges by more than what is in a body, such as the address or the client.
    Asked,
}

/// Whether the service sees `Authorization` and `Cookie` of the requests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Credentials {
    /// They are left out.
    #[default]
    Withheld,
    /// They are sent.
    Sent,
}

/// How long what may last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IcapTimeouts {
    /// To connect to one address.
    pub connect: Duration,
    /// From everything sent that can be sent to the head of the answer.
    pub first_reply: Duration,
    /// Silence in an answer.
    pub idle: Duration,
    /// Time in which the server takes nothing of what is written to it.
    pub write_stall: Duration,
    /// The whole transaction, and one second more for each MiB moved. A piece of a stream waits as long for its turn.
    pub whole: Duration,
    /// To wait for one of the connections that the server allows.
    pub queue: Duration,
    /// To wait for a preview to fill, once it has begun.
    pub preview_fill: Duration,
}

impl Default for IcapTimeouts {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(1),
            first_reply: Duration::from_secs(30),
            idle: Duration::from_secs(30),
            write_stall: Duration::from_secs(5),
            whole: Duration::from_secs(30),
            queue: Duration::from_millis(500),
            preview_fill: Duration::from_millis(250),
        }
    }
}

/// `[icap.NAME]`.
#[derive(Clone, Debug, PartialEq)]
pub struct IcapService {
    /// Its name.
    pub name: Arc<str>,
    /// Its servers, at least one.
    pub urls: Vec<ServiceUrl>,
    /// Servers that are asked only where none of `urls` can be.
    pub standby_urls: Vec<ServiceUrl>,
    /// Who vouches for servers under TLS.
    pub trust: Trust,
    /// What it adapts.
    pub methods: Vec<IcapMethod>,
    /// What becomes of messages that could not be judged.
    pub on_failure: OnFailure,
    /// What becomes of those that could not as there was too much to do.
    pub on_overload: OnFailure,
    /// Most connections to each server, idle ones included; the server's own `Max-Connections` can only lower it.
    pub max_connections: u32,
    /// How long what may last.
    pub timeouts: IcapTimeouts,
    /// Most bytes of a preview; the server's own wish can only lower it.
    pub preview: u32,
    /// Where 204 is allowed.
    pub allow_unchanged: AllowUnchanged,
    /// Whether 206 is.
    pub partial: PartialContent,
    /// Whether the service sees credentials.
    pub credentials: Credentials,
    /// Whether its verdicts are kept.
    pub verdicts: VerdictUse,
}

impl IcapService {
    /// What becomes of a message that could not be judged for this.
    pub fn becomes(&self, kind: ErrorKind) -> OnFailure {
        if kind.blame() == Blame::Load { self.on_overload } else { self.on_failure }
    }

    /// A service at `urls` with everything else as it is when nobody says otherwise.
    pub fn new(name: &str, urls: Vec<ServiceUrl>) -> Self {
        Self {
            name: name.into(),
            urls,
            standby_urls: Vec::new(),
            trust: Trust::System,
            methods: vec![IcapMethod::Respmod],
            on_failure: OnFailure::default(),
            on_overload: OnFailure::default(),
            max_connections: 32,
            timeouts: IcapTimeouts::default(),
            preview: 4096,
            allow_unchanged: AllowUnchanged::default(),
            partial: PartialContent::default(),
            credentials: Credentials::default(),
            verdicts: VerdictUse::default(),
        }
    }
}
