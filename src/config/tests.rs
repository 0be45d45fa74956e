//! Tests of the configuration as a whole: bad files, the default file, what wins over what, and the way back to TOML.

mod bad_files;
mod good_files;
mod precedence;
mod rendering;
mod round_trip;

use super::overrides::Overrides;
use super::settings::Settings;
use super::{ConfigError, parse};

/// Settings from the text of a file called `t.toml`.
fn read(text: &str) -> Result<Settings, ConfigError> {
    parse("t.toml", text.as_bytes().to_vec(), &Overrides::default())
}

/// Settings from a file that is right.
fn good(text: &str) -> Settings {
    read(text).unwrap_or_else(|error| panic!("{text}\n{error}"))
}
