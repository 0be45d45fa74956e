//! Tests of rule files: good ones, bad ones, and how they are found beside the configuration.

mod bad;
mod bypass;
mod found;
mod good;
mod inspect;
mod scan;
mod written;

use std::sync::Arc;

use super::{Expected, assert_found};
use crate::config::ConfigError;
use crate::config::document::Document;
use crate::config::rules::{self, Listeners, Rules};

/// Rules from the text of a file called `limits.toml`, beside a configuration with two ports.
fn read(text: &str) -> Result<Rules, ConfigError> {
    let names: [Arc<str>; 2] = ["office".into(), "guests".into()];
    let mut document = Document::new("limits.toml", text.into());
    let rules = rules::read(&mut document, Listeners::Named(&names));
    ConfigError::unless_good([document]).map(|()| rules)
}

/// Rules from a file that is right.
fn good(text: &str) -> Rules {
    read(text).unwrap_or_else(|error| panic!("{text}\n{error}"))
}
