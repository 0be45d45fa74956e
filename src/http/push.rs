//! What heads say about push streams: responses that go on for as long as both sides like. Pure.

use super::field::list;

/// Whether a head announces a push stream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Push {
    /// It does not; the body may be one all the same.
    #[default]
    Unsaid,
    /// Its type is that of a stream.
    Declared,
}

/// Media types whose bodies have no end of their own: server-sent events, pages that replace themselves, records that
/// are written as they happen.
const TYPES: [&[u8]; 6] = [
    b"text/event-stream",
    b"multipart/x-mixed-replace",
    b"application/x-ndjson",
    b"application/stream+json",
    b"application/grpc",
    b"application/grpc+proto",
];

/// What a `Content-Type` says.
pub fn of_content_type(value: &[u8]) -> Push {
    let essence = value.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
    if TYPES.iter().any(|known| known.eq_ignore_ascii_case(essence)) { Push::Declared } else { Push::Unsaid }
}

/// What an `Accept` says: browsers ask for nothing else when a page opens an `EventSource`.
pub fn of_accept(value: &[u8]) -> Push {
    let mut asked = list(value);
    match (asked.next(), asked.next()) {
        (Some(one), None) => of_content_type(one),
        _ => Push::Unsaid,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_with_and_without_parameters() {
        for (value, push) in [
            (&b"text/event-stream"[..], Push::Declared),
            (b"Text/Event-Stream; charset=utf-8", Push::Declared),
            (b"multipart/x-mixed-replace;boundary=x", Push::Declared),
            (b"text/event-streams", Push::Unsaid),
            (b"text/html", Push::Unsaid),
            (b"", Push::Unsaid),
        ] {
            assert_eq!(of_content_type(value), push, "{}", value.escape_ascii());
        }
    }

    #[test]
    fn only_a_request_for_nothing_else_says_so() {
        assert_eq!(of_accept(b"text/event-stream"), Push::Declared);
        assert_eq!(of_accept(b"text/event-stream, text/html"), Push::Unsaid);
        assert_eq!(of_accept(b"*/*"), Push::Unsaid);
    }
}
