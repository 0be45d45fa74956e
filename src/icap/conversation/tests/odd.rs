//! Servers that are odd in ways that must be borne.

use std::time::Duration;

use super::*;

const UNCHANGED: &[u8] = b"ICAP/1.0 204 No Content\r\n\r\n";
const GO_ON: &[u8] = b"ICAP/1.0 100 Continue\r\n\r\n";
const HEAD: &str = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n";

fn verdict(talk: &mut Conversation, answer: &[u8]) -> Verdict {
    write_all(talk, b"hello");
    read(talk, answer).expect("borne").verdict.expect("a verdict")
}

#[test]
fn answers_come_in_any_pieces() {
    let answer = adapted(HEAD, "3\r\nHEL\r\n2\r\nLO\r\n0\r\n\r\n");
    for step in 1..answer.len() {
        let mut talk = straight();
        write_all(&mut talk, b"hello");
        let came = read_in(&mut talk, answer.as_bytes(), step).expect("good");
        assert_eq!((status(&came), came.data, came.end), (Some(200), b"HELLO".to_vec(), Some(None)), "steps of {step}");
        assert!(talk.leaves_connection_clean());
    }
}

#[test]
fn created_is_as_good_as_ok() {
    let answer = adapted(HEAD, "5\r\nHELLO\r\n0\r\n\r\n").replace("ICAP/1.0 200", "ICAP/1.0 201");
    assert!(matches!(verdict(&mut straight(), answer.as_bytes()), Verdict::Adapted(_)));
}

#[test]
fn lines_may_be_folded_or_end_in_line_feeds_alone() {
    let answer = format!(
        "ICAP/1.0 200 OK\nX-Violations-Found: 1\n\tfile\n\tEicar\n\t0\n\t2\nEncapsulated:\n res-hdr=0, res-body={}\n\n{HEAD}5\r\nHELLO\r\n0\r\n\r\n",
        HEAD.len()
    );
    assert!(matches!(verdict(&mut straight(), answer.as_bytes()), Verdict::Adapted(_)));
}

#[test]
fn continue_may_come_where_nobody_waits_for_it() {
    let mut talk = about(&response(), &Opening { preview: whole(b"hello"), length: Some(5), ..Opening::default() });
    let twice = [GO_ON, GO_ON, UNCHANGED].concat();
    assert_eq!(verdict(&mut talk, &twice), Verdict::Unchanged);
    assert_eq!(verdict(&mut straight(), &twice), Verdict::Unchanged);
    let mut talk = previewed();
    write_all(&mut talk, b"hello");
    read(&mut talk, &[GO_ON, GO_ON].concat()).expect("borne");
    assert_eq!(write_all(&mut talk, b"hello"), "2\r\nlo\r\n0\r\n\r\n", "the rest goes out once");
}

#[test]
fn continue_may_come_before_the_preview_is_out() {
    let mut talk = previewed();
    talk.written(10);
    read(&mut talk, GO_ON).expect("borne");
    assert!(write_all(&mut talk, b"hello").ends_with("3\r\nhel\r\n0\r\n\r\n2\r\nlo\r\n0\r\n\r\n"));
    assert_eq!(read(&mut talk, UNCHANGED).expect("good").verdict, Some(Verdict::Unchanged));
    assert!(talk.leaves_connection_clean());
}

#[test]
fn heads_without_length_mean_unchanged() {
    for parts in ["res-hdr=0, null-body=0", "null-body=0", "RES-HDR=0,NULL-BODY=0"] {
        let answer = format!("ICAP/1.0 200 OK\r\nEncapsulated: {parts}\r\n\r\n");
        let mut talk = straight();
        assert_eq!(verdict(&mut talk, answer.as_bytes()), Verdict::Unchanged, "{parts}");
        assert!(talk.leaves_connection_clean());
    }
}

#[test]
fn unchanged_may_carry_an_empty_encapsulated() {
    for field in ["", "Encapsulated: null-body=0\r\n", "Encapsulated:\r\n", "Encapsulated: res-hdr=0, null-body=0\r\n"]
    {
        let answer = format!("ICAP/1.0 204 Unmodified\r\n{field}\r\n");
        assert_eq!(verdict(&mut straight(), answer.as_bytes()), Verdict::Unchanged);
    }
}

#[test]
fn a_block_page_without_length_and_hop_fields() {
    let page = "HTTP/1.0 403 Forbidden\r\nConnection: close\r\nVia: ICAP/1.0 x\r\n\r\n";
    let mut talk = straight();
    write_all(&mut talk, b"hello");
    let came = read(&mut talk, adapted(page, "3\r\nbad\r\n0\r\n\r\n").as_bytes()).expect("borne");
    assert_eq!((status(&came), came.data, came.end), (Some(403), b"bad".to_vec(), Some(None)));
    assert!(talk.leaves_connection_clean(), "the close is the page's, not the connection's");
}

#[test]
fn a_transfer_coding_inside_is_dropped() {
    let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Encoding: gzip\r\n\r\n";
    let mut talk = straight();
    let Verdict::Adapted(head) = verdict(&mut talk, adapted(head, "5\r\nplain\r\n0\r\n\r\n").as_bytes()) else {
        panic!("not adapted")
    };
    assert_eq!((head.fields.as_slice(), head.declared), (&b"Content-Encoding: gzip\r\n"[..], None));
}

#[test]
fn a_length_without_a_body_may_be_that_of_another_message() {
    let head_request = b"HEAD http://o.test/p HTTP/1.1\r\nHost: o.test\r\n\r\n";
    let message = Message::response(head_request, RESPONSE).expect("good heads");
    let mut talk = about(&message, &Opening { body: BodyPresence::Absent, ..Opening::default() });
    let answer = adapted(RESPONSE_TEXT, "").replace("res-body", "null-body");
    assert!(matches!(verdict(&mut talk, answer.as_bytes()), Verdict::Adapted(_)));
}

const RESPONSE_TEXT: &str = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n";

#[test]
fn an_early_answer_ends_the_request_or_lets_it_go_on() {
    let message = response();
    let opening = Opening { length: Some(5), ..Opening::default() };
    for (answer, stops) in [
        (UNCHANGED.to_vec(), true),
        (b"ICAP/1.0 403 Forbidden\r\n\r\n".to_vec(), true),
        (adapted(HEAD, "5\r\nHELLO\r\n0\r\n\r\n").into_bytes(), false),
    ] {
        let mut talk = about(&message, &opening);
        talk.written(talk.pending().len());
        let came = read(&mut talk, &answer).expect("good");
        assert!(came.verdict.is_some() && talk.is_answered());
        assert_eq!(talk.wants_body().is_none(), stops);
        assert!(!talk.leaves_connection_clean(), "the server still waits for the body");
    }
}

#[test]
fn nothing_is_clean_after_close_trailers_or_more() {
    for answer in [
        "ICAP/1.0 204 No Content\r\nConnection: Close\r\n\r\n",
        "ICAP/1.0 204 No Content\r\nTrailer: X-Late\r\n\r\n",
        "ICAP/1.0 204 No Content\r\n\r\nX",
        "ICAP/1.0 204 No Content\r\n\r\nICAP/1.0 100 Continue\r\n\r\n",
    ] {
        let mut talk = straight();
        assert_eq!(verdict(&mut talk, answer.as_bytes()), Verdict::Unchanged);
        assert!(!talk.leaves_connection_clean(), "{answer:?}");
    }
}

#[test]
fn refusals_are_told_apart() {
    for (answer, kind) in [
        ("400 Bad request", ErrorKind::BadRequest),
        ("403 Forbidden", ErrorKind::Configuration(403)),
        ("404 Service not found", ErrorKind::Configuration(404)),
        ("405 Method not allowed", ErrorKind::Configuration(405)),
        ("408 Request timeout", ErrorKind::WeWereSlow),
        ("418 Bad composition", ErrorKind::Configuration(418)),
        ("500 Server error", ErrorKind::Failed(500)),
        ("503 Overloaded\r\nRetry-After: 5", overloaded(503, 5)),
        ("503 Overloaded\r\nRetry-After: 86400", overloaded(503, 60)),
        ("506 Too busy", ErrorKind::Overloaded { status: 506, retry_after: None }),
        ("539 No licence", ErrorKind::Configuration(539)),
        ("558 No licence", ErrorKind::Configuration(558)),
        ("302 Elsewhere", ErrorKind::Protocol(Fault::Status)),
    ] {
        let mut talk = straight();
        let answer = format!("ICAP/1.0 {answer}\r\nConnection: close\r\n\r\n");
        assert_eq!(verdict(&mut talk, answer.as_bytes()), Verdict::Refused(kind));
        assert!(!talk.leaves_connection_clean());
    }
}

fn overloaded(status: u16, seconds: u64) -> ErrorKind {
    ErrorKind::Overloaded { status, retry_after: Some(Duration::from_secs(seconds)) }
}

#[test]
fn options_may_be_refused_or_bring_a_body() {
    let mut talk = Conversation::options(&url("x"));
    assert_eq!(verdict(&mut talk, b"ICAP/1.0 404 Not found\r\n\r\n"), Verdict::Refused(ErrorKind::Configuration(404)));
    let mut talk = Conversation::options(&url("x"));
    let answer = b"ICAP/1.0 200 OK\r\nOpt-body-type: x\r\nEncapsulated: opt-body=0\r\n\r\n1\r\na\r\n0\r\n\r\n";
    assert_eq!(verdict(&mut talk, answer), Verdict::Options);
    assert!(!talk.leaves_connection_clean());
}
