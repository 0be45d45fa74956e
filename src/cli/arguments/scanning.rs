//! What can be written to have files scanned.

use std::path::PathBuf;

use clap::Args;
use url::Url;

use super::{FileOptions, OutputOptions};
use crate::inspect::decode::coding::Codings;

const SCAN_HELP: &str = "\
Exit status: 0 all clean, 1 something was found or could not be scanned, 2 bad usage, 78 bad configuration.";

#[derive(Args, Debug)]
#[command(after_help = SCAN_HELP)]
pub struct ScanOptions {
    #[command(flatten)]
    pub file: FileOptions,
    /// Ask this scanner, `builtin` or the NAME of an [icap.NAME]; repeat it for more. Without it, those of
    /// `[inspect] default`
    #[arg(long, value_name = "NAME")]
    pub with: Vec<String>,
    /// What the files are said to be, for rules by media type and for ICAP services
    #[arg(long, value_name = "TYPE", value_parser = field_value)]
    pub content_type: Option<String>,
    /// How the files are coded, such as gzip or br; without it, gzip and zstd are known by their first bytes
    #[arg(long, value_name = "CODING", value_parser = ContentCoding::read)]
    pub content_encoding: Option<ContentCoding>,
    /// Where the files are said to come from, for rules by URL and for ICAP services
    #[arg(long, value_name = "URL", value_parser = web_address)]
    pub url: Option<Url>,
    #[command(flatten)]
    pub output: OutputOptions,
    /// Files; `-` is standard input
    #[arg(value_name = "FILE", required = true)]
    pub files: Vec<PathBuf>,
}

/// The value of `Content-Encoding`, and what it means.
#[derive(Clone, Debug)]
pub struct ContentCoding {
    /// As it was written.
    pub text: String,
    /// The codings.
    pub codings: Codings,
}

impl ContentCoding {
    fn read(text: &str) -> Result<Self, String> {
        let codings = Codings::parse([text.as_bytes()]).map_err(|error| error.to_string())?;
        Ok(Self { text: field_value(text)?, codings })
    }
}

/// What may stand behind the colon of a field.
fn field_value(text: &str) -> Result<String, String> {
    let is_good = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ');
    is_good.then(|| text.trim().to_owned()).ok_or_else(|| "only printable ASCII may stand here".to_owned())
}

fn web_address(text: &str) -> Result<Url, String> {
    let mut url = Url::parse(text).map_err(|error| error.to_string())?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err("an address begins with http:// or https://".to_owned());
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("an address with a user name in it is for nobody else".to_owned());
    }
    // What follows `#` never leaves a browser.
    url.set_fragment(None);
    Ok(url)
}
