//! The built-in scanner over a file, a slice at a time.

use std::io;
use std::sync::Arc;

use super::subject::Subject;
use super::verdict::Verdict;
use crate::cli::arguments::ScanOptions;
use crate::inspect::body::{BodyScan, Finding, Form, Wants};
use crate::inspect::course::ScannerName;
use crate::inspect::decode::coding::{Coding, Codings};
use crate::inspect::decode::{DecodeLimits, SLICE, Undecodable};
use crate::inspect::magic::{FileKind, LOOKED_AT, Rest, Sight, look};
use crate::inspect::rules::{Head, HeadTest, RuleError, Rules};
use crate::inspect::scan::Scanner;
use crate::inspect::settings::ScanRule;

/// Bytes that are read at once.
const READ: usize = 64 * 1024;

/// The scanner, with its rules compiled.
pub(super) struct BuiltIn {
    scanner: Scanner,
}

/// What is known once all was read and no rule held.
type Doubt = Option<Undecodable>;

impl BuiltIn {
    /// A scanner for `rules`.
    ///
    /// # Errors
    /// When they cannot be compiled.
    pub fn new(rules: Vec<ScanRule>) -> Result<Self, RuleError> {
        Ok(Self { scanner: Scanner::new(Rules::compile(rules)?.rules) })
    }

    /// Reads all of it, unless something is found before.
    pub fn scan(&self, subject: &Subject, options: &ScanOptions) -> Verdict {
        let by = Some(ScannerName::BuiltIn);
        match self.look_for(subject, options) {
            Ok(Ok(None)) => Verdict::Clean,
            Ok(Ok(Some(undecodable))) => {
                Verdict::not_scanned(by, format!("{undecodable}; in the bytes as they are nothing was found"))
            }
            Ok(Err(found)) => found,
            Err(error) => Verdict::not_scanned(by, error.to_string()),
        }
    }

    /// The inner error is what was found.
    fn look_for(&self, subject: &Subject, options: &ScanOptions) -> io::Result<Result<Doubt, Verdict>> {
        if let Some(found) = self.by_head(subject, options) {
            return Ok(Err(found));
        }
        let mut beginning = [0; LOOKED_AT];
        let count = fill(subject, &mut beginning)?;
        let codings = match (&options.content_encoding, Coding::of_file(&beginning[..count])) {
            (Some(told), _) => told.codings.clone(),
            (None, None) => Codings::default(),
            (None, Some(coding)) => {
                // Such a file is of a kind itself, and the scan of a body asks for that of what is inside.
                if let Sight::Kind(kind) = look(&beginning[..count], Rest::MayFollow)
                    && let Some(rule) = self.scanner.rules().of_class(kind.class)
                {
                    return Ok(Err(self.blocked(rule, by_kind(kind))));
                }
                Codings::from(coding)
            }
        };
        self.read(subject, BodyScan::new(&self.scanner, &codings, DecodeLimits::ANY_LENGTH))
    }

    fn by_head(&self, subject: &Subject, options: &ScanOptions) -> Option<Verdict> {
        let head = Head {
            url: options.url.as_ref().map(|url| url.as_str().as_bytes()).unwrap_or_default(),
            media_type: options.content_type.as_ref().map(String::as_bytes),
            file_name: Some(subject.name().as_bytes()),
        };
        let (rule, test) = self.scanner.rules().of_head(&head)?;
        let how = match test {
            HeadTest::MediaType => "by its media type",
            HeadTest::Extension => "by the extension of its name",
            HeadTest::Url => "by its URL",
        };
        Some(self.blocked(rule, how.to_owned()))
    }

    fn read(&self, subject: &Subject, mut body: BodyScan) -> io::Result<Result<Doubt, Verdict>> {
        let (mut buffer, mut decoded) = (vec![0; READ], vec![0; SLICE]);
        let (mut at, mut doubt) = (0, None);
        loop {
            let count = subject.read_at(&mut buffer, at)?;
            if count == 0 {
                break;
            }
            at += count as u64;
            match self.feed(&mut body, &buffer[..count], &mut decoded) {
                Ok(undecodable) => doubt = undecodable.or(doubt),
                Err(found) => return Ok(Err(found)),
            }
        }
        match body.end().map(|finding| self.told(finding)) {
            Some(Ok(undecodable)) => Ok(Ok(Some(undecodable))),
            Some(Err(found)) => Ok(Err(found)),
            None => Ok(Ok(doubt)),
        }
    }

    /// Has the scan take all of `rest`.
    fn feed(&self, body: &mut BodyScan, mut rest: &[u8], decoded: &mut [u8]) -> Result<Doubt, Verdict> {
        let mut doubt = None;
        loop {
            let step = body.step(rest, decoded);
            rest = rest.get(step.used..).unwrap_or_default();
            if let Some(finding) = step.finding {
                doubt = Some(self.told(finding)?);
            }
            if step.next == Wants::Input {
                return Ok(doubt);
            }
        }
    }

    /// What is only in doubt, or else what was found.
    fn told(&self, finding: Finding) -> Result<Undecodable, Verdict> {
        match finding {
            Finding::Undecodable(undecodable) => Ok(undecodable),
            Finding::Kind { rule, kind } => Err(self.blocked(rule, by_kind(kind))),
            Finding::Content { matched, form } => {
                let of = match form {
                    Form::Raw => "",
                    Form::Decoded => "decoded ",
                };
                Err(self.blocked(matched.rule, format!("in its {of}bytes up to {}", matched.end)))
            }
        }
    }

    fn blocked(&self, rule: usize, how: String) -> Verdict {
        let name = self.scanner.rules().list().get(rule).map_or_else(|| Arc::from(""), |rule| rule.name.clone());
        Verdict::Blocked { what: name.to_string(), how, by: ScannerName::BuiltIn }
    }
}

fn by_kind(kind: FileKind) -> String {
    format!("by its kind: {}, {}", kind.class, kind.name)
}

/// Fills `buffer` from the beginning, as far as the file goes.
fn fill(subject: &Subject, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    loop {
        match subject.read_at(&mut buffer[filled..], filled as u64)? {
            0 => return Ok(filled),
            count => filled += count,
        }
    }
}
