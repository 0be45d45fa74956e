//! What becomes of request heads, byte for byte.

use proptest::prelude::*;

use super::*;

fn rewritten(fields: &str, ranges: Ranges) -> String {
    let mut head = format!("GET /a HTTP/1.1\r\nHost: a\r\n{fields}Via: 1.1 t\r\n\r\n").into_bytes();
    prepare_for_scanning(&mut head, ranges);
    let head = String::from_utf8(head).expect("text");
    let inside = head.strip_prefix("GET /a HTTP/1.1\r\nHost: a\r\n").expect("the front stays");
    inside.strip_suffix("\r\n").expect("the empty line stays").to_owned()
}

#[test]
fn only_codings_that_can_be_undone_are_asked_for() {
    for (value, expected) in [
        ("gzip, deflate, br, zstd", "gzip, deflate, br, zstd"),
        ("gzip,deflate;q=0.5 ,  BR", "gzip,deflate;q=0.5 ,  BR"),
        ("gzip, deflate, br, zstd, dcb, dcz", "gzip, deflate, br, zstd"),
        ("x-gzip ; q=0.3,compress;q=1, identity;q=0", "x-gzip ; q=0.3, identity;q=0"),
        ("*", "identity"),
        ("gzip;q=1.0, *;q=0", "gzip;q=1.0"),
        ("sdch", "identity"),
        ("", ""),
        ("gzipped", "identity"),
    ] {
        let out = rewritten(&format!("accept-encoding: {value}\r\n"), Ranges::Kept);
        assert_eq!(out, format!("accept-encoding: {expected}\r\nVia: 1.1 t\r\n"), "{value}");
    }
}

#[test]
fn every_field_of_the_name_is_reduced() {
    let out = rewritten("Accept-Encoding: dcb\r\nX: *\r\nAccept-Encoding: br, dcz\r\n", Ranges::Kept);
    assert_eq!(out, "Accept-Encoding: identity\r\nX: *\r\nAccept-Encoding: br\r\nVia: 1.1 t\r\n");
}

/// Row 16: streams are asked for without a coding.
#[test]
fn event_streams_are_asked_for_as_they_are() {
    for (fields, expected) in [
        (
            "Accept: text/event-stream\r\nAccept-Encoding: gzip, br\r\n",
            "Accept: text/event-stream\r\nAccept-Encoding: identity\r\nVia: 1.1 t\r\n",
        ),
        ("Accept: text/event-stream\r\n", "Accept: text/event-stream\r\nVia: 1.1 t\r\nAccept-Encoding: identity\r\n"),
        (
            "Accept: text/event-stream, */*\r\nAccept-Encoding: gzip\r\n",
            "Accept: text/event-stream, */*\r\nAccept-Encoding: gzip\r\nVia: 1.1 t\r\n",
        ),
    ] {
        assert_eq!(rewritten(fields, Ranges::Kept), expected, "{fields}");
    }
}

/// Row 13: parts that no scanner knows are not asked for.
#[test]
fn ranges_go_where_they_must() {
    let fields = "Range: bytes=5-\r\nX-Range: a\r\nIF-RANGE: \"e\"\r\nAccept-Ranges: bytes\r\n";
    assert_eq!(rewritten(fields, Ranges::Kept), format!("{fields}Via: 1.1 t\r\n"));
    assert_eq!(rewritten(fields, Ranges::Dropped), "X-Range: a\r\nAccept-Ranges: bytes\r\nVia: 1.1 t\r\n");
    let several = "Range: bytes=5-9, 0-4\r\nX: a\r\nIf-Range: \"e\"\r\n";
    assert_eq!(rewritten(several, Ranges::Kept), "X: a\r\nVia: 1.1 t\r\n");
    let both = "Range: bytes=5-\r\nAccept-Encoding: dcb, gzip\r\n";
    assert_eq!(rewritten(both, Ranges::Dropped), "Accept-Encoding: gzip\r\nVia: 1.1 t\r\n");
}

#[test]
fn nothing_is_copied_where_nothing_changes() {
    let mut head = b"GET / HTTP/1.1\r\nHost: a\r\nAccept-Encoding: gzip\r\n\r\n".to_vec();
    let (place, room) = (head.as_ptr(), head.capacity());
    prepare_for_scanning(&mut head, Ranges::Dropped);
    assert_eq!((head.as_ptr(), head.capacity()), (place, room));
}

proptest! {
    #[test]
    fn any_bytes_can_be_read(head in proptest::collection::vec(any::<u8>(), 0..300)) {
        let mut head = head;
        prepare_for_scanning(&mut head, Ranges::Dropped);
    }

    #[test]
    fn twice_is_the_same_as_once(
        fields in prop::collection::vec("(Accept|Accept-Encoding|Range|X): [a-z*,;=/ -]{0,12}", 0..6),
    ) {
        let mut once = format!("GET / HTTP/1.1\r\n{}\r\n", fields.iter().map(|field| format!("{field}\r\n")).collect::<String>()).into_bytes();
        prepare_for_scanning(&mut once, Ranges::Dropped);
        let mut twice = once.clone();
        prepare_for_scanning(&mut twice, Ranges::Dropped);
        prop_assert_eq!(&once, &twice);
        prop_assert!(field_lines(&once).all(|line| !line.is("range")));
        let codings = |line: FieldLine<'_>| line.is("accept-encoding") && !list(line.value).all(can_be_undone);
        prop_assert!(!field_lines(&once).any(codings));
    }
}
