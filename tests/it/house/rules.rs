//! The rules of the house, each as a check of one file; a breach names file, line and rule.

use super::paths::{Reference, references};
use super::text::{code, first_test_line};

/// A rule that a file breaks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Breach {
    /// The file, from the root of the repository.
    pub file: String,
    /// The line, from 1.
    pub line: usize,
    /// What is wrong there.
    pub rule: String,
}

/// Modules from the bottom up. A module may use those below its own line (DESIGN.md section 4).
const LAYERS: &[&[&str]] = &[
    &["base"],
    &["http", "policy"],
    &["net", "observe"],
    &["inspect", "upstream", "tls", "h2", "icap", "limits", "tether"],
    &["flow"],
    &["listen", "admin", "config"],
    &["cli", "app", "worker"],
];

/// What a module may use although it does not lie below it.
pub struct Exception {
    /// The module.
    pub from: &'static str,
    /// What it may use: a module, or a part of one.
    pub to: &'static str,
    /// Whether something uses it today; one that nobody uses any more must go.
    pub used: Used,
}

/// When an exception is needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Used {
    /// Already.
    Today,
    /// Once its modules are there.
    Later,
}

const fn exception(from: &'static str, to: &'static str, used: Used) -> Exception {
    Exception { from, to, used }
}

/// Every exception there is.
pub const EXCEPTIONS: &[Exception] = &[
    // Named in DESIGN.md: one speaks through the other.
    exception("inspect", "icap", Used::Later),
    exception("icap", "tls", Used::Today),
    exception("upstream", "tls", Used::Later),
    // The top of the tree: the command line starts the program, and the program its workers.
    exception("cli", "app", Used::Today),
    exception("app", "worker", Used::Today),
    // Only config knows every module's settings.
    exception("config", "admin::settings", Used::Today),
    exception("config", "listen::settings", Used::Today),
    // Pipes and the resolver count what they do, as every part does; counters know nobody above base and http.
    exception("net", "observe::counters", Used::Today),
];

/// Longest file, in lines.
const LONGEST: usize = 400;

/// Names that say nothing about what is inside.
const EMPTY_NAMES: &[&str] = &["util", "utils", "common", "misc", "manager", "managers", "helper", "helpers"];

/// Files and folders without io and without a clock.
const PURE: &[&str] = &[
    "src/base.rs",
    "src/base/",
    "src/http.rs",
    "src/http/",
    "src/policy.rs",
    "src/policy/",
    "src/flow/floor.rs",
    "src/flow/settings.rs",
    "src/icap/adapted.rs",
    "src/icap/adapted/",
    "src/icap/breaker.rs",
    "src/icap/chunks.rs",
    "src/icap/conversation.rs",
    "src/icap/conversation/",
    "src/icap/encapsulated.rs",
    "src/icap/error.rs",
    "src/icap/findings.rs",
    "src/icap/head.rs",
    "src/icap/message.rs",
    "src/icap/opening.rs",
    "src/icap/options.rs",
    "src/icap/request.rs",
    "src/icap/server.rs",
    "src/icap/server/",
    "src/icap/settings.rs",
    "src/icap/stats/ended.rs",
    "src/icap/url.rs",
];

/// What no pure file mentions.
const IMPURE: &[&str] = &[
    "tokio::net",
    "TcpStream",
    "TcpListener",
    "UdpSocket",
    "UnixStream",
    "Instant::now",
    "SystemTime::now",
    "std::fs",
];

/// What no file of the product is left with.
const UNFINISHED: &[&str] = &["todo!", "unimplemented!", "dbg!"];

/// Every rule that this file breaks. `file` is its path from the root of the repository.
pub fn breaches(file: &str, text: &str) -> Vec<Breach> {
    let mut found = Vec::new();
    let mut breach = |line: usize, rule: String| found.push(Breach { file: file.to_owned(), line, rule });
    check_shape(file, text, &mut breach);
    if file.starts_with("src/") {
        let code = code(text);
        for (number, line) in code.lines().enumerate() {
            for word in UNFINISHED.iter().filter(|word| mentions(line, word)) {
                breach(number + 1, format!("{word} is not finished"));
            }
        }
        check_purity(file, &code, &mut breach);
        check_layers(file, &code, &mut breach);
    }
    found
}

fn check_shape(file: &str, text: &str, breach: &mut impl FnMut(usize, String)) {
    if !text.lines().next().is_some_and(|line| line.len() > "//! ".len() && line.starts_with("//! ")) {
        breach(1, "the first line is no `//!` that says what lives here".into());
    }
    let lines = text.lines().count();
    if lines > LONGEST {
        breach(lines, format!("{lines} lines are more than {LONGEST}"));
    }
    if file.ends_with("/mod.rs") {
        breach(1, "a module is foo.rs and foo/, never mod.rs".into());
    }
    for name in file.trim_end_matches(".rs").split('/').filter(|name| EMPTY_NAMES.contains(name)) {
        breach(1, format!("the name {name} says nothing"));
    }
}

fn check_purity(file: &str, code: &str, breach: &mut impl FnMut(usize, String)) {
    if !PURE.iter().any(|pure| file.starts_with(pure)) {
        return;
    }
    for (number, line) in code.lines().enumerate().take(first_test_line(file, code)) {
        for word in IMPURE.iter().filter(|word| mentions(line, word)) {
            breach(number + 1, format!("{word} in a pure module"));
        }
    }
}

fn check_layers(file: &str, code: &str, breach: &mut impl FnMut(usize, String)) {
    let Some(from) = module_of(file) else { return };
    if layer(from).is_none() {
        return breach(1, format!("the module {from} has no layer yet; DESIGN.md section 4 and LAYERS must name it"));
    }
    for Reference { path, line } in references(file, code) {
        let to = path.split("::").next().unwrap_or_default();
        if to == from || layer(to).is_none() || layer(to) < layer(from) {
            continue;
        }
        if !EXCEPTIONS.iter().any(|exception| exception.allows(from, &path)) {
            breach(line, format!("{from} uses {path}, which does not lie below it"));
        }
    }
}

impl Exception {
    /// Whether this is the exception for `path` used in the module `from`.
    pub fn allows(&self, from: &str, path: &str) -> bool {
        let rest = path.strip_prefix(self.to);
        self.from == from && rest.is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
    }
}

/// The top module a file belongs to; none for the crate's roots.
pub fn module_of(file: &str) -> Option<&str> {
    let inside = file.strip_prefix("src/")?;
    let module = inside.split('/').next()?.trim_end_matches(".rs");
    (!matches!(module, "lib" | "main")).then_some(module)
}

fn layer(module: &str) -> Option<usize> {
    LAYERS.iter().position(|layer| layer.contains(&module))
}

/// Whether `line` holds `word` as a word of its own.
fn mentions(line: &str, word: &str) -> bool {
    let is_part = |byte: Option<&u8>| byte.is_some_and(|byte| byte.is_ascii_alphanumeric() || *byte == b'_');
    let bytes = line.as_bytes();
    line.match_indices(word).any(|(at, _)| {
        let before = at.checked_sub(1).and_then(|at| bytes.get(at));
        !is_part(before) && !is_part(bytes.get(at + word.len()))
    })
}
