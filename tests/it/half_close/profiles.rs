//! Half-closed tunnels and silent ones behind boxes that forget them: our timers end first, on a clock that stands still.

use std::time::Duration;

use tether::base::reason::Reason;
use tether::config::settings::Settings;
use tether::policy::half_close::{FinPolicy, HalfClose, Profile, ServerFin};
use tether::upstream::settings::{DestinationRule, Reuse};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::reuse::rule;
use crate::support::still_worker::{SendingEnd, StillWorker, origin, read_head, read_rest, standing_still};

const fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

/// A listener with this profile.
fn listener(profile: Profile) -> impl FnOnce(&mut Settings) {
    move |settings| settings.forward[0].half_close.profile = Some(profile)
}

/// A tunnel in which the client has said all it has to say, and the origin knows it.
async fn half_closed(worker: &StillWorker) -> (TcpStream, TcpStream) {
    let (origin, _) = origin().await;
    let (mut client, mut served) = worker.tunnel(&origin).await;
    client.write_all(b"a question").await.expect("send");
    client.shutdown().await.expect("a FIN");
    assert_eq!(read_rest(&mut served).await, "a question");
    (client, served)
}

/// The server answers so long after the client's FIN; gives what the client got.
async fn answered_after(worker: &StillWorker, time: Duration) -> String {
    let (mut client, mut served) = half_closed(worker).await;
    worker.wait(time).await;
    // The other side may be gone.
    let _ = served.write_all(b"an answer").await;
    drop(served);
    read_rest(&mut client).await
}

#[test]
fn what_comes_before_the_box_forgets_is_delivered() {
    for (profile, after) in [
        (Profile::Panos, seconds(100)),
        (Profile::Panos, seconds(117)),
        (Profile::PanosLegacy, seconds(27)),
        (Profile::Cgnat, seconds(234)),
    ] {
        standing_still(listener(profile), async |worker| {
            assert_eq!(answered_after(&worker, after).await, "an answer", "{}", profile.label());
            assert_eq!((worker.end().reason, worker.end().timer), (Reason::Done, None));
        });
    }
}

#[test]
fn what_would_come_later_is_ended_by_us_and_the_end_names_the_profile() {
    for (profile, limit) in
        [(Profile::Panos, seconds(118)), (Profile::PanosLegacy, seconds(28)), (Profile::Cgnat, seconds(235))]
    {
        standing_still(listener(profile), async |worker| {
            let (mut client, mut served) = half_closed(&worker).await;
            worker.wait(limit - seconds(1)).await;
            assert!(worker.ends().is_empty(), "{}: not before its time", profile.label());
            worker.wait(seconds(1)).await;
            assert_eq!(read_rest(&mut client).await, "", "{}", profile.label());
            let end = worker.end();
            assert_eq!((end.reason, end.timer), (Reason::TunnelHalfClose, Some(profile.label())));
            // 130 s after the client's FIN there is nobody to tell.
            worker.wait(seconds(130) - seconds(30)).await;
            let _ = served.write_all(b"an answer").await;
            assert_eq!(read_rest(&mut served).await, "");
        });
    }
}

/// A server that goes on sending after the client's FIN, a byte a second, for `time`; gives whether it could.
async fn drips_for(worker: &StillWorker, time: u64) -> bool {
    let (mut client, mut served) = half_closed(worker).await;
    let mut byte = [0];
    for _ in 0..time {
        worker.wait(seconds(1)).await;
        if served.write_all(b".").await.is_err() || client.read(&mut byte).await.ok() != Some(1) {
            return false;
        }
    }
    true
}

#[test]
fn panos_counts_from_the_first_fin_and_others_from_the_last_byte() {
    let own = HalfClose { limit: Some(seconds(20)), ..HalfClose::default() };
    let panos = HalfClose { profile: Some(Profile::Panos), ..HalfClose::default() };
    for (half_close, goes_on) in [(own, true), (panos, false)] {
        standing_still(
            |settings| settings.forward[0].half_close = half_close,
            async |worker| assert_eq!(drips_for(&worker, 125).await, goes_on, "{half_close:?}"),
        );
    }
}

#[test]
fn it_does_not_matter_who_was_first() {
    standing_still(listener(Profile::PanosLegacy), async |worker| {
        let (origin, _) = origin().await;
        let (mut client, mut served) = worker.tunnel(&origin).await;
        served.shutdown().await.expect("a FIN");
        assert_eq!(read_rest(&mut client).await, "");
        worker.wait(seconds(27)).await;
        assert!(worker.ends().is_empty());
        worker.wait(seconds(1)).await;
        assert_eq!(read_rest(&mut served).await, "");
        assert_eq!((worker.end().reason, worker.end().timer), (Reason::TunnelHalfClose, Some("panos-legacy")));
    });
}

#[test]
fn without_a_profile_the_setting_holds_and_is_named() {
    standing_still(
        |_| {},
        async |worker| {
            let (mut client, _served) = half_closed(&worker).await;
            worker.wait(seconds(119)).await;
            assert!(worker.ends().is_empty());
            worker.wait(seconds(1)).await;
            assert_eq!(read_rest(&mut client).await, "");
            assert_eq!((worker.end().reason, worker.end().timer), (Reason::TunnelHalfClose, Some("half_close_tunnel")));
        },
    );
}

#[test]
fn silent_tunnels_end_before_the_box_forgets_them() {
    for (profile, idle) in [
        (Profile::Panos, seconds(3570)),
        (Profile::PanosLegacy, seconds(3570)),
        (Profile::AwsNlb, seconds(345)),
        (Profile::Cgnat, seconds(295)),
    ] {
        standing_still(listener(profile), async |worker| {
            let (origin, _) = origin().await;
            let (mut client, mut served) = worker.tunnel(&origin).await;
            worker.wait(idle - seconds(1)).await;
            assert!(worker.ends().is_empty(), "{}: not before its time", profile.label());
            worker.wait(seconds(1)).await;
            assert_eq!(read_rest(&mut client).await + &read_rest(&mut served).await, "");
            assert_eq!((worker.end().reason, worker.end().timer), (Reason::TunnelIdle, Some(profile.label())));
        });
    }
}

#[test]
fn a_profile_that_did_not_end_it_is_not_named() {
    // The rule's own limit is the one that ran out; and the load balancer has nothing to say of half-closed tunnels.
    let own = HalfClose { profile: Some(Profile::Panos), limit: Some(seconds(20)), ..HalfClose::default() };
    let none = HalfClose { profile: Some(Profile::AwsNlb), ..HalfClose::default() };
    for (half_close, limit) in [(own, seconds(20)), (none, seconds(120))] {
        standing_still(
            |settings| settings.forward[0].half_close = half_close,
            async |worker| {
                let (mut client, _served) = half_closed(&worker).await;
                worker.wait(limit).await;
                assert_eq!(read_rest(&mut client).await, "");
                let end = worker.end();
                assert_eq!((end.reason, end.timer), (Reason::TunnelHalfClose, Some("half_close_tunnel")));
            },
        );
    }
}

#[test]
fn a_half_closed_request_ends_before_the_box_forgets_it_and_names_the_profile() {
    let finishing = HalfClose {
        on_client_fin: Some(FinPolicy::Finish),
        profile: Some(Profile::PanosLegacy),
        ..HalfClose::default()
    };
    standing_still(
        |settings| settings.forward[0].half_close = finishing,
        async |worker| {
            let (origin, to) = origin().await;
            let get = format!("GET http://{to}/ HTTP/1.1\r\nHost: {to}\r\n\r\n");
            let (mut client, served) = tokio::join!(worker.client(&get, SendingEnd::Fin), origin.accept());
            let (mut served, _) = served.expect("accept");
            read_head(&mut served).await;
            worker.wait(seconds(27)).await;
            assert!(worker.ends().is_empty());
            worker.wait(seconds(1)).await;
            let end = worker.end();
            assert_eq!((end.reason, end.timer), (Reason::HalfCloseLimit, Some("panos-legacy")));
            drop(client.shutdown().await);
        },
    );
}

#[test]
fn a_silent_answer_ends_before_the_box_forgets_it_and_names_the_profile() {
    standing_still(listener(Profile::AwsNlb), async |worker| {
        let (origin, to) = origin().await;
        let get = format!("GET http://{to}/ HTTP/1.1\r\nHost: {to}\r\n\r\n");
        let (mut client, served) = tokio::join!(worker.client(&get, SendingEnd::Open), origin.accept());
        let (mut served, _) = served.expect("accept");
        read_head(&mut served).await;
        served.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n").await.expect("send");
        read_head(&mut client).await;
        worker.wait(seconds(344)).await;
        assert!(worker.ends().is_empty());
        worker.wait(seconds(1)).await;
        let end = worker.end();
        assert_eq!((end.reason, end.timer), (Reason::ResponseBodyTimeout, Some("aws-nlb")));
    });
}

#[test]
fn the_destination_says_more_than_the_listener() {
    let settings_of_destination = [
        (HalfClose { profile: Some(Profile::PanosLegacy), ..HalfClose::default() }, seconds(28)),
        (HalfClose { limit: Some(seconds(5)), ..HalfClose::default() }, seconds(5)),
    ];
    for (half_close, limit) in settings_of_destination {
        let of_destination = DestinationRule { half_close, ..rule(Reuse::Sticky) };
        standing_still(
            |settings| {
                settings.forward[0].half_close.profile = Some(Profile::Panos);
                settings.destination_rules = vec![of_destination.into()];
            },
            async |worker| {
                let (mut client, _served) = half_closed(&worker).await;
                worker.wait(limit - seconds(1)).await;
                assert!(worker.ends().is_empty(), "not before its time");
                worker.wait(seconds(1)).await;
                assert_eq!(read_rest(&mut client).await, "");
                assert_eq!(worker.end().reason, Reason::TunnelHalfClose);
            },
        );
    }
}

#[test]
fn the_fin_of_an_origin_ends_the_tunnel_where_it_is_said() {
    // Listener, destination, and whether the client may go on sending.
    for (listener, destination, goes_on) in [
        (None, None, true),
        (Some(ServerFin::Close), None, false),
        (None, Some(ServerFin::Close), false),
        (Some(ServerFin::Close), Some(ServerFin::Pass), true),
    ] {
        let half_close = HalfClose { on_server_fin: destination, ..HalfClose::default() };
        let of_destination = DestinationRule { half_close, ..rule(Reuse::Sticky) };
        standing_still(
            |settings| {
                settings.forward[0].half_close.on_server_fin = listener;
                settings.destination_rules = vec![of_destination.into()];
            },
            async |worker| {
                let (origin, _) = origin().await;
                let (mut client, mut served) = worker.tunnel(&origin).await;
                let words = "the last words ".repeat(10_000);
                let (sent, got) = tokio::join!(
                    async {
                        served.write_all(words.as_bytes()).await.expect("send");
                        served.shutdown().await.expect("a FIN");
                        served
                    },
                    read_rest(&mut client)
                );
                let mut served = sent;
                assert!(got == words, "all of it is delivered first: {} bytes", got.len());
                worker.wait(seconds(1)).await;
                assert_eq!(worker.ends().is_empty(), goes_on, "{listener:?} {destination:?}");
                if goes_on {
                    client.write_all(b"farewell").await.expect("send");
                    client.shutdown().await.expect("a FIN");
                }
                assert_eq!(read_rest(&mut served).await, if goes_on { "farewell" } else { "" });
                worker.wait(seconds(0)).await;
                assert_eq!(worker.end().reason, Reason::Done);
            },
        );
    }
}

#[test]
fn a_destination_that_finishes_does_so_for_a_fin_right_behind_the_request() {
    let half_close = HalfClose { on_client_fin: Some(FinPolicy::Finish), ..HalfClose::default() };
    let of_destination = DestinationRule { half_close, ..rule(Reuse::Sticky) };
    standing_still(
        |settings| settings.destination_rules = vec![of_destination.into()],
        async |worker| {
            let (origin, to) = origin().await;
            let get = format!("GET http://{to}/ HTTP/1.1\r\nHost: {to}\r\n\r\n");
            let mut client = worker.client(&get, SendingEnd::Fin).await;
            let mut served = tokio::select! {
                served = origin.accept() => served.expect("accept").0,
                got = client.read_u8() => panic!("cut before its origin was asked: {got:?}"),
            };
            read_head(&mut served).await;
            served.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nlate").await.expect("send");
            assert!(read_rest(&mut client).await.ends_with("\r\n\r\nlate"));
        },
    );
}
