//! `/api/v1/limits`: the rules, who holds what of them, the rates, and changes of the rules.

use std::sync::Arc;

use axum::http::StatusCode;
use axum::response::Response;
use serde::{Deserialize, Serialize};

use super::answers::{json, problem, refusal};
use super::operations::{
    EditRefused, HolderView, HoldersWanted, LimitEdit, LimitsAccess, RateView, RuleOrigin, RuleView,
};
use super::words::Words;
use crate::limits::settings::Rate;

pub(super) mod edit;

/// Holders of each rule that are shown when the query does not say.
const DEFAULT_TOP: usize = 10;

/// `?top=N&rule=NAME`.
#[derive(Debug, Default, Deserialize)]
pub(super) struct LimitsQuery {
    /// Holders of each rule shown at most.
    top: Option<usize>,
    /// Only this rule, or this rate.
    rule: Option<String>,
}

#[derive(Serialize)]
struct Page<'a> {
    mode: &'static str,
    rules: Vec<Rule<'a>>,
    rates: Vec<RateRow<'a>>,
}

/// The answer to a change of one rule.
#[derive(Serialize)]
struct Changed<'a> {
    mode: &'static str,
    rule: Option<Rule<'a>>,
}

#[derive(Serialize)]
struct Rule<'a> {
    name: &'a str,
    per: &'static str,
    exchanges: Option<u32>,
    streams: Option<u32>,
    over: &'static str,
    mode: &'static str,
    edited: bool,
    in_use: Lanes<u64>,
    peak: Lanes<u64>,
    queued: u64,
    rejections: serde_json::Map<String, serde_json::Value>,
    would_reject: u64,
    evictions: u64,
    /// Those that hold most, first.
    #[serde(skip_serializing_if = "Option::is_none")]
    holders: Option<Vec<Holder<'a>>>,
}

#[derive(Serialize)]
struct RateRow<'a> {
    name: &'a str,
    per: &'static str,
    requests: Option<Pace>,
    bytes: Option<Pace>,
    mode: &'static str,
    refused: u64,
    delayed: u64,
    simulated: u64,
}

/// How much in a second, and at once after a pause.
#[derive(Serialize)]
struct Pace {
    per_second: u64,
    burst: u64,
}

/// Exchanges, streams included, and streams.
#[derive(Serialize)]
struct Lanes<N> {
    exchanges: N,
    streams: N,
}

#[derive(Serialize)]
struct Holder<'a> {
    holder: &'a str,
    exchanges: u32,
    streams: u32,
    queued: u32,
    peak: Lanes<u32>,
}

/// The rules that `query` asks for, in the order of the file.
pub(super) fn answer(limits: &LimitsAccess, query: &LimitsQuery) -> Response {
    let (mut rules, mut rates) = ((limits.rules)(), (limits.rates)());
    if let Some(name) = &query.rule {
        rules.retain(|rule| *rule.name == **name);
        rates.retain(|rate| *rate.name == **name);
        if rules.is_empty() && rates.is_empty() {
            return unknown_rule();
        }
    }
    let wanted = HoldersWanted { rule: query.rule.as_deref().map(Arc::from), top: query.top.unwrap_or(DEFAULT_TOP) };
    let holders = (limits.holders)(&wanted);
    let with_holders = |rule| Rule { holders: Some(holders_of(rule, &holders, wanted.top)), ..shown(rule) };
    let (rules, rates) = (rules.iter().map(with_holders).collect(), rates.iter().map(rate_row).collect());
    json(StatusCode::OK, &Page { mode: (limits.mode)().word(), rules, rates })
}

/// Changes what `body` says; answers with the rule as it is now.
pub(super) fn change(limits: &LimitsAccess, body: &[u8]) -> Response {
    let edit = match edit::read(body) {
        Ok(edit) => edit,
        Err(wrong) => return refusal(&wrong),
    };
    match (limits.edit)(&edit) {
        Ok(rule) => {
            note(&edit);
            json(StatusCode::OK, &Changed { mode: (limits.mode)().word(), rule: rule.as_ref().map(shown) })
        }
        Err(EditRefused::UnknownRule) => unknown_rule(),
        Err(EditRefused::Invalid(why)) => refusal(&why),
    }
}

/// What was changed by hand must be found in the log: the files do not have it.
fn note(edit: &LimitEdit) {
    match edit {
        LimitEdit::Switch(mode) => tracing::warn!(mode = mode.word(), "limits switched by the admin port"),
        LimitEdit::Rule(rule) => tracing::warn!(
            name = %rule.name,
            exchanges = rule.exchanges,
            streams = rule.streams,
            over = rule.over.map(Words::word),
            mode = rule.mode.map(Words::word),
            "limit changed by the admin port until the next reload"
        ),
    }
}

fn unknown_rule() -> Response {
    problem(StatusCode::NOT_FOUND, "no rule has that name")
}

fn shown(rule: &RuleView) -> Rule<'_> {
    Rule {
        name: &rule.name,
        per: rule.scope,
        exchanges: rule.exchanges,
        streams: rule.streams,
        over: rule.over.word(),
        mode: rule.mode.word(),
        edited: rule.origin == RuleOrigin::Edited,
        in_use: Lanes { exchanges: rule.in_use_exchanges, streams: rule.in_use_streams },
        peak: Lanes { exchanges: rule.peak_exchanges, streams: rule.peak_streams },
        queued: rule.queued,
        rejections: rule.rejections.iter().map(|(why, count)| ((*why).to_owned(), (*count).into())).collect(),
        would_reject: rule.would_reject,
        evictions: rule.evictions,
        holders: None,
    }
}

fn rate_row(rate: &RateView) -> RateRow<'_> {
    let pace = |rate: Rate| Pace { per_second: rate.per_second, burst: rate.burst };
    RateRow {
        name: &rate.name,
        per: rate.scope,
        requests: rate.requests.map(pace),
        bytes: rate.bytes.map(pace),
        mode: rate.mode.word(),
        refused: rate.refused,
        delayed: rate.delayed,
        simulated: rate.simulated,
    }
}

/// The holders of `rule` among `all`, those that hold most first.
fn holders_of<'a>(rule: &RuleView, all: &'a [HolderView], top: usize) -> Vec<Holder<'a>> {
    let mut of_rule: Vec<&HolderView> = all.iter().filter(|holder| holder.rule == rule.name).collect();
    let most = |holder: &HolderView| (holder.exchanges, holder.streams, holder.queued);
    of_rule.sort_by(|a, b| most(b).cmp(&most(a)).then_with(|| a.holder.cmp(&b.holder)));
    let row = |holder: &'a HolderView| Holder {
        holder: &holder.holder,
        exchanges: holder.exchanges,
        streams: holder.streams,
        queued: holder.queued,
        peak: Lanes { exchanges: holder.peak_exchanges, streams: holder.peak_streams },
    };
    of_rule.into_iter().take(top).map(row).collect()
}
