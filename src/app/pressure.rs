//! Watches how short the process is of slots, memory and time, and sets the level that workers keep to.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::watch;
use tracing::{info, warn};

use super::slots::Slots;
use crate::admin::process::resident_bytes;
use crate::flow::inspection::shared::InspectionShared;
use crate::flow::services::Tuning;
use crate::limits::Limits;
use crate::limits::overload::{Level, Overload, Readings, next_level};
use crate::observe::counters::WorkerCounters;

/// Between two looks.
const INTERVAL: Duration = Duration::from_millis(250);
/// Of the streams there are, one in this many goes at each look while streams are evicted.
const EVICTED_SHARE: u32 = 20;

/// What is watched, and what is done about it.
pub struct Pressure {
    /// The level for all to see.
    pub overload: Arc<Overload>,
    /// Sockets, streams.
    pub counters: Vec<Arc<WorkerCounters>>,
    /// The room there is.
    pub slots: Slots,
    /// The settings in force, with the resident bytes that may be held.
    pub tuning: watch::Receiver<Arc<Tuning>>,
    /// Those bytes where nothing is set.
    pub memory: u64,
    /// Where bodies are held.
    pub inspection: Arc<InspectionShared>,
    /// Whose streams are evicted.
    pub limits: Arc<Limits>,
}

/// The watch. Dropping it ends its thread.
pub struct PressureWatch {
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Drop for PressureWatch {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // It can only have panicked, which its message has told.
            let _ = thread.join();
        }
    }
}

/// Starts to watch.
///
/// # Errors
/// When the thread cannot be made.
pub fn start(pressure: Pressure) -> std::io::Result<PressureWatch> {
    let (stop, stopped) = channel();
    let thread = std::thread::Builder::new().name("pressure".to_owned()).spawn(move || pressure.run(&stopped))?;
    Ok(PressureWatch { stop: Some(stop), thread: Some(thread) })
}

impl Pressure {
    fn run(&self, stopped: &Receiver<()>) {
        while stopped.recv_timeout(INTERVAL) == Err(RecvTimeoutError::Timeout) {
            let readings = self.readings();
            let before = self.overload.level();
            let level = next_level(before, &readings);
            if level != before {
                self.overload.set_level(level);
                tell(before, level, &readings);
            }
            if level >= Level::EvictStreams {
                self.evict();
            }
        }
    }

    fn readings(&self) -> Readings {
        let sum = |read: fn(&WorkerCounters) -> u64| self.counters.iter().map(|worker| read(worker)).sum::<u64>();
        let sockets = sum(|worker| worker.client_connections.get()) + sum(|worker| worker.upstream_open.get());
        let lag = self.counters.iter().map(|worker| worker.loop_lag_micros.get()).max().unwrap_or_default();
        let memory = self.tuning.borrow().limits.memory.unwrap_or(self.memory);
        Readings {
            slots: sockets as f64 / (2.0 * f64::from(self.slots.count())),
            memory: resident_bytes().unwrap_or_default() as f64 / memory.max(1) as f64,
            spool: self.inspection.spools.fullness(),
            lag: Duration::from_micros(lag),
        }
    }

    /// Ends a share of the streams, the longest silent first.
    fn evict(&self) {
        let streams = self.limits.streams_in_use(super::slots::RULE);
        let evicted = self.limits.evict_longest_silent(super::slots::RULE, (streams / EVICTED_SHARE).max(1));
        self.overload.count(Level::EvictStreams, u64::from(evicted));
    }
}

fn tell(before: Level, level: Level, readings: &Readings) {
    let (slots, memory) = (percent(readings.slots), percent(readings.memory));
    let lag_ms = readings.lag.as_millis() as u64;
    if level > before {
        warn!(level = level.label(), slots, memory, lag_ms, "the proxy is short of room and gives something up");
    } else {
        info!(level = level.label(), slots, memory, lag_ms, "the proxy has more room again");
    }
}

fn percent(share: f64) -> u64 {
    (share * 100.0) as u64
}

/// Bytes this process may hold: what its control group allows, or what the machine has.
pub fn memory_limit() -> u64 {
    let group = std::fs::read_to_string("/sys/fs/cgroup/memory.max").ok();
    let machine = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    group.and_then(|text| text.trim().parse().ok()).or_else(|| total(&machine)).unwrap_or(u64::MAX)
}

/// `MemTotal` of /proc/meminfo, in bytes.
fn total(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_machine_tells_its_memory() {
        assert_eq!(total("MemFree: 1 kB\nMemTotal:       8000 kB\n"), Some(8_192_000));
        assert_eq!(total("nothing"), None);
        assert!(memory_limit() > 1 << 20);
    }
}
