//! Rules that go by the address dialled: they count from the moment it is known.

use std::sync::Arc;

use super::Limits;
use super::plan::{Identity, Plan};
use super::settings::{CountBy, LimitMode};
use super::subject::Subject;

impl Limits {
    /// Whether any limit goes by the address dialled.
    pub fn counts_addresses(&self) -> bool {
        let by_address = |by: CountBy, network: bool| by == CountBy::Address || network;
        let rules = self.rules();
        let mut scopes = rules.limits.iter().map(|rule| &rule.scope);
        self.mode() != LimitMode::Off
            && scopes.any(|scope| by_address(scope.count_by, scope.destination.is_by_address()))
    }

    /// The entries that `subject`, with the address dialled, counts in beyond those of `before`, which was made without
    /// it; `None` when there are none.
    pub fn plan_dialled(&self, subject: &Subject, before: &Plan) -> Option<Arc<Plan>> {
        let snapshot = self.current.load();
        let keys = snapshot.keys(subject).into_iter().filter(|(_, key)| before.entry(key).is_none());
        let entries: Box<[_]> = keys.map(|(rule, key)| self.entry(rule, &key)).collect();
        let identity = Identity::of(subject);
        (!entries.is_empty()).then(|| Arc::new(Plan { generation: snapshot.generation, identity, entries }))
    }
}
