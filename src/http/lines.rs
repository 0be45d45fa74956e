//! The field lines of a head, with their places in it.

use std::ops::Range;

/// One field line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct FieldLine<'a> {
    /// Where the line stands, its end included.
    pub(super) place: Range<usize>,
    /// Where the value stands.
    pub(super) value_place: Range<usize>,
    /// The name, in the letters in which it came.
    pub(super) name: &'a [u8],
    /// The value, without the white space around it.
    pub(super) value: &'a [u8],
}

impl FieldLine<'_> {
    /// Whether it is the field of this name.
    pub(super) fn is(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name.as_bytes())
    }
}

/// The field lines of `head`, up to its empty line. What is no field line is left out.
pub(super) fn field_lines(head: &[u8]) -> impl Iterator<Item = FieldLine<'_>> {
    let first = memchr::memchr(b'\n', head).map_or(head.len(), |at| at + 1);
    let mut at = first;
    let lines = std::iter::from_fn(move || {
        let start = at;
        let line = &head[start..start + memchr::memchr(b'\n', &head[start..])?];
        at = start + line.len() + 1;
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        (!line.is_empty()).then_some((start..at, line))
    });
    lines.filter_map(|(place, line)| {
        let colon = memchr::memchr(b':', line)?;
        let value = line[colon + 1..].trim_ascii_start();
        let value_start = place.start + line.len() - value.len();
        let value = value.trim_ascii_end();
        Some(FieldLine { place, value_place: value_start..value_start + value.len(), name: &line[..colon], value })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_and_their_places() {
        let head = b"GET / HTTP/1.1\r\nHost: h\r\nEmpty:\r\nno field\r\nA:  b c \r\n\r\nBody: x\r\n";
        let found: Vec<FieldLine<'_>> = field_lines(head).collect();
        let names: Vec<&[u8]> = found.iter().map(|line| line.name).collect();
        assert_eq!(names, [&b"Host"[..], b"Empty", b"A"]);
        for line in &found {
            assert_eq!(&head[line.value_place.clone()], line.value);
            assert!(head[line.place.clone()].starts_with(line.name) && head[line.place.clone()].ends_with(b"\r\n"));
        }
        assert_eq!(found[2].value, b"b c");
        assert!(found[0].is("HOST") && !found[0].is("Hos"));
    }

    #[test]
    fn a_head_without_fields_has_none() {
        for head in
            [&b""[..], b"\n", b"HTTP/1.1 200 OK", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\n\r\n", b"x\r\na: b"]
        {
            assert_eq!(field_lines(head).count(), 0, "{}", head.escape_ascii());
        }
    }
}
