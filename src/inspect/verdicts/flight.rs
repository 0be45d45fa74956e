//! One question to a service at a time about the same body: one request asks, the others wait for what it is told.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Instant;

use tokio::sync::oneshot::{Receiver, Sender, channel};

use super::subject::Key;
use super::{GivenBy, Verdict, Verdicts};

/// Those who wait for an answer, the longest waiting first.
pub(super) type Waiting = VecDeque<Sender<Told>>;

/// What one who waits is told.
#[derive(Debug)]
pub(super) enum Told {
    Verdict(Verdict),
    Lead(Flight),
    Alone,
}

/// What became of a question that somebody else asked.
#[derive(Debug)]
pub enum Followed {
    /// This was the answer.
    Verdict(Verdict),
    /// Who asked has left without one: ask the service, and tell the flight.
    Lead(Flight),
    /// The answer was none for others: ask the service for this request alone.
    Alone,
}

/// The right and duty to ask a service about a body that nobody else asks it about.
///
/// Dropped without an answer, because the request has ended, it goes on to the one who has waited longest.
#[derive(Debug)]
pub struct Flight {
    verdicts: Arc<Verdicts>,
    service: Arc<str>,
    /// `None` once there is nothing more to tell.
    key: Option<Key>,
}

impl Flight {
    pub(super) fn new(verdicts: Arc<Verdicts>, service: Arc<str>, key: Key) -> Self {
        Self { verdicts, service, key: Some(key) }
    }

    /// The service has said so of the whole body, and means the same for everyone: it is kept, and told to all who wait.
    /// Where the server gave no tag, or tags say nothing any more, nothing is kept, and all who wait ask for themselves.
    pub fn settle(mut self, verdict: Verdict, by: GivenBy<'_>, now: Instant) {
        let Some(key) = self.key.take() else { return };
        let is_kept = self.verdicts.keep(&self.service, key, by, &verdict, now).is_some();
        for waiting in self.verdicts.end_flight(&key) {
            // Whoever has left meanwhile needs nothing.
            let _ = waiting.send(if is_kept { Told::Verdict(verdict.clone()) } else { Told::Alone });
        }
    }

    /// The service has answered with what is none of a verdict's business: another message, an error, something for this
    /// request only. All who wait ask for themselves, all at once.
    pub fn decline(mut self) {
        let Some(key) = self.key.take() else { return };
        for waiting in self.verdicts.end_flight(&key) {
            let _ = waiting.send(Told::Alone);
        }
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        let Some(key) = self.key.take() else { return };
        // One after the other in a loop, as any number of them may have left.
        while let Some(next) = self.verdicts.next_waiting(&key) {
            let lead = Flight::new(self.verdicts.clone(), self.service.clone(), key);
            match next.send(Told::Lead(lead)) {
                Err(Told::Lead(mut unsent)) => unsent.key = None,
                _ => return,
            }
        }
    }
}

/// A place among those who wait for an answer that another request is getting. Dropping it leaves.
#[derive(Debug)]
pub struct Follower {
    verdicts: Arc<Verdicts>,
    told: Receiver<Told>,
}

impl Follower {
    /// Waits for the answer, for as long as the one who asks does.
    pub async fn outcome(self) -> Followed {
        let told = self.told.await.unwrap_or(Told::Alone);
        let counter = if let Told::Verdict(_) = told { &self.verdicts.hit } else { &self.verdicts.miss };
        counter.fetch_add(1, Relaxed);
        match told {
            Told::Verdict(verdict) => Followed::Verdict(verdict),
            Told::Lead(flight) => Followed::Lead(flight),
            Told::Alone => Followed::Alone,
        }
    }
}

/// A new place among those who wait.
pub(super) fn follow(verdicts: Arc<Verdicts>, waiting: &mut Waiting) -> Follower {
    let (teller, told) = channel();
    if waiting.len() == waiting.capacity() {
        // Those who have left go before the list grows.
        waiting.retain(|teller| !teller.is_closed());
    }
    waiting.push_back(teller);
    Follower { verdicts, told }
}
