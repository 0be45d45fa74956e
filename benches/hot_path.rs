//! What one request costs before any system call: head parse, forward decision, limits, response head, body framing;
//! and what scanning a body costs.

#[path = "hot_path/scan.rs"]
mod scan;

use std::hint::black_box;
use std::sync::Arc;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use tether::base::authority::Authority;
use tether::http::body::{BodyFormat, BodyReader};
use tether::http::chunked::write_chunk;
use tether::http::framing::BodyFraming;
use tether::http::request::{Request, read_request};
use tether::http::response::{ClientConnection, read_response};
use tether::limits::Limits;
use tether::limits::refusal::Lane;
use tether::limits::settings::{LimitMode, LimitRule, Over, Per, QueueBounds, Rate, RateRule, RuleScope, RuleSet};
use tether::limits::subject::Subject;
use tether::policy::destination::DestinationSettings;

const PSEUDONYM: &str = "tether-0123abcd";

/// What a browser sends for a picture.
const REQUEST: &[u8] = b"GET http://www.example.com/assets/pictures/front-page/hero.webp?v=20261121 HTTP/1.1\r\n\
    Host: www.example.com\r\n\
    Proxy-Connection: keep-alive\r\n\
    User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0.0.0 Safari/537.36\r\n\
    Accept: image/avif,image/webp,image/apng,image/svg+xml,image/*,*/*;q=0.8\r\n\
    Referer: http://www.example.com/\r\n\
    Accept-Encoding: gzip, deflate\r\n\
    Accept-Language: en-GB,en;q=0.9,de;q=0.8\r\n\
    Cookie: session=0123456789abcdef0123456789abcdef; consent=1\r\n\
    If-None-Match: \"5f3c-62a1b9\"\r\n\r\n";

const RESPONSE: &[u8] = b"HTTP/1.1 200 OK\r\n\
    Server: nginx\r\n\
    Date: Sat, 21 Nov 2026 12:00:00 GMT\r\n\
    Content-Type: image/webp\r\n\
    Content-Length: 24380\r\n\
    Last-Modified: Fri, 20 Nov 2026 08:00:00 GMT\r\n\
    Connection: keep-alive\r\n\
    ETag: \"5f3c-62a1b9\"\r\n\
    Cache-Control: max-age=86400\r\n\
    Accept-Ranges: bytes\r\n\r\n";

fn request() -> Request {
    read_request(REQUEST, None, PSEUDONYM, &mut Vec::new()).expect("good").expect("whole").request
}

fn heads(criterion: &mut Criterion) {
    let mut out = Vec::with_capacity(4096);
    criterion.bench_function("request head, new origin", |bencher| {
        bencher.iter(|| {
            out.clear();
            black_box(read_request(black_box(REQUEST), None, PSEUDONYM, &mut out)).is_ok()
        });
    });
    let recent = request().target.authority().cloned();
    criterion.bench_function("request head, origin of the request before", |bencher| {
        bencher.iter(|| {
            out.clear();
            black_box(read_request(black_box(REQUEST), recent.as_ref(), PSEUDONYM, &mut out)).is_ok()
        });
    });
    let request = request();
    criterion.bench_function("response head", |bencher| {
        bencher.iter(|| {
            out.clear();
            let client = ClientConnection::MayStay;
            black_box(read_response(black_box(RESPONSE), &request, client, PSEUDONYM, &mut out)).is_ok()
        });
    });
}

fn decisions(criterion: &mut Criterion) {
    let settings = DestinationSettings {
        allow: vec!["10.0.0.0/8".parse().expect("net"), "fd00::/8".parse().expect("net")],
        own: vec!["127.0.0.1:3128".parse().expect("own"), "127.0.0.1:9128".parse().expect("own")],
        ..DestinationSettings::default()
    };
    let addresses = ["93.184.216.34:80", "10.1.2.3:80", "[2606:4700::1111]:80", "[64:ff9b::7f00:1]:80"]
        .map(|address| address.parse().expect("address"));
    criterion.bench_function("destination guard, four addresses", |bencher| {
        bencher.iter(|| black_box(&addresses).map(|address| settings.judge(address).is_ok()));
    });
    criterion.bench_function("authority", |bencher| {
        bencher.iter(|| Authority::parse(black_box(b"www.example.com:8080"), None).is_ok());
    });
}

fn bodies(criterion: &mut Criterion) {
    let mut body = Vec::new();
    while body.len() < 60 * 1024 {
        write_chunk(&[b'x'; 4096], &mut body);
    }
    let mut group = criterion.benchmark_group("chunked body");
    group.throughput(Throughput::Bytes(body.len() as u64));
    let mut out = Vec::with_capacity(128 * 1024);
    group.bench_function("framed anew, 4 KiB chunks", |bencher| {
        bencher.iter(|| {
            out.clear();
            let mut reader = BodyReader::new(BodyFraming::Chunked);
            black_box(reader.read(black_box(&body), BodyFormat::Chunked, &mut out)).is_ok()
        });
    });
    group.finish();
}

/// A limit for each of these, and a rate of each kind per source.
fn rules(pers: &[Per]) -> RuleSet {
    let limit = |per: &Per| {
        let (exchanges, streams) = (Some(1000), Some(100));
        let queue = QueueBounds::default();
        Arc::new(LimitRule {
            scope: RuleScope::of_all(per.label(), *per),
            exchanges,
            streams,
            over: Over::Queue,
            queue,
        })
    };
    let plenty = Some(Rate { per_second: 1 << 40, burst: 1 << 40 });
    let rate = RateRule { scope: RuleScope::of_all("rate", Per::Source), requests: plenty, bytes: plenty };
    RuleSet { limits: pers.iter().map(limit).collect(), rates: vec![Arc::new(rate)] }
}

fn limits(criterion: &mut Criterion) {
    const FOUR: [Per; 4] = [Per::Source, Per::Destination, Per::Pair, Per::Global];
    let authority = Authority::parse(b"www.example.com:8080", None).expect("authority");
    let subject = Subject::new([192, 0, 2, 1].into(), "office", &authority);
    let mut group = criterion.benchmark_group("limits");
    for pers in [&FOUR[..1], &FOUR] {
        let limits = Limits::new(LimitMode::Enforce, rules(pers));
        let plan = limits.plan(&subject, None);
        group.bench_function(format!("take and give back, plan of {}", pers.len()), |bencher| {
            bencher.iter(|| drop(black_box(limits.admit(black_box(&plan), Lane::Exchange, None))));
        });
    }
    let limits = Limits::new(LimitMode::Enforce, rules(&FOUR));
    let plan = limits.plan(&subject, None);
    group.bench_function("same destination again: check the plan, take and give back 4", |bencher| {
        bencher.iter(|| {
            let plan = if limits.is_current(&plan) { plan.clone() } else { limits.plan(&subject, Some(&plan)) };
            drop(black_box(limits.admit(black_box(&plan), Lane::Exchange, None)));
        });
    });
    group.bench_function("new plan of 4, nothing known", |bencher| {
        bencher.iter(|| limits.plan(black_box(&subject), None));
    });
    let rates = limits.rate_plan(&subject, None);
    let now = std::time::Instant::now();
    group.bench_function("one request and its bytes against a rate", |bencher| {
        bencher.iter(|| {
            rates.spend(black_box(1024), now);
            rates.take_request(black_box(now)).is_ok() && rates.ready_at(now).is_none()
        });
    });
    group.finish();
}

criterion_group!(benches, heads, decisions, limits, bodies, scan::scans);
criterion_main!(benches);
