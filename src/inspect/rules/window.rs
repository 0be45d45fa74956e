//! Expressions too large for a table, searched for in each piece and across the border to the one before.

use regex_automata::util::syntax;
use regex_automata::{Input, meta};

use crate::inspect::rules::literals::Hit;
use crate::inspect::rules::regexes::{Parsed, looks_ahead};

/// Longest match that is surely found across a border, in bytes.
pub const OVERLAP: usize = 4096;

/// Largest compiled form of all of them, in bytes.
const LARGEST: usize = 8 << 20;

/// Most memory of one thread's search cache, in bytes.
const CACHE: usize = 2 << 20;

/// The large expressions.
#[derive(Debug)]
pub struct Windowed {
    regex: meta::Regex,
    /// The rule of each expression.
    rules: Vec<usize>,
    /// Bytes at the end of a piece that wait for the next one.
    held: usize,
}

/// The end of the text so far.
#[derive(Clone, Debug, Default)]
pub struct Tail(Vec<u8>);

impl Windowed {
    /// Compiles `expressions`; `None` when they are too large even for this, or none are given.
    pub fn new(expressions: &[Parsed]) -> Option<Self> {
        if expressions.is_empty() {
            return None;
        }
        let hirs: Vec<_> = expressions.iter().map(|parsed| &parsed.hir).collect();
        let config = meta::Config::new()
            .utf8_empty(false)
            .nfa_size_limit(Some(LARGEST))
            .onepass(false)
            .hybrid_cache_capacity(CACHE);
        let mut builder = meta::Builder::new();
        let regex =
            builder.configure(config).syntax(syntax::Config::new().utf8(false)).build_many_from_hir(&hirs).ok()?;
        let held = usize::from(expressions.iter().any(|parsed| looks_ahead(&parsed.hir)));
        Some(Self { regex, rules: expressions.iter().map(|parsed| parsed.rule).collect(), held })
    }

    /// Reads the next piece of a text, and keeps its end. A match is told once the whole of it is here, or one byte
    /// later if one of the expressions looks ahead.
    pub fn push(&self, tail: &mut Tail, text: &[u8]) -> Option<Hit> {
        let known = tail.0.len();
        let mut joined = std::mem::take(&mut tail.0);
        let (begin, rest) = text.split_at(text.len().min(OVERLAP + self.held));
        joined.extend_from_slice(begin);
        let across = self.search(&joined, usize::from(known > OVERLAP), self.held);
        let within = || if rest.is_empty() { None } else { self.search(text, usize::from(known > 0), self.held) };
        let hit = match across {
            Some((end, rule)) => Some(Hit { end: end.saturating_sub(known), rule }),
            None => within().map(|(end, rule)| Hit { end, rule }),
        };
        // One byte more than can match, so that the search knows what stands before it.
        joined.extend_from_slice(rest);
        joined.drain(..joined.len().saturating_sub(OVERLAP + 1));
        joined.shrink_to(OVERLAP + 1);
        tail.0 = joined;
        hit
    }

    /// The rule that holds when the text ends here.
    pub fn end(&self, tail: &Tail) -> Option<usize> {
        self.search(&tail.0, usize::from(tail.0.len() > OVERLAP), 0).map(|(_, rule)| rule)
    }

    /// The end of the first match to end within `text`, but for its first and last bytes, and its rule.
    fn search(&self, text: &[u8], skipped: usize, held: usize) -> Option<(usize, usize)> {
        let range = skipped..text.len().saturating_sub(held).max(skipped);
        let found = self.regex.search_half(&Input::new(text).range(range).earliest(true))?;
        Some((found.offset(), self.rules.get(found.pattern().as_usize()).copied()?))
    }
}
