//! What has to be done now and then, whatever the traffic: idle connections to scanners are closed, verdicts under tags that
//! these gave up are voided, and places that turned out to give live streams are learned.

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tokio::sync::oneshot::{Receiver, Sender, channel};
use tokio::time::sleep;

use super::reload::Reloader;
use crate::icap::services::IcapServices;
use crate::inspect::history::Suggestion;
use crate::inspect::verdicts::Verdicts;
use crate::policy::bypass::Learn;
use crate::policy::bypass::entry::BypassRule;
use crate::policy::bypass::pattern::Pattern;

/// Between two rounds.
const INTERVAL: Duration = Duration::from_secs(1);

/// The thread that does it. Dropping it ends the thread.
pub struct Upkeep {
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Drop for Upkeep {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // It may be writing the audit log, and is then done soon.
            let _ = thread.join();
        }
    }
}

/// Starts it.
///
/// # Errors
/// When the thread cannot be made.
pub fn start(reloader: Arc<Reloader>) -> std::io::Result<Upkeep> {
    let (stop, stopped) = channel();
    // Connections to scanners that are made here belong to this runtime, and are used by all workers: it is never at rest.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let run = move || runtime.block_on(run(&reloader, stopped));
    let thread = std::thread::Builder::new().name("upkeep".to_owned()).spawn(run)?;
    Ok(Upkeep { stop: Some(stop), thread: Some(thread) })
}

async fn run(reloader: &Reloader, stopped: Receiver<()>) {
    tokio::select! {
        _ = stopped => {}
        () = rounds(reloader) => {}
    }
}

async fn rounds(reloader: &Reloader) {
    loop {
        let services = reloader.policy().load().inspect.services.clone();
        services.tidy().await;
        note_tags(&services, &reloader.inspection().verdicts);
        if reloader.bypass().learn_mode() == Learn::On {
            learn(reloader);
        }
        sleep(INTERVAL).await;
    }
}

/// A service may be asked nothing for a while, as everything is known: what its servers tell of themselves meanwhile counts.
fn note_tags(services: &IcapServices, verdicts: &Verdicts) {
    for service in services.stats() {
        for server in &service.servers {
            if let Some(tag) = &server.istag {
                verdicts.tagged(&service.service, &server.server, Some(tag), Instant::now());
            }
        }
    }
}

fn learn(reloader: &Reloader) {
    let suggestions = reloader.inspection().suggestions();
    for suggestion in suggestions.into_iter().filter(Suggestion::is_narrow) {
        if let Ok(pattern) = Pattern::parse(&suggestion.prefix()) {
            reloader.bypass().learn(BypassRule::new(pattern), suggestion.evidence);
        }
    }
}
