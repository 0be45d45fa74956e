//! Builds every part once, starts them, and takes them down again. The only place that knows all of them.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context, Result};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, watch};
use tracing::{info, warn};

use crate::admin::{AdminServer, AdminView, Serving, ServingState};
use crate::config::settings::Settings;
use crate::limits::overload::Overload;
use crate::limits::sources::Sources;
use crate::listen::accept::Workers;
use crate::listen::settings::ForwardSettings;
use crate::net::resolver::Resolver;
use crate::net::socket::listen;
use crate::observe::access_log::AccessLog;
use crate::observe::counters::WorkerCounters;
use crate::observe::ends::EndRing;
use crate::observe::live::LiveTable;
use crate::upstream::connection::IdleNews;
use crate::upstream::learned::Learned;
use crate::worker::{self, Stage, WorkerPlan};

/// Sockets that may wait to be taken over by another worker.
const INBOX: usize = 1024;

pub mod bypass;
mod icap_server;
mod operations;
mod pressure;
pub mod reload;
pub mod slots;
mod upkeep;

use icap_server::OpenIcapPort;
use pressure::{Pressure, PressureWatch};
use reload::{Load, Reloader};
use slots::Slots;
use upkeep::Upkeep;

/// A running proxy. Dropping it stops it at once.
pub struct App {
    admin: AdminServer,
    state: Arc<ServingState>,
    stage: watch::Sender<Stage>,
    workers: Vec<JoinHandle<()>>,
    forward: Vec<SocketAddr>,
    icap_server: Vec<SocketAddr>,
    counters: Vec<Arc<WorkerCounters>>,
    learned: Arc<Learned>,
    live: Vec<Arc<LiveTable>>,
    reloader: Arc<Reloader>,
    _pressure: PressureWatch,
    _upkeep: Upkeep,
}

/// What each worker shows of itself, in the order of the workers.
struct Shown {
    counters: Vec<Arc<WorkerCounters>>,
    live: Vec<Arc<LiveTable>>,
    ends: Vec<Arc<EndRing>>,
}

impl Shown {
    fn of(workers: usize) -> Shown {
        let epoch = Instant::now();
        Shown {
            counters: (0..workers).map(|_| Arc::default()).collect(),
            live: (0..workers).map(|_| LiveTable::new(epoch)).collect(),
            ends: EndRing::for_workers(workers),
        }
    }
}

/// What all workers share.
struct Shared {
    reloader: Arc<Reloader>,
    sources: Arc<Sources>,
    overload: Arc<Overload>,
    learned: Arc<Learned>,
    pseudonym: Arc<str>,
    log: AccessLog,
    resolver: Resolver,
}

impl App {
    /// Binds every port and starts every thread. `load` reads the configuration anew for a reload.
    ///
    /// # Errors
    /// With the port or part that could not be had.
    pub fn start(settings: Settings, load: Option<Load>) -> Result<App> {
        let slots = Slots::of(raise_descriptor_limit());
        let admin_listener = bind_admin(settings.admin.bind)?;
        let count = settings.workers;
        let mut ports = Vec::new();
        for forward in &settings.forward {
            ports.push(bind_forward(forward, count)?);
        }
        let forward: Vec<SocketAddr> = ports.iter().map(|port| port.address).collect();
        let icap_ports = icap_server::bind(&settings.icap_server, count)?;
        let icap_server: Vec<SocketAddr> = icap_ports.iter().map(|port| port.address).collect();
        let own = forward.iter().chain(&icap_server).copied().chain([admin_listener.local_addr()?]).collect();
        let shared = Shared {
            reloader: Arc::new(Reloader::new(settings.clone(), own, slots, load)?),
            sources: Arc::default(),
            overload: Arc::default(),
            learned: Arc::default(),
            pseudonym: pseudonym(),
            log: AccessLog::open(&settings.log).context("the access log cannot be opened")?,
            resolver: Resolver::start(&settings.resolver).context("the resolver cannot be started")?,
        };
        let shown = Shown::of(count);
        let state = Arc::new(ServingState::default());
        let (stage, stages) = watch::channel(Stage::Serving);
        let pressure = pressure::start(Pressure {
            overload: shared.overload.clone(),
            counters: shown.counters.clone(),
            slots,
            tuning: shared.reloader.tuning(),
            memory: pressure::memory_limit(),
            inspection: shared.reloader.inspection().clone(),
            limits: shared.reloader.limits().clone(),
        })?;
        let upkeep = upkeep::start(shared.reloader.clone())?;
        let workers = start_workers(&settings, &shared, (ports, icap_ports), &shown, &stages)?;
        let admin = crate::admin::start(admin_listener, admin_view(&shared, &shown, &state))
            .context("the admin port cannot be served")?;
        state.set(Serving::Ready);
        let (reloader, learned, Shown { counters, live, .. }) = (shared.reloader, shared.learned, shown);
        Ok(App {
            admin,
            state,
            stage,
            workers,
            forward,
            icap_server,
            counters,
            learned,
            live,
            reloader,
            _pressure: pressure,
            _upkeep: upkeep,
        })
    }

    /// The addresses of the forward-proxy ports, in the order of the settings.
    pub fn forward_addresses(&self) -> &[SocketAddr] {
        &self.forward
    }

    /// The addresses of the ICAP server's ports, in the order of the settings.
    pub fn icap_server_addresses(&self) -> &[SocketAddr] {
        &self.icap_server
    }

    /// The address of the admin port.
    pub fn admin_address(&self) -> SocketAddr {
        self.admin.addr
    }

    /// The counters of every worker.
    pub fn counters(&self) -> &[Arc<WorkerCounters>] {
        &self.counters
    }

    /// What origins taught us about their idle connections.
    pub fn learned(&self) -> &Learned {
        &self.learned
    }

    /// The live table of every worker.
    pub fn live(&self) -> &[Arc<LiveTable>] {
        &self.live
    }

    /// The settings in force, and the way to newer ones.
    pub fn reloader(&self) -> &Arc<Reloader> {
        &self.reloader
    }

    fn drain_limit(&self) -> Duration {
        self.reloader.settings().timeouts.drain
    }

    /// Stops accepting and lets what is under way finish, for as long as the settings say.
    pub fn drain(&self) {
        self.state.set(Serving::Draining);
        self.stage.send_replace(Stage::Draining(self.drain_limit()));
    }

    /// Cuts everything.
    pub fn stop(&self) {
        self.state.set(Serving::Draining);
        self.stage.send_replace(Stage::Stopping);
    }

    /// Whether every worker has ended.
    pub fn is_finished(&self) -> bool {
        self.workers.iter().all(JoinHandle::is_finished)
    }
}

impl Drop for App {
    fn drop(&mut self) {
        self.stop();
        for worker in self.workers.drain(..) {
            if worker.join().is_err() {
                warn!("a worker ended by a panic");
            }
        }
    }
}

/// Runs a proxy until SIGTERM or SIGINT; the first drains, the second stops at once. SIGHUP reloads.
///
/// # Errors
/// When it cannot be started.
pub fn run(settings: Settings, load: Load) -> Result<()> {
    let app = App::start(settings, Some(load))?;
    for address in app.forward_addresses() {
        info!(%address, "proxy listening");
    }
    for address in app.icap_server_addresses() {
        info!(%address, "ICAP server listening");
    }
    info!(address = %app.admin_address(), "admin listening: /metrics /healthz /readyz /api/v1/streams");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(until_told(&app))
}

async fn until_told(app: &App) -> Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut hangup = signal(SignalKind::hangup())?;
    loop {
        tokio::select! {
            _ = terminate.recv() => break,
            _ = interrupt.recv() => break,
            // What came of it is in the log.
            _ = hangup.recv() => drop(app.reloader.reload()),
        }
    }
    let open: u64 = app.counters().iter().map(|worker| worker.client_connections.get()).sum();
    info!(open, seconds = app.drain_limit().as_secs(), "draining; a second signal stops at once");
    app.drain();
    let mut look = tokio::time::interval(Duration::from_millis(20));
    while !app.is_finished() {
        tokio::select! {
            _ = look.tick() => {}
            _ = terminate.recv() => break,
            _ = interrupt.recv() => break,
        }
    }
    info!("stopped");
    Ok(())
}

/// One forward port, bound once for every worker.
struct Port {
    address: SocketAddr,
    settings: Arc<ForwardSettings>,
    listeners: Vec<TcpListener>,
}

fn bind_admin(bind: SocketAddr) -> Result<TcpListener> {
    let listener = TcpListener::bind(bind).with_context(|| cannot_listen("admin", bind))?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

fn bind_forward(forward: &ForwardSettings, workers: usize) -> Result<Port> {
    let (address, listeners) = bind_shared(&forward.name, forward.bind, workers)?;
    Ok(Port { address, settings: Arc::new(forward.clone()), listeners })
}

/// Binds one address once for every worker.
fn bind_shared(name: &str, bind: SocketAddr, workers: usize) -> Result<(SocketAddr, Vec<TcpListener>)> {
    let refuse = || cannot_listen(name, bind);
    // Our sockets share the port with each other; that it is nobody else's must be found out first.
    drop(TcpListener::bind(bind).with_context(refuse)?);
    let first = listen(bind).with_context(refuse)?;
    let address = first.local_addr()?;
    let rest = (1..workers).map(|_| listen(address)).collect::<io::Result<Vec<_>>>().with_context(refuse)?;
    Ok((address, std::iter::once(first).chain(rest).collect()))
}

fn cannot_listen(name: &str, bind: SocketAddr) -> String {
    format!("\"{name}\" cannot listen on {bind}: stop what uses that port, or set another `bind`")
}

fn start_workers(
    settings: &Settings,
    shared: &Shared,
    (mut ports, mut icap_ports): (Vec<Port>, Vec<OpenIcapPort>),
    shown: &Shown,
    stage: &watch::Receiver<Stage>,
) -> Result<Vec<JoinHandle<()>>> {
    let (senders, inboxes): (Vec<_>, Vec<_>) = (0..settings.workers).map(|_| mpsc::channel(INBOX)).unzip();
    let workers = Arc::new(Workers::new(shown.counters.clone(), senders));
    let mut threads = Vec::new();
    for (index, inbox) in inboxes.into_iter().enumerate() {
        let take = |port: &mut Port| Some((port.listeners.pop()?, port.settings.clone()));
        let plan = WorkerPlan {
            index,
            workers: workers.clone(),
            inbox,
            listeners: ports.iter_mut().filter_map(take).collect(),
            icap_listeners: icap_ports.iter_mut().filter_map(OpenIcapPort::take).collect(),
            stage: stage.clone(),
            counters: shown.counters[index].clone(),
            live: shown.live[index].clone(),
            tuning: shared.reloader.tuning(),
            policy: shared.reloader.policy(),
            limits: shared.reloader.limits().clone(),
            sources: shared.sources.clone(),
            inspection: shared.reloader.inspection().clone(),
            overload: shared.overload.clone(),
            news: IdleNews { learned: shared.learned.clone(), ends: shown.ends[index].clone() },
            pseudonym: shared.pseudonym.clone(),
            log: shared.log.clone(),
            resolver: shared.resolver.clone(),
        };
        threads.push(worker::start(plan).context("a worker cannot be started")?);
    }
    Ok(threads)
}

fn admin_view(shared: &Shared, shown: &Shown, state: &Arc<ServingState>) -> AdminView {
    let resolver = shared.resolver.clone();
    AdminView {
        workers: shown.counters.clone(),
        tables: shown.live.clone(),
        ends: shown.ends.clone(),
        access_log: shared.log.clone(),
        started: SystemTime::now(),
        resolver_stats: Arc::new(move || resolver.stats()),
        inspection: shared.reloader.inspection().clone(),
        operations: operations::operations(&shared.reloader, &shared.overload, &shared.learned),
        state: state.clone(),
        version: env!("CARGO_PKG_VERSION"),
    }
}

/// A name for `Via` that no other process has, so that only our own requests look like a loop.
fn pseudonym() -> Arc<str> {
    let unique = RandomState::new().build_hasher().finish();
    format!("tether-{:08x}", unique as u32).into()
}

/// Every stream needs two descriptors: take as many as the system lets us have. Gives how many that is.
fn raise_descriptor_limit() -> u64 {
    let limit = getrlimit(Resource::Nofile);
    if setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum }).is_err() {
        warn!("the limit of open files could not be raised");
    }
    getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX)
}
