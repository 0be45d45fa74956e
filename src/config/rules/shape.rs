//! A rule file as written: every key optional, every value with its place in the file, nothing checked.

use serde::Deserialize;
use serde_spanned::Spanned;

use crate::config::shape::{Amount, Section, Strings, Text, Whole};

/// Sections in double brackets, in the order of the file.
type List<T> = Option<Vec<Spanned<Section<T>>>>;

/// The whole file.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RulesShape {
    pub group: List<GroupShape>,
    pub limit: List<LimitShape>,
    pub rate: List<RateShape>,
    pub destination: List<DestinationShape>,
}

/// One `[[group]]`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct GroupShape {
    pub name: Option<Text>,
    pub hosts: Option<Spanned<Strings>>,
}

/// One `[[limit]]`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct LimitShape {
    pub name: Option<Text>,
    pub source: Option<Text>,
    pub listener: Option<Text>,
    pub destination: Option<Text>,
    pub per: Option<Text>,
    pub count_by: Option<Text>,
    pub prefix_v4: Option<Spanned<Whole>>,
    pub prefix_v6: Option<Spanned<Whole>>,
    pub exchanges: Option<Spanned<Whole>>,
    pub streams: Option<Spanned<Amount>>,
    pub over: Option<Text>,
    pub queue: Option<Spanned<Section<QueueShape>>>,
    pub mode: Option<Text>,
    pub instead_of: Option<Text>,
}

/// `queue` of a limit.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct QueueShape {
    pub max: Option<Spanned<Whole>>,
    pub wait: Option<Text>,
}

/// One `[[rate]]`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RateShape {
    pub name: Option<Text>,
    pub source: Option<Text>,
    pub listener: Option<Text>,
    pub destination: Option<Text>,
    pub per: Option<Text>,
    pub count_by: Option<Text>,
    pub prefix_v4: Option<Spanned<Whole>>,
    pub prefix_v6: Option<Spanned<Whole>>,
    pub requests: Option<Spanned<Whole>>,
    pub requests_burst: Option<Spanned<Whole>>,
    pub bytes: Option<Spanned<Amount>>,
    pub bytes_burst: Option<Spanned<Amount>>,
    pub mode: Option<Text>,
    pub instead_of: Option<Text>,
}

/// One `[[destination]]`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct DestinationShape {
    pub name: Option<Text>,
    pub destination: Option<Text>,
    pub reuse: Option<Text>,
    pub preopen: Option<Spanned<Whole>>,
    pub idle: Option<Text>,
    pub max_requests: Option<Spanned<Whole>>,
    pub on_client_fin: Option<Text>,
    pub on_server_fin: Option<Text>,
    pub half_close: Option<Text>,
    pub profile: Option<Text>,
    pub response_head: Option<Text>,
    pub stream_idle: Option<Text>,
}

/// The keys that limits and rates share. Written out in both, because flattened ones lose their places in the file.
#[derive(Clone, Copy, Debug)]
pub(super) struct ScopeTexts<'s> {
    pub name: Option<&'s Text>,
    pub source: Option<&'s Text>,
    pub listener: Option<&'s Text>,
    pub destination: Option<&'s Text>,
    pub per: Option<&'s Text>,
    pub count_by: Option<&'s Text>,
    pub prefix_v4: Option<&'s Spanned<Whole>>,
    pub prefix_v6: Option<&'s Spanned<Whole>>,
    pub mode: Option<&'s Text>,
    pub instead_of: Option<&'s Text>,
}

impl LimitShape {
    pub fn scope(&self) -> ScopeTexts<'_> {
        ScopeTexts {
            name: self.name.as_ref(),
            source: self.source.as_ref(),
            listener: self.listener.as_ref(),
            destination: self.destination.as_ref(),
            per: self.per.as_ref(),
            count_by: self.count_by.as_ref(),
            prefix_v4: self.prefix_v4.as_ref(),
            prefix_v6: self.prefix_v6.as_ref(),
            mode: self.mode.as_ref(),
            instead_of: self.instead_of.as_ref(),
        }
    }
}

impl RateShape {
    pub fn scope(&self) -> ScopeTexts<'_> {
        ScopeTexts {
            name: self.name.as_ref(),
            source: self.source.as_ref(),
            listener: self.listener.as_ref(),
            destination: self.destination.as_ref(),
            per: self.per.as_ref(),
            count_by: self.count_by.as_ref(),
            prefix_v4: self.prefix_v4.as_ref(),
            prefix_v6: self.prefix_v6.as_ref(),
            mode: self.mode.as_ref(),
            instead_of: self.instead_of.as_ref(),
        }
    }
}
