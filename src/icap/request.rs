//! A request to a service as it is written.

use super::message::Message;
use super::opening::{BodyPresence, Opening, Preview, PreviewEnd};
use super::settings::{AllowUnchanged, IcapMethod, PartialContent};
use super::url::ServiceUrl;
use crate::http::chunked::write_chunk;

/// Writes an OPTIONS.
pub(super) fn write_options(url: &ServiceUrl, out: &mut Vec<u8>) {
    write_start("OPTIONS", url, out);
    out.extend_from_slice(b"\r\n");
}

/// Writes everything up to the first wait: heads, and the preview with its end.
pub(super) fn write_message(url: &ServiceUrl, message: &Message, opening: &Opening, out: &mut Vec<u8>) {
    let request = message.request_head(opening.credentials);
    write_head(url, message, opening, out);
    out.extend_from_slice(&request);
    out.extend_from_slice(message.response_head());
    if let (Some(preview), BodyPresence::Present) = (&opening.preview, opening.body) {
        write_preview(preview, out);
    }
}

/// Writes the ICAP head alone.
pub(super) fn write_head(url: &ServiceUrl, message: &Message, opening: &Opening, out: &mut Vec<u8>) {
    let request = message.request_head(opening.credentials).len();
    write_start(message.method().label(), url, out);
    write_allow(opening, out);
    if let Some(preview) = &opening.preview {
        out.extend_from_slice(format!("Preview: {}\r\n", preview.bytes.len()).as_bytes());
    }
    out.extend_from_slice(message.told());
    out.extend_from_slice(encapsulated(message, opening, request).as_bytes());
    out.extend_from_slice(b"\r\n");
}

fn write_start(method: &str, url: &ServiceUrl, out: &mut Vec<u8>) {
    for piece in [method, " ", url.target(), " ICAP/1.0\r\nHost: ", url.host_field(), "\r\n"] {
        out.extend_from_slice(piece.as_bytes());
    }
}

fn write_allow(opening: &Opening, out: &mut Vec<u8>) {
    out.extend_from_slice(match (opening.allow_unchanged, opening.partial) {
        (AllowUnchanged::Anywhere, PartialContent::Refused) => b"Allow: 204\r\n",
        (AllowUnchanged::Anywhere, PartialContent::Offered) => b"Allow: 204, 206\r\n",
        (AllowUnchanged::InPreview, PartialContent::Offered) => b"Allow: 206\r\n",
        (AllowUnchanged::InPreview, PartialContent::Refused) => b"",
    });
}

fn encapsulated(message: &Message, opening: &Opening, request: usize) -> String {
    let total = request + message.response_head().len();
    match (message.method(), opening.body) {
        (IcapMethod::Reqmod, BodyPresence::Present) => format!("Encapsulated: req-hdr=0, req-body={total}\r\n"),
        (IcapMethod::Reqmod, BodyPresence::Absent) => format!("Encapsulated: req-hdr=0, null-body={total}\r\n"),
        (IcapMethod::Respmod, BodyPresence::Present) => {
            format!("Encapsulated: req-hdr=0, res-hdr={request}, res-body={total}\r\n")
        }
        (IcapMethod::Respmod, BodyPresence::Absent) => {
            format!("Encapsulated: req-hdr=0, res-hdr={request}, null-body={total}\r\n")
        }
    }
}

fn write_preview(preview: &Preview, out: &mut Vec<u8>) {
    if !preview.bytes.is_empty() {
        write_chunk(&preview.bytes, out);
    }
    out.extend_from_slice(match preview.end {
        PreviewEnd::Whole => b"0; ieof\r\n\r\n",
        PreviewEnd::Begun => b"0\r\n\r\n",
    });
}
