//! The story: one client holds all it may of a group of sister sites, and only that client is told so.

use serde_json::Value;

use super::{GROUP, at, get_with, page, site, ticking, ticks, tunnel_to};
use crate::support::admin;
use crate::support::answer::{Answer, answer};
use crate::support::proxy::Proxy;
use crate::support::rules::{asking_from, limited, rule, wait_for_use};
use crate::support::wire::{How, Wire};

const A: &str = "127.0.0.2";
const B: &str = "127.0.0.3";

fn story() -> Proxy {
    let limit =
        "[[limit]]\nname = \"pair\"\ndestination = \"group:sport\"\nper = \"pair\"\nexchanges = 5\nstreams = 3\n";
    limited(&format!("{GROUP}{limit}"))
}

/// A 429 for the rule `pair`, that says when to come again.
fn assert_refused(answer: &Answer) {
    assert_eq!(answer.status, 429, "{}", answer.head);
    let wait: u64 = answer.field("Retry-After").expect("when to come again").parse().expect("seconds");
    assert!((1..=3600).contains(&wait), "{wait}");
    let told = answer.field("Proxy-Status").expect("why");
    assert!(told.starts_with("tether; error=http_request_denied; ") && told.contains("Rule: pair"), "{told}");
}

#[test]
fn who_holds_all_it_may_is_refused_and_nobody_else() {
    let (proxy, origin) = (story(), site());
    let [p1, p2, sister, other] =
        ["p1.sport.test", "p2.sport.test", "p1.news.test", "www.other.test"].map(|host| at(host, origin.address()));
    let mut held: Vec<Wire> = (0..3).map(|_| asking_from(A, &proxy, ticks(&p1))).collect();
    held.iter_mut().for_each(|client| drop(ticking(client)));
    wait_for_use(&proxy, "pair", 3, 3, 0);
    for to in [&p1, &p2, &sister] {
        assert_refused(&answer(&mut asking_from(A, &proxy, ticks(to))));
    }
    assert_eq!(answer(&mut asking_from(A, &proxy, page(&p2))).text(), "/page", "exchanges are left");
    ticking(&mut asking_from(A, &proxy, ticks(&other)));
    let mut others = [asking_from(B, &proxy, ticks(&p1)), asking_from(B, &proxy, ticks(&p2))];
    others.iter_mut().for_each(|client| drop(ticking(client)));
    drop(held.pop());
    wait_for_use(&proxy, "pair", 4, 4, 0);
    ticking(&mut asking_from(A, &proxy, ticks(&p2)));
    assert_eq!(rule(&proxy, "pair").streams_peak, 3);
}

#[test]
fn an_answer_that_is_a_stream_is_refused_before_its_first_byte() {
    let (proxy, origin) = (story(), site());
    let to = at("p1.sport.test", origin.address());
    let mut held: Vec<Wire> = (0..3).map(|_| asking_from(A, &proxy, get_with(&to, "/ticks", ""))).collect();
    held.iter_mut().for_each(|client| drop(ticking(client)));
    let mut client = asking_from(A, &proxy, get_with(&to, "/ticks", "Accept: application/json\r\n"));
    let refused = answer(&mut client);
    assert_refused(&refused);
    let body: Value = serde_json::from_slice(&refused.body).expect("JSON");
    assert_eq!((body["error"].as_str(), body["status"].as_u64()), (Some("pair_limit"), Some(429)), "{body}");
    assert_eq!(body["destination"].as_str(), Some(to.as_str()));
    proxy.wait_until("its upstream gone", |proxy| proxy.open().upstreams == 3);
    client.send(page(&to));
    assert_eq!(answer(&mut client).text(), "/page", "its connection goes on");
}

#[test]
fn a_refused_stream_holds_nothing() {
    let (proxy, origin) = (story(), site());
    let to = at("p1.sport.test", origin.address());
    let mut held: Vec<Wire> = (0..3).map(|_| asking_from(A, &proxy, ticks(&to))).collect();
    held.iter_mut().for_each(|client| drop(ticking(client)));
    let mut refused: Vec<Wire> = (0..4).map(|_| asking_from(A, &proxy, ticks(&to))).collect();
    refused.iter_mut().for_each(|client| assert_refused(&answer(client)));
    wait_for_use(&proxy, "pair", 3, 3, 0);
    refused[0].send(page(&to));
    assert_eq!(answer(&mut refused[0]).text(), "/page");
}

#[test]
fn exchanges_have_a_limit_of_their_own() {
    let (proxy, origin) = (story(), site());
    let to = at("p1.sport.test", origin.address());
    let held: Vec<Wire> = (0..5).map(|_| asking_from(A, &proxy, get_with(&to, "/hold", ""))).collect();
    wait_for_use(&proxy, "pair", 5, 0, 0);
    let mut kept = asking_from(A, &proxy, page(&at("p2.sport.test", origin.address())));
    let refused = answer(&mut kept);
    assert_refused(&refused);
    assert_eq!(refused.field("Connection"), Some("keep-alive"));
    assert_refused(&answer(&mut asking_from(A, &proxy, ticks(&to))));
    assert_eq!(answer(&mut asking_from(B, &proxy, page(&to))).text(), "/page");
    drop(held);
    wait_for_use(&proxy, "pair", 0, 0, 0);
    kept.send(page(&to));
    assert_eq!(answer(&mut kept).text(), "/page");
}

#[test]
fn tunnels_are_refused_before_they_stand() {
    let (proxy, origin) = (story(), site());
    let [p1, p2, other] = ["p1.sport.test", "p2.sport.test", "www.other.test"].map(|host| at(host, origin.address()));
    let open = |source: &str, to: &str| {
        let mut client = asking_from(source, &proxy, tunnel_to(to));
        let head = client.head();
        assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
        client
    };
    let mut held: Vec<Wire> = (0..5).map(|_| open(A, &p1)).collect();
    let connections = origin.seen().len();
    let mut client = asking_from(A, &proxy, tunnel_to(&p2));
    let refused = answer(&mut client);
    assert_refused(&refused);
    assert_eq!(refused.field("Connection"), Some("close"));
    assert!(refused.text().contains("429 Too Many Requests"), "{}", refused.text());
    assert_eq!(client.ending().how, How::Fin);
    assert_eq!(origin.seen().len(), connections, "nothing was dialled");
    drop((open(A, &other), open(B, &p1)));
    drop(held.pop());
    wait_for_use(&proxy, "pair", 4, 0, 0);
    drop(open(A, &p2));
}

#[test]
fn the_admin_port_tells_who_holds_what() {
    let (proxy, origin) = (story(), site());
    let to = at("p1.sport.test", origin.address());
    let mut held: Vec<Wire> = (0..3).map(|_| asking_from(A, &proxy, ticks(&to))).collect();
    held.iter_mut().for_each(|client| drop(ticking(client)));
    let mut other = asking_from(B, &proxy, ticks(&to));
    ticking(&mut other);
    assert_refused(&answer(&mut asking_from(A, &proxy, ticks(&to))));
    let (status, body) = admin::ask(&proxy, "/api/v1/limits?rule=pair&top=1");
    assert_eq!(status, 200);
    let shown: Value = serde_json::from_str(&body).expect("JSON");
    let rule = &shown["rules"][0];
    assert_eq!((&rule["in_use"]["streams"], &rule["peak"]["streams"]), (&4.into(), &3.into()), "{rule}");
    assert_eq!(rule["rejections"]["full"], 1, "{rule}");
    let holders = rule["holders"].as_array().expect("holders");
    assert_eq!(holders.len(), 1, "{rule}");
    assert_eq!((&holders[0]["holder"], &holders[0]["streams"]), (&"127.0.0.2 group:sport".into(), &3.into()));
    let (_, page) = admin::ask(&proxy, "/metrics");
    for line in [
        "tether_limit_in_use{scope=\"pair\",name=\"pair\",lane=\"stream\"} 4",
        "tether_limit_rejections_total{scope=\"pair\",name=\"pair\",why=\"full\"} 1",
    ] {
        assert!(page.lines().any(|own| own == line), "no {line}\n{page}");
    }
}
