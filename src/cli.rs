//! The command line: what each command does, and how it ends.

use std::io::{self, IsTerminal, Write};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;

mod admin_client;
mod arguments;
mod bypass;
mod ends;
mod environment;
mod files;
mod health;
mod limits;
mod logging;
mod origins;
mod outcome;
mod reload;
mod run;
mod scan;
mod streams;
mod table;
#[cfg(test)]
mod tests;
mod version;

use admin_client::AdminPort;
use arguments::{AdminOptions, Arguments, ChangeOptions, Command, ConfigCommand, StreamsCommand};
use environment::Environment;
use outcome::{Exit, Failure};

use crate::admin::settings::{AdminToken, AdminTokens};
use crate::config::{self, Colour, Overrides};

/// Reads the command line and does what it says. Returns when that is done; for `run` when the proxy has stopped.
pub fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(usage) => {
            // Nobody is left to tell when this cannot be printed.
            let _ = usage.print();
            return ExitCode::from(u8::try_from(usage.exit_code()).unwrap_or(Exit::Usage as u8));
        }
    };
    let environment = Environment::read(|name| std::env::var_os(name));
    let colour = if io::stderr().is_terminal() { environment.colour } else { Colour::Plain };
    // Not locked: the log of a running proxy goes to the same standard error.
    let (mut out, mut err) = (io::stdout(), io::stderr());
    let mut console = Console { out: &mut out, err: &mut err, colour };
    ExitCode::from(dispatch(arguments, &environment, &mut console) as u8)
}

/// Where a command writes.
struct Console<'c> {
    /// What was asked for.
    out: &'c mut dyn Write,
    /// What went wrong.
    err: &'c mut dyn Write,
    /// How `err` is written.
    colour: Colour,
}

fn dispatch(arguments: Arguments, environment: &Environment, console: &mut Console<'_>) -> Exit {
    let done = match arguments.command {
        None => run::run(&arguments.run, environment),
        Some(Command::Run(options)) => run::run(&options, environment),
        Some(Command::Check(options)) => files::check(&options, environment, console),
        Some(Command::Scan(options)) => scan::scan(&options, environment, console),
        Some(Command::Config { command: ConfigCommand::Default }) => files::print_default(console),
        Some(Command::Config { command: ConfigCommand::Show(file) }) => files::show(&file, environment, console),
        Some(Command::Streams { options, command: None }) => streams::print(&options, environment, console),
        Some(Command::Streams { command: Some(StreamsCommand::Why(options)), .. } | Command::ExplainClose(options)) => {
            ends::explain(&options, environment, console)
        }
        Some(Command::Limits { command }) => limits::limits(&command, environment, console),
        Some(Command::Bypass { command }) => bypass::bypass(&command, environment, console),
        Some(Command::Origins(options)) => origins::print(&options, environment, console),
        Some(Command::Reload(options)) => reload::reload(&options, environment, console),
        Some(Command::Health(options)) => health::print(&options, environment, console),
        Some(Command::Version(output)) => version::print(output.format(), console),
    };
    match done {
        Ok(exit) => exit,
        Err(failure) => failure.report(console),
    }
}

/// Where the admin port is: `--admin`, else `TETHER_ADMIN`, else what the configuration says.
fn admin_address(options: &AdminOptions, environment: &Environment) -> Result<SocketAddr, Failure> {
    let variable = environment.admin.as_deref().map(config::address);
    match (options.admin, variable) {
        (Some(address), _) | (None, Some(Ok(address))) => Ok(address),
        _ => {
            let overrides = environment.overrides(&Overrides::default());
            config::admin_address(config_file(&options.file.config, environment), &overrides)
                .map_err(Failure::AdminUnknown)
        }
    }
}

/// The admin port, and the token to show there: of `--token-file`, else of the file that the configuration names, where this
/// user can read that and `--admin` does not name another machine. A port that needs none does not mind.
fn admin_port(options: &ChangeOptions, environment: &Environment) -> Result<AdminPort, Failure> {
    let address = admin_address(&options.admin, environment)?;
    let file = config_file(&options.admin.file.config, environment);
    let ours = options.admin.admin.is_none_or(|given| given.ip().is_loopback());
    let token = match &options.token_file {
        Some(named) => Some(token_of(named.clone()).map_err(Failure::Usage)?),
        None if ours => config::admin_token_file(file).and_then(|configured| token_of(configured).ok()),
        None => None,
    };
    Ok(AdminPort { address, token })
}

/// The first token of `file`.
fn token_of(file: PathBuf) -> Result<AdminToken, String> {
    let shown = file.display().to_string();
    let text = std::fs::read_to_string(&file).map_err(|error| format!("cannot read the token of {shown}: {error}"))?;
    let tokens = AdminTokens::read(file, &text).map_err(|why| format!("{shown}: {why}"))?;
    tokens.first().cloned().ok_or_else(|| format!("there is no token in {shown}"))
}

/// The configuration file that was named, if any.
fn config_file<'a>(flag: &'a Option<PathBuf>, environment: &'a Environment) -> Option<&'a std::path::Path> {
    flag.as_deref().or(environment.config.as_deref())
}
