//! What scanning costs: text against a thousand literals, expressions, and codings undone on the way.

use std::hint::black_box;
use std::io::Write;

use criterion::{Criterion, Throughput};
use flate2::Compression;
use flate2::write::GzEncoder;
use tether::inspect::body::{BodyScan, Wants};
use tether::inspect::decode::coding::{Coding, Codings};
use tether::inspect::decode::{DecodeLimits, SLICE};
use tether::inspect::rules::Rules;
use tether::inspect::scan::Scanner;
use tether::inspect::settings::{LetterCase, Literal, ScanRule};

/// English, markup and a list of packages.
const TEXT: &[&str] =
    &[include_str!("../../README.md"), include_str!("../../src/admin/index.html"), include_str!("../../Cargo.lock")];

const SIZE: usize = 4 << 20;

fn text() -> Vec<u8> {
    TEXT.concat().into_bytes().into_iter().cycle().take(SIZE).collect()
}

/// Signatures as rule files have them: a third URLs, a third pieces of code, a third words that the text is made of in an
/// order that it does not have; 8 to 40 bytes each.
fn literals() -> Vec<Literal> {
    let words: Vec<&str> = TEXT[0].split_whitespace().filter(|word| word.len() > 3).collect();
    let word = |number: usize| words[number * 7919 % words.len()];
    (0..1000)
        .map(|number| match number % 3 {
            0 => format!("http://{}{number}.example/", number * 31 % 1009),
            1 => format!("eval(atob('{number:05}"),
            _ => format!("{} {} {number}", word(number), word(number + 1)),
        })
        .map(|text| Literal::text(&text).expect("not empty"))
        .collect()
}

fn scanner(letters: LetterCase, literals: Vec<Literal>, regexes: &[&str]) -> Scanner {
    let regexes = regexes.iter().map(|text| (*text).into()).collect();
    let rule = ScanRule { letters, literals, regexes, ..ScanRule::new("rule") };
    Scanner::new(Rules::compile(vec![rule]).expect("good").rules)
}

fn scan(scanner: &Scanner, text: &[u8]) {
    let mut stream = scanner.stream();
    for slice in text.chunks(scanner.slice()) {
        assert_eq!(stream.push(black_box(slice)), None);
    }
}

/// Every group of measurements.
pub fn scans(criterion: &mut Criterion) {
    let text = text();
    let mut group = criterion.benchmark_group("scan");
    group.throughput(Throughput::Bytes(text.len() as u64)).sample_size(20);
    let expressions = ["powershell +-e[a-z]* ", "<script[^>]*>eval", "document\\.write\\(unescape", "cmd\\.exe /[ck]"];
    let exact = scanner(LetterCase::Exact, literals(), &[]);
    let either = scanner(LetterCase::Either, literals(), &[]);
    let with_expressions = scanner(LetterCase::Exact, literals(), &expressions);
    // The automaton alone: what a sender can bring it down to at worst.
    let stepped = scanner(LetterCase::Exact, [literals(), vec![Literal::text("\u{1}").expect("one")]].concat(), &[]);
    for (name, scanner) in [
        ("text, 1,000 literals", &exact),
        ("text, 1,000 literals of either case", &either),
        ("text, 1,000 literals and 4 expressions", &with_expressions),
        ("text, 1,000 literals stepped", &stepped),
    ] {
        group.bench_function(name, |bencher| bencher.iter(|| scan(scanner, &text)));
    }
    let hostile: Vec<u8> = b"http://1.example".iter().copied().cycle().take(SIZE).collect();
    group.bench_function("beginnings everywhere, 1,000 literals", |bencher| bencher.iter(|| scan(&exact, &hostile)));
    for size in [64, 1024] {
        group.bench_function(format!("text in pieces of {size}, 1,000 literals"), |bencher| {
            bencher.iter(|| {
                let mut stream = exact.stream();
                text.chunks(size).filter_map(|piece| stream.push(black_box(piece))).count()
            });
        });
    }
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(&text).expect("memory");
    let body = encoder.finish().expect("memory");
    group.bench_function("text in gzip, 1,000 literals", |bencher| bencher.iter(|| inspect(&exact, &body)));
    group.finish();
}

fn inspect(scanner: &Scanner, body: &[u8]) {
    let mut scan = BodyScan::new(scanner, &Codings::from(Coding::Gzip), DecodeLimits::default());
    let mut out = [0; SLICE];
    let mut rest = body;
    loop {
        let step = scan.step(rest, &mut out);
        assert_eq!(step.finding, None);
        rest = &rest[step.used..];
        if step.next == Wants::Input {
            return assert_eq!(scan.end(), None);
        }
    }
}
