//! The file: gone at once whoever holds it last, and nothing lost where it cannot be.

use std::process::Command;
use std::sync::mpsc;

use super::*;
use crate::inspect::spool::file::Backing;

#[tokio::test]
async fn a_directory_that_is_not_there_loses_nothing() {
    let spools = spools(settings(1000, 1 << 20, 1 << 20, Path::new("/does/not/exist")));
    let mut spool = spools.open(client(1));
    let body = bytes(200_000);
    let fault = SpoolFault::Disk(io::ErrorKind::NotFound);
    // The write fails on another thread; here that is known when somebody asks.
    for piece in body.chunks(50_000) {
        spool.push(piece).expect("nobody has asked");
    }
    assert_eq!(finish(&mut spool).await, Err(fault));
    assert_eq!((ready(&mut spool).await, spool.push(b"x"), spool.len()), (Err(fault), Err(fault), 200_000));
    assert!(read(&mut spool, 0, 200_000, 70_000).await.expect("read") == body);
    assert_eq!(spools.refused(), Refused { disk: 1, ..Refused::default() });
    drop(spool);
    nothing_is_held(&spools).await;
}

#[tokio::test]
async fn another_directory_is_used_after_a_reload() {
    let directory = tempfile::tempdir().expect("a directory");
    let spools = spools(settings(1000, 1 << 20, 1 << 20, Path::new("/does/not/exist")));
    let mut spool = spools.open(client(1));
    spools.replace(settings(5000, 1 << 20, 1 << 20, directory.path()));
    let body = bytes(200_000);
    fill(&mut spool, &body, 50_000).await.expect("room");
    spool.complete();
    finish(&mut spool).await.expect("written");
    // The share of memory is the one it was opened with.
    assert_eq!((spools.bytes_in_memory(), spools.bytes_on_disk()), (1000, 199_000));
    assert!(read(&mut spool, 0, 200_000, 70_000).await.expect("read") == body);
}

#[tokio::test]
async fn a_write_on_its_way_answers_for_its_bytes_until_it_ends() {
    let directory = tempfile::tempdir().expect("a directory");
    let spools = spools(SpoolSettings { dir: Some(directory.path().into()), ..SpoolSettings::default() });
    // The file, as a write owns it.
    let (taken, length) = (Arc::new(Backing::new(spools.clone(), client(1))), 70_000);
    let mut share = crate::inspect::spool::budget::Share::new(spools.clone(), client(1));
    share.cover(length, length).expect("room");
    share.hand_over(length, &taken);
    let writing = taken.clone();
    drop((share, taken));
    assert_eq!((spools.bytes_in_memory(), spools.bytes_on_disk(), spools.budgets.clients()), (0, length, 1));
    writing.write(&bytes(70_000), 0).expect("written");
    drop(writing);
    assert_eq!((spools.bytes_in_memory(), spools.bytes_on_disk(), spools.budgets.clients()), (0, 0, 0));
}

/// With one thread for files, and that one busy, a write waits for its turn.
#[test]
fn a_body_may_go_while_its_write_waits_for_a_thread() {
    let runtime = tokio::runtime::Builder::new_current_thread().max_blocking_threads(1).enable_all().build();
    runtime.expect("a runtime").block_on(async {
        let directory = tempfile::tempdir().expect("a directory");
        let spools = spools(settings(0, 8 << 20, 8 << 20, directory.path()));
        let (release, held) = mpsc::channel::<()>();
        let busy = tokio::task::spawn_blocking(move || held.recv());
        let mut spool = spools.open(client(1));
        for piece in bytes(4 * 65_536).chunks(65_536) {
            ready(&mut spool).await.expect("one batch on its way, one filling");
            spool.push(piece).expect("room");
        }
        let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
        assert!(spool.poll_ready(&mut cx).is_pending() && spool.poll_finish(&mut cx).is_pending());
        assert_eq!((spools.bytes_in_memory(), spools.bytes_on_disk()), (131_072, 131_072));
        assert!(read(&mut spool, 0, 262_144, 50_000).await.expect("read") == bytes(262_144));
        drop(spool);
        assert_eq!(spools.bytes_in_memory(), 0);
        release.send(()).expect("it waits");
        busy.await.expect("no panic").expect("sent");
        nothing_is_held(&spools).await;
    });
}

/// A file system with room for 256 KiB; gone when dropped.
struct TinyDisk(tempfile::TempDir);

impl TinyDisk {
    /// `None` where this test may not mount anything.
    fn mount() -> Option<TinyDisk> {
        let directory = tempfile::tempdir().expect("a directory");
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", "size=256k", "tmpfs"]).arg(directory.path());
        mount.output().is_ok_and(|done| done.status.success()).then(|| TinyDisk(directory))
    }
}

impl Drop for TinyDisk {
    fn drop(&mut self) {
        // Lazily: a write that ends late does not keep it.
        let _ = Command::new("umount").arg("-l").arg(self.0.path()).output();
    }
}

#[tokio::test]
async fn a_full_disk_loses_nothing() {
    let Some(disk) = TinyDisk::mount() else {
        eprintln!("skipped: mounting a small disk needs root");
        return;
    };
    let spools = spools(settings(10_000, 8 << 20, 8 << 20, disk.0.path()));
    let mut spool = spools.open(client(1));
    let body = bytes(2 << 20);
    let full = SpoolFault::Disk(io::ErrorKind::StorageFull);
    assert_eq!(fill(&mut spool, &body, 65_536).await, Err(full));
    let came = spool.len();
    assert!((266_144..2 << 20).contains(&came), "{came}");
    assert!(read(&mut spool, 0, came, 65_536).await.expect("read") == body[..came as usize]);
    drop(spool);
    nothing_is_held(&spools).await;
    // There is room again.
    let mut next = spools.open(client(1));
    fill(&mut next, &body[..200_000], 65_536).await.expect("room");
    finish(&mut next).await.expect("written");
}
