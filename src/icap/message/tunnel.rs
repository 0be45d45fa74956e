//! A CONNECT as a message: its target is the place of the tunnel and no address of anything.

use httparse::{EMPTY_HEADER, Header, Status};

use super::{BadMessage, Message, is_whole, without_hop};
use crate::base::authority::Authority;
use crate::http::field::{Known, known};
use crate::http::head::MAX_RESPONSE_FIELDS;
use crate::icap::settings::IcapMethod;

impl Message {
    /// A CONNECT to `authority` to be adapted (REQMOD), with the other fields of `head`, the whole head that the client
    /// sent; `head` is empty where that is not at hand. The target and `Host` are those of `authority`, whatever is written
    /// there (RFC 9110 section 9.3.6).
    ///
    /// # Errors
    /// [`BadMessage::Head`] for a head that is neither empty nor one whole request.
    pub fn connect(authority: &Authority, head: &[u8]) -> Result<Self, BadMessage> {
        let mut fields = [EMPTY_HEADER; MAX_RESPONSE_FIELDS];
        let mut parsed = httparse::Request::new(&mut fields);
        let fields = match parsed.parse(head) {
            _ if head.is_empty() => &[][..],
            Ok(Status::Complete(length)) if is_whole(head, length) => &*parsed.headers,
            _ => return Err(BadMessage::Head),
        };
        let others = fields.iter().filter(|field| known(field.name.as_bytes()) != Known::Host);
        let others: Vec<Header<'_>> = others.copied().collect();
        let line = format!("CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n");
        Ok(Self {
            method: IcapMethod::Reqmod,
            request: without_hop(line.as_bytes(), &others)?,
            response: Vec::new(),
            told: Vec::new(),
            // What follows the last dot belongs to a host.
            extension: String::new(),
            answers_head: false,
            status: None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::icap::settings::Credentials;

    fn connect(head: &str) -> Result<String, BadMessage> {
        let authority = Authority::parse(b"O.test.:80", None).expect("an authority");
        let message = Message::connect(&authority, head.as_bytes())?;
        assert_eq!((message.extension(), message.status()), ("", None));
        Ok(String::from_utf8_lossy(&message.request_head(Credentials::Withheld)).into_owned())
    }

    #[test]
    fn target_and_host_are_where_the_tunnel_goes() {
        let bare = "CONNECT o.test:80 HTTP/1.1\r\nHost: o.test:80\r\n\r\n";
        assert_eq!(connect("").as_deref(), Ok(bare));
        assert_eq!(connect("CONNECT o.test:80 HTTP/1.0\r\n\r\n").as_deref(), Ok(bare));
        assert_eq!(
            connect("CONNECT O.test.:80 HTTP/1.1\r\nHOST: other\r\nX: 1\r\nConnection: Y\r\nY: 1\r\nTE: x\r\n\r\n")
                .as_deref(),
            Ok("CONNECT o.test:80 HTTP/1.1\r\nHost: o.test:80\r\nX: 1\r\n\r\n")
        );
    }

    #[test]
    fn what_is_for_us_alone_stays_here() {
        let head =
            "CONNECT o.test:80 HTTP/1.1\r\nProxy-Authorization: Basic eDp5\r\nProxy-Connection: x\r\nCookie: a\r\n\r\n";
        assert_eq!(connect(head).as_deref(), Ok("CONNECT o.test:80 HTTP/1.1\r\nHost: o.test:80\r\n\r\n"));
    }

    #[test]
    fn heads_that_are_none() {
        for head in ["CONNECT o.test:80 HTTP/1.1\r\n", "CONNECT o.test:80 HTTP/1.1\r\n\r\nmore", "\r\n", "\0"] {
            assert_eq!(connect(head), Err(BadMessage::Head), "{head:?}");
        }
    }
}
