//! What a service says it found, in the fields that vendors have agreed on more or less.

use std::fmt;

use super::head::{IcapHead, legible};

/// What was done about a finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resolution {
    /// Nothing: it is still there.
    NotRepaired,
    /// It was taken out.
    Repaired,
    /// The message was blocked.
    Blocked,
}

impl Resolution {
    /// The word in logs.
    pub const fn label(self) -> &'static str {
        match self {
            Resolution::NotRepaired => "not repaired",
            Resolution::Repaired => "repaired",
            Resolution::Blocked => "blocked",
        }
    }
}

/// One finding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Its name, fit to be shown; empty when the service has none for it.
    pub threat: String,
    /// What was done about it.
    pub resolution: Resolution,
}

/// Everything a service says it found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Findings {
    /// Findings in the order in which they are told, at most 16.
    pub found: Vec<Finding>,
    /// The service says that it blocked the message (`X-Response-Info`).
    pub says_blocked: bool,
    /// Why, in its own words, fit to be shown. It may give a reason for anything, so this alone is no finding.
    pub reason: Option<String>,
}

/// Fields that give a reason in free text; the first that says something counts.
const REASONS: [&str; 3] = ["X-Blocked-Reason", "X-Block-Reason", "X-Response-Desc"];

/// Most findings that are kept.
const MOST: usize = 16;
/// Most findings that are written out.
const MOST_SHOWN: usize = 3;
/// Lines of one finding in `X-Violations-Found`: file, threat, problem, resolution.
const VIOLATION_LINES: usize = 4;

impl Findings {
    /// Reads the fields of an answer: `X-Infection-Found`, else `X-Virus-ID`, else `X-Violations-Found`; and
    /// `X-Response-Info`.
    pub fn of(head: &IcapHead) -> Self {
        let mut found: Vec<Finding> = head.fields("X-Infection-Found").take(MOST).map(infection).collect();
        if found.is_empty() {
            found = head.fields("X-Virus-ID").take(MOST).filter_map(virus).collect();
        }
        if found.is_empty() {
            found = head.field("X-Violations-Found").map(violations).unwrap_or_default();
        }
        let info = head.field("X-Response-Info").unwrap_or_default();
        let reason = REASONS.iter().filter_map(|name| head.field(name)).find(|text| !text.trim_ascii().is_empty());
        Self {
            found,
            says_blocked: info.trim_ascii().eq_ignore_ascii_case(b"blocked"),
            reason: reason.map(|text| legible(text.trim_ascii())),
        }
    }

    /// The first threat that has a name.
    pub fn threat(&self) -> Option<&str> {
        self.found.iter().map(|finding| finding.threat.as_str()).find(|threat| !threat.is_empty())
    }

    /// Whether something was found that is not said to be repaired.
    pub fn is_bad(&self) -> bool {
        self.says_blocked || self.found.iter().any(|finding| finding.resolution != Resolution::Repaired)
    }

    /// Whether nothing was found.
    pub fn is_empty(&self) -> bool {
        self.found.is_empty() && !self.says_blocked
    }
}

/// What was found and what became of it, on one line; nothing where nothing was found.
impl fmt::Display for Findings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, finding) in self.found.iter().take(MOST_SHOWN).enumerate() {
            let name = if finding.threat.is_empty() { "no name given" } else { &finding.threat };
            let comma = if at > 0 { ", " } else { "" };
            write!(f, "{comma}{name} ({})", finding.resolution.label())?;
        }
        if self.found.len() > MOST_SHOWN {
            write!(f, " and {} more", self.found.len() - MOST_SHOWN)?;
        }
        if self.found.is_empty() && self.says_blocked {
            f.write_str("blocked")?;
        }
        match &self.reason {
            Some(reason) if !self.is_empty() => write!(f, ": {reason}"),
            _ => Ok(()),
        }
    }
}

/// `Type=0; Resolution=2; Threat=NAME;`
fn infection(value: &[u8]) -> Finding {
    let mut finding = Finding { threat: String::new(), resolution: Resolution::Blocked };
    for parameter in value.split(|byte| *byte == b';').map(<[u8]>::trim_ascii) {
        let Some(equals) = memchr::memchr(b'=', parameter) else { continue };
        let (name, value) = (&parameter[..equals], parameter[equals + 1..].trim_ascii());
        if name.trim_ascii().eq_ignore_ascii_case(b"resolution") {
            finding.resolution = resolution(value);
        } else if name.trim_ascii().eq_ignore_ascii_case(b"threat") {
            finding.threat = legible(value);
        }
    }
    finding
}

fn virus(value: &[u8]) -> Option<Finding> {
    let harmless = value.is_empty()
        || [&b"no threats"[..], b"none", b"no", b"-", b"0"].iter().any(|word| value.eq_ignore_ascii_case(word));
    (!harmless).then(|| Finding { threat: legible(value), resolution: Resolution::Blocked })
}

/// A count, then four lines for each.
fn violations(value: &[u8]) -> Vec<Finding> {
    let mut lines = value.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
    let first = lines.next().unwrap_or_default();
    let digits = first.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let count = crate::http::framing::decimal(&first[..digits]).map_or(0, |count| count.min(MOST as u64));
    let lines: Vec<&[u8]> = lines.collect();
    let mut told = lines.chunks(VIOLATION_LINES);
    let finding = |lines: &[&[u8]]| Finding {
        threat: lines.get(1).map(|threat| legible(threat)).unwrap_or_default(),
        resolution: lines.get(3).map_or(Resolution::Blocked, |word| resolution(word)),
    };
    (0..count).map(|_| finding(told.next().unwrap_or_default())).collect()
}

/// What cannot be read counts as the worst.
fn resolution(value: &[u8]) -> Resolution {
    match value {
        b"0" => Resolution::NotRepaired,
        b"1" => Resolution::Repaired,
        _ => Resolution::Blocked,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings(fields: &str) -> Findings {
        Findings::of(&IcapHead::parse(format!("ICAP/1.0 200 OK\r\n{fields}\r\n").as_bytes()).expect("a head"))
    }

    #[test]
    fn what_vendors_say() {
        for (fields, threat, bad) in [
            (
                "X-Infection-Found: Type=0; Resolution=2; Threat=Eicar-Test-Signature;\r\n",
                Some("Eicar-Test-Signature"),
                true,
            ),
            ("x-infection-found: Type=0;Resolution=1;Threat=Macro\r\n", Some("Macro"), false),
            ("X-Infection-Found: nonsense\r\n", None, true),
            ("X-Virus-ID: Eicar Test\r\n", Some("Eicar Test"), true),
            ("X-Virus-ID: no threats\r\n", None, false),
            ("X-Violations-Found: 1\r\n\t-\r\n\tEicar\r\n\t0\r\n\t2\r\n", Some("Eicar"), true),
            ("X-Violations-Found: 2\r\n\tf\r\n\tA\r\n\t0\r\n\t1\r\n\tg\r\n\tB\r\n\t0\r\n\t0\r\n", Some("A"), true),
            ("X-Violations-Found: 1\r\n", None, true),
            ("X-Violations-Found: 0\r\n", None, false),
            ("X-Violations-Found: many\r\n", None, false),
            ("X-Response-Info: Blocked\r\n", None, true),
            ("X-Response-Info: Allowed\r\n", None, false),
            ("", None, false),
        ] {
            let found = findings(fields);
            assert_eq!((found.threat(), found.is_bad()), (threat, bad), "{fields:?}");
        }
    }

    #[test]
    fn told_on_one_line() {
        for (fields, told) in [
            ("", ""),
            ("X-Response-Desc: nothing to say\r\n", ""),
            ("X-Infection-Found: Type=0; Resolution=2; Threat=Eicar;\r\n", "Eicar (blocked)"),
            ("X-Virus-ID: A\r\nX-Blocked-Reason:  \r\nX-Block-Reason: Infected\r\n", "A (blocked): Infected"),
            ("X-Response-Info: Blocked\r\nX-Response-Desc: too\x07 large\r\n", "blocked: too\u{fffd} large"),
            (
                "X-Violations-Found: 5\r\n\tf\r\n\tA\r\n\t0\r\n\t1\r\n\tg\r\n\t\r\n\t0\r\n\t0\r\n",
                "A (repaired), no name given (not repaired), no name given (blocked) and 2 more",
            ),
        ] {
            assert_eq!(findings(fields).to_string(), told, "{fields:?}");
        }
    }

    #[test]
    fn names_are_fit_to_be_shown() {
        assert_eq!(findings("X-Virus-ID: a\x1b[2Jb\r\n").threat(), Some("a\u{fffd}[2Jb"));
        assert!(findings(&format!("X-Violations-Found: {}\r\n", u64::MAX)).found.len() <= MOST);
    }
}
