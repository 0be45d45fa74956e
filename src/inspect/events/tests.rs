//! Where events end, in every form of line end and however the stream is cut into pieces.

use proptest::prelude::*;

use super::*;

const MIXED: &str = "multipart/x-mixed-replace";
const GRPC: &str = "application/grpc";

fn events(media_type: &str) -> Events {
    Events::of(media_type, Some(b"frame"))
}

#[test]
fn events_end_with_an_empty_line() {
    for (stream, end) in [
        ("data: a\n\n", 9),
        ("data: a\n\ndata: b\n", 9),
        ("data: a\r\n\r\ndata: b\r\n", 11),
        ("data: a\r\rdata: b\r", 9),
        ("data: a\r\n\rdata: b", 10),
        ("data: a\n\r\ndata: b", 10),
        ("data: a\r\n", 0),
        ("data: a\n:ping\n", 0),
        ("\n", 1),
        ("", 0),
    ] {
        assert_eq!(events("text/event-stream").boundary(stream.as_bytes()), end, "{stream:?}");
    }
}

#[test]
fn the_second_half_of_a_line_end_is_not_kept_back() {
    let mut events = events("text/event-stream");
    assert_eq!(events.boundary(b"data: a\r"), 0);
    assert_eq!(events.boundary(b"\n"), 0);
    assert_eq!(events.boundary(b"\r"), 1);
    assert_eq!(events.boundary(b"\ndata"), 1);
}

#[test]
fn records_end_with_their_line() {
    for media_type in ["application/x-ndjson", "application/json-seq", "application/stream+json"] {
        assert_eq!(events(media_type).boundary(b"{}\n{\"a\":1}\n{"), 11, "{media_type}");
        assert_eq!(events(media_type).boundary(b"{}"), 0, "{media_type}");
    }
}

#[test]
fn parts_end_with_the_line_between_them() {
    for (stream, end) in [
        ("--frame\r\n", 9),
        ("--frame\r\nA: b\r\n\r\ndata", 9),
        ("--frame\r\nA: b\r\n\r\ndata\r\n--frame\r\nA", 32),
        ("data\n--frame--\r\n", 16),
        ("data\n----frame\n", 15),
        ("data --frame\r\n", 0),
        ("-frame\r\n", 0),
        ("--fra\r\n--frame", 0),
        ("--fra\n--frame\n", 14),
        ("--\n\n--frame\n", 12),
    ] {
        assert_eq!(events(MIXED).boundary(stream.as_bytes()), end, "{stream:?}");
    }
    let mut camera = Events::of(MIXED, Some(b"--a-b"));
    assert_eq!(camera.boundary(b"--a-b\r\n"), 7);
}

/// A message of gRPC with these flags and this many bytes.
fn message(flags: u8, length: u32) -> Vec<u8> {
    [&[flags][..], &length.to_be_bytes(), &vec![0xff; length as usize]].concat()
}

#[test]
fn messages_end_with_their_length() {
    let (short, empty, trailers) = (message(0, 3), message(1, 0), message(0x80, 2));
    for media_type in [GRPC, "application/grpc+proto", "application/grpc-web", "application/grpc-web+json"] {
        for (stream, end) in [
            (&b""[..], 0),
            (&short, 8),
            (&short[..7], 0),
            (&short[..5], 0),
            (&short[..1], 0),
            (&empty, 5),
            (&[&short[..], &empty].concat(), 13),
            (&[&short[..], &empty, &trailers].concat(), 20),
            (&[&short[..], &empty, &trailers[..6]].concat(), 13),
            (&[&trailers[..], &short[..4]].concat(), 7),
            (&message(0x81, 300), 305),
            (&message(0, 70_000)[..70_004], 0),
        ] {
            assert_eq!(events(media_type).boundary(stream), end, "{media_type} {} bytes", stream.len());
        }
    }
}

#[test]
fn a_message_longer_than_its_piece_ends_in_a_later_one() {
    let (mut events, long) = (events(GRPC), message(0, 100_000));
    assert_eq!(events.boundary(&long[..2]), 0);
    assert_eq!(events.boundary(&long[2..70_000]), 0);
    assert_eq!(events.boundary(&[&long[70_000..], &message(0, 1)[..5]].concat()), long.len() - 70_000);
    assert_eq!(events.boundary(&[0xff]), 1);
}

#[test]
fn lengths_that_cannot_be_hold_nothing_up_for_ever() {
    // The longest there may be is only counted, and never comes.
    let mut endless = events(GRPC);
    assert_eq!(endless.boundary(b"\0\xff\xff\xff\xff"), 0);
    for _ in 0..3 {
        assert_eq!(endless.boundary(&[0; 70_000]), 0);
    }
    // Flags that no message has: these are no messages, and everything goes out as it comes.
    for stream in [&b"\x02abcd"[..], b"<html>", b"\x7f", &[&message(0, 1)[..], b"no message"].concat()] {
        let mut events = events(GRPC);
        assert_eq!(events.boundary(stream), stream.len());
        assert_eq!(events.boundary(&message(0, 9)[..3]), 3, "nor does it find its way back");
    }
}

#[test]
fn what_is_like_grpc_is_not() {
    for media_type in
        ["application/grpc-web-text", "application/grpc-web-text+proto", "application/grpcx", "application/json"]
    {
        assert_eq!(events(media_type).boundary(&message(0, 9)[..7]), 7, "{media_type}");
    }
}

#[test]
fn what_has_no_events_goes_out_as_it_comes() {
    for (media_type, boundary) in
        [("text/plain", None), (MIXED, None), (MIXED, Some(&b"--"[..])), (MIXED, Some(&[b'a'; 71]))]
    {
        assert_eq!(Events::of(media_type, boundary).boundary(b"abc"), 3, "{media_type}");
    }
}

/// Bytes that may go out after each piece, from the beginning of the stream.
fn released(mut events: Events, stream: &[u8], cuts: &[usize]) -> Vec<usize> {
    let (mut start, mut out) = (0, 0);
    let mut ends: Vec<usize> = cuts.iter().map(|cut| cut % (stream.len() + 1)).chain([stream.len()]).collect();
    ends.sort_unstable();
    let mut released = Vec::new();
    for end in ends {
        let boundary = events.boundary(&stream[start..end]);
        if boundary > 0 {
            out = start + boundary;
        }
        released.push(out);
        start = end;
    }
    released
}

fn any_stream() -> impl Strategy<Value = Vec<u8>> {
    let words = [&b"\n"[..], b"\r", b"\r\n", b"\n\n", b"data: a", b"-", b"--", b"--frame", b"frame", b"fr", b"x"];
    prop::collection::vec(prop::sample::select(words.to_vec()), 0..20).prop_map(|words| words.concat())
}

/// Whole messages, in which order ever, and lengths that may be anything behind some of them.
fn any_messages() -> impl Strategy<Value = Vec<u8>> {
    let flags = prop::sample::select(vec![0, 1, 0x80, 0x81, 0x81, 2, 0xff]);
    let whole = (prop::sample::select(vec![0, 1, 0x80]), 0u32..40).prop_map(|(flags, length)| message(flags, length));
    let part = (flags, any::<u32>()).prop_map(|(flags, length)| [&[flags][..], &length.to_be_bytes()].concat());
    let piece = prop_oneof![6 => whole, 1 => part, 1 => prop::collection::vec(any::<u8>(), 0..9)];
    prop::collection::vec(piece, 0..8).prop_map(|pieces| pieces.concat())
}

/// Where the last whole message ends, told with all of the stream at hand; its whole length where it is not one of messages.
fn last_message(stream: &[u8]) -> usize {
    let mut at = 0;
    while let Some(flags) = stream.get(at) {
        if flags & 0x7e != 0 {
            return stream.len();
        }
        let Some(length) = stream.get(at + 1..at + 5) else { break };
        let end = at as u64 + 5 + u64::from(u32::from_be_bytes(length.try_into().expect("four bytes")));
        if end > stream.len() as u64 {
            break;
        }
        at = end as usize;
    }
    at
}

proptest! {
    #[test]
    fn messages_end_where_their_lengths_say_however_they_are_cut(
        stream in any_messages(),
        cuts in prop::collection::vec(any::<usize>(), 0..8),
    ) {
        let end = last_message(&stream);
        prop_assert_eq!(events(GRPC).boundary(&stream), end, "{}", stream.escape_ascii());
        let pieces = released(events(GRPC), &stream, &cuts);
        prop_assert_eq!(pieces.last().copied(), Some(end), "{}", stream.escape_ascii());
        prop_assert!(pieces.is_sorted());
        let bytes: Vec<usize> = (1..=stream.len()).collect();
        prop_assert_eq!(released(events(GRPC), &stream, &bytes).last().copied(), Some(end));
    }

    #[test]
    fn nothing_goes_out_in_front_of_the_end_of_its_message(stream in any_messages(), cut in any::<usize>()) {
        let cut = cut % (stream.len() + 1);
        prop_assert_eq!(events(GRPC).boundary(&stream[..cut]), last_message(&stream[..cut]));
    }

    #[test]
    fn splitting_never_changes_the_sum(
        media_type in prop::sample::select(vec!["text/event-stream", "application/x-ndjson", MIXED, "a/b"]),
        stream in any_stream(),
        cuts in prop::collection::vec(any::<usize>(), 0..8),
    ) {
        let pieces = released(events(media_type), &stream, &cuts);
        let whole = events(media_type).boundary(&stream);
        prop_assert_eq!(pieces.last().copied(), Some(whole), "{:?}", stream.escape_ascii().to_string());
        prop_assert!(pieces.is_sorted() && whole <= stream.len());
    }

    #[test]
    fn a_boundary_is_the_end_of_a_line(stream in any_stream()) {
        let end = events("text/event-stream").boundary(&stream);
        prop_assert!(end == 0 || matches!(stream[end - 1], b'\r' | b'\n'));
        let end = events(MIXED).boundary(&stream);
        prop_assert!(end == 0 || stream[end - 1] == b'\n');
    }

    #[test]
    fn an_event_stream_has_the_events_of_its_lines(stream in any_stream()) {
        // The same told in another way: line ends made alike first, which needs the whole stream.
        let text = String::from_utf8(stream.clone()).expect("ASCII");
        let alike = text.replace("\r\n", "\n").replace('\r', "\n");
        let whole = events("text/event-stream").boundary(&stream);
        let ended = alike.starts_with('\n') || alike.contains("\n\n");
        prop_assert_eq!(whole > 0, ended, "{:?}", text);
        let rest = text[whole..].replace("\r\n", "\n").replace('\r', "\n");
        prop_assert!(!rest.contains("\n\n") && !rest.starts_with('\n'), "{:?}", text);
    }
}
