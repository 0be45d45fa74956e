//! What is done with a body, by its head: the table of classes. Pure.

pub mod kind;
mod reason;

pub use self::reason::{Unscannable, Unscanned, WindowCause};
use crate::http::content::{ContentRange, Wish};
use crate::http::framing::BodyFraming;
use crate::http::push::Push;
use crate::http::rewrite::Ranges;
use crate::inspect::course::{Cap, Course, OnUndecodable, Over, ScannerName, StreamScan};
use crate::inspect::decode::Undecodable;
use crate::inspect::decode::coding::Codings;
use crate::inspect::detector::Length;
use crate::inspect::magic::FileKind;
use kind::{is_file, is_file_type, is_media, is_media_file, is_playlist, is_stream};

/// What is done with a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Plan {
    /// It passes, told as not scanned.
    Pass(Unscanned),
    /// It is held and scanned whole, unless a detector takes it for a live stream or the cap is passed.
    Whole,
    /// It is scanned as it flows. Its first bytes may tell that it has to be [held](on_first_bytes) all the same.
    Window(WindowCause),
    /// It is larger than the cap, and its first bytes [decide](on_first_bytes).
    Look,
    /// It is refused.
    Block(Unscannable),
}

/// What is known of the codings of a body.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CodingSight {
    /// All of them can be undone, or there is none.
    #[default]
    Known,
    /// One of them is not known.
    Unknown,
    /// They are more than can be undone, one above the other.
    TooMany,
}

impl CodingSight {
    /// What reading `Content-Encoding` gave.
    pub fn of(codings: &Result<Codings, Undecodable>) -> Self {
        match codings {
            Ok(_) => CodingSight::Known,
            Err(Undecodable::Layers) => CodingSight::TooMany,
            Err(_) => CodingSight::Unknown,
        }
    }
}

/// How much of a thing a body is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Extent {
    /// All of it.
    #[default]
    Whole,
    /// A part, or several parts: what stands across their borders is seen by nobody.
    Part,
}

impl Extent {
    /// Of the body of a response: `Content-Range` counts in 206 only, and a 206 without one has several parts
    /// (RFC 9110 section 15.3.7).
    pub fn of_response(status: u16, range: Option<ContentRange>) -> Self {
        let is_whole = status != 206 || range.is_some_and(ContentRange::is_whole);
        if is_whole { Extent::Whole } else { Extent::Part }
    }

    /// Of the body of a request (RFC 9110 section 14.5).
    pub fn of_request(range: Option<ContentRange>) -> Self {
        if range.is_none_or(ContentRange::is_whole) { Extent::Whole } else { Extent::Part }
    }
}

/// What is known of a body before its first byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BodyFacts<'a> {
    /// How its end is found; [`BodyFraming::None`] also for answers to HEAD.
    pub framing: BodyFraming,
    /// Its media type in lower case, without parameters.
    pub media_type: &'a str,
    /// The extension of the file it is, in lower case: of the path it is fetched from, empty for uploads.
    pub extension: &'a str,
    /// Its codings.
    pub codings: CodingSight,
    /// How much of a thing it is.
    pub extent: Extent,
}

impl BodyFacts<'_> {
    /// As what it counts although it is scanned, because no scanner can see what it means: it is looked at as it came.
    pub fn doubt(&self) -> Option<Unscanned> {
        match (self.codings, self.extent) {
            (CodingSight::Unknown | CodingSight::TooMany, _) => Some(Unscanned::Coding),
            (CodingSight::Known, Extent::Part) => Some(Unscanned::Partial),
            (CodingSight::Known, Extent::Whole) => None,
        }
    }
}

/// What is known of a response before the first byte of its body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ResponseFacts<'a> {
    /// Whether the request asked for an event stream.
    pub asked: Push,
    /// The extension of the name under which it is to be saved, in lower case.
    pub saved_as: &'a str,
    /// Its body.
    pub body: BodyFacts<'a>,
}

/// What the heads say of the length of a body; none where there is no body.
pub fn length(framing: BodyFraming) -> Option<Length> {
    match framing {
        BodyFraming::None => None,
        BodyFraming::Length(bytes) => Some(Length::Known(bytes)),
        BodyFraming::Chunked | BodyFraming::UntilClose => Some(Length::Unknown),
    }
}

/// What is done with the body of a response.
///
/// Unknown codings do not change it unless the course says so: the built-in scanner reads such a body as it came, ICAP services get it as it came
/// (RFC 3507), and it [counts](BodyFacts::doubt) as not scanned. More codings than can be undone are refused: browsers
/// undo them, and nobody else has a use for them. So are parts of files that no scanner knows in parts: their requests
/// [asked](ranges_for) for the whole.
pub fn plan_response(facts: &ResponseFacts<'_>, course: &Course) -> Plan {
    match course.scanners.is_empty() {
        true => Plan::Pass(Unscanned::NoScanner),
        false if is_part_of_file(facts) => Plan::Block(Unscannable::Part),
        false => plan_body(&facts.body, facts.asked, course),
    }
}

/// Whether it is a part, by its names, of a program, an archive or a document; or several parts in one, which nobody could
/// have asked for.
fn is_part_of_file(facts: &ResponseFacts<'_>) -> bool {
    let body = &facts.body;
    body.extent == Extent::Part
        && body.framing != BodyFraming::None
        && (is_file(body.extension)
            || is_file(facts.saved_as)
            || is_file_type(body.media_type)
            || body.media_type == "multipart/byteranges")
}

/// What is done with the body of a request: the same, but that nobody asked for it.
pub fn plan_request(facts: &BodyFacts<'_>, course: &Course) -> Plan {
    if course.scanners.is_empty() {
        return Plan::Pass(Unscanned::NoScanner);
    }
    plan_body(facts, Push::Unsaid, course)
}

fn plan_body(facts: &BodyFacts<'_>, asked: Push, course: &Course) -> Plan {
    let Some(length) = length(facts.framing) else { return Plan::Pass(Unscanned::NoBody) };
    match (facts.codings, course.undecodable) {
        (CodingSight::TooMany, _) => return Plan::Block(Unscannable::Layers),
        (CodingSight::Unknown, OnUndecodable::Block) => return Plan::Block(Unscannable::Coding),
        (CodingSight::Unknown | CodingSight::Known, _) => {}
    }
    if is_stream(facts.media_type) {
        return plan_stream(WindowCause::MediaType, course);
    }
    let is_media = is_media(facts.media_type) && !is_playlist(facts.media_type, facts.extension);
    match length {
        Length::Known(bytes) if bytes <= course.cap.max_body => Plan::Whole,
        Length::Known(_) => plan_oversize(is_media.then_some(WindowCause::Media), course),
        Length::Unknown if asked == Push::Declared => plan_stream(WindowCause::Request, course),
        Length::Unknown if is_media => plan_stream(WindowCause::Media, course),
        Length::Unknown => Plan::Whole,
    }
}

/// What is done with what has no end to wait for: it is scanned as it flows, unless nobody on the course sees streams.
/// Also for bodies that a detector took for a stream.
pub fn plan_stream(cause: WindowCause, course: &Course) -> Plan {
    if sees_streams(course) { Plan::Window(cause) } else { Plan::Pass(Unscanned::Stream) }
}

fn plan_oversize(media: Option<WindowCause>, course: &Course) -> Plan {
    match (course.cap.over, media) {
        (None, Some(cause)) => plan_stream(cause, course),
        // Only for an ICAP service files differ from the rest.
        (None, None) if has_icap(course) => Plan::Look,
        (_, _) => plan_over(judge_oversize(None, course)),
    }
}

/// The plan for a body larger than the cap that is treated so; also for one of unknown length that passed the cap.
pub fn plan_over(over: Over) -> Plan {
    match over {
        Over::Block => Plan::Block(Unscannable::TooLarge),
        Over::PassUnscanned => Plan::Pass(Unscanned::TooLarge),
        Over::Window => Plan::Window(WindowCause::TooLarge),
    }
}

/// What becomes of a body larger than the cap, once its first bytes have told its kind or could not. As the course says;
/// where it says nothing, a file that is of no use in parts is refused if an ICAP service would have scanned it, and
/// everything else is scanned as it flows, by whoever sees streams.
pub fn judge_oversize(kind: Option<FileKind>, course: &Course) -> Over {
    match course.cap.over {
        Some(over @ (Over::Block | Over::PassUnscanned)) => over,
        None if is_lost_in_parts(kind, course) => Over::Block,
        Some(Over::Window) | None if sees_streams(course) => Over::Window,
        Some(Over::Window) | None => Over::PassUnscanned,
    }
}

/// What becomes of a body that fits the cap as it comes, once so many bytes came out of its codings. It is no bomb by its
/// length: services see it as it comes, and the built-in scanner reads any length. So `None` means that it goes on as it
/// was, unless the course says what becomes of larger ones. A cap below the default counts what comes only.
pub fn judge_decoded(decoded: u64, course: &Course) -> Option<Over> {
    let most = course.cap.max_body.max(Cap::default().max_body);
    course.cap.over.filter(|over| decoded > most && *over != Over::Window)
}

/// The plan for a body by whose class there are rules: how large it may be shows only with its first bytes.
pub fn until_class_is_known(plan: Plan) -> Plan {
    match plan {
        Plan::Block(Unscannable::TooLarge) | Plan::Pass(Unscanned::TooLarge) => Plan::Look,
        Plan::Window(WindowCause::TooLarge) => Plan::Look,
        plan => plan,
    }
}

/// What becomes of a plan when the first bytes have told the kind of the body, or could not. A file that is of no use in
/// parts is never scanned as it flows because of what it is called: it is held like any other, or too large.
pub fn on_first_bytes(plan: Plan, (kind, extent): (Option<FileKind>, Extent), length: Length, course: &Course) -> Plan {
    let is_file = kind.is_some_and(|kind| kind.class.is_always_whole());
    if is_file && extent == Extent::Part {
        return Plan::Block(Unscannable::Part);
    }
    let fits = !matches!(length, Length::Known(bytes) if bytes > course.cap.max_body);
    match plan {
        Plan::Look if fits => Plan::Whole,
        Plan::Look => plan_over(judge_oversize(kind, course)),
        // A rule for its class allows less than those for its head.
        Plan::Whole if !fits => plan_over(judge_oversize(kind, course)),
        Plan::Window(WindowCause::TooLarge) => plan,
        Plan::Window(_) | Plan::Pass(Unscanned::Stream) if is_file && fits => Plan::Whole,
        Plan::Window(_) | Plan::Pass(Unscanned::Stream) if is_file => plan_over(judge_oversize(kind, course)),
        Plan::Pass(_) | Plan::Whole | Plan::Window(_) | Plan::Block(_) => plan,
    }
}

/// Whether a client may ask for a part of a thing with this extension, given in lower case without its dot: only of sound
/// and film, so that nothing else comes in halves that no scanner knows. What it is shows by where it is for, too.
pub fn ranges_for(extension: &str, wish: Wish) -> Ranges {
    if is_media_file(extension) || wish == Wish::Media { Ranges::Kept } else { Ranges::Dropped }
}

fn has_icap(course: &Course) -> bool {
    course.scanners.iter().any(|scanner| matches!(scanner, ScannerName::Icap(_)))
}

fn sees_streams(course: &Course) -> bool {
    course.scanners.contains(&ScannerName::BuiltIn) || (has_icap(course) && course.streams != StreamScan::Off)
}

/// Whether scanning it in pieces would leave an ICAP service without what it looks for.
pub fn is_lost_in_parts(kind: Option<FileKind>, course: &Course) -> bool {
    has_icap(course) && kind.is_some_and(|kind| kind.class.is_always_whole())
}

#[cfg(test)]
mod tests;
