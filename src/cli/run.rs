//! `tether run`.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::arguments::RunOptions;
use super::environment::Environment;
use super::outcome::{Exit, Failure};
use super::{config_file, logging};
use crate::app::reload::Load;
use crate::config::{Colour, Overrides};
use crate::{app, config};

/// Serves until the process is told to stop.
pub(super) fn run(options: &RunOptions, environment: &Environment) -> Result<Exit, Failure> {
    let overrides = environment.overrides(&options.overrides());
    let file = config_file(&options.file.config, environment);
    let loaded = config::load(file, &overrides).map_err(Failure::Config)?;
    logging::start(environment);
    tracing::info!(configuration = %loaded.source, "starting");
    let load = reading(file.map(Path::to_owned), overrides);
    app::run(loaded.settings, load).map_err(Failure::Run)?;
    Ok(Exit::Done)
}

/// Reads the same configuration again.
fn reading(file: Option<PathBuf>, overrides: Overrides) -> Load {
    Arc::new(move || match config::load(file.as_deref(), &overrides) {
        Ok(loaded) => Ok(loaded.settings),
        Err(error) => Err(error.render(Colour::Plain)),
    })
}
