//! What origins teach about their idle connections, and what becomes of those that cannot be reused.

use std::time::{Duration, Instant};

use tether::upstream::learned::OriginView;

use super::request;
use crate::support::answer::answer;
use crate::support::client::{asking, get};
use crate::support::patience::until;
use crate::support::proxy::Proxy;
use crate::support::script::{Scripted, ok};
use crate::support::wire::How;

fn learned(proxy: &Proxy) -> Vec<OriginView> {
    proxy.app().learned().snapshot(Instant::now())
}

/// Closes every connection that says nothing for so long.
fn closing_after(idle: Duration) -> Scripted {
    Scripted::start(move |visit| {
        while visit.head_within(idle).is_some() {
            visit.send(ok("fine"));
        }
        visit.finish();
    })
}

#[test]
fn after_one_close_we_are_first() {
    let proxy = Proxy::start();
    let origin = closing_after(Duration::from_millis(500));
    let mut client = asking(&proxy, get(origin.address(), "/"));
    assert_eq!(answer(&mut client).text(), "fine");
    proxy.wait_until("learned", |proxy| !learned(proxy).is_empty());
    let view = learned(&proxy).remove(0);
    assert_eq!(*view.authority, *origin.address().to_string());
    let closes_after = view.closes_after.expect("an idle time");
    assert!(closes_after >= Duration::from_millis(400), "{closes_after:?}");
    client.send(get(origin.address(), "/"));
    assert_eq!(answer(&mut client).text(), "fine");
    // The origin would have been first; it hears our FIN before its time is over, and no more is learned.
    assert_eq!(origin.ended(1).end, Some(How::Fin));
    assert_eq!(proxy.tally().sum(|worker| worker.upstream_idle_ended.get()), 1);
}

#[test]
fn gets_that_race_the_close_of_their_origin_all_succeed() {
    let proxy = Proxy::start();
    let idle = Duration::from_millis(12);
    let origin = closing_after(idle);
    let clients: Vec<_> = (0..4u32).map(|number| (asking(&proxy, ""), number)).collect();
    std::thread::scope(|scope| {
        for (mut client, number) in clients {
            let origin = &origin;
            scope.spawn(move || {
                for round in 0..250u32 {
                    client.send(get(origin.address(), "/"));
                    assert_eq!(answer(&mut client).status, 200);
                    // Around the moment of the close: the race itself is what is tested.
                    std::thread::sleep(idle.mul_f64(0.7 + f64::from((round * 7 + number) % 60) / 100.0));
                }
            });
        }
    });
}

#[test]
fn an_origin_that_closes_at_once_is_no_longer_kept() {
    let proxy = Proxy::start();
    let origin = Scripted::start(|visit| {
        if visit.head().is_some() {
            visit.send(ok("fine"));
            visit.finish();
        }
    });
    let mut client = asking(&proxy, "");
    until("learned", || {
        client.send(get(origin.address(), "/"));
        assert_eq!(answer(&mut client).text(), "fine");
        learned(&proxy).iter().any(|view| view.closes_after.is_some() || view.quarantined_for.is_some())
    });
    let reused = || proxy.tally().sum(|worker| worker.upstream_reused.get());
    let before = reused();
    for _ in 0..20 {
        client.send(get(origin.address(), "/"));
        assert_eq!(answer(&mut client).text(), "fine");
    }
    assert_eq!(reused(), before, "nothing is tried in vain");
}

#[test]
fn an_origin_that_dies_on_reuse_is_left_alone_for_a_while() {
    let proxy = Proxy::start();
    let origin = Scripted::start(|visit| {
        if visit.request().is_some() {
            visit.send(ok("fine"));
            visit.request();
            visit.reset();
        }
    });
    let mut client = asking(&proxy, "");
    for id in 0..20 {
        client.send(request("GET", &origin, id, ""));
        assert_eq!(answer(&mut client).text(), "fine");
    }
    let view = learned(&proxy).remove(0);
    assert_eq!(view.stale_failures, 3);
    let left = view.quarantined_for.expect("a quarantine");
    assert!(left > Duration::from_secs(200) && left <= Duration::from_secs(300), "{left:?}");
    let tally = proxy.tally();
    assert_eq!(tally.sum(|worker| worker.stale_failures.get()), 3);
    assert_eq!(tally.sum(|worker| worker.stale_retries.get()), 3);
    assert_eq!(tally.sum(|worker| worker.quarantines.get()), 1);
    // Each of the three was read once in vain.
    assert_eq!(origin.seen().iter().map(|one| one.text().matches("GET ").count()).sum::<usize>(), 23);
}
