//! The golden exchanges of RFC 3507's practice as a server sees them, byte for byte, and whatever the pieces.

use super::*;

const GET: &str = "GET http://o.test/p HTTP/1.1\r\nHost: o.test\r\n\r\n";
const PLAIN: &str = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\n";
const RESPMOD: &str = "RESPMOD icap://s.test/respmod ICAP/1.0\r\nHost: s.test\r\n";
const UNCHANGED: &str = "ICAP/1.0 204 No Content\r\nISTag: \"r1\"\r\n\r\n";
const GO_ON: &str = "ICAP/1.0 100 Continue\r\n\r\n";

/// What a player of the server's part does with a message.
#[derive(Clone, Copy)]
enum Play {
    /// Says 204 as soon as it may.
    Unchanged,
    /// Wants all, then says 204.
    WholeUnchanged,
    /// Wants all, then sends it back.
    WholeEcho,
    /// Blocks.
    Block,
}

/// Plays the server over `input` in pieces of `step` bytes; gives everything that was said, and the body that came.
fn serve(input: &[u8], play: Play, step: usize) -> (String, Vec<u8>, Option<Refusal>) {
    let mut talk = Conversation::new("r1".into());
    let (mut body, mut about) = (Vec::new(), None);
    for mut piece in input.chunks(step.max(1)) {
        loop {
            match talk.next(&mut piece) {
                Ok(Event::More) => break,
                Ok(Event::Options(service)) => talk.options(service, 4096),
                Ok(Event::Judge(subject)) => about = Some(subject),
                Ok(Event::Data(data)) => body.extend_from_slice(data),
                Ok(Event::PreviewEnd) if matches!(play, Play::Unchanged) => talk.unchanged(),
                Ok(Event::PreviewEnd) => talk.go_on(),
                Ok(Event::End) => answer(&mut talk, &about.take().expect("about something"), play, &body),
                Err(refusal) => {
                    talk.refuse(refusal);
                    return (said(&talk), body, Some(refusal));
                }
            }
        }
    }
    (said(&talk), body, None)
}

fn said(talk: &Conversation) -> String {
    String::from_utf8_lossy(talk.pending()).into_owned()
}

fn answer(talk: &mut Conversation, about: &Subject, play: Play, body: &[u8]) {
    match play {
        Play::Unchanged | Play::WholeUnchanged => talk.unchanged(),
        Play::WholeEcho => {
            talk.begin_echo(about);
            if about.body == BodyPresence::Present {
                talk.echo(body);
                talk.end_echo();
            }
        }
        Play::Block => {
            let head = "HTTP/1.1 403 Forbidden\r\nContent-Type: text/plain\r\nContent-Length: 8\r\n\r\n";
            talk.replace("", head, b"blocked\n");
        }
    }
}

/// What is said must be so in pieces of every size.
fn golden(input: &str, play: Play, expected: &str) -> Vec<u8> {
    let (_, body, _) = serve(input.as_bytes(), play, input.len());
    for step in 1..=input.len() {
        let (said, came, refusal) = serve(input.as_bytes(), play, step);
        assert_eq!((said.as_str(), refusal), (expected, None), "in pieces of {step}");
        assert_eq!(came, body);
    }
    body
}

#[test]
fn g1_options() {
    golden(
        "OPTIONS icap://s.test/respmod ICAP/1.0\r\nHost: s.test\r\n\r\n",
        Play::Unchanged,
        "ICAP/1.0 200 OK\r\nMethods: RESPMOD\r\nISTag: \"r1\"\r\nPreview: 0\r\nTransfer-Preview: *\r\nAllow: 204\r\n\
         Max-Connections: 4096\r\nOptions-TTL: 300\r\nX-Include: X-Client-IP, X-Client-Username, X-Authenticated-User\r\n\
         Encapsulated: null-body=0\r\n\r\n",
    );
}

#[test]
fn g2_a_body_whole_in_its_preview() {
    let asked = format!(
        "{RESPMOD}Allow: 204\r\nPreview: 5\r\nEncapsulated: req-hdr=0, res-hdr=46, res-body=110\r\n\r\n{GET}{PLAIN}\
         5\r\nhello\r\n0; ieof\r\n\r\n"
    );
    assert_eq!(golden(&asked, Play::Unchanged, UNCHANGED), b"hello");
}

#[test]
fn g3_a_live_ticker_and_the_connection_is_used_again() {
    let head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n";
    assert_eq!(head.len(), 52);
    let asked = format!(
        "{RESPMOD}Preview: 0\r\nEncapsulated: req-hdr=0, res-hdr=46, res-body=98\r\n\r\n{GET}{head}0\r\n\r\n\
         OPTIONS icap://s.test/reqmod ICAP/1.0\r\n\r\n"
    );
    let (said, _, _) = serve(asked.as_bytes(), Play::Unchanged, asked.len());
    assert!(said.starts_with(&format!("{UNCHANGED}ICAP/1.0 200 OK\r\nMethods: REQMOD\r\n")), "{said}");
    golden(&asked, Play::Unchanged, &said);
}

#[test]
fn g4_preview_and_the_rest() {
    let asked = format!(
        "{RESPMOD}Allow: 204\r\nPreview: 3\r\nEncapsulated: req-hdr=0, res-hdr=46, res-body=110\r\n\r\n{GET}{PLAIN}\
         3\r\nhel\r\n0\r\n\r\n2\r\nlo\r\n0\r\n\r\n"
    );
    assert_eq!(golden(&asked, Play::WholeUnchanged, &format!("{GO_ON}{UNCHANGED}")), b"hello");
    let sent_back = format!(
        "{GO_ON}ICAP/1.0 200 OK\r\nISTag: \"r1\"\r\nEncapsulated: res-hdr=0, res-body=64\r\n\r\n{PLAIN}5\r\nhello\r\n0\r\n\r\n"
    );
    golden(&asked, Play::WholeEcho, &sent_back);
}

#[test]
fn g5_no_body_and_no_chunk() {
    let head = "HTTP/1.1 304 Not Modified\r\nETag: \"x\"\r\n\r\n";
    assert_eq!(head.len(), 40);
    let asked = format!("{RESPMOD}Preview: 0\r\nEncapsulated: req-hdr=0, res-hdr=46, null-body=86\r\n\r\n{GET}{head}");
    golden(&asked, Play::Unchanged, UNCHANGED);
    let sent_back = format!("ICAP/1.0 200 OK\r\nISTag: \"r1\"\r\nEncapsulated: res-hdr=0, null-body=40\r\n\r\n{head}");
    golden(&asked, Play::WholeEcho, &sent_back);
}

#[test]
fn g6_a_request_is_blocked() {
    let head = "POST http://o.test/p HTTP/1.1\r\nHost: o.test\r\nContent-Length: 7\r\n\r\n";
    assert_eq!(head.len(), 66);
    let asked = format!(
        "REQMOD icap://s.test/reqmod ICAP/1.0\r\nHost: s.test\r\nEncapsulated: req-hdr=0, req-body=66\r\n\r\n{head}\
         7\r\na=1&b=2\r\n0\r\n\r\n"
    );
    let blocked = "ICAP/1.0 200 OK\r\nISTag: \"r1\"\r\nEncapsulated: res-hdr=0, res-body=71\r\n\r\n\
        HTTP/1.1 403 Forbidden\r\nContent-Type: text/plain\r\nContent-Length: 8\r\n\r\n8\r\nblocked\n\r\n0\r\n\r\n";
    assert_eq!(golden(&asked, Play::Block, blocked), b"a=1&b=2");
    let sent_back = format!(
        "ICAP/1.0 200 OK\r\nISTag: \"r1\"\r\nEncapsulated: req-hdr=0, req-body=66\r\n\r\n{head}7\r\na=1&b=2\r\n0\r\n\r\n"
    );
    golden(&asked, Play::WholeEcho, &sent_back);
}

#[test]
fn a_body_without_any_head_comes_back_without_one() {
    let asked = format!("{RESPMOD}Encapsulated: res-body=0\r\n\r\n5\r\nhello\r\n0\r\n\r\n");
    golden(
        &asked,
        Play::WholeEcho,
        "ICAP/1.0 200 OK\r\nISTag: \"r1\"\r\nEncapsulated: res-body=0\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    );
}

#[test]
fn asked_to_close_it_says_so() {
    let asked = format!(
        "{RESPMOD}Connection: close\r\nPreview: 0\r\nEncapsulated: res-hdr=0, null-body={}\r\n\r\n{PLAIN}",
        PLAIN.len()
    );
    golden(&asked, Play::Unchanged, "ICAP/1.0 204 No Content\r\nISTag: \"r1\"\r\nConnection: close\r\n\r\n");
}

#[test]
fn an_answer_before_the_end_of_a_body_ends_the_connection() {
    let mut talk = Conversation::new("r1".into());
    let asked = format!("{RESPMOD}Encapsulated: res-body=0\r\n\r\n5\r\nhel");
    let mut input = asked.as_bytes();
    while talk.next(&mut input).expect("good") != Event::More {}
    assert_eq!((talk.waits(), talk.closes()), (Waits::Body, false));
    talk.replace("", "", b"no");
    assert!(talk.closes() && said(&talk).contains("Connection: close"));
}

#[test]
fn refused_the_same_whatever_the_pieces() {
    let inner = |value: &str| format!("{RESPMOD}Encapsulated: {value}\r\n\r\n{GET}{PLAIN}5\r\nhello\r\n0\r\n\r\n");
    let long_field = format!("{RESPMOD}A: {}\r\n", "b".repeat(70_000));
    let many_lines = format!("{RESPMOD}{}", "A: b\r\n".repeat(300));
    let preview = format!(
        "{RESPMOD}Preview: 9\r\nEncapsulated: res-body=0\r\n\r\n{}",
        "8000\r\n".to_owned() + &"a".repeat(0x8000) + "\r\n"
    );
    for (asked, refusal) in [
        ("GET / HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(), Refusal::Malformed),
        ("\u{16}\u{3}\u{1}\u{2}".to_owned(), Refusal::Malformed),
        (inner("req-hdr=0, res-hdr=45, res-body=110"), Refusal::Malformed),
        (inner("req-hdr=0, res-hdr=46, res-body=109"), Refusal::Malformed),
        (inner("req-hdr=0, res-hdr=46, res-body=111"), Refusal::Malformed),
        (inner("req-hdr=0, res-hdr=47, res-body=110"), Refusal::Malformed),
        (inner("req-hdr=0, res-hdr=46, res-body=110").replace("5\r\nh", "6\r\nh"), Refusal::Malformed),
        (inner("req-hdr=0, res-hdr=46, res-body=110").replace("5\r\nh", "-5\r\nh"), Refusal::Malformed),
        (inner("req-hdr=0, res-hdr=46, res-body=110").replace("5\r\nh", "80000000000\r\nh"), Refusal::Malformed),
        (long_field, Refusal::TooLarge),
        (many_lines, Refusal::TooLarge),
        (preview.clone() + &preview[preview.find("8000").expect("a chunk")..].repeat(8), Refusal::TooLarge),
    ] {
        let expected = format!("ICAP/1.0 {}\r\nISTag: \"r1\"\r\nConnection: close\r\n\r\n", refusal.status());
        for step in [1, 2, 3, 7, 64, 1000, asked.len()] {
            let (said, _, refused) = serve(asked.as_bytes(), Play::WholeUnchanged, step);
            assert_eq!((said.as_str(), refused), (expected.as_str(), Some(refusal)), "in pieces of {step}");
        }
    }
}

#[test]
fn nothing_is_kept_between_requests() {
    let mut talk = Conversation::new("r1".into());
    let mut input = &b"OPTIONS icap://s.test/respmod ICAP/1.0\r\n\r\n"[..];
    assert_eq!(talk.next(&mut input), Ok(Event::Options(IcapMethod::Respmod)));
    talk.options(IcapMethod::Respmod, 4096);
    talk.sent(3);
    assert!(talk.pending().starts_with(b"P/1.0"));
    talk.sent(talk.pending().len());
    assert_eq!((talk.out.capacity(), talk.waits()), (0, Waits::Request));
}
