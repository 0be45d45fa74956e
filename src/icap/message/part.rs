//! Messages made of others: a part of a stream as a message of its own, and what a service made of a message, for the next.

use super::{BadMessage, Message};

impl Message {
    /// One part of its body, as a message with a length of its own: number `window`, `length` bytes. Told to the service as
    /// `X-Scan-Window`.
    #[must_use]
    pub fn window(&self, window: u64, length: u64) -> Self {
        let mut part = self.clone();
        let lines = self.response.split_inclusive(|byte| *byte == b'\n').filter(|line| !is_about_length(line));
        part.response = lines.flatten().copied().collect();
        part.response.truncate(part.response.len().saturating_sub(2));
        part.response.extend_from_slice(format!("Content-Length: {length}\r\n\r\n").as_bytes());
        part.told.extend_from_slice(format!("X-Scan-Window: {window}\r\n").as_bytes());
        part
    }

    /// The same message with the head that a service gave it.
    ///
    /// # Errors
    /// [`BadMessage::Head`].
    pub fn adapted(&self, head: &[u8]) -> Result<Self, BadMessage> {
        let fresh = match self.response.is_empty() {
            true => Self::request(head)?,
            false => Self::response(&self.request, head)?,
        };
        Ok(Self { told: self.told.clone(), ..fresh })
    }
}

fn is_about_length(line: &[u8]) -> bool {
    let name = line.split(|byte| *byte == b':').next().unwrap_or_default();
    [&b"content-length"[..], b"transfer-encoding"].iter().any(|known| known.eq_ignore_ascii_case(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_has_its_own_length() {
        let request = b"GET http://o.test/p HTTP/1.1\r\nHost: o.test\r\n\r\n";
        let response =
            b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Length: 99\r\nETag: \"1\"\r\n\r\n";
        let part = Message::response(request, response).expect("good").window(3, 26);
        let head = String::from_utf8_lossy(part.response_head()).into_owned();
        assert_eq!(
            head,
            "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nETag: \"1\"\r\nContent-Length: 26\r\n\r\n"
        );
        assert_eq!(part.told(), b"X-Scan-Window: 3\r\n");
    }

    #[test]
    fn the_next_service_sees_what_the_first_one_made() {
        let request = b"GET http://o.test/p HTTP/1.1\r\nHost: o.test\r\n\r\n";
        let message = Message::response(request, b"HTTP/1.1 200 OK\r\n\r\n").expect("good");
        let adapted = message.adapted(b"HTTP/1.1 203 Changed\r\nContent-Length: 1\r\n\r\n").expect("good");
        assert_eq!(adapted.status(), Some(203));
        assert!(message.adapted(b"GET / HTTP/1.1\r\n\r\n").is_err());
    }
}
