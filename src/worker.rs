//! One worker: a pinned thread with its own runtime, listeners, scratch and sessions. Nothing on it is `Send`.

use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use tokio::net::TcpListener;
use tokio::runtime::{Builder, LocalOptions, LocalRuntime};
use tokio::sync::{mpsc, watch};
use tracing::warn;

use crate::flow::services::Services;
use crate::flow::settings::Timeouts;
use crate::listen::accept::{Acceptor, HandedOver, Workers};
use crate::listen::settings::ForwardSettings;
use crate::net::pipe::PipePool;
use crate::net::resolver::Resolver;
use crate::net::scratch::{BufferPool, Scratch};
use crate::observe::access_log::AccessLog;
use crate::observe::counters::WorkerCounters;
use crate::observe::live::LiveTable;
use crate::policy::destination::DestinationSettings;
use crate::tether::drain::Drain;
use crate::upstream::learned::Learned;
use crate::upstream::pool::Pool;
use crate::upstream::rules::DestinationRules;

/// What the process as a whole is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Accepting clients.
    Serving,
    /// Finishing what is under way, for at most this long.
    Draining(Duration),
    /// Leaving at once.
    Stopping,
}

/// Everything a worker is made of; all of it may cross to its thread.
pub struct WorkerPlan {
    /// Which worker this is, from 0.
    pub index: usize,
    /// All workers.
    pub workers: Arc<Workers>,
    /// Sockets handed over by others.
    pub inbox: mpsc::Receiver<HandedOver>,
    /// Its own listening sockets.
    pub listeners: Vec<(std::net::TcpListener, Arc<ForwardSettings>)>,
    /// What the process is doing.
    pub stage: watch::Receiver<Stage>,
    /// Its counters.
    pub counters: Arc<WorkerCounters>,
    /// Its part of the live table.
    pub live: Arc<LiveTable>,
    /// Every wait.
    pub timeouts: Timeouts,
    /// Where clients may go.
    pub destinations: Arc<DestinationSettings>,
    /// What is set for single destinations.
    pub destination_rules: Arc<DestinationRules>,
    /// What origins taught all workers.
    pub learned: Arc<Learned>,
    /// Our name in `Via`.
    pub pseudonym: Arc<str>,
    /// The access log.
    pub log: AccessLog,
    /// Names to addresses.
    pub resolver: Resolver,
}

/// Starts the worker's thread. It ends when the stage says so and its clients are gone, or their time is.
///
/// # Errors
/// When the thread or its runtime cannot be made.
pub fn start(plan: WorkerPlan) -> io::Result<JoinHandle<()>> {
    std::thread::Builder::new().name(format!("worker-{}", plan.index)).spawn(move || {
        pin_to_core(plan.index);
        match runtime() {
            Ok(runtime) => runtime.block_on(run(plan)),
            Err(fault) => warn!(%fault, "a worker has no runtime and serves nobody"),
        }
    })
}

fn runtime() -> io::Result<LocalRuntime> {
    Builder::new_current_thread().enable_all().build_local(LocalOptions::default())
}

/// Each worker stays on one of the cores the process may use; with more workers than cores the kernel decides.
fn pin_to_core(index: usize) {
    let Ok(allowed) = sched_getaffinity(None) else { return };
    let cores: Vec<usize> = (0..CpuSet::MAX_CPU).filter(|core| allowed.is_set(*core)).collect();
    if let Some(core) = cores.get(index) {
        let mut own = CpuSet::new();
        own.set(*core);
        // A container may forbid it; the worker runs all the same.
        let _ = sched_setaffinity(None, &own);
    }
}

async fn run(mut plan: WorkerPlan) {
    let services = services(&plan);
    let acceptor = Acceptor { index: plan.index, workers: plan.workers.clone(), services: services.clone() };
    let mut accepting = vec![tokio::task::spawn_local(acceptor.clone().run_inbox(plan.inbox))];
    for (listener, settings) in plan.listeners {
        match TcpListener::from_std(listener) {
            Ok(listener) => accepting.push(tokio::task::spawn_local(acceptor.clone().run(listener, settings))),
            Err(fault) => warn!(%fault, listener = %settings.name, "a listener cannot be served"),
        }
    }
    let stage = leave_serving(&mut plan.stage).await;
    accepting.iter().for_each(tokio::task::JoinHandle::abort);
    if let Stage::Draining(limit) = stage {
        services.drain.begin();
        tokio::select! {
            () = services.drain.emptied() => {}
            () = tokio::time::sleep(limit) => {}
            () = stopping(&mut plan.stage) => {}
        }
    }
    // The runtime is dropped behind us, and with it every session that is left.
}

/// Resolves when the process no longer serves, with what it does instead.
async fn leave_serving(stage: &mut watch::Receiver<Stage>) -> Stage {
    match stage.wait_for(|stage| *stage != Stage::Serving).await {
        Ok(stage) => *stage,
        // Nobody is left to say so: the process is going.
        Err(_) => Stage::Stopping,
    }
}

async fn stopping(stage: &mut watch::Receiver<Stage>) {
    let _ = stage.wait_for(|stage| *stage == Stage::Stopping).await;
}

fn services(plan: &WorkerPlan) -> Rc<Services> {
    Rc::new(Services {
        timeouts: plan.timeouts.clone(),
        destinations: plan.destinations.clone(),
        destination_rules: plan.destination_rules.clone(),
        learned: plan.learned.clone(),
        pool: Pool::new(plan.learned.clone(), plan.counters.clone()),
        pseudonym: plan.pseudonym.clone(),
        nothing: "".into(),
        scratch: Scratch::default(),
        buffers: BufferPool::default(),
        pipes: PipePool::new(plan.counters.clone()),
        counters: plan.counters.clone(),
        live: plan.live.clone(),
        log: plan.log.clone(),
        resolver: plan.resolver.clone(),
        drain: Rc::new(Drain::default()),
    })
}
