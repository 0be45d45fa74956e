//! Looks keys up in a commented example file, so that help texts quote lines that are known to be right.

use super::{BYPASS_TOML, DEFAULT_TOML, INSPECT_TOML, LIMITS_TOML, SCAN_TOML};

/// One kind of file: a commented example that has every key of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Catalogue {
    example: &'static str,
    /// What shows how such a file is written, for messages.
    pub shown_by: &'static str,
}

/// The configuration file.
pub(super) const MAIN: Catalogue = Catalogue { example: DEFAULT_TOML, shown_by: "`tether config default`" };

/// The file of limits, rates and destinations.
pub(super) const RULES: Catalogue =
    Catalogue { example: LIMITS_TOML, shown_by: "the `policies/limits.toml` of Tether" };

/// The file of the built-in scanner's rules.
pub(super) const SCAN: Catalogue = Catalogue { example: SCAN_TOML, shown_by: "the `policies/scan.toml` of Tether" };

/// The file of the rules of inspection.
pub(super) const INSPECT: Catalogue =
    Catalogue { example: INSPECT_TOML, shown_by: "the `policies/inspect.toml` of Tether" };

/// The file of the bypass list.
pub(super) const BYPASS: Catalogue =
    Catalogue { example: BYPASS_TOML, shown_by: "the `policies/bypass.toml` of Tether" };

/// The section that shows how those with names of their own are written: what they share, and its name in the example.
const NAMED: (&str, &str) = ("icap.", "icap.av");

/// One `key = value` line of the example, commented out or not.
struct Line {
    section: &'static str,
    key: &'static str,
    text: &'static str,
}

impl Catalogue {
    /// A line that shows how `key` of `section` is written; the commented example where there is one.
    pub fn example(&self, section: &str, key: &str) -> Option<&'static str> {
        let section = if section.starts_with(NAMED.0) { NAMED.1 } else { section };
        self.lines().find(|line| line.section == section && line.key == key).map(|line| line.text)
    }

    /// The header of `section` as it is written, with one pair of brackets or two.
    pub fn header(&self, section: &str) -> Option<&'static str> {
        self.headers().find(|line| section_of(line) == Some(section))
    }

    /// The headers of the sections that may be repeated, in the order of the example.
    pub fn repeatable(&self) -> Vec<&'static str> {
        let mut headers: Vec<&str> = Vec::new();
        for header in self.headers().filter(|line| line.starts_with("[[")) {
            if !headers.contains(&header) {
                headers.push(header);
            }
        }
        headers
    }

    /// The sections that know `key`, each once; the top of the file is `""`.
    pub fn homes(&self, key: &str) -> Vec<&'static str> {
        let mut sections: Vec<&str> = Vec::new();
        for line in self.lines().filter(|line| line.key == key) {
            if !sections.contains(&line.section) {
                sections.push(line.section);
            }
        }
        sections
    }

    fn headers(&self) -> impl Iterator<Item = &'static str> {
        self.example.lines().map(uncommented).filter(|line| section_of(line).is_some())
    }

    fn lines(&self) -> impl Iterator<Item = Line> {
        self.example
            .lines()
            .map(uncommented)
            .scan("", |section, line| {
                *section = section_of(line).unwrap_or(section);
                Some((*section, line))
            })
            .filter_map(|(section, text)| {
                let (key, _) = text.split_once(" = ")?;
                is_bare(key).then_some(Line { section, key, text })
            })
    }
}

fn uncommented(line: &'static str) -> &'static str {
    line.strip_prefix("# ").unwrap_or(line)
}

fn section_of(line: &'static str) -> Option<&'static str> {
    let inside = line.strip_prefix('[')?.trim_start_matches('[').strip_suffix(']')?;
    Some(inside.trim_end_matches(']'))
}

fn is_bare(key: &str) -> bool {
    key.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_lines_headers_and_homes() {
        assert_eq!(MAIN.example("", "workers"), Some("workers = 2"));
        assert_eq!(MAIN.example("timeouts", "drain"), Some("drain = \"30s\""));
        assert_eq!(MAIN.example("admin", "drain"), None);
        assert_eq!(MAIN.header("forward"), Some("[[forward]]"));
        assert_eq!(MAIN.header("resolver.hosts"), Some("[resolver.hosts]"));
        assert_eq!(MAIN.homes("bind"), ["admin", "forward", "icap_server"]);
        assert_eq!(MAIN.homes("workers"), [""]);
        assert!(MAIN.homes("nothing").is_empty());
        assert_eq!(MAIN.repeatable(), ["[[forward]]", "[[icap_server]]"]);
    }

    #[test]
    fn finds_what_is_commented_out() {
        assert_eq!(RULES.header("rate"), Some("[[rate]]"));
        assert_eq!(RULES.homes("hosts"), ["group"]);
        assert_eq!(RULES.homes("exchanges"), ["limit"]);
        assert_eq!(RULES.homes("half_close"), ["destination"]);
        assert_eq!(RULES.repeatable(), ["[[limit]]", "[[group]]", "[[rate]]", "[[destination]]"]);
    }
}
