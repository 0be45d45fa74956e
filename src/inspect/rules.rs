//! The rules, compiled: what is looked for in bodies as automata, what is looked for in heads as lists.

pub mod grams;
pub mod literals;
pub mod name;
pub mod regexes;
pub mod window;

use std::fmt;

use regex_automata::util::syntax;

use crate::inspect::magic::Class;
use crate::inspect::rules::literals::Literals;
use crate::inspect::rules::name::file_name;
use crate::inspect::rules::regexes::{Parsed, Table, Tables};
use crate::inspect::rules::window::Windowed;
use crate::inspect::settings::{LetterCase, ScanRule};

/// All rules, ready to be used by any number of streams at once.
#[derive(Debug)]
pub struct Rules {
    rules: Vec<ScanRule>,
    /// Automata of literals, at most one for each letter case.
    pub(super) literals: Vec<Literals>,
    /// Tables of regular expressions.
    pub(super) tables: Vec<Table>,
    /// Expressions too large for tables.
    pub(super) windowed: Option<Windowed>,
}

/// Why the rules cannot be compiled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleError {
    /// The rule, as a place in the list of rules.
    pub rule: usize,
    /// The regular expression, as a place among those of the rule; none when it is not about one.
    pub regex: Option<usize>,
    /// What is wrong.
    pub why: RuleFault,
}

/// What can be wrong with a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RuleFault {
    /// The expression cannot be read; the text says why, over several lines.
    Syntax(String),
    /// The expression matches where nothing is, so it would match everywhere.
    MatchesNothing,
    /// The expression can never match.
    NeverMatches,
    /// The expression is too large, whichever way it is searched for.
    TooLarge,
    /// There are more literals than can be numbered.
    TooMany,
}

impl fmt::Display for RuleFault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RuleFault::Syntax(text) => formatter.write_str(text),
            RuleFault::MatchesNothing => formatter.write_str("the expression matches nothing at all, so everywhere"),
            RuleFault::NeverMatches => formatter.write_str("the expression can never match"),
            RuleFault::TooLarge => formatter.write_str("the expression is too large"),
            RuleFault::TooMany => formatter.write_str("there are too many literals"),
        }
    }
}

impl fmt::Display for RuleError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.why.fmt(formatter)
    }
}

impl std::error::Error for RuleError {}

/// What an operator should know about rules that are otherwise good.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice {
    /// The expression is searched for in windows: slower, and a match longer than [`window::OVERLAP`] that comes in
    /// several pieces is not found.
    Windowed {
        /// The rule, as a place in the list of rules.
        rule: usize,
        /// The expression, as a place among those of the rule.
        regex: usize,
    },
    /// The rule has a literal shorter than [`grams::SHORTEST`], so all literals of its letter case are looked for byte
    /// by byte, several times slower.
    ShortLiteral {
        /// The rule, as a place in the list of rules.
        rule: usize,
    },
}

/// Rules, and what is to be known about them.
#[derive(Debug)]
pub struct Compiled {
    /// The rules.
    pub rules: Rules,
    /// What an operator should be told.
    pub notices: Vec<Notice>,
}

impl Rules {
    /// Compiles `rules`. This takes milliseconds, with large expressions up to seconds.
    ///
    /// # Errors
    /// The first expression that cannot be used.
    pub fn compile(rules: Vec<ScanRule>) -> Result<Compiled, RuleError> {
        let literals = compile_literals(&rules)?;
        let Tables { tables, too_large } = Tables::new(parse_regexes(&rules)?);
        let windowed = Windowed::new(&too_large);
        if let (None, Some(parsed)) = (&windowed, too_large.first()) {
            return Err(RuleError { rule: parsed.rule, regex: Some(parsed.index), why: RuleFault::TooLarge });
        }
        let slow = too_large.iter().map(|parsed| Notice::Windowed { rule: parsed.rule, regex: parsed.index });
        let notices = slow.chain(short_literals(&rules)).collect();
        Ok(Compiled { rules: Rules { rules, literals, tables, windowed }, notices })
    }

    /// The rules, in their order.
    pub fn list(&self) -> &[ScanRule] {
        &self.rules
    }

    /// The first rule that asks for files of this class.
    pub fn of_class(&self, class: Class) -> Option<usize> {
        self.rules.iter().position(|rule| rule.classes.contains(&class))
    }

    /// The first rule that holds for what is said about a body, whatever is in it.
    pub fn of_head(&self, head: &Head<'_>) -> Option<(usize, HeadTest)> {
        let named = file_name(head.url);
        let names = [head.file_name, Some(named.as_slice())];
        self.rules.iter().enumerate().find_map(|(place, rule)| {
            let is_type = |field| rule.media_types.iter().any(|pattern| pattern.matches(field));
            let is_named = |name| rule.extensions.iter().any(|extension| extension.ends(name));
            let test = if head.media_type.is_some_and(is_type) {
                HeadTest::MediaType
            } else if names.into_iter().flatten().any(is_named) {
                HeadTest::Extension
            } else if rule.urls.iter().any(|pattern| pattern.matches(head.url)) {
                HeadTest::Url
            } else {
                return None;
            };
            Some((place, test))
        })
    }
}

/// What is said about a body.
#[derive(Clone, Copy, Debug, Default)]
pub struct Head<'a> {
    /// Where it comes from or goes to; empty when nobody knows.
    pub url: &'a [u8],
    /// The value of `Content-Type`.
    pub media_type: Option<&'a [u8]>,
    /// The name in `Content-Disposition`.
    pub file_name: Option<&'a [u8]>,
}

/// By what a rule holds for a head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeadTest {
    /// The media type.
    MediaType,
    /// The extension of the file's name.
    Extension,
    /// The URL.
    Url,
}

fn compile_literals(rules: &[ScanRule]) -> Result<Vec<Literals>, RuleError> {
    let mut compiled = Vec::new();
    for letters in [LetterCase::Exact, LetterCase::Either] {
        let literals: Vec<(usize, &[u8])> = of_case(rules, letters)
            .flat_map(|(place, rule)| rule.literals.iter().map(move |literal| (place, literal.as_bytes())))
            .collect();
        if let Some((rule, _)) = literals.first() {
            let too_many = |_| RuleError { rule: *rule, regex: None, why: RuleFault::TooMany };
            compiled.push(Literals::new(&literals, letters).map_err(too_many)?);
        }
    }
    Ok(compiled)
}

fn of_case(rules: &[ScanRule], letters: LetterCase) -> impl Iterator<Item = (usize, &ScanRule)> {
    rules.iter().enumerate().filter(move |(_, rule)| rule.letters == letters)
}

fn short_literals(rules: &[ScanRule]) -> impl Iterator<Item = Notice> {
    let is_short = |rule: &ScanRule| rule.literals.iter().any(|literal| literal.as_bytes().len() < grams::SHORTEST);
    rules.iter().enumerate().filter(move |(_, rule)| is_short(rule)).map(|(rule, _)| Notice::ShortLiteral { rule })
}

fn parse_regexes(rules: &[ScanRule]) -> Result<Vec<Parsed>, RuleError> {
    let mut parsed = Vec::new();
    for (rule, settings) in rules.iter().enumerate() {
        for (index, text) in settings.regexes.iter().enumerate() {
            let hir = parse(text, settings.letters).map_err(|why| RuleError { rule, regex: Some(index), why })?;
            parsed.push(Parsed { rule, index, hir });
        }
    }
    Ok(parsed)
}

/// Reads an expression and says whether it can be looked for.
///
/// # Errors
/// When it cannot be.
fn parse(text: &str, letters: LetterCase) -> Result<regex_syntax::hir::Hir, RuleFault> {
    let config = syntax::Config::new().unicode(false).utf8(false).case_insensitive(letters == LetterCase::Either);
    let hir = syntax::parse_with(text, &config).map_err(|error| RuleFault::Syntax(error.to_string()))?;
    match hir.properties().minimum_len() {
        Some(0) => Err(RuleFault::MatchesNothing),
        Some(_) => Ok(hir),
        None => Err(RuleFault::NeverMatches),
    }
}

/// Whether an expression can be looked for, for whoever reads it from a file.
///
/// # Errors
/// What is wrong with it.
pub fn check_regex(text: &str) -> Result<(), RuleFault> {
    parse(text, LetterCase::Exact).map(|_| ())
}
