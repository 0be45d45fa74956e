//! Many literals at once, found however the text is cut into pieces, with four bytes of state.

use aho_corasick::automaton::{Automaton, StateID};
use aho_corasick::nfa::contiguous;
use aho_corasick::{Anchored, BuildError, MatchKind, dfa};

use crate::inspect::rules::grams::Grams;
use crate::inspect::settings::LetterCase;

/// Bytes of literals up to which the automaton is a table with a place for every byte in every state: 8 MiB at most.
/// Beyond, it is packed, and follows two or three links for some bytes.
const TABLE_BYTES: usize = 32 * 1024;

/// Bytes stepped between two looks at whether skipping may go on.
const STEPS: usize = 16;

/// Where a literal ends, and which it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hit {
    /// Bytes of this piece up to the literal's end.
    pub end: usize,
    /// Its rule, as a place in the list of rules.
    pub rule: usize,
}

/// Literals of one letter case.
#[derive(Debug)]
pub struct Literals {
    automaton: Kind,
    start: StateID,
    /// The rule of each literal.
    rules: Vec<usize>,
    grams: Option<Grams>,
}

#[derive(Debug)]
enum Kind {
    Table(dfa::DFA),
    Packed(contiguous::NFA),
}

impl Literals {
    /// An automaton for these literals, each with its rule.
    ///
    /// # Errors
    /// When there are more than it can number.
    pub fn new(literals: &[(usize, &[u8])], letters: LetterCase) -> Result<Self, BuildError> {
        let texts = || literals.iter().map(|(_, text)| *text);
        let any_case = letters == LetterCase::Either;
        let automaton = if texts().map(<[u8]>::len).sum::<usize>() <= TABLE_BYTES {
            let mut builder = dfa::Builder::new();
            builder.match_kind(MatchKind::Standard).prefilter(false).ascii_case_insensitive(any_case);
            Kind::Table(builder.build(texts())?)
        } else {
            let mut builder = contiguous::Builder::new();
            builder.match_kind(MatchKind::Standard).prefilter(false).ascii_case_insensitive(any_case);
            Kind::Packed(builder.build(texts())?)
        };
        let start = match &automaton {
            Kind::Table(table) => table.start_state(Anchored::No),
            Kind::Packed(packed) => packed.start_state(Anchored::No),
        };
        // Both have an unanchored start by default.
        let start = start.unwrap_or(StateID::ZERO);
        let rules = literals.iter().map(|(rule, _)| *rule).collect();
        Ok(Self { automaton, start, rules, grams: Grams::new(texts()) })
    }

    /// The state before the first byte.
    pub fn start(&self) -> StateID {
        self.start
    }

    /// Bytes that the automaton takes.
    pub fn memory(&self) -> usize {
        match &self.automaton {
            Kind::Table(table) => table.memory_usage(),
            Kind::Packed(packed) => packed.memory_usage(),
        }
    }

    /// Reads the next piece of a text, and moves `state`. The first literal to end is found; of those that end at the
    /// same byte, the one whose rule comes first.
    pub fn push(&self, state: &mut StateID, text: &[u8]) -> Option<Hit> {
        match &self.automaton {
            Kind::Table(table) => self.run(table, state, text),
            Kind::Packed(packed) => self.run(packed, state, text),
        }
    }

    fn run<A: Automaton>(&self, automaton: &A, state: &mut StateID, text: &[u8]) -> Option<Hit> {
        let mut at = 0;
        while at < text.len() {
            // Nothing has begun: skip to where something may.
            if *state == self.start
                && let Some(grams) = &self.grams
            {
                at = grams.next(text, at);
            }
            let end = text.len().min(at + STEPS);
            if let Some(hit) = self.step(automaton, state, text, at..end) {
                return Some(hit);
            }
            at = self.back_to_start(automaton, state, text, end);
        }
        None
    }

    fn step<A: Automaton>(
        &self,
        automaton: &A,
        state: &mut StateID,
        text: &[u8],
        range: std::ops::Range<usize>,
    ) -> Option<Hit> {
        let (mut now, from) = (*state, range.start);
        for (place, byte) in text[range].iter().enumerate() {
            now = automaton.next_state(Anchored::No, now, *byte);
            if automaton.is_match(now) {
                *state = now;
                return Some(Hit { end: from + place + 1, rule: self.rule(automaton, now)? });
            }
        }
        *state = now;
        None
    }

    fn rule<A: Automaton>(&self, automaton: &A, state: StateID) -> Option<usize> {
        let literals = (0..automaton.match_len(state)).map(|index| automaton.match_pattern(state, index));
        literals.filter_map(|literal| self.rules.get(literal.as_usize()).copied()).min()
    }

    /// When no more than the last two bytes can be the beginning of a literal, goes back to before them, where nothing
    /// had begun. Far fewer bytes are read twice than were read once, so this never makes a text slow.
    fn back_to_start<A: Automaton>(&self, automaton: &A, state: &mut StateID, text: &[u8], at: usize) -> usize {
        let Some([first, second]) = text[..at].last_chunk::<2>() else { return at };
        if self.grams.is_none() || at == text.len() {
            return at;
        }
        let after_first = automaton.next_state(Anchored::No, self.start, *first);
        if *state != automaton.next_state(Anchored::No, after_first, *second) {
            return at;
        }
        *state = self.start;
        at - 2
    }
}
