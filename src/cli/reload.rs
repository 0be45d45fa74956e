//! `tether reload`: a running proxy reads its configuration and rule files again.

use serde::Deserialize;

use super::arguments::ChangeOptions;
use super::environment::Environment;
use super::outcome::{Exit, Failure};
use super::table::printable;
use super::{Console, admin_client, admin_port};

/// The status for files that are not good.
const UNPROCESSABLE: u16 = 422;

/// What the admin port answers.
#[derive(Debug, Deserialize)]
struct Done {
    generation: u64,
    needs_restart: Vec<String>,
}

/// Asks for the reload and says what came of it: with the whole diagnostic, and the status of a bad configuration, when
/// the old settings stay.
pub(super) fn reload(
    options: &ChangeOptions,
    environment: &Environment,
    console: &mut Console<'_>,
) -> Result<Exit, Failure> {
    let port = admin_port(options, environment)?;
    let answer = admin_client::post(&port, "/api/v1/reload", None, admin_client::PATIENCE).map_err(Failure::Admin)?;
    if answer.status == UNPROCESSABLE {
        let said = answer.said().unwrap_or_default();
        writeln!(console.err, "{}\n\nThe settings in use stay as they were.", said.trim_end())?;
        return Ok(Exit::BadConfig);
    }
    let done: Done = answer.read("that is no account of a reload").map_err(Failure::Admin)?;
    writeln!(console.out, "reloaded: generation {}", done.generation)?;
    for key in &done.needs_restart {
        writeln!(console.out, "`{}` has changed and takes effect only after a restart", printable(key))?;
    }
    Ok(Exit::Done)
}
