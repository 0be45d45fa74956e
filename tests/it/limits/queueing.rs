//! `over = "queue"`: whoever finds no slot waits in line, leaves it when it likes, and is not kept waiting for ever.

use std::time::{Duration, Instant};

use tether::base::phase::Phase;
use tether::limits::refusal::Why;

use super::{GROUP, at, get_with, page, site, ticking, ticks, tunnel_to};
use crate::support::admin;
use crate::support::answer::{answer, answer_head};
use crate::support::client::Leaving;
use crate::support::proxy::{Proxy, SOON};
use crate::support::rules::{asking_from, limited, rule, wait_for_use};

const A: &str = "127.0.0.2";
const B: &str = "127.0.0.3";

/// One stream for each holder; `max` may wait, for `wait`.
fn queueing(per: &str, max: u32, wait: &str) -> Proxy {
    limited(&format!(
        "{GROUP}[[limit]]\nname = \"line\"\ndestination = \"group:sport\"\nper = \"{per}\"\nstreams = 1\nexchanges = 8\n\
         over = \"queue\"\nqueue = {{ max = {max}, wait = \"{wait}\" }}\n"
    ))
}

fn refused_for(proxy: &Proxy, why: Why) -> u64 {
    rule(proxy, "line").refused.iter().filter(|(own, _)| *own == why).map(|(_, count)| count).sum()
}

#[test]
fn who_waits_is_served_when_a_slot_is_freed() {
    let (proxy, origin) = (queueing("pair", 2, "30s"), site());
    let [p1, p2] = ["p1.sport.test", "p2.sport.test"].map(|host| at(host, origin.address()));
    let mut first = asking_from(A, &proxy, ticks(&p1));
    ticking(&mut first);
    let mut second = asking_from(A, &proxy, ticks(&p2));
    wait_for_use(&proxy, "line", 2, 1, 1);
    let mut third = asking_from(A, &proxy, ticks(&p1));
    wait_for_use(&proxy, "line", 3, 1, 2);
    proxy.wait_until("in the queue", |proxy| {
        proxy.streams().iter().filter(|row| row.phase == Phase::Queued).count() == 2
    });
    let (_, metrics) = admin::ask(&proxy, "/metrics");
    assert!(metrics.contains("\ntether_limit_queued{scope=\"pair\",name=\"line\"} 2\n"));
    let refused = answer(&mut asking_from(A, &proxy, ticks(&p1)));
    assert_eq!((refused.status, refused_for(&proxy, Why::QueueFull)), (429, 1), "{}", refused.head);
    assert!(refused.field("Retry-After").is_some());
    ticking(&mut asking_from(B, &proxy, ticks(&p1)));
    assert!(!second.has_more() && proxy.open().upstreams <= 2, "nothing is dialled for those who wait");
    drop(first);
    ticking(&mut second);
    assert!(!third.has_more());
    drop(second);
    ticking(&mut third);
    wait_for_use(&proxy, "line", 1, 1, 0);
    assert_eq!((rule(&proxy, "line").queued, rule(&proxy, "line").granted), (2, 2));
}

#[test]
fn whoever_leaves_leaves_the_queue_at_once() {
    for leaving in [Leaving::Fin, Leaving::Reset] {
        let (proxy, origin) = (queueing("pair", 8, "30s"), site());
        let to = at("p1.sport.test", origin.address());
        let mut first = asking_from(A, &proxy, ticks(&to));
        ticking(&mut first);
        let second = asking_from(A, &proxy, ticks(&to));
        wait_for_use(&proxy, "line", 2, 1, 1);
        let mut third = asking_from(A, &proxy, ticks(&to));
        wait_for_use(&proxy, "line", 3, 1, 2);
        let _left = leaving.leave(second);
        wait_for_use(&proxy, "line", 2, 1, 1);
        assert_eq!(proxy.tally().cancels(Phase::Queued), 1, "{leaving:?}");
        drop(first);
        ticking(&mut third);
        assert_eq!(rule(&proxy, "line").granted, 1, "the one that left was passed over");
        drop(third);
        wait_for_use(&proxy, "line", 0, 0, 0);
    }
}

#[test]
fn the_wait_has_an_end() {
    for (per, status) in [("pair", 429), ("source", 429), ("destination", 503), ("global", 503)] {
        let (proxy, origin) = (queueing(per, 8, "200ms"), site());
        let to = at("p1.sport.test", origin.address());
        let mut first = asking_from(A, &proxy, ticks(&to));
        ticking(&mut first);
        let began = Instant::now();
        let mut second = asking_from(A, &proxy, ticks(&to));
        let refused = answer(&mut second);
        assert_eq!((refused.status, refused_for(&proxy, Why::QueueTimeout)), (status, 1), "{per}");
        assert!(began.elapsed() >= Duration::from_millis(200), "{:?}", began.elapsed());
        assert!(refused.field("Retry-After").is_some() && refused.head.contains("Rule: line"), "{}", refused.head);
        assert_eq!(rule(&proxy, "line").waiting, 0);
        second.send(page(&to));
        assert_eq!(answer(&mut second).text(), "/page");
    }
}

#[test]
fn exchanges_and_tunnels_wait_too() {
    let (proxy, origin) = (queueing("pair", 8, "30s"), site());
    let to = at("p1.sport.test", origin.address());
    let mut held: Vec<_> = (0..8).map(|_| asking_from(A, &proxy, get_with(&to, "/hold", ""))).collect();
    wait_for_use(&proxy, "line", 8, 0, 0);
    let mut waiting = asking_from(A, &proxy, page(&to));
    wait_for_use(&proxy, "line", 8, 0, 1);
    let mut tunnel = asking_from(A, &proxy, tunnel_to(&to));
    wait_for_use(&proxy, "line", 8, 0, 2);
    drop(held.pop());
    assert_eq!(answer(&mut waiting).text(), "/page");
    // What the page held went on to the tunnel.
    assert!(tunnel.head().starts_with("HTTP/1.1 200 "));
    tunnel.send(page(&to));
    assert!(tunnel.head().starts_with("HTTP/1.1 200 "));
    wait_for_use(&proxy, "line", 8, 0, 0);
}

#[test]
fn an_answer_that_is_a_stream_waits_with_its_head_unsent() {
    let (proxy, origin) = (queueing("pair", 8, "30s"), site());
    let to = at("p1.sport.test", origin.address());
    let mut first = asking_from(A, &proxy, get_with(&to, "/ticks", ""));
    ticking(&mut first);
    let mut second = asking_from(A, &proxy, get_with(&to, "/ticks", ""));
    wait_for_use(&proxy, "line", 2, 1, 1);
    assert!(!second.has_more());
    drop(first);
    ticking(&mut second);
}

#[test]
fn sources_take_turns() {
    let (proxy, origin) = (queueing("destination", 8, "30s"), site());
    let to = at("p1.sport.test", origin.address());
    let mut first = asking_from(A, &proxy, ticks(&to));
    ticking(&mut first);
    let mut line = Vec::new();
    for (number, source) in [A, A, A, B].into_iter().enumerate() {
        line.push(asking_from(source, &proxy, ticks(&to)));
        wait_for_use(&proxy, "line", number as u64 + 2, 1, number as u64 + 1);
    }
    let mut holder = first;
    for (turn, next) in [0, 3, 1, 2].into_iter().enumerate() {
        drop(holder);
        assert!(line[next].comes_within(SOON), "turn {turn} is not that of {next}");
        ticking(&mut line[next]);
        let waiting = line.iter().filter(|client| client.has_more()).count();
        assert_eq!(waiting, 0, "one slot serves one");
        let unused = asking_from("127.0.0.9", &proxy, "");
        holder = std::mem::replace(&mut line[next], unused);
    }
}

#[test]
fn what_was_sent_while_waiting_is_not_lost() {
    let (proxy, origin) = (queueing("pair", 8, "30s"), site());
    let to = at("p1.sport.test", origin.address());
    let held: Vec<_> = (0..8).map(|_| asking_from(A, &proxy, get_with(&to, "/hold", ""))).collect();
    wait_for_use(&proxy, "line", 8, 0, 0);
    let mut client = asking_from(A, &proxy, page(&to));
    wait_for_use(&proxy, "line", 8, 0, 1);
    client.send(get_with(&to, "/second", ""));
    drop(held);
    assert_eq!(answer(&mut client).text(), "/page");
    assert_eq!(answer(&mut client).text(), "/second");
    assert!(answer_head(&mut asking_from(B, &proxy, page(&to))).is_ok());
}
