//! Verdicts that are known already: what a service has seen whole is not shown to it again.

use std::time::Instant;

use super::ask::watched;
use crate::flow::session::Session;
use crate::http::content::ResponseContent;
use crate::icap::client::IcapClient;
use crate::icap::outcome::{Judgement, Report};
use crate::inspect::course::Direction;
use crate::inspect::verdicts::{BodyDigest, Flight, Followed, GivenBy, Lookup, Subject, Verdict};

/// A whole response body, and what its verdict may depend on.
pub struct WholeBody<'b> {
    /// Its bytes.
    pub digest: BodyDigest,
    /// How many they are.
    pub length: u64,
    /// What its head says.
    pub content: &'b ResponseContent,
    /// The extension of the file that was asked for.
    pub extension: &'b str,
}

/// What is known of a body.
pub enum Known {
    /// A verdict.
    Verdict(Verdict),
    /// None: the service has to be asked, and the flight told where there is one.
    Nothing(Option<Flight>),
}

/// Looks a body up, and waits where another request is being told about the same one.
pub async fn look_up(session: &Session<'_>, client: &IcapClient, body: &WholeBody<'_>) -> Known {
    let content = &body.content.content;
    let subject = Subject {
        service: &client.settings().name,
        direction: Direction::Response,
        body: &body.digest,
        media_type: content.media_type.as_bytes(),
        coding: &content.codings,
        disposition: body.content.file_name.as_deref().unwrap_or_default(),
        extension: body.extension.as_bytes(),
    };
    match session.services.inspection.verdicts.look_up(&subject, Instant::now()) {
        Lookup::Hit(verdict) => Known::Verdict(verdict),
        Lookup::Lead(flight) => Known::Nothing(Some(flight)),
        Lookup::Off => Known::Nothing(None),
        Lookup::Follow(follower) => match watched(session, follower.outcome()).await {
            Followed::Verdict(verdict) => Known::Verdict(verdict),
            Followed::Lead(flight) => Known::Nothing(Some(flight)),
            Followed::Alone => Known::Nothing(None),
        },
    }
}

/// Tells the flight what the service said: of the whole body, and by what is in it, or nothing for others.
pub fn settle(flight: Option<Flight>, judgement: Judgement, report: &Report, body: Option<&WholeBody<'_>>) {
    let Some(flight) = flight else { return };
    let by = GivenBy { server: &report.server, tag: report.istag.as_deref() };
    let seen_whole = body.is_some_and(|body| report.body_given == body.length);
    match (judgement, report.findings.threat()) {
        (Judgement::Unchanged, None) if seen_whole && report.status == 204 => {
            flight.settle(Verdict::Clean, by, Instant::now());
        }
        (Judgement::Blocked, Some(threat)) => flight.settle(Verdict::Infected(threat.into()), by, Instant::now()),
        _ => flight.decline(),
    }
}
