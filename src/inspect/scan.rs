//! The scanner: a stream of bytes in, in whatever pieces it comes, the first match out. Constant state per stream.

use std::sync::Arc;

use aho_corasick::automaton::StateID as LiteralState;
use regex_automata::util::primitives::StateID as TableState;

use crate::inspect::rules::Rules;
use crate::inspect::rules::literals::Hit;
use crate::inspect::rules::window::{OVERLAP, Tail};

/// Bytes that any one automaton reads in less than 200 µs, even where every byte misses the cache.
const SLICE: usize = 16 * 1024;

/// Smallest slice: with more automata than this allows, a slice takes longer.
const SMALLEST_SLICE: usize = 2 * 1024;

/// Where a rule was found to hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Match {
    /// The rule, as a place in the list of rules.
    pub rule: usize,
    /// Bytes of the stream up to the end of what matched.
    pub end: u64,
}

/// Rules that any number of streams share. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Scanner {
    rules: Arc<Rules>,
}

impl Scanner {
    /// A scanner for these rules.
    pub fn new(rules: Rules) -> Self {
        Self { rules: Arc::new(rules) }
    }

    /// Its rules.
    pub fn rules(&self) -> &Rules {
        &self.rules
    }

    /// Bytes to push at once for a call to stay within 200 µs.
    pub fn slice(&self) -> usize {
        let windows = usize::from(self.rules.windowed.is_some()) * 2;
        let passes = self.rules.literals.len() + self.rules.tables.len() + windows;
        (SLICE / passes.max(1)).max(SMALLEST_SLICE)
    }

    /// A new stream.
    pub fn stream(&self) -> Stream {
        Stream {
            literals: self.rules.literals.iter().map(|literals| literals.start()).collect(),
            tables: self.rules.tables.iter().map(|table| table.start()).collect(),
            tail: self.rules.windowed.as_ref().map(|_| Box::default()),
            rules: self.rules.clone(),
            seen: 0,
            found: None,
        }
    }
}

/// One stream being scanned: four bytes for each automaton, and with expressions too large for tables the last
/// [`OVERLAP`] bytes. Dropping it is all there is to do for a stream that ends early.
#[derive(Clone, Debug)]
pub struct Stream {
    rules: Arc<Rules>,
    literals: Box<[LiteralState]>,
    tables: Box<[TableState]>,
    tail: Option<Box<Tail>>,
    seen: u64,
    found: Option<Match>,
}

impl Stream {
    /// Reads the next bytes. The match that ends first is told, and told again by every later call; of those that end at
    /// the same byte, the one whose rule comes first.
    ///
    /// A match is told with its last byte, but for expressions that ask what follows (`$`, `\b`): those are told with
    /// the byte after it, or by [`Stream::end`].
    pub fn push(&mut self, bytes: &[u8]) -> Option<Match> {
        if self.found.is_none() {
            let hit = self.first_hit(bytes);
            self.found = hit.map(|hit| Match { rule: hit.rule, end: self.seen + hit.end as u64 });
            self.seen += bytes.len() as u64;
        }
        self.found
    }

    /// Says what holds once it is known that nothing follows.
    pub fn end(&mut self) -> Option<Match> {
        if self.found.is_none() {
            let of_tables = self.rules.tables.iter().zip(&self.tables).filter_map(|(table, state)| table.end(*state));
            let windowed = self.rules.windowed.as_ref().zip(self.tail.as_ref());
            let of_windows = windowed.and_then(|(windowed, tail)| windowed.end(tail));
            self.found = of_tables.chain(of_windows).min().map(|rule| Match { rule, end: self.seen });
        }
        self.found
    }

    /// Bytes read so far; no more are read after a match.
    pub fn seen(&self) -> u64 {
        self.seen
    }

    fn first_hit(&mut self, bytes: &[u8]) -> Option<Hit> {
        let mut first: Option<Hit> = None;
        // What ends later than a match already found is of no interest.
        let before = |first: Option<Hit>| first.map_or(bytes, |hit| &bytes[..hit.end]);
        for (literals, state) in self.rules.literals.iter().zip(&mut self.literals) {
            first = earlier(first, literals.push(state, before(first)));
        }
        for (table, state) in self.rules.tables.iter().zip(&mut self.tables) {
            first = earlier(first, table.push(state, before(first)));
        }
        if let (Some(windowed), Some(tail)) = (&self.rules.windowed, &mut self.tail) {
            first = earlier(first, windowed.push(tail, before(first)));
        }
        first
    }
}

fn earlier(one: Option<Hit>, other: Option<Hit>) -> Option<Hit> {
    [one, other].into_iter().flatten().min_by_key(|hit| (hit.end, hit.rule))
}

/// Memory of a stream with expressions too large for tables, in bytes, beside its few words.
pub const TAIL_MEMORY: usize = OVERLAP + 1;

#[cfg(test)]
mod tests;
