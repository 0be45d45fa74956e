//! What heads say of their bodies, and that no head is too odd to be read.

use proptest::prelude::*;

use super::*;

fn response(fields: &str) -> ResponseContent {
    ResponseContent::of(format!("HTTP/1.1 200 OK\r\n{fields}\r\n\r\n").as_bytes())
}

fn request(fields: &str) -> RequestContent {
    RequestContent::of(format!("POST / HTTP/1.1\r\n{fields}\r\n\r\n").as_bytes())
}

#[test]
fn media_types_lose_parameters_and_capitals() {
    for (field, media_type) in [
        ("Content-Type: Text/HTML; charset=utf-8", "text/html"),
        ("content-type:application/json", "application/json"),
        ("Content-Type: ", ""),
        ("Content-Type: ;x", ""),
        ("X-Content-Type: text/html", ""),
        ("Content-Type: text/plain\r\nContent-Type: text/html", "text/html"),
        ("Content-Type: text/\u{e9}", "text/\u{e9}"),
    ] {
        assert_eq!(&*response(field).content.media_type, media_type, "{field}");
        assert_eq!(&*request(field).content.media_type, media_type, "{field}");
    }
}

#[test]
fn codings_of_several_fields_stand_one_behind_the_other() {
    for (fields, codings) in [
        ("A: b", ""),
        ("Content-Encoding: gzip", "gzip"),
        ("Content-Encoding: gzip, br", "gzip, br"),
        ("Content-Encoding: gzip\r\nA: b\r\ncontent-encoding: GZIP", "gzip, GZIP"),
    ] {
        assert_eq!(&*response(fields).content.codings, codings.as_bytes(), "{fields}");
    }
}

#[test]
fn ranges_are_read_in_one_way_or_not_at_all() {
    let range = |first, last, total| Some(ContentRange { first, last, total });
    for (value, expected, is_whole) in [
        ("bytes 0-99/100", range(0, 99, Some(100)), true),
        ("Bytes 0-98/100", range(0, 98, Some(100)), false),
        ("bytes 1-99/100", range(1, 99, Some(100)), false),
        ("bytes 0-99/*", range(0, 99, None), false),
        ("bytes 5-5/18446744073709551615", range(5, 5, Some(u64::MAX)), false),
        ("bytes */100", None, false),
        ("bytes 5-4/100", None, false),
        ("bytes 0-100/100", None, false),
        ("bytes 0-0/0", None, false),
        ("bytes -1-5/100", None, false),
        ("bytes 0-9", None, false),
        ("items 0-9/10", None, false),
        ("bytes", None, false),
    ] {
        let said = response(&format!("Content-Range: {value}")).content.range;
        assert_eq!(said, expected, "{value}");
        assert_eq!(said.is_some_and(ContentRange::is_whole), is_whole, "{value}");
    }
}

#[test]
fn names_of_files_give_their_extension() {
    for (value, name, extension) in [
        ("attachment; filename=a.EXE", Some("a.EXE"), "exe"),
        ("attachment; filename=\"a b;c.zip\"; x=y", Some("a b;c.zip"), "zip"),
        ("attachment; x=\"filename=b.txt\"; FileName=a.exe", Some("a.exe"), "exe"),
        (r#"attachment; filename="a\"b.exe""#, Some("a\"b.exe"), "exe"),
        ("attachment; filename=a.txt; filename*=UTF-8''a%2Eexe", Some("a.exe"), "exe"),
        ("attachment; filename*=broken; filename=a.txt", Some("a.txt"), "txt"),
        ("inline; filename=\"unfinished.pdf", Some("unfinished.pdf"), "pdf"),
        ("attachment; filename=a.exe. .", Some("a.exe. ."), "exe"),
        ("attachment; filename=\"a.b/c\"", Some("a.b/c"), ""),
        ("attachment; filename", Some(""), ""),
        ("attachment", None, ""),
    ] {
        let said = response(&format!("Content-Disposition: {value}"));
        assert_eq!(said.file_name.as_deref(), name.map(str::as_bytes), "{value}");
        assert_eq!(&*said.extension, extension, "{value}");
    }
}

#[test]
fn the_boundary_of_parts_is_told() {
    for (value, boundary) in [
        ("multipart/x-mixed-replace; boundary=frame", Some("frame")),
        ("multipart/x-mixed-replace;charset=x; Boundary = \"--a b\"", Some("--a b")),
        ("multipart/x-mixed-replace", None),
    ] {
        let said = response(&format!("Content-Type: {value}")).content.boundary;
        assert_eq!(said.as_deref(), boundary.map(str::as_bytes), "{value}");
    }
}

#[test]
fn requests_say_what_they_wait_for() {
    for (fields, push, wish) in [
        ("Accept: text/event-stream", Push::Declared, Wish::Other),
        ("Last-Event-ID: 7\r\nAccept: */*", Push::Declared, Wish::Other),
        ("Accept: text/html,application/xhtml+xml,*/*;q=0.8", Push::Unsaid, Wish::Page),
        ("Accept: */*, TEXT/HTML;q=0.1", Push::Unsaid, Wish::Page),
        ("Sec-Fetch-Dest: document\r\nAccept: text/html", Push::Unsaid, Wish::Page),
        ("Sec-Fetch-Dest: empty\r\nAccept: text/html", Push::Unsaid, Wish::Other),
        ("Sec-Fetch-Dest: video\r\nAccept: */*\r\nRange: bytes=5-", Push::Unsaid, Wish::Media),
        ("Range: bytes=0-\r\nSEC-fetch-dest: Audio\r\nAccept: text/html", Push::Unsaid, Wish::Media),
        ("Accept: text/html\r\nRange: bytes=5-", Push::Unsaid, Wish::Other),
        ("Accept: text/html\r\nX-Requested-With: XMLHttpRequest", Push::Unsaid, Wish::Other),
        ("Accept: text/html\r\nSec-Purpose: prefetch", Push::Unsaid, Wish::Other),
        ("Accept: text/html;q=0.0", Push::Unsaid, Wish::Other),
        ("Accept: text/htmlx", Push::Unsaid, Wish::Other),
        ("Host: a", Push::Unsaid, Wish::Other),
    ] {
        let said = request(fields);
        assert_eq!((said.push, said.wish), (push, wish), "{fields}");
    }
}

proptest! {
    #[test]
    fn any_bytes_can_be_read(head in proptest::collection::vec(any::<u8>(), 0..300)) {
        let said = ResponseContent::of(&head);
        prop_assert!(said.content.codings.len() <= head.len() * 2);
        RequestContent::of(&head);
    }

    #[test]
    fn any_value_can_be_read(
        name in prop::sample::select(vec!["Content-Type", "Content-Disposition", "Content-Range", "Accept"]),
        value in r#"[a-z;="\\/%'*0-9,. -]{0,40}"#,
    ) {
        let said = response(&format!("{name}: {value}"));
        prop_assert_eq!(said.content.range.is_some_and(|range| range.first > range.last), false);
        request(&format!("{name}: {value}"));
    }

    #[test]
    fn quoted_names_come_back(name in "[ -~]{0,40}") {
        let quoted = name.replace('\\', r"\\").replace('"', "\\\"");
        let said = response(&format!("Content-Disposition: attachment; filename=\"{quoted}\"; a=b"));
        prop_assert_eq!(said.file_name.as_deref(), Some(name.as_bytes()));
    }
}
