//! A file to be scanned: its bytes, to be had as often as there are scanners.

use std::fs::{File, OpenOptions};
use std::io::{self, Error, ErrorKind};
use std::os::unix::fs::{FileExt, FileTypeExt, OpenOptionsExt};
use std::path::Path;

/// Standard input.
const STANDARD_INPUT: &str = "-";

/// Names that are tried for the copy of a pipe.
const TRIES: u32 = 100;

/// An open file, of a length that does not change any more for us.
#[derive(Debug)]
pub(super) struct Subject {
    file: File,
    length: u64,
    name: String,
}

impl Subject {
    /// Opens what `path` names. What can be read only once, such as a pipe, is copied to a file without a name in the
    /// directory for temporary files (`TMPDIR`), which is gone when this is dropped.
    ///
    /// # Errors
    /// When it cannot be read, or is a directory or a device.
    pub fn open(path: &Path) -> io::Result<Self> {
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        if path == Path::new(STANDARD_INPUT) {
            return Self::copied(&mut io::stdin().lock(), String::new());
        }
        let mut file = File::open(path)?;
        let meta = file.metadata()?;
        let kind = meta.file_type();
        if kind.is_file() && meta.len() > 0 {
            return Ok(Self { file, length: meta.len(), name });
        }
        // Files of /proc say that they are empty, and are not.
        if kind.is_file() || kind.is_fifo() {
            return Self::copied(&mut file, name);
        }
        let what = if kind.is_dir() { "it is a directory" } else { "it is not a file" };
        Err(Error::new(ErrorKind::InvalidInput, what))
    }

    fn copied(from: &mut impl io::Read, name: String) -> io::Result<Self> {
        let mut file = nameless()?;
        let length = io::copy(from, &mut file)?;
        Ok(Self { file, length, name })
    }

    /// The last part of its path; empty for standard input.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its bytes.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// The file itself, for who reads it elsewhere.
    ///
    /// # Errors
    /// When there are too many open files.
    pub fn file(&self) -> io::Result<File> {
        self.file.try_clone()
    }

    /// Reads what begins at `at`; 0 is the end.
    ///
    /// # Errors
    /// Those of the file; also when it has become shorter.
    pub fn read_at(&self, buffer: &mut [u8], at: u64) -> io::Result<usize> {
        let left = usize::try_from(self.length.saturating_sub(at)).unwrap_or(usize::MAX).min(buffer.len());
        loop {
            match self.file.read_at(&mut buffer[..left], at) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Ok(0) if left > 0 => return Err(Error::new(ErrorKind::UnexpectedEof, "it became shorter meanwhile")),
                read => return read,
            }
        }
    }
}

/// A file that nobody else can open and that is gone when it is closed.
fn nameless() -> io::Result<File> {
    let directory = std::env::temp_dir();
    let mut last = Error::from(ErrorKind::AlreadyExists);
    for number in 0..TRIES {
        let path = directory.join(format!("tether-scan-{}-{number}", std::process::id()));
        // Not to be fooled by a link that somebody put there, and not to be read by anybody.
        match OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(&path) {
            Ok(file) => return std::fs::remove_file(&path).map(|()| file),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => last = error,
            Err(error) => return Err(error),
        }
    }
    Err(last)
}
