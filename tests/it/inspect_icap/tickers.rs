//! Many tickers through a service that answers only at the end of a body: all flow, and no transaction lasts.

use std::sync::atomic::{AtomicBool, Ordering};

use super::*;
use crate::support::admin;
use crate::support::answer::answer_head;
use crate::support::client::Leaving;

const TICKERS: usize = 50;

/// A ticker: its head, and what it sends each time.
type Kind = (&'static str, &'static str, &'static str);

const KINDS: &[Kind] = &[
    ("/events", "text/event-stream", "data: tick\n\n"),
    ("/text", "text/plain", "tick\n"),
    ("/parts", "multipart/x-mixed-replace; boundary=b", "--b\r\nContent-Type: text/plain\r\n\r\ntick\r\n"),
    ("/json", "application/x-ndjson", "{\"tick\":1}\n"),
    ("/poll?sys.utime=1", "application/json", "[1]\n"),
];

fn chunk(data: &str) -> String {
    format!("{:x}\r\n{data}\r\n", data.len())
}

/// Ticks a few times, then sends so much that batches fill, until its client has left.
fn ticker(quick: Arc<AtomicBool>) -> Scripted {
    Scripted::start(move |visit| {
        let Some(head) = visit.head() else { return };
        let path = head.split(' ').nth(1).unwrap_or_default();
        let (_, media, tick) = KINDS.iter().find(|(own, ..)| *own == path).expect("a ticker");
        visit.send(format!("HTTP/1.1 200 OK\r\nContent-Type: {media}\r\nTransfer-Encoding: chunked\r\n\r\n"));
        let many = chunk(&tick.repeat(16 * 1024 / tick.len()));
        visit.send(chunk(&tick.repeat(2)));
        loop {
            // As tickers do: a tick, and nothing for a while.
            visit.head_within(Duration::from_millis(300));
            let more = if quick.load(Ordering::SeqCst) { many.clone() } else { chunk(tick) };
            if !visit.send(more) {
                return;
            }
        }
    })
}

#[test]
fn every_ticker_flows_and_every_transaction_ends() {
    // It never offers to judge by a preview, and answers only when it has everything.
    let scanner = Scanner::answering("", |visit, _| {
        visit.send(UNCHANGED);
    });
    let scene = Scene::with(vec![scanner.named("av")], |settings| {
        settings.inspect.hold.idle_gap = Duration::from_millis(50);
        settings.inspect.hold.first_byte_gap = SHORT;
    });
    let quick = Arc::new(AtomicBool::new(false));
    let origin = ticker(quick.clone());
    let paths = (0..TICKERS).map(|number| KINDS[number % KINDS.len()].0);
    let mut clients: Vec<Wire> = paths.map(|path| scene.asks(get(origin.address(), path))).collect();
    for client in &mut clients {
        let head = answer_head(client).expect("a head");
        assert!(head.status == 200 && head.field("Content-Length").is_none(), "{}", head.head);
        assert!(usize::from_str_radix(&client.line(), 16).expect("a chunk") > 0, "its first tick has come");
    }
    quick.store(true, Ordering::SeqCst);
    let readers: Vec<_> = clients.into_iter().map(draining).collect();
    scene.proxy.wait_until("windows of all", |_| windows_of_all(&scanner) >= TICKERS);
    for shown in scanner.shown() {
        assert!(!shown.head.contains("Preview:"), "{}", shown.head);
        let length = format!("Content-Length: {}\r\n", shown.body.len());
        assert!(shown.inner.contains(&length) && !shown.body.is_empty(), "{}", shown.inner);
        assert!(shown.body.len() <= 3 * 64 * 1024, "{} bytes", shown.body.len());
        assert!(shown.field("X-Scan-Window").is_some_and(|window| window.parse::<u32>().is_ok()), "{}", shown.head);
    }
    let oldest = scene.stats()[0].oldest_open.unwrap_or_default();
    assert!(oldest < SOON, "{oldest:?}");
    for (number, (stop, reader)) in readers.into_iter().enumerate() {
        stop.store(true, Ordering::SeqCst);
        let client = reader.join().expect("a client");
        drop(Leaving::ALL[number % Leaving::ALL.len()].leave(client));
    }
    scene.wait_until_empty();
    let (_, page) = admin::ask(&scene.proxy, "/metrics");
    assert!(page.contains("\ntether_icap_open{service=\"av\"} 0\n"), "{page}");
    assert!(page.contains("\ntether_scan_bytes_held{where=\"memory\"} 0\n"), "{page}");
    assert_eq!(scene.proxy.tally().orphans(), 0);
    assert_eq!(scene.ended(Ended::Timeout) + scene.ended(Ended::Overload), 0);
}

/// Tickers of which a window behind the first was shown.
fn windows_of_all(scanner: &Scanner) -> usize {
    scanner.shown().iter().filter(|shown| shown.field("X-Scan-Window") == Some("1")).count()
}

/// Reads and forgets, until it is told to stop.
fn draining(mut client: Wire) -> (Arc<AtomicBool>, std::thread::JoinHandle<Wire>) {
    let stop = Arc::new(AtomicBool::new(false));
    let told = stop.clone();
    let thread = std::thread::spawn(move || {
        let mut buffer = vec![0; 64 * 1024];
        while !told.load(Ordering::SeqCst) {
            if client.comes_within(Duration::from_millis(50)) && client.some(&mut buffer).expect("ticks") == 0 {
                panic!("the end of a ticker");
            }
        }
        client
    });
    (stop, thread)
}

#[test]
fn a_service_that_takes_its_time_holds_no_ticker_up_once_it_flows() {
    // The first piece is judged before anything goes out; afterwards nobody waits for verdicts.
    let scanner = Scanner::answering("", |visit, shown| {
        if shown.field("X-Scan-Window") == Some("0") {
            visit.send(UNCHANGED);
        }
    });
    let scene = Scene::of(vec![scanner.named("av")]);
    let origin = crate::support::origin::Origin::bind();
    let mut client = scene.asks(get(origin.address(), "/live"));
    let mut served = origin.accept();
    served.head();
    served.send("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: one\n\n");
    client.head();
    assert_eq!(client.exactly(11), b"data: one\n\n");
    let event = format!("data: {}\n\n", "x".repeat(64 * 1024));
    served.send(&event);
    client.exactly(event.len());
    scene.proxy.wait_until("one is being scanned", |_| scene.open() == 1 && scanner.shown().len() == 2);
    for _ in 0..20 {
        served.send("data: more\n\n");
        assert_eq!(client.exactly(12), b"data: more\n\n");
    }
    assert_eq!(scanner.shown().len(), 2, "one at a time");
    client.reset();
    served.ending();
    scene.wait_until_empty();
}
