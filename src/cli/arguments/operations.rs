//! What can be written to look into a running proxy more closely, and to change it.

use clap::{Args, Subcommand, ValueEnum};

use super::{AdminOptions, ChangeOptions, OutputOptions};

#[derive(Debug, Subcommand)]
pub enum StreamsCommand {
    /// Say who closed first, with what and after how long
    Why(WhyOptions),
}

#[derive(Args, Debug)]
pub struct WhyOptions {
    /// A connection such as 17, or an exchange on it such as 17-1; as in the access log
    #[arg(value_name = "ID", value_parser = EndId::read)]
    pub id: EndId,
    #[command(flatten)]
    pub admin: AdminOptions,
    #[command(flatten)]
    pub output: OutputOptions,
}

/// `CONNECTION` or `CONNECTION-NUMBER`: digits and a dash, nothing that could change a URL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndId(String);

impl EndId {
    fn read(text: &str) -> Result<EndId, String> {
        let number = |digits: &str| digits.bytes().all(|byte| byte.is_ascii_digit()) && digits.parse::<u64>().is_ok();
        let (connection, exchange) = text.split_once('-').unwrap_or((text, "0"));
        let known = number(connection) && number(exchange);
        known.then(|| EndId(text.to_owned())).ok_or_else(|| "an id is a connection such as 17, or 17-1".to_owned())
    }

    /// As it was written.
    pub fn text(&self) -> &str {
        &self.0
    }
}

#[derive(Debug, Subcommand)]
pub enum LimitsCommand {
    /// List the rules and who holds what of them
    List(ListOptions),
    /// Change a rule until the next reload
    Set(SetOptions),
    /// Switch all rules at once until the next reload
    Mode(SwitchOptions),
}

#[derive(Args, Debug)]
pub struct ListOptions {
    /// Holders shown of each rule
    #[arg(long, value_name = "N", default_value_t = 10)]
    pub top: usize,
    #[command(flatten)]
    pub admin: AdminOptions,
    #[command(flatten)]
    pub output: OutputOptions,
}

#[derive(Args, Debug)]
pub struct SetOptions {
    /// The rule
    #[arg(value_name = "NAME")]
    pub name: String,
    #[command(flatten)]
    pub change: RuleChange,
    #[command(flatten)]
    pub port: ChangeOptions,
}

/// What becomes of the rule; at least one of them.
#[derive(Args, Debug)]
#[group(required = true, multiple = true)]
pub struct RuleChange {
    /// Exchanges at once of one holder
    #[arg(long, value_name = "N")]
    pub exchanges: Option<u32>,
    /// Streams at once of one holder
    #[arg(long, value_name = "N")]
    pub streams: Option<u32>,
    /// What happens at the limit
    #[arg(long, value_name = "WHAT")]
    pub over: Option<OverWord>,
    /// Whether the rule is kept or only watched
    #[arg(long, value_name = "MODE")]
    pub mode: Option<RuleModeWord>,
}

#[derive(Args, Debug)]
pub struct SwitchOptions {
    /// What all rules do
    #[arg(value_name = "MODE")]
    pub mode: SwitchWord,
    #[command(flatten)]
    pub port: ChangeOptions,
}

/// What happens at a limit, as written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "snake_case")]
pub enum OverWord {
    Reject,
    Queue,
    EvictOldestIdle,
}

/// The mode of a rule, as written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum RuleModeWord {
    Enforce,
    Simulate,
}

/// The switch over all rules, as written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum SwitchWord {
    Enforce,
    Simulate,
    Off,
}

impl OverWord {
    /// The word in the API.
    pub fn word(self) -> &'static str {
        match self {
            OverWord::Reject => "reject",
            OverWord::Queue => "queue",
            OverWord::EvictOldestIdle => "evict_oldest_idle",
        }
    }
}

impl RuleModeWord {
    /// The word in the API.
    pub fn word(self) -> &'static str {
        match self {
            RuleModeWord::Enforce => "enforce",
            RuleModeWord::Simulate => "simulate",
        }
    }
}

impl SwitchWord {
    /// The word in the API.
    pub fn word(self) -> &'static str {
        match self {
            SwitchWord::Enforce => "enforce",
            SwitchWord::Simulate => "simulate",
            SwitchWord::Off => "off",
        }
    }
}
