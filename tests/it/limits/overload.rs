//! The whole process within its means: streams keep to their lane, and what is given up when room runs out.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tether::base::reason::Reason;
use tether::config::settings::Settings;
use tether::icap::server::settings::IcapServerSettings;
use tether::limits::settings::LimitMode;

use super::{at, get_with, page, site, ticking, ticks, tunnel_to};
use crate::support::admin;
use crate::support::alone::alone;
use crate::support::answer::answer;
use crate::support::proxy::Proxy;
use crate::support::rules::{asking_from, keep, limited_with, rule, wait_for_use};
use crate::support::script::Scripted;
use crate::support::wire::{How, Wire};

const A: &str = "127.0.0.2";
const B: &str = "127.0.0.3";
const P1: &str = "p1.sport.test";
const OTHER: &str = "www.other.test";

#[test]
fn streams_leave_room_for_pages() {
    // The least lane there is: one stream.
    let (proxy, origin) = (limited_with("", |settings| settings.limits.stream_lane = 0), site());
    let [p1, other] = [P1, OTHER].map(|host| at(host, origin.address()));
    let mut first = asking_from(A, &proxy, ticks(&p1));
    ticking(&mut first);
    for (source, to) in [(A, &p1), (B, &other)] {
        let refused = answer(&mut asking_from(source, &proxy, ticks(to)));
        assert!(refused.status == 503 && refused.head.contains("Rule: proxy"), "{}", refused.head);
        assert!(refused.field("Retry-After").is_some());
        assert_eq!(answer(&mut asking_from(source, &proxy, page(to))).text(), "/page");
        assert!(asking_from(source, &proxy, tunnel_to(to)).head().starts_with("HTTP/1.1 200 "));
    }
    drop(first);
    wait_for_use(&proxy, "proxy", 0, 0, 0);
    ticking(&mut asking_from(B, &proxy, ticks(&other)));
}

#[test]
fn shares_are_those_of_the_lane() {
    let rules = "[[limit]]\nname = \"share\"\nper = \"destination\"\ncount_by = \"host\"\nstreams = \"25%\"\n";
    let proxy = limited_with(rules, |settings| settings.limits.stream_lane = 40);
    let limits = proxy.app().reloader().limits().rules();
    let streams = |name| limits.limits.iter().find(|rule| &*rule.scope.name == name).and_then(|rule| rule.streams);
    let lane = streams("proxy").expect("a lane");
    assert_eq!(streams("share"), Some((lane / 4).max(1)));
    let slots = limits.limits[0].exchanges.expect("slots");
    assert_eq!(u64::from(lane), u64::from(slots) * 40 / 100);
}

fn resident() -> u64 {
    let pages = std::fs::read_to_string("/proc/self/statm").expect("the kernel's count");
    let pages: u64 = pages.split(' ').nth(1).expect("resident pages").parse().expect("a number");
    pages * 4096
}

/// A proxy that is out of memory once [`burden`] is held.
fn narrow(limits: &str) -> (Proxy, u64) {
    narrow_with(limits, |_| {})
}

/// The same after `change`.
fn narrow_with(limits: &str, change: impl FnOnce(&mut Settings)) -> (Proxy, u64) {
    let memory = (resident() + 128 * 1024 * 1024) * 10 / 7;
    let proxy = Proxy::with(|settings| {
        keep(settings, limits);
        settings.limits.memory = Some(memory);
        change(settings);
    });
    (proxy, memory)
}

/// Holds enough memory for the last resort; every page of it is touched.
fn burden(memory: u64) -> Vec<u8> {
    let mut bytes = vec![1; usize::try_from(memory.saturating_sub(resident() / 2)).expect("a size")];
    bytes.iter_mut().step_by(4096).for_each(|byte| *byte = 2);
    bytes
}

fn level(proxy: &Proxy) -> u64 {
    let (status, page) = admin::ask(proxy, "/metrics");
    assert_eq!(status, 200, "the admin port always answers");
    let line = page.lines().find_map(|line| line.strip_prefix("tether_overload_level "));
    line.expect("the level").parse().expect("a number")
}

fn wait_for_level(proxy: &Proxy, wanted: u64) {
    proxy.wait_until(&format!("level {wanted}"), |proxy| level(proxy) == wanted);
}

fn shed(proxy: &Proxy, step: &str) -> u64 {
    let (_, page) = admin::ask(proxy, "/metrics");
    let name = format!("tether_overload_shed_total{{step=\"{step}\"}} ");
    page.lines().find_map(|line| line.strip_prefix(&name)).expect("a count").parse().expect("a number")
}

fn refused_as_overloaded(proxy: &Proxy, source: &str, request: String) {
    let refused = answer(&mut asking_from(source, proxy, request));
    assert_eq!(refused.status, 503, "{}", refused.head);
    assert!(refused.head.contains("This proxy has too much to do") && refused.field("Retry-After").is_some());
}

#[test]
fn a_process_out_of_memory_gives_up_one_thing_after_the_other() {
    alone("limits::overload::a_process_out_of_memory_gives_up_one_thing_after_the_other", || {
        let (proxy, memory) = narrow("");
        let origin = site();
        let [p1, other] = [P1, OTHER].map(|host| at(host, origin.address()));
        let mut silent: Vec<_> = (0..3).map(|_| asking_from(A, &proxy, ticks(&p1))).collect();
        silent.iter_mut().for_each(|client| drop(ticking(client)));
        let began = Instant::now();
        let burden = burden(memory);
        wait_for_level(&proxy, 4);
        // Three steps at least were taken after the first look, one at each.
        assert!(began.elapsed() >= Duration::from_millis(700), "{:?}: not step by step", began.elapsed());
        for mut client in silent {
            assert_eq!(client.rest(), (Vec::new(), How::Fin), "a silent stream is cut");
        }
        assert_eq!(proxy.tally().closed(Reason::StreamEvicted), 3);
        assert_eq!(shed(&proxy, "evict_streams"), 3);
        refused_as_overloaded(&proxy, B, page(&other));
        assert!(shed(&proxy, "refuse_sources") >= 1);
        assert_eq!(admin::ask(&proxy, "/api/v1/streams").0, 200);
        drop(burden);
        wait_for_level(&proxy, 0);
        assert_eq!(answer(&mut asking_from(B, &proxy, page(&other))).text(), "/page");
        ticking(&mut asking_from(A, &proxy, ticks(&p1)));
    });
}

#[test]
fn other_proxies_are_told_that_nothing_is_scanned_now() {
    alone("limits::overload::other_proxies_are_told_that_nothing_is_scanned_now", || {
        let port = IcapServerSettings::new("filter", SocketAddr::from((Ipv4Addr::LOCALHOST, 0)));
        let (proxy, memory) = narrow_with("", |settings| settings.icap_server = vec![port]);
        let mut squid = Wire::connect(proxy.app().icap_server_addresses()[0]);
        let asked = "REQMOD icap://s.test/reqmod ICAP/1.0\r\nAllow: 204\r\nEncapsulated: req-hdr=0, null-body=45\r\n\r\n\
            GET http://o.test/ HTTP/1.1\r\nHost: o.test\r\n\r\n";
        squid.send(asked);
        assert!(squid.head().starts_with("ICAP/1.0 204 "));
        let burden = burden(memory);
        wait_for_level(&proxy, 4);
        squid.send(asked);
        assert!(squid.head().starts_with("ICAP/1.0 503 "));
        assert_eq!(squid.rest().0, b"");
        assert!(shed(&proxy, "shed_scans") >= 1);
        drop(burden);
        wait_for_level(&proxy, 0);
        let mut squid = Wire::connect(proxy.app().icap_server_addresses()[0]);
        squid.send(asked);
        assert!(squid.head().starts_with("ICAP/1.0 204 "));
    });
}

#[test]
fn those_who_are_here_already_are_served_but_get_no_streams() {
    alone("limits::overload::those_who_are_here_already_are_served_but_get_no_streams", || {
        let (proxy, memory) = narrow("");
        let origin: Arc<Scripted> = Arc::new(site());
        let p1 = at(P1, origin.address());
        let _here = asking_from(A, &proxy, get_with(&p1, "/hold", ""));
        wait_for_use(&proxy, "proxy", 1, 0, 0);
        let _burden = burden(memory);
        wait_for_level(&proxy, 4);
        assert_eq!(answer(&mut asking_from(A, &proxy, page(&p1))).text(), "/page");
        refused_as_overloaded(&proxy, A, ticks(&p1));
        assert!(shed(&proxy, "refuse_streams") >= 1);
        assert_eq!(rule(&proxy, "proxy").streams, 0);
    });
}

#[test]
fn a_source_that_is_refused_may_try_again_on_the_same_connection() {
    alone("limits::overload::a_source_that_is_refused_may_try_again_on_the_same_connection", || {
        let (proxy, memory) = narrow("");
        assert_eq!(proxy.app().reloader().limits().mode(), LimitMode::Enforce);
        let origin = site();
        let p1 = at(P1, origin.address());
        let burden = burden(memory);
        wait_for_level(&proxy, 4);
        let mut client = asking_from(B, &proxy, page(&p1));
        assert_eq!(answer(&mut client).status, 503);
        drop(burden);
        wait_for_level(&proxy, 0);
        client.send(page(&p1));
        assert_eq!(answer(&mut client).text(), "/page");
    });
}
