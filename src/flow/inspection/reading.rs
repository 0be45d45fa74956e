//! The built-in scanner over one body, in turns short enough for the others on the worker.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::inspect::body::{BodyScan, Finding, Wants};
use crate::inspect::course::{BUILT_IN, OnUndecodable};
use crate::inspect::decode::DecodeLimits;
use crate::inspect::decode::Undecodable;
use crate::inspect::decode::coding::Codings;
use crate::inspect::magic::Sight;
use crate::inspect::plan::Unscanned;
use crate::inspect::scan::Scanner;
use crate::net::scratch::Scratch;

/// Longest turn, but for the slice that is under way.
const TURN: Duration = Duration::from_micros(200);

/// Something that must not pass, and who says so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// The rule or the threat, fit to be shown.
    pub what: Arc<str>,
    /// The scanner.
    pub by: Arc<str>,
}

/// What one turn came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Turn {
    /// Everything was read; nothing was found.
    Done,
    /// There is more to be read, after others had their turn.
    More,
    /// A rule holds.
    Found(Found),
}

/// The built-in scanner over one body.
#[derive(Debug)]
pub struct Reading {
    scanner: Scanner,
    scan: BodyScan,
    on_undecodable: OnUndecodable,
    undecodable: Option<Undecodable>,
}

impl Reading {
    /// Of a body with these codings, for which `on_undecodable` holds. Whatever comes out of them is read: how much that may
    /// be is for the cap to say, and only what is far more than went in is a bomb.
    pub fn new(scanner: &Scanner, codings: &Codings, on_undecodable: OnUndecodable) -> Self {
        let scan = BodyScan::new(scanner, codings, DecodeLimits::ANY_LENGTH);
        Self { scanner: scanner.clone(), scan, on_undecodable, undecodable: None }
    }

    /// Reads `input` from `at` on, and moves that on by what need not be given again. `out` is lent for what is decoded.
    pub fn turn(&mut self, input: &[u8], at: &mut usize, out: &mut [u8]) -> Turn {
        let began = Instant::now();
        loop {
            let step = self.scan.step(&input[*at..], out);
            *at += step.used;
            if let Some(found) = step.finding.and_then(|finding| self.judge(finding)) {
                return Turn::Found(found);
            }
            match step.next {
                Wants::Input => return Turn::Done,
                Wants::Step if began.elapsed() >= TURN => return Turn::More,
                Wants::Step => {}
            }
        }
    }

    /// Reads all of `input`, with a pause for others between turns; gives what was found.
    pub async fn all(&mut self, input: &[u8], decoded: &Scratch) -> Option<Found> {
        let mut at = 0;
        loop {
            match decoded.with(|out| self.turn(input, &mut at, out)) {
                Turn::Done => return None,
                Turn::Found(found) => return Some(found),
                Turn::More => tokio::task::yield_now().await,
            }
        }
    }

    /// Says that the body is over, once a turn was done.
    pub fn end(&mut self) -> Option<Found> {
        let finding = self.scan.end();
        finding.and_then(|finding| self.judge(finding))
    }

    /// Bytes that came out of its codings.
    pub fn decoded(&self) -> u64 {
        self.scan.decoded()
    }

    /// What its first bytes say, decoded if it is coded.
    pub fn sight(&self) -> Sight {
        self.scan.sight()
    }

    /// Those bytes, for as long as they say nothing yet.
    pub fn first_bytes(&self) -> &[u8] {
        self.scan.first_bytes()
    }

    /// As what it counts although it was read, where part of it could not be decoded: that was read only as it came.
    pub fn doubt(&self) -> Option<Unscanned> {
        self.undecodable.as_ref().map(|_| Unscanned::Coding)
    }

    /// What a finding means: a bomb is as bad as what a rule asks for, other trouble with codings is that, or remembered.
    fn judge(&mut self, finding: Finding) -> Option<Found> {
        let what: Arc<str> = match finding {
            Finding::Content { matched, .. } => self.rule(matched.rule),
            Finding::Kind { rule, .. } => self.rule(rule),
            Finding::Undecodable(bomb @ Undecodable::Bomb(_)) => bomb.label().into(),
            Finding::Undecodable(why) if self.on_undecodable == OnUndecodable::Block && why.may_hide() => {
                why.label().into()
            }
            Finding::Undecodable(why) => {
                self.undecodable = Some(why);
                return None;
            }
        };
        Some(Found { what, by: BUILT_IN.into() })
    }

    fn rule(&self, at: usize) -> Arc<str> {
        self.scanner.rules().list().get(at).map_or_else(|| BUILT_IN.into(), |rule| rule.name.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inspect::rules::Rules;
    use crate::inspect::settings::{built_in, eicar};

    fn scanner() -> Scanner {
        Scanner::new(Rules::compile(built_in()).expect("good rules").rules)
    }

    #[test]
    fn the_test_file_is_found_over_any_split() {
        let scanner = scanner();
        let body = [&b"before "[..], &eicar(), b" after"].concat();
        for split in 0..=body.len() {
            let mut reading = Reading::new(&scanner, &Codings::default(), OnUndecodable::Pass);
            let turns = [&body[..split], &body[split..]].map(|piece| reading.turn(piece, &mut 0, &mut []));
            let found = Turn::Found(Found { what: "eicar".into(), by: "builtin".into() });
            assert!(turns.contains(&found), "{split}");
        }
    }

    #[test]
    fn long_input_is_read_in_turns_to_its_end() {
        let mut reading = Reading::new(&scanner(), &Codings::default(), OnUndecodable::Pass);
        let body = vec![b'x'; 8 << 20];
        let (mut at, mut turns) = (0, 0);
        loop {
            turns += 1;
            match reading.turn(&body, &mut at, &mut []) {
                Turn::Done => break,
                Turn::More => {}
                Turn::Found(found) => panic!("{found:?}"),
            }
        }
        assert_eq!(at, body.len());
        assert!(turns > 1);
        assert_eq!(reading.end(), None);
    }
}
