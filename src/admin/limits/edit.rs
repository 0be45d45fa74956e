//! Reads a change of the limits from JSON, and says what is wrong with it. Pure.

use std::sync::Arc;

use serde_json::{Map, Value};

use crate::admin::operations::{LimitEdit, RuleEdit};
use crate::admin::words::Words;

const KEYS: &str = "name, exchanges, streams, over, mode";

/// The change that `body` asks for.
///
/// # Errors
/// A sentence for whoever sent it.
pub fn read(body: &[u8]) -> Result<LimitEdit, String> {
    let mut keys: Map<String, Value> =
        serde_json::from_slice(body).map_err(|error| format!("the body is no JSON object: {error}"))?;
    let edit = match keys.remove("name") {
        Some(Value::String(name)) => rule(name.into(), &mut keys)?,
        Some(_) => return Err("name is a text".into()),
        None => switch(&mut keys)?,
    };
    match keys.keys().next() {
        Some(key) => Err(format!("unknown key `{key}`; there are {KEYS}")),
        None => Ok(edit),
    }
}

/// The switch over all rules: nothing but a mode.
fn switch(keys: &mut Map<String, Value>) -> Result<LimitEdit, String> {
    for key in ["exchanges", "streams", "over"] {
        if keys.contains_key(key) {
            return Err(format!("{key} belongs to a rule, and there is no name"));
        }
    }
    match (word(keys, "mode")?, keys.keys().next()) {
        (Some(mode), _) => Ok(LimitEdit::Switch(mode)),
        (None, Some(key)) => Err(format!("unknown key `{key}`; there are {KEYS}")),
        (None, None) => Err("there is neither a name nor a mode".into()),
    }
}

fn rule(name: Arc<str>, keys: &mut Map<String, Value>) -> Result<LimitEdit, String> {
    let (exchanges, streams) = (number(keys, "exchanges")?, number(keys, "streams")?);
    Ok(LimitEdit::Rule(RuleEdit { name, exchanges, streams, over: word(keys, "over")?, mode: word(keys, "mode")? }))
}

fn number(keys: &mut Map<String, Value>, key: &str) -> Result<Option<u32>, String> {
    let Some(value) = keys.remove(key) else { return Ok(None) };
    let number = value.as_u64().and_then(|number| u32::try_from(number).ok());
    number.map(Some).ok_or_else(|| format!("{key} is a whole number from 0 to {}", u32::MAX))
}

fn word<W: Words>(keys: &mut Map<String, Value>, key: &str) -> Result<Option<W>, String> {
    let Some(value) = keys.remove(key) else { return Ok(None) };
    let known = value.as_str().and_then(W::named);
    known.map(Some).ok_or_else(|| format!("{key} is one of {}", W::choices()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::settings::{LimitMode, Over, RuleMode};

    #[test]
    fn whole_and_partial_changes() {
        let all = br#"{"name":"livesport-pair","exchanges":10,"streams":4,"mode":"simulate","over":"queue"}"#;
        let whole = RuleEdit {
            name: "livesport-pair".into(),
            exchanges: Some(10),
            streams: Some(4),
            over: Some(Over::Queue),
            mode: Some(RuleMode::Simulate),
        };
        assert_eq!(read(all), Ok(LimitEdit::Rule(whole.clone())));
        let part = RuleEdit { exchanges: None, streams: Some(0), over: None, mode: None, ..whole };
        assert_eq!(read(br#"{"streams":0,"name":"livesport-pair"}"#), Ok(LimitEdit::Rule(part)));
        assert_eq!(read(br#"{"mode":"off"}"#), Ok(LimitEdit::Switch(LimitMode::Off)));
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (body, says) in [
            ("", "no JSON object"),
            ("[]", "no JSON object"),
            ("{}", "neither a name nor a mode"),
            (r#"{"name":7}"#, "name is a text"),
            (r#"{"name":"a","exchange":7}"#, "unknown key `exchange`; there are name, exchanges, streams, over, mode"),
            (r#"{"nam":"a"}"#, "unknown key `nam`"),
            (r#"{"mode":"off","nam":"a"}"#, "unknown key `nam`"),
            (r#"{"mode":"off","streams":3}"#, "streams belongs to a rule, and there is no name"),
            (r#"{"name":"a","exchanges":-1}"#, "exchanges is a whole number from 0 to 4294967295"),
            (r#"{"name":"a","exchanges":1.5}"#, "exchanges is a whole number"),
            (r#"{"name":"a","streams":4294967296}"#, "streams is a whole number"),
            (r#"{"name":"a","streams":null}"#, "streams is a whole number"),
            (r#"{"name":"a","over":"drop"}"#, r#"over is one of "reject", "queue", "evict_oldest_idle""#),
            (r#"{"name":"a","mode":"off"}"#, r#"mode is one of "enforce", "simulate""#),
            (r#"{"mode":"on"}"#, r#"mode is one of "enforce", "simulate", "off""#),
        ] {
            let wrong = read(body.as_bytes()).expect_err(body);
            assert!(wrong.contains(says), "{body}: {wrong:?} has no {says:?}");
        }
    }
}
