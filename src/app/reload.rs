//! What can be changed while it runs: a new configuration takes the place of the old one whole, or not at all.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Context;
use arc_swap::ArcSwap;
use tokio::sync::watch;
use tracing::{info, warn};

use super::bypass::LiveBypass;
use super::slots::Slots;
use crate::admin::settings::AdminTokens;
use crate::config::{changes_needing_restart, settings::Settings};
use crate::flow::icap_server::filter::Filter;
use crate::flow::inspection::policy::InspectPolicy;
use crate::flow::inspection::shared::InspectionShared;
use crate::flow::services::{ForwardPolicy, Tuning};
use crate::icap::services::IcapServices;
use crate::icap::settings::IcapService;
use crate::inspect::book::InspectBook;
use crate::inspect::course::{Course, Direction, OnUndecodable, ScannerName};
use crate::inspect::rules::Rules;
use crate::inspect::scan::Scanner;
use crate::limits::Limits;
use crate::limits::settings::{LimitMode, LimitRule, RuleSet};
use crate::upstream::rules::DestinationRules;

/// Reads the configuration anew; the error is the whole diagnostic, for people.
pub type Load = Arc<dyn Fn() -> Result<Settings, String> + Send + Sync>;

/// The settings in force, and the way to newer ones.
pub struct Reloader {
    load: Option<Load>,
    /// The settings in force. Held while a reload is under way, so that there is one at a time.
    current: Mutex<Settings>,
    own: Vec<SocketAddr>,
    slots: Slots,
    tuning: watch::Sender<Arc<Tuning>>,
    policy: Arc<ArcSwap<ForwardPolicy>>,
    limits: Arc<Limits>,
    bypass: Arc<LiveBypass>,
    tokens: ArcSwap<AdminTokens>,
    inspection: Arc<InspectionShared>,
    generation: AtomicU64,
    failed: AtomicU64,
    last_done: AtomicBool,
    /// Limits that were changed since the files were read.
    edited: Mutex<HashSet<Arc<str>>>,
}

/// A reload that was done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reloaded {
    /// Number of the configuration in force; the one at the start is 1.
    pub generation: u64,
    /// Keys that have changed and take effect only after a restart.
    pub needs_restart: Vec<&'static str>,
}

/// How reloads have gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReloadStats {
    /// Number of the configuration in force.
    pub generation: u64,
    /// Reloads that were refused.
    pub failed: u64,
    /// Whether the last one, if there was any, was done.
    pub last_done: bool,
}

impl Reloader {
    /// Puts `settings` in force. `own` are the addresses we listen on: no client may go there.
    ///
    /// # Errors
    /// When the state directory cannot be used, or the scan rules cannot be compiled.
    pub fn new(settings: Settings, own: Vec<SocketAddr>, slots: Slots, load: Option<Load>) -> anyhow::Result<Self> {
        let bypass = Arc::new(LiveBypass::open(&settings)?);
        let tokens = ArcSwap::from_pointee(settings.admin.tokens.clone());
        let limits = Limits::new(settings.limits.mode, rules(&settings, slots));
        let inspect = inspect(&settings, scanner(&settings)?, IcapServices::new(&settings.icap));
        let policy = Arc::new(ArcSwap::from_pointee(policy(&settings, &own, inspect)));
        let inspection = Arc::new(InspectionShared::new(settings.inspect.spool.clone(), bypass.handle()));
        let tuning = watch::Sender::new(Arc::new(tuning(&settings)));
        let (generation, failed, last_done) = (AtomicU64::new(1), AtomicU64::new(0), AtomicBool::new(true));
        let current = Mutex::new(settings);
        Ok(Self {
            load,
            current,
            own,
            slots,
            tuning,
            policy,
            limits,
            bypass,
            tokens,
            inspection,
            generation,
            failed,
            last_done,
            edited: Mutex::default(),
        })
    }

    /// Follows the settings of connections accepted from now on.
    pub fn tuning(&self) -> watch::Receiver<Arc<Tuning>> {
        self.tuning.subscribe()
    }

    /// The rules for each request.
    pub fn policy(&self) -> Arc<ArcSwap<ForwardPolicy>> {
        self.policy.clone()
    }

    /// How much at once.
    pub fn limits(&self) -> &Arc<Limits> {
        &self.limits
    }

    /// What passes unscanned or unlimited.
    pub fn bypass(&self) -> &Arc<LiveBypass> {
        &self.bypass
    }

    /// Who may change something.
    pub fn tokens(&self) -> Arc<AdminTokens> {
        self.tokens.load_full()
    }

    /// What inspections share.
    pub fn inspection(&self) -> &Arc<InspectionShared> {
        &self.inspection
    }

    /// The settings in force.
    pub fn settings(&self) -> Settings {
        self.current.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// How reloads have gone.
    pub fn stats(&self) -> ReloadStats {
        ReloadStats {
            generation: self.generation.load(Relaxed),
            failed: self.failed.load(Relaxed),
            last_done: self.last_done.load(Relaxed),
        }
    }

    /// Reads the configuration anew and puts it in force. What is open stays open, and its counts stay right.
    ///
    /// # Errors
    /// The diagnostic; the old configuration stays in force.
    pub fn reload(&self) -> Result<Reloaded, String> {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(load) = &self.load else { return Err("this proxy was started without a way to reload\n".to_owned()) };
        let (settings, scanner) = self.read(load, &current).inspect_err(|diagnostic| {
            self.failed.fetch_add(1, Relaxed);
            self.last_done.store(false, Relaxed);
            warn!("reload refused, the old configuration stays:\n{diagnostic}");
        })?;
        let needs_restart = changes_needing_restart(&current, &settings);
        self.limits.replace(settings.limits.mode, rules(&settings, self.slots));
        let services = self.policy.load().inspect.services.renewed(&settings.icap);
        self.policy.store(Arc::new(policy(&settings, &self.own, inspect(&settings, scanner, services))));
        self.inspection.spools.replace(settings.inspect.spool.clone());
        if scans_otherwise(&current, &settings) {
            self.inspection.blocked.forget_all();
        }
        self.tuning.send_replace(Arc::new(tuning(&settings)));
        self.bypass.replace(&settings.bypass_book, settings.bypass.learn);
        self.tokens.store(Arc::new(settings.admin.tokens.clone()));
        *current = settings;
        self.edited.lock().unwrap_or_else(PoisonError::into_inner).clear();
        self.last_done.store(true, Relaxed);
        let generation = self.generation.fetch_add(1, Relaxed) + 1;
        info!(generation, needs_restart = needs_restart.join(", "), "reloaded");
        Ok(Reloaded { generation, needs_restart })
    }

    /// Everything that can fail, before anything is changed. Rules that are what they were are not compiled anew.
    fn read(&self, load: &Load, current: &Settings) -> Result<(Settings, Scanner), String> {
        let settings = load()?;
        let scanner = match settings.scan_rules == current.scan_rules {
            true => self.policy.load().inspect.filter.scanner.clone(),
            false => scanner(&settings).map_err(|error| format!("{error:#}\n"))?,
        };
        Ok((settings, scanner))
    }

    /// Turns the limits on or off, or only lets them count. The next reload takes the mode of the file.
    pub fn switch_limits(&self, mode: LimitMode) {
        let _one_at_a_time = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        let rules = RuleSet::clone(&self.limits.rules());
        self.limits.replace(mode, rules);
    }

    /// Changes the limit `name`; false when there is none. The next reload takes the rule of the file.
    pub fn edit_limit(&self, name: &str, edit: impl FnOnce(&LimitRule) -> LimitRule) -> bool {
        let _one_at_a_time = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        let mut rules = RuleSet::clone(&self.limits.rules());
        let Some(rule) = rules.limits.iter_mut().find(|rule| *rule.scope.name == *name) else { return false };
        *rule = Arc::new(edit(rule));
        let name = rule.scope.name.clone();
        self.limits.replace(self.limits.mode(), rules);
        self.edited.lock().unwrap_or_else(PoisonError::into_inner).insert(name);
        true
    }

    /// Names of the limits that were changed since the files were read.
    pub fn edited_limits(&self) -> HashSet<Arc<str>> {
        self.edited.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Whether what was found under `before` might not be found under `now`.
fn scans_otherwise(before: &Settings, now: &Settings) -> bool {
    before.scan_rules != now.scan_rules
        || before.inspect_rules != now.inspect_rules
        || before.inspect.default != now.inspect.default
        || before.icap != now.icap
        || before.bypass_book != now.bypass_book
}

fn tuning(settings: &Settings) -> Tuning {
    Tuning {
        timeouts: settings.timeouts.clone(),
        half_close: settings.forward.iter().map(|forward| (forward.name.clone(), forward.half_close)).collect(),
        limits: settings.limits.clone(),
    }
}

fn policy(settings: &Settings, own: &[SocketAddr], inspect: InspectPolicy) -> ForwardPolicy {
    let mut destinations = settings.destinations.clone();
    destinations.own = own.to_vec();
    ForwardPolicy {
        destinations: Arc::new(destinations),
        rules: DestinationRules::new(settings.destination_rules.clone()),
        inspect: Arc::new(inspect),
    }
}

fn inspect(settings: &Settings, scanner: Scanner, services: IcapServices) -> InspectPolicy {
    let own = &settings.inspect;
    let undecodable = own.undecodable.unwrap_or_default();
    let base = Course { while_held: own.while_held, undecodable, ..Course::of(&own.default) };
    let is_asked = |name: &ScannerName, direction: Direction| match name {
        ScannerName::BuiltIn => true,
        ScannerName::Icap(name) => {
            let asked = |service: &IcapService| service.methods.contains(&direction.method());
            settings.icap.iter().any(|service| service.name == *name && asked(service))
        }
    };
    let book = InspectBook::new(settings.inspect_rules.clone(), base, is_asked);
    // A client behind somebody else's proxy asks for codings that we know nothing of.
    let of_server = own.undecodable.unwrap_or(OnUndecodable::Block);
    let filter = Arc::new(Filter::new(scanner, own.hold, of_server));
    InspectPolicy { book, filter, services: Arc::new(services) }
}

/// The built-in scanner. Its rules compiled when they were read, so they do now; where they did not, nothing would be
/// scanned.
fn scanner(settings: &Settings) -> anyhow::Result<Scanner> {
    let compiled = Rules::compile(settings.scan_rules.rules.clone());
    Ok(Scanner::new(compiled.context("the scan rules cannot be compiled")?.rules))
}

/// The rules of the files, behind the one that keeps the process within its means.
fn rules(settings: &Settings, slots: Slots) -> RuleSet {
    let lane = slots.stream_lane(settings.limits.stream_lane);
    let mut rules = settings.rules.resolve(lane);
    rules.limits.insert(0, slots.rule(lane));
    rules
}
