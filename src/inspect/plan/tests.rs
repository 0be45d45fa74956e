//! The table of classes, row by row (the numbers are those of the decision table for responses), and uploads.

use proptest::prelude::*;

use super::kind::{Trickling, may_trickle};
use super::*;
use crate::inspect::course::{Cap, OnOverload, OnUndecodable, WhileHeld};
use crate::inspect::magic::Class;

const CAP: u64 = 1000;
const OVER: BodyFraming = BodyFraming::Length(CAP + 1);
const UNDER: BodyFraming = BodyFraming::Length(CAP);

fn course(scanners: &[&str]) -> Course {
    let name = |name: &&str| match *name {
        "builtin" => ScannerName::BuiltIn,
        other => ScannerName::Icap(other.into()),
    };
    Course {
        rule: None,
        scanners: scanners.iter().map(name).collect(),
        cap: Cap { max_body: CAP, over: None },
        on_overload: OnOverload::Block,
        streams: StreamScan::Async,
        while_held: WhileHeld::default(),
        undecodable: OnUndecodable::default(),
    }
}

fn body(framing: BodyFraming, media_type: &str) -> BodyFacts<'_> {
    BodyFacts { framing, media_type, extension: "", codings: CodingSight::Known, extent: Extent::Whole }
}

fn response(framing: BodyFraming, media_type: &str) -> ResponseFacts<'_> {
    ResponseFacts { asked: Push::Unsaid, saved_as: "", body: body(framing, media_type) }
}

fn kind(class: Class) -> Option<FileKind> {
    Some(FileKind { class, name: "kind" })
}

static ALL_WAYS: [&[&str]; 3] = [&["builtin"], &["av"], &["builtin", "av"]];

#[test]
fn classes_by_type_and_length() {
    use BodyFraming::{Chunked, None, UntilClose};
    use WindowCause::{Media, MediaType};
    for (row, framing, media_type, plan) in [
        (1, None, "text/html", Plan::Pass(Unscanned::NoBody)),
        (1, None, "text/event-stream", Plan::Pass(Unscanned::NoBody)),
        (2, BodyFraming::Length(1), "text/html", Plan::Whole),
        (3, UNDER, "application/zip", Plan::Whole),
        (5, Chunked, "", Plan::Whole),
        (5, UntilClose, "text/plain", Plan::Whole),
        (5, Chunked, "application/octet-stream", Plan::Whole),
        (6, Chunked, "text/event-stream", Plan::Window(MediaType)),
        (6, UNDER, "text/event-stream", Plan::Window(MediaType)),
        (6, OVER, "text/event-stream", Plan::Window(MediaType)),
        (6, Chunked, "application/x-ndjson", Plan::Window(MediaType)),
        (6, UntilClose, "application/stream+json", Plan::Window(MediaType)),
        (6, Chunked, "application/json-seq", Plan::Window(MediaType)),
        (6, Chunked, "application/grpc-web-text", Plan::Window(MediaType)),
        (7, UntilClose, "multipart/x-mixed-replace", Plan::Window(MediaType)),
        (9, Chunked, "video/mp4", Plan::Window(Media)),
        (9, UntilClose, "audio/mpeg", Plan::Window(Media)),
        (9, OVER, "video/mp2t", Plan::Window(Media)),
        (9, UNDER, "video/mp2t", Plan::Whole),
        (9, Chunked, "application/vnd.apple.mpegurl", Plan::Whole),
        (9, Chunked, "audio/mpegurl", Plan::Whole),
        (9, Chunked, "application/dash+xml", Plan::Whole),
        (11, Chunked, "application/grpc", Plan::Window(MediaType)),
        (11, Chunked, "application/grpc+json", Plan::Window(MediaType)),
        (11, Chunked, "application/grpcx", Plan::Whole),
    ] {
        for scanners in ALL_WAYS {
            let course = course(scanners);
            assert_eq!(plan_response(&response(framing, media_type), &course), plan, "{row} {media_type} {scanners:?}");
            // Section 3.3: uploads are the same.
            assert_eq!(plan_request(&body(framing, media_type), &course), plan, "{row} {media_type} {scanners:?}");
        }
    }
    let named = BodyFacts { extension: "m3u8", ..body(Chunked, "audio/x-other") };
    assert_eq!(plan_request(&named, &course(&["builtin"])), Plan::Whole, "row 9");
}

#[test]
fn nothing_is_scanned_by_nobody() {
    let nobody = course(&[]);
    for framing in [BodyFraming::None, UNDER, OVER, BodyFraming::Chunked] {
        assert_eq!(plan_response(&response(framing, "a/b"), &nobody), Plan::Pass(Unscanned::NoScanner));
        assert_eq!(plan_request(&body(framing, "a/b"), &nobody), Plan::Pass(Unscanned::NoScanner));
    }
}

/// Row 4.
#[test]
fn what_is_said_to_be_too_large_is_judged_by_the_course() {
    let too_large = Plan::Pass(Unscanned::TooLarge);
    for (over, expected) in [
        (Over::Block, Plan::Block(Unscannable::TooLarge)),
        (Over::PassUnscanned, too_large),
        (Over::Window, Plan::Window(WindowCause::TooLarge)),
    ] {
        for scanners in ALL_WAYS {
            let course = Course { cap: Cap { max_body: CAP, over: Some(over) }, ..course(scanners) };
            assert_eq!(
                plan_response(&response(OVER, "video/mp4"), &course),
                expected,
                "what is said goes before media"
            );
            assert_eq!(plan_response(&response(OVER, ""), &course), expected);
            assert_eq!(plan_request(&body(OVER, ""), &course), expected);
            assert_eq!(plan_response(&response(UNDER, ""), &course), Plan::Whole);
        }
    }
    for (scanners, plan) in
        [(ALL_WAYS[0], Plan::Window(WindowCause::TooLarge)), (ALL_WAYS[1], Plan::Look), (ALL_WAYS[2], Plan::Look)]
    {
        assert_eq!(plan_response(&response(OVER, ""), &course(scanners)), plan, "{scanners:?}");
    }
}

/// Rows 4 and 5, once the first bytes are there or the cap is passed.
#[test]
fn the_kind_of_file_decides_where_nothing_is_said() {
    for (kind, builtin, icap) in [
        (None, Over::Window, Over::Window),
        (kind(Class::Executable), Over::Window, Over::Block),
        (kind(Class::Archive), Over::Window, Over::Block),
        (kind(Class::Document), Over::Window, Over::Block),
        (kind(Class::Script), Over::Window, Over::Window),
        (kind(Class::Media), Over::Window, Over::Window),
    ] {
        assert_eq!(judge_oversize(kind, &course(&["builtin"])), builtin, "{kind:?}");
        assert_eq!(judge_oversize(kind, &course(&["av"])), icap, "{kind:?}");
        assert_eq!(judge_oversize(kind, &course(&["builtin", "av"])), icap, "{kind:?}");
        let off = |over| Course { streams: StreamScan::Off, cap: Cap { over, ..course(&[]).cap }, ..course(&["av"]) };
        let unseen = if icap == Over::Window { Over::PassUnscanned } else { icap };
        assert_eq!(judge_oversize(kind, &off(None)), unseen, "{kind:?}");
        assert_eq!(judge_oversize(kind, &off(Some(Over::Window))), Over::PassUnscanned, "{kind:?}");
        assert_eq!(judge_oversize(kind, &off(Some(Over::Block))), Over::Block, "{kind:?}");
    }
}

/// Row 6: by the request, where there is no length.
#[test]
fn who_asks_for_a_stream_gets_one_unless_it_has_an_end() {
    let asked = |framing| ResponseFacts { asked: Push::Declared, ..response(framing, "text/plain") };
    let course = course(&["builtin"]);
    assert_eq!(plan_response(&asked(BodyFraming::Chunked), &course), Plan::Window(WindowCause::Request));
    assert_eq!(plan_response(&asked(UNDER), &course), Plan::Whole);
    assert_eq!(plan_response(&asked(OVER), &course), Plan::Window(WindowCause::TooLarge));
}

#[test]
fn streams_that_nobody_sees_are_told_as_such() {
    let blind = |scanners: &[&str]| Course { streams: StreamScan::Off, ..course(scanners) };
    for media_type in ["text/event-stream", "audio/mpeg"] {
        let stream = response(BodyFraming::Chunked, media_type);
        assert_eq!(plan_response(&stream, &blind(&["av"])), Plan::Pass(Unscanned::Stream), "{media_type}");
        assert!(matches!(plan_response(&stream, &blind(&["av", "builtin"])), Plan::Window(_)), "{media_type}");
    }
}

/// Rows 4, 6 and 9: files do not pass as something else.
#[test]
fn files_are_held_whatever_they_are_called() {
    use WindowCause::{Media, MediaType, TooLarge};
    let (known, large) = (Length::Known(CAP), Length::Known(CAP + 1));
    let course = course(&["builtin", "av"]);
    let block = Plan::Block(Unscannable::TooLarge);
    for (plan, class, length, expected) in [
        (Plan::Window(MediaType), Class::Executable, Length::Unknown, Plan::Whole),
        (Plan::Window(Media), Class::Archive, known, Plan::Whole),
        (Plan::Window(Media), Class::Archive, large, block),
        (Plan::Window(Media), Class::Media, large, Plan::Window(Media)),
        (Plan::Window(MediaType), Class::Script, Length::Unknown, Plan::Window(MediaType)),
        (Plan::Window(TooLarge), Class::Archive, large, Plan::Window(TooLarge)),
        (Plan::Pass(Unscanned::Stream), Class::Document, Length::Unknown, Plan::Whole),
        (Plan::Pass(Unscanned::TooLarge), Class::Document, large, Plan::Pass(Unscanned::TooLarge)),
        (Plan::Look, Class::Document, large, block),
        (Plan::Look, Class::Media, large, Plan::Window(TooLarge)),
        (Plan::Whole, Class::Document, known, Plan::Whole),
    ] {
        assert_eq!(on_first_bytes(plan, (kind(class), Extent::Whole), length, &course), expected, "{plan:?} {class}");
    }
    assert_eq!(on_first_bytes(Plan::Look, (None, Extent::Part), large, &course), Plan::Window(TooLarge));
    assert_eq!(on_first_bytes(Plan::Window(Media), (None, Extent::Part), large, &course), Plan::Window(Media));
}

/// Row 13.
#[test]
fn parts_are_scanned_as_parts_and_told() {
    let range = |first, last, total| Some(ContentRange { first, last, total });
    for (status, range, extent) in [
        (206, range(0, 9, Some(10)), Extent::Whole),
        (206, range(0, 9, None), Extent::Part),
        (206, range(5, 9, Some(10)), Extent::Part),
        (206, None, Extent::Part),
        (200, range(5, 9, Some(10)), Extent::Whole),
        (200, None, Extent::Whole),
    ] {
        assert_eq!(Extent::of_response(status, range), extent, "{status} {range:?}");
        let facts = BodyFacts { extent, ..body(UNDER, "text/plain") };
        assert_eq!(facts.doubt(), (extent == Extent::Part).then_some(Unscanned::Partial));
        assert_eq!(plan_request(&facts, &course(&["av"])), Plan::Whole);
    }
    assert_eq!(Extent::of_request(None), Extent::Whole);
    assert_eq!(Extent::of_request(range(5, 9, Some(10))), Extent::Part);
    for (extension, wish, ranges) in [
        ("exe", Wish::Other, Ranges::Dropped),
        ("docm", Wish::Other, Ranges::Dropped),
        ("html", Wish::Page, Ranges::Dropped),
        ("", Wish::Other, Ranges::Dropped),
        ("mp4", Wish::Other, Ranges::Kept),
        ("", Wish::Media, Ranges::Kept),
    ] {
        assert_eq!(ranges_for(extension, wish), ranges, "{extension}");
    }
}

/// Row 13: files fail closed.
#[test]
fn a_part_of_a_file_is_refused() {
    let part = |media_type, extension, saved_as| ResponseFacts {
        saved_as,
        body: BodyFacts { extent: Extent::Part, extension, ..body(UNDER, media_type) },
        ..response(UNDER, "")
    };
    let block = Plan::Block(Unscannable::Part);
    for (facts, expected) in [
        (part("application/zip", "", ""), block),
        (part("application/vnd.openxmlformats-officedocument.wordprocessingml.document", "", ""), block),
        (part("video/mp4", "exe", ""), block),
        (part("video/mp4", "mp4", "exe"), block),
        (part("multipart/byteranges", "mp4", ""), block),
        (part("application/octet-stream", "mp4", "mp4"), Plan::Whole),
        (part("video/mp4", "", ""), Plan::Whole),
        (part("text/plain", "txt", ""), Plan::Whole),
    ] {
        assert_eq!(plan_response(&facts, &course(&["builtin"])), expected, "{facts:?}");
        assert_eq!(plan_response(&facts, &course(&[])), Plan::Pass(Unscanned::NoScanner));
        let whole = ResponseFacts { body: BodyFacts { extent: Extent::Whole, ..facts.body }, ..facts };
        assert_eq!(plan_response(&whole, &course(&["builtin"])), Plan::Whole, "{facts:?}");
    }
    let course = course(&["builtin"]);
    for plan in [Plan::Whole, Plan::Window(WindowCause::Media)] {
        let on = |class, extent| on_first_bytes(plan, (kind(class), extent), Length::Known(CAP), &course);
        assert_eq!(on(Class::Executable, Extent::Part), block);
        assert_eq!(on(Class::Media, Extent::Part), plan);
        assert_ne!(on(Class::Executable, Extent::Whole), block);
    }
}

/// Row 16.
#[test]
fn codings_that_cannot_be_undone_are_never_passed_over() {
    for (field, sight, doubt, plan) in [
        ("gzip, br", CodingSight::Known, None, Plan::Whole),
        ("", CodingSight::Known, None, Plan::Whole),
        ("dcb", CodingSight::Unknown, Some(Unscanned::Coding), Plan::Whole),
        ("gzip, gzip, gzip", CodingSight::TooMany, Some(Unscanned::Coding), Plan::Block(Unscannable::Layers)),
    ] {
        let codings = CodingSight::of(&Codings::parse([field.as_bytes()]));
        let facts = BodyFacts { codings, ..body(UNDER, "text/html") };
        assert_eq!((codings, facts.doubt()), (sight, doubt), "{field}");
        for scanners in ALL_WAYS {
            assert_eq!(plan_request(&facts, &course(scanners)), plan, "{field}");
            let strict = Course { undecodable: OnUndecodable::Block, ..course(scanners) };
            let plan = if sight == CodingSight::Unknown { Plan::Block(Unscannable::Coding) } else { plan };
            assert_eq!(plan_request(&facts, &strict), plan, "{field}");
        }
    }
}

#[test]
fn only_what_is_saved_trickles() {
    use Class::*;
    use Trickling::{Allowed, Never};
    for (media_type, class, expected) in [
        ("application/octet-stream", None, Allowed),
        ("application/octet-stream", Some(Executable), Allowed),
        ("application/octet-stream", Some(Script), Never),
        ("application/zip", Some(Archive), Allowed),
        ("application/pdf", Some(Document), Allowed),
        ("video/mp4", None, Allowed),
        ("image/png", Some(Media), Allowed),
        ("image/svg+xml", None, Never),
        ("image/svg+xml", Some(Media), Never),
        ("text/html", None, Never),
        ("text/html", Some(Executable), Never),
        ("text/css", Some(Archive), Never),
        ("text/javascript", Some(Executable), Never),
        ("application/json", Some(Archive), Never),
        ("application/vnd.api+json", None, Never),
        ("application/xhtml+xml", None, Never),
        ("text/plain", None, Never),
        ("text/plain", Some(Archive), Allowed),
        ("", None, Never),
        ("", Some(Archive), Allowed),
        ("audio/mpegurl", None, Never),
        ("text/event-stream", Some(Executable), Never),
    ] {
        assert_eq!(may_trickle(media_type, class.and_then(kind)), expected, "{media_type} {class:?}");
    }
}

#[test]
fn no_two_reasons_share_a_label() {
    let mut labels: Vec<&str> = Unscanned::ALL.into_iter().map(Unscanned::label).collect();
    labels.sort_unstable();
    labels.dedup();
    assert_eq!(labels.len(), Unscanned::ALL.len());
}

#[test]
fn what_comes_out_of_codings_counts_only_where_the_course_says_what_becomes_of_more() {
    const MOST: u64 = 25 << 20;
    let with = |max_body, over| Course { cap: Cap { max_body, over }, ..course(&["builtin"]) };
    for (max_body, over, decoded, judged) in [
        (CAP, None, u64::MAX, None),
        (CAP, Some(Over::Window), u64::MAX, None),
        (CAP, Some(Over::Block), MOST, None),
        (CAP, Some(Over::Block), MOST + 1, Some(Over::Block)),
        (CAP, Some(Over::PassUnscanned), MOST + 1, Some(Over::PassUnscanned)),
        (2 * MOST, Some(Over::Block), 2 * MOST, None),
        (2 * MOST, Some(Over::Block), 2 * MOST + 1, Some(Over::Block)),
    ] {
        assert_eq!(judge_decoded(decoded, &with(max_body, over)), judged, "{max_body} {over:?} {decoded}");
    }
}

fn any_course() -> impl Strategy<Value = Course> {
    let scanners = prop_oneof![Just(&[][..]), prop::sample::select(&ALL_WAYS[..])];
    let over = prop::sample::select(vec![None, Some(Over::Block), Some(Over::PassUnscanned), Some(Over::Window)]);
    let streams = prop::sample::select(vec![StreamScan::Off, StreamScan::Async, StreamScan::Sync]);
    (scanners, over, streams, 0u64..10).prop_map(|(scanners, over, streams, max_body)| Course {
        cap: Cap { max_body, over },
        streams,
        ..course(scanners)
    })
}

fn any_body() -> impl Strategy<Value = BodyFacts<'static>> {
    let framing = prop_oneof![
        Just(BodyFraming::None),
        Just(BodyFraming::Chunked),
        Just(BodyFraming::UntilClose),
        (1u64..20).prop_map(BodyFraming::Length)
    ];
    let types = ["", "text/html", "text/event-stream", "video/mp4", "application/zip", "application/grpc"];
    let codings = [CodingSight::Known, CodingSight::Unknown, CodingSight::TooMany];
    (framing, prop::sample::select(types.to_vec()), prop::sample::select(codings.to_vec()))
        .prop_map(|(framing, media_type, codings)| BodyFacts { codings, ..body(framing, media_type) })
}

proptest! {
    #[test]
    fn whoever_is_there_to_scan_does(course in any_course(), facts in any_body()) {
        let plan = plan_request(&facts, &course);
        let sees = sees_streams(&course);
        match plan {
            Plan::Pass(Unscanned::NoScanner) => prop_assert!(course.scanners.is_empty()),
            Plan::Pass(Unscanned::NoBody) => prop_assert_eq!(facts.framing, BodyFraming::None),
            Plan::Pass(Unscanned::TooLarge) => prop_assert!(course.cap.over == Some(Over::PassUnscanned) || !sees),
            Plan::Pass(why) => prop_assert!(why == Unscanned::Stream && !sees),
            Plan::Window(_) => prop_assert!(sees),
            Plan::Whole | Plan::Look | Plan::Block(_) => prop_assert!(!course.scanners.is_empty()),
        }
        // Nothing is left to be looked at once the first bytes are there.
        if let Some(length) = length(facts.framing) {
            prop_assert_ne!(on_first_bytes(plan, (None, Extent::Whole), length, &course), Plan::Look);
        }
    }
}
