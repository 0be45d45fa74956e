//! The tie under a paused clock: who goes first, what is dropped, and which wait ran out.

use std::cell::RefCell;
use std::future::pending;
use std::rc::Rc;

use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;

use super::*;
use crate::observe::live::LiveTable;

async fn client_and_tether(on_fin: OnFin) -> (TcpStream, TcpStream, Tether) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("bind");
    let peer = TcpStream::connect(listener.local_addr().expect("address")).await.expect("connect");
    let (client, address) = listener.accept().await.expect("accept");
    let row = LiveTable::new(std::time::Instant::now()).insert(1, address, "test".into(), &"".into());
    (peer, client, Tether::new(row, on_fin))
}

/// Work that notes when it is dropped.
struct Noted(Rc<RefCell<Vec<&'static str>>>);

impl Drop for Noted {
    fn drop(&mut self) {
        self.0.borrow_mut().push("dropped");
    }
}

#[tokio::test]
async fn a_fin_drops_the_work_before_tied_returns() {
    let (peer, client, tether) = client_and_tether(OnFin::Cancel).await;
    let log = Rc::new(RefCell::new(Vec::new()));
    let noted = Noted(log.clone());
    tether.waits(Phase::ResponseBody, far_away());
    drop(peer);
    let work = async {
        let _noted = noted;
        pending::<()>().await;
    };
    let cancelled = tied(&client, &tether, pin!(Some(work))).await.expect_err("the client left");
    assert_eq!(cancelled.reason, Reason::ClientFin);
    assert_eq!(cancelled.phase, Phase::ResponseBody);
    assert_eq!(*log.borrow(), ["dropped"]);
}

#[tokio::test]
async fn finished_work_wins() {
    let (_peer, client, tether) = client_and_tether(OnFin::Cancel).await;
    assert_eq!(tied(&client, &tether, pin!(Some(async { 7 }))).await.expect("done"), 7);
}

#[tokio::test(start_paused = true)]
async fn a_deadline_ends_the_wait_and_not_the_work() {
    let (_peer, client, tether) = client_and_tether(OnFin::Cancel).await;
    let began = Instant::now();
    let work = async {
        let mut waits = 0;
        for seconds in [60, 5, 300] {
            let ends = Instant::now() + Duration::from_secs(seconds);
            let wait = tether.until(|_| {
                tether.waits(Phase::Idle, ends);
                Poll::<()>::Pending
            });
            assert_eq!(wait.await, Err(Expired));
            assert!(Instant::now() >= ends);
            waits += 1;
        }
        waits
    };
    assert_eq!(tied(&client, &tether, pin!(Some(work))).await.expect("done"), 3);
    assert!(began.elapsed() < Duration::from_secs(366));
}

#[tokio::test(start_paused = true)]
async fn a_deadline_that_moves_on_does_not_fire_early() {
    let (_peer, client, tether) = client_and_tether(OnFin::Cancel).await;
    let (began, mut turns) = (Instant::now(), 0);
    let work = async {
        let mut progress = pin!(tokio::time::sleep(Duration::from_secs(10)));
        let wait = tether.until(|cx| {
            while turns < 10 && progress.as_mut().poll(cx).is_ready() {
                turns += 1;
                progress.set(tokio::time::sleep(Duration::from_secs(10)));
            }
            tether.waits(Phase::ResponseBody, began + Duration::from_secs(15 + turns * 10));
            Poll::<()>::Pending
        });
        wait.await
    };
    assert_eq!(tied(&client, &tether, pin!(Some(work))).await.expect("done"), Err(Expired));
    assert_eq!(began.elapsed().as_secs(), 115, "ten steps of ten seconds, then fifteen in vain");
}

#[tokio::test(start_paused = true)]
async fn a_deadline_that_passes_while_nothing_is_waited_for_ends_no_later_wait() {
    let (_peer, client, tether) = client_and_tether(OnFin::Cancel).await;
    let work = async {
        tether.waits(Phase::Idle, Instant::now() + Duration::from_secs(5));
        // Busy with what came just before that time, and meanwhile it is the turn of others.
        tokio::time::sleep(Duration::from_secs(6)).await;
        tether.waits(Phase::ClientWrite, Instant::now() + Duration::from_secs(30));
        let mut taken = pin!(tokio::time::sleep(Duration::from_secs(1)));
        tether.until(|cx| taken.as_mut().poll(cx)).await
    };
    assert_eq!(tied(&client, &tether, pin!(Some(work))).await.expect("done"), Ok(()));
}

#[tokio::test(start_paused = true)]
async fn a_half_closed_client_is_served_until_its_limit() {
    let limit = Duration::from_secs(30);
    let (mut peer, client, tether) = client_and_tether(OnFin::FinishWithin(limit)).await;
    peer.shutdown().await.expect("shutdown");
    let began = Instant::now();
    let cancelled = tied(&client, &tether, pin!(Some(pending::<()>()))).await.expect_err("the limit");
    assert_eq!(cancelled.reason, Reason::HalfCloseLimit);
    assert!(began.elapsed() >= limit);
}

#[tokio::test]
async fn a_reset_cancels_whatever_a_fin_means() {
    for on_fin in [OnFin::Cancel, OnFin::FinishWithin(Duration::from_secs(30)), OnFin::LeaveToWork] {
        let (peer, client, tether) = client_and_tether(on_fin).await;
        crate::net::socket::reset_on_drop(&peer);
        drop(peer);
        let cancelled = tied(&client, &tether, pin!(Some(pending::<()>()))).await.expect_err("the client left");
        assert_eq!(cancelled.reason, Reason::ClientReset, "{on_fin:?}");
    }
}

#[tokio::test]
async fn a_fin_that_was_left_to_the_work_is_not_forgotten() {
    let (peer, client, tether) = client_and_tether(OnFin::LeaveToWork).await;
    drop(peer);
    let work = async {
        assert_eq!(hung_up(&client).await, Hangup::Fin);
        tokio::task::yield_now().await;
        tether.set_on_fin(OnFin::Cancel);
        pending::<()>().await;
    };
    let cancelled = tied(&client, &tether, pin!(Some(work))).await.expect_err("the client left");
    assert_eq!(cancelled.reason, Reason::ClientFin);
}
