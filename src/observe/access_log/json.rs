//! The JSON line of the access log.

use std::fmt::Display;
use std::io;
use std::time::Duration;

use serde::{Serialize, Serializer};

use super::clock::Rfc3339;
use super::escape::{self, Clipped};
use super::exchange::Exchange;
use crate::base::inspection::ScanMode;

/// The keys, in the order of the line. Times end in `_ms` and are milliseconds with three decimals.
#[derive(Serialize)]
struct Line<'a> {
    ts: Shown<Rfc3339>,
    id: Shown<std::fmt::Arguments<'a>>,
    client: std::net::SocketAddr,
    listener: &'a str,
    method: Clipped<'a>,
    url: Clipped<'a>,
    host: Clipped<'a>,
    port: Option<u16>,
    status: u16,
    bytes_in: u64,
    bytes_out: u64,
    dur_ms: Millis,
    dns_ms: Option<Millis>,
    connect_ms: Option<Millis>,
    ttfb_ms: Option<Millis>,
    mode: &'static str,
    upstream_reused: bool,
    retried: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    limit: Option<Clipped<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    profile: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    scan: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    upload_scan: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    verdict: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    unscanned: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    upload_unscanned: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stream_kind: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    scanner: Option<Clipped<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    threat: Option<Clipped<'a>>,
    phase: &'static str,
    closed_by: &'static str,
    reason: &'static str,
    cancel_ms: Option<Millis>,
}

/// Appends the JSON object of `exchange`, without a line feed.
pub(super) fn write(exchange: &Exchange<'_>, line: &mut Vec<u8>) -> io::Result<()> {
    let Exchange { row, record, end, took } = exchange;
    let (host, port) = exchange.destination();
    let inspected = record.inspected.as_ref();
    let object = Line {
        ts: Shown(Rfc3339(exchange.ended_at())),
        id: Shown(format_args!("{}-{}", row.id(), record.number)),
        client: row.client(),
        listener: row.listener(),
        method: Clipped::new(&record.method),
        url: Clipped::new(&record.url),
        host: Clipped::new(host),
        port,
        status: record.status,
        bytes_in: end.bytes_in,
        bytes_out: end.bytes_out,
        dur_ms: Millis(*took),
        dns_ms: record.dns.map(Millis),
        connect_ms: record.connect.map(Millis),
        ttfb_ms: record.first_byte.map(Millis),
        mode: exchange.mode(),
        upstream_reused: record.reused.is_some(),
        retried: record.retried,
        limit: record.limit.as_ref().map(|limit| Clipped::new(&limit.rule)),
        profile: record.profiles.that_ended(end.reason),
        scan: inspected.map(|inspected| inspected.mode.label()),
        upload_scan: inspected.and_then(|inspected| inspected.upload).map(ScanMode::label),
        verdict: inspected.map(|inspected| inspected.verdict.label()),
        unscanned: inspected.and_then(|inspected| inspected.unscanned),
        upload_unscanned: inspected.and_then(|inspected| inspected.upload_unscanned),
        stream_kind: inspected.and_then(|inspected| inspected.evidence),
        scanner: inspected.and_then(|inspected| inspected.scanner.as_deref()).map(Clipped::new),
        threat: inspected.and_then(|inspected| inspected.threat.as_deref()).map(Clipped::new),
        phase: end.phase.label(),
        closed_by: exchange.fault().label(),
        reason: end.reason.label(),
        cancel_ms: end.cancel_latency.map(Millis),
    };
    escape::write_ascii_json(line, &object)
}

/// A value shown as a JSON string.
pub(super) struct Shown<T>(pub T);

impl<T: Display> Serialize for Shown<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

/// A duration shown as milliseconds to the microsecond: the waits we promise are shorter than one.
pub(super) struct Millis(pub Duration);

impl Serialize for Millis {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64(self.0.as_micros() as f64 / 1000.0)
    }
}

impl Serialize for Clipped<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Clipped::Whole(text) => serializer.serialize_str(text),
            Clipped::Cut(text) => serializer.collect_str(&format_args!("{text}…")),
        }
    }
}
