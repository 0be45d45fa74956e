//! Seats and idle connections: the limit is kept, waiting ends, and dead connections are found.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::Poll;

use tokio::net::{TcpListener, TcpStream};
use tokio::time::{advance, timeout};

use super::queue::LONGEST_QUEUE;
use super::*;
use crate::icap::wire::Wire;

const SHORT: Duration = Duration::from_millis(500);

async fn seat(pool: &Arc<Pool>) -> Seat {
    match pool.take(Wanted::Any, SHORT).await.expect("a seat") {
        Taken::Seat(seat) => seat,
        Taken::Idle(_) => panic!("an idle connection"),
    }
}

async fn connected(pool: &Arc<Pool>) -> (Link, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("bind");
    let seat = seat(pool).await;
    let stream = TcpStream::connect(listener.local_addr().expect("address")).await.expect("connect");
    (Link::new(Wire::Tcp(stream), seat), listener.accept().await.expect("accept").0)
}

async fn arrival(link: &mut Link) {
    let Wire::Tcp(stream) = link.wire() else { panic!("another kind of socket") };
    stream.readable().await.expect("arrival");
}

fn is_idle(taken: Result<Taken, ErrorKind>) -> bool {
    matches!(taken, Ok(Taken::Idle(_)))
}

#[tokio::test(start_paused = true)]
async fn the_limit_is_kept_and_waiting_ends() {
    let pool = Pool::new(2);
    let (one, two) = (seat(&pool).await, seat(&pool).await);
    assert_eq!(pool.take(Wanted::Any, SHORT).await.err(), Some(ErrorKind::Busy));
    let (given, _) = tokio::join!(pool.take(Wanted::Any, SHORT), async { drop(one) });
    assert!(matches!(given, Ok(Taken::Seat(_))));
    drop(two);
    assert_eq!(pool.usage().waiting, 0);
}

#[tokio::test]
async fn the_server_can_only_lower_it() {
    let pool = Pool::new(2);
    pool.told(Some(1));
    assert_eq!(pool.usage().limit, 1);
    pool.told(Some(100));
    assert_eq!(pool.usage().limit, 2);
}

#[tokio::test]
async fn a_full_queue_refuses_at_once() {
    let pool = Pool::new(1);
    let _held = seat(&pool).await;
    let long = Duration::from_secs(60);
    let waiting: Vec<_> = (0..LONGEST_QUEUE)
        .map(|_| {
            let pool = pool.clone();
            tokio::spawn(async move { pool.take(Wanted::Any, long).await.map(drop) })
        })
        .collect();
    while (pool.usage().waiting as usize) < LONGEST_QUEUE {
        tokio::task::yield_now().await;
    }
    assert_eq!(pool.take(Wanted::Any, long).await.err(), Some(ErrorKind::Busy));
    waiting.iter().for_each(|task| task.abort());
    while pool.usage().waiting > 0 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn idle_connections_are_used_again_and_take_a_seat() {
    let pool = Pool::new(1);
    let (link, _server) = connected(&pool).await;
    pool.put_back(link);
    assert_eq!((pool.usage().open, pool.usage().idle), (1, 1));
    assert!(is_idle(pool.take(Wanted::Any, SHORT).await));
}

#[tokio::test]
async fn an_idle_connection_makes_room_for_a_new_one() {
    let pool = Pool::new(1);
    let (link, server) = connected(&pool).await;
    pool.put_back(link);
    assert!(matches!(pool.take(Wanted::New, SHORT).await, Ok(Taken::Seat(_))));
    let mut byte = [0];
    server.readable().await.expect("the end");
    assert_eq!(server.try_read(&mut byte).expect("the end"), 0, "closed, not reset");
}

#[tokio::test]
async fn closed_and_talking_connections_are_not_used() {
    for spoken in [false, true] {
        let pool = Pool::new(1);
        let (mut link, server) = connected(&pool).await;
        if spoken {
            server.writable().await.expect("writable");
            server.try_write(b"x").expect("a stray byte");
            arrival(&mut link).await;
        } else {
            drop(server);
            arrival(&mut link).await;
        }
        pool.put_back(link);
        assert!(!is_idle(pool.take(Wanted::Any, SHORT).await), "spoken: {spoken}");
    }
}

#[tokio::test(start_paused = true)]
async fn old_connections_are_closed() {
    let pool = Pool::new(1);
    let (link, _server) = connected(&pool).await;
    pool.put_back(link);
    advance(KEPT_AT_FIRST - Duration::from_secs(1)).await;
    pool.tidy();
    assert_eq!(pool.usage().idle, 1);
    advance(Duration::from_secs(1)).await;
    pool.tidy();
    assert_eq!((pool.usage().open, pool.usage().idle), (0, 0));
}

#[tokio::test]
async fn a_retired_pool_keeps_nothing() {
    let pool = Pool::new(2);
    let ((idle, _one), (busy, _two)) = (connected(&pool).await, connected(&pool).await);
    pool.put_back(idle);
    pool.retire();
    assert_eq!((pool.usage().open, pool.usage().idle), (1, 0));
    pool.put_back(busy);
    assert_eq!((pool.usage().open, pool.usage().idle), (0, 0));
    assert_eq!(Arc::strong_count(&pool), 1);
}

#[tokio::test]
async fn a_server_that_closes_early_shortens_the_wait() {
    let pool = Pool::new(1);
    for _ in 0..10 {
        pool.lost_idle();
    }
    assert_eq!(pool.lock().keep, KEPT_AT_LEAST);
}

#[tokio::test]
async fn what_was_given_up_is_reset_and_cools_down() {
    let pool = Pool::new(2);
    let (mut link, server) = connected(&pool).await;
    let _other = seat(&pool).await;
    link.begin();
    drop(link);
    server.readable().await.expect("the end");
    let seen = server.try_read(&mut [0]).expect_err("a reset");
    assert_eq!(seen.kind(), std::io::ErrorKind::ConnectionReset);
    assert_eq!(pool.take(Wanted::Any, Duration::ZERO).await.err(), Some(ErrorKind::Busy));
    let waited = timeout(Duration::from_secs(10), pool.take(Wanted::Any, COOLING * 5)).await.expect("in time");
    assert!(matches!(waited, Ok(Taken::Seat(_))));
}

#[tokio::test]
async fn at_most_half_of_the_seats_cool_down() {
    for (ceiling, free) in [(1, 1), (2, 1), (3, 2), (10, 5)] {
        let pool = Pool::new(ceiling);
        let mut given_up = Vec::new();
        for _ in 0..ceiling {
            let (mut link, server) = connected(&pool).await;
            link.begin();
            given_up.push((link, server));
        }
        drop(given_up);
        let mut taken = Vec::new();
        for _ in 0..free {
            taken.push(pool.take(Wanted::Any, Duration::ZERO).await.expect("one that does not cool down"));
        }
        assert_eq!(pool.take(Wanted::Any, Duration::ZERO).await.err(), Some(ErrorKind::Busy), "{ceiling}");
    }
}

#[tokio::test]
async fn who_waits_is_not_overtaken() {
    let pool = Pool::new(1);
    let held = seat(&pool).await;
    let [first, mut second] = two_in_the_queue(&pool).await;
    drop(held);
    assert_eq!(pool.take(Wanted::Any, Duration::ZERO).await.err(), Some(ErrorKind::Busy), "it comes after those two");
    assert!(is_pending(&mut second).await);
    let taken = first.await.expect("a seat");
    assert!(is_pending(&mut second).await);
    drop(taken);
    assert!(matches!(second.await, Ok(Taken::Seat(_))));
}

#[tokio::test]
async fn who_leaves_the_queue_leaves_its_turn_to_the_next() {
    let pool = Pool::new(1);
    let held = seat(&pool).await;
    let [first, second] = two_in_the_queue(&pool).await;
    drop(held);
    drop(first);
    assert!(matches!(second.await, Ok(Taken::Seat(_))));
    assert_eq!((pool.usage().open, pool.usage().waiting), (0, 0));
}

/// Two that wait, the second behind the first.
async fn two_in_the_queue(pool: &Arc<Pool>) -> [Pin<Box<impl Future<Output = Result<Taken, ErrorKind>>>>; 2] {
    let mut both = [(); 2].map(|()| Box::pin(pool.take(Wanted::Any, Duration::from_secs(60))));
    for waiting in &mut both {
        assert!(is_pending(waiting).await);
    }
    both
}

async fn is_pending(future: &mut (impl Future + Unpin)) -> bool {
    poll_fn(|cx| Poll::Ready(Pin::new(&mut *future).poll(cx).is_pending())).await
}

#[tokio::test]
async fn overload_halves_and_success_restores() {
    let pool = Pool::new(8);
    let seats: Vec<_> = {
        let mut seats = Vec::new();
        for _ in 0..8 {
            seats.push(seat(&pool).await);
        }
        seats
    };
    pool.overloaded();
    assert_eq!(pool.usage().limit, 4);
    drop(seats);
    (0..SUCCESSES_PER_STEP * 5).for_each(|_| pool.succeeded());
    assert_eq!(pool.usage().limit, 8);
}

#[tokio::test]
async fn many_at_once_never_exceed_the_limit() {
    let pool = Pool::new(3);
    let most = Arc::new(Mutex::new((0, 0)));
    let tasks: Vec<_> = (0..40)
        .map(|_| {
            let (pool, most) = (pool.clone(), most.clone());
            tokio::spawn(async move {
                let taken = pool.take(Wanted::Any, Duration::from_secs(10)).await.expect("a seat");
                {
                    let mut most = most.lock().expect("count");
                    most.0 += 1;
                    most.1 = most.0.max(most.1);
                }
                tokio::task::yield_now().await;
                most.lock().expect("count").0 -= 1;
                drop(taken);
            })
        })
        .collect();
    for task in tasks {
        task.await.expect("no panic");
    }
    assert_eq!(most.lock().expect("count").1, 3);
    assert_eq!(pool.usage().open, 0);
}
