//! One message that our ICAP server judged, as every log format sees it.

use std::io::{self, Write};
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, SystemTime};

use serde::Serialize;

use super::AccessFormat;
use super::clock::{Epoch, Ncsa, Rfc3339};
use super::escape::{self, Clipped, Percent};
use super::exchange::host_and_port;
use super::json::{Millis, Shown};
use crate::observe::icap_server::{Asked, Outcome};
use crate::observe::live::Row;

/// What is told of a message when its transaction is over.
#[derive(Clone, Debug)]
pub struct IcapMessage {
    /// Number of the transaction on its connection, from 1.
    pub number: u32,
    /// From the last byte of its heads on.
    pub took: Duration,
    /// REQMOD or RESPMOD.
    pub asked: Asked,
    /// Who the message is for, where the peer told it (`X-Client-IP`).
    pub client: Option<IpAddr>,
    /// Method of the HTTP request; empty where its head was not shown.
    pub method: String,
    /// URL of the HTTP request; empty where its head was not shown.
    pub url: String,
    /// Status of our ICAP answer (RFC 3507 section 4.3.3); 0 where none was begun.
    pub status: u16,
    /// Bytes of the HTTP body that were seen.
    pub body_bytes: u64,
    /// How it ended.
    pub outcome: Outcome,
    /// The rule that holds for it, and for what of it.
    pub found: Option<(String, &'static str)>,
}

/// A line about a message on the connection of `row`, at its end.
pub(super) struct Line<'a> {
    pub row: &'a Row,
    pub message: &'a IcapMessage,
    pub ended_at: SystemTime,
}

/// The keys of the JSON line. Those that exchanges have too mean the same.
#[derive(Serialize)]
struct Keys<'a> {
    ts: Shown<Rfc3339>,
    id: Shown<std::fmt::Arguments<'a>>,
    client: Option<IpAddr>,
    peer: SocketAddr,
    listener: &'a str,
    mode: &'static str,
    icap_method: &'static str,
    icap_status: u16,
    method: Clipped<'a>,
    url: Clipped<'a>,
    host: Clipped<'a>,
    port: Option<u16>,
    bytes_in: u64,
    dur_ms: Millis,
    outcome: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    threat: Option<Clipped<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    found_in: Option<&'static str>,
}

impl Line<'_> {
    /// Appends the line, with its line feed.
    ///
    /// # Errors
    /// None when `line` is memory.
    pub fn render(&self, format: AccessFormat, line: &mut Vec<u8>) -> io::Result<()> {
        match format {
            AccessFormat::Json => self.write_json(line)?,
            AccessFormat::Squid => self.write_squid(line)?,
            AccessFormat::Combined => self.write_combined(line)?,
        }
        line.push(b'\n');
        Ok(())
    }

    fn write_json(&self, line: &mut Vec<u8>) -> io::Result<()> {
        let Line { row, message, ended_at } = self;
        let destination = row.destination();
        let (host, port) = host_and_port(&destination);
        let found = message.found.as_ref();
        let object = Keys {
            ts: Shown(Rfc3339(*ended_at)),
            id: Shown(format_args!("{}-{}", row.id(), message.number)),
            client: message.client,
            peer: row.client(),
            listener: row.listener(),
            mode: "icap",
            icap_method: message.asked.label(),
            icap_status: message.status,
            method: Clipped::new(&message.method),
            url: Clipped::new(&message.url),
            host: Clipped::new(host),
            port,
            bytes_in: message.body_bytes,
            dur_ms: Millis(message.took),
            outcome: message.outcome.label(),
            threat: found.map(|(rule, _)| Clipped::new(rule)),
            found_in: found.map(|(_, part)| *part),
        };
        escape::write_ascii_json(line, &object)
    }

    /// The result code is `ICAP_` and the outcome; the status is the ICAP one.
    fn write_squid(&self, line: &mut Vec<u8>) -> io::Result<()> {
        let message = self.message;
        write!(
            line,
            "{} {:6} {} ICAP_{}/{:03} {} {} {} - HIER_NONE/- -",
            Epoch(self.ended_at),
            message.took.as_millis(),
            self.client(),
            message.outcome.label().to_ascii_uppercase(),
            message.status,
            message.body_bytes,
            Percent(&message.method),
            Percent(&message.url),
        )
    }

    fn write_combined(&self, line: &mut Vec<u8>) -> io::Result<()> {
        let message = self.message;
        write!(
            line,
            r#"{} - - [{}] "{} {} ICAP/1.0" {:03} {} "-" "-""#,
            self.client(),
            Ncsa(self.ended_at.checked_sub(message.took).unwrap_or(self.ended_at)),
            Percent(&message.method),
            Percent(&message.url),
            message.status,
            message.body_bytes,
        )
    }

    /// Who the message is for; the peer where it did not say.
    fn client(&self) -> IpAddr {
        self.message.client.unwrap_or_else(|| self.row.client().ip())
    }
}

#[cfg(test)]
mod tests;
