//! The resolver thread: one lookup per name however many ask, each with its own deadline, cut by nobody's leaving.

use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tokio::runtime::Builder;
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::task::{AbortHandle, Id, JoinError, JoinSet};
use tokio::time::{Instant, sleep_until, timeout};

use super::backend::{Backend, Found, system};
use super::board::Board;
use super::{Outcome, ResolveError};

/// How often, at most, lookups are searched for those that nobody waits for.
const SWEEP_EVERY: Duration = Duration::from_millis(10);

/// Waiters of one lookup above which those who left are weeded out.
const WEED_ABOVE: usize = 64;

/// One question to the thread. The waiter has left when its receiver is dropped.
pub(super) struct Ask {
    pub(super) name: Box<str>,
    pub(super) waiter: Waiter,
}

type Waiter = oneshot::Sender<Outcome>;

/// What the thread may hold.
#[derive(Clone, Copy)]
pub(super) struct Bounds {
    /// Most lookups in flight, those that wait for their turn included.
    pub(super) in_flight: usize,
    /// Most lookups that may hold sockets or threads at once.
    pub(super) at_once: usize,
    /// From the first ask to the end of the lookup.
    pub(super) deadline: Duration,
}

/// Starts the thread. It ends when the last sender of `asks` is dropped.
pub(super) fn start(
    backend: Backend,
    bounds: Bounds,
    board: Arc<Board>,
    asks: mpsc::Receiver<Ask>,
) -> io::Result<JoinHandle<()>> {
    let runtime = Builder::new_current_thread().enable_all().max_blocking_threads(system::MOST_THREADS).build()?;
    thread::Builder::new().name("tether-names".into()).spawn(move || {
        runtime.block_on(Lookups::new(backend, bounds, board).run(asks));
        // A call stuck in getaddrinfo cannot be cut; it must not hold up this thread.
        runtime.shutdown_background();
    })
}

/// All lookups in flight, and those who wait for them.
struct Lookups {
    backend: Arc<Backend>,
    bounds: Bounds,
    board: Arc<Board>,
    turns: Arc<Semaphore>,
    tasks: JoinSet<Found>,
    flights: Flights,
    sweep: Sweep,
}

impl Lookups {
    fn new(backend: Backend, bounds: Bounds, board: Arc<Board>) -> Self {
        Self {
            backend: Arc::new(backend),
            bounds,
            board,
            turns: Arc::new(Semaphore::new(bounds.at_once)),
            tasks: JoinSet::new(),
            flights: Flights::default(),
            sweep: Sweep::Idle { earliest: Instant::now() },
        }
    }

    async fn run(mut self, mut asks: mpsc::Receiver<Ask>) {
        loop {
            tokio::select! {
                ask = asks.recv() => match ask {
                    Some(ask) => self.admit(ask),
                    None => return,
                },
                Some(ended) = self.tasks.join_next_with_id() => self.finish(ended),
                () = self.sweep.due() => self.sweep_abandoned(),
            }
            self.board.set_in_flight(self.flights.len());
        }
    }

    fn admit(&mut self, ask: Ask) {
        // The answer may have come in while the ask was under way.
        if let Some(known) = self.board.recall(&ask.name) {
            tell(ask.waiter, known);
        } else if let Some(flight) = self.flights.of_name(&ask.name) {
            flight.join(ask.waiter);
        } else {
            self.take_off(ask);
        }
    }

    fn take_off(&mut self, ask: Ask) {
        if self.flights.len() >= self.bounds.at_once {
            self.make_room();
        }
        if self.flights.len() >= self.bounds.in_flight {
            self.board.count_failure();
            return tell(ask.waiter, Err(ResolveError::Failed));
        }
        self.board.count_lookup();
        let name: Arc<str> = ask.name.into();
        let (backend, turns) = (Arc::clone(&self.backend), Arc::clone(&self.turns));
        let task = self.tasks.spawn(look_up(backend, turns, Arc::clone(&name), self.bounds.deadline));
        self.flights.add(Flight { name, waiters: vec![ask.waiter], weed_at: WEED_ABOVE, task });
    }

    fn finish(&mut self, ended: Result<(Id, Found), JoinError>) {
        let (id, found) = match ended {
            Ok((id, found)) => (id, found),
            Err(error) => (error.id(), Found::nothing(ResolveError::Failed)),
        };
        // A lookup that was given up is no longer in the table.
        let Some(flight) = self.flights.remove(id) else { return };
        self.board.keep(&flight.name, &found.outcome, found.ttl);
        for waiter in flight.waiters {
            tell(waiter, found.outcome.clone());
        }
    }

    /// New lookups would have to queue: those that nobody waits for give way, now or as soon as a search is due again.
    fn make_room(&mut self) {
        match self.sweep {
            Sweep::Idle { earliest } if earliest <= Instant::now() => self.sweep_abandoned(),
            Sweep::Idle { earliest } => self.sweep = Sweep::At(earliest),
            Sweep::At(_) => {}
        }
    }

    /// Gives up the lookups that nobody waits for. Only done in need: otherwise their answers are worth keeping.
    fn sweep_abandoned(&mut self) {
        for flight in self.flights.take_abandoned() {
            flight.task.abort();
        }
        let next = Instant::now() + SWEEP_EVERY;
        let crowded = self.flights.len() > self.bounds.at_once;
        self.sweep = if crowded { Sweep::At(next) } else { Sweep::Idle { earliest: next } };
    }
}

/// When to search for abandoned lookups.
#[derive(Clone, Copy)]
enum Sweep {
    /// No need; the next search may not start before this.
    Idle { earliest: Instant },
    /// Lookups queue: search then.
    At(Instant),
}

impl Sweep {
    async fn due(self) {
        match self {
            Sweep::Idle { .. } => std::future::pending().await,
            Sweep::At(when) => sleep_until(when).await,
        }
    }
}

/// One lookup from its queueing to its end. The time in the queue counts against the deadline.
async fn look_up(backend: Arc<Backend>, turns: Arc<Semaphore>, name: Arc<str>, deadline: Duration) -> Found {
    let in_turn = async {
        let _turn = turns.acquire().await;
        backend.look_up(&name).await
    };
    timeout(deadline, in_turn).await.unwrap_or(Found::nothing(ResolveError::Timeout))
}

/// A waiter that has left is no error: the answer is kept all the same.
fn tell(waiter: Waiter, outcome: Outcome) {
    drop(waiter.send(outcome));
}

// === Flights ===

/// One lookup in flight.
struct Flight {
    name: Arc<str>,
    waiters: Vec<Waiter>,
    weed_at: usize,
    task: AbortHandle,
}

impl Flight {
    fn join(&mut self, waiter: Waiter) {
        if self.waiters.len() >= self.weed_at {
            self.waiters.retain(|waiter| !waiter.is_closed());
            self.weed_at = WEED_ABOVE.max(self.waiters.len() * 2);
        }
        self.waiters.push(waiter);
    }

    fn is_abandoned(&self) -> bool {
        self.waiters.iter().all(Waiter::is_closed)
    }
}

/// The table of lookups in flight, by name for those who ask and by task for those that end.
#[derive(Default)]
struct Flights {
    by_task: HashMap<Id, Flight>,
    by_name: HashMap<Arc<str>, Id>,
}

impl Flights {
    fn len(&self) -> usize {
        self.by_task.len()
    }

    fn of_name(&mut self, name: &str) -> Option<&mut Flight> {
        self.by_task.get_mut(self.by_name.get(name)?)
    }

    fn add(&mut self, flight: Flight) {
        self.by_name.insert(Arc::clone(&flight.name), flight.task.id());
        self.by_task.insert(flight.task.id(), flight);
    }

    fn remove(&mut self, task: Id) -> Option<Flight> {
        let flight = self.by_task.remove(&task)?;
        self.by_name.remove(&flight.name);
        Some(flight)
    }

    fn take_abandoned(&mut self) -> Vec<Flight> {
        let abandoned: Vec<Flight> =
            self.by_task.extract_if(|_, flight| flight.is_abandoned()).map(|(_, flight)| flight).collect();
        for flight in &abandoned {
            self.by_name.remove(&flight.name);
        }
        abandoned
    }
}
