//! What the peer is told where a rule holds: fields that proxies look for, and the page for their client.

use crate::inspect::body::Finding;
use crate::inspect::course::OnUndecodable;
use crate::inspect::decode::Undecodable;
use crate::inspect::rules::HeadTest;

use super::filter::Filter;

/// Why a message is blocked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Blocked {
    /// The name of the rule; of what is wrong where no rule is needed.
    pub rule: String,
    /// By what it holds, for logs.
    pub by: &'static str,
}

impl Blocked {
    /// A rule holds for the heads.
    pub fn by_head(filter: &Filter, (rule, test): (usize, HeadTest)) -> Self {
        let by = match test {
            HeadTest::MediaType => "media_type",
            HeadTest::Extension => "extension",
            HeadTest::Url => "url",
        };
        Self { rule: filter.rule(rule).to_owned(), by }
    }

    /// What was found in the body, where it is a reason to block it.
    pub fn by_body(filter: &Filter, finding: &Finding) -> Option<Self> {
        match finding {
            Finding::Content { matched, .. } => {
                Some(Self { rule: filter.rule(matched.rule).to_owned(), by: "content" })
            }
            Finding::Kind { rule, .. } => Some(Self { rule: filter.rule(*rule).to_owned(), by: "kind" }),
            Finding::Undecodable(why) => Self::by_coding(filter, why),
        }
    }

    /// Its codings cannot be undone, where that is a reason to block it. Bombs always are, and so are more codings than are
    /// undone.
    pub fn by_coding(filter: &Filter, why: &Undecodable) -> Option<Self> {
        let blocks = match why {
            Undecodable::Bomb(_) | Undecodable::Layers => true,
            why => filter.undecodable == OnUndecodable::Block && why.may_hide(),
        };
        blocks.then(|| Self { rule: why.label().to_owned(), by: "undecodable" })
    }

    /// Lines for the ICAP head, as virus scanners write them.
    pub fn fields(&self) -> String {
        let threat = self.threat();
        format!(
            "X-Infection-Found: Type=0; Resolution=2; Threat={threat};\r\n\
             X-Violations-Found: 1\r\n\t-\r\n\t{threat}\r\n\t0\r\n\t2\r\n\
             X-Response-Info: Blocked\r\n"
        )
    }

    /// The page that takes the place of the message.
    pub fn page(&self) -> String {
        format!("Blocked: this content matches the rule \"{}\" of the filter.\n", self.threat())
    }

    /// The head of the page.
    pub fn head(&self) -> String {
        let length = self.page().len();
        format!(
            "HTTP/1.1 403 Forbidden\r\nContent-Type: text/plain; charset=utf-8\r\nX-Content-Type-Options: nosniff\r\n\
             Cache-Control: no-store\r\nContent-Length: {length}\r\n\r\n"
        )
    }

    /// The rule's name as it may stand in a field.
    fn threat(&self) -> String {
        let fits = |letter: char| letter.is_ascii_graphic() && letter != ';' && letter != '"';
        self.rule.chars().map(|letter| if fits(letter) { letter } else { '_' }).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inspect::course::HoldSettings;
    use crate::inspect::decode::BombLimit;
    use crate::inspect::decode::coding::Coding;
    use crate::inspect::rules::Rules;
    use crate::inspect::scan::Scanner;
    use crate::inspect::settings::built_in;

    #[test]
    fn what_cannot_be_decoded_is_blocked_where_that_is_set() {
        let scanner = || Scanner::new(Rules::compile(built_in()).expect("good rules").rules);
        for (why, passes, blocks) in [
            (Undecodable::Unknown("dcb".into()), false, true),
            (Undecodable::Broken(Coding::Gzip), false, true),
            (Undecodable::Truncated(Coding::Gzip), false, false),
            (Undecodable::Trailing(Coding::Gzip), false, false),
            (Undecodable::Layers, true, true),
            (Undecodable::Bomb(BombLimit::Ratio), true, true),
        ] {
            for (set, blocked) in [(OnUndecodable::Pass, passes), (OnUndecodable::Block, blocks)] {
                let filter = Filter::new(scanner(), HoldSettings::default(), set);
                assert_eq!(Blocked::by_coding(&filter, &why).is_some(), blocked, "{why:?} {set:?}");
            }
        }
    }

    #[test]
    fn a_name_cannot_break_out_of_its_field() {
        let blocked = Blocked { rule: "a;b\r\nX: y\"\u{e4}".to_owned(), by: "content" };
        assert!(blocked.fields().starts_with("X-Infection-Found: Type=0; Resolution=2; Threat=a_b__X:_y__;\r\n"));
        assert!(blocked.head().contains(&format!("Content-Length: {}\r\n", blocked.page().len())));
    }
}
