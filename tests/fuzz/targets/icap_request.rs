//! A byte for the size of the pieces, then what a client says to our ICAP server: the pieces change nothing, answers are
//! flawless, what is refused stays refused.

#![no_main]

use libfuzzer_sys::fuzz_target;
use tether::icap::opening::BodyPresence;
use tether::icap::server::conversation::{Conversation, Event, Waits};
use tether::icap::server::refusal::Refusal;
use tether_fuzz::Written;

fuzz_target!(|input: &[u8]| {
    let Some((step, asked)) = input.split_first() else { return };
    let whole = play(asked, asked.len().max(1));
    let mut pieces = play(asked, usize::from(*step).max(1));
    if whole.refusal.is_some() && pieces.body.starts_with(&whole.body) {
        // What was good before the fault may have been handed out already.
        pieces.body.truncate(whole.body.len());
    }
    assert_eq!(whole, pieces, "the pieces changed what was understood");
});

#[derive(Debug, PartialEq, Eq)]
struct Came {
    said: Vec<u8>,
    body: Vec<u8>,
    messages: usize,
    refusal: Option<Refusal>,
}

fn play(asked: &[u8], step: usize) -> Came {
    let mut talk = Conversation::new("r1".into());
    let mut came = Came { said: Vec::new(), body: Vec::new(), messages: 0, refusal: None };
    let mut about = None;
    for mut piece in asked.chunks(step) {
        loop {
            match talk.next(&mut piece) {
                Ok(Event::More) => break,
                Ok(Event::Options(service)) => talk.options(service, 4096),
                Ok(Event::Judge(subject)) => {
                    let _ = (subject.url(), subject.file_name(), subject.codings().count(), subject.request_push());
                    came.messages += 1;
                    about = Some((subject, came.body.len()));
                }
                Ok(Event::Data(data)) => {
                    assert!(!data.is_empty() && about.is_some());
                    came.body.extend_from_slice(data);
                }
                Ok(Event::PreviewEnd) => talk.go_on(),
                Ok(Event::End) => {
                    let (subject, from) = about.take().expect("about something");
                    talk.begin_echo(&subject);
                    check(talk.pending());
                    if subject.body == BodyPresence::Present {
                        talk.echo(&came.body[from..]);
                        talk.end_echo();
                    }
                }
                Err(refusal) => {
                    talk.refuse(refusal);
                    assert!(talk.closes() && talk.waits() == Waits::Nothing);
                    came.refusal = Some(refusal);
                    came.said.extend_from_slice(talk.pending());
                    return came;
                }
            }
            came.said.extend_from_slice(talk.pending());
            talk.sent(talk.pending().len());
        }
        assert!(piece.is_empty(), "input was left");
    }
    came
}

/// The answer that was begun: its own head, and the head inside, end where `Encapsulated` says.
fn check(answer: &[u8]) {
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n").expect("a head") + 4;
    let outer = Written::take_apart(&answer[..end]);
    let value = String::from_utf8_lossy(outer.values("encapsulated")[0]).into_owned();
    let length: usize = value.rsplit('=').next().expect("an offset").parse().expect("a number");
    assert_eq!(answer.len(), end + length);
    if length > 0 {
        let inner = Written::take_apart(&answer[end..]);
        for name in ["te", "connection", "keep-alive", "transfer-encoding", "upgrade", "proxy-authenticate"] {
            assert!(inner.values(name).is_empty(), "{name} went on");
        }
    }
}
