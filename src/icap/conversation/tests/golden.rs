//! Exchanges as they stand on the wire, every byte of them.

use super::*;

const OPTIONS_ANSWER: &str = "ICAP/1.0 200 OK\r\nMethods: RESPMOD\r\nISTag: \"r1\"\r\nPreview: 0\r\nTransfer-Preview: *\r\n\
    Allow: 204\r\nMax-Connections: 4096\r\nOptions-TTL: 300\r\nEncapsulated: null-body=0\r\n\r\n";
const UNCHANGED: &[u8] = b"ICAP/1.0 204 No Content\r\nISTag: \"r1\"\r\n\r\n";

#[test]
fn g1_options() {
    let mut talk = Conversation::options(&url("respmod"));
    assert_eq!(write_all(&mut talk, b""), "OPTIONS icap://s.test/respmod ICAP/1.0\r\nHost: s.test\r\n\r\n");
    talk.feed(OPTIONS_ANSWER.as_bytes()).expect("asked for");
    let Ok(Event::Answer(answer)) = talk.advance() else { panic!("no answer") };
    let options = super::super::super::options::ServiceOptions::told(&answer.head);
    assert_eq!((options.preview, options.max_connections), (Some(0), Some(4096)));
    assert_eq!(talk.advance(), Ok(Event::End { original_from: None }));
    assert!(talk.leaves_connection_clean());
}

#[test]
fn g2_the_whole_body_in_the_preview() {
    let mut talk = about(&response(), &Opening { preview: whole(b"hello"), length: Some(5), ..Opening::default() });
    assert_eq!(
        write_all(&mut talk, b""),
        "RESPMOD icap://s.test/respmod ICAP/1.0\r\nHost: s.test\r\nAllow: 204\r\nPreview: 5\r\n\
         Encapsulated: req-hdr=0, res-hdr=46, res-body=110\r\n\r\n\
         GET http://o.test/p HTTP/1.1\r\nHost: o.test\r\n\r\n\
         HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\n\
         5\r\nhello\r\n0; ieof\r\n\r\n"
    );
    assert_eq!(read(&mut talk, UNCHANGED).expect("good").verdict, Some(Verdict::Unchanged));
    assert!(talk.leaves_connection_clean());
}

#[test]
fn g3_a_live_ticker_is_judged_by_its_head() {
    let head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n";
    let message = Message::response(REQUEST, head).expect("good heads");
    let mut talk = about(&message, &Opening { preview: begun(b""), ..Opening::default() });
    assert_eq!(
        write_all(&mut talk, b""),
        "RESPMOD icap://s.test/respmod ICAP/1.0\r\nHost: s.test\r\nAllow: 204\r\nPreview: 0\r\n\
         Encapsulated: req-hdr=0, res-hdr=46, res-body=98\r\n\r\n\
         GET http://o.test/p HTTP/1.1\r\nHost: o.test\r\n\r\n\
         HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n\
         0\r\n\r\n"
    );
    assert_eq!(read(&mut talk, UNCHANGED).expect("good").verdict, Some(Verdict::Unchanged));
    assert!(talk.leaves_connection_clean());
}

#[test]
fn g4_preview_then_the_rest() {
    let mut talk = previewed();
    assert_eq!(
        write_all(&mut talk, b"hello"),
        "RESPMOD icap://s.test/respmod ICAP/1.0\r\nHost: s.test\r\nAllow: 204\r\nPreview: 3\r\n\
         Encapsulated: req-hdr=0, res-hdr=46, res-body=110\r\n\r\n\
         GET http://o.test/p HTTP/1.1\r\nHost: o.test\r\n\r\n\
         HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\n\
         3\r\nhel\r\n0\r\n\r\n"
    );
    assert_eq!(read(&mut talk, b"ICAP/1.0 100 Continue\r\n\r\n").expect("good").verdict, None);
    assert_eq!(write_all(&mut talk, b"hello"), "2\r\nlo\r\n0\r\n\r\n");
    assert_eq!(read(&mut talk, UNCHANGED).expect("good").verdict, Some(Verdict::Unchanged));
    assert!(talk.leaves_connection_clean());
}

#[test]
fn g5_a_response_without_a_body_has_no_chunk() {
    let message = Message::response(REQUEST, b"HTTP/1.1 304 Not Modified\r\nETag: \"x\"\r\n\r\n").expect("good heads");
    let mut talk = about(&message, &Opening { body: BodyPresence::Absent, preview: whole(b""), ..Opening::default() });
    assert_eq!(
        write_all(&mut talk, b""),
        "RESPMOD icap://s.test/respmod ICAP/1.0\r\nHost: s.test\r\nAllow: 204\r\nPreview: 0\r\n\
         Encapsulated: req-hdr=0, res-hdr=46, null-body=86\r\n\r\n\
         GET http://o.test/p HTTP/1.1\r\nHost: o.test\r\n\r\nHTTP/1.1 304 Not Modified\r\nETag: \"x\"\r\n\r\n"
    );
    assert_eq!(read(&mut talk, UNCHANGED).expect("good").verdict, Some(Verdict::Unchanged));
}

#[test]
fn g6_an_upload_is_blocked() {
    let head = b"POST http://o.test/p HTTP/1.1\r\nHost: o.test\r\nContent-Length: 7\r\n\r\n";
    let message = Message::request(head).expect("a good head");
    let mut talk = about(&message, &Opening { length: Some(7), ..Opening::default() });
    assert_eq!(
        write_all(&mut talk, b"a=1&b=2"),
        "REQMOD icap://s.test/respmod ICAP/1.0\r\nHost: s.test\r\nAllow: 204\r\n\
         Encapsulated: req-hdr=0, req-body=66\r\n\r\n\
         POST http://o.test/p HTTP/1.1\r\nHost: o.test\r\nContent-Length: 7\r\n\r\n\
         7\r\na=1&b=2\r\n0\r\n\r\n"
    );
    let answer = b"ICAP/1.0 200 OK\r\nISTag: \"r1\"\r\nEncapsulated: res-hdr=0, res-body=71\r\n\r\n\
        HTTP/1.1 403 Forbidden\r\nContent-Type: text/plain\r\nContent-Length: 8\r\n\r\n\
        8\r\nblocked\n\r\n0\r\n\r\n";
    let came = read(&mut talk, answer).expect("good");
    assert_eq!((status(&came), came.data, came.end), (Some(403), b"blocked\n".to_vec(), Some(None)));
    assert!(talk.leaves_connection_clean());
}

#[test]
fn g7_a_window_of_a_stream() {
    let head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Length: 26\r\n\r\n";
    let events = b"data: first\n\ndata: second\n";
    let message = Message::response(REQUEST, head).expect("good heads").with_field("X-Scan-Window", "3");
    let mut talk = about(&message.expect("a good field"), &Opening { length: Some(26), ..Opening::default() });
    assert_eq!(
        write_all(&mut talk, events),
        "RESPMOD icap://s.test/respmod ICAP/1.0\r\nHost: s.test\r\nAllow: 204\r\nX-Scan-Window: 3\r\n\
         Encapsulated: req-hdr=0, res-hdr=46, res-body=118\r\n\r\n\
         GET http://o.test/p HTTP/1.1\r\nHost: o.test\r\n\r\n\
         HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Length: 26\r\n\r\n\
         1a\r\ndata: first\n\ndata: second\n\r\n0\r\n\r\n"
    );
    assert_eq!(read(&mut talk, UNCHANGED).expect("good").verdict, Some(Verdict::Unchanged));
}

#[test]
fn g8_the_beginning_is_new_and_the_rest_is_the_original() {
    let opening =
        Opening { preview: whole(b"hello"), length: Some(5), partial: PartialContent::Offered, ..Opening::default() };
    let mut talk = about(&response(), &opening);
    assert_eq!(
        write_all(&mut talk, b""),
        "RESPMOD icap://s.test/respmod ICAP/1.0\r\nHost: s.test\r\nAllow: 204, 206\r\nPreview: 5\r\n\
         Encapsulated: req-hdr=0, res-hdr=46, res-body=110\r\n\r\n\
         GET http://o.test/p HTTP/1.1\r\nHost: o.test\r\n\r\n\
         HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\n\
         5\r\nhello\r\n0; ieof\r\n\r\n"
    );
    let answer = b"ICAP/1.0 206 Partial Content\r\nEncapsulated: res-hdr=0, res-body=64\r\n\r\n\
        HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 9\r\n\r\n\
        4\r\nNEW:\r\n0; use-original-body=0\r\n\r\n";
    let came = read(&mut talk, answer).expect("good");
    assert!(matches!(came.verdict, Some(Verdict::Partial(_))));
    assert_eq!((came.data, came.end), (b"NEW:".to_vec(), Some(Some(0))));
}
