//! The whole design rests on this: FIN and RST are seen behind unread bytes, and data wakes nobody (pitfall T1).

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Wake, Waker};
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;

use super::*;

async fn pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("bind");
    let client = TcpStream::connect(listener.local_addr().expect("address")).await.expect("connect");
    (client, listener.accept().await.expect("accept").0)
}

fn close_with_reset(socket: TcpStream) {
    crate::net::socket::reset_on_drop(&socket);
}

async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(5), future).await.expect("in time")
}

#[derive(Default)]
struct CountWakes(AtomicUsize);

impl Wake for CountWakes {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

#[tokio::test]
async fn fin_and_rst_are_seen_behind_unread_bytes() {
    for unread in [0, 1, 1_000, 32 * 1024] {
        let (mut client, served) = pair().await;
        client.write_all(&vec![b'x'; unread]).await.expect("write");
        drop(client);
        assert_eq!(soon(hung_up(&served)).await, Hangup::Fin, "{unread} bytes");

        let (mut client, served) = pair().await;
        client.write_all(&vec![b'x'; unread]).await.expect("write");
        close_with_reset(client);
        assert_eq!(soon(hung_up(&served)).await, Hangup::Reset, "{unread} bytes");
    }
}

#[tokio::test]
async fn a_fin_is_no_reset_and_a_reset_after_it_is() {
    let (mut client, mut served) = pair().await;
    client.shutdown().await.expect("shutdown");
    assert_eq!(soon(hung_up(&served)).await, Hangup::Fin);
    {
        let mut watch = pin!(reset(&served));
        let early = tokio::time::timeout(Duration::from_millis(50), watch.as_mut()).await;
        assert!(early.is_err(), "only half of the connection is closed");
    }
    served.write_all(b"answer").await.expect("the other half is open");
    close_with_reset(client);
    soon(reset(&served)).await;
}

#[tokio::test]
async fn data_does_not_wake_the_watcher() {
    let (mut client, served) = pair().await;
    let wakes = Arc::new(CountWakes::default());
    let waker = Waker::from(wakes.clone());
    let mut watch = pin!(hung_up(&served));
    assert!(watch.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
    let mut buffer = [0; 64];
    for round in 0..1_000 {
        client.write_all(b"data").await.expect("write");
        soon(served.readable()).await.expect("readable");
        if round % 2 == 0 {
            while served.try_read(&mut buffer).is_ok() {}
        }
    }
    assert_eq!(wakes.0.load(Ordering::Relaxed), 0);
    drop(client);
    assert_eq!(soon(watch).await, Hangup::Fin);
}
