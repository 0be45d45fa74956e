//! Rules that are only watched: nobody is refused, and it is counted who would have been.

use serde_json::Value;
use tether::limits::settings::LimitMode;

use super::{at, get_with, page, site, ticking, ticks};
use crate::support::admin;
use crate::support::answer::answer;
use crate::support::proxy::Proxy;
use crate::support::rules::{asking_from, limited, limited_with, rule, wait_for_use};
use crate::support::script::Scripted;

const A: &str = "127.0.0.2";
const P1: &str = "p1.sport.test";

fn watched(mode: &str) -> String {
    format!("[[limit]]\nname = \"tight\"\nper = \"source\"\nexchanges = 2\nstreams = 1\n{mode}\n")
}

/// Three tickers at once, of which the rule allows one.
fn three_tickers(proxy: &Proxy, origin: &Scripted) {
    let to = at(P1, origin.address());
    let mut held: Vec<_> = (0..3).map(|_| asking_from(A, proxy, ticks(&to))).collect();
    held.iter_mut().for_each(|client| drop(ticking(client)));
    wait_for_use(proxy, "tight", 3, 3, 0);
    let (_, body) = admin::ask(proxy, "/api/v1/limits?rule=tight");
    let shown: Value = serde_json::from_str(&body).expect("JSON");
    // Two streams over the limit, and one exchange.
    assert_eq!((&shown["rules"][0]["would_reject"], &shown["rules"][0]["rejections"]["full"]), (&3.into(), &0.into()));
    let (_, metrics) = admin::ask(proxy, "/metrics");
    assert!(metrics.contains("\ntether_limit_would_reject_total{scope=\"source\",name=\"tight\"} 3\n"), "{metrics}");
    drop(held);
    wait_for_use(proxy, "tight", 0, 0, 0);
}

#[test]
fn a_rule_that_is_watched_refuses_nobody() {
    let (proxy, origin) = (limited(&watched("mode = \"simulate\"")), site());
    three_tickers(&proxy, &origin);
    assert_eq!(rule(&proxy, "tight").simulated, 3);
}

#[test]
fn the_switch_makes_every_rule_one_that_is_watched() {
    let rate = "[[rate]]\nname = \"slow\"\nper = \"source\"\nrequests = 1\nrequests_burst = 1\n";
    let rules = format!("{}{rate}", watched(""));
    let (proxy, origin) = (limited_with(&rules, |settings| settings.limits.mode = LimitMode::Simulate), site());
    three_tickers(&proxy, &origin);
    let rates = proxy.app().reloader().limits().rate_stats();
    assert_eq!((rates[0].refused, rates[0].simulated >= 2), (0, true), "{rates:?}");
    let (_, metrics) = admin::ask(&proxy, "/metrics");
    let line = format!("\ntether_rate_simulated_total{{scope=\"source\",name=\"slow\"}} {}\n", rates[0].simulated);
    assert!(metrics.contains(&line), "{metrics}");
}

#[test]
fn one_that_is_watched_does_not_open_what_another_closes() {
    let strict = "[[limit]]\nname = \"strict\"\nper = \"source\"\nexchanges = 3\n";
    let (proxy, origin) = (limited(&format!("{}{strict}", watched("mode = \"simulate\""))), site());
    let to = at(P1, origin.address());
    let _held = [0; 3].map(|_| asking_from(A, &proxy, get_with(&to, "/hold", "")));
    wait_for_use(&proxy, "tight", 3, 0, 0);
    let refused = answer(&mut asking_from(A, &proxy, page(&to)));
    assert!(refused.status == 429 && refused.head.contains("Rule: strict"), "{}", refused.head);
}

#[test]
fn what_is_off_counts_nothing() {
    let off = |settings: &mut tether::config::settings::Settings| settings.limits.mode = LimitMode::Off;
    let (proxy, origin) = (limited_with(&watched(""), off), site());
    let to = at(P1, origin.address());
    let mut held: Vec<_> = (0..3).map(|_| asking_from(A, &proxy, ticks(&to))).collect();
    held.iter_mut().for_each(|client| drop(ticking(client)));
    assert_eq!((rule(&proxy, "tight").streams, proxy.app().reloader().limits().entries()), (0, 0));
}
