//! What can be written to show and change the bypass list of a running proxy.

use std::net::IpAddr;
use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::{AdminOptions, ChangeOptions, OutputOptions};

const PATTERN_HELP: &str = "\
A pattern is one of
  www.example, www.example:8080     a host
  *.example, p*.livesport.*         hosts; * stands for one character or more
  domain:example.com                a registrable domain and everything in it
  192.0.2.7, 10.1.0.0/16            the address that is dialled
  http://www.example/live/          URLs that begin so
  type:video/*                      responses of this type
  *                                 everything, with --source";

#[derive(Debug, Subcommand)]
pub enum BypassCommand {
    /// Let something pass unscanned or unlimited, from the next request on
    #[command(after_help = PATTERN_HELP)]
    Add(BypassAddOptions),
    /// Take entries away again, from the next request on
    Remove(BypassRemoveOptions),
    /// List the entries, how often each was used, and when last
    List(BypassListOptions),
    /// Add the entries of a file: one pattern in each line, or a bypass.toml
    Import(BypassImportOptions),
    /// Say which entries would match
    Test(BypassTestOptions),
}

#[derive(Args, Debug)]
pub struct BypassAddOptions {
    /// What the entry speaks of
    #[arg(value_name = "PATTERN")]
    pub pattern: String,
    #[command(flatten)]
    pub entry: EntryOptions,
    #[command(flatten)]
    pub change: ChangeOptions,
}

/// What is said of an entry beside its pattern.
#[derive(Args, Debug)]
pub struct EntryOptions {
    /// What is left out: scan, limits, decrypt, all; several with commas
    #[arg(long, value_name = "WHAT", value_delimiter = ',')]
    pub skip: Vec<String>,
    /// For so long, such as 2h or 7d; or to a time such as 2027-01-31 or 2027-01-31T18:00:00Z
    #[arg(long, value_name = "WHEN")]
    pub until: Option<String>,
    /// Only for these clients: an address or a range
    #[arg(long, value_name = "CIDR")]
    pub source: Option<String>,
    /// Who answers for it
    #[arg(long, value_name = "WHO")]
    pub owner: Option<String>,
    /// What it is for
    #[arg(long, value_name = "TEXT")]
    pub note: Option<String>,
    /// Where it was asked for
    #[arg(long, value_name = "ID")]
    pub ticket: Option<String>,
}

#[derive(Args, Debug)]
pub struct BypassRemoveOptions {
    /// An id of the listing, or a pattern, for every entry that has it
    #[arg(value_name = "ID|PATTERN")]
    pub what: String,
    #[command(flatten)]
    pub change: ChangeOptions,
}

#[derive(Args, Debug)]
pub struct BypassListOptions {
    /// Hosts that turned out to be live streams, instead of the entries
    #[arg(long)]
    suggestions: bool,
    #[command(flatten)]
    pub admin: AdminOptions,
    #[command(flatten)]
    pub output: OutputOptions,
}

/// What is listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Listed {
    Entries,
    Suggestions,
}

impl BypassListOptions {
    /// What is listed.
    pub fn listed(&self) -> Listed {
        if self.suggestions { Listed::Suggestions } else { Listed::Entries }
    }
}

#[derive(Args, Debug)]
pub struct BypassImportOptions {
    /// The file; `-` is standard input. One whose name ends in .toml is read like a bypass.toml, and says everything itself
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    #[command(flatten)]
    pub entry: EntryOptions,
    #[command(flatten)]
    pub change: ChangeOptions,
}

#[derive(Args, Debug)]
pub struct BypassTestOptions {
    /// `http://host/path`, or host:port for a tunnel
    #[arg(value_name = "URL")]
    pub url: String,
    /// The client
    #[arg(long, value_name = "IP")]
    pub source: Option<IpAddr>,
    /// The address of the host, for ranges
    #[arg(long, value_name = "IP")]
    pub address: Option<IpAddr>,
    /// The type of the response
    #[arg(long = "type", value_name = "TYPE")]
    pub media_type: Option<String>,
    #[command(flatten)]
    pub admin: AdminOptions,
    #[command(flatten)]
    pub output: OutputOptions,
}
