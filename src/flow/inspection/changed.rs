//! A request in whose place a service has put another: judged again, and readied for the origin.

use std::sync::Arc;

use super::Inspection;
use super::ask::Replaced;
use super::held::{Ending, Held};
use super::request::Upload;
use crate::base::reason::Reason;
use crate::flow::admission;
use crate::flow::pump::{Pump, ReadAhead};
use crate::flow::session::Session;
use crate::http::body::BodyFormat;
use crate::http::framing::BodyFraming;
use crate::http::request::Request;
use crate::http::target::Target;
use crate::icap::adapted::request::{Original, Scheme};
use crate::icap::settings::Credentials;

/// Takes `now` for the request: `head` becomes its head, and where it goes is judged as for any other. Gives what is known
/// of it.
///
/// # Errors
/// The [`Reason`] to refuse it.
pub async fn enter(
    session: &mut Session<'_>,
    request: &Request,
    inspection: &mut Inspection,
    head: &mut Vec<u8>,
    now: Replaced,
) -> Result<Request, Reason> {
    let framing = match now.body.len() {
        0 if request.framing == BodyFraming::None => BodyFraming::None,
        length => BodyFraming::Length(length),
    };
    let original = Original { url: &inspection.url, head };
    // What one of several services did not see is put back in any case: the origin was to see it.
    let adapted = now.head.into_request(original, Credentials::Withheld, framing);
    let adapted = adapted.map_err(|_| Reason::ScannerFailed)?;
    if adapted.scheme != Scheme::Http {
        return Err(Reason::ScannerFailed);
    }
    *head = adapted.head;
    let authority = Arc::new(adapted.authority);
    if *authority != *inspection.authority {
        session.move_to(&authority);
        admission::admit(session, request, &authority).await?;
    }
    inspection.url = format!("http://{}{}", authority.host_field(), adapted.path).into();
    inspection.authority = authority.clone();
    inspection.request_head.clone_from(head);
    if framing != BodyFraming::None {
        let pump = Pump::new(framing, BodyFormat::Plain, ReadAhead::Bounded);
        let held = Held::new(now.body, 0, Vec::new(), Ending::Whole);
        inspection.upload = Some(Upload { pump, held: Some(Box::new(held)) });
    }
    Ok(Request { framing, target: Target::Origin(authority), expects_continue: false, ..request.clone() })
}
