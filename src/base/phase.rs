//! The phases a client connection goes through; what it is doing right now.

/// What a client connection is waiting for. Closed set: it labels metrics, log lines and the live table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Phase {
    /// Keep-alive: no request is under way.
    Idle,
    /// The first bytes of a request head are here, the rest is not.
    RequestHead,
    /// A limit is reached: waiting for a slot.
    Queued,
    /// A name is being resolved.
    Resolving,
    /// TCP connect to the origin.
    Connecting,
    /// The client asked for `100 Continue` and has sent no body byte yet.
    ContinueWait,
    /// The request body is on its way to the origin.
    RequestBody,
    /// The request is sent; the origin has not answered.
    ResponseHead,
    /// The response body is on its way; the origin has the turn.
    ResponseBody,
    /// We hold bytes that the client does not take.
    ClientWrite,
    /// The body is here, and a scanner has the turn.
    Scan,
    /// A rate is reached: bytes wait for their turn.
    Throttled,
    /// CONNECT tunnel or upgraded connection.
    Tunnel,
    /// We answer the request ourselves (error page, refusal) and drain what the client still sends.
    OwnAnswer,
}

impl Phase {
    /// Every phase, in the order of the discriminants.
    pub const ALL: [Phase; 14] = [
        Phase::Idle,
        Phase::RequestHead,
        Phase::Queued,
        Phase::Resolving,
        Phase::Connecting,
        Phase::ContinueWait,
        Phase::RequestBody,
        Phase::ResponseHead,
        Phase::ResponseBody,
        Phase::ClientWrite,
        Phase::Scan,
        Phase::Throttled,
        Phase::Tunnel,
        Phase::OwnAnswer,
    ];

    /// How many phases there are.
    pub const COUNT: usize = Self::ALL.len();

    /// The phase with this discriminant; `Idle` for a number that is none.
    pub fn from_u8(number: u8) -> Phase {
        Self::ALL.get(usize::from(number)).copied().unwrap_or(Phase::Idle)
    }

    /// The label in metrics, logs and the API.
    pub fn label(self) -> &'static str {
        match self {
            Phase::Idle => "idle",
            Phase::RequestHead => "request_head",
            Phase::Queued => "queued",
            Phase::Resolving => "resolving",
            Phase::Connecting => "connecting",
            Phase::ContinueWait => "continue_wait",
            Phase::RequestBody => "request_body",
            Phase::ResponseHead => "response_head",
            Phase::ResponseBody => "response_body",
            Phase::ClientWrite => "client_write",
            Phase::Scan => "scan",
            Phase::Throttled => "throttled",
            Phase::Tunnel => "tunnel",
            Phase::OwnAnswer => "own_answer",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn discriminants_and_table_agree() {
        for (number, phase) in Phase::ALL.iter().enumerate() {
            assert_eq!(*phase as usize, number);
            assert_eq!(Phase::from_u8(number as u8), *phase);
        }
    }
}
