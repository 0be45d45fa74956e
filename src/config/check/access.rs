//! Who may change something, and where it is kept: `[admin] token_file`, `[state]`, `[bypass]`.

use std::path::{Path, PathBuf};

use super::{Words, word};
use crate::admin::settings::AdminTokens;
use crate::config::document::read_file;
use crate::config::problem::{Place, Problems};
use crate::config::settings::StateSettings;
use crate::config::shape::{BypassShape, StateShape, Text};
use crate::config::value::Wrong;
use crate::policy::bypass::{BypassSettings, Learn};

/// `[bypass] learn`.
pub(in crate::config) const LEARN: Words<Learn> =
    &[("off", Learn::Off), ("suggest", Learn::Suggest), ("on", Learn::On)];

/// The tokens of the file that is named, which must be there.
pub(super) fn tokens(written: Option<&Text>, base: &Path, problems: &mut Problems) -> AdminTokens {
    let read = written.and_then(|text| problems.value(text, |name| token_file(base.join(name))));
    read.unwrap_or_default()
}

fn token_file(path: PathBuf) -> Result<AdminTokens, Wrong> {
    let shown = path.display().to_string();
    let bytes = read_file(&path).map_err(|error| {
        let help = "let the user that runs tether read it; each of its lines is a name and a token, such as from `openssl rand -hex 32`";
        Wrong::new(format!("cannot read the tokens of `{shown}`: {error}"), help)
    })?;
    AdminTokens::read(path, &String::from_utf8_lossy(&bytes)).map_err(|why| {
        Wrong::new(
            format!("`{shown}`: {why}"),
            "write one line for each: a name and a token, such as from `openssl rand -hex 32`",
        )
    })
}

/// The directory is made when it is used first.
pub(super) fn state(shape: &StateShape, base: &Path, problems: &mut Problems) -> StateSettings {
    let Some(text) = &shape.dir else { return StateSettings::default() };
    let dir = base.join(text.get_ref());
    let is_other = dir.exists() && !dir.is_dir();
    if text.get_ref().is_empty() || is_other {
        let help = "write a directory that is this proxy's alone, such as `/var/lib/tether`, or leave the key out";
        problems.add(Place::Text(text.span()), format!("`{}` is no directory", text.get_ref()), help);
    }
    StateSettings { dir: Some(dir) }
}

/// `[bypass]`.
pub(super) fn bypass(shape: &BypassShape, problems: &mut Problems) -> BypassSettings {
    let learn = shape.learn.as_ref().and_then(|text| problems.value(text, word(LEARN)));
    BypassSettings { learn: learn.unwrap_or_default() }
}
