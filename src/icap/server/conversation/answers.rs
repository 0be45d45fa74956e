//! What our server says, as it is written.

use super::{Conversation, Keep, Refusal, Stage, State};
use crate::http::chunked::write_chunk;
use crate::icap::opening::BodyPresence;
use crate::icap::server::subject::Subject;
use crate::icap::settings::IcapMethod;

/// Seconds for which what OPTIONS says holds.
const OPTIONS_TTL: u32 = 300;

impl Conversation {
    /// What the service that adapts these offers (RFC 3507 section 4.10), over so many connections. A preview of nothing lets
    /// a stream go on at once.
    pub fn options(&mut self, service: IcapMethod, max_connections: u32) {
        let method = service.label();
        self.start("200 OK", &format!("Methods: {method}\r\n"));
        self.put(&format!(
            "Preview: 0\r\nTransfer-Preview: *\r\nAllow: 204\r\nMax-Connections: {max_connections}\r\nOptions-TTL: {OPTIONS_TTL}\r\n\
             X-Include: X-Client-IP, X-Client-Username, X-Authenticated-User\r\nEncapsulated: null-body=0\r\n\r\n"
        ));
    }

    /// The message may go on as it is. Only after a preview, and where it was allowed (RFC 3507 section 4.6).
    pub fn unchanged(&mut self) {
        self.answered();
        self.start("204 No Content", "");
        self.put("\r\n");
    }

    /// The rest of the body is wanted.
    pub fn go_on(&mut self) {
        if matches!(self.state, State::AfterPreview) {
            self.state = State::body(Stage::Rest);
        }
        self.put("ICAP/1.0 100 Continue\r\n\r\n");
    }

    /// The message goes on as it is, sent back: its head now, its body by [`Conversation::echo`].
    pub fn begin_echo(&mut self, subject: &Subject) {
        let mut head = Vec::new();
        if let Some(message) = subject.message() {
            message.write(&mut head);
        }
        let (of_head, of_body) = match subject.method {
            IcapMethod::Reqmod => ("req-hdr=0, ", "req-body"),
            IcapMethod::Respmod => ("res-hdr=0, ", "res-body"),
        };
        let of_head = if head.is_empty() { "" } else { of_head };
        let of_body = if subject.body == BodyPresence::Absent { "null-body" } else { of_body };
        self.answered();
        self.start("200 OK", "");
        self.put(&format!("Encapsulated: {of_head}{of_body}={}\r\n\r\n", head.len()));
        self.out.extend_from_slice(&head);
    }

    /// Sends back more of a body.
    pub fn echo(&mut self, data: &[u8]) {
        if !data.is_empty() {
            write_chunk(data, &mut self.out);
        }
    }

    /// A body that was sent back is whole.
    pub fn end_echo(&mut self) {
        self.put("0\r\n\r\n");
    }

    /// This response takes the place of the message; `fields` are lines for the ICAP head.
    pub fn replace(&mut self, fields: &str, head: &str, body: &[u8]) {
        if matches!(self.state, State::Body { .. }) {
            // What is still on its way cannot be told from the next request.
            self.keep = Keep::Close;
        }
        self.answered();
        self.start("200 OK", fields);
        self.put(&format!("Encapsulated: res-hdr=0, res-body={}\r\n\r\n{head}", head.len()));
        self.echo(body);
        self.end_echo();
    }

    /// The request is refused, and with it the connection.
    pub fn refuse(&mut self, refusal: Refusal) {
        self.state = State::Over;
        self.keep = Keep::Close;
        self.start(refusal.status(), "");
        self.put("\r\n");
    }

    fn answered(&mut self) {
        if matches!(self.state, State::AfterPreview) {
            self.state = State::between();
        }
    }

    /// The status line and what stands in every head; `first` are lines that come before the service tag.
    fn start(&mut self, status: &'static str, first: &str) {
        self.said = status;
        let istag = self.istag.clone();
        self.put(&format!("ICAP/1.0 {status}\r\n{first}ISTag: \"{istag}\"\r\n"));
        if self.closes() {
            self.put("Connection: close\r\n");
        }
    }

    fn put(&mut self, text: &str) {
        self.out.extend_from_slice(text.as_bytes());
    }
}
