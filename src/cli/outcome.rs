//! How commands end: exit statuses, failures, and the one place that turns the second into the first.

use std::io;

use super::Console;
use super::admin_client::ClientError;
use crate::config::ConfigError;

/// Exit statuses, as in `sysexits.h` where it has one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Exit {
    /// Done.
    Done = 0,
    /// Failed while it ran.
    Failed = 1,
    /// The command line is not understood.
    Usage = 2,
    /// The admin port does not answer (`EX_UNAVAILABLE`).
    Unreachable = 69,
    /// The configuration is bad (`EX_CONFIG`).
    BadConfig = 78,
}

/// Why a command did not do what it was told.
#[derive(Debug)]
pub(super) enum Failure {
    /// Bad configuration.
    Config(ConfigError),
    /// Bad configuration, where only the address of the admin port was wanted of it.
    AdminUnknown(ConfigError),
    /// The command line asks for something that is not there.
    Usage(String),
    /// The admin port.
    Admin(ClientError),
    /// The proxy could not start, or broke down.
    Run(anyhow::Error),
    /// The output cannot be written.
    Output(io::Error),
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Failure::Output(error)
    }
}

impl Failure {
    /// Says what went wrong and how the process ends.
    pub fn report(self, console: &mut Console<'_>) -> Exit {
        let (exit, text) = match self {
            Failure::Config(error) => (Exit::BadConfig, error.render(console.colour)),
            Failure::AdminUnknown(error) => {
                let shown = error.render(console.colour);
                (Exit::BadConfig, format!("{shown}\n\nWith `--admin ADDR` no configuration is needed."))
            }
            Failure::Usage(text) => (Exit::Usage, format!("error: {text}")),
            Failure::Admin(error @ ClientError::Unreachable { .. }) => (Exit::Unreachable, format!("error: {error}")),
            Failure::Admin(error) => (Exit::Failed, format!("error: {error}")),
            Failure::Run(error) => (Exit::Failed, format!("error: {error:#}")),
            // Whoever reads the output has seen enough.
            Failure::Output(error) if error.kind() == io::ErrorKind::BrokenPipe => return Exit::Done,
            Failure::Output(error) => (Exit::Failed, format!("error: the output cannot be written: {error}")),
        };
        // Nobody is left to tell when this cannot be written.
        let _ = writeln!(console.err, "{text}");
        exit
    }
}
