//! One file of the configuration: its name, its text, and what is wrong in it.

use std::fs::File;
use std::io::{Error, ErrorKind, Read};
use std::path::Path;

use super::problem::{Place, Problems};

/// A file has a few kilobytes; this bound keeps a device or a log file named by mistake out of memory.
const FILE_LIMIT: u64 = 1 << 20;

/// A file and everything found wrong in it so far.
#[derive(Debug)]
pub(super) struct Document {
    /// The file's name as it is to be shown.
    pub name: String,
    /// What is in it, as far as it is text.
    pub text: String,
    pub problems: Problems,
}

impl Document {
    /// The file called `name` with these bytes in it. Bytes that are no text are noted.
    pub fn new(name: &str, bytes: Vec<u8>) -> Self {
        let mut problems = Problems::default();
        let text = String::from_utf8(bytes).unwrap_or_else(|error| {
            let at = error.utf8_error().valid_up_to();
            problems.add(Place::Text(at..at), "this is not UTF-8 text", "save the file as UTF-8");
            String::from_utf8_lossy(error.as_bytes()).into_owned()
        });
        Self { name: name.to_owned(), text, problems }
    }

    /// The file called `name`, which cannot be read. `what` it is, and what `help`s when it is not there.
    pub fn unreadable(name: &str, error: &Error, what: &str, help: &str) -> Self {
        let mut document = Document::new(name, Vec::new());
        let help = match error.kind() {
            ErrorKind::PermissionDenied => "let the user that runs tether read it",
            _ => help,
        };
        document.problems.add(Place::File, format!("cannot read the {what}: {error}"), help);
        document
    }
}

/// At most [`FILE_LIMIT`] bytes of the file at `path`.
pub(super) fn read_file(path: &Path) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(FILE_LIMIT + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > FILE_LIMIT {
        return Err(Error::new(ErrorKind::FileTooLarge, "larger than 1 MiB"));
    }
    Ok(bytes)
}
