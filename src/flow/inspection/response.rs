//! What is done with a response: passed, held to be scanned whole, scanned as it flows, replaced or refused.

use tokio::time::Instant;

use super::ask::clients;
use super::comfort::Page;
use super::gather::{Beginning, Gathering};
use super::reading::Reading;
use super::release::{Subject, Watch};
use super::shed::{is_shed, shed};
use super::stream::Watchers;
use super::{Inspection, by_rules};
use crate::base::reason::Reason;
use crate::flow::session::Session;
use crate::flow::transfer::Transfer;
use crate::http::content::{ResponseContent, Wish};
use crate::http::push::Push;
use crate::http::response::Response;
use crate::icap::settings::{IcapMethod, VerdictUse};
use crate::inspect::course::{Direction, OnOverload};
use crate::inspect::decode::coding::Codings;
use crate::inspect::detector::{Detector, DetectorSettings, Length, Signs};
use crate::inspect::plan::{
    BodyFacts, CodingSight, Extent, Plan, ResponseFacts, Unscanned, length, plan_response, until_class_is_known,
};
use crate::inspect::rules::Head;
use crate::inspect::verdicts::BodyHash;

/// What becomes of a response.
pub enum Judged {
    /// It is delivered, or what is in its place.
    Goes,
    /// It is delivered while ICAP services see it in batches.
    Watched(Watchers),
    /// A page is delivered that tells why it is not.
    Told(Reason),
}

/// Judges a response whose head is here, and readies its body to be delivered.
///
/// # Errors
/// The [`Reason`] to answer with instead, or to cut the client for.
pub async fn inspect(
    session: &mut Session<'_>,
    inspection: &Inspection,
    response: &mut Response,
    transfer: &mut Transfer<'_>,
) -> Result<Judged, Reason> {
    let content = ResponseContent::of(transfer.response_head());
    if inspection.is_bypassed(session, &content.content.media_type) {
        session.note_unscanned(Unscanned::Bypassed);
        return Ok(Judged::Goes);
    }
    let course =
        inspection.refined(session, &inspection.course, &content.content.media_type, None, Direction::Response);
    let head = Head {
        url: inspection.url.as_bytes(),
        media_type: Some(content.content.media_type.as_bytes()),
        file_name: content.file_name.as_deref(),
    };
    by_rules(session, &inspection.policy, &course, &head)?;
    let built_in = inspection.policy.built_in(&course);
    let clients = clients(&inspection.policy, &course, IcapMethod::Respmod);
    if clients.is_empty() && built_in.is_none() {
        session.note_unscanned(Unscanned::NoScanner);
        return Ok(Judged::Goes);
    }
    let codings = Codings::parse([&*content.content.codings]);
    let facts = ResponseFacts {
        asked: inspection.said.push,
        saved_as: &content.extension,
        body: BodyFacts {
            framing: response.framing,
            media_type: &content.content.media_type,
            extension: &inspection.extension,
            codings: CodingSight::of(&codings),
            extent: Extent::of_response(response.status, content.content.range),
        },
    };
    let plan = match inspection.may_go_by_class(session, &content.content.media_type, Direction::Response) {
        true => until_class_is_known(plan_response(&facts, &course)),
        false => plan_response(&facts, &course),
    };
    let (doubt, extent) = (facts.body.doubt(), facts.body.extent);
    if let Some(done) = without_body(session, plan)? {
        return Ok(done);
    }
    let Some(length) = length(response.framing) else { return Ok(Judged::Goes) };
    let plan = if is_shed(session, plan, length) { shed(session, &course)? } else { plan };
    if let Plan::Pass(Unscanned::Overload) = plan {
        return Ok(Judged::Goes);
    }
    let keeps_verdicts = clients.iter().any(|client| client.settings().verdicts == VerdictUse::Kept);
    // Before anything trickles: the head is here whole.
    let watch = Watch::of(session, inspection, clients, transfer)?;
    let reading = built_in.map(|scanner| Reading::new(scanner, &codings.unwrap_or_default(), course.undecodable));
    let mut spool = session.spool();
    if let (Length::Known(bytes), Plan::Whole) = (length, plan)
        && spool.expect(bytes).is_err()
        && course.on_overload == OnOverload::Block
    {
        return Err(Reason::ScanOverload);
    }
    let detector = detector(session, inspection, &content, length);
    let hold = *inspection.policy.hold();
    let hash = keeps_verdicts.then(BodyHash::default);
    let course_of_body = course.clone();
    let page = may_have_page(session, inspection, response);
    let beginning =
        Beginning { spool, reading, course: course_of_body, content, plan, length, extent, hold, detector, page, hash };
    let mut gathering = Box::new(Gathering::new(beginning));
    let gathered = Box::pin(gathering.run(session, inspection, transfer)).await;
    if let Some(why) = doubt.or_else(|| gathering.reading.as_ref().and_then(Reading::doubt)) {
        session.note_doubt(why);
    }
    let subject = Subject { inspection, course: &course, watch };
    subject.release(session, *gathering, gathered, response, transfer).await
}

/// What is decided by the plan alone.
fn without_body(session: &Session<'_>, plan: Plan) -> Result<Option<Judged>, Reason> {
    match plan {
        Plan::Pass(Unscanned::Stream) | Plan::Whole | Plan::Window(_) | Plan::Look => Ok(None),
        Plan::Pass(why) => {
            session.note_unscanned(why);
            Ok(Some(Judged::Goes))
        }
        Plan::Block(why) => Err(session.refusal_of(why, Reason::ResponseTooLarge)),
    }
}

/// Whether a page may stand in for a body while it is held. The file behind it goes with the client's connection, so that
/// has to stay.
fn may_have_page(session: &Session<'_>, inspection: &Inspection, response: &Response) -> Page {
    let stays = response.client_keep_alive && !session.services.drain.is_draining();
    let is_window = inspection.said.wish == Wish::Page && response.status == 200;
    if stays && is_window { Page::Possible } else { Page::No }
}

fn detector(session: &Session<'_>, inspection: &Inspection, content: &ResponseContent, length: Length) -> Detector {
    let settings = DetectorSettings::from(inspection.policy.hold());
    let hand_overs = session.services.inspection.hand_overs(inspection, session, &content.content.media_type);
    let signs = Signs { response: Push::Unsaid, request: Push::Unsaid, length, hand_overs };
    Detector::new(settings, signs, Instant::now().into_std())
}
