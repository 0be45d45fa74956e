//! `[log] access`: a word or a file that can be written.

use std::path::{Path, PathBuf};

use crate::config::suggest::nearest;
use crate::config::value::Wrong;
use crate::observe::access_log::AccessSink;

/// The word for no access log.
pub(in crate::config) const OFF: &str = "off";
/// The word for standard output.
pub(in crate::config) const STDOUT: &str = "stdout";

/// Where the access log goes. A path has a `/` in it, so that a misspelt word never becomes a file somewhere.
pub(super) fn sink(text: &str) -> Result<AccessSink, Wrong> {
    match text {
        OFF => Ok(AccessSink::Off),
        STDOUT => Ok(AccessSink::Stdout),
        path if path.contains('/') => file(Path::new(path)),
        other => {
            let help = match nearest(other, [OFF, STDOUT]) {
                Some(meant) => format!("did you mean `{meant}`?"),
                None => "write `stdout`, `off`, or a path with a `/` in it".to_owned(),
            };
            Err(Wrong::new(format!("`{other}` is neither a path nor known here"), help))
        }
    }
}

fn file(path: &Path) -> Result<AccessSink, Wrong> {
    if path.is_dir() || path.to_string_lossy().ends_with('/') {
        return Err(Wrong::new(format!("`{}` is a directory", path.display()), "name a file in it"));
    }
    match path.parent() {
        Some(directory) if directory.is_dir() => Ok(AccessSink::File(PathBuf::from(path))),
        directory => {
            let directory = directory.unwrap_or(path).display();
            let help = format!("create it: `mkdir -p {directory}`");
            Err(Wrong::new(format!("there is no directory `{directory}`"), help))
        }
    }
}
