//! The answers that we make ourselves: one place turns a reason into status, headers and words. Pure.

mod accept;
mod page;
pub mod progress;

use serde::Serialize;

pub use self::accept::{PageKind, page_kind};
use crate::base::reason::Reason;

/// Longest piece of the client's own words that we repeat, in characters.
const LONGEST_DESTINATION: usize = 255;

/// Seconds after which to try again, with 503 and 429, where nothing better is known.
const RETRY_AFTER: u64 = 1;

/// What becomes of the client connection after the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConnectionFate {
    /// It stays open for the next request.
    KeepAlive,
    /// It is closed.
    Close,
}

/// Whether the body is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReplyBody {
    /// Head and body.
    Full,
    /// The head only, with the length of the body that a GET would get: the answer to HEAD.
    HeadOnly,
}

/// What an answer says besides its reason.
#[derive(Clone, Copy, Debug)]
pub struct ReplyFacts<'a> {
    /// The form of the body.
    pub wants: PageKind,
    /// The id under which the access log has this exchange.
    pub exchange_id: &'a str,
    /// Where the client wanted to go, in its own words; they are not trusted. Empty when it is not known.
    pub destination: &'a str,
    /// What becomes of the connection.
    pub connection: ConnectionFate,
    /// Seconds after which another try may do better, with 429 and 503; `None` where it is not known.
    pub retry_after: Option<u64>,
    /// The rule that was kept; empty where it was none.
    pub rule: &'a str,
    /// Whether the body is sent.
    pub body: ReplyBody,
}

/// The whole answer for a reason, head and body, as HTTP/1.1. Empty when the reason has no answer
/// ([`Reason::status`] is `None`): the client is gone, or its answer had begun.
pub fn error_reply(reason: Reason, facts: &ReplyFacts<'_>) -> Vec<u8> {
    let Some(status) = reason.status() else { return Vec::new() };
    let story = Story {
        reason,
        status,
        phrase: phrase(status),
        destination: &legible(facts.destination),
        id: &header_text(facts.exchange_id),
        rule: facts.rule,
        retry_after: facts.retry_after.unwrap_or(RETRY_AFTER),
    };
    let body = Body::written(facts.wants, &story);
    let mut reply = head(&story, &body, facts.connection).into_bytes();
    match facts.body {
        ReplyBody::Full => reply.extend_from_slice(body.text.as_bytes()),
        ReplyBody::HeadOnly => {}
    }
    reply
}

/// Everything that any form of the answer tells, ready to be shown.
struct Story<'a> {
    reason: Reason,
    status: u16,
    phrase: &'static str,
    destination: &'a str,
    id: &'a str,
    rule: &'a str,
    retry_after: u64,
}

// === Head ===

fn head(story: &Story<'_>, body: &Body, connection: ConnectionFate) -> String {
    let mut head = Head(format!("HTTP/1.1 {} {}\r\n", story.status, story.phrase));
    head.field("Content-Type", body.kind.content_type());
    head.field("Content-Length", &body.text.len().to_string());
    head.field("Cache-Control", "no-store");
    head.field("Proxy-Status", &proxy_status(story));
    head.field("X-Tether-Id", story.id);
    head.field("X-Content-Type-Options", "nosniff");
    if body.kind == PageKind::Html {
        head.field("Content-Security-Policy", page::CONTENT_SECURITY_POLICY);
    }
    if matches!(story.status, 429 | 503) {
        head.field("Retry-After", &story.retry_after.to_string());
    }
    match connection {
        ConnectionFate::KeepAlive => head.field("Connection", "keep-alive"),
        ConnectionFate::Close => head.field("Connection", "close"),
    }
    head.finished()
}

/// A head under construction. Values are ours or have been through [`header_text`].
struct Head(String);

impl Head {
    fn field(&mut self, name: &str, value: &str) {
        for piece in [name, ": ", value, "\r\n"] {
            self.0.push_str(piece);
        }
    }

    fn finished(mut self) -> String {
        self.0.push_str("\r\n");
        self.0
    }
}

/// RFC 9209: who we are, what went wrong, and the same in words.
fn proxy_status(story: &Story<'_>) -> String {
    let reason = story.reason;
    let mut value = String::from("tether");
    if !reason.proxy_status().is_empty() {
        value.push_str("; error=");
        value.push_str(reason.proxy_status());
    }
    value.push_str("; details=");
    match story.rule {
        "" => value.push_str(&sf_string(reason.text())),
        rule => value.push_str(&sf_string(&format!("{} Rule: {rule}", reason.text()))),
    }
    value
}

/// A string of RFC 8941 section 3.3.3: printable ASCII in quotes, quote and backslash escaped.
fn sf_string(text: &str) -> String {
    let mut quoted = String::from("\"");
    for character in header_text(text).chars() {
        if matches!(character, '"' | '\\') {
            quoted.push('\\');
        }
        quoted.push(character);
    }
    quoted.push('"');
    quoted
}

/// Text that cannot leave its header: everything but printable ASCII becomes `?`.
fn header_text(text: &str) -> String {
    text.chars().map(|character| if matches!(character, ' '..='~') { character } else { '?' }).collect()
}

fn phrase(status: u16) -> &'static str {
    match status {
        400 => "Bad Request",
        403 => "Forbidden",
        404 => "Not Found",
        407 => "Proxy Authentication Required",
        408 => "Request Timeout",
        410 => "Gone",
        413 => "Content Too Large",
        414 => "URI Too Long",
        417 => "Expectation Failed",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        505 => "HTTP Version Not Supported",
        _ => "Error",
    }
}

// === Body ===

/// A body, and the form it was written in.
struct Body {
    kind: PageKind,
    text: String,
}

impl Body {
    fn written(wanted: PageKind, story: &Story<'_>) -> Self {
        let text = match wanted {
            PageKind::Html => page::html(story),
            PageKind::Json => json(story),
            PageKind::Text => None,
        };
        match text {
            Some(text) => Self { kind: wanted, text },
            None => Self { kind: PageKind::Text, text: plain(story) },
        }
    }
}

#[derive(Serialize)]
struct JsonBody<'a> {
    error: &'static str,
    status: u16,
    text: &'static str,
    destination: &'a str,
    id: &'a str,
}

fn json(story: &Story<'_>) -> Option<String> {
    let body = JsonBody {
        error: story.reason.label(),
        status: story.status,
        text: story.reason.text(),
        destination: story.destination,
        id: story.id,
    };
    serde_json::to_string(&body).ok().map(|text| text + "\n")
}

fn plain(story: &Story<'_>) -> String {
    let mut text = format!("{} {}: {}\n", story.status, story.phrase, story.reason.text());
    if !story.destination.is_empty() {
        text.push_str(&format!("Destination: {}\n", story.destination));
    }
    text.push_str(&format!("Id: {}\n", story.id));
    text
}

/// The client's own words, fit to be shown on a screen or a terminal: no control characters, nothing that turns the
/// direction of writing, not without end. Escaping for HTML or JSON is done where those are written.
fn legible(text: &str) -> String {
    let mut shown: String = text.chars().take(LONGEST_DESTINATION).map(visible).collect();
    if text.chars().nth(LONGEST_DESTINATION).is_some() {
        shown.push('…');
    }
    shown
}

fn visible(character: char) -> char {
    match character {
        '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}' => '\u{fffd}',
        character if character.is_control() => '\u{fffd}',
        character => character,
    }
}

#[cfg(test)]
mod tests;
