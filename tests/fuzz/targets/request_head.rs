//! Any bytes as a request head: what goes on to the origin is flawless and means what was read.

#![no_main]

use libfuzzer_sys::fuzz_target;
use tether::base::authority::Authority;
use tether::base::reason::Reason;
use tether::http::framing::BodyFraming;
use tether::http::head::MAX_REQUEST_FIELDS;
use tether::http::request::{RequestHead, read_request};
use tether::http::target::Target;
use tether_fuzz::{US, Written, other_pseudonym};

/// Most fields that we add to a request: Host, Via, Upgrade, Connection.
const ADDED: usize = 4;

fuzz_target!(|input: &[u8]| {
    let mut out = Vec::new();
    let Ok(Some(read)) = read_request(input, None, US, &mut out) else {
        assert!(out.is_empty(), "nothing goes on of what was not read");
        return;
    };
    assert!(input[..read.length].ends_with(b"\r\n\r\n"));
    only_the_head_counts(input, &read, &out);
    match &read.request.target {
        Target::Origin(authority) => goes_on_as_read(&read, authority, &out),
        Target::Tunnel(_) => {
            assert_eq!(read.request.framing, BodyFraming::None);
            assert!(out.is_empty());
        }
        Target::Own => assert!(out.is_empty()),
    }
});

/// Neither what follows the head nor how it arrives changes what it is read as.
fn only_the_head_counts(input: &[u8], read: &RequestHead<'_>, out: &[u8]) {
    let head = &input[..read.length];
    let mut alone = Vec::new();
    let again = read_request(head, None, US, &mut alone).expect("good").expect("whole");
    assert_eq!((again.length, again.request.framing, alone.as_slice()), (read.length, read.request.framing, out));
    let line_ends = head.iter().enumerate().filter(|(_, byte)| **byte == b'\n').map(|(at, _)| at);
    for cut in line_ends.chain([head.len() / 2, head.len() - 1]) {
        let part = read_request(&head[..cut], None, US, &mut alone).expect("a good head is good from its start");
        assert!(part.is_none(), "read before its end, at {cut}");
    }
    assert_eq!(alone, out, "a part of a head wrote something");
}

fn goes_on_as_read(read: &RequestHead<'_>, authority: &Authority, out: &[u8]) {
    let written = Written::take_apart(out);
    written.assert_fit_to_pass_on();
    assert!(written.start.starts_with(read.method.as_bytes()) && written.start.ends_with(b" HTTP/1.1"));
    assert_eq!(written.start.iter().filter(|byte| **byte == b' ').count(), 2, "{written:?}");
    assert_eq!(written.values("host"), [authority.host_field().as_bytes()]);
    let upgrade = read.request.upgrade.as_deref();
    assert_eq!(written.values("upgrade"), upgrade.into_iter().collect::<Vec<_>>());
    assert_eq!(written.values("connection"), upgrade.map(|_| &b"Upgrade"[..]).into_iter().collect::<Vec<_>>());
    assert_eq!(written.values("expect").len(), usize::from(read.request.expects_continue));

    let again = match read_request(out, None, &other_pseudonym(out), &mut Vec::new()) {
        Err(Reason::RequestHeadTooLarge) if written.fields.len() > MAX_REQUEST_FIELDS => {
            assert!(written.fields.len() <= MAX_REQUEST_FIELDS + ADDED);
            return;
        }
        again => again.expect("what we write is strict").expect("and whole"),
    };
    assert_eq!(again.length, out.len());
    assert_eq!((again.method, again.request.framing), (read.method, read.request.framing));
    assert_eq!(again.request.expects_continue, read.request.expects_continue);
    assert_eq!(again.request.upgrade, read.request.upgrade);
}
