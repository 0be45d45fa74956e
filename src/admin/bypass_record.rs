//! A bypass entry as it is written in JSON: what the API takes and shows, what commands send, what is kept on disk.

use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use crate::observe::access_log::clock::Rfc3339;
use crate::policy::bypass::entry::{About, BypassRule};
use crate::policy::bypass::pattern::{Pattern, source};
use crate::policy::bypass::skips::Skips;
use crate::policy::bypass::{Unclear, moment};

/// What an entry says.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct BypassRecord {
    /// What it speaks of.
    #[serde(rename = "match")]
    pub matched: String,
    /// The clients it speaks of; `None` for all.
    #[serde(default)]
    pub source: Option<String>,
    /// What is left out; scanning, where nothing is said.
    #[serde(default)]
    pub skip: Vec<String>,
    /// When it ends, or after how long.
    #[serde(default)]
    pub until: Option<String>,
    /// Who answers for it.
    #[serde(default)]
    pub owner: Option<String>,
    /// What for.
    #[serde(default)]
    pub note: Option<String>,
    /// Where it was asked for.
    #[serde(default)]
    pub ticket: Option<String>,
}

impl BypassRecord {
    /// `rule` as it is written.
    pub fn of(rule: &BypassRule) -> Self {
        let text = |text: &Option<Box<str>>| text.as_deref().map(str::to_owned);
        Self {
            matched: rule.pattern.to_string(),
            source: rule.source.map(|net| net.to_string()),
            skip: rule.skips.words().into_iter().map(str::to_owned).collect(),
            until: rule.until.map(|until| Rfc3339(until).to_string()),
            owner: text(&rule.about.owner),
            note: text(&rule.about.note),
            ticket: text(&rule.about.ticket),
        }
    }

    /// The rule that is written here, at the time `now`.
    ///
    /// # Errors
    /// What is wrong, with the key and what to write instead.
    pub fn rule(&self, now: SystemTime) -> Result<BypassRule, String> {
        let at = |key: &'static str| move |unclear: Unclear| format!("{key}: {unclear}");
        let text = |key, text: &Option<String>| About::text(text.as_deref().unwrap_or_default()).map_err(at(key));
        let plain = BypassRule::new(Pattern::parse(&self.matched).map_err(at("match"))?);
        let words = self.skip.iter().map(|word| Skips::named(word).ok_or_else(|| unknown_skip(word)));
        let skips = words.collect::<Result<Vec<Skips>, String>>()?;
        let rule = BypassRule {
            source: self.source.as_deref().map(source).transpose().map_err(at("source"))?.flatten(),
            skips: if skips.is_empty() { plain.skips } else { skips.into_iter().fold(Skips::NONE, Skips::and) },
            until: self.until.as_deref().map(|text| moment::until(text, now)).transpose().map_err(at("until"))?,
            about: About {
                owner: text("owner", &self.owner)?,
                note: text("note", &self.note)?,
                ticket: text("ticket", &self.ticket)?,
            },
            ..plain
        };
        rule.check().map_err(at("match")).map(|()| rule)
    }
}

fn unknown_skip(word: &str) -> String {
    let known: Vec<&str> = Skips::WORDS.iter().map(|(word, _)| *word).collect();
    format!("skip: `{word}` is not known; write some of `{}`", known.join("`, `"))
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;

    fn read(text: &str) -> Result<BypassRule, String> {
        let record: BypassRecord = serde_json::from_str(text).map_err(|error| error.to_string())?;
        record.rule(UNIX_EPOCH + Duration::from_secs(1_795_230_245))
    }

    #[test]
    fn what_is_written_comes_back() {
        let whole = r#"{"match":"*.Example","source":"10.0.0.0/8","skip":["limits","scan"],"until":"2h","owner":"a",
            "note":"b","ticket":"c"}"#;
        let rule = read(whole).expect("good");
        let record = BypassRecord::of(&rule);
        let text = serde_json::to_string(&record).expect("JSON");
        let expected = r#"{"match":"*.example","source":"10.0.0.0/8","skip":["scan","limits"],"until":"2026-11-21T05:04:05.000Z","owner":"a","note":"b","ticket":"c"}"#;
        assert_eq!(text, expected);
        assert_eq!(read(&text), Ok(rule));
        let least = BypassRecord::of(&read(r#"{"match":"a.example"}"#).expect("good"));
        assert_eq!((least.skip, least.until), (vec!["scan".to_owned()], None));
    }

    #[test]
    fn what_is_wrong_is_said_with_its_key() {
        for (text, says) in [
            (r#"{"match":"a b"}"#, "match: `a b` is not a host"),
            (r#"{"match":"*"}"#, "match: `*` for every client"),
            (r#"{"match":"a","source":"10.0.0.1/8"}"#, "source: "),
            (r#"{"match":"a","skip":["scna"]}"#, "skip: `scna` is not known; write some of `scan`, `decrypt`"),
            (r#"{"match":"a","until":"soon"}"#, "until: `soon` is not a time; write `2h`"),
            (r#"{"skip":["scan"]}"#, "missing field `match`"),
            (r#"{"match":"a","util":"2h"}"#, "unknown field `util`"),
            (&*format!(r#"{{"match":"a","note":"{}"}}"#, "x".repeat(1001)), "note: "),
        ] {
            let wrong = read(text).expect_err(text);
            assert!(wrong.contains(says), "{text}: {wrong:?} has no {says:?}");
        }
    }
}
