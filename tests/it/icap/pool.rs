//! The limits of a server hold, whoever asks: no connection more than it allows.

use std::sync::Mutex;

use super::server::{UNCHANGED, whole};
use super::*;

/// Connections as the server counts them.
#[derive(Default)]
struct Count {
    now: usize,
    most: usize,
}

#[test]
fn max_connections_is_kept_across_threads() {
    let count = Arc::new(Mutex::new(Count::default()));
    let counted = count.clone();
    let server = serve("Max-Connections: 3\r\nPreview: 0\r\nTransfer-Preview: *\r\n", move |visit, ask| {
        {
            let mut count = counted.lock().expect("count");
            count.now += 1;
            count.most = count.most.max(count.now);
        }
        whole(visit, ask);
        counted.lock().expect("count").now -= 1;
        visit.send(UNCHANGED);
    });
    let client = client(&server);
    // Its limit is known before the crowd comes.
    run(async { assert!(client.options().await[0].1.is_ok()) });
    let threads: Vec<_> = (0..4)
        .map(|_| {
            let client = client.clone();
            std::thread::spawn(move || {
                run(async {
                    for _ in 0..10 {
                        let both = tokio::join!(scan(&client, &[7; 20_000]), scan(&client, &[7; 20_000]));
                        assert_eq!(both, (Ok(Judgement::Unchanged), Ok(Judgement::Unchanged)));
                        assert!(client.servers()[0].connections.open <= 3);
                    }
                });
            })
        })
        .collect();
    for thread in threads {
        thread.join().expect("no panic");
    }
    assert!(count.lock().expect("count").most <= 3);
    assert_eq!(client.servers()[0].connections.limit, 3);
}

#[test]
fn a_full_server_is_told_from_a_broken_one() {
    let server =
        serve("Max-Connections: 1\r\nPreview: 0\r\nTransfer-Preview: *\r\n", |visit, _| visit.wait_for_their_end());
    let mut settings = service(&[&server]);
    settings.timeouts.queue = SHORT;
    let client = IcapClient::new(settings);
    run(async {
        let mut first = Box::pin(scan(&client, b"hello"));
        let second = async {
            loop {
                if client.servers()[0].open == 1 && client.servers()[0].options.is_some() {
                    break scan(&client, b"hello").await;
                }
                tokio::task::yield_now().await;
            }
        };
        tokio::select! {
            _ = &mut first => panic!("a verdict from a silent server"),
            busy = second => assert_eq!(kind(busy), ErrorKind::Busy),
        }
    });
    assert_eq!(client.servers()[0].breaker.label(), "closed");
}

#[test]
fn work_goes_to_all_servers() {
    let answer = |visit: &mut crate::support::script::Visit, ask| {
        whole(visit, ask);
        visit.send(UNCHANGED);
    };
    let servers = [serve("", answer), serve("", answer), serve("", answer)];
    let client = IcapClient::new(service(&[&servers[0], &servers[1], &servers[2]]));
    run(async {
        for _ in 0..60 {
            assert_eq!(scan(&client, b"hello").await, Ok(Judgement::Unchanged));
        }
    });
    for server in &servers {
        assert!(!server.seen().is_empty());
    }
}
