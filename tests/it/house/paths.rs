//! Which modules of the crate a file refers to, by `use` or in the middle of its code.

use super::text::first_test_line;

/// A path into the crate, without `crate::`, and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reference {
    /// Such as `net::socket`; to the end where that is known.
    pub path: String,
    /// The line, from 1.
    pub line: usize,
}

/// Every path in `code` that begins at the root of the crate, groups taken apart.
pub fn references(file: &str, code: &str) -> Vec<Reference> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(start) = next_word(code, at) {
        let rest = &code[start..];
        at = start + word_length(rest);
        let line = || code[..start].matches('\n').count() + 1;
        let inside = match rest.strip_prefix("crate::") {
            Some(inside) => Some(inside),
            None if rest.starts_with("super::") => strip_supers(rest, depth(file, code, line())),
            None => None,
        };
        if let Some(inside) = inside {
            let mut paths = Vec::new();
            at = code.len() - expand(inside, "", &mut paths).len();
            found.extend(paths.into_iter().map(|path| Reference { path, line: line() }));
        }
    }
    found
}

/// How many `super::` lead from this line to the root of the crate.
fn depth(file: &str, code: &str, line: usize) -> usize {
    let own = file.trim_start_matches("src/").trim_end_matches(".rs").split('/').count();
    let in_inline_tests = !file.ends_with("tests.rs") && line > first_test_line(file, code);
    if in_inline_tests { own + 1 } else { own }
}

fn strip_supers(rest: &str, roots: usize) -> Option<&str> {
    let inside = (0..roots).try_fold(rest, |rest, _| rest.strip_prefix("super::"))?;
    // `super::*` brings nothing into a test but what its own file names.
    (!inside.starts_with('*')).then_some(inside)
}

/// Takes one path or group from the front of `rest`; gives what follows it.
fn expand<'a>(rest: &'a str, prefix: &str, paths: &mut Vec<String>) -> &'a str {
    let rest = rest.trim_start();
    if let Some(mut group) = rest.strip_prefix('{') {
        loop {
            group = group.trim_start_matches([',', ' ', '\n', '\t']);
            match group.strip_prefix('}') {
                Some(after) => return after,
                None if group.is_empty() => return group,
                None => group = skip_alias(expand(group, prefix, paths)),
            }
        }
    }
    let length = word_length(rest).max(usize::from(rest.starts_with('*'))).max(1).min(rest.len());
    let (word, after) = rest.split_at(length);
    let path = if prefix.is_empty() { word.to_owned() } else { format!("{prefix}::{word}") };
    match after.strip_prefix("::") {
        Some(after) if after.starts_with(|next: char| next == '{' || next == '_' || next.is_alphabetic()) => {
            expand(after, &path, paths)
        }
        _ => {
            paths.push(path);
            after
        }
    }
}

fn skip_alias(rest: &str) -> &str {
    match rest.trim_start().strip_prefix("as ") {
        Some(alias) => &alias[word_length(alias)..],
        None => rest,
    }
}

/// Where the next word begins that is not the middle of a path.
fn next_word(code: &str, from: usize) -> Option<usize> {
    let bytes = code.as_bytes();
    (from..code.len()).find(|&at| {
        let begins = is_word(bytes[at]) && !bytes[at].is_ascii_digit();
        let continues = at > 0 && (is_word(bytes[at - 1]) || bytes[at - 1] == b':' || bytes[at - 1] == b'$');
        begins && !continues
    })
}

fn word_length(rest: &str) -> usize {
    rest.bytes().take_while(|byte| is_word(*byte)).count()
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}
