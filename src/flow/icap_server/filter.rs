//! What our ICAP server judges by: the rules, and how long a body may be held. Replaced whole by a reload.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use crate::inspect::course::{HoldSettings, OnUndecodable};
use crate::inspect::scan::Scanner;
use crate::inspect::settings::ScanRule;

/// What our ICAP server judges by.
#[derive(Clone, Debug)]
pub struct Filter {
    /// The rules.
    pub scanner: Scanner,
    /// The service tag: the same for the same rules, also in another process; another one for others.
    pub istag: Arc<str>,
    /// How long what is held.
    pub hold: HoldSettings,
    /// What becomes of bodies whose coding cannot be undone.
    pub undecodable: OnUndecodable,
}

impl Filter {
    /// A filter that looks for what `scanner` does.
    pub fn new(scanner: Scanner, hold: HoldSettings, undecodable: OnUndecodable) -> Self {
        let istag = istag(scanner.rules().list(), undecodable);
        Self { scanner, istag, hold, undecodable }
    }

    /// The name of a rule.
    pub(super) fn rule(&self, place: usize) -> &str {
        self.scanner.rules().list().get(place).map_or("", |rule| &rule.name)
    }
}

/// At most 32 bytes, as RFC 3507 section 4.7 wants it. The version counts too: another one may judge differently.
fn istag(rules: &[ScanRule], undecodable: OnUndecodable) -> Arc<str> {
    let mut hasher = DefaultHasher::new();
    (env!("CARGO_PKG_VERSION"), format!("{rules:?} {undecodable:?}")).hash(&mut hasher);
    format!("tether-{:016x}", hasher.finish()).into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inspect::rules::Rules;
    use crate::inspect::settings::built_in;

    #[test]
    fn the_tag_is_that_of_the_rules() {
        let scanner = |rules| Scanner::new(Rules::compile(rules).expect("good rules").rules);
        let tag_of =
            |rules: Vec<ScanRule>, undecodable| Filter::new(scanner(rules), HoldSettings::default(), undecodable).istag;
        let tag = |rules: Vec<ScanRule>| tag_of(rules, OnUndecodable::Block);
        assert_ne!(tag(built_in()), tag_of(built_in(), OnUndecodable::Pass));
        assert_eq!(tag(built_in()), tag(built_in()));
        assert_ne!(tag(built_in()), tag(Vec::new()));
        assert_ne!(tag(vec![ScanRule::new("a")]), tag(vec![ScanRule::new("b")]));
        assert!(tag(built_in()).len() <= 32);
    }
}
