//! Source text without what is not code: comments and literals become spaces, line for line.

/// The code of `text`: comments, strings and characters are blanked, line ends stay.
pub fn code(text: &str) -> String {
    let mut code = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let length = blank_length(rest, code.chars().next_back());
        let (piece, after) = rest.split_at(length.unwrap_or(first.len_utf8()));
        match length {
            Some(_) => code.extend(piece.chars().map(|character| if character == '\n' { '\n' } else { ' ' })),
            None => code.push_str(piece),
        }
        rest = after;
    }
    code
}

/// The length of the comment or literal at the front of `rest`, if there is one. `before` is what stands before it.
fn blank_length(rest: &str, before: Option<char>) -> Option<usize> {
    if rest.starts_with("//") {
        return Some(rest.find('\n').unwrap_or(rest.len()));
    }
    if rest.starts_with("/*") {
        return Some(rest.find("*/").map_or(rest.len(), |at| at + 2));
    }
    let in_word = before.is_some_and(|before| before.is_alphanumeric() || before == '_');
    let unprefixed = if in_word { rest } else { rest.strip_prefix('b').unwrap_or(rest) };
    let prefix = rest.len() - unprefixed.len();
    if !in_word && let Some(hashed) = unprefixed.strip_prefix('r') {
        let quote = hashed.trim_start_matches('#');
        let hashes = hashed.len() - quote.len();
        if let Some(inside) = quote.strip_prefix('"') {
            let end = format!("\"{}", "#".repeat(hashes));
            let length = inside.find(&end).map_or(inside.len(), |at| at + end.len());
            return Some(prefix + 1 + hashes + 1 + length);
        }
    }
    match unprefixed.chars().next() {
        Some('"') => Some(prefix + quoted_length(unprefixed, '"')),
        // A quote that closes soon is a character; any other begins a lifetime.
        Some('\'') if is_character(&unprefixed[1..]) => Some(prefix + quoted_length(unprefixed, '\'')),
        _ => None,
    }
}

fn is_character(inside: &str) -> bool {
    inside.starts_with('\\') || inside.chars().nth(1) == Some('\'')
}

fn quoted_length(quoted: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, character) in quoted.char_indices().skip(1) {
        match character {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            character if character == quote => return at + 1,
            _ => {}
        }
    }
    quoted.len()
}

/// Lines before the tests of a file begin: all of them, or none of a file of tests.
pub fn first_test_line(file: &str, code: &str) -> usize {
    if file.ends_with("/tests.rs") || file.contains("/tests/") {
        return 0;
    }
    code.lines().position(|line| line.trim_start().starts_with("mod tests {")).unwrap_or(usize::MAX)
}
