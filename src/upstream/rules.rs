//! The destination rules in force, and what they say about keeping a connection.

use std::sync::Arc;
use std::time::Duration;

use super::settings::{DestinationRule, Reuse};
use crate::base::authority::Authority;

/// Every `[[destination]]`, in the order of the file. Dropping it drops the rules that no exchange holds.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DestinationRules {
    rules: Vec<Arc<DestinationRule>>,
    speak_of_client_fin: bool,
}

impl DestinationRules {
    /// These rules, the first to match first.
    pub fn new(rules: Vec<Arc<DestinationRule>>) -> Self {
        let speak_of_client_fin = rules.iter().any(|rule| rule.half_close.on_client_fin.is_some());
        Self { rules, speak_of_client_fin }
    }

    /// The first rule that speaks of `authority`. Ranges of addresses match address literals only: a connection is
    /// looked for before its name is resolved.
    pub fn find(&self, authority: &Authority) -> Option<&Arc<DestinationRule>> {
        self.rules.iter().find(|rule| rule.destination.matches(authority, None))
    }

    /// Whether any of them says what a client's FIN means.
    pub fn speak_of_client_fin(&self) -> bool {
        self.speak_of_client_fin
    }

    /// Every rule, in order.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<DestinationRule>> {
        self.rules.iter()
    }
}

/// Who may use a connection to a destination with this rule again.
pub fn reuse_of(rule: Option<&DestinationRule>) -> Reuse {
    rule.map(|rule| rule.reuse).unwrap_or_default()
}

/// How long a connection may idle there; `setting` holds for all that a rule does not speak of.
pub fn idle_of(rule: Option<&DestinationRule>, setting: Duration) -> Duration {
    rule.and_then(|rule| rule.idle).unwrap_or(setting)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::half_close::HalfClose;
    use crate::policy::pattern::{DestinationMatch, HostPattern};

    fn rule(name: &str, pattern: &str, reuse: Reuse) -> Arc<DestinationRule> {
        Arc::new(DestinationRule {
            name: name.into(),
            destination: DestinationMatch::Host { pattern: HostPattern::new(pattern), port: None },
            reuse,
            preopen: 0,
            idle: None,
            max_requests: None,
            half_close: HalfClose::default(),
            response_head: None,
            stream_idle: None,
        })
    }

    #[test]
    fn the_first_rule_that_matches_holds() {
        let rules = DestinationRules::new(vec![
            rule("one", "www.example", Reuse::Off),
            rule("rest", "*.example", Reuse::Shared),
        ]);
        let found = |host: &str| {
            let authority = Authority::parse(host.as_bytes(), Some(80)).expect("authority");
            rules.find(&authority).map(|rule| (rule.name.to_string(), reuse_of(Some(rule))))
        };
        assert_eq!(found("www.example:81"), Some(("one".into(), Reuse::Off)));
        assert_eq!(found("api.example"), Some(("rest".into(), Reuse::Shared)));
        assert_eq!(found("example"), None);
    }

    #[test]
    fn what_no_rule_says_is_as_for_all_others() {
        let setting = Duration::from_secs(30);
        assert_eq!((reuse_of(None), idle_of(None, setting)), (Reuse::Sticky, setting));
        let mut own = DestinationRule::clone(&rule("one", "*", Reuse::Shared));
        assert_eq!(idle_of(Some(&own), setting), setting);
        own.idle = Some(Duration::from_secs(300));
        assert_eq!(idle_of(Some(&own), setting), Duration::from_secs(300));
    }
}
