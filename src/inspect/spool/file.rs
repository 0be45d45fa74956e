//! The nameless file of a body that is too long for memory: made with its first bytes, gone with its last owner.

use std::collections::hash_map::RandomState;
use std::fs::{self, File, OpenOptions};
use std::hash::BuildHasher;
use std::io;
use std::net::IpAddr;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

use super::Spools;

/// How many names are tried where a file must have one at first.
const NAMES: usize = 16;

/// The file of one body. A write that is on its way owns it too: the file, and what its bytes took of the budgets, go
/// when the body and the write are both done.
#[derive(Debug)]
pub(super) struct Backing {
    spools: Arc<Spools>,
    client: IpAddr,
    held: AtomicU64,
    file: OnceLock<File>,
}

impl Backing {
    /// No file yet.
    pub(super) fn new(spools: Arc<Spools>, client: IpAddr) -> Self {
        Self { spools, client, held: AtomicU64::new(0), file: OnceLock::new() }
    }

    /// Whether the file is there.
    pub(super) fn is_made(&self) -> bool {
        self.file.get().is_some()
    }

    /// Answers for `bytes` more of the budgets.
    pub(super) fn take_over(&self, bytes: u64) {
        self.held.fetch_add(bytes, Relaxed);
        self.spools.on_disk.fetch_add(bytes, Relaxed);
    }

    /// Writes all of `bytes` at `at`, in a file that is made if it must be. Blocks.
    ///
    /// # Errors
    /// Those of making the file and of writing.
    pub(super) fn write(&self, bytes: &[u8], at: u64) -> io::Result<()> {
        let file = match self.file.get() {
            Some(file) => file,
            None => {
                let made = nameless(&self.spools.directory())?;
                self.file.get_or_init(|| made)
            }
        };
        file.write_all_at(bytes, at)
    }

    /// Reads into `buffer` what was written at `at`. Blocks where the system does not have it in memory.
    ///
    /// # Errors
    /// Those of reading; and when there is nothing, which was not written then.
    pub(super) fn read(&self, buffer: &mut [u8], at: u64) -> io::Result<usize> {
        let file = self.file.get().ok_or(io::ErrorKind::NotFound)?;
        match file.read_at(buffer, at)? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            count => Ok(count),
        }
    }
}

impl Drop for Backing {
    fn drop(&mut self) {
        // The room on the disk first, then the leave to fill it again.
        drop(self.file.take());
        let held = *self.held.get_mut();
        self.spools.on_disk.fetch_sub(held, Relaxed);
        self.spools.budgets.give_back(self.client, held);
    }
}

/// A file in `directory` that has no name there, so that it goes with the process whatever becomes of that.
fn nameless(directory: &Path) -> io::Result<File> {
    // EXCL: nor can it be given a name later.
    let flags = OFlags::TMPFILE | OFlags::EXCL | OFlags::RDWR | OFlags::CLOEXEC;
    match rustix::fs::open(directory, flags, Mode::RUSR | Mode::WUSR) {
        Ok(descriptor) => Ok(descriptor.into()),
        Err(Errno::OPNOTSUPP | Errno::ISDIR | Errno::INVAL) => named_at_first(directory),
        Err(error) => Err(error.into()),
    }
}

/// The same for file systems that cannot do it at once.
fn named_at_first(directory: &Path) -> io::Result<File> {
    let names = RandomState::new();
    let mut last = io::ErrorKind::AlreadyExists.into();
    for attempt in 0..NAMES {
        let path = directory.join(format!(".tether-spool-{:016x}", names.hash_one(attempt)));
        match OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(&path) {
            Ok(file) => {
                fs::remove_file(&path)?;
                return Ok(file);
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => last = error,
            Err(error) => return Err(error),
        }
    }
    Err(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_leaves_no_name_behind_either_way() {
        let directory = tempfile::tempdir().expect("a directory");
        let make: [fn(&Path) -> io::Result<File>; 2] = [nameless, named_at_first];
        for make in make {
            let file = make(directory.path()).expect("a file");
            assert_eq!(fs::read_dir(directory.path()).expect("readable").count(), 0);
            file.write_all_at(b"held", 3).expect("written");
            let mut read = [1; 7];
            file.read_exact_at(&mut read, 0).expect("read");
            assert_eq!(&read, b"\0\0\0held");
            assert_eq!(make(&directory.path().join("none")).map_err(|e| e.kind()).err(), Some(io::ErrorKind::NotFound));
        }
    }
}
