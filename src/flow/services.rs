//! What every session of a worker uses; nothing here is global.

use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;

use arc_swap::ArcSwap;

use super::inspection::policy::InspectPolicy;
use super::inspection::shared::InspectionShared;
use super::settings::Timeouts;
use crate::limits::Limits;
use crate::limits::overload::Overload;
use crate::limits::settings::LimitSettings;
use crate::limits::sources::Sources;
use crate::net::pipe::PipePool;
use crate::net::resolver::Resolver;
use crate::net::scratch::{BufferPool, Scratch};
use crate::observe::access_log::AccessLog;
use crate::observe::counters::WorkerCounters;
use crate::observe::live::LiveTable;
use crate::policy::destination::DestinationSettings;
use crate::policy::half_close::HalfClose;
use crate::tether::drain::Drain;
use crate::upstream::connection::IdleNews;
use crate::upstream::pool::Pool;
use crate::upstream::rules::DestinationRules;

/// What a reload replaces for connections that are accepted after it.
#[derive(Clone, Debug)]
pub struct Tuning {
    /// Every wait.
    pub timeouts: Timeouts,
    /// What FINs mean, by the name of the listener.
    pub half_close: HashMap<Arc<str>, HalfClose>,
    /// When an exchange is a stream.
    pub limits: LimitSettings,
}

/// What a reload replaces for the next request of every connection.
#[derive(Debug)]
pub struct ForwardPolicy {
    /// Where clients may go.
    pub destinations: Arc<DestinationSettings>,
    /// What is set for connections to single destinations.
    pub rules: DestinationRules,
    /// What is scanned, and by whom.
    pub inspect: Arc<InspectPolicy>,
}

/// The parts of one worker that its sessions share. A clone shares them too.
#[derive(Clone)]
pub struct Services {
    /// Settings of connections accepted from now on.
    pub tuning: Arc<Tuning>,
    /// Rules for the next request.
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
    /// Idle upstream connections that any client of the worker may use.
    pub pool: Rc<Pool>,
    /// Our own name in `Via`, different in every process.
    pub pseudonym: Arc<str>,
    /// An empty text, shared.
    pub nothing: Arc<str>,
    /// The worker's read buffer.
    pub scratch: Rc<Scratch>,
    /// Where the worker undoes content codings.
    pub decoded: Rc<Scratch>,
    /// Small buffers used again and again.
    pub buffers: Rc<BufferPool>,
    /// Pipes for splicing.
    pub pipes: Rc<PipePool>,
    /// What the worker counts.
    pub counters: Arc<WorkerCounters>,
    /// What is open on this worker.
    pub live: Arc<LiveTable>,
    /// One line per exchange.
    pub log: AccessLog,
    /// Names to addresses.
    pub resolver: Resolver,
    /// Whether, and how, the worker goes down.
    pub drain: Rc<Drain>,
}

impl Services {
    /// Every wait.
    pub fn timeouts(&self) -> &Timeouts {
        &self.tuning.timeouts
    }

    /// What FINs mean on this listener.
    pub fn half_close(&self, listener: &str) -> HalfClose {
        self.tuning.half_close.get(listener).copied().unwrap_or_default()
    }
}
