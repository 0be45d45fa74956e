//! Looks keys up in the commented default file, so that help texts quote lines that are known to be right.

use super::DEFAULT_TOML;

/// One `key = value` line of the default file, commented out or not.
struct Line {
    section: &'static str,
    key: &'static str,
    text: &'static str,
}

/// A line that shows how `key` of `section` is written; the commented example where there is one.
pub(super) fn example(section: &str, key: &str) -> Option<&'static str> {
    lines().find(|line| line.section == section && line.key == key).map(|line| line.text)
}

/// The header of `section` as it is written, with one pair of brackets or two.
pub(super) fn header(section: &str) -> Option<&'static str> {
    DEFAULT_TOML.lines().find(|line| section_of(line) == Some(section))
}

/// The sections that know `key`; the top of the file is `""`.
pub(super) fn homes(key: &str) -> Vec<&'static str> {
    lines().filter(|line| line.key == key).map(|line| line.section).collect()
}

fn lines() -> impl Iterator<Item = Line> {
    DEFAULT_TOML
        .lines()
        .scan("", |section, line| {
            *section = section_of(line).unwrap_or(section);
            Some((*section, line))
        })
        .filter_map(|(section, line)| {
            let text = line.strip_prefix("# ").unwrap_or(line);
            let (key, _) = text.split_once(" = ")?;
            is_bare(key).then_some(Line { section, key, text })
        })
}

fn section_of(line: &'static str) -> Option<&'static str> {
    let inside = line.strip_prefix('[')?.trim_start_matches('[');
    Some(inside.trim_end_matches(']'))
}

fn is_bare(key: &str) -> bool {
    key.bytes().all(|b| b.is_ascii_lowercase() || b == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_lines_headers_and_homes() {
        assert_eq!(example("", "workers"), Some("workers = 2"));
        assert_eq!(example("timeouts", "drain"), Some("drain = \"30s\""));
        assert_eq!(example("admin", "drain"), None);
        assert_eq!(header("forward"), Some("[[forward]]"));
        assert_eq!(header("resolver.hosts"), Some("[resolver.hosts]"));
        assert_eq!(homes("bind"), ["admin", "forward"]);
        assert_eq!(homes("workers"), [""]);
        assert!(homes("nothing").is_empty());
    }
}
