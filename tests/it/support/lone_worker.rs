//! One worker without the rest of the proxy: for the one part that settings cannot change, the name servers.

use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tether::app::reload::Reloader;
use tether::app::slots::Slots;
use tether::flow::settings::Timeouts;
use tether::listen::accept::Workers;
use tether::net::resolver::Resolver;
use tether::net::resolver::settings::ResolverSettings;
use tether::net::socket::listen;
use tether::observe::access_log::AccessLog;
use tether::observe::counters::WorkerCounters;
use tether::observe::ends::EndRing;
use tether::observe::live::LiveTable;
use tether::upstream::connection::IdleNews;
use tether::worker::{self, Stage, WorkerPlan};
use tokio::sync::{mpsc, watch};

use super::proxy::settings;
use super::tally::Tally;

/// A worker whose name server hears every question and never answers.
pub struct LoneWorker {
    address: SocketAddr,
    tally: Tally,
    stage: watch::Sender<Stage>,
    thread: Option<JoinHandle<()>>,
    _silent_server: UdpSocket,
}

impl LoneWorker {
    /// Starts it; a lookup may take a minute.
    pub fn start() -> LoneWorker {
        LoneWorker::with(|_, _| {})
    }

    /// As [`LoneWorker::start`], after `change` of the deadline of a lookup and of every other wait.
    pub fn with(change: impl FnOnce(&mut Duration, &mut Timeouts)) -> LoneWorker {
        let mut patient = ResolverSettings { deadline: Duration::from_secs(60), ..ResolverSettings::default() };
        let mut timeouts = Timeouts { connect_total: Duration::from_secs(60), ..Timeouts::default() };
        change(&mut patient.deadline, &mut timeouts);
        let silent_server = UdpSocket::bind("127.0.0.1:0").expect("bind");
        let server = silent_server.local_addr().expect("address");
        let resolver = Resolver::with_name_servers(&patient, &[server]).expect("a resolver");
        let mut settings = settings();
        settings.timeouts = timeouts;
        let reloader = Reloader::new(settings.clone(), Vec::new(), Slots::of(1024), None).expect("a reloader");
        let listener = listen("127.0.0.1:0".parse().expect("address")).expect("listen");
        let address = listener.local_addr().expect("address");
        let counters = Arc::new(WorkerCounters::default());
        let live = LiveTable::new(Instant::now());
        let (sender, inbox) = mpsc::channel(1);
        let (stage, stages) = watch::channel(Stage::Serving);
        let plan = WorkerPlan {
            index: 0,
            workers: Arc::new(Workers::new(vec![counters.clone()], vec![sender])),
            inbox,
            listeners: vec![(listener, Arc::new(settings.forward[0].clone()))],
            icap_listeners: Vec::new(),
            stage: stages,
            counters: counters.clone(),
            live: live.clone(),
            tuning: reloader.tuning(),
            policy: reloader.policy(),
            limits: reloader.limits().clone(),
            sources: Arc::default(),
            inspection: reloader.inspection().clone(),
            overload: Arc::default(),
            news: IdleNews { learned: Arc::default(), ends: EndRing::for_workers(1).remove(0) },
            pseudonym: "tether-test".into(),
            log: AccessLog::open(&settings.log).expect("no log"),
            resolver,
        };
        let thread = Some(worker::start(plan).expect("a worker"));
        let tally = Tally { counters: vec![counters], live: vec![live] };
        LoneWorker { address, tally, stage, thread, _silent_server: silent_server }
    }

    /// Where clients connect.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What it counts.
    pub fn tally(&self) -> &Tally {
        &self.tally
    }
}

impl Drop for LoneWorker {
    fn drop(&mut self) {
        self.stage.send_replace(Stage::Stopping);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
