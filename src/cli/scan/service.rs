//! A file through an ICAP service: the answer to a made-up request for it.

use std::sync::Arc;

use url::Url;

use super::subject::Subject;
use super::verdict::Verdict;
use crate::cli::arguments::ScanOptions;
use crate::icap::body::InFile;
use crate::icap::client::IcapClient;
use crate::icap::error::IcapError;
use crate::icap::message::{BadMessage, Message};
use crate::icap::outcome::{Judgement, Outcome, Report};
use crate::icap::settings::OnFailure;
use crate::inspect::course::ScannerName;

/// Where files come from that nobody says anything of.
const NOWHERE: &str = "http://file.invalid/";

/// The status of the made-up answer.
const STATUS: u16 = 200;

/// A service.
pub(super) struct Service(pub Arc<IcapClient>);

impl Service {
    /// Has it judge the file, and says what becomes of it where it could not.
    pub async fn scan(&self, subject: &Subject, options: &ScanOptions) -> (Verdict, OnFailure) {
        let on_failure = self.0.settings().on_failure;
        let body = match subject.file().and_then(InFile::new) {
            Ok(body) => body,
            Err(error) => return (Verdict::not_scanned(Some(self.name()), error.to_string()), on_failure),
        };
        let Ok(message) = message(subject, options) else {
            let why = "what is said of the file is too long for a head".to_owned();
            return (Verdict::not_scanned(Some(self.name()), why), on_failure);
        };
        let judged = match self.0.adapt(&message, body).await {
            Ok(outcome) => self.verdict(outcome).await,
            Err(error) => Err(error),
        };
        match judged {
            Ok(verdict) => (verdict, on_failure),
            Err(error) => (Verdict::not_scanned(Some(self.name()), why(&error)), self.0.settings().becomes(error.kind)),
        }
    }

    /// A message that is sent back and not said to be bad counts as clean, once it is here to its end.
    async fn verdict(&self, outcome: Outcome<InFile>) -> Result<Verdict, IcapError> {
        let by = self.name();
        match (outcome.judgement(Some(STATUS)), outcome) {
            (Judgement::Blocked, outcome) => {
                let what = threat(outcome.report()).unwrap_or_else(|| "no name given".to_owned());
                let how = match &outcome {
                    Outcome::Replaced { head, .. } if head.status().is_some_and(|status| status != STATUS) => {
                        format!("it answers with HTTP {} instead", head.status().unwrap_or_default())
                    }
                    _ => "it says so".to_owned(),
                };
                Ok(Verdict::Blocked { what, how, by })
            }
            (_, Outcome::Replaced { report, mut body, .. }) => {
                while body.next().await?.is_some() {}
                Ok(threat(&report).map_or(Verdict::Clean, |what| Verdict::Cleaned { what, by }))
            }
            (_, Outcome::Unchanged { report, .. }) => {
                Ok(threat(&report).map_or(Verdict::Clean, |what| Verdict::Cleaned { what, by }))
            }
        }
    }

    fn name(&self) -> ScannerName {
        ScannerName::Icap(self.0.settings().name.clone())
    }
}

/// The name of what was found, fit to be shown; something in its place where it has none.
fn threat(report: &Report) -> Option<String> {
    let named = report.findings.threat().map(str::to_owned);
    named.or_else(|| (!report.findings.is_empty()).then(|| "no name given".to_owned()))
}

fn why(error: &IcapError) -> String {
    match &error.server {
        Some(server) => format!("{} ({server})", error.kind),
        None => error.kind.to_string(),
    }
}

fn message(subject: &Subject, options: &ScanOptions) -> Result<Message, BadMessage> {
    let url = options.url.clone().map_or_else(|| made_up(subject.name()), Ok).map_err(|_| BadMessage::Head)?;
    let host = url.host_str().unwrap_or_default();
    let host = url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"));
    let media_type = options.content_type.as_deref().unwrap_or("application/octet-stream");
    let coding = options.content_encoding.as_ref();
    let coding = coding.map(|coding| format!("Content-Encoding: {}\r\n", coding.text)).unwrap_or_default();
    let request = format!("GET {url} HTTP/1.1\r\nHost: {host}\r\n\r\n");
    let response = format!(
        "HTTP/1.1 {STATUS} OK\r\nContent-Type: {media_type}\r\n{coding}Content-Length: {}\r\n\r\n",
        subject.length()
    );
    Message::response(request.as_bytes(), response.as_bytes())
}

fn made_up(name: &str) -> Result<Url, url::ParseError> {
    let mut url = Url::parse(NOWHERE)?;
    if let Ok(mut path) = url.path_segments_mut() {
        path.pop().push(name);
    }
    Ok(url)
}
