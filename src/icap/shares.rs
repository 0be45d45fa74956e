//! How much of a service one client may have at once: what is beyond that is there for the others.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout_at};

use super::error::ErrorKind;
use crate::base::subscriber::subscriber;

/// Of four parts, one client may have so many.
const QUARTERS: usize = 3;

/// The shares of one service that are taken.
#[derive(Debug)]
pub struct Shares {
    most: usize,
    /// Only of clients that have some or wait.
    taken: Mutex<HashMap<IpAddr, Arc<Semaphore>>>,
}

/// What a client has of a service: one of its parts. Dropping it gives it back.
#[derive(Debug)]
pub struct Share<'a> {
    _place: Place<'a>,
    permit: Option<OwnedSemaphorePermit>,
}

/// A client's entry, held by everything that waits for a share of it or has one.
#[derive(Debug)]
struct Place<'a> {
    shares: &'a Shares,
    client: IpAddr,
    free: Arc<Semaphore>,
}

impl Shares {
    /// Of a service with so many `parts`, a client may have three quarters at once, and one at least.
    pub fn of(parts: usize) -> Self {
        Self { most: (parts * QUARTERS / 4).max(1), taken: Mutex::default() }
    }

    /// A part for `client`, which waits behind its own others only. Dropping the future leaves the queue.
    ///
    /// # Errors
    /// [`ErrorKind::Busy`] when the client has had its share all the time until then.
    pub async fn take(&self, client: IpAddr, until: Instant) -> Result<Share<'_>, ErrorKind> {
        let place = self.place(subscriber(client));
        match timeout_at(until, place.free.clone().acquire_owned()).await {
            Ok(Ok(permit)) => Ok(Share { _place: place, permit: Some(permit) }),
            _ => Err(ErrorKind::Busy),
        }
    }

    /// Clients that have some of it, or wait.
    pub fn clients(&self) -> usize {
        self.lock().len()
    }

    fn place(&self, client: IpAddr) -> Place<'_> {
        let free = self.lock().entry(client).or_insert_with(|| Arc::new(Semaphore::new(self.most))).clone();
        Place { shares: self, client, free }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<IpAddr, Arc<Semaphore>>> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Share<'_> {
    fn drop(&mut self) {
        // Before the place looks whether anybody has some.
        self.permit = None;
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let mut taken = self.shares.lock();
        // The table's own, and this one.
        if Arc::strong_count(&self.free) == 2 {
            taken.remove(&self.client);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    fn soon() -> Instant {
        Instant::now() + Duration::from_millis(5)
    }

    #[tokio::test(start_paused = true)]
    async fn what_one_has_too_much_is_there_for_another() {
        let shares = Shares::of(4);
        let (one, other) = (ip("192.0.2.1"), ip("192.0.2.2"));
        let mut held = Vec::new();
        for _ in 0..3 {
            held.push(shares.take(one, soon()).await.expect("within its share"));
        }
        assert_eq!(shares.take(one, soon()).await.err(), Some(ErrorKind::Busy));
        assert_eq!(shares.take(ip("::ffff:192.0.2.1"), soon()).await.err(), Some(ErrorKind::Busy));
        let others = shares.take(other, soon()).await.expect("has none yet");
        assert_eq!(shares.clients(), 2);
        held.pop();
        held.push(shares.take(one, soon()).await.expect("one was given back"));
        drop((held, others));
        assert_eq!(shares.clients(), 0, "nothing is kept of who has nothing");
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_gets_what_is_given_back() {
        let shares = Shares::of(1);
        let held = shares.take(ip("2001:db8::1"), soon()).await.expect("the only one");
        let wait = shares.take(ip("2001:db8::2"), Instant::now() + Duration::from_secs(1));
        let (taken, ()) = tokio::join!(wait, async { drop(held) });
        assert!(taken.is_ok(), "of the same subscriber");
        let gone = shares.take(ip("2001:db8::3"), soon()).await.err();
        assert_eq!((gone, shares.clients()), (Some(ErrorKind::Busy), 1), "who gave up left nothing");
        drop(taken);
        assert_eq!(shares.clients(), 0);
    }
}
