//! Matches are found wherever they are and however the stream is cut (and nothing else is found).

use proptest::prelude::*;

use super::*;
use crate::inspect::rules::{Compiled, Notice, RuleError, RuleFault};
use crate::inspect::settings::{LetterCase, Literal, ScanRule, built_in, eicar};

fn rule(literals: &[&[u8]], regexes: &[&str]) -> ScanRule {
    let literals = literals.iter().map(|bytes| Literal::bytes(bytes).expect("not empty")).collect();
    let regexes = regexes.iter().map(|text| (*text).into()).collect();
    ScanRule { literals, regexes, ..ScanRule::new("rule") }
}

fn either(rule: ScanRule) -> ScanRule {
    ScanRule { letters: LetterCase::Either, ..rule }
}

fn compile(rules: Vec<ScanRule>) -> Compiled {
    Rules::compile(rules).expect("good rules")
}

fn scanner(rules: Vec<ScanRule>) -> Scanner {
    Scanner::new(compile(rules).rules)
}

fn scan<'a>(scanner: &Scanner, pieces: impl IntoIterator<Item = &'a [u8]>) -> Option<Match> {
    let mut stream = scanner.stream();
    for piece in pieces {
        stream.push(piece);
    }
    stream.end()
}

/// The same for the whole, for every two pieces, for bytes and for pieces of a few sizes.
fn scan_every_way(scanner: &Scanner, text: &[u8]) -> Option<Match> {
    let whole = scan(scanner, [text]);
    for cut in 0..=text.len() {
        assert_eq!(scan(scanner, [&text[..cut], &text[cut..]]), whole, "cut at {cut}: {}", text.escape_ascii());
    }
    for size in [1, 2, 3, 7, 16, 31] {
        assert_eq!(scan(scanner, text.chunks(size)), whole, "pieces of {size}: {}", text.escape_ascii());
    }
    whole
}

fn at(rule: usize, end: usize) -> Option<Match> {
    Some(Match { rule, end: end as u64 })
}

#[test]
fn the_test_file_is_found_anywhere() {
    let scanner = scanner(built_in());
    let filler = b"X5O!P%@AP[4\\PZX54(P^)7CC)7}$EICAR-STANDARD-ANTIVIRUS-TEST-FILF!$H+H* ".repeat(3);
    assert_eq!(scan_every_way(&scanner, &filler), None);
    for place in (0..filler.len()).step_by(13) {
        let text = [&filler[..place], &eicar(), &filler[place..]].concat();
        assert_eq!(scan_every_way(&scanner, &text), at(0, place + 68));
    }
}

#[test]
fn a_match_is_told_with_its_last_byte() {
    let scanner = scanner(vec![rule(&[b"literal"], &["reg[ae]x+"]), rule(&[], &["w[io]rd\\b"])]);
    let told = |text: &[u8]| scanner.stream().push(text);
    assert_eq!(told(b"a literal"), at(0, 9));
    assert_eq!(told(b"a regexx"), at(0, 7), "the shortest that will do");
    assert_eq!(told(b"a word"), None, "it may go on");
    assert_eq!(told(b"a word."), at(1, 6));
    assert_eq!(scan(&scanner, [&b"a word"[..]]), at(1, 6));
    assert_eq!(scan(&scanner, [&b"a wordy"[..]]), None);
}

#[test]
fn a_match_is_told_again_and_nothing_after_it() {
    let scanner = scanner(vec![rule(&[b"first", b"second"], &[])]);
    let mut stream = scanner.stream();
    assert_eq!(stream.push(b"no"), None);
    for _ in 0..3 {
        assert_eq!(stream.push(b"the first and the second"), at(0, 11));
    }
    assert_eq!((stream.end(), stream.seen()), (at(0, 11), 26));
}

#[test]
fn the_first_to_end_wins_and_then_the_first_rule() {
    let scanner = scanner(vec![
        rule(&[b"a longer literal"], &[]),
        rule(&[b"longer"], &[]),
        either(rule(&[b"LONGER"], &["long(er)"])),
        rule(&[], &["ger$", "[l]onge"]),
    ]);
    assert_eq!(scan_every_way(&scanner, b"this is a longer literal"), at(3, 15));
    assert_eq!(scan_every_way(&scanner, b"this is a Longer literal"), at(2, 16));
    assert_eq!(scan_every_way(&scanner, b"finger"), at(3, 6));
    assert_eq!(scan_every_way(&scanner, b"fingers"), None);
}

#[test]
fn letters_are_compared_as_the_rule_says() {
    let scanner = scanner(vec![rule(&[b"Exact\xc4"], &["[E]XACT"]), either(rule(&[b"Either\xc4"], &["[e]ITHER"]))]);
    for (text, found) in [
        (&b"Exact\xc4"[..], at(0, 6)),
        (b"exact\xc4", None),
        (b"EXACT", at(0, 5)),
        (b"eXACT", None),
        (b"-EitheR", at(1, 7)),
        (b"Eithe", None),
    ] {
        assert_eq!(scan_every_way(&scanner, text), found, "{}", text.escape_ascii());
    }
}

#[test]
fn anchors_mean_the_whole_stream() {
    let scanner = scanner(vec![rule(&[], &["^begin", "end$", "(?m)^line$"])]);
    for (text, found) in [
        (&b"begin and so on"[..], at(0, 5)),
        (b"no begin", None),
        (b"an end", at(0, 6)),
        (b"an end.", None),
        (b"a\nline\n", at(0, 6)),
        (b"a\nliner\n", None),
    ] {
        assert_eq!(scan_every_way(&scanner, text), found, "{}", text.escape_ascii());
    }
}

/// Its table would have a state for every set of places where the first letter stood.
const LARGE: &str = "[a-q][^u-z]{20}x";

#[test]
fn large_expressions_are_found_in_windows_and_the_loader_says_so() {
    let rules = vec![rule(&[b"literal"], &["small"]), rule(&[], &["smaller", LARGE, "[b-r][^t-z]{20}y$"])];
    let Compiled { rules, notices } = compile(rules);
    assert_eq!(notices, [Notice::Windowed { rule: 1, regex: 1 }, Notice::Windowed { rule: 1, regex: 2 }]);
    let scanner = Scanner::new(rules);
    let text = |last: &str| format!("zzz-a-0123456789-0123456789{last}").into_bytes();
    assert_eq!(scan_every_way(&scanner, &text("")), None);
    assert!(scan_every_way(&scanner, b"zzz-a-0123456789-01234567x").is_some());
    assert!(scan(&scanner, [&b"zzz-b-0123456789-01234567y"[..]]).is_some());
    assert_eq!(scan(&scanner, [&b"zzz-b-0123456789-01234567yy"[..10], b"56789-01234567y."]), None);
    // Across a border in the middle of far more than a window.
    let far = [&b"z".repeat(50_000)[..], b"zzz-a-0123456789-01234567x"].concat();
    for size in [4095, 4096, 4097, 16 * 1024, 50_010] {
        let found = scan(&scanner, far.chunks(size)).expect("it is there");
        assert_eq!((found.rule, found.end), (1, far.len() as u64), "{size}");
    }
}

#[test]
fn bad_expressions_are_told_with_their_place() {
    let fault = |regexes: &[&str]| Rules::compile(vec![rule(&[], &["fine"]), rule(&[], regexes)]).err();
    let told = |regex, why| Some(RuleError { rule: 1, regex: Some(regex), why });
    assert_eq!(fault(&["good", "a*"]), told(1, RuleFault::MatchesNothing));
    assert_eq!(fault(&["[a&&b]"]), told(0, RuleFault::NeverMatches));
    assert_eq!(fault(&["((((a{1000}){1000}){1000}){1000})"]), told(0, RuleFault::TooLarge));
    assert!(matches!(fault(&["("]), Some(RuleError { why: RuleFault::Syntax(text), .. }) if text.contains("unclosed")));
    assert_eq!(fault(&["good"]), None);
}

#[test]
fn short_literals_are_found_and_told_to_be_slow() {
    let Compiled { rules, notices } = compile(vec![rule(&[b"a longer literal"], &[]), rule(&[b"ab"], &[])]);
    assert_eq!(notices, [Notice::ShortLiteral { rule: 1 }]);
    assert_eq!(scan_every_way(&Scanner::new(rules), b"nothing but ab"), at(1, 14));
}

#[test]
fn without_rules_nothing_is_found() {
    let scanner = scanner(Vec::new());
    assert_eq!(scan(&scanner, [&b"text"[..]]), None);
    assert_eq!(scanner.slice(), 16 * 1024);
}

#[test]
fn many_literals_beyond_the_table_are_found() {
    let texts: Vec<Vec<u8>> = (0..5000_u32).map(|number| format!("literal number {number:08}").into_bytes()).collect();
    let all: Vec<&[u8]> = texts.iter().map(Vec::as_slice).collect();
    let scanner = scanner(vec![rule(&all, &[])]);
    assert_eq!(scan_every_way(&scanner, b"a literal number 00004999."), at(0, 25));
    assert_eq!(scan_every_way(&scanner, b"a literal number 00005000."), None);
}

/// The first literal to end, found the simple way.
fn simple_minded(literals: &[Vec<u8>], text: &[u8]) -> Option<Match> {
    (1..=text.len()).find_map(|end| {
        let rule = literals.iter().position(|literal| text[..end].ends_with(literal))?;
        at(rule, end)
    })
}

fn split<'a>(text: &'a [u8], cuts: &[prop::sample::Index]) -> Vec<&'a [u8]> {
    let mut places: Vec<usize> = cuts.iter().map(|cut| cut.index(text.len() + 1)).collect();
    places.extend([0, text.len()]);
    places.sort_unstable();
    places.windows(2).map(|pair| &text[pair[0]..pair[1]]).collect()
}

proptest! {
    #[test]
    fn literals_are_found_as_the_simple_way_finds_them(
        literals in prop::collection::vec(prop::collection::vec(b'a'..b'd', 1..12), 1..8),
        shortest in 1..9_usize,
        text in prop::collection::vec(b'a'..b'e', 0..400),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..12),
    ) {
        let literals: Vec<Vec<u8>> = literals.into_iter().map(|mut literal| {
            literal.resize(literal.len().max(shortest), b'c');
            literal
        }).collect();
        let scanner = scanner(literals.iter().map(|literal| rule(&[literal], &[])).collect());
        let expected = simple_minded(&literals, &text);
        prop_assert_eq!(scan(&scanner, [text.as_slice()]), expected);
        prop_assert_eq!(scan(&scanner, split(&text, &cuts)), expected);
        prop_assert_eq!(scan(&scanner, text.chunks(1)), expected);
    }

    #[test]
    fn a_literal_in_any_text_is_found(
        literal in prop::collection::vec(any::<u8>(), 4..40),
        text in prop::collection::vec(any::<u8>(), 0..3000),
        place in any::<prop::sample::Index>(),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..6),
    ) {
        let place = place.index(text.len() + 1);
        let text = [&text[..place], &literal, &text[place..]].concat();
        let scanner = scanner(vec![rule(&[&literal, b"something else"], &[])]);
        let whole = scan(&scanner, [text.as_slice()]);
        prop_assert!(whole.is_some_and(|found| found.end <= (place + literal.len()) as u64));
        prop_assert_eq!(scan(&scanner, split(&text, &cuts)), whole);
    }

    #[test]
    fn expressions_are_found_as_by_a_search_of_the_whole(
        picked in prop::sample::subsequence(
            vec!["ab+c", "(?:a|bc)d{2}", "d[^a]{3}b", "cab(?:d|e)", "eee", "^aa", "bcd$", "\\bab\\b", "(?m)^de$"], 1..6),
        text in prop::collection::vec(prop::sample::select(&b"abcde \n"[..]), 0..120),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..12),
    ) {
        let scanner = scanner(vec![rule(&[], &picked)]);
        let whole = scan(&scanner, [text.as_slice()]);
        let bytes = regex_automata::util::syntax::Config::new().unicode(false).utf8(false);
        let is_match = |pattern: &str| {
            let built = regex_automata::meta::Builder::new().syntax(bytes).build(pattern);
            built.expect("good").is_match(&text)
        };
        prop_assert_eq!(whole.is_some(), picked.iter().any(|pattern| is_match(pattern)));
        prop_assert_eq!(scan(&scanner, split(&text, &cuts)), whole);
        prop_assert_eq!(scan(&scanner, text.chunks(1)), whole);
    }
}
