//! What every session of a worker uses; nothing here is global.

use std::rc::Rc;
use std::sync::Arc;

use super::settings::Timeouts;
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

/// The parts of one worker that its sessions share.
pub struct Services {
    /// Every wait.
    pub timeouts: Timeouts,
    /// Where clients may go.
    pub destinations: Arc<DestinationSettings>,
    /// What is set for single destinations.
    pub destination_rules: Arc<DestinationRules>,
    /// What origins taught all workers about their idle connections.
    pub learned: Arc<Learned>,
    /// Idle upstream connections that any client of the worker may use.
    pub pool: Rc<Pool>,
    /// Our own name in `Via`, different in every process.
    pub pseudonym: Arc<str>,
    /// An empty text, shared.
    pub nothing: Arc<str>,
    /// The worker's read buffer.
    pub scratch: Scratch,
    /// Small buffers used again and again.
    pub buffers: BufferPool,
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
