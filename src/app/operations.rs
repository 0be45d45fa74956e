//! What the admin port may see and do: the parts of the running process, as it wants them shown.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use super::reload::Reloader;
use crate::admin::operations::{
    BypassAccess, BypassRefused, EditRefused, HolderView, HoldersWanted, LastReload, LimitEdit, LimitsAccess,
    Operations, OriginView, OverloadView, RateView, ReloadDone, ReloadView, RuleEdit, RuleOrigin, RuleView,
    SuggestionView, Who,
};
use crate::inspect::history::Suggestion;
use crate::limits::Limits;
use crate::limits::overload::Overload;
use crate::limits::rates::RateStats;
use crate::limits::settings::{LimitRule, RateRule};
use crate::limits::usage::{RuleStats, Usage};
use crate::policy::bypass::Learn;
use crate::policy::bypass::entry::{BypassEntry, BypassRule};
use crate::policy::bypass::pattern::Pattern;
use crate::upstream::learned::Learned;

/// Everything the admin port needs of these parts.
pub fn operations(reloader: &Arc<Reloader>, overload: &Arc<Overload>, learned: &Arc<Learned>) -> Operations {
    let (to_reload, to_count, learned) = (reloader.clone(), reloader.clone(), learned.clone());
    let (tokens, icap, to_suggest) = (reloader.clone(), reloader.clone(), reloader.clone());
    Operations {
        limits: limits(reloader, overload),
        reload: Arc::new(move || {
            let done = to_reload.reload()?;
            let needs_restart = done.needs_restart.into_iter().map(str::to_owned).collect();
            Ok(ReloadDone { generation: done.generation, needs_restart })
        }),
        reloads: Arc::new(move || reloads(&to_count)),
        origins: Arc::new(move || learned.snapshot(Instant::now()).into_iter().map(origin).collect()),
        bypass: bypass(reloader),
        suggestions: Arc::new(move || suggestions(&to_suggest)),
        icap: Arc::new(move || icap.policy().load().inspect.services.stats()),
        tokens: Arc::new(move || tokens.tokens()),
    }
}

fn bypass(reloader: &Arc<Reloader>) -> BypassAccess {
    let live = reloader.bypass();
    let (list, to_learn, to_add, to_remove) = (live.handle(), live.clone(), reloader.clone(), live.clone());
    BypassAccess {
        list: Arc::new(move || list.load_full()),
        kept_in: live.kept_in().map(Path::to_owned),
        learn: Arc::new(move || to_learn.learn_mode()),
        add: Arc::new(move |rules, who| add_bypass(&to_add, rules, who)),
        remove: Arc::new(move |id, who| to_remove.remove(id, who)),
    }
}

/// Adds entries. Those by address or type hold only once an origin was asked, which no blocked URL is: none is blocked any
/// longer then.
fn add_bypass(reloader: &Reloader, rules: Vec<BypassRule>, who: &Who) -> Result<Vec<Arc<BypassEntry>>, BypassRefused> {
    let holds_late = |rule: &BypassRule| matches!(rule.pattern, Pattern::Network { .. } | Pattern::MediaType(_));
    let late = rules.iter().any(holds_late);
    let added = reloader.bypass().add(rules, who)?;
    if late {
        reloader.inspection().blocked.forget_all();
    }
    Ok(added)
}

/// What the history of streams suggests for the bypass list.
fn suggestions(reloader: &Reloader) -> Vec<SuggestionView> {
    if reloader.bypass().learn_mode() == Learn::Off {
        return Vec::new();
    }
    let now = Instant::now();
    let view = |suggestion: Suggestion| SuggestionView {
        pattern: suggestion.prefix(),
        evidence: vec![suggestion.evidence],
        clients: suggestion.clients as u64,
        seen: u64::from(suggestion.streams),
        last: SystemTime::now() - now.saturating_duration_since(suggestion.last),
    };
    reloader.inspection().suggestions().into_iter().map(view).collect()
}

fn reloads(reloader: &Reloader) -> ReloadView {
    let stats = reloader.stats();
    let last = if stats.last_done { LastReload::Done } else { LastReload::Failed };
    ReloadView { generation: stats.generation, done: stats.generation - 1, failed: stats.failed, last }
}

fn origin(view: crate::upstream::learned::OriginView) -> OriginView {
    OriginView {
        authority: view.authority.to_string(),
        closes_after_ms: view.closes_after.map(|time| time.as_millis() as u64),
        stale_failures: u32::try_from(view.stale_failures).unwrap_or(u32::MAX),
        quarantined_for_ms: view.quarantined_for.map(|time| time.as_millis() as u64),
    }
}

fn limits(reloader: &Arc<Reloader>, overload: &Arc<Overload>) -> LimitsAccess {
    let (modes, rules, holders) = (reloader.limits().clone(), reloader.clone(), reloader.limits().clone());
    let rates = reloader.limits().clone();
    let (edits, overload) = (reloader.clone(), overload.clone());
    LimitsAccess {
        mode: Arc::new(move || modes.mode()),
        rules: Arc::new(move || rule_views(&rules)),
        rates: Arc::new(move || rate_views(&rates)),
        holders: Arc::new(move |wanted| holder_views(&holders, wanted)),
        edit: Arc::new(move |edit| done_edit(&edits, edit)),
        overload: Arc::new(move || overload_view(&overload)),
    }
}

fn overload_view(overload: &Overload) -> OverloadView {
    let level = overload.level();
    OverloadView { level: level as u8, name: level.label(), shed: overload.taken().collect() }
}

fn done_edit(reloader: &Reloader, edit: &LimitEdit) -> Result<Option<RuleView>, EditRefused> {
    match edit {
        LimitEdit::Switch(mode) => {
            reloader.switch_limits(*mode);
            Ok(None)
        }
        LimitEdit::Rule(edit) => {
            let found = reloader.edit_limit(&edit.name, |rule| edited(rule, edit));
            let view = || rule_views(reloader).into_iter().find(|view| view.name == edit.name);
            match found {
                true => Ok(view()),
                false => Err(EditRefused::UnknownRule),
            }
        }
    }
}

/// `rule` with what `edit` says.
fn edited(rule: &LimitRule, edit: &RuleEdit) -> LimitRule {
    let mut rule = rule.clone();
    rule.exchanges = edit.exchanges.or(rule.exchanges);
    rule.streams = edit.streams.or(rule.streams);
    rule.over = edit.over.unwrap_or(rule.over);
    rule.scope.mode = edit.mode.unwrap_or(rule.scope.mode);
    rule
}

fn rule_views(reloader: &Reloader) -> Vec<RuleView> {
    let limits = reloader.limits();
    let stats: HashMap<Arc<str>, RuleStats> =
        limits.stats().into_iter().map(|stats| (stats.rule.clone(), stats)).collect();
    let edited = reloader.edited_limits();
    let view = |rule: &Arc<LimitRule>| {
        let stats = stats.get(&rule.scope.name)?;
        let origin = if edited.contains(&rule.scope.name) { RuleOrigin::Edited } else { RuleOrigin::File };
        Some(rule_view(rule, stats, origin))
    };
    limits.rules().limits.iter().filter_map(view).collect()
}

fn rule_view(rule: &LimitRule, stats: &RuleStats, origin: RuleOrigin) -> RuleView {
    RuleView {
        name: rule.scope.name.clone(),
        scope: rule.scope.per.label(),
        exchanges: rule.exchanges,
        streams: rule.streams,
        over: rule.over,
        mode: rule.scope.mode,
        in_use_exchanges: stats.exchanges,
        in_use_streams: stats.streams,
        peak_exchanges: u64::from(stats.exchanges_peak),
        peak_streams: u64::from(stats.streams_peak),
        queued: stats.waiting,
        rejections: stats.refused.iter().map(|(why, count)| (why.label(), *count)).collect(),
        would_reject: stats.simulated,
        evictions: stats.evictions,
        origin,
    }
}

fn rate_views(limits: &Limits) -> Vec<RateView> {
    let rules = limits.rules();
    // A reload in between may have changed the rules: what is left of both is shown.
    let of = |stats: RateStats| {
        let rule = rules.rates.iter().find(|rule| rule.scope.name == stats.rule)?;
        Some(rate_view(rule, &stats))
    };
    limits.rate_stats().into_iter().filter_map(of).collect()
}

fn rate_view(rule: &RateRule, stats: &RateStats) -> RateView {
    RateView {
        name: rule.scope.name.clone(),
        scope: stats.scope,
        requests: rule.requests,
        bytes: rule.bytes,
        mode: rule.scope.mode,
        refused: stats.refused,
        delayed: stats.delayed,
        simulated: stats.simulated,
    }
}

/// The holders wanted: of each rule those that hold most, first.
fn holder_views(limits: &Limits, wanted: &HoldersWanted) -> Vec<HolderView> {
    let mut usage = limits.usage();
    usage.retain(|usage| wanted.rule.as_ref().is_none_or(|rule| *rule == usage.rule));
    usage.retain(|usage| {
        usage.exchanges.in_use + usage.streams.in_use + usage.exchanges.queued + usage.streams.queued > 0
    });
    let holds = |usage: &Usage| (usage.streams.in_use, usage.exchanges.in_use);
    usage.sort_by(|a, b| holds(b).cmp(&holds(a)).then_with(|| a.holder.cmp(&b.holder)));
    let mut shown: HashMap<Arc<str>, usize> = HashMap::new();
    usage.retain(|usage| {
        let count = shown.entry(usage.rule.clone()).or_default();
        *count += 1;
        *count <= wanted.top
    });
    usage.into_iter().map(holder_view).collect()
}

fn holder_view(usage: Usage) -> HolderView {
    HolderView {
        rule: usage.rule,
        holder: usage.holder,
        exchanges: usage.exchanges.in_use,
        streams: usage.streams.in_use,
        queued: usage.exchanges.queued + usage.streams.queued,
        peak_exchanges: usage.exchanges.peak,
        peak_streams: usage.streams.peak,
    }
}
