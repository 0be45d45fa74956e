//! When a message goes back, when it is held, and what the peer is told: tables with a clock of their own.

use std::time::Duration;

use super::*;
use crate::icap::server::conversation::Event;
use crate::inspect::course::{HoldSettings, OnUndecodable};
use crate::inspect::decode::SLICE;
use crate::inspect::rules::Rules;
use crate::inspect::rules::name::UrlPattern;
use crate::inspect::scan::Scanner;
use crate::inspect::settings::{ScanRule, built_in, eicar};

/// A message on its way through our server.
struct Played {
    talk: Conversation,
    transaction: Option<Transaction>,
    closed: Option<IcapMessage>,
    counters: Arc<WorkerCounters>,
    began: Instant,
}

fn filter() -> Arc<Filter> {
    let mut rules = built_in();
    let mut by_url = ScanRule::new("banned");
    by_url.urls = vec![UrlPattern::parse("banned.test/*").expect("a pattern")];
    rules.push(by_url);
    let scanner = Scanner::new(Rules::compile(rules).expect("good rules").rules);
    Arc::new(Filter::new(scanner, HoldSettings::default(), OnUndecodable::Block))
}

/// How a body is announced to the server.
const WHOLE: &str = "";
const WHOLE_204: &str = "Allow: 204\r\n";
const PREVIEW: &str = "Preview: 0\r\n";

fn respmod(fields: &str, host: &str, response: &str) -> String {
    let request = format!("GET http://{host}/p HTTP/1.1\r\nHost: {host}\r\n\r\n");
    let response = format!("HTTP/1.1 200 OK\r\n{response}\r\n");
    format!(
        "RESPMOD icap://s.test/respmod ICAP/1.0\r\n{fields}Encapsulated: req-hdr=0, res-hdr={}, res-body={}\r\n\r\n{request}{response}",
        request.len(),
        request.len() + response.len()
    )
}

impl Played {
    fn begin(head: &str) -> Played {
        let mut talk = Conversation::new("r1".into());
        let mut input = head.as_bytes();
        let (counters, began) = (Arc::new(WorkerCounters::default()), Instant::now());
        let Ok(Event::Judge(subject)) = talk.next(&mut input) else { panic!("no message: {head}") };
        assert!(input.is_empty());
        let transaction = Some(Transaction::begin(subject, filter(), &counters, began));
        Played { talk, transaction, closed: None, counters, began }
    }

    /// The rest of the input so many milliseconds after the head.
    fn comes(&mut self, at: u64, bytes: &[u8]) {
        let now = self.began + Duration::from_millis(at);
        let (mut input, mut out) = (bytes, vec![0; SLICE]);
        while let Some(mut transaction) = self.transaction.take() {
            let outcome = match self.talk.next(&mut input).expect("good") {
                Event::More => {
                    self.transaction = Some(transaction);
                    return;
                }
                Event::Data(piece) => {
                    let (mut left, mut next) = (piece, Wants::Step);
                    while next == Wants::Step {
                        let (used, then) = transaction.inspect(left, &mut out);
                        (left, next) = (&left[used..], then);
                    }
                    transaction.take(piece, now, &mut self.talk);
                    None
                }
                Event::PreviewEnd => transaction.preview_end(now, &mut self.talk),
                Event::End => Some(transaction.whole(&mut self.talk)),
                other => panic!("{other:?} in a body"),
            };
            match outcome {
                Some(outcome) => {
                    self.closed = Some(transaction.told(1, self.talk.status(), outcome, now));
                    transaction.close(outcome);
                }
                None => self.transaction = Some(transaction),
            }
        }
    }

    fn chunk(&mut self, at: u64, data: &[u8]) {
        let chunk = [format!("{:x}\r\n", data.len()).as_bytes(), data, b"\r\n"].concat();
        self.comes(at, &chunk);
    }

    fn end(&mut self, at: u64) {
        self.comes(at, b"0\r\n\r\n");
    }

    /// Looks at what is held, as the worker does when it is due; gives whether it is going back now.
    fn passes(&mut self, at: u64) -> bool {
        let now = self.began + Duration::from_millis(at);
        let transaction = self.transaction.as_mut().expect("under way");
        transaction.decide(now, &mut self.talk);
        transaction.is_going_back()
    }

    /// Everything that was said since this was asked last.
    fn said(&mut self) -> String {
        let said = String::from_utf8_lossy(self.talk.pending()).into_owned();
        self.talk.sent(said.len());
        said
    }

    fn outcome(&self) -> Outcome {
        self.closed.as_ref().expect("closed").outcome
    }

    fn held(&self) -> u64 {
        self.counters.icap_server.held.get()
    }

    fn streams(&self) -> u64 {
        self.counters.icap_server.streams.get()
    }
}

#[test]
fn a_body_that_ends_is_held_and_goes_back_whole() {
    for (fields, outcome, said) in [
        (WHOLE, Outcome::Echoed, "7\r\none two\r\n0\r\n\r\n"),
        (WHOLE_204, Outcome::Unchanged, "ICAP/1.0 204 No Content\r\nISTag: \"r1\"\r\n\r\n"),
    ] {
        let mut played = Played::begin(&respmod(fields, "o.test", "A: b\r\n"));
        played.chunk(0, b"one ");
        played.chunk(500, b"two");
        assert_eq!((played.held(), played.said()), (7, String::new()), "nothing goes out before it is known");
        played.end(900);
        assert!(played.said().ends_with(said), "{fields}");
        assert_eq!((played.outcome(), played.held()), (outcome, 0));
    }
}

#[test]
fn an_undeclared_ticker_goes_back_after_its_first_gap_and_then_at_once() {
    let mut played = Played::begin(&respmod(PREVIEW, "o.test", ""));
    played.end(0);
    assert_eq!(played.said(), "ICAP/1.0 100 Continue\r\n\r\n");
    played.chunk(100, b"goal 1\n");
    let due = played.transaction.as_ref().expect("under way").due(played.began).expect("due");
    assert_eq!(due, played.began + Duration::from_millis(1100));
    assert!(!played.passes(1099) && played.passes(1100));
    assert!(played.said().ends_with("\r\n\r\n7\r\ngoal 1\n\r\n"));
    assert_eq!((played.held(), played.streams()), (0, 1), "a stream holds nothing");
    played.chunk(90_000, b"goal 2\n");
    assert_eq!(played.said(), "7\r\ngoal 2\n\r\n");
    played.end(91_000);
    assert_eq!((played.said().as_str(), played.outcome(), played.streams()), ("0\r\n\r\n", Outcome::Echoed, 0));
}

#[test]
fn a_silent_origin_gets_its_head_through() {
    let mut played = Played::begin(&respmod(WHOLE, "o.test", ""));
    assert!(!played.passes(1999) && played.passes(2000));
    assert!(played.said().starts_with("ICAP/1.0 200 OK\r\n"));
}

#[test]
fn a_declared_stream_is_left_alone_or_goes_back_at_once() {
    let declared = "Content-Type: text/event-stream\r\n";
    let mut played = Played::begin(&respmod(PREVIEW, "o.test", declared));
    played.end(0);
    assert_eq!(
        (played.outcome(), played.said().as_str()),
        (Outcome::StreamPassed, "ICAP/1.0 204 No Content\r\nISTag: \"r1\"\r\n\r\n")
    );
    let mut played = Played::begin(&respmod(WHOLE, "o.test", declared));
    played.chunk(0, b"data: 1\n\n");
    assert!(played.said().ends_with("9\r\ndata: 1\n\n\r\n"));
    assert_eq!(played.streams(), 1);
    let mut played = Played::begin(&respmod("Preview: 9\r\n", "o.test", declared));
    played.chunk(0, b"MZ\x90\0\x03\0\0\0\x04");
    played.end(0);
    assert!(played.said().starts_with("ICAP/1.0 100"), "a program is no stream, whatever its head says");
}

#[test]
fn large_bodies_are_held_no_longer() {
    let piece = vec![b'a'; 16 * 1024];
    let length = "Content-Length: 1000000\r\n";
    for (fields, response, goes_back) in
        [(WHOLE, "", true), (WHOLE, length, true), (WHOLE_204, "", true), (WHOLE_204, length, false)]
    {
        let mut played = Played::begin(&respmod(fields, "o.test", response));
        for turn in 1..=20 {
            played.chunk(turn, &piece);
            assert!(played.held() <= MOST_HELD as u64, "{turn}");
        }
        assert_eq!(played.passes(30), goes_back, "{fields:?} {response:?}");
        assert_eq!((played.held(), played.streams()), (0, 0));
        played.end(40);
        assert_eq!(played.outcome(), if goes_back { Outcome::Echoed } else { Outcome::Unchanged });
    }
}

#[test]
fn a_slow_body_of_known_length_goes_back_after_the_deadline() {
    let mut played = Played::begin(&respmod(WHOLE, "o.test", "Content-Length: 100\r\n"));
    played.chunk(0, b"slow");
    assert!(!played.passes(29_999) && played.passes(30_000));
}

#[test]
fn what_is_found_in_time_becomes_a_page() {
    let body = eicar();
    for fields in [WHOLE, WHOLE_204, PREVIEW] {
        let mut played = Played::begin(&respmod(fields, "o.test", ""));
        if fields == PREVIEW {
            played.end(0);
            played.said();
        }
        let (one, other) = body.split_at(30);
        played.chunk(0, one);
        played.chunk(1, other);
        assert!(played.transaction.as_ref().expect("under way").is_settled());
        played.end(2);
        let said = played.said();
        assert!(said.contains("X-Infection-Found: Type=0; Resolution=2; Threat=eicar;\r\n"), "{said}");
        assert!(said.contains("HTTP/1.1 403 ") && said.contains("Cache-Control: no-store\r\n"), "{said}");
        assert!(!said.contains("Connection: close") && said.ends_with("\r\n0\r\n\r\n"), "{said}");
        assert_eq!(played.outcome(), Outcome::Blocked);
    }
}

#[test]
fn what_is_found_too_late_is_cut() {
    let mut played = Played::begin(&respmod(WHOLE, "o.test", ""));
    played.chunk(0, b"goal 1\n");
    assert!(played.passes(1000));
    played.said();
    played.chunk(2000, &eicar());
    assert!(played.transaction.as_ref().expect("under way").is_settled());
    assert_eq!(played.said(), "", "nothing of it goes out");
    played.end(2001);
    assert_eq!((played.outcome(), played.said().as_str()), (Outcome::Cut, ""), "no end is made up");
}

#[test]
fn rules_about_heads_need_no_body() {
    let mut played = Played::begin(&respmod(PREVIEW, "banned.test", ""));
    assert!(!played.transaction.as_ref().expect("under way").is_settled(), "the preview is on its way");
    played.end(0);
    assert_eq!(played.outcome(), Outcome::Blocked);
    let told = played.closed.expect("closed");
    assert_eq!(told.found, Some(("banned".to_owned(), "url")));
    assert_eq!((told.method.as_str(), told.url.as_str(), told.status), ("GET", "http://banned.test/p", 200));
}

#[test]
fn what_cannot_be_decoded_is_blocked() {
    for (coding, body, rule) in [
        ("compress", &b"abc"[..], "unknown_coding"),
        ("gzip", b"this is no gzip", "broken"),
        ("gzip, gzip, gzip", b"abc", "layers"),
    ] {
        let mut played = Played::begin(&respmod(WHOLE, "o.test", &format!("Content-Encoding: {coding}\r\n")));
        played.chunk(0, body);
        played.end(1);
        assert_eq!(played.outcome(), Outcome::Blocked, "{coding}");
        let told = played.closed.expect("closed");
        assert_eq!(told.found, Some((rule.to_owned(), "undecodable")));
        assert_eq!((told.body_bytes, told.took), (body.len() as u64, Duration::from_millis(1)));
    }
}

#[test]
fn dropped_in_the_middle_it_counts_as_aborted() {
    let mut played = Played::begin(&respmod(WHOLE, "o.test", ""));
    played.chunk(0, b"some");
    assert!(played.passes(1000) && played.streams() == 1);
    drop(played.transaction.take());
    let counted = |outcome| played.counters.icap_server.transactions(Asked::Respmod, outcome);
    assert_eq!((counted(Outcome::Aborted), counted(Outcome::Echoed)), (1, 0));
    assert_eq!((played.held(), played.streams()), (0, 0));
}
