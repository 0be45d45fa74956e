//! Files that were held behind a progress page, each for its client to fetch once.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use rustix::rand::{GetRandomFlags, getrandom};

use super::ask::Replaced;
use crate::base::authority::Authority;

/// Where they are on every host: behind it stand the ticket and the name of the file.
const PLACE: &str = "/.well-known/tether/held/";
/// Letters of a ticket.
const TICKET: usize = 32;

/// All files that wait for their clients. Shared by all workers.
#[derive(Default)]
pub struct Offers {
    waiting: Mutex<HashMap<Box<str>, Waiting>>,
}

struct Waiting {
    authority: Arc<Authority>,
    client: IpAddr,
    file: Replaced,
}

/// One file that waits. Kept by the connection of the page, whose end is the file's: dropping it frees the file.
pub struct Offer {
    offers: Arc<Offers>,
    ticket: Box<str>,
}

impl Offers {
    /// Lets `file` wait for `client`, on the host that it came from. `None` where the system gives no random bytes.
    pub fn put(self: &Arc<Self>, authority: Arc<Authority>, client: IpAddr, file: Replaced) -> Option<Offer> {
        let ticket = ticket()?;
        let waiting = Waiting { authority, client, file };
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).insert(ticket.clone(), waiting);
        Some(Offer { offers: self.clone(), ticket })
    }

    /// Hands out what waits at `path` for `client`, once; `None` where nothing does.
    pub fn take(&self, authority: &Authority, client: IpAddr, path: &str) -> Option<Replaced> {
        let ticket = ticket_of(path)?;
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let is_theirs = |waiting: &Waiting| waiting.client == client && *waiting.authority == *authority;
        waiting.get(ticket).is_some_and(is_theirs).then(|| waiting.remove(ticket))?.map(|waiting| waiting.file)
    }
}

impl Offer {
    /// The path to fetch it from, under a name that is a segment of one.
    pub fn path(&self, segment: &str) -> String {
        format!("{PLACE}{}/{segment}", self.ticket)
    }
}

impl Drop for Offer {
    fn drop(&mut self) {
        // Freed outside the lock: a file may be large.
        let waiting = self.offers.waiting.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.ticket);
        drop(waiting);
    }
}

/// Whether a path is one that files are handed out from.
pub fn is_place(path: &str) -> bool {
    ticket_of(path).is_some()
}

fn ticket_of(path: &str) -> Option<&str> {
    let ticket = path.strip_prefix(PLACE)?.split('/').next()?;
    (ticket.len() == TICKET && ticket.bytes().all(|byte| byte.is_ascii_hexdigit())).then_some(ticket)
}

/// What nobody guesses.
fn ticket() -> Option<Box<str>> {
    let mut bytes = [0; TICKET / 2];
    let count = getrandom(&mut bytes, GetRandomFlags::empty()).ok()?;
    (count == bytes.len()).then(|| format!("{:032x}", u128::from_ne_bytes(bytes)).into())
}

/// A name as one segment of a path (RFC 3986 section 3.3).
pub fn quoted(file_name: &str) -> String {
    let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~');
    let mut quoted = String::new();
    for byte in file_name.as_bytes() {
        match is_plain(byte) {
            true => quoted.push(char::from(*byte)),
            false => quoted.push_str(&format!("%{byte:02X}")),
        }
    }
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_told_from_other_paths() {
        let ticket = ticket().expect("random bytes");
        assert_eq!(ticket.len(), TICKET);
        assert!(is_place(&format!("{PLACE}{ticket}/a.iso")) && is_place(&format!("{PLACE}{ticket}")));
        for path in ["/", PLACE, "/.well-known/tether/held/short/a", &format!("{PLACE}{}/a", "z".repeat(TICKET))] {
            assert!(!is_place(path), "{path}");
        }
    }

    #[test]
    fn names_stay_within_their_segment() {
        assert_eq!(quoted("a b/../\u{e9}?.iso"), "a%20b%2F..%2F%C3%A9%3F.iso");
    }
}
