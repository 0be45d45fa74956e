//! Why a body is not scanned, or refused, or scanned as it flows: the words in logs and metrics.

use crate::observe::inspection_counters::UNSCANNED;

/// Why bytes pass that no scanner has seen, or none has understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Unscanned {
    /// Nothing is set to scan it.
    NoScanner,
    /// There is no body.
    NoBody,
    /// It is larger than what is scanned.
    TooLarge,
    /// It is a live stream, and nobody on its course sees those.
    Stream,
    /// It is sound or film behind its beginning, of which only a sample is shown.
    Media,
    /// It belongs to a protocol that was switched to.
    WebSocket,
    /// It is in a tunnel.
    Tunnel,
    /// Its coding is not known, so it was scanned as it came; or it was shown in parts that nobody can decode.
    Coding,
    /// It is a part of something: it was scanned as the part it is.
    Partial,
    /// There was no room to hold it, or a scanner had too much to do and its service is set to pass such messages.
    Overload,
    /// A scanner did not answer, and its service is set to pass such messages.
    ScannerDown,
    /// The bypass list says so.
    Bypassed,
}

impl Unscanned {
    /// Every reason.
    pub const ALL: [Unscanned; UNSCANNED] = [
        Unscanned::NoScanner,
        Unscanned::NoBody,
        Unscanned::TooLarge,
        Unscanned::Stream,
        Unscanned::Media,
        Unscanned::WebSocket,
        Unscanned::Tunnel,
        Unscanned::Coding,
        Unscanned::Partial,
        Unscanned::Overload,
        Unscanned::ScannerDown,
        Unscanned::Bypassed,
    ];

    /// The label of `tether_unscanned_bytes_total`, and the word in logs.
    pub const fn label(self) -> &'static str {
        match self {
            Unscanned::NoScanner => "no_scanner",
            Unscanned::NoBody => "no_body",
            Unscanned::TooLarge => "too_large",
            Unscanned::Stream => "stream",
            Unscanned::Media => "media",
            Unscanned::WebSocket => "websocket",
            Unscanned::Tunnel => "tunnel",
            Unscanned::Coding => "coding",
            Unscanned::Partial => "partial",
            Unscanned::Overload => "overload",
            Unscanned::ScannerDown => "scanner_down",
            Unscanned::Bypassed => "bypassed",
        }
    }
}

/// Why a body is refused before it is scanned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Unscannable {
    /// It is larger than what is scanned.
    TooLarge,
    /// It has more codings, one above the other, than are undone.
    Layers,
    /// It has a coding that is not known.
    Coding,
    /// It is a part of something that is of no use to a scanner in parts.
    Part,
}

impl Unscannable {
    /// The word in logs.
    pub const fn label(self) -> &'static str {
        match self {
            Unscannable::TooLarge => "too_large",
            Unscannable::Layers => "layers",
            Unscannable::Coding => "unknown_coding",
            Unscannable::Part => "part",
        }
    }
}

/// Why a body is scanned as it flows from the start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum WindowCause {
    /// Its media type is that of a stream.
    MediaType,
    /// The client asked for a stream.
    Request,
    /// It is sound or film without an end, or larger than what is scanned whole.
    Media,
    /// It is larger than what is scanned whole.
    TooLarge,
}

impl WindowCause {
    /// The word in logs and metrics; where a detector has the same evidence, it is the same word.
    pub const fn label(self) -> &'static str {
        match self {
            WindowCause::MediaType => "media_type",
            WindowCause::Request => "request",
            WindowCause::Media => "media",
            WindowCause::TooLarge => "too_large",
        }
    }
}
