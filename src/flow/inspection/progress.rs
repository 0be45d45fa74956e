//! A page in place of a file that is held: begun, told how far the file is, and ended with the file or with why not.

use super::Inspection;
use super::ask::Replaced;
use super::offers::quoted;
use super::response::Judged;
use crate::base::reason::Reason;
use crate::flow::session::Session;
use crate::flow::transfer::Transfer;
use crate::http::body::BodyFormat;
use crate::http::content::ResponseContent;
use crate::http::framing::BodyFraming;
use crate::http::reply::progress::{self, FileFacts};
use crate::http::response::Response;
use crate::icap::adapted::AdaptedHead;

/// A page that is under way.
pub struct Progress {
    /// The head of the file.
    head: AdaptedHead,
    /// Its name, as a segment of a path.
    segment: String,
    /// Its length in bytes.
    length: u64,
}

impl Progress {
    /// Puts the page in the place of the response. `None`, and nothing is changed, where that cannot be.
    pub fn begin(
        session: &Session<'_>,
        inspection: &Inspection,
        content: &ResponseContent,
        length: u64,
        transfer: &mut Transfer<'_>,
    ) -> Option<Self> {
        let head = AdaptedHead::response(transfer.response_head()).ok()?;
        let (name, segment) = name_of(content, inspection.path());
        let opening = progress::opening(&FileFacts { name: &name, host: inspection.authority.text(), length })?;
        let page = progress::head(&session.ledger.exchange_id());
        session.ledger.note_first_byte();
        transfer.begin_page(page.as_bytes());
        transfer.trickle(opening.as_bytes());
        Some(Self { head, segment, length })
    }

    /// Tells how far it is.
    pub fn step(&self, received: u64, transfer: &mut Transfer<'_>) {
        transfer.trickle(progress::step(received, self.length).as_bytes());
    }

    /// The head of the file, as its origin wrote it.
    pub fn file_head(&self) -> AdaptedHead {
        self.head.clone()
    }

    /// Ends the page: the file waits for its client as long as the connection stands, or the page tells why there is none.
    pub fn close(
        self,
        session: &mut Session<'_>,
        inspection: &Inspection,
        file: Result<Replaced, Reason>,
        response: &mut Response,
        transfer: &mut Transfer<'_>,
    ) -> Judged {
        let offers = &session.services.inspection.offers;
        let put = |file| offers.put(inspection.authority.clone(), session.source(), file).ok_or(Reason::ScanOverload);
        let offer = file.and_then(put);
        (response.framing, response.format) = (BodyFraming::Chunked, BodyFormat::Chunked);
        match offer {
            Ok(offer) => {
                transfer.end_page(progress::ready(&offer.path(&self.segment)).as_bytes());
                session.offer = Some(offer);
                Judged::Goes
            }
            Err(reason) => {
                // What is left of the file may still be on its way.
                response.upstream_keep_alive = false;
                transfer.end_page(progress::failed(reason, &session.ledger.exchange_id()).as_bytes());
                Judged::Told(reason)
            }
        }
    }
}

/// The name of a file for people, and as a segment of a path.
fn name_of(content: &ResponseContent, path: &str) -> (String, String) {
    let said = content.file_name.as_deref().map(|name| String::from_utf8_lossy(name).into_owned());
    match said.filter(|name| !name.is_empty()) {
        Some(name) => {
            let segment = quoted(&name);
            (name, segment)
        }
        // It came as a segment.
        None => match path.rsplit('/').next() {
            Some("") | None => ("download".to_owned(), "download".to_owned()),
            Some(segment) => (segment.to_owned(), segment.to_owned()),
        },
    }
}
