//! Our parser against hyper's: whatever hyper refuses or frames in another way, we refuse. We may refuse more.

mod grammar;
mod ours;
mod theirs;

use tokio::runtime::{Builder, Runtime};

use crate::support::random::Random;

/// A message as one of the two understood it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Method and target, or the status.
    pub what: String,
    /// The body.
    pub body: Body,
}

/// A body as one of the two understood it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body {
    /// It ended by its framing, or with the connection where that is its end.
    Whole(Vec<u8>),
    /// It has not ended; hyper does not tell this from a fault.
    Unfinished,
    /// It breaks its framing; we have refused it.
    Faulty,
}

/// How often each side had something to say, so that an empty comparison cannot pass.
#[derive(Debug, Default)]
struct Tally {
    cases: usize,
    accepted: usize,
    whole_bodies: usize,
    refused_by_us_alone: usize,
}

fn runtime() -> Runtime {
    Builder::new_current_thread().build().expect("a runtime")
}

#[test]
fn no_request_is_read_otherwise_than_by_hyper() {
    let (runtime, mut random, mut tally) = (runtime(), Random::seeded(9112), Tally::default());
    for case in 0..30_000 {
        let input = grammar::requests(&mut random);
        let ours = ours::requests(&input);
        let theirs = runtime.block_on(theirs::requests(&input));
        tally.count(ours.first().map(|read| &read.message), theirs.first());
        for (number, read) in ours.iter().enumerate() {
            if theirs.get(number).is_none() && is_loosely_spelled(&read.target) {
                break;
            }
            let told = || format!("case {case}, request {number} of {:?}", input.escape_ascii().to_string());
            agree(&read.message, theirs.get(number), &told);
            if let Some(sent) = &read.sent {
                is_understood(&runtime, &read.message, sent, &told);
            }
        }
    }
    tally.is_telling();
}

/// Whether a target holds characters that RFC 3986 wants encoded and clients send all the same. hyper refuses some of
/// them in some places. We are right to pass them on: they neither frame nor route (the host is read by rules of its
/// own), and the origin gets them byte for byte. Where hyper takes them too, it must read the request as we do.
fn is_loosely_spelled(target: &str) -> bool {
    target.bytes().any(|byte| b"\"<>\\^`{|}".contains(&byte) || byte >= 0x80)
}

/// What we send on means to hyper, as an origin, what it meant to us.
fn is_understood(runtime: &Runtime, message: &Message, sent: &[u8], told: &dyn Fn() -> String) {
    let told = || format!("sent on as {:?}, {}", sent.escape_ascii().to_string(), told());
    let heard = runtime.block_on(theirs::requests(sent));
    assert!(heard.len() <= 1, "more than one request, {}", told());
    // The origin form has no authority: that is in Host.
    let method = message.what.split(' ').next().expect("a method");
    let bare = Message { what: format!("{method} "), body: message.body.clone() };
    agree(&bare, heard.first(), &told);
}

#[test]
fn no_response_is_read_otherwise_than_by_hyper() {
    let (runtime, mut random, mut tally) = (runtime(), Random::seeded(9110), Tally::default());
    for case in 0..15_000 {
        let input = grammar::response(&mut random);
        let method = random.pick(&["GET", "GET", "GET", "HEAD"]);
        let theirs = runtime.block_on(theirs::response(&input, method));
        let ours = ours::response(&input, method);
        tally.count(ours.as_ref().map(|read| &read.message), theirs.as_ref());
        let Some(read) = ours else { continue };
        let told = || format!("case {case}, the answer to {method} {:?}", input.escape_ascii().to_string());
        agree(&read.message, theirs.as_ref(), &told);
        if let (Some(sent), Body::Whole(_)) = (&read.sent, &read.message.body) {
            let told = || format!("sent on as {:?}, {}", sent.escape_ascii().to_string(), told());
            agree(&read.message, runtime.block_on(theirs::response(sent, method)).as_ref(), &told);
        }
    }
    tally.is_telling();
}

/// Panics where hyper refused or understood otherwise what we accepted.
fn agree(ours: &Message, theirs: Option<&Message>, told: &dyn Fn() -> String) {
    let Some(theirs) = theirs else { panic!("hyper refuses {ours:?}: {}", told()) };
    assert_eq!(ours.what, theirs.what, "{}", told());
    match (&ours.body, &theirs.body) {
        (Body::Faulty, _) | (Body::Unfinished, Body::Unfinished) => {}
        (ours, theirs) => assert_eq!(ours, theirs, "{}", told()),
    }
}

impl Tally {
    fn count(&mut self, ours: Option<&Message>, theirs: Option<&Message>) {
        self.cases += 1;
        self.accepted += usize::from(ours.is_some());
        self.whole_bodies +=
            usize::from(ours.is_some_and(|read| matches!(&read.body, Body::Whole(body) if !body.is_empty())));
        self.refused_by_us_alone += usize::from(ours.is_none() && theirs.is_some());
    }

    fn is_telling(&self) {
        println!("{self:?}");
        assert!(self.accepted > self.cases / 20 && self.whole_bodies > self.cases / 50, "{self:?}");
        assert!(self.refused_by_us_alone > 0 && self.refused_by_us_alone < self.cases / 2, "{self:?}");
    }
}
