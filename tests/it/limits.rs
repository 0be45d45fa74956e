//! Limits: who holds too much is refused, waits or makes room for itself, and nobody else notices.

mod by_time;
mod evicting;
mod holders;
mod leaks;
mod overload;
mod queueing;
mod rates;
mod simulate;
mod story;

use std::net::SocketAddr;

use crate::support::answer::{Answer, answer_head};
use crate::support::script::{Scripted, ok, path};
use crate::support::wire::Wire;

/// The group of the story: hosts of two sister sites.
const GROUP: &str = "[[group]]\nname = \"sport\"\nhosts = [\"p*.sport.test\", \"p*.news.test\"]\n";

/// Head and first event of a ticker.
const TICKER: &str =
    "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n9\r\ndata: 0\n\n\r\n";

/// An origin with tickers at `/ticks`, requests that are never answered at `/hold`, and pages that are their own path.
/// A tunnel to it is silent.
fn site() -> Scripted {
    Scripted::start(|visit| {
        while let Some(head) = visit.head() {
            match path(&head) {
                "/ticks" => {
                    visit.send(TICKER);
                    return;
                }
                "/hold" => return,
                page => visit.send(ok(page)),
            };
        }
    })
}

/// `host` at the port of `origin`.
fn at(host: &str, origin: SocketAddr) -> String {
    format!("{host}:{}", origin.port())
}

/// A GET of `path` at `to`, with these fields.
fn get_with(to: &str, path: &str, fields: &str) -> String {
    format!("GET http://{to}{path} HTTP/1.1\r\nHost: {to}\r\n{fields}\r\n")
}

/// A GET.
fn page(to: &str) -> String {
    get_with(to, "/page", "")
}

/// A request for a ticker, as a browser's `EventSource` sends it.
fn ticks(to: &str) -> String {
    get_with(to, "/ticks", "Accept: text/event-stream\r\n")
}

/// A CONNECT.
fn tunnel_to(to: &str) -> String {
    format!("CONNECT {to} HTTP/1.1\r\nHost: {to}\r\n\r\n")
}

/// Reads up to and with the first event of a ticker.
fn ticking(client: &mut Wire) -> Answer {
    let head = answer_head(client).expect("an answer");
    assert_eq!(head.status, 200, "{}", head.head);
    assert_eq!(client.line(), "9");
    assert_eq!(client.exactly(11), b"data: 0\n\n\r\n");
    head
}
