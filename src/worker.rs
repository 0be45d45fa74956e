//! One worker: a pinned thread with its own runtime, listeners, scratch and sessions. Nothing on it is `Send`.

use std::cell::RefCell;
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use arc_swap::ArcSwap;
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use tokio::net::TcpListener;
use tokio::runtime::{Builder, LocalOptions, LocalRuntime};
use tokio::sync::{mpsc, watch};
use tracing::warn;

use crate::flow::icap_server::IcapPort;
use crate::flow::inspection::shared::InspectionShared;
use crate::flow::services::{ForwardPolicy, Services, Tuning};
use crate::limits::Limits;
use crate::limits::overload::Overload;
use crate::limits::sources::Sources;
use crate::listen::accept::{Acceptor, HandedOver, Workers};
use crate::listen::settings::ForwardSettings;
use crate::net::pipe::PipePool;
use crate::net::resolver::Resolver;
use crate::net::scratch::{BufferPool, Scratch};
use crate::observe::access_log::AccessLog;
use crate::observe::counters::WorkerCounters;
use crate::observe::live::LiveTable;
use crate::tether::drain::Drain;
use crate::upstream::connection::IdleNews;
use crate::upstream::pool::Pool;

/// Between two looks at how late the worker is.
const HEARTBEAT: Duration = Duration::from_millis(200);

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
    /// Its own listening sockets of the ICAP server.
    pub icap_listeners: Vec<(std::net::TcpListener, Arc<IcapPort>)>,
    /// What the process is doing.
    pub stage: watch::Receiver<Stage>,
    /// Its counters.
    pub counters: Arc<WorkerCounters>,
    /// Its part of the live table.
    pub live: Arc<LiveTable>,
    /// Settings, and newer ones after a reload.
    pub tuning: watch::Receiver<Arc<Tuning>>,
    /// Rules for each request.
    pub policy: Arc<ArcSwap<ForwardPolicy>>,
    /// How much at once.
    pub limits: Arc<Limits>,
    /// Who is here.
    pub sources: Arc<Sources>,
    /// What inspections share.
    pub inspection: Arc<InspectionShared>,
    /// How short the process is of what it needs.
    pub overload: Arc<Overload>,
    /// Where the ends of idle upstream connections are told.
    pub news: IdleNews,
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
    let services = services(&mut plan);
    let newest = Rc::new(RefCell::new(services.clone()));
    let acceptor = Acceptor { index: plan.index, workers: plan.workers.clone(), services: newest.clone() };
    tokio::task::spawn_local(heartbeat(plan.counters.clone()));
    let mut accepting = vec![
        tokio::task::spawn_local(follow(plan.tuning, newest)),
        tokio::task::spawn_local(acceptor.clone().run_inbox(plan.inbox)),
    ];
    for (listener, settings) in plan.listeners {
        match TcpListener::from_std(listener) {
            Ok(listener) => accepting.push(tokio::task::spawn_local(acceptor.clone().run(listener, settings))),
            Err(fault) => warn!(%fault, listener = %settings.name, "a listener cannot be served"),
        }
    }
    for (listener, port) in plan.icap_listeners {
        match TcpListener::from_std(listener) {
            Ok(listener) => accepting.push(tokio::task::spawn_local(acceptor.clone().run_icap(listener, port))),
            Err(fault) => warn!(%fault, listener = %port.settings.name, "a listener cannot be served"),
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

/// Measures how late this worker comes back to its events.
async fn heartbeat(counters: Arc<WorkerCounters>) {
    loop {
        let due = tokio::time::Instant::now() + HEARTBEAT;
        tokio::time::sleep_until(due).await;
        counters.loop_lag_micros.set(due.elapsed().as_micros() as u64);
    }
}

/// Gives connections accepted after a reload the settings of that reload.
async fn follow(mut tuning: watch::Receiver<Arc<Tuning>>, newest: Rc<RefCell<Rc<Services>>>) {
    while tuning.changed().await.is_ok() {
        let services = Services { tuning: tuning.borrow_and_update().clone(), ..(**newest.borrow()).clone() };
        newest.replace(Rc::new(services));
    }
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

fn services(plan: &mut WorkerPlan) -> Rc<Services> {
    Rc::new(Services {
        tuning: plan.tuning.borrow_and_update().clone(),
        policy: plan.policy.clone(),
        limits: plan.limits.clone(),
        sources: plan.sources.clone(),
        inspection: plan.inspection.clone(),
        overload: plan.overload.clone(),
        news: plan.news.clone(),
        pool: Pool::new(plan.news.clone(), plan.counters.clone()),
        pseudonym: plan.pseudonym.clone(),
        nothing: "".into(),
        scratch: Rc::new(Scratch::default()),
        decoded: Rc::new(Scratch::default()),
        buffers: Rc::new(BufferPool::default()),
        pipes: PipePool::new(plan.counters.clone()),
        counters: plan.counters.clone(),
        live: plan.live.clone(),
        log: plan.log.clone(),
        resolver: plan.resolver.clone(),
        drain: Rc::new(Drain::default()),
    })
}
