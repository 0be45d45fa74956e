//! What every head that leaves us must look like, told without any of the product's own parsing code.

#![forbid(unsafe_code)]
#![warn(missing_docs)]

/// Our name in `Via` while fuzzing.
pub const US: &str = "tether-0123abcd";

/// A head taken apart: the start line and its fields as (name, value).
#[derive(Debug)]
pub struct Written<'a> {
    /// Request line or status line.
    pub start: &'a [u8],
    /// Fields in their order.
    pub fields: Vec<(&'a [u8], &'a [u8])>,
}

impl<'a> Written<'a> {
    /// Takes a head apart that must be flawless: one empty line, at its end; every line ends in CR LF and holds no
    /// other CR, LF or NUL; every field is a token, a colon, a space and a value.
    ///
    /// # Panics
    /// When it is not flawless.
    pub fn take_apart(head: &'a [u8]) -> Written<'a> {
        let shown = String::from_utf8_lossy(head);
        let lines = head.strip_suffix(b"\r\n\r\n").unwrap_or_else(|| panic!("no end: {shown:?}"));
        let mut lines = split_lines(lines).into_iter();
        let start = lines.next().expect("split gives one at least");
        assert!(!start.is_empty() && is_clean(start), "start line: {shown:?}");
        let fields = lines.map(|line| {
            let colon = line.iter().position(|byte| *byte == b':').unwrap_or_else(|| panic!("no colon: {shown:?}"));
            let (name, value) = (&line[..colon], &line[colon + 1..]);
            assert!(!name.is_empty() && name.iter().all(|byte| is_token(*byte)), "field name: {shown:?}");
            assert!(value.first() == Some(&b' ') && is_clean(value), "field value: {shown:?}");
            (name, &value[1..])
        });
        Written { start, fields: fields.collect() }
    }

    /// The values of every field of this name.
    pub fn values(&self, name: &str) -> Vec<&'a [u8]> {
        let wanted = |field: &&(&[u8], &[u8])| field.0.eq_ignore_ascii_case(name.as_bytes());
        self.fields.iter().filter(wanted).map(|field| field.1).collect()
    }

    /// Asserts what holds for heads in both directions: one framing field at most, nothing that belongs to one hop,
    /// our own `Via` last of its kind.
    ///
    /// # Panics
    /// When one of them does not hold.
    pub fn assert_fit_to_pass_on(&self) {
        let framings = self.values("content-length").len() + self.values("transfer-encoding").len();
        assert!(framings <= 1, "two framings: {self:?}");
        for coding in self.values("transfer-encoding") {
            assert_eq!(coding, b"chunked");
        }
        for name in
            ["te", "keep-alive", "proxy-connection", "proxy-authorization", "proxy-authenticate", "http2-settings"]
        {
            assert!(self.values(name).is_empty(), "{name} went on: {self:?}");
        }
        let via = self.values("via");
        assert!(via.last().is_some_and(|last| last.ends_with(US.as_bytes())), "not our Via: {self:?}");
    }
}

/// A name for `Via` that no word of `head` is, so that reading it again is not taken for a loop.
pub fn other_pseudonym(head: &[u8]) -> String {
    let mut name = String::from("reader");
    while head.windows(name.len()).any(|window| window == name.as_bytes()) {
        name.push('9');
    }
    name
}

fn split_lines(mut rest: &[u8]) -> Vec<&[u8]> {
    let mut lines = Vec::new();
    while let Some(end) = rest.windows(2).position(|pair| pair == b"\r\n") {
        lines.push(&rest[..end]);
        rest = &rest[end + 2..];
    }
    lines.push(rest);
    lines
}

fn is_clean(line: &[u8]) -> bool {
    !line.iter().any(|byte| matches!(byte, b'\r' | b'\n' | 0))
}

fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}
