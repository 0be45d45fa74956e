//! `tether limits`: what is limited, who holds what, and changes of a running proxy.

use serde_json::{Map, Value};

use super::arguments::{ChangeOptions, Format, LimitsCommand, ListOptions, SetOptions, SwitchOptions};
use super::environment::Environment;
use super::outcome::{Exit, Failure};
use super::{Console, admin_address, admin_client, admin_port};

mod listing;

use listing::{Changed, Page};

const PATH: &str = "/api/v1/limits";

/// Does what `command` says.
pub(super) fn limits(
    command: &LimitsCommand,
    environment: &Environment,
    console: &mut Console<'_>,
) -> Result<Exit, Failure> {
    match command {
        LimitsCommand::List(options) => list(options, environment, console),
        LimitsCommand::Set(options) => set(options, environment, console),
        LimitsCommand::Mode(options) => switch(options, environment, console),
    }
}

fn list(options: &ListOptions, environment: &Environment, console: &mut Console<'_>) -> Result<Exit, Failure> {
    let address = admin_address(&options.admin, environment)?;
    let path = format!("{PATH}?top={}", options.top);
    let (page, body) =
        admin_client::read::<Page>(address, &path, "that is no list of limits").map_err(Failure::Admin)?;
    match options.output.format() {
        Format::Json => writeln!(console.out, "{body}")?,
        Format::Text => console.out.write_all(page.text().as_bytes())?,
    }
    Ok(Exit::Done)
}

fn set(options: &SetOptions, environment: &Environment, console: &mut Console<'_>) -> Result<Exit, Failure> {
    let mut keys = Map::from_iter([("name".to_owned(), Value::from(options.name.as_str()))]);
    let mut add = |key: &str, value: Option<Value>| keys.extend(value.map(|value| (key.to_owned(), value)));
    add("exchanges", options.change.exchanges.map(Value::from));
    add("streams", options.change.streams.map(Value::from));
    add("over", options.change.over.map(|over| over.word().into()));
    add("mode", options.change.mode.map(|mode| mode.word().into()));
    let changed = change(&options.port, environment, keys)?;
    let rule = changed.rule.map(|rule| rule.sentence()).unwrap_or_default();
    writeln!(console.out, "{rule}")?;
    Ok(Exit::Done)
}

fn switch(options: &SwitchOptions, environment: &Environment, console: &mut Console<'_>) -> Result<Exit, Failure> {
    let keys = Map::from_iter([("mode".to_owned(), options.mode.word().into())]);
    let changed = change(&options.port, environment, keys)?;
    writeln!(console.out, "limits: {}", changed.mode)?;
    Ok(Exit::Done)
}

fn change(options: &ChangeOptions, environment: &Environment, keys: Map<String, Value>) -> Result<Changed, Failure> {
    let port = admin_port(options, environment)?;
    let answer = admin_client::put(&port, PATH, &Value::Object(keys), admin_client::PATIENCE);
    answer.and_then(|answer| answer.read("that is no account of a change")).map_err(Failure::Admin)
}
