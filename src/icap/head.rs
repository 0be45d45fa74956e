//! ICAP heads: strict in what they mean, tolerant in how lines are written (folds, bare line feeds).

use super::error::Fault;
use crate::http::field::list;

/// Largest head, in bytes.
pub const MAX_HEAD: usize = 64 * 1024;
/// Most lines of a head, folded ones included.
pub const MAX_LINES: usize = 200;
/// How every head begins, up to the minor version.
const BEGINNING: &[u8] = b"ICAP/1.";

/// Looks for the end of a head that comes in pieces; no byte is looked at twice.
#[derive(Debug, Default)]
pub struct HeadEnd {
    line_start: usize,
    scanned: usize,
    lines: usize,
}

impl HeadEnd {
    /// The length of the head of an answer at the start of `input`, its empty line included; `None` when more is needed.
    /// `input` must begin with what it held in the call before.
    ///
    /// # Errors
    /// [`Fault`] as soon as it is certain that no head can come of it.
    pub fn find(&mut self, input: &[u8]) -> Result<Option<usize>, Fault> {
        let known = input.len().min(BEGINNING.len());
        if input[..known] != BEGINNING[..known] {
            return Err(Fault::StatusLine);
        }
        self.find_any(input)
    }

    /// As [`HeadEnd::find`], whatever the first line is.
    ///
    /// # Errors
    /// [`Fault::HeadTooLarge`].
    pub fn find_any(&mut self, input: &[u8]) -> Result<Option<usize>, Fault> {
        while let Some(offset) = memchr::memchr(b'\n', &input[self.scanned..]) {
            let at = self.scanned + offset;
            let line = &input[self.line_start..at];
            (self.line_start, self.scanned) = (at + 1, at + 1);
            self.lines += 1;
            if self.lines > MAX_LINES || at >= MAX_HEAD {
                return Err(Fault::HeadTooLarge);
            }
            if line.strip_suffix(b"\r").unwrap_or(line).is_empty() {
                return Ok(Some(at + 1));
            }
        }
        self.scanned = input.len();
        if input.len() >= MAX_HEAD { Err(Fault::HeadTooLarge) } else { Ok(None) }
    }
}

/// The fields of a head, in their order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fields(Vec<(Vec<u8>, Vec<u8>)>);

impl Fields {
    /// Reads the lines of a head behind its first one, up to the empty line. Folded lines become one value with line feeds
    /// in it.
    ///
    /// # Errors
    /// [`Fault::Field`].
    pub fn read<'a>(lines: impl Iterator<Item = &'a [u8]>) -> Result<Self, Fault> {
        let mut fields: Vec<(Vec<u8>, Vec<u8>)> = Vec::new();
        for line in lines.take_while(|line| !line.is_empty()) {
            if line.iter().any(|byte| matches!(byte, b'\r' | 0)) {
                return Err(Fault::Field);
            }
            if matches!(line.first(), Some(b' ' | b'\t')) {
                let (_, value) = fields.last_mut().ok_or(Fault::Field)?;
                value.push(b'\n');
                value.extend_from_slice(line.trim_ascii());
                continue;
            }
            let colon = memchr::memchr(b':', line).ok_or(Fault::Field)?;
            let (name, value) = (&line[..colon], line[colon + 1..].trim_ascii());
            if name.is_empty() || !name.iter().all(u8::is_ascii_graphic) {
                return Err(Fault::Field);
            }
            fields.push((name.to_vec(), value.to_vec()));
        }
        Ok(Self(fields))
    }

    /// The first field of this name, in any letter case.
    pub fn first(&self, name: &str) -> Option<&[u8]> {
        let named = self.0.iter().find(|(own, _)| own.eq_ignore_ascii_case(name.as_bytes()));
        named.map(|(_, value)| value.as_slice())
    }

    /// Every field of this name.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
        let of_name = self.0.iter().filter(|(own, _)| own.eq_ignore_ascii_case(name.as_bytes()));
        of_name.map(|(_, value)| value.as_slice())
    }

    /// Whether a list field has this member, in any letter case.
    pub fn lists(&self, name: &str, member: &str) -> bool {
        self.all(name).flat_map(list).any(|own| own.eq_ignore_ascii_case(member.as_bytes()))
    }
}

/// The lines of a head, their ends left off.
pub(super) fn lines(head: &[u8]) -> impl Iterator<Item = &[u8]> {
    head.split(|byte| *byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line))
}

/// A head of an answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IcapHead {
    /// The status, 100 to 999.
    pub status: u16,
    fields: Fields,
}

impl IcapHead {
    /// Reads a complete head.
    ///
    /// # Errors
    /// [`Fault::StatusLine`] or [`Fault::Field`].
    pub fn parse(head: &[u8]) -> Result<Self, Fault> {
        let mut lines = lines(head);
        let status = status_of(lines.next().unwrap_or_default()).ok_or(Fault::StatusLine)?;
        Ok(Self { status, fields: Fields::read(lines)? })
    }

    /// The first field of this name, in any letter case.
    pub fn field(&self, name: &str) -> Option<&[u8]> {
        self.fields.first(name)
    }

    /// Every field of this name.
    pub fn fields<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
        self.fields.all(name)
    }

    /// Whether a list field has this member, in any letter case.
    pub fn lists(&self, name: &str, member: &str) -> bool {
        self.fields.lists(name, member)
    }

    /// The service tag without its quotes; none when it is missing or empty.
    pub fn istag(&self) -> Option<String> {
        let tag = self.field("ISTag")?.trim_ascii();
        let tag = tag.strip_prefix(b"\"").and_then(|tag| tag.strip_suffix(b"\"")).unwrap_or(tag);
        (!tag.is_empty()).then(|| legible(tag))
    }
}

/// Longest text of a server that we repeat, in characters.
const LONGEST_TEXT: usize = 256;

/// A server's words as text for logs: UTF-8 or Latin-1, no control characters, not without end.
pub fn legible(bytes: &[u8]) -> String {
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text.to_owned(),
        Err(_) => bytes.iter().map(|byte| char::from(*byte)).collect(),
    };
    let shown = text.chars().take(LONGEST_TEXT);
    shown.map(|letter| if letter.is_control() || is_directing(letter) { '\u{fffd}' } else { letter }).collect()
}

/// Characters that turn the direction of writing or cannot be seen.
fn is_directing(letter: char) -> bool {
    matches!(letter, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

fn status_of(line: &[u8]) -> Option<u16> {
    let (minor, rest) = line.strip_prefix(BEGINNING)?.split_first()?;
    let rest = rest.strip_prefix(b" ").filter(|_| minor.is_ascii_digit())?.trim_ascii_start();
    let (digits, reason) = rest.split_at_checked(3)?;
    let ends = matches!(reason.first(), None | Some(b' ' | b'\t'));
    let all_digits = digits.iter().all(u8::is_ascii_digit) && digits[0] != b'0';
    (ends && all_digits).then(|| digits.iter().fold(0, |sum, digit| sum * 10 + u16::from(digit - b'0')))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(head: &[u8]) -> Result<IcapHead, Fault> {
        let length = HeadEnd::default().find(head)?.expect("a whole head");
        IcapHead::parse(&head[..length])
    }

    #[test]
    fn written_in_many_ways() {
        for head in [
            &b"ICAP/1.0 204 No Content\r\nIsTag: \"a b\"\r\n\r\nrest"[..],
            b"ICAP/1.0 204\r\nISTAG:\"a b\"\r\n\r\n",
            b"ICAP/1.1 204 \nistag: a b\n\n",
            b"ICAP/1.0  204 Unmodified\r\nISTag:\r\n a b\r\n\r\n",
        ] {
            let head = parse(head).expect("good");
            assert_eq!(head.status, 204);
            assert_eq!(head.istag().expect("a tag").trim_start_matches('\u{fffd}'), "a b");
        }
    }

    #[test]
    fn folds_are_kept_as_lines() {
        let head =
            parse(b"ICAP/1.0 200 OK\r\nX-Violations-Found: 1\r\n\tf\r\n  Eicar\r\n 0\r\n\t2\r\n\r\n").expect("good");
        assert_eq!(head.field("x-violations-found"), Some(&b"1\nf\nEicar\n0\n2"[..]));
    }

    #[test]
    fn refused() {
        for (head, fault) in [
            (&b"HTTP/1.1 200 OK\r\n\r\n"[..], Fault::StatusLine),
            (b"\r\n\r\n", Fault::StatusLine),
            (b"ICAP/2.0 200 OK\r\n\r\n", Fault::StatusLine),
            (b"ICAP/1.0 1000 OK\r\n\r\n", Fault::StatusLine),
            (b"ICAP/1.0 20 OK\r\n\r\n", Fault::StatusLine),
            (b"ICAP/1.0 020 OK\r\n\r\n", Fault::StatusLine),
            (b"ICAP/1.0200 OK\r\n\r\n", Fault::StatusLine),
            (b"ICAP/1.0 200 OK\r\n folded\r\n\r\n", Fault::Field),
            (b"ICAP/1.0 200 OK\r\nno colon\r\n\r\n", Fault::Field),
            (b"ICAP/1.0 200 OK\r\n: x\r\n\r\n", Fault::Field),
            (b"ICAP/1.0 200 OK\r\nA : x\r\n\r\n", Fault::Field),
            (b"ICAP/1.0 200 OK\r\nA: x\ry\r\n\r\n", Fault::Field),
            (b"ICAP/1.0 200 OK\r\nA: x\0y\r\n\r\n", Fault::Field),
        ] {
            assert_eq!(parse(head), Err(fault), "{:?}", String::from_utf8_lossy(head));
        }
    }

    #[test]
    fn gives_up_at_the_limits() {
        let begun = b"ICAP/1.0 200 OK\r\n".to_vec();
        let many = [begun.clone(), b"A: b\r\n".repeat(MAX_LINES)].concat();
        assert_eq!(HeadEnd::default().find(&many), Err(Fault::HeadTooLarge));
        let long = [begun, vec![b'a'; MAX_HEAD]].concat();
        assert_eq!(HeadEnd::default().find(&long), Err(Fault::HeadTooLarge));
    }

    #[test]
    fn the_end_is_found_whatever_the_pieces() {
        let head = b"ICAP/1.0 200 OK\r\nA: b\r\n\r\n";
        let mut end = HeadEnd::default();
        for length in 0..head.len() {
            assert_eq!(end.find(&head[..length]), Ok(None));
        }
        assert_eq!(end.find(head), Ok(Some(head.len())));
    }

    #[test]
    fn words_of_a_server_are_made_legible() {
        assert_eq!(legible(b"Eic\x1b[31mar\xe4"), "Eic\u{fffd}[31mar\u{e4}");
        assert_eq!(legible(&[b'a'; 1000]).len(), LONGEST_TEXT);
    }
}
