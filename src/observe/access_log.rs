//! The access log: one line per exchange, tunnel or ICAP transaction of our server, written at its end, never waited for.
//!
//! A line is formatted by the worker and queued for a thread of its own. When that thread cannot keep up, because a
//! disk hangs or nobody reads the pipe, lines are dropped and counted; traffic never waits for the log.

use std::cell::RefCell;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::mpsc;
use std::time::{Duration, Instant, SystemTime};

use tracing_appender::non_blocking::{ErrorCounter, NonBlocking, NonBlockingBuilder, WorkerGuard};

use crate::observe::live::Row;
use crate::observe::record::{End, Record};

pub mod clock;
pub mod escape;
mod exchange;
pub mod icap;
mod json;
mod sink;
#[cfg(test)]
mod tests;
mod text;

use exchange::Exchange;
use icap::IcapMessage;
use sink::Sink;

/// Lines that may wait for the writing thread. At 100,000 lines a second it may hang for 160 ms before one is lost.
const QUEUED_LINES: usize = 16_384;

/// How long the last drop waits for the queue to be written out.
const FLUSH_LIMIT: Duration = Duration::from_secs(2);

/// Where the access log goes.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum AccessSink {
    /// No access log.
    Off,
    /// Standard output.
    #[default]
    Stdout,
    /// Appended to this file, which is created (mode 0640) when it is not there.
    File(PathBuf),
}

/// What a line of the access log looks like.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AccessFormat {
    /// One JSON object.
    #[default]
    Json,
    /// Squid's native format, for the tools that read it.
    Squid,
    /// The NCSA combined format of web servers.
    Combined,
}

/// The access-log part of the `[log]` section.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LogSettings {
    /// Where it goes.
    pub access: AccessSink,
    /// What a line looks like.
    pub format: AccessFormat,
}

thread_local! {
    /// The line being formatted; kept so that a line costs one allocation, the one in the queue.
    static LINE: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// A handle to the access log; clones share one queue. When the last is dropped, what is queued is written out, for
/// which the drop blocks up to two seconds.
#[derive(Clone, Debug)]
pub struct AccessLog {
    open: Option<Open>,
}

#[derive(Clone, Debug)]
struct Open {
    format: AccessFormat,
    queue: NonBlocking,
    writer: Arc<Writer>,
}

/// The writing thread; told to finish when dropped.
#[derive(Debug)]
struct Writer {
    guard: Option<WorkerGuard>,
    overflowed: ErrorCounter,
    /// Lines the sink refused.
    refused: Arc<AtomicU64>,
}

impl AccessLog {
    /// Opens the log and starts its thread.
    ///
    /// # Errors
    /// The file cannot be opened, or standard output is closed.
    pub fn open(settings: &LogSettings) -> io::Result<AccessLog> {
        let file = match &settings.access {
            AccessSink::Off => return Ok(AccessLog::off()),
            AccessSink::Stdout => File::from(io::stdout().as_fd().try_clone_to_owned()?),
            AccessSink::File(path) => append_to(path)?,
        };
        Ok(AccessLog::with_queue(file, settings.format, QUEUED_LINES))
    }

    /// A log that takes no lines.
    pub fn off() -> AccessLog {
        AccessLog { open: None }
    }

    fn with_queue(out: impl Write + Send + 'static, format: AccessFormat, lines: usize) -> AccessLog {
        let refused = Arc::new(AtomicU64::new(0));
        let (queue, guard) = NonBlockingBuilder::default()
            .lossy(true)
            .buffered_lines_limit(lines)
            .thread_name("tether-log")
            .finish(Sink::new(out, refused.clone()));
        let writer = Arc::new(Writer { guard: Some(guard), overflowed: queue.error_counter(), refused });
        AccessLog { open: Some(Open { format, queue, writer }) }
    }

    /// Whether lines go anywhere.
    pub fn is_on(&self) -> bool {
        self.open.is_some()
    }

    /// Logs one exchange or tunnel that ends now. Never blocks; a line for which there is no room is counted in
    /// [`AccessLog::dropped`].
    pub fn write(&self, row: &Row, record: &Record, end: &End) {
        if let Some(open) = &self.open {
            let exchange = Exchange::new(row, record, end, Instant::now());
            open.write(|line| exchange.render(open.format, line));
        }
    }

    /// Logs one message that our ICAP server judged on the connection of `row`, which ends now. As [`AccessLog::write`].
    pub fn write_icap(&self, row: &Row, message: &IcapMessage) {
        if let Some(open) = &self.open {
            let line = icap::Line { row, message, ended_at: SystemTime::now() };
            open.write(|text| line.render(open.format, text));
        }
    }

    /// Lines that were lost so far: the queue was full, or the sink refused them.
    pub fn dropped(&self) -> u64 {
        self.open.as_ref().map_or(0, |open| open.writer.lost())
    }
}

impl Open {
    fn write(&self, render: impl FnOnce(&mut Vec<u8>) -> io::Result<()>) {
        LINE.with_borrow_mut(|line| {
            line.clear();
            // Neither fails: a line is formatted into memory, and a lossy queue counts what it does not take.
            let sent = render(line).and_then(|()| self.queue.clone().write_all(line));
            if sent.is_err() {
                self.writer.refused.fetch_add(1, Relaxed);
            }
        });
    }
}

impl Writer {
    fn lost(&self) -> u64 {
        self.overflowed.dropped_lines() as u64 + self.refused.load(Relaxed)
    }
}

impl Drop for Writer {
    /// The guard waits for the queue to drain, but when the queue is still full it complains on standard output, which
    /// may be the very pipe nobody reads. So it is dropped on a thread that may be left behind.
    fn drop(&mut self) {
        let guard = self.guard.take();
        let (flushed, wait) = mpsc::channel::<()>();
        let flush = move || {
            drop(guard);
            drop(flushed);
        };
        if std::thread::Builder::new().name("tether-flush".into()).spawn(flush).is_ok() {
            let _ = wait.recv_timeout(FLUSH_LIMIT);
        }
    }
}

fn append_to(path: &Path) -> io::Result<File> {
    OpenOptions::new().append(true).create(true).mode(0o640).open(path)
}
