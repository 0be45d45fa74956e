//! Changes to a request head for the origin, so that what comes back can be scanned.

use std::ops::Range;

use super::field::list;
use super::lines::{FieldLine, field_lines};
use super::push::{Push, of_accept};

/// Whether the client may ask for parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ranges {
    /// It may ask for one. `Range` and `If-Range` go where several are asked for.
    Kept,
    /// It gets the whole: `Range` and `If-Range` go.
    Dropped,
}

/// The codings that can be undone here, in any order, and no coding at all.
const UNDONE: [&[u8]; 6] = [b"gzip", b"x-gzip", b"deflate", b"br", b"zstd", b"identity"];

/// What is asked for where nothing else is left.
const PLAIN: &[u8] = b"identity";

/// Changes a head that we wrote ourselves so that the response to it can be scanned:
///
/// - `Accept-Encoding` names only codings that can be undone here, with their weights as they were; `*` goes, and
///   `identity` stands where nothing is left. A request for nothing but an event stream asks for `identity`: events in a
///   compressed stream cannot be told apart before they are decoded.
/// - `Range` and `If-Range` go with [`Ranges::Dropped`], and where several parts are asked for: they come in an order of the
///   client's choice, in a body of their own kind (RFC 9110 section 14.6).
///
/// Every other byte stays as it is.
pub fn prepare_for_scanning(head: &mut Vec<u8>, ranges: Ranges) {
    let push =
        field_lines(head).filter(|line| line.is("accept")).last().map_or(Push::Unsaid, |line| of_accept(line.value));
    let several = field_lines(head).filter(|line| line.is("range")).any(|line| line.value.contains(&b','));
    let ranges = if several { Ranges::Dropped } else { ranges };
    let edits: Vec<Edit> = field_lines(head).filter_map(|line| edit(&line, push, ranges)).collect();
    if push == Push::Declared && !field_lines(head).any(|line| line.is("accept-encoding")) {
        add_plain(head);
    }
    // From the last to the first, so that the places of those before stay true.
    for edit in edits.into_iter().rev() {
        head.splice(edit.place, edit.text);
    }
}

/// Takes `Expect` out of a head that we wrote ourselves: what it asks for has been answered.
pub fn drop_expect(head: &mut Vec<u8>) {
    let places: Vec<Range<usize>> =
        field_lines(head).filter(|line| line.is("expect")).map(|line| line.place.clone()).collect();
    for place in places.into_iter().rev() {
        head.drain(place);
    }
}

/// Bytes to be replaced, and by what.
struct Edit {
    place: Range<usize>,
    text: Vec<u8>,
}

fn edit(line: &FieldLine<'_>, push: Push, ranges: Ranges) -> Option<Edit> {
    if line.is("accept-encoding") {
        let text = match push {
            Push::Declared => (!line.value.eq_ignore_ascii_case(PLAIN)).then(|| PLAIN.to_vec()),
            Push::Unsaid => reduced(line.value),
        };
        return text.map(|text| Edit { place: line.value_place.clone(), text });
    }
    let goes = ranges == Ranges::Dropped && (line.is("range") || line.is("if-range"));
    goes.then(|| Edit { place: line.place.clone(), text: Vec::new() })
}

/// The list without the codings that cannot be undone; none where it has no such.
fn reduced(value: &[u8]) -> Option<Vec<u8>> {
    if list(value).all(can_be_undone) {
        return None;
    }
    let kept: Vec<&[u8]> = list(value).filter(|member| can_be_undone(member)).collect();
    Some(if kept.is_empty() { PLAIN.to_vec() } else { kept.join(&b", "[..]) })
}

fn can_be_undone(member: &[u8]) -> bool {
    let coding = member.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
    UNDONE.iter().any(|known| known.eq_ignore_ascii_case(coding))
}

/// Adds `Accept-Encoding: identity` as the last field.
fn add_plain(head: &mut Vec<u8>) {
    if head.ends_with(b"\r\n\r\n") {
        head.truncate(head.len() - 2);
        head.extend_from_slice(b"Accept-Encoding: identity\r\n\r\n");
    }
}

#[cfg(test)]
mod tests;
