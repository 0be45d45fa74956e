//! Who shares a limit with whom: every `per` and every `count_by`, and what the one in the way is told.

use super::{GROUP, at, get_with, page, site, ticking, ticks};
use crate::support::answer::answer;
use crate::support::client::connect;
use crate::support::proxy::Proxy;
use crate::support::rules::{asking_at, asking_from, limited, limited_with, rule, wait_for_use};
use crate::support::script::Scripted;
use crate::support::wire::Wire;

/// From where, to which host.
type Way = (&'static str, &'static str);

const P1: &str = "p1.sport.test";
const P2: &str = "p2.sport.test";
const NEWS: &str = "p1.news.test";
const OTHER: &str = "www.other.test";
const A_SHOP: &str = "a.shop.co.uk";
const B_SHOP: &str = "b.shop.co.uk";

/// One rule: its keys, who holds its only slot, who shares it, who does not, and what those are told who share it.
type Case = (&'static str, Way, &'static [Way], &'static [Way], u16);

const CASES: &[Case] = &[
    (
        "per = \"source\"",
        ("127.0.0.2", P1),
        &[("127.0.0.2", P1), ("127.0.0.2", OTHER)],
        &[("127.0.0.3", P1), ("127.0.1.1", P1)],
        429,
    ),
    (
        "per = \"prefix\"",
        ("127.0.0.2", P1),
        &[("127.0.0.2", OTHER), ("127.0.0.77", P1)],
        &[("127.0.1.2", P1), ("127.1.0.2", P1)],
        429,
    ),
    (
        "per = \"prefix\"\nprefix_v4 = 16",
        ("127.0.0.2", P1),
        &[("127.0.1.2", P1), ("127.0.99.1", OTHER)],
        &[("127.1.0.2", P1)],
        429,
    ),
    (
        "per = \"pair\"\ncount_by = \"domain\"",
        ("127.0.0.2", P1),
        &[("127.0.0.2", P1), ("127.0.0.2", P2)],
        &[("127.0.0.2", NEWS), ("127.0.0.3", P1)],
        429,
    ),
    (
        "per = \"pair\"\ncount_by = \"host\"",
        ("127.0.0.2", P1),
        &[("127.0.0.2", P1)],
        &[("127.0.0.2", P2), ("127.0.0.3", P1)],
        429,
    ),
    (
        "per = \"pair\"\ndestination = \"group:sport\"",
        ("127.0.0.2", P1),
        &[("127.0.0.2", P2), ("127.0.0.2", NEWS)],
        &[("127.0.0.2", OTHER), ("127.0.0.3", P1)],
        429,
    ),
    (
        "per = \"destination\"\ncount_by = \"host\"",
        ("127.0.0.2", P1),
        &[("127.0.0.2", P1), ("127.0.0.3", P1)],
        &[("127.0.0.2", P2)],
        503,
    ),
    (
        "per = \"destination\"\ncount_by = \"domain\"",
        ("127.0.0.2", A_SHOP),
        &[("127.0.0.3", A_SHOP), ("127.0.0.3", B_SHOP)],
        &[("127.0.0.2", P1), ("127.0.0.2", OTHER)],
        503,
    ),
    (
        "per = \"destination\"\ndestination = \"group:sport\"",
        ("127.0.0.2", P1),
        &[("127.0.0.3", NEWS), ("127.0.0.3", P2)],
        &[("127.0.0.2", OTHER)],
        503,
    ),
    (
        "per = \"destination\"\ndestination = \"*.sport.test\"",
        ("127.0.0.2", P1),
        &[("127.0.0.3", P2)],
        &[("127.0.0.2", NEWS)],
        503,
    ),
    (
        "per = \"destination\"\ndestination = \"*.sport.test\"\ncount_by = \"host\"",
        ("127.0.0.2", P1),
        &[("127.0.0.3", P1)],
        &[("127.0.0.2", P2), ("127.0.0.2", NEWS)],
        503,
    ),
    ("per = \"listener\"", ("127.0.0.2", P1), &[("127.0.0.3", OTHER)], &[], 503),
    ("per = \"global\"", ("127.0.0.2", P1), &[("127.0.0.3", OTHER)], &[], 503),
    (
        "per = \"global\"\nsource = \"127.0.0.0/24\"",
        ("127.0.0.2", P1),
        &[("127.0.0.3", OTHER)],
        &[("127.0.1.2", P1)],
        503,
    ),
    (
        "per = \"source\"\ndestination = \"www.other.test\"",
        ("127.0.0.2", OTHER),
        &[("127.0.0.2", OTHER)],
        &[("127.0.0.2", P1), ("127.0.0.3", OTHER)],
        429,
    ),
];

fn one_slot(keys: &str) -> String {
    format!("{GROUP}[[limit]]\nname = \"one\"\nexchanges = 1\n{keys}\n")
}

/// Holds the only slot.
fn hold(proxy: &Proxy, origin: &Scripted, (source, host): Way) -> Wire {
    let held = asking_from(source, proxy, get_with(&at(host, origin.address()), "/hold", ""));
    wait_for_use(proxy, "one", 1, 0, 0);
    held
}

fn status(proxy: &Proxy, origin: &Scripted, (source, host): Way) -> u16 {
    answer(&mut asking_from(source, proxy, page(&at(host, origin.address())))).status
}

#[test]
fn those_who_share_a_limit_are_refused_and_those_who_do_not_pass() {
    let origin = site();
    for (keys, holder, sharing, apart, refusal) in CASES {
        let proxy = limited(&one_slot(keys));
        let held = hold(&proxy, &origin, *holder);
        for way in *sharing {
            assert_eq!(status(&proxy, &origin, *way), *refusal, "{way:?} shares: {keys}");
        }
        for way in *apart {
            assert_eq!(status(&proxy, &origin, *way), 200, "{way:?} does not share: {keys}");
        }
        drop(held);
        wait_for_use(&proxy, "one", 0, 0, 0);
        for way in *sharing {
            assert_eq!(status(&proxy, &origin, *way), 200, "{way:?} once it is free: {keys}");
            wait_for_use(&proxy, "one", 0, 0, 0);
        }
    }
}

#[test]
fn listeners_have_slots_of_their_own() {
    let origin = site();
    for (keys, status) in [("per = \"listener\"", 200), ("per = \"global\"", 503), ("per = \"source\"", 429)] {
        let proxy = limited_with(&one_slot(keys), |settings| {
            let mut other = settings.forward[0].clone();
            other.name = "other".into();
            settings.forward.push(other);
        });
        let _held = hold(&proxy, &origin, ("127.0.0.2", P1));
        let port = proxy.app().forward_addresses()[1];
        let got = answer(&mut asking_at(port, "127.0.0.2", page(&at(P1, origin.address()))));
        assert_eq!(got.status, status, "{keys}");
    }
    let proxy = limited_with(&one_slot("per = \"global\"\nlistener = \"other\""), |_| {});
    let _held = asking_from("127.0.0.2", &proxy, get_with(&at(P1, origin.address()), "/hold", ""));
    proxy.wait_until("held", |proxy| proxy.open().upstreams == 1);
    assert_eq!((rule(&proxy, "one").exchanges, status_of_page(&proxy, &origin)), (0, 200), "another listener's rule");
}

fn status_of_page(proxy: &Proxy, origin: &Scripted) -> u16 {
    status(proxy, origin, ("127.0.0.2", P1))
}

#[test]
fn ports_may_be_told_apart() {
    let (one, two) = (site(), site());
    for (keys, other) in [("count_by = \"host_port\"", 200), ("count_by = \"host\"", 503)] {
        let proxy = limited(&one_slot(&format!("per = \"destination\"\n{keys}")));
        let _held = hold(&proxy, &one, ("127.0.0.2", P1));
        assert_eq!(status(&proxy, &one, ("127.0.0.3", P1)), 503, "{keys}");
        assert_eq!(status(&proxy, &two, ("127.0.0.3", P1)), other, "{keys}");
    }
    let port = one.address().port();
    let proxy = limited(&one_slot(&format!("per = \"destination\"\ndestination = \"p1.sport.test:{port}\"")));
    let _held = hold(&proxy, &one, ("127.0.0.2", P1));
    assert_eq!(status(&proxy, &one, ("127.0.0.3", P1)), 503);
    assert_eq!(status(&proxy, &two, ("127.0.0.3", P1)), 200);
}

#[test]
fn names_of_one_address_may_count_together() {
    let origin = site();
    let proxy = limited(&one_slot("per = \"destination\"\ncount_by = \"address\""));
    let _held = hold(&proxy, &origin, ("127.0.0.2", P1));
    assert_eq!(status(&proxy, &origin, ("127.0.0.3", OTHER)), 503, "another name of the same address");
    let mut literal = asking_from("127.0.0.3", &proxy, connect(origin.address()));
    assert_eq!(answer(&mut literal).status, 503, "the address itself");
}

#[test]
fn streams_of_one_address_count_together_however_they_are_known() {
    let origin = site();
    for count_by in ["count_by = \"address\"", "destination = \"127.0.0.0/8\""] {
        let rule = format!("[[limit]]\nname = \"one\"\nper = \"destination\"\n{count_by}\nstreams = 1\n");
        let proxy = limited(&rule);
        let [p1, other] = [P1, OTHER].map(|host| at(host, origin.address()));
        let mut held = asking_from("127.0.0.2", &proxy, ticks(&p1));
        ticking(&mut held);
        let mut asked_for = asking_from("127.0.0.3", &proxy, ticks(&other));
        assert_eq!(answer(&mut asked_for).status, 503, "{count_by}: another name of the same address");
        let mut found_out = asking_from("127.0.0.3", &proxy, get_with(&other, "/ticks", ""));
        assert_eq!(answer(&mut found_out).status, 503, "{count_by}: told by the answer's type alone");
        assert_eq!(status(&proxy, &origin, ("127.0.0.3", OTHER)), 200, "{count_by}: a page is no stream");
        drop(held);
        wait_for_use(&proxy, "one", 0, 0, 0);
        ticking(&mut asking_from("127.0.0.3", &proxy, ticks(&other)));
    }
}

#[test]
fn a_range_means_the_names_that_lead_there() {
    let origin = site();
    let proxy = limited(&one_slot("per = \"destination\"\ndestination = \"127.0.0.0/8\""));
    let _held = hold(&proxy, &origin, ("127.0.0.2", P1));
    assert_eq!(status(&proxy, &origin, ("127.0.0.3", OTHER)), 503);
}

#[test]
fn a_rule_may_take_the_place_of_another() {
    let origin = site();
    let more =
        "[[limit]]\nname = \"more\"\nsource = \"127.0.0.9\"\nper = \"source\"\nexchanges = 2\ninstead_of = \"one\"\n";
    let proxy = limited(&format!("{}{more}", one_slot("per = \"source\"")));
    let _held = hold(&proxy, &origin, ("127.0.0.2", P1));
    assert_eq!(status(&proxy, &origin, ("127.0.0.2", P1)), 429);
    let to = at(P1, origin.address());
    let _two = [0; 2].map(|_| asking_from("127.0.0.9", &proxy, get_with(&to, "/hold", "")));
    wait_for_use(&proxy, "more", 2, 0, 0);
    assert_eq!(status(&proxy, &origin, ("127.0.0.9", P1)), 429);
    assert_eq!(rule(&proxy, "one").exchanges, 1);
}
