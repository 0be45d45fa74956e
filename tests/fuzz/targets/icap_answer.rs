//! A byte for the size of the pieces, whose highest bit asks for a request to be adapted and not a response, then the
//! answers of an ICAP server to a previewed message: the pieces change nothing, heads come out flawless, requests go
//! nowhere with what is not for there, and nothing that was refused leaves a connection fit for use.

#![no_main]

use libfuzzer_sys::fuzz_target;
use tether::http::framing::BodyFraming;
use tether::icap::adapted::request::{Original, Scheme};
use tether::icap::adapted::{AdaptedHead, AdaptedKind};
use tether::icap::conversation::{Conversation, Event, Verdict};
use tether::icap::error::Fault;
use tether::icap::findings::Findings;
use tether::icap::message::Message;
use tether::icap::opening::{Opening, Preview, PreviewEnd};
use tether::icap::options::ServiceOptions;
use tether::icap::settings::{Credentials, IcapMethod, PartialContent};
use tether_fuzz::Written;

const BODY: &[u8] = b"hello world";
/// The bit of the first byte that asks for REQMOD.
const REQMOD: u8 = 0x80;
const URL: &str = "http://o.test/p";
/// A request as it would go to the origin, and as a service sees it.
const REQUEST: [&[u8]; 2] = [
    b"POST /p HTTP/1.1\r\nHost: o.test\r\nCookie: a=b\r\nContent-Length: 11\r\n\r\n",
    b"POST http://o.test/p HTTP/1.1\r\nHost: o.test\r\nCookie: a=b\r\nContent-Length: 11\r\n\r\n",
];

fuzz_target!(|input: &[u8]| {
    let Some((step, answers)) = input.split_first() else { return };
    let asked = if step & REQMOD == 0 { IcapMethod::Respmod } else { IcapMethod::Reqmod };
    let whole = play(asked, answers, answers.len().max(1));
    let mut pieces = play(asked, answers, usize::from(step & !REQMOD).max(1));
    if whole.fault.is_some() && pieces.data.starts_with(&whole.data) {
        // What was good before the fault may have been handed out already.
        pieces.data.truncate(whole.data.len());
    }
    assert_eq!(whole, pieces, "the pieces changed the answer");
});

#[derive(Debug, PartialEq, Eq)]
struct Came {
    verdict: Option<Verdict>,
    data: Vec<u8>,
    end: Option<Option<u64>>,
    fault: Option<Fault>,
}

fn play(asked: IcapMethod, answers: &[u8], step: usize) -> Came {
    let message = match asked {
        IcapMethod::Respmod => Message::file("a.bin", BODY.len() as u64).expect("a message"),
        IcapMethod::Reqmod => Message::request(REQUEST[1]).expect("a message"),
    };
    let url = "icap://s.test/x".parse().expect("an address");
    let preview = Some(Preview { bytes: BODY[..4].to_vec(), end: PreviewEnd::Begun });
    let length = Some(BODY.len() as u64);
    let opening = Opening { preview, length, partial: PartialContent::Offered, ..Opening::default() };
    let mut talk = Conversation::about(&message, &url, &opening);
    let mut came = Came { verdict: None, data: Vec::new(), end: None, fault: None };
    write_all(&mut talk);
    for piece in answers.chunks(step) {
        let turned = talk.feed(piece).and_then(|()| turn(&mut talk, &mut came));
        if let Err(fault) = turned {
            came.fault = Some(fault);
            break;
        }
        if came.end.is_some() {
            break;
        }
    }
    came
}

fn turn(talk: &mut Conversation, came: &mut Came) -> Result<(), Fault> {
    loop {
        match talk.advance()? {
            Event::Wait => return Ok(write_all(talk)),
            Event::Answer(answer) => {
                let _ = (Findings::of(&answer.head), ServiceOptions::told(&answer.head), answer.head.istag());
                check(&answer.verdict);
                assert!(came.verdict.replace(answer.verdict).is_none(), "two answers");
            }
            Event::Data(bytes) => {
                assert!(!bytes.is_empty() && came.verdict.is_some());
                came.data.extend_from_slice(bytes);
            }
            Event::End { original_from } => {
                let refused = matches!(came.verdict, Some(Verdict::Refused(_)) | None);
                assert!(!refused || !talk.leaves_connection_clean());
                came.end = Some(original_from);
                return Ok(());
            }
        }
    }
}

fn check(verdict: &Verdict) {
    let (Verdict::Adapted(head) | Verdict::Partial(head)) = verdict else { return };
    let mut out = Vec::new();
    head.write(BodyFraming::Length(1), &mut out);
    let written = Written::take_apart(&out);
    for name in ["te", "connection", "keep-alive", "transfer-encoding", "upgrade", "proxy-authenticate"] {
        assert!(written.values(name).is_empty(), "{name} went on");
    }
    // Those two have no body, whatever came behind them.
    let bodiless = matches!(head.status(), Some(204 | 304));
    assert_eq!(written.values("content-length"), if bodiless { vec![] } else { vec![b"1"] });
    check_request(head);
}

/// What may go on of an adapted request, and where to.
fn check_request(head: &AdaptedHead) {
    if let Ok(place) = head.connect_target() {
        assert!(place.port() > 0 && matches!(&head.kind, AdaptedKind::Request { method, .. } if method == "CONNECT"));
    }
    let original = Original { url: URL, head: REQUEST[0] };
    let framing = BodyFraming::Length(BODY.len() as u64);
    let Ok(adapted) = head.clone().into_request(original, Credentials::Withheld, framing) else { return };
    let written = Written::take_apart(&adapted.head);
    assert!(written.start.starts_with(b"POST /") || written.start.starts_with(b"POST *"), "another method or form");
    assert_eq!((written.values("host").len(), written.values("content-length")), (1, vec![&b"11"[..]]));
    assert!(written.values("authorization").is_empty(), "credentials that nobody sent");
    let stays = adapted.scheme == Scheme::Http && &**adapted.authority.text() == "o.test:80";
    assert_eq!(
        written.values("cookie"),
        if stays { vec![&b"a=b"[..]] } else { vec![] },
        "credentials are for one place"
    );
}

fn write_all(talk: &mut Conversation) {
    loop {
        talk.written(talk.pending().len());
        let Some(at) = talk.wants_body() else { return };
        talk.give_body(&BODY[at as usize..]).expect("as long as announced");
    }
}
