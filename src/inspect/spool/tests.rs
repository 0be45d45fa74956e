//! What holds for every body that is held: its bytes, its budgets, its end.

mod any;
mod budgets;
mod disk;

use std::future::poll_fn;
use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::*;
use crate::icap::body::{BodyLength, BodySource};

/// How long anything may take that ends on another thread.
const SOON: Duration = Duration::from_secs(20);

const KIB: u64 = 1 << 10;

fn settings(memory: u64, per_client: u64, total: u64, dir: &Path) -> SpoolSettings {
    SpoolSettings { memory, per_client, total, dir: Some(dir.into()) }
}

fn spools(settings: SpoolSettings) -> Arc<Spools> {
    Arc::new(Spools::new(settings))
}

fn client(number: u8) -> IpAddr {
    Ipv4Addr::new(192, 0, 2, number).into()
}

/// Bytes that tell where they belong.
fn bytes(length: usize) -> Vec<u8> {
    (0..length).map(|at| (at ^ (at >> 8) ^ (at >> 16)) as u8).collect()
}

async fn ready(spool: &mut Spool) -> Result<(), SpoolFault> {
    poll_fn(|cx| spool.poll_ready(cx)).await
}

async fn finish(spool: &mut Spool) -> Result<(), SpoolFault> {
    poll_fn(|cx| spool.poll_finish(cx)).await
}

/// Takes `body` in, in pieces of `piece`.
async fn fill(spool: &mut Spool, body: &[u8], piece: usize) -> Result<(), SpoolFault> {
    for piece in body.chunks(piece) {
        ready(spool).await?;
        spool.push(piece)?;
    }
    Ok(())
}

/// Reads until `end`, in pieces of `piece`.
async fn read(spool: &mut Spool, from: u64, end: u64, piece: usize) -> io::Result<Vec<u8>> {
    let (mut read, mut buffer) = (Vec::new(), vec![0; piece]);
    while from + (read.len() as u64) < end {
        let at = from + read.len() as u64;
        let most = piece.min(usize::try_from(end - at).unwrap_or(usize::MAX));
        match poll_fn(|cx| spool.poll_read_at(cx, at, &mut buffer[..most])).await? {
            0 => break,
            count => read.extend_from_slice(&buffer[..count]),
        }
    }
    Ok(read)
}

/// Waits until nothing is held any more, on any thread.
async fn nothing_is_held(spools: &Spools) {
    let gone = async {
        while spools.bytes_in_memory() + spools.bytes_on_disk() > 0 || spools.budgets.clients() > 0 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(SOON, gone).await.expect("all of it given back");
    assert_eq!((spools.open_count(), spools.bytes_in_memory(), spools.bytes_on_disk()), (0, 0, 0));
}

#[tokio::test]
async fn a_short_body_is_in_memory_only() {
    // A directory that is not there: whoever asks for a file fails.
    let spools = spools(settings(256 * KIB, 1 << 20, 1 << 20, Path::new("/does/not/exist")));
    let mut spool = spools.open(client(1));
    assert_eq!((spools.open_count(), spools.bytes_in_memory(), spool.is_empty()), (1, 0, true));
    spool.expect(2000).expect("room");
    assert_eq!(spools.bytes_in_memory(), 2000);
    let body = bytes(2000);
    fill(&mut spool, &body, 700).await.expect("room");
    assert_eq!((spool.len(), spool.length()), (2000, BodyLength::Unknown));
    spool.complete();
    finish(&mut spool).await.expect("nothing to write");
    assert_eq!((spool.length(), spools.bytes_in_memory(), spools.bytes_on_disk()), (BodyLength::Known(2000), 2000, 0));
    for piece in [1, 999, 4096] {
        assert_eq!(read(&mut spool, 0, u64::MAX, piece).await.expect("read"), body);
    }
    drop(spool);
    nothing_is_held(&spools).await;
}

#[tokio::test]
async fn a_long_body_is_read_from_anywhere_at_any_time() {
    let directory = tempfile::tempdir().expect("a directory");
    let spools = spools(settings(100 * KIB, 8 << 20, 8 << 20, directory.path()));
    let mut spool = spools.open(client(1));
    let body = bytes(1_500_001);
    for (number, piece) in body.chunks(60_000).enumerate() {
        ready(&mut spool).await.expect("written");
        spool.push(piece).expect("room");
        // While some of it is in memory, some in the file, some on its way there.
        let from = spool.len() * (number as u64 % 7) / 7;
        let end = spool.len();
        let came = read(&mut spool, from, end, 33_333).await.expect("read");
        assert!(came == body[from as usize..end as usize], "from {from} to {end}");
    }
    assert!(spools.bytes_on_disk() > 0);
    spool.complete();
    finish(&mut spool).await.expect("written");
    assert_eq!((spools.bytes_in_memory(), spools.bytes_on_disk()), (100 * KIB, 1_500_001 - 100 * KIB));
    assert_eq!(spool.length(), BodyLength::Known(1_500_001));
    assert!(read(&mut spool, 0, u64::MAX, 100_000).await.expect("read") == body);
    assert_eq!(read(&mut spool, 1_500_001, u64::MAX, 9).await.expect("read"), b"");
    assert_eq!(std::fs::read_dir(directory.path()).expect("readable").count(), 0);
    drop(spool);
    nothing_is_held(&spools).await;
}

#[tokio::test]
async fn who_reads_what_has_not_come_is_woken() {
    let spools = spools(SpoolSettings::default());
    let mut spool = spools.open(client(1));
    let woken = Arc::new(Flag::default());
    let waker = Arc::clone(&woken).into();
    let mut cx = std::task::Context::from_waker(&waker);
    let mut buffer = [0; 4];
    assert!(spool.poll_read_at(&mut cx, 0, &mut buffer).is_pending());
    spool.push(b"ab").expect("room");
    assert_eq!(woken.0.load(Relaxed), 1);
    assert!(matches!(spool.poll_read_at(&mut cx, 0, &mut buffer), std::task::Poll::Ready(Ok(2))));
    assert!(spool.poll_read_at(&mut cx, 2, &mut buffer).is_pending());
    spool.complete();
    assert_eq!(woken.0.load(Relaxed), 2);
    assert!(matches!(spool.poll_read_at(&mut cx, 2, &mut buffer), std::task::Poll::Ready(Ok(0))));
}

/// How often it was woken.
#[derive(Default)]
struct Flag(AtomicU64);

impl std::task::Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Relaxed);
    }
}
