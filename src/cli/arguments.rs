//! What can be written on the command line.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::config::{self, Given, Overrides};

mod bypass;
mod operations;
mod scanning;

pub(super) use bypass::{
    BypassAddOptions, BypassCommand, BypassImportOptions, BypassListOptions, BypassRemoveOptions, BypassTestOptions,
    EntryOptions, Listed,
};
pub(super) use operations::{LimitsCommand, ListOptions, SetOptions, StreamsCommand, SwitchOptions, WhyOptions};
pub(super) use scanning::ScanOptions;

const ENVIRONMENT_HELP: &str = "\
Environment:
  TETHER_CONFIG  configuration file, where -c is not given
  TETHER_LISTEN  address of the first proxy port
  TETHER_ADMIN   address of the admin port
  TETHER_LOG     what to log: a level such as \"info\", or a filter such as \"info,tether::net=debug\"
  NO_COLOR       no colours

Flags win over the environment, which wins over the file, which wins over the defaults.
Without -c and TETHER_CONFIG, /etc/tether/tether.toml is read if it is there.

Exit status: 0 done, 1 failed, 2 bad usage, 69 admin port does not answer, 78 bad configuration.";

/// A forward proxy in which no client can leave anything behind.
#[derive(Debug, Parser)]
#[command(name = "tether", version, about, after_help = ENVIRONMENT_HELP, args_conflicts_with_subcommands = true)]
pub(super) struct Arguments {
    #[command(flatten)]
    pub run: RunOptions,
    #[command(subcommand)]
    pub command: Option<Command>,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Serve; also what happens when no command is given
    Run(RunOptions),
    /// Check the configuration and report everything that is wrong with it
    Check(CheckOptions),
    /// Scan files with the scanners of the configuration and say of each what was found
    ///
    /// The proxy does not scan what passes through it yet; these are the scanners it will ask, in the same order.
    Scan(ScanOptions),
    /// Print configurations
    Config {
        #[command(subcommand)]
        command: ConfigCommand,
    },
    /// List the open client connections of a running proxy, oldest first
    #[command(args_conflicts_with_subcommands = true)]
    Streams {
        #[command(flatten)]
        options: ListingOptions,
        #[command(subcommand)]
        command: Option<StreamsCommand>,
    },
    /// Say why an exchange or tunnel ended: who closed first, with what and after how long
    ExplainClose(WhyOptions),
    /// Show and change the limits of a running proxy
    Limits {
        #[command(subcommand)]
        command: LimitsCommand,
    },
    /// Show and change what a running proxy lets pass unscanned or unlimited
    Bypass {
        #[command(subcommand)]
        command: BypassCommand,
    },
    /// List what a running proxy has learned of origins
    Origins(ListingOptions),
    /// Let a running proxy read its configuration and rule files again
    Reload(ChangeOptions),
    /// Ask a running proxy whether it serves
    Health(AdminOptions),
    /// Print the version
    Version(OutputOptions),
}

#[derive(Debug, Subcommand)]
pub(super) enum ConfigCommand {
    /// Print the commented default configuration
    Default,
    /// Print the configuration as it is used, with environment and defaults filled in
    Show(FileOptions),
}

#[derive(Args, Debug, Default)]
pub(super) struct FileOptions {
    /// Configuration file
    #[arg(short, long, value_name = "FILE")]
    pub config: Option<PathBuf>,
}

#[derive(Args, Debug, Default)]
pub(super) struct RunOptions {
    #[command(flatten)]
    pub file: FileOptions,
    /// Address of the first proxy port
    #[arg(long, value_name = "ADDR", value_parser = address)]
    pub listen: Option<SocketAddr>,
    /// Address of the admin port
    #[arg(long, value_name = "ADDR", value_parser = address)]
    pub admin: Option<SocketAddr>,
}

#[derive(Args, Debug)]
pub(super) struct CheckOptions {
    #[command(flatten)]
    pub file: FileOptions,
    #[command(flatten)]
    pub output: OutputOptions,
}

#[derive(Args, Debug)]
pub(super) struct AdminOptions {
    #[command(flatten)]
    pub file: FileOptions,
    /// Address of the admin port; without it, what the environment or the configuration says
    #[arg(long, value_name = "ADDR", value_parser = address)]
    pub admin: Option<SocketAddr>,
}

/// What every change of a running proxy takes.
#[derive(Args, Debug)]
pub(super) struct ChangeOptions {
    #[command(flatten)]
    pub admin: AdminOptions,
    /// A file with a name and a token in its first line, where the admin port asks for one; without it, the `token_file` of
    /// the configuration
    #[arg(long, value_name = "FILE")]
    pub token_file: Option<PathBuf>,
}

/// What every listing of a running proxy takes.
#[derive(Args, Debug)]
pub(super) struct ListingOptions {
    #[command(flatten)]
    pub admin: AdminOptions,
    #[command(flatten)]
    pub output: OutputOptions,
}

#[derive(Args, Debug)]
pub(super) struct OutputOptions {
    /// Write JSON
    #[arg(long)]
    json: bool,
}

/// What output looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    /// For people.
    Text,
    /// For programs.
    Json,
}

impl OutputOptions {
    pub fn format(&self) -> Format {
        if self.json { Format::Json } else { Format::Text }
    }
}

impl RunOptions {
    /// What the flags set over environment and file.
    pub fn overrides(&self) -> Overrides {
        let given = |name, value: Option<SocketAddr>| value.map(|value| Given::Flag { name, value });
        Overrides { listen: given("--listen", self.listen), admin: given("--admin", self.admin) }
    }
}

fn address(text: &str) -> Result<SocketAddr, String> {
    config::address(text).map_err(|wrong| format!("{}; {}", wrong.message, wrong.help))
}
