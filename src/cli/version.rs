//! `tether version`.

use serde_json::json;

use super::Console;
use super::arguments::Format;
use super::outcome::{Exit, Failure};

const VERSION: &str = env!("CARGO_PKG_VERSION");

pub(super) fn print(format: Format, console: &mut Console<'_>) -> Result<Exit, Failure> {
    match format {
        Format::Text => writeln!(console.out, "tether {VERSION}")?,
        Format::Json => {
            let os = std::env::consts::OS;
            let arch = std::env::consts::ARCH;
            writeln!(console.out, "{}", json!({ "name": "tether", "version": VERSION, "os": os, "arch": arch }))?;
        }
    }
    Ok(Exit::Done)
}
