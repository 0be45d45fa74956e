//! Where events end, in every form of line end and however the stream is cut into pieces.

use proptest::prelude::*;

use super::*;

const MIXED: &str = "multipart/x-mixed-replace";

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

proptest! {
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
