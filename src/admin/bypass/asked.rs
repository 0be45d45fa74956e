//! What is asked of the bypass list: which entries would match, and which to add. Pure.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::SystemTime;

use serde::Deserialize;
use serde_json::Value;

use crate::admin::bypass_record::BypassRecord;
use crate::base::authority::{Authority, HTTP_PORT};
use crate::policy::bypass::entry::{BypassEntry, BypassRule};
use crate::policy::bypass::list::{BypassList, BypassSubject};

/// `?url=URL&source=IP&address=IP&type=TYPE`: the entries that would match; without a URL, all.
#[derive(Debug, Default, Deserialize)]
pub struct BypassQuery {
    /// An absolute URL, or `host:port` for a tunnel.
    url: Option<String>,
    /// The client; an address that nobody has where it is left out.
    source: Option<IpAddr>,
    /// The address that the host has.
    address: Option<IpAddr>,
    /// The type of the response.
    #[serde(rename = "type")]
    media_type: Option<String>,
}

/// What would go through the proxy.
#[derive(Debug)]
pub struct Asked {
    authority: Authority,
    url: String,
    source: IpAddr,
    address: Option<IpAddr>,
    media_type: String,
}

impl BypassQuery {
    /// What is asked about; `None` for the whole list.
    ///
    /// # Errors
    /// A sentence for whoever asked.
    pub fn read(self) -> Result<Option<Asked>, String> {
        let Some(url) = self.url else { return Ok(None) };
        let absolute = url.get(..7).filter(|scheme| scheme.eq_ignore_ascii_case("http://"));
        let host = match absolute {
            Some(_) => url[7..].split(['/', '?', '#']).next().unwrap_or_default(),
            None => &url,
        };
        let authority = Authority::parse(host.as_bytes(), absolute.map(|_| HTTP_PORT))
            .map_err(|_| "url is `http://host/path`, or `host:port` for a tunnel".to_owned())?;
        let source = self.source.unwrap_or(Ipv4Addr::UNSPECIFIED.into());
        let media_type = self.media_type.unwrap_or_default();
        Ok(Some(Asked { authority, url, source, address: self.address, media_type }))
    }
}

impl Asked {
    fn subject(&self) -> BypassSubject<'_> {
        BypassSubject {
            authority: &self.authority,
            url: self.url.as_bytes(),
            source: self.source,
            address: self.address,
        }
    }

    /// The entries of `list` that would be used.
    pub fn matching(&self, list: &BypassList, now: SystemTime) -> Vec<Arc<BypassEntry>> {
        list.matching(&self.subject(), self.media_type.as_bytes(), now)
    }

    /// Whether the host is never bypassed.
    pub fn is_never(&self, list: &BypassList) -> bool {
        list.is_never(&self.subject())
    }
}

/// One entry, or `{"entries": [...]}`.
///
/// # Errors
/// A sentence for whoever sent it.
pub fn records(body: &[u8]) -> Result<Vec<BypassRecord>, String> {
    let value: Value = serde_json::from_slice(body).map_err(|error| format!("the body is no JSON: {error}"))?;
    let Value::Object(mut keys) = value else { return Err("the body is no JSON object".to_owned()) };
    let record = |value: Value| match value {
        Value::Object(_) => serde_json::from_value(value).map_err(|error| error.to_string()),
        _ => Err("an entry is a JSON object".to_owned()),
    };
    match keys.remove("entries") {
        Some(Value::Array(entries)) if keys.is_empty() => entries.into_iter().map(record).collect(),
        Some(_) => Err("entries is an array, and stands alone".to_owned()),
        None => record(Value::Object(keys)).map(|record| vec![record]),
    }
}

/// What `records` say, which are one at least and `most` at most, and end after `now`.
///
/// # Errors
/// The first that is wrong, by its number where there are several.
pub fn rules(records: &[BypassRecord], most: usize, now: SystemTime) -> Result<Vec<BypassRule>, String> {
    if records.is_empty() || records.len() > most {
        return Err(format!("1 to {most} entries are added at once, not {}", records.len()));
    }
    let rule = |(at, record): (usize, &BypassRecord)| {
        let over = |rule: &BypassRule| !rule.is_live(now);
        let rule = record.rule(now).and_then(|rule| match over(&rule) {
            true => Err("until: that time is over".to_owned()),
            false => Ok(rule),
        });
        rule.map_err(|wrong| if records.len() > 1 { format!("entry {}: {wrong}", at + 1) } else { wrong })
    };
    records.iter().enumerate().map(rule).collect()
}
