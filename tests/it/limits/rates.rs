//! How much in a second: requests over it are refused with a true `Retry-After`, bytes over it come later.

use std::time::{Duration, Instant};

use tether::base::phase::Phase;
use tether::limits::rates::RateStats;

use super::{at, get_with, page, site, tunnel_to};
use crate::support::admin;
use crate::support::answer::answer;
use crate::support::client::Leaving;
use crate::support::origin::Origin;
use crate::support::proxy::{Proxy, SOON};
use crate::support::rules::{asking_from, limited};
use crate::support::wire::Wire;

const A: &str = "127.0.0.2";
const B: &str = "127.0.0.3";
const P1: &str = "p1.sport.test";
const OTHER: &str = "www.other.test";

fn rate(keys: &str) -> Proxy {
    limited(&format!("[[rate]]\nname = \"rate\"\n{keys}\n"))
}

fn stats(proxy: &Proxy) -> RateStats {
    proxy.app().reloader().limits().rate_stats().remove(0)
}

#[test]
fn requests_over_the_rate_are_told_when_to_come_again() {
    let origin = site();
    for (keys, status, shares, apart) in [
        ("per = \"source\"", 429, Some((A, OTHER)), Some((B, P1))),
        ("per = \"pair\"\ncount_by = \"host\"", 429, None, Some((A, OTHER))),
        ("per = \"destination\"\ncount_by = \"host\"", 503, Some((B, P1)), Some((A, OTHER))),
        ("per = \"global\"", 503, Some((B, OTHER)), None),
    ] {
        let proxy = rate(&format!("{keys}\nrequests = 1\nrequests_burst = 3\n"));
        let to = |host| page(&at(host, origin.address()));
        let mut client = asking_from(A, &proxy, "");
        let mut passed = 0;
        let refused = loop {
            client.send(to(P1));
            let got = answer(&mut client);
            match got.status {
                200 => passed += 1,
                _ => break got,
            }
            assert!(passed < 1000, "never refused: {keys}");
        };
        assert!(passed >= 3, "{passed} of a burst of 3");
        assert_eq!((refused.status, refused.field("Retry-After")), (status, Some("1")), "{keys}: {}", refused.head);
        assert!(refused.head.contains("Rule: rate") && refused.field("Connection") == Some("keep-alive"));
        assert_eq!(stats(&proxy).refused, 1);
        if let Some((source, host)) = apart {
            assert_eq!(answer(&mut asking_from(source, &proxy, to(host))).status, 200, "{keys}");
        }
        if let Some((source, host)) = shares {
            let mut seen = [0, 0];
            let mut other = asking_from(source, &proxy, "");
            while seen[1] == 0 {
                other.send(to(host));
                seen[usize::from(answer(&mut other).status == status)] += 1;
            }
            assert!(seen[0] <= 2, "{keys}: its own burst is used up, and {seen:?} passed");
        }
    }
}

#[test]
fn what_a_rate_has_done_is_shown() {
    let keys = "per = \"source\"\nrequests = 1\nrequests_burst = 1\nbytes = \"1KiB\"\nbytes_burst = \"1KiB\"\n";
    let (proxy, origin) = (rate(keys), Origin::bind());
    let to = at(P1, origin.address());
    let mut slow = asking_from(A, &proxy, page(&to));
    let mut served = origin.accept();
    served.head();
    served.send(format!("HTTP/1.1 200 OK\r\nContent-Length: {BODY}\r\n\r\n{}", "x".repeat(BODY / 2)));
    slow.head();
    throttled(&proxy);
    let quick = site();
    let to = at(OTHER, quick.address());
    let mut refused = asking_from(B, &proxy, page(&to));
    while answer(&mut refused).status == 200 {
        refused.send(page(&to));
    }
    let (_, body) = admin::ask(&proxy, "/api/v1/limits?rule=rate");
    let shown: serde_json::Value = serde_json::from_str(&body).expect("JSON");
    let shown = &shown["rates"][0];
    assert_eq!((&shown["bytes"]["per_second"], &shown["refused"]), (&1024.into(), &1.into()), "{body}");
    assert!(shown["delayed"].as_u64() >= Some(1), "{body}");
    let (_, metrics) = admin::ask(&proxy, "/metrics");
    assert!(metrics.contains("\ntether_rate_rejections_total{scope=\"source\",name=\"rate\"} 1\n"), "{metrics}");
    assert!(!metrics.contains("\ntether_rate_delays_total{scope=\"source\",name=\"rate\"} 0\n"), "{metrics}");
}

#[test]
fn whoever_comes_when_it_was_told_to_is_served() {
    let (proxy, origin) = (rate("per = \"source\"\nrequests = 1\nrequests_burst = 1\n"), site());
    let to = at(P1, origin.address());
    let mut client = asking_from(A, &proxy, "");
    let wait = loop {
        client.send(page(&to));
        let got = answer(&mut client);
        if got.status != 200 {
            break got.field("Retry-After").expect("when").parse().expect("seconds");
        }
    };
    let due = Instant::now() + Duration::from_secs(wait);
    assert!(!client.comes_within(due.saturating_duration_since(Instant::now())), "unasked");
    client.send(page(&to));
    assert_eq!(answer(&mut client).status, 200);
}

#[test]
fn a_refused_connect_is_answered_before_it_stands() {
    let (proxy, origin) = (rate("per = \"source\"\nrequests = 1\nrequests_burst = 1\n"), Origin::bind());
    let to = tunnel_to(&at(P1, origin.address()));
    let mut tunnels: Vec<Wire> = Vec::new();
    let refused = loop {
        let mut client = asking_from(A, &proxy, &to);
        let head = client.head();
        if !head.starts_with("HTTP/1.1 200 ") {
            break head;
        }
        tunnels.push(client);
        assert!(tunnels.len() < 100, "never refused");
    };
    assert!(refused.starts_with("HTTP/1.1 429 ") && refused.contains("Retry-After: 1\r\n"), "{refused}");
}

const BYTES: &str = "per = \"source\"\nbytes = \"100KiB\"\nbytes_burst = \"20KiB\"\n";

/// A body that takes at least this long at that rate.
const BODY: usize = 120 * 1024;
const LEAST: Duration = Duration::from_millis(850);

/// Downloads `size` bytes that the origin sends at once; gives how long that took.
fn download(proxy: &Proxy, size: usize) -> Duration {
    let origin = Origin::bind();
    let began = Instant::now();
    let mut client = asking_from(A, proxy, page(&at(P1, origin.address())));
    let mut served = origin.accept();
    served.head();
    let sending = std::thread::spawn(move || {
        served.send(format!("HTTP/1.1 200 OK\r\nContent-Length: {size}\r\n\r\n"));
        served.send(vec![b'x'; size]);
        served
    });
    client.head();
    assert_eq!(client.exactly(size).len(), size);
    drop(sending.join().expect("the origin"));
    began.elapsed()
}

#[test]
fn a_large_download_keeps_to_the_rate() {
    let proxy = rate("per = \"source\"\nbytes = \"4MiB\"\nbytes_burst = \"1MiB\"\n");
    let took = download(&proxy, 8 * 1024 * 1024);
    // (8 - 1) / 4 s, and the last turn of at most 1 MiB may be paid for by whoever comes next.
    assert!(took >= Duration::from_millis(1450) && took < SOON, "{took:?}");
    assert!(stats(&proxy).delayed > 0);
}

#[test]
fn a_small_download_is_no_exception_from_the_burst() {
    let took = download(&rate(BYTES), BODY);
    assert!(took >= LEAST, "{BODY} bytes at 100 KiB/s with a burst of 20 KiB took {took:?}");
}

#[test]
fn a_tunnel_keeps_to_the_rate_both_ways_together() {
    let (proxy, origin) = (rate(BYTES), Origin::bind());
    let began = Instant::now();
    let mut client = asking_from(A, &proxy, tunnel_to(&at(P1, origin.address())));
    let mut served = origin.accept();
    client.head();
    for _ in 0..BODY / 2048 {
        client.send([b'u'; 1024]);
        served.exactly(1024);
        served.send([b'd'; 1024]);
        client.exactly(1024);
    }
    assert!(began.elapsed() >= LEAST, "{:?}", began.elapsed());
    assert!(began.elapsed() < SOON);
}

#[test]
fn an_upload_keeps_to_the_rate() {
    let (proxy, origin) = (rate(BYTES), Origin::bind());
    let to = at(P1, origin.address());
    let began = Instant::now();
    let length = format!("Content-Length: {BODY}\r\n");
    let mut client = asking_from(A, &proxy, get_with(&to, "/", &length).replace("GET", "POST"));
    let mut sender = client.twin();
    let sending = std::thread::spawn(move || sender.send("x".repeat(BODY)));
    let mut served = origin.accept();
    served.head();
    served.exactly(BODY);
    served.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi");
    assert_eq!(answer(&mut client).text(), "hi");
    sending.join().expect("the sender");
    assert!(began.elapsed() >= LEAST, "{:?}", began.elapsed());
}

/// Waits until the burst has gone out and nothing more is taken for now.
fn throttled(proxy: &Proxy) {
    proxy.wait_until("the burst", |proxy| proxy.streams().iter().any(|row| row.bytes_out >= 1024));
    proxy.tally().wait_for_phase(Phase::Throttled);
}

#[test]
fn sources_do_not_slow_each_other() {
    let (proxy, origin) = (rate("per = \"source\"\nbytes = \"1KiB\"\nbytes_burst = \"1KiB\"\n"), Origin::bind());
    let to = at(P1, origin.address());
    let mut slow = asking_from(A, &proxy, page(&to));
    let mut served = origin.accept();
    served.head();
    served.send(format!("HTTP/1.1 200 OK\r\nContent-Length: {BODY}\r\n\r\n{}", "x".repeat(BODY / 2)));
    slow.head();
    throttled(&proxy);
    let mut quick = asking_from(B, &proxy, page(&to));
    let mut its_origin = origin.accept();
    its_origin.head();
    its_origin.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi");
    assert_eq!(answer(&mut quick).text(), "hi");
}

#[test]
fn who_leaves_while_throttled_is_let_go_at_once() {
    for leaving in [Leaving::Fin, Leaving::Reset] {
        let (proxy, origin) = (rate("per = \"source\"\nbytes = \"1KiB\"\nbytes_burst = \"1KiB\"\n"), Origin::bind());
        let mut client = asking_from(A, &proxy, page(&at(P1, origin.address())));
        let mut served = origin.accept();
        served.head();
        served.send(format!("HTTP/1.1 200 OK\r\nContent-Length: {BODY}\r\n\r\n{}", "x".repeat(BODY / 2)));
        client.head();
        throttled(&proxy);
        let left = leaving.leave(client);
        let ended = served.ending();
        // At this rate the next byte would have been due a minute later.
        assert!(ended.at.saturating_duration_since(left.at) < Duration::from_secs(5), "{leaving:?}");
        proxy.wait_until_empty();
        assert_eq!(proxy.tally().cancels(Phase::Throttled), 1, "{leaving:?}");
    }
}

#[test]
fn who_resets_a_throttled_tunnel_is_let_go_at_once() {
    let (proxy, origin) = (rate("per = \"source\"\nbytes = \"1KiB\"\nbytes_burst = \"1KiB\"\n"), Origin::bind());
    let mut client = asking_from(A, &proxy, tunnel_to(&at(P1, origin.address())));
    let mut served = origin.accept();
    client.head();
    served.send([b'd'; 32 * 1024]);
    throttled(&proxy);
    let left = Leaving::Reset.leave(client);
    let ended = served.ending();
    assert!(ended.at.saturating_duration_since(left.at) < Duration::from_secs(5));
    proxy.wait_until_empty();
}
