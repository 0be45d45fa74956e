//! `Encapsulated` of a request: `[req-hdr] [res-hdr] *-body`, each where the one before it ends (RFC 3507 section 4.4.1).

use super::super::encapsulated::{InnerBody, InnerHead, Part, part};
use super::refusal::Refusal;
use crate::http::field::list;
use crate::http::head::MAX_HEAD;
use crate::icap::opening::BodyPresence;
use crate::icap::settings::IcapMethod;

/// What follows the head of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Parts {
    /// Bytes of the request head; 0 when there is none.
    pub request: usize,
    /// Bytes of the response head behind it; 0 when there is none.
    pub response: usize,
    pub body: BodyPresence,
}

impl Parts {
    /// Reads the value of the field for a request of this method.
    pub fn parse(value: &[u8], method: IcapMethod) -> Result<Self, Refusal> {
        let mut members = Vec::new();
        for member in list(value) {
            members.push(part(member, 2 * MAX_HEAD).map_err(|_| Refusal::Malformed)?);
        }
        let (request, response, body, length) = match members[..] {
            [(Part::Body(body), 0)] => (0, 0, body, 0),
            [(Part::Head(InnerHead::Request), 0), (Part::Body(body), end)] => (end, 0, body, end),
            [(Part::Head(InnerHead::Response), 0), (Part::Body(body), end)] => (0, end, body, end),
            [
                (Part::Head(InnerHead::Request), 0),
                (Part::Head(InnerHead::Response), middle),
                (Part::Body(body), end),
            ] => (middle, end.checked_sub(middle).ok_or(Refusal::Malformed)?, body, end),
            _ => return Err(Refusal::Malformed),
        };
        let body = match (method, body) {
            (_, InnerBody::None) => BodyPresence::Absent,
            (IcapMethod::Reqmod, InnerBody::Request) | (IcapMethod::Respmod, InnerBody::Response) => {
                BodyPresence::Present
            }
            _ => return Err(Refusal::Malformed),
        };
        let about_nothing = match method {
            IcapMethod::Reqmod => request == 0 || response != 0,
            IcapMethod::Respmod => length == 0 && body == BodyPresence::Absent,
        };
        if request > MAX_HEAD || response > MAX_HEAD {
            return Err(Refusal::TooLarge);
        }
        if about_nothing { Err(Refusal::Malformed) } else { Ok(Self { request, response, body }) }
    }

    /// Bytes of all heads.
    pub fn heads(&self) -> usize {
        self.request + self.response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(method: IcapMethod, value: &str) -> Result<(usize, usize, BodyPresence), Refusal> {
        Parts::parse(value.as_bytes(), method).map(|parts| (parts.request, parts.response, parts.body))
    }

    #[test]
    fn what_clients_write() {
        use BodyPresence::{Absent, Present};
        for (value, found) in [
            ("req-hdr=0, res-hdr=46, res-body=110", (46, 64, Present)),
            ("req-hdr=0,res-hdr=46,null-body=110", (46, 64, Absent)),
            ("REQ-HDR = 0 , Res-Hdr=46, RES-BODY=110", (46, 64, Present)),
            ("res-hdr=0, res-body=64", (0, 64, Present)),
            ("req-hdr=0, res-body=46", (46, 0, Present)),
            ("res-body=0", (0, 0, Present)),
            ("req-hdr=0, res-hdr=0, res-body=64", (0, 64, Present)),
        ] {
            assert_eq!(read(IcapMethod::Respmod, value), Ok(found), "{value}");
        }
        assert_eq!(read(IcapMethod::Reqmod, "req-hdr=0, req-body=66"), Ok((66, 0, Present)));
        assert_eq!(read(IcapMethod::Reqmod, "req-hdr=0, null-body=66"), Ok((66, 0, Absent)));
    }

    #[test]
    fn refused() {
        for value in [
            "",
            "null-body=0",
            "req-hdr=0",
            "req-hdr=1, res-hdr=46, res-body=110",
            "req-hdr=0, res-hdr=46, res-body=45",
            "res-hdr=0, req-hdr=46, res-body=110",
            "req-hdr=0, res-hdr=46, req-body=110",
            "req-hdr=0, res-hdr=46, opt-body=110",
            "req-hdr=0, res-hdr=-1, res-body=110",
            "req-hdr=0, res-hdr=46, res-body=0x6e",
            "req-hdr=0, res-hdr=46, res-body=18446744073709551616",
            "req-hdr=0, res-hdr=46, res-body=110, null-body=110",
            "req-hdr=0, res-hdr=46, res-hdr=50, res-body=110",
            "res-body=5",
        ] {
            assert!(read(IcapMethod::Respmod, value).is_err(), "{value}");
        }
        for value in ["req-body=0", "res-hdr=0, req-body=5", "req-hdr=0, res-body=5", "req-hdr=0, req-body=0"] {
            assert!(read(IcapMethod::Reqmod, value).is_err(), "{value}");
        }
        assert_eq!(read(IcapMethod::Respmod, "res-hdr=0, res-body=65537"), Err(Refusal::TooLarge));
    }
}
