//! One finished exchange as every log format sees it: the facts, and what is derived from them.

use std::io;
use std::time::{Duration, Instant, SystemTime};

use super::{AccessFormat, json, text};
use crate::base::reason::Fault;
use crate::observe::live::{Kind, Row};
use crate::observe::record::{End, Record};

/// Everything a line is made of.
pub(super) struct Exchange<'a> {
    pub row: &'a Row,
    pub record: &'a Record,
    pub end: &'a End,
    /// First byte of the request head to the end.
    pub took: Duration,
}

impl<'a> Exchange<'a> {
    /// The exchange of `record`, which ended at `now`.
    pub fn new(row: &'a Row, record: &'a Record, end: &'a End, now: Instant) -> Self {
        Self { row, record, end, took: now.saturating_duration_since(record.began) }
    }

    /// Wall clock at the end. Counted from the beginning, so that it and the duration agree whatever the clock did.
    pub fn ended_at(&self) -> SystemTime {
        self.record.began_at.checked_add(self.took).unwrap_or(self.record.began_at)
    }

    /// Host and port of the destination; the host without brackets, empty when the target was not understood.
    pub fn destination(&self) -> (&'a str, Option<u16>) {
        host_and_port(&self.record.destination)
    }

    /// Whether the request got as far as a connection to the origin.
    pub fn reached_origin(&self) -> bool {
        self.record.connect.is_some() || self.record.reused.is_some()
    }

    /// `plain`, `tunnel` or `upgrade`.
    pub fn mode(&self) -> &'static str {
        match self.row.kind() {
            Kind::Http => "plain",
            Kind::Tunnel => "tunnel",
            Kind::Upgrade => "upgrade",
        }
    }

    /// Whose doing the end was.
    pub fn fault(&self) -> Fault {
        self.end.reason.fault()
    }

    /// Appends the line, with its line feed.
    ///
    /// # Errors
    /// None when `line` is memory.
    pub fn render(&self, format: AccessFormat, line: &mut Vec<u8>) -> io::Result<()> {
        match format {
            AccessFormat::Json => json::write(self, line)?,
            AccessFormat::Squid => text::write_squid(self, line)?,
            AccessFormat::Combined => text::write_combined(self, line)?,
        }
        line.push(b'\n');
        Ok(())
    }
}

/// Host and port of a destination; the host without brackets.
pub(super) fn host_and_port(destination: &str) -> (&str, Option<u16>) {
    let (host, port) = match destination.rsplit_once(':') {
        Some((host, port)) => (host, port.parse().ok()),
        None => (destination, None),
    };
    (host.strip_prefix('[').and_then(|inner| inner.strip_suffix(']')).unwrap_or(host), port)
}
