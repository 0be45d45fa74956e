//! `Encapsulated`: which parts an answer brings and where each begins (RFC 3507 section 4.4.1).

use super::error::Fault;
use crate::http::field::list;
use crate::http::framing::decimal;
use crate::http::head::MAX_HEAD;

/// The one HTTP head that an answer may bring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum InnerHead {
    Request,
    Response,
}

/// What follows the heads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum InnerBody {
    None,
    Request,
    Response,
    Options,
}

/// What an answer brings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Encapsulated {
    pub head: Option<InnerHead>,
    /// Bytes of the head, which may be 0.
    pub head_length: usize,
    pub body: InnerBody,
}

/// One part of a message.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    Head(InnerHead),
    Body(InnerBody),
}

impl Encapsulated {
    /// Reads the value of the field; an empty one is as good as none.
    pub fn parse(value: &[u8]) -> Result<Option<Self>, Fault> {
        let mut parts = list(value).map(|member| part(member, MAX_HEAD));
        let (head, body, offset) = match (parts.next(), parts.next(), parts.next()) {
            (None, ..) => return Ok(None),
            (Some(body), None, _) => (None, body?, 0),
            (Some(head), Some(body), None) => (Some(head?), body?, 1),
            _ => return Err(Fault::Encapsulated),
        };
        match (head, body, offset) {
            (None, (Part::Body(body), 0), _) => Ok(Some(Self { head: None, head_length: 0, body })),
            (Some((Part::Head(head), 0)), (Part::Body(body), head_length), _) if belong(head, body) => {
                Ok(Some(Self { head: Some(head), head_length, body }))
            }
            _ => Err(Fault::Encapsulated),
        }
    }
}

fn belong(head: InnerHead, body: InnerBody) -> bool {
    matches!(
        (head, body),
        (_, InnerBody::None) | (InnerHead::Request, InnerBody::Request) | (InnerHead::Response, InnerBody::Response)
    )
}

/// Reads `name=offset`; no part begins behind `furthest`.
pub(super) fn part(member: &[u8], furthest: usize) -> Result<(Part, usize), Fault> {
    let equals = memchr::memchr(b'=', member).ok_or(Fault::Encapsulated)?;
    let offset = decimal(member[equals + 1..].trim_ascii_start()).and_then(|offset| usize::try_from(offset).ok());
    let offset = offset.filter(|offset| *offset <= furthest).ok_or(Fault::Encapsulated)?;
    let part = match member[..equals].trim_ascii_end().to_ascii_lowercase().as_slice() {
        b"req-hdr" => Part::Head(InnerHead::Request),
        b"res-hdr" => Part::Head(InnerHead::Response),
        b"req-body" => Part::Body(InnerBody::Request),
        b"res-body" => Part::Body(InnerBody::Response),
        b"opt-body" => Part::Body(InnerBody::Options),
        b"null-body" => Part::Body(InnerBody::None),
        _ => return Err(Fault::Encapsulated),
    };
    Ok((part, offset))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(value: &str) -> Result<Option<(Option<InnerHead>, usize, InnerBody)>, Fault> {
        Ok(Encapsulated::parse(value.as_bytes())?.map(|found| (found.head, found.head_length, found.body)))
    }

    #[test]
    fn what_servers_write() {
        let response = Some(InnerHead::Response);
        for (value, found) in [
            ("res-hdr=0, res-body=71", (response, 71, InnerBody::Response)),
            ("res-hdr=0,res-body=71", (response, 71, InnerBody::Response)),
            ("RES-HDR = 0 , Res-Body= 71", (response, 71, InnerBody::Response)),
            ("res-hdr=0, null-body=0", (response, 0, InnerBody::None)),
            ("req-hdr=0, req-body=5", (Some(InnerHead::Request), 5, InnerBody::Request)),
            ("null-body=0", (None, 0, InnerBody::None)),
            ("opt-body=0", (None, 0, InnerBody::Options)),
            ("res-body=0", (None, 0, InnerBody::Response)),
        ] {
            assert_eq!(read(value), Ok(Some(found)), "{value}");
        }
        assert_eq!(read(""), Ok(None));
        assert_eq!(read(" , "), Ok(None));
    }

    #[test]
    fn refused() {
        for value in [
            "res-hdr=1, res-body=71",
            "res-hdr=0, res-body=-1",
            "res-hdr=0, res-body=",
            "res-hdr=0, res-body",
            "res-hdr=0",
            "res-hdr=0, req-body=5",
            "req-hdr=0, res-body=5",
            "req-hdr=0, res-hdr=5, res-body=9",
            "res-body=0, res-hdr=5",
            "res-body=5",
            "null-body=3",
            "res-hdr=0, res-body=65537",
            "res-hdr=0, res-body=18446744073709551616",
            "res-hdr=0, other-body=5",
            "res-hdr=0, res-hdr=5",
            "res-hdr=0, res-body=0x5",
        ] {
            assert_eq!(read(value), Err(Fault::Encapsulated), "{value}");
        }
    }
}
