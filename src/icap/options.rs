//! What a server tells of a service in answer to OPTIONS (RFC 3507 section 4.10), and what holds where it tells nothing.

use std::time::Duration;

use super::head::IcapHead;
use super::settings::IcapMethod;
use crate::http::field::list;
use crate::http::framing::decimal;

/// Shortest time for which an answer to OPTIONS is believed.
const SHORTEST_TTL: Duration = Duration::from_secs(30);
/// Longest.
const LONGEST_TTL: Duration = Duration::from_secs(3600);
/// For one whose time to live cannot be read, and for what is assumed of a server that refuses OPTIONS.
const USUAL_TTL: Duration = Duration::from_secs(60);
/// Preview for a server of which nothing is known.
const ASSUMED_PREVIEW: u32 = 1024;
/// Most extensions of one list that are kept.
const MOST_EXTENSIONS: usize = 1024;

/// Where the knowledge comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OptionsSource {
    /// The server told it.
    Told,
    /// The server refuses OPTIONS.
    Assumed,
}

/// How a server wants files of one extension.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transfer {
    /// With a preview.
    Preview,
    /// Whole at once.
    Complete,
}

/// What is known of a service at one server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceOptions {
    /// Who says so.
    pub source: OptionsSource,
    /// The methods it takes; empty when it does not say.
    pub methods: Vec<IcapMethod>,
    /// Its service tag, which changes when its rules do.
    pub istag: Option<String>,
    /// What it calls itself, fit to be shown.
    pub service: Option<String>,
    /// Most connections it takes from us; `None` where it sets no limit.
    pub max_connections: Option<u32>,
    /// How long this holds.
    pub ttl: Duration,
    /// Bytes of preview it wants; `None` for no preview.
    pub preview: Option<u32>,
    /// It can send the beginning only and point to the original for the rest.
    pub takes_partial: bool,
    transfer: TransferLists,
}

/// Extensions in lower case; `*` stands for all others.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct TransferLists {
    preview: Vec<String>,
    complete: Vec<String>,
}

impl ServiceOptions {
    /// What holds for a server that refuses OPTIONS.
    pub fn assumed() -> Self {
        let transfer = TransferLists { preview: vec!["*".to_owned()], ..TransferLists::default() };
        Self {
            source: OptionsSource::Assumed,
            methods: Vec::new(),
            istag: None,
            service: None,
            max_connections: None,
            ttl: USUAL_TTL,
            preview: Some(ASSUMED_PREVIEW),
            takes_partial: false,
            transfer,
        }
    }

    /// Reads the head of an answer to OPTIONS. Nothing in it is a fault: what cannot be read is as if it were not there.
    pub fn told(head: &IcapHead) -> Self {
        Self {
            source: OptionsSource::Told,
            methods: head.fields("Methods").flat_map(list).filter_map(method).collect(),
            istag: head.istag(),
            service: head.field("Service").map(super::head::legible),
            max_connections: number(head, "Max-Connections").filter(|most| *most > 0),
            ttl: ttl(head),
            preview: number(head, "Preview"),
            takes_partial: head.lists("Allow", "206"),
            transfer: TransferLists {
                preview: extensions(head, "Transfer-Preview"),
                complete: extensions(head, "Transfer-Complete"),
            },
        }
    }

    /// How files of this extension are to be sent. `Transfer-Ignore` is not honoured: who is judged chooses the
    /// extension, so those files are sent whole.
    pub fn transfer(&self, extension: &str) -> Transfer {
        let lists = &self.transfer;
        let named = |list: &[String], name: &str| list.iter().any(|own| own == name);
        let by_name = !extension.is_empty();
        if by_name && named(&lists.complete, extension) {
            Transfer::Complete
        } else if (by_name && named(&lists.preview, extension)) || named(&lists.preview, "*") {
            Transfer::Preview
        } else {
            Transfer::Complete
        }
    }
}

fn method(word: &[u8]) -> Option<IcapMethod> {
    std::str::from_utf8(word).ok().and_then(IcapMethod::of)
}

/// Numbers beyond what we count to are as good as the largest.
fn number(head: &IcapHead, name: &str) -> Option<u32> {
    let value = head.field(name)?.trim_ascii();
    decimal(value).map(|number| u32::try_from(number).unwrap_or(u32::MAX))
}

fn ttl(head: &IcapHead) -> Duration {
    match head.field("Options-TTL") {
        None => LONGEST_TTL,
        Some(value) => match decimal(value.trim_ascii()) {
            Some(seconds) => Duration::from_secs(seconds).clamp(SHORTEST_TTL, LONGEST_TTL),
            None => USUAL_TTL,
        },
    }
}

fn extensions(head: &IcapHead, name: &str) -> Vec<String> {
    let members = head.fields(name).flat_map(|value| value.split(|byte| *byte == b'\n')).flat_map(list);
    let words = members.filter_map(|member| std::str::from_utf8(member).ok());
    words.take(MOST_EXTENSIONS).map(|word| word.trim_start_matches('.').to_ascii_lowercase()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(fields: &str) -> ServiceOptions {
        ServiceOptions::told(&IcapHead::parse(format!("ICAP/1.0 200 OK\r\n{fields}\r\n").as_bytes()).expect("a head"))
    }

    #[test]
    fn methods_in_any_form() {
        use IcapMethod::{Reqmod, Respmod};
        assert_eq!(told("Methods: RESPMOD, REQMOD\r\n").methods, [Respmod, Reqmod]);
        assert_eq!(told("Methods: respmod\r\n").methods, [Respmod]);
        assert_eq!(told("Methods: LOGMOD\r\n").methods, []);
        assert_eq!(told("").methods, []);
    }

    #[test]
    fn times_to_live_are_kept_within_reason() {
        for (value, seconds) in [
            ("Options-TTL: 300\r\n", 300),
            ("Options-TTL: 0\r\n", 30),
            ("Options-TTL: 1000000000000\r\n", 3600),
            ("Options-TTL: 99999999999999999999999\r\n", 60),
            ("Options-TTL: -1\r\n", 60),
            ("Options-TTL: abc\r\n", 60),
            ("", 3600),
        ] {
            assert_eq!(told(value).ttl, Duration::from_secs(seconds), "{value:?}");
        }
    }

    #[test]
    fn connections_and_previews() {
        assert_eq!(told("Max-Connections: 0\r\n").max_connections, None);
        assert_eq!(told("").max_connections, None);
        assert_eq!(told("Max-Connections: 10\r\n").max_connections, Some(10));
        assert_eq!(told("Max-Connections: 99999999999\r\n").max_connections, Some(u32::MAX));
        assert_eq!(told("Preview: 0\r\n").preview, Some(0));
        assert_eq!(told("Preview: -1\r\n").preview, None);
    }

    #[test]
    fn allow_may_list_anything() {
        assert!(told("Allow: 204,206,trailers\r\n").takes_partial);
        assert!(told("Allow: 204, 206\r\n").takes_partial);
        assert!(!told("Allow: 204, trailers\r\n").takes_partial);
    }

    #[test]
    fn transfer_by_extension() {
        let all = told("Transfer-Preview: *\r\nTransfer-Complete: .ZIP, exe\r\nTransfer-Ignore: jpg\r\n");
        assert_eq!(all.transfer("zip"), Transfer::Complete);
        assert_eq!(all.transfer("html"), Transfer::Preview);
        assert_eq!(all.transfer("jpg"), Transfer::Preview);
        assert_eq!(all.transfer(""), Transfer::Preview);
        let some = told("Transfer-Preview: asp\r\nTransfer-Complete: *\r\n");
        assert_eq!(some.transfer("asp"), Transfer::Preview);
        assert_eq!(some.transfer("html"), Transfer::Complete);
        let both = told("Transfer-Preview: *\r\nTransfer-Ignore: *\r\n");
        assert_eq!(both.transfer("html"), Transfer::Preview);
        assert_eq!(told("").transfer("html"), Transfer::Complete);
    }
}
