//! Inspection in the flow: what of an exchange is scanned, by whom, and what comes of it.

pub mod ask;
pub mod batches;
pub mod changed;
pub mod comfort;
pub mod flow;
pub mod gather;
pub mod held;
pub mod known;
pub mod note;
pub mod offers;
pub mod page;
pub mod policy;
pub mod progress;
pub mod reading;
pub mod release;
pub mod request;
pub mod response;
pub mod shared;
pub mod shed;
pub mod sniffer;
pub mod stream;
pub mod tunnel;
pub mod upload;

use std::cell::OnceCell;
use std::net::IpAddr;
use std::sync::Arc;

use self::ask::Replaced;
pub use self::note::Noted;
use self::policy::InspectPolicy;
use self::request::Upload;
use super::session::Session;
use super::transfer::Transfer;
use crate::base::authority::Authority;
use crate::base::reason::Reason;
use crate::http::content::{RequestContent, Wish, extension};
use crate::http::framing::Version;
use crate::http::method::Method;
use crate::http::request::Request;
use crate::http::rewrite::prepare_for_scanning;
use crate::inspect::book::{Kind, Whose};
use crate::inspect::course::{Course, Direction};
use crate::inspect::history::Kind as StreamKind;
use crate::inspect::magic::Class;
use crate::inspect::plan::{Unscanned, ranges_for};
use crate::inspect::rules::Head;
use crate::policy::bypass::skips::{Skip, Skips};

/// What is known of an exchange that is inspected.
pub struct Inspection {
    /// The rules in force when it began.
    pub policy: Arc<InspectPolicy>,
    /// What is set for the response, as far as the request tells.
    pub course: Arc<Course>,
    /// What is set for the request.
    pub of_request: Arc<Course>,
    /// Where it goes.
    pub authority: Arc<Authority>,
    /// The whole URL.
    pub url: Arc<str>,
    /// The head of the request as the origin gets it.
    pub request_head: Vec<u8>,
    /// What its head says.
    pub said: RequestContent,
    /// The extension of the file that was asked for, in lower case.
    pub extension: Box<str>,
    /// What ranges of addresses on the bypass list leave out, once it is known which address was dialled.
    pub skips: Skips,
    /// The address of the origin, once it is known which was dialled.
    pub server: Option<IpAddr>,
    /// The request body, where it was looked at.
    pub upload: Option<Upload>,
    /// What kind of address the response comes from, once it was asked whether such give streams.
    pub kind: OnceCell<StreamKind>,
}

/// How an exchange begins that may be inspected.
pub enum Begun {
    /// Nobody looks at it.
    Free,
    /// It is inspected.
    Inspected(Box<Inspection>),
    /// It fetches a file that was held for it.
    Fetches(Box<Replaced>),
}

/// Finds out what is set for a request, and readies its head for the origin.
///
/// # Errors
/// The [`Reason`] to refuse it.
pub fn begin(
    session: &Session<'_>,
    request: &Request,
    authority: &Arc<Authority>,
    head: &mut Vec<u8>,
) -> Result<Begun, Reason> {
    let services = session.services;
    let policy = services.policy.load().inspect.clone();
    if policy.book.is_off() {
        return Ok(Begun::Free);
    }
    let url = url(authority, head);
    if request.method == Method::Get && offers::is_place(path(&url)) {
        let file = services.inspection.offers.take(authority, session.source(), path(&url));
        return file.map(|file| Begun::Fetches(Box::new(file))).ok_or(Reason::DownloadGone);
    }
    if session.skips.contains(Skip::Scan) {
        session.note_nothing_scanned(Unscanned::Bypassed);
        return Ok(Begun::Free);
    }
    if let Some(rule) = services.inspection.blocked.find(&url, std::time::Instant::now()) {
        session.note_scan(|noted| noted.threat = Some(rule));
        return Err(Reason::UrlBlocked);
    }
    let source = session.source();
    let course = policy.book.course_of_request(Whose { authority, source, direction: Direction::Response });
    let of_request = policy.book.course_of_request(Whose { authority, source, direction: Direction::Request });
    if course.scanners.is_empty() && of_request.scanners.is_empty() {
        session.note_nothing_scanned(Unscanned::NoScanner);
        return Ok(Begun::Free);
    }
    // What an address tells needs nobody to be asked for what is there.
    let judged = if policy.built_in(&course).is_some() { &course } else { &of_request };
    by_rules(session, &policy, judged, &Head { url: url.as_bytes(), media_type: None, file_name: None })?;
    let extension = extension(path(&url).as_bytes());
    let mut said = RequestContent::of(head);
    let ranges = ranges_for(&extension, said.wish);
    if request.method != Method::Get || request.version != Version::Http11 {
        said.wish = Wish::Other;
    }
    if !course.scanners.is_empty() {
        prepare_for_scanning(head, ranges);
    }
    let (authority, request_head) = (authority.clone(), head.clone());
    let inspection = Inspection {
        policy,
        course,
        of_request,
        authority,
        url,
        request_head,
        said,
        extension,
        skips: Skips::NONE,
        server: None,
        upload: None,
        kind: OnceCell::new(),
    };
    Ok(Begun::Inspected(Box::new(inspection)))
}

/// Rules that hold for what is said of a body.
fn by_rules(session: &Session<'_>, policy: &InspectPolicy, course: &Course, head: &Head<'_>) -> Result<(), Reason> {
    let Some(scanner) = policy.built_in(course) else { return Ok(()) };
    match scanner.rules().of_head(head) {
        None => Ok(()),
        Some((rule, _)) => {
            session.note_rule(scanner, rule);
            Err(Reason::ContentBlocked)
        }
    }
}

/// The whole URL of a request whose head is in origin form.
fn url(authority: &Authority, head: &[u8]) -> Arc<str> {
    let line = head.split(|byte| *byte == b'\r').next().unwrap_or_default();
    let path = line.split(|byte| *byte == b' ').nth(1).unwrap_or_default();
    format!("http://{}{}", authority.host_field(), String::from_utf8_lossy(path)).into()
}

impl Inspection {
    /// What is set for a message once more of it is known.
    pub fn refined(
        &self,
        session: &Session<'_>,
        course: &Arc<Course>,
        media_type: &str,
        class: Option<Class>,
        direction: Direction,
    ) -> Arc<Course> {
        let source = session.source();
        let whose = Whose { authority: &self.authority, source, direction };
        self.policy.book.refine(course, whose, Kind { media_type: media_type.as_bytes(), class })
    }

    /// Whether a rule may hold for a message by what its first bytes show it to be.
    fn may_go_by_class(&self, session: &Session<'_>, media_type: &str, direction: Direction) -> bool {
        let whose = Whose { authority: &self.authority, source: session.source(), direction };
        self.policy.book.may_go_by_class(whose, media_type.as_bytes())
    }

    /// Has such addresses no longer be known for streams, if something was found in what this one gave.
    pub fn note_finding(&self, session: &Session<'_>) {
        if session.ledger.has_found() {
            session.services.inspection.forget_streams(self);
        }
    }

    /// The same, if what flowed on as a stream is over as soon as a page.
    pub fn note_whole(&self, session: &Session<'_>) {
        if session.ledger.is_like_a_page(std::time::Instant::now()) {
            session.services.inspection.forget_streams(self);
        }
    }

    /// Notes what was found in a body on its way; a stream in which something was is blocked for a while, so that its
    /// client does not come back for it at once.
    pub fn note_end(&self, session: &Session<'_>, transfer: &Transfer<'_>) {
        if let Some(found) = transfer.found() {
            session.note_found(found);
        }
        if let Some(why) = transfer.doubt() {
            session.note_doubt(why);
        }
        let threat = session.ledger.found_in_stream();
        if let Some(threat) = threat {
            session.services.inspection.blocked.block(&self.url, threat, std::time::Instant::now());
        }
        self.note_finding(session);
    }

    /// The path of the URL.
    pub fn path(&self) -> &str {
        path(&self.url)
    }
}

/// What a request is refused for that was stopped on its way to the origin.
pub fn stopped(session: &Session<'_>, transfer: &Transfer<'_>, reason: Reason) -> Reason {
    match transfer.found_in_request() {
        Some(found) if reason == Reason::ContentCut => {
            session.note_found(found);
            Reason::ContentBlocked
        }
        _ => reason,
    }
}

/// The path of a whole URL, without its query.
fn path(url: &str) -> &str {
    let url = url.split(['?', '#']).next().unwrap_or_default();
    let url = url.strip_prefix("http://").unwrap_or(url);
    url.find('/').map_or("/", |at| &url[at..])
}
