//! Regular expressions stepped byte by byte through tables: constant state, however the text is cut.

use regex_automata::dfa::{Automaton, StartKind, dense};
use regex_automata::nfa::thompson;
use regex_automata::util::prefilter::Prefilter;
use regex_automata::util::primitives::StateID;
use regex_automata::util::start;
use regex_automata::{Anchored, MatchKind, Span};
use regex_syntax::hir::{Hir, Look};

use crate::inspect::rules::literals::Hit;

/// Largest table of one expression, and most memory to make it, in bytes. Beyond, it is searched for in windows.
const ONE_TABLE: usize = 1 << 20;

/// Largest table of several expressions together.
const SHARED_TABLE: usize = 8 << 20;

/// Most tables: each of them reads the whole text.
const MOST_TABLES: usize = 8;

/// A jump to the next place where something may begin has to skip this much, in bytes, or it does not pay.
const WORTHWHILE: usize = 16;

/// So many jumps that do not pay, and the rest of the piece is stepped.
const PATIENCE: u8 = 8;

/// A parsed expression and its rule.
#[derive(Clone, Debug)]
pub struct Parsed {
    /// Its rule, as a place in the list of rules.
    pub rule: usize,
    /// Its place among the rule's expressions.
    pub index: usize,
    /// What it means.
    pub hir: Hir,
}

/// Whether an expression asks what follows a place: `$`, `\z`, `\b` and the like.
pub fn looks_ahead(hir: &Hir) -> bool {
    hir.properties().look_set().iter().any(|look| !matches!(look, Look::Start | Look::StartLF | Look::StartCRLF))
}

/// Several expressions as one table.
#[derive(Debug)]
pub struct Table {
    dfa: dense::DFA<Vec<u32>>,
    start: StateID,
    /// The rule of each expression.
    rules: Vec<usize>,
    /// Finds where one may begin, when nothing has begun.
    prefilter: Option<Prefilter>,
    due: Due,
}

/// When it is known that an expression matches up to a byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Due {
    /// Once the byte is read.
    AtOnce,
    /// Once the next byte is read, or the text has ended.
    WithTheNext,
}

/// Tables, and what did not fit into any.
#[derive(Debug, Default)]
pub struct Tables {
    /// Each reads the whole text.
    pub tables: Vec<Table>,
    /// Expressions too large for a table.
    pub too_large: Vec<Parsed>,
}

impl Tables {
    /// Puts as many expressions as possible into few tables.
    pub fn new(expressions: Vec<Parsed>) -> Self {
        let fits = |parsed: &Parsed| Table::new(std::slice::from_ref(parsed), ONE_TABLE).is_some();
        let (fitting, too_large): (Vec<_>, Vec<_>) = expressions.into_iter().partition(fits);
        let mut tables = Self { tables: Vec::new(), too_large };
        // Those that look ahead would keep the others from being told at once.
        let (ahead, plain): (Vec<_>, Vec<_>) = fitting.into_iter().partition(|parsed| looks_ahead(&parsed.hir));
        tables.place(&plain);
        tables.place(&ahead);
        tables
    }

    fn place(&mut self, expressions: &[Parsed]) {
        if expressions.is_empty() {
            return;
        }
        if self.tables.len() == MOST_TABLES {
            return self.too_large.extend_from_slice(expressions);
        }
        match Table::new(expressions, SHARED_TABLE) {
            Some(table) => self.tables.push(table),
            // Only several together can be too large; half of them may fit.
            None => {
                let (one, other) = expressions.split_at(expressions.len() / 2);
                self.place(one);
                self.place(other);
            }
        }
    }
}

impl Table {
    fn new(expressions: &[Parsed], limit: usize) -> Option<Self> {
        let hirs: Vec<&Hir> = expressions.iter().map(|parsed| &parsed.hir).collect();
        let nfa = thompson::Compiler::new()
            .configure(thompson::Config::new().utf8(false).nfa_size_limit(Some(limit)))
            .build_many_from_hir(&hirs)
            .ok()?;
        let config = dense::Config::new()
            .match_kind(MatchKind::All)
            .start_kind(StartKind::Unanchored)
            // So that special states are matching or dead.
            .accelerate(false)
            .dfa_size_limit(Some(limit))
            .determinize_size_limit(Some(limit));
        let dfa = dense::Builder::new().configure(config).build_from_nfa(&nfa).ok()?;
        let start = dfa.start_state(&start::Config::new().anchored(Anchored::No)).ok()?;
        let any_start = dfa.universal_start_state(Anchored::No) == Some(start);
        let prefilter = Prefilter::from_hirs_prefix(MatchKind::LeftmostFirst, &hirs)
            .filter(|prefilter| any_start && prefilter.is_fast());
        let ahead = expressions.iter().any(|parsed| looks_ahead(&parsed.hir));
        let due = if ahead { Due::WithTheNext } else { Due::AtOnce };
        let rules = expressions.iter().map(|parsed| parsed.rule).collect();
        Some(Self { dfa, start, rules, prefilter, due })
    }

    /// The state before the first byte.
    pub fn start(&self) -> StateID {
        self.start
    }

    /// Reads the next piece of a text, and moves `state`. The first match to end is found; of those that end at the
    /// same byte, the one whose rule comes first.
    pub fn push(&self, state: &mut StateID, text: &[u8]) -> Option<Hit> {
        let mut jumps = Jumps { left: PATIENCE, none_before: 0 };
        let mut now = *state;
        let mut at = 0;
        while at < text.len() {
            if now == self.start && at >= jumps.none_before {
                at = self.jump(&mut jumps, text, at);
            }
            let Some(byte) = text.get(at) else { break };
            now = self.dfa.next_state(now, *byte);
            if self.dfa.is_special_state(now) {
                *state = now;
                if self.dfa.is_match_state(now) {
                    return Some(Hit { end: at, rule: self.rule(now)? });
                }
                // Dead: everything had to begin with the text, and nothing did.
                return None;
            }
            at += 1;
        }
        *state = now;
        match self.due {
            Due::AtOnce => self.end(now).map(|rule| Hit { end: text.len(), rule }),
            Due::WithTheNext => None,
        }
    }

    /// The rule that holds when the text ends here.
    pub fn end(&self, state: StateID) -> Option<usize> {
        let last = self.dfa.next_eoi_state(state);
        if self.dfa.is_match_state(last) { self.rule(last) } else { None }
    }

    fn rule(&self, state: StateID) -> Option<usize> {
        let expressions = (0..self.dfa.match_len(state)).map(|index| self.dfa.match_pattern(state, index));
        expressions.filter_map(|expression| self.rules.get(expression.as_usize()).copied()).min()
    }

    /// The first place at or behind `at` where something may begin, as far as it pays to look for it.
    #[inline]
    fn jump(&self, jumps: &mut Jumps, text: &[u8], at: usize) -> usize {
        let Some(prefilter) = self.prefilter.as_ref().filter(|_| jumps.left > 0) else {
            jumps.none_before = text.len();
            return at;
        };
        let place = match prefilter.find(text, Span { start: at, end: text.len() }) {
            Some(found) => found.start,
            // A beginning may be cut off by the end of the piece.
            None => {
                jumps.none_before = text.len();
                at.max((text.len() + 1).saturating_sub(prefilter.max_needle_len()))
            }
        };
        jumps.left = if place - at < WORTHWHILE { jumps.left - 1 } else { PATIENCE };
        place
    }
}

/// How jumping goes within one piece.
struct Jumps {
    /// Jumps that may still not pay.
    left: u8,
    /// It is known that looking before this place is of no use.
    none_before: usize,
}
