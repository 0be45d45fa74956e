//! `tether run`.

use super::arguments::RunOptions;
use super::environment::Environment;
use super::outcome::{Exit, Failure};
use super::{config_file, logging};
use crate::{app, config};

/// Serves until the process is told to stop.
pub(super) fn run(options: &RunOptions, environment: &Environment) -> Result<Exit, Failure> {
    let overrides = environment.overrides(&options.overrides());
    let file = config_file(&options.file.config, environment);
    let loaded = config::load(file, &overrides).map_err(Failure::Config)?;
    logging::start(environment);
    tracing::info!(configuration = %loaded.source, "starting");
    app::run(loaded.settings).map_err(Failure::Run)?;
    Ok(Exit::Done)
}
