//! What addresses of the same kind have in common: the path without the parts that name one thing of many.

/// Longest pattern that is kept, in bytes.
const LONGEST: usize = 160;

/// Letters and digits together that are a name made by a machine, if there are digits among them.
const LONG_WORD: usize = 8;

/// The path without its query, with a `*` in place of every number, UUID and long word with digits in it, cut after
/// 160 bytes.
pub(super) fn fold(path: &str) -> String {
    let path = path.split(['?', '#']).next().unwrap_or_default();
    let mut pattern = String::with_capacity(path.len().min(LONGEST + LONG_WORD));
    let mut rest = path;
    while let Some(first) = rest.chars().next().filter(|_| pattern.len() < LONGEST) {
        let word = rest.find(|next: char| !next.is_ascii_alphanumeric()).unwrap_or(rest.len());
        let used = if let Some(uuid) = rest.get(..36).filter(|text| is_uuid(text) && !goes_on(&rest[36..])) {
            pattern.push('*');
            uuid.len()
        } else if word > 0 {
            fold_word(&rest[..word], &mut pattern);
            word
        } else {
            pattern.push(first);
            first.len_utf8()
        };
        rest = &rest[used..];
    }
    pattern.truncate(pattern.floor_char_boundary(LONGEST));
    pattern
}

fn fold_word(word: &str, pattern: &mut String) {
    let has_digit = word.bytes().any(|byte| byte.is_ascii_digit());
    if has_digit && word.len() >= LONG_WORD {
        return pattern.push('*');
    }
    let mut last = None;
    for letter in word.chars().map(|letter| if letter.is_ascii_digit() { '*' } else { letter }) {
        if letter != '*' || last != Some('*') {
            pattern.push(letter);
        }
        last = Some(letter);
    }
}

fn is_uuid(text: &str) -> bool {
    text.bytes().enumerate().all(|(place, byte)| match place {
        8 | 13 | 18 | 23 => byte == b'-',
        _ => byte.is_ascii_hexdigit(),
    })
}

fn goes_on(rest: &str) -> bool {
    rest.starts_with(|next: char| next.is_ascii_alphanumeric())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_names_one_of_many_is_folded() {
        for (path, pattern) in [
            ("/", "/"),
            ("/events", "/events"),
            ("/events?since=5", "/events"),
            ("/room/17/events", "/room/*/events"),
            ("/v2/room-3a/x", "/v*/room-*a/x"),
            ("/u/123e4567-e89b-12d3-a456-426614174000/live", "/u/*/live"),
            ("/u/123e4567-e89b-12d3-a456-426614174000a", "/u/*-e*b-*d*-a*-*"),
            ("/s/deadbeef01/xhr", "/s/*/xhr"),
            ("/s/deadbeef/xhr", "/s/deadbeef/xhr"),
            ("/sockjs/408/k2x9qwab/xhr_streaming", "/sockjs/*/*/xhr_streaming"),
            ("/\u{e9}1\u{e9}", "/\u{e9}*\u{e9}"),
            ("", ""),
        ] {
            assert_eq!(fold(path), pattern, "{path}");
        }
    }

    proptest! {
        #[test]
        fn numbers_never_matter(front in "[a-z/._-]{0,20}", one in any::<u64>(), other in any::<u64>(), back in "/[a-z/.]{0,20}") {
            prop_assert_eq!(fold(&format!("{front}/{one}{back}")), fold(&format!("{front}/{other}{back}")));
        }

        #[test]
        fn any_path_gives_a_short_pattern(path in ".{0,400}") {
            let pattern = fold(&path);
            prop_assert!(pattern.len() <= LONGEST && !pattern.contains(|byte: char| byte.is_ascii_digit()));
        }
    }
}
