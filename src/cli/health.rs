//! `tether health`.

use super::arguments::AdminOptions;
use super::environment::Environment;
use super::outcome::{Exit, Failure};
use super::table::printable;
use super::{Console, admin_address, admin_client};

/// Prints what the running proxy says of itself.
pub(super) fn print(
    options: &AdminOptions,
    environment: &Environment,
    console: &mut Console<'_>,
) -> Result<Exit, Failure> {
    let address = admin_address(options, environment)?;
    let answer = admin_client::get(address, "/healthz", admin_client::PATIENCE).map_err(Failure::Admin)?;
    let body = answer.ok().map_err(Failure::Admin)?;
    writeln!(console.out, "{}", printable(String::from_utf8_lossy(&body).trim()))?;
    Ok(Exit::Done)
}
