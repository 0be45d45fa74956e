//! Parameters behind a value: `; name=value`, `; name="quoted"`, and the extended form with a character set.

/// The parameter `name` of a field, its quotes and their escapes resolved. Of several, the first.
pub(super) fn parameter(field: &[u8], name: &str) -> Option<Vec<u8>> {
    let mut rest = &field[memchr::memchr(b';', field)?..];
    while let Some(behind) = rest.strip_prefix(b";") {
        let end = behind.iter().position(|byte| matches!(byte, b';' | b'=')).unwrap_or(behind.len());
        let (own, after) = behind.split_at(end);
        let (value, after) = match after.strip_prefix(b"=") {
            Some(value) => read_value(value.trim_ascii_start()),
            None => (Vec::new(), after),
        };
        if own.trim_ascii().eq_ignore_ascii_case(name.as_bytes()) {
            return Some(value);
        }
        rest = after;
    }
    None
}

/// A token or a quoted string (RFC 9110 section 5.6.4), and what follows it from the next semicolon on.
fn read_value(text: &[u8]) -> (Vec<u8>, &[u8]) {
    let Some(inside) = text.strip_prefix(b"\"") else {
        let (value, after) = text.split_at(memchr::memchr(b';', text).unwrap_or(text.len()));
        return (value.trim_ascii().to_vec(), after);
    };
    let mut value = Vec::new();
    let mut bytes = inside.iter().enumerate();
    let mut end = inside.len();
    while let Some((at, byte)) = bytes.next() {
        match byte {
            b'"' => {
                end = at + 1;
                break;
            }
            b'\\' => value.extend(bytes.next().map(|(_, escaped)| *escaped)),
            other => value.push(*other),
        }
    }
    let after = &inside[end..];
    (value, &after[memchr::memchr(b';', after).unwrap_or(after.len())..])
}

/// An extended value, `UTF-8'language'text`, its escapes resolved (RFC 8187 section 3.2).
pub(super) fn extended(value: &[u8]) -> Option<Vec<u8>> {
    let mut parts = value.splitn(3, |byte| *byte == b'\'');
    let (_charset, _language) = (parts.next()?, parts.next()?);
    let mut rest = parts.next()?;
    let mut text = Vec::with_capacity(rest.len());
    while let Some((first, behind)) = rest.split_first() {
        let escaped = if *first == b'%' { behind.first_chunk().and_then(escaped) } else { None };
        text.push(escaped.unwrap_or(*first));
        rest = if escaped.is_some() { &behind[2..] } else { behind };
    }
    Some(text)
}

fn escaped([high, low]: &[u8; 2]) -> Option<u8> {
    let digit = |digit: u8| char::from(digit).to_digit(16);
    u8::try_from(digit(*high)? << 4 | digit(*low)?).ok()
}
