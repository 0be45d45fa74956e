//! The Tether: one per client connection. It watches the client, keeps the one clock, and drops the work when the
//! client goes; and dropping the work closes every socket and returns every guard, because the work owns them all.

use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep, sleep_until};

use super::hangup::{Hangup, hung_up, reset};
use crate::base::phase::Phase;
use crate::base::reason::Reason;
use crate::observe::live::Row;

/// A wait was not over by its deadline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Expired;

/// What a FIN of the client means now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnFin {
    /// The client is gone.
    Cancel,
    /// The client stopped sending; the work may go on for at most this long.
    FinishWithin(Duration),
    /// The work reads the FIN itself and passes it on, or ends (tunnels, our own answers).
    LeaveToWork,
}

/// What ties one client connection to the work done for it.
#[derive(Debug)]
pub struct Tether {
    row: Arc<Row>,
    on_fin: Cell<OnFin>,
    deadline: Cell<Instant>,
    /// When the work wants to be polled again, without its wait being over.
    attention: Cell<Option<Instant>>,
    attended: Cell<bool>,
    expired: Cell<bool>,
    fin_seen: Cell<bool>,
    /// When a client that sent FIN must have its answer.
    half_close_ends: Cell<Option<Instant>>,
}

/// A cancelled work: how, in which phase, and how long it took to let go of everything.
#[derive(Clone, Copy, Debug)]
pub struct Cancelled {
    /// The cause.
    pub reason: Reason,
    /// What the work was doing.
    pub phase: Phase,
    /// From the hang-up being seen to the last socket and guard dropped.
    pub took: Duration,
}

impl Tether {
    /// A tether for the connection of `row`.
    pub fn new(row: Arc<Row>, on_fin: OnFin) -> Self {
        Self {
            row,
            on_fin: Cell::new(on_fin),
            deadline: Cell::new(far_away()),
            attention: Cell::new(None),
            attended: Cell::new(false),
            expired: Cell::new(false),
            fin_seen: Cell::new(false),
            half_close_ends: Cell::new(None),
        }
    }

    /// The connection's row in the live table.
    pub fn row(&self) -> &Arc<Row> {
        &self.row
    }

    /// Changes what a FIN means from now on.
    pub fn set_on_fin(&self, on_fin: OnFin) {
        self.on_fin.set(on_fin);
    }

    /// Says what the work waits for, and until when. Called by every wait; the last call holds.
    pub fn waits(&self, phase: Phase, deadline: Instant) {
        self.row.set_phase(phase);
        self.deadline.set(deadline);
    }

    /// Asks for a poll at `at`, however long the wait goes on; the earliest of several holds.
    pub fn attend(&self, at: Instant) {
        self.attention.set(Some(self.attention.get().map_or(at, |earlier| earlier.min(at))));
    }

    /// Polls `wait` until it is ready or the deadline set by [`Tether::waits`] has passed.
    ///
    /// # Errors
    /// [`Expired`].
    pub async fn until<T>(&self, mut wait: impl FnMut(&mut Context<'_>) -> Poll<T>) -> Result<T, Expired> {
        // What ran out while nothing was waited for was the deadline of the wait before.
        self.expired.set(false);
        poll_fn(|cx| {
            if self.expired.replace(false) {
                return Poll::Ready(Err(Expired));
            }
            wait(cx).map(Ok)
        })
        .await
    }

    fn next_deadline(&self) -> Instant {
        // Work that was told and goes on is not waiting: when it waits again, it says until when.
        let own = if self.expired.get() { far_away() } else { self.deadline.get() };
        let others = [self.half_close_ends.get(), self.attention.get()];
        others.into_iter().flatten().fold(own, Instant::min)
    }

    /// Whether the work asked for a poll by `now`; it is asked for no longer.
    fn takes_attention(&self, now: Instant) -> bool {
        let due = self.attention.get().is_some_and(|at| at <= now);
        if due {
            self.attention.set(None);
            self.attended.set(true);
        }
        due
    }

    /// Whether the time asked for with [`Tether::attend`] has come since this was asked last.
    pub fn was_attended(&self) -> bool {
        self.attended.replace(false)
    }

    /// Resolves with the reason when the client is gone for good.
    async fn client_gone(&self, client: &TcpStream) -> Reason {
        if hung_up(client).await == Hangup::Fin {
            self.fin_seen.set(true);
            reset(client).await;
        }
        Reason::ClientReset
    }

    /// What a FIN that was seen means by now: its meaning may change after it came.
    fn judge_fin(&self) -> Option<Reason> {
        match self.on_fin.get() {
            _ if !self.fin_seen.get() => None,
            OnFin::Cancel => Some(Reason::ClientFin),
            OnFin::FinishWithin(limit) => {
                let ends = self.half_close_ends.get().unwrap_or_else(|| Instant::now() + limit);
                self.half_close_ends.set(Some(ends));
                None
            }
            OnFin::LeaveToWork => None,
        }
    }
}

/// Runs `work` for as long as the client is there. It is lent, not given: a future that is handed on takes its memory
/// twice, and there is one of these per connection.
///
/// # Errors
/// [`Cancelled`] when the client went first; then `work` has been dropped and is `None`, and everything it owned is
/// closed. `None` to begin with never ends but with the client.
pub async fn tied<W: Future>(
    client: &TcpStream,
    tether: &Tether,
    mut work: Pin<&mut Option<W>>,
) -> Result<W::Output, Cancelled> {
    let mut gone = pin!(tether.client_gone(client));
    let mut clock = pin!(sleep_until(far_away()));
    let ended = poll_fn(|cx| {
        if let Poll::Ready(reason) = gone.as_mut().poll(cx) {
            return Poll::Ready(Err(reason));
        }
        loop {
            if let Some(reason) = tether.judge_fin() {
                return Poll::Ready(Err(reason));
            }
            if let Some(work) = work.as_mut().as_pin_mut()
                && let Poll::Ready(output) = work.poll(cx)
            {
                return Poll::Ready(Ok(output));
            }
            if let Some(reason) = tether.judge_fin() {
                return Poll::Ready(Err(reason));
            }
            match poll_clock(clock.as_mut(), tether, cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(()) if tether.half_close_is_over() => return Poll::Ready(Err(Reason::HalfCloseLimit)),
                Poll::Ready(()) if tether.takes_attention(Instant::now()) => {}
                Poll::Ready(()) => tether.expired.set(true),
            }
        }
    })
    .await;
    ended.map_err(|reason| {
        let (seen, phase) = (Instant::now(), tether.row.phase());
        tether.row.client_gone();
        work.set(None);
        Cancelled { reason, phase, took: seen.elapsed() }
    })
}

impl Tether {
    fn half_close_is_over(&self) -> bool {
        self.half_close_ends.get().is_some_and(|ends| ends <= Instant::now())
    }
}

/// Ready when the tether's deadline has passed. One timer serves all waits of a connection: it is moved only when a
/// deadline comes nearer, and when it fires too early it is set to the deadline of that moment.
fn poll_clock(mut clock: Pin<&mut Sleep>, tether: &Tether, cx: &mut Context<'_>) -> Poll<()> {
    loop {
        let deadline = tether.next_deadline();
        if clock.deadline() > deadline {
            clock.as_mut().reset(deadline);
        }
        if clock.as_mut().poll(cx).is_pending() {
            return Poll::Pending;
        }
        if Instant::now() >= deadline {
            clock.as_mut().reset(far_away());
            return Poll::Ready(());
        }
        clock.as_mut().reset(deadline);
    }
}

/// Later than any setting.
fn far_away() -> Instant {
    Instant::now() + Duration::from_secs(365 * 24 * 3600)
}

#[cfg(test)]
mod tests;
