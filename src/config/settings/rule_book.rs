//! The rules as they are written: like those that are kept, but for numbers that only the running proxy knows.

use std::sync::Arc;

use crate::limits::settings::RuleSet;

/// Limits and rates, with the shares of the stream lane not yet turned into numbers.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RuleBook {
    rules: RuleSet,
    shares: Vec<LaneShare>,
}

/// `streams = "25%"` of one limit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LaneShare {
    /// The limit's name.
    pub limit: Arc<str>,
    /// How much of the stream lane its holders may have each, in percent, 1 to 100.
    pub percent: u8,
}

impl RuleBook {
    /// `rules`, with `shares` for those of its limits that have no number of streams.
    pub fn new(rules: RuleSet, shares: Vec<LaneShare>) -> Self {
        Self { rules, shares }
    }

    /// The rules for a stream lane of `lane` slots. A share is never less than one stream.
    pub fn resolve(&self, lane: u32) -> RuleSet {
        let mut rules = self.rules.clone();
        for limit in &mut rules.limits {
            if let Some(share) = self.shares.iter().find(|share| share.limit == limit.scope.name) {
                let streams = u64::from(lane) * u64::from(share.percent) / 100;
                Arc::make_mut(limit).streams = Some(u32::try_from(streams).unwrap_or(u32::MAX).max(1));
            }
        }
        rules
    }

    /// The rules without the shares: what does not depend on the lane.
    pub fn written(&self) -> &RuleSet {
        &self.rules
    }

    /// The shares of the stream lane.
    pub fn shares(&self) -> &[LaneShare] {
        &self.shares
    }
}

impl From<RuleSet> for RuleBook {
    fn from(rules: RuleSet) -> Self {
        Self::new(rules, Vec::new())
    }
}
