//! Heads as clients write them, and such as nobody should.

use super::*;
use crate::icap::opening::BodyPresence;

const RESPMOD: &str = "RESPMOD icap://s.test/respmod ICAP/1.0\r\nEncapsulated: res-hdr=0, res-body=64\r\n\r\n";

fn read(head: &str) -> Result<RequestHead, Refusal> {
    assert_eq!(first_line(head.as_bytes())?, FirstLine::Good);
    RequestHead::parse(head.as_bytes())
}

fn with(fields: &str) -> Result<RequestHead, Refusal> {
    read(&RESPMOD.replace("Encapsulated", &format!("{fields}Encapsulated")))
}

#[test]
fn what_real_clients_send() {
    let head = read(
        "RESPMOD icap://127.0.0.1:1345/respmod ICAP/1.0\r\nHost: 127.0.0.1:1345\r\nDate: Mon, 1 Jan 2024 00:00:00 GMT\r\n\
         Encapsulated: req-hdr=0, res-hdr=46, res-body=110\r\nPreview: 0\r\nAllow: 206, trailers\r\nX-Client-IP: ::ffff:10.1.2.3\r\n\r\n",
    )
    .expect("as Squid writes it");
    let parts = Parts { request: 46, response: 64, body: BodyPresence::Present };
    assert_eq!(head.asked, Asked::Judge { method: IcapMethod::Respmod, parts });
    assert_eq!((head.preview, head.allow, head.keep), (Some(0), AllowUnchanged::InPreview, Keep::Open));
    assert_eq!(head.client, Some("10.1.2.3".parse().expect("an address")));
}

#[test]
fn options_of_either_service() {
    for (line, service) in [
        ("OPTIONS icap://s.test/respmod ICAP/1.0", IcapMethod::Respmod),
        ("OPTIONS icap://s.test/reqmod ICAP/1.0", IcapMethod::Reqmod),
        ("OPTIONS ICAPS://s.test:11344/reqmod/?a=/b ICAP/1.1", IcapMethod::Reqmod),
        ("OPTIONS icap://[::1]:1345/reqmod ICAP/1.0", IcapMethod::Reqmod),
    ] {
        for fields in ["\r\n", "Encapsulated: null-body = 0\r\n\r\n", "Encapsulated:\r\n\r\n"] {
            assert_eq!(read(&format!("{line}\r\n{fields}")).expect(line).asked, Asked::Options(service), "{line}");
        }
        assert!(read(&format!("{line}\nHost: s.test\n\n")).is_ok(), "{line} with line feeds alone");
    }
}

#[test]
fn either_method_on_either_path() {
    for path in ["reqmod", "respmod"] {
        assert!(read(&RESPMOD.replace("/respmod", &format!("/{path}"))).is_ok());
    }
}

#[test]
fn fields_in_many_ways() {
    for (fields, allow) in [
        ("Allow: 204\r\n", AllowUnchanged::Anywhere),
        ("allow:204,206,trailers\r\n", AllowUnchanged::Anywhere),
        ("Allow: 206\r\nALLOW: 204\r\n", AllowUnchanged::Anywhere),
        ("Allow: 206, trailers\r\n", AllowUnchanged::InPreview),
        ("", AllowUnchanged::InPreview),
    ] {
        assert_eq!(with(fields).expect(fields).allow, allow, "{fields}");
    }
    assert_eq!(with("Connection: Keep-Alive, CLOSE\r\n").expect("good").keep, Keep::Close);
    assert_eq!(with("X-Client-IP: nobody\r\n").expect("good").client, None);
    assert_eq!(with("Preview: 4096\r\n").expect("more than was offered").preview, Some(4096));
    assert!(with("X-Folded: a\r\n b\r\n\tc\r\n").is_ok());
}

#[test]
fn refused() {
    use Refusal::{Malformed, MethodNotAllowed, NotFound, NotImplemented, TooLarge, Version};
    for (fields, refusal) in [
        ("Preview: -1\r\n", Malformed),
        ("Preview: x\r\n", Malformed),
        ("Preview: 1\r\nPreview: 2\r\n", Malformed),
        ("Preview: 262145\r\n", TooLarge),
        ("Transfer-Encoding: chunked\r\n", Malformed),
        ("Encapsulated: res-body=0\r\n", Malformed),
        ("no colon\r\n", Malformed),
        (" folded: onto nothing\r\n", Malformed),
        ("A: b\0c\r\n", Malformed),
    ] {
        assert_eq!(with(fields), Err(refusal), "{fields:?}");
    }
    for (line, refusal) in [
        ("RESPMOD icap://s.test/nothing ICAP/1.0", NotFound),
        ("RESPMOD icap://s.test/respmods ICAP/1.0", NotFound),
        ("RESPMOD icap://s.test/RESPMOD ICAP/1.0", NotFound),
        ("RESPMOD icap://s.test ICAP/1.0", NotFound),
        ("GET icap://s.test/respmod ICAP/1.0", MethodNotAllowed),
        ("LOGMOD icap://s.test/respmod ICAP/1.0", NotImplemented),
        ("RESPMOD icap://s.test/respmod ICAP/2.0", Version),
        ("RESPMOD icap://s.test/respmod HTTP/1.1", Malformed),
        ("RESPMOD icap://s.test/respmod", Malformed),
        ("RESPMOD icap://s.test/respmod ICAP/1.0 x", Malformed),
        ("RESPMOD  icap://s.test/respmod ICAP/1.0", Malformed),
        ("RESPMOD http://s.test/respmod ICAP/1.0", Malformed),
        ("RESPMOD icap:///respmod ICAP/1.0", Malformed),
        ("RESPMOD /respmod ICAP/1.0", Malformed),
        ("respmod icap://s.test/respmod ICAP/1.0", Malformed),
        ("R(ESPMOD icap://s.test/respmod ICAP/1.0", Malformed),
        ("GET / HTTP/1.1", Malformed),
        ("", Malformed),
    ] {
        let head = RESPMOD.replace("RESPMOD icap://s.test/respmod ICAP/1.0", line);
        assert_eq!(read(&head), Err(refusal), "{line:?}");
    }
    assert_eq!(read("RESPMOD icap://s.test/respmod ICAP/1.0\r\n\r\n"), Err(Malformed), "nothing to judge");
    assert_eq!(read("OPTIONS icap://s.test/respmod ICAP/1.0\r\nEncapsulated: opt-body=0\r\n\r\n"), Err(Malformed));
}

#[test]
fn what_is_no_head_is_refused_before_its_end() {
    for bytes in [&b"\x16\x03\x01\x02\x00"[..], b"\r\n", b"GET / HTTP/1.1\r\n", &[b'A'; 33], b"get"] {
        assert!(first_line(bytes).is_err(), "{:?}", String::from_utf8_lossy(bytes));
    }
    for bytes in [&b""[..], b"R", b"RESPMOD", b"RESPMOD icap://s.test/resp", b"RESPMOD icap://s.test/x ICAP/1.0\r"] {
        assert_eq!(first_line(bytes), Ok(FirstLine::Unread), "{:?}", String::from_utf8_lossy(bytes));
    }
}
